// test_share.c -- net/share: whose turn it is, in one thread and in two.
#include "net/share.h"

#include <string.h>

#include "base/mem.h"
#include "net/loop.h"
#include "tests/unit.h"
#include "tests/unit/two_loops.h"

struct front {
    struct prl_loop *loop;
    struct prl_port *port;
    struct prl_share *share;
    unsigned index;
    int turns, started;
    enum prl_err err;
    char why[40];
    int wanted, done; // of the test in two threads
    bool holds;
};

static void on_message(void *arg, struct prl_msg *msg)
{
    struct front *front = arg;
    front->turns += msg->type == PRL_SHARE_TURN;
    if (msg->type == PRL_SHARE_STARTED) {
        front->started++;
        front->err = (enum prl_err)msg->value[0];
        strncpy(front->why, msg->data ? msg->data : "", sizeof(front->why) - 1);
    }
}

static enum prl_err open_fronts(struct front *fronts, size_t count, struct prl_loop *const *loops)
{
    enum prl_err err = PRL_OK;
    for (size_t i = 0; i < count && !err; i++) {
        fronts[i] = (struct front){.loop = loops[i]};
        err = prl_port_open(&fronts[i].port, loops[i], 4, on_message, &fronts[i]);
        if (!err && i == 0)
            err = prl_share_create(&fronts[0].share, fronts[0].port);
        else if (!err)
            err = prl_share_join(fronts[0].share, fronts[i].port, &fronts[i].index);
        fronts[i].share = fronts[0].share;
    }
    return err;
}

static void close_fronts(struct front *fronts, size_t count)
{
    struct prl_share *share = fronts[0].share;
    if (share)
        prl_share_close(share);
    prl_share_destroy(&share);
    for (size_t i = 0; i < count; i++)
        prl_port_destroy(&fronts[i].port);
}

static bool begin(const struct front *front, unsigned rank, uint64_t order, uint64_t *in_the_way)
{
    struct prl_share_wish wish = {front->index, rank, order, rank == 0};
    return prl_share_begin(front->share, &wish, in_the_way);
}

PRL_TEST(share_gives_the_lane_in_turn)
{
    struct prl_loop *loop;
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    struct front fronts[3];
    struct prl_loop *loops[] = {loop, loop, loop};
    REQUIRE(open_fronts(fronts, 3, loops) == PRL_OK);
    uint64_t way;
    EXPECT(begin(&fronts[0], 2, 7, &way) && way == 0);
    EXPECT_INT(prl_share_others(fronts[0].share, 0), 0);
    EXPECT_INT(prl_share_others(fronts[0].share, 1), 1);
    EXPECT(!begin(&fronts[1], 2, 8, &way) && way == 0); // not urgent: nothing gives way
    EXPECT(!begin(&fronts[2], 0, 9, &way) && way == 7); // urgent
    EXPECT(!begin(&fronts[2], 0, 9, &way) && way == 0); // said once
    EXPECT_INT(prl_share_others(fronts[0].share, 0), 2);
    prl_share_end(fronts[0].share, 0);
    prl_loop_turn(loop, 0);
    EXPECT_INT(fronts[1].turns, 0);
    EXPECT_INT(fronts[2].turns, 1); // the lower rank
    prl_share_turn(fronts[2].share, 2);
    EXPECT(begin(&fronts[2], 0, 9, &way));
    prl_share_pass(fronts[2].share, 2); // it was used
    prl_share_end(fronts[2].share, 2);
    prl_loop_turn(loop, 0);
    EXPECT_INT(fronts[1].turns, 1);
    prl_share_turn(fronts[1].share, 1);
    prl_share_pass(fronts[1].share, 1); // it wants nothing any more
    EXPECT(begin(&fronts[0], 2, 10, &way));
    prl_share_end(fronts[0].share, 0);
    close_fronts(fronts, 3);
    prl_loop_destroy(&loop);
}

PRL_TEST(share_better_wish_takes_a_kept_turn)
{
    struct prl_loop *loop;
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    struct front fronts[2];
    struct prl_loop *loops[] = {loop, loop};
    REQUIRE(open_fronts(fronts, 2, loops) == PRL_OK);
    uint64_t way;
    EXPECT(begin(&fronts[0], 3, 1, &way));
    EXPECT(!begin(&fronts[1], 3, 2, &way));
    // However often the turn is taken before front 1 looks, one TURN waits in its port.
    for (uint64_t i = 0; i < 20; i++) {
        prl_share_end(fronts[0].share, 0);
        EXPECT(begin(&fronts[0], 1, 3 + i, &way));
    }
    prl_loop_turn(loop, 0);
    EXPECT_INT(fronts[1].turns, 1);
    prl_share_turn(fronts[1].share, 1);
    EXPECT(!begin(&fronts[1], 3, 40, &way));
    prl_share_end(fronts[0].share, 0); // kept for front 1 before it has passed
    prl_share_pass(fronts[1].share, 1);
    prl_loop_turn(loop, 0);
    EXPECT_INT(fronts[1].turns, 2);
    prl_share_turn(fronts[1].share, 1);
    EXPECT(begin(&fronts[1], 3, 41, &way));
    prl_share_pass(fronts[1].share, 1);
    prl_share_end(fronts[1].share, 1);
    close_fronts(fronts, 2);
    prl_loop_destroy(&loop);
}

PRL_TEST(share_tells_how_loading_ended)
{
    struct prl_loop *loop;
    REQUIRE(prl_loop_create(&loop, NULL) == PRL_OK);
    struct front fronts[PRL_SHARE_FRONTS_MAX];
    struct prl_loop *loops[PRL_SHARE_FRONTS_MAX];
    for (size_t i = 0; i < PRL_SHARE_FRONTS_MAX; i++)
        loops[i] = loop;
    REQUIRE(open_fronts(fronts, PRL_SHARE_FRONTS_MAX, loops) == PRL_OK);
    unsigned front;
    EXPECT_INT(prl_share_join(fronts[0].share, fronts[0].port, &front), PRL_ERR_LIMIT);
    prl_share_started(fronts[0].share, PRL_ERR_ENGINE, "no such file");
    prl_loop_turn(loop, 0);
    EXPECT_INT(fronts[0].started, 0); // it knows
    EXPECT_INT(fronts[15].started, 1);
    EXPECT_INT(fronts[15].err, PRL_ERR_ENGINE);
    EXPECT_TEXT(fronts[15].why, "no such file");
    EXPECT(prl_share_port(fronts[0].share, prl_share_id(15, 123)) == fronts[15].port);
    EXPECT(prl_share_port(fronts[0].share, 123) == fronts[0].port);
    close_fronts(fronts, PRL_SHARE_FRONTS_MAX);
    prl_loop_destroy(&loop);
}

// Holds the lane for a turn of its loop, then gives it back, as often as it wants.
static bool step_front(void *arg)
{
    struct front *front = arg;
    uint64_t way;
    if (front->holds) {
        front->holds = false;
        front->done++;
        prl_share_end(front->share, front->index);
        return front->done == front->wanted;
    }
    bool told = front->turns > 0;
    front->turns = 0;
    if (told)
        prl_share_turn(front->share, front->index);
    if (front->done < front->wanted)
        front->holds = begin(front, (unsigned)front->done % 3, 1, &way);
    if (told)
        prl_share_pass(front->share, front->index);
    return false;
}

PRL_TEST(share_two_threads)
{
    struct prl_loop *loops[2];
    REQUIRE(prl_loop_create(&loops[0], NULL) == PRL_OK);
    REQUIRE(prl_loop_create(&loops[1], NULL) == PRL_OK);
    struct front fronts[2];
    REQUIRE(open_fronts(fronts, 2, loops) == PRL_OK);
    struct two_loops_side sides[2];
    for (size_t i = 0; i < 2; i++) {
        fronts[i].wanted = 200;
        sides[i] = (struct two_loops_side){loops[i], step_front, &fronts[i]};
    }
    EXPECT(two_loops_run(sides));
    EXPECT_INT(fronts[0].done, 200);
    EXPECT_INT(fronts[1].done, 200);
    close_fronts(fronts, 2);
    prl_loop_destroy(&loops[1]);
    prl_loop_destroy(&loops[0]);
}

PRL_TEST_OOM(share_outlet_sends_all_fronts_to_one_port)
{
    struct front front = {.loop = NULL};
    if (prl_loop_create(&front.loop, NULL) != PRL_OK) {
        EXPECT(prl_test_oom());
        return;
    }
    enum prl_err err = prl_port_open(&front.port, front.loop, 4, on_message, &front);
    if (!err)
        err = prl_share_create_outlet(&front.share, front.port);
    EXPECT(!err || prl_test_oom());
    for (unsigned i = 0; !err && i < PRL_SHARE_FRONTS_MAX; i++)
        EXPECT(prl_share_port(front.share, prl_share_id(i, 7)) == front.port);
    if (!err)
        close_fronts(&front, 1);
    else
        prl_port_destroy(&front.port);
    prl_loop_destroy(&front.loop);
}
