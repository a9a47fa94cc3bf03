// test_judge.c -- a lane with a scripted model: answers and their order, a full queue, cancel, errors, the
// end with work waiting, two loops with one lane.
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "tests/unit.h"
#include "tests/unit/judge_fake.h"
#include "tests/unit/two_loops.h"
#include "tests/unit/wait.h"

// What the scripted model does is told by the last sample of the sound: its value, or one of these.
enum { HANG = 2000, BREAK = 3000 };
enum { ANSWERS_MAX = 64 };
static const int64_t work_guess_us = 60000;

static atomic_int judged;
static atomic_int hanging; // a HANG waits
static atomic_int release; // lets it go on

static enum prl_err open_script(void *model, char *why, size_t why_size)
{
    if (strcmp(model, "good") == 0)
        return PRL_OK;
    (void)snprintf(why, why_size, "bad: cannot be loaded");
    return PRL_ERR_ENGINE;
}

static void close_script(void *model)
{
    EXPECT_TEXT(model, "good");
}

// The verdict's data is how many samples were heard.
static enum prl_err judge_script(void *model, const int16_t *pcm, size_t n,
                                 struct prl_judge_verdict *verdict)
{
    (void)model;
    int order = pcm[n - 1];
    atomic_fetch_add(&judged, 1);
    if (order == HANG) {
        atomic_store(&hanging, 1);
        while (!atomic_load(&release)) // the test lets go, or the runner ends it
            continue;
    }
    EXPECT(verdict->value == 0 && !verdict->data && verdict->size == 0);
    verdict->value = order;
    verdict->data = prl_mem_dup(&n, sizeof(n));
    verdict->size = sizeof(n);
    if (!verdict->data)
        return PRL_ERR_NOMEM;
    return order == BREAK ? PRL_ERR_ENGINE : PRL_OK;
}

static const struct prl_judge_kind SCRIPT = {.name = "script",
                                             .work = PRL_METRIC_EOT_WORK,
                                             .work_us_guess = 60000,
                                             .value_max = HANG,
                                             .data_size = sizeof(size_t),
                                             .open = open_script,
                                             .close = close_script,
                                             .judge = judge_script};

struct bench {
    struct judge_fake fake;
    struct prl_loop *loop;
    struct prl_judge *judge;
    struct prl_judge_stream *a, *b;
    struct {
        char name; // of the stream
        uint32_t utterance;
        int64_t value;
        enum prl_err err;
    } answers[ANSWERS_MAX];
    size_t count;
};

static void record(struct bench *bench, char name, const struct prl_judge_answer *answer)
{
    REQUIRE(bench->count < ANSWERS_MAX);
    EXPECT(answer->queued_us >= 0 && answer->work_us >= 0);
    EXPECT(answer->err
               ? !answer->verdict.data && answer->verdict.size == 0
               : answer->verdict.size == sizeof(size_t) && *(size_t *)answer->verdict.data == 4);
    bench->answers[bench->count].name = name;
    bench->answers[bench->count].utterance = answer->utterance;
    bench->answers[bench->count].value = answer->verdict.value;
    bench->answers[bench->count++].err = answer->err;
}

static void on_a(void *arg, const struct prl_judge_answer *answer)
{
    record(arg, 'a', answer);
}

static void on_b(void *arg, const struct prl_judge_answer *answer)
{
    record(arg, 'b', answer);
}

static struct prl_judge_conf conf_of(struct prl_loop *loop, char *model)
{
    return (struct prl_judge_conf){
        .kind = &SCRIPT, .model = model, .model_name = "scripted", .loop = loop};
}

static enum prl_err start(struct bench *bench, const char *model)
{
    static char names[][5] = {"good", "bad"};
    *bench = (struct bench){.count = 0};
    atomic_store(&release, 0);
    atomic_store(&hanging, 0);
    atomic_store(&judged, 0);
    enum prl_err err = prl_loop_create(&bench->loop, NULL);
    if (err)
        return err;
    struct prl_judge_conf conf = conf_of(bench->loop, names[strcmp(model, "good") != 0]);
    conf.on_ready = judge_fake_ready;
    conf.on_error = judge_fake_error;
    conf.arg = bench;
    err = prl_judge_create(&bench->judge, &conf);
    if (!err)
        err = prl_judge_open(bench->judge, on_a, bench, &bench->a);
    return err ? err : prl_judge_open(bench->judge, on_b, bench, &bench->b);
}

static void stop(struct bench *bench)
{
    atomic_store(&release, 1);
    prl_judge_close(&bench->a);
    prl_judge_close(&bench->b);
    prl_judge_destroy(&bench->judge);
    if (bench->loop)
        prl_loop_destroy(&bench->loop);
}

static enum prl_err ask(struct prl_judge_stream *stream, uint32_t utterance, int16_t order)
{
    int16_t pcm[4] = {1, 2, 3, order};
    return prl_judge_ask(stream, utterance, pcm, 4);
}

// The lane is busy with a HANG from here on.
static void hang(struct bench *bench)
{
    EXPECT_OK(ask(bench->a, 1, HANG));
    WAIT(bench->loop, atomic_load(&hanging));
}

PRL_TEST(judge_answers_in_order)
{
    struct bench bench;
    REQUIRE(start(&bench, "good") == PRL_OK);
    EXPECT(!prl_judge_is_ready(bench.judge));
    EXPECT_INT(ask(bench.a, 1, 500), PRL_ERR_AGAIN); // still loading
    WAIT(bench.loop, bench.fake.ready);
    EXPECT(prl_judge_is_ready(bench.judge));
    EXPECT_INT(prl_judge_backlog_us(bench.judge), 0);
    EXPECT_OK(ask(bench.a, 7, 921));
    EXPECT_OK(ask(bench.b, 8, 0));
    EXPECT_OK(ask(bench.a, 9, 1000));
    EXPECT_INT(bench.count, 0); // never from inside ask
    WAIT(bench.loop, bench.count == 3);
    EXPECT_INT(bench.answers[0].name, 'a');
    EXPECT_INT(bench.answers[0].utterance, 7);
    EXPECT_INT(bench.answers[0].value, 921);
    EXPECT_INT(bench.answers[1].name, 'b');
    EXPECT_INT(bench.answers[1].value, 0);
    EXPECT_INT(bench.answers[2].utterance, 9);
    EXPECT_INT(bench.answers[2].value, 1000);
    EXPECT_INT(bench.fake.failed, 0);
    stop(&bench);
}

PRL_TEST(judge_full_queue_refuses)
{
    struct bench bench;
    REQUIRE(start(&bench, "good") == PRL_OK);
    WAIT(bench.loop, bench.fake.ready);
    hang(&bench);
    EXPECT(prl_judge_backlog_us(bench.judge) <= work_guess_us);
    for (uint32_t i = 0; i < PRL_JUDGE_WAITING_MAX; i++)
        EXPECT_OK(ask(bench.b, i, 100));
    EXPECT_INT(ask(bench.b, 99, 100), PRL_ERR_FULL);
    EXPECT(prl_judge_backlog_us(bench.judge) >= PRL_JUDGE_WAITING_MAX * work_guess_us);
    atomic_store(&release, 1);
    WAIT(bench.loop, bench.count == PRL_JUDGE_WAITING_MAX + 1);
    for (uint32_t i = 0; i < PRL_JUDGE_WAITING_MAX; i++)
        EXPECT_INT(bench.answers[i + 1].utterance, i);
    EXPECT_INT(prl_judge_backlog_us(bench.judge), 0);
    stop(&bench);
}

PRL_TEST(judge_cancel_silences_one_stream)
{
    struct bench bench;
    REQUIRE(start(&bench, "good") == PRL_OK);
    WAIT(bench.loop, bench.fake.ready);
    hang(&bench); // of a
    uint64_t late = prl_metrics_value(PRL_METRIC_LATE_EVENTS);
    EXPECT_OK(ask(bench.b, 1, 10));
    EXPECT_OK(ask(bench.a, 2, 20));
    EXPECT_OK(ask(bench.b, 3, 30));
    prl_judge_cancel(bench.a);
    prl_judge_cancel(bench.a);
    EXPECT_OK(ask(bench.a, 4, 40)); // counts again
    atomic_store(&release, 1);
    WAIT(bench.loop, bench.count == 3);
    EXPECT_INT(bench.answers[0].utterance, 1);
    EXPECT_INT(bench.answers[1].utterance, 3);
    EXPECT_INT(bench.answers[2].utterance, 4);
    EXPECT_INT(atomic_load(&judged), 4); // the second of a's was never computed
    EXPECT_INT(prl_metrics_value(PRL_METRIC_LATE_EVENTS), late + 1);
    stop(&bench);
}

PRL_TEST(judge_closed_stream_gives_up_its_room)
{
    struct bench bench;
    REQUIRE(start(&bench, "good") == PRL_OK);
    WAIT(bench.loop, bench.fake.ready);
    hang(&bench);
    for (uint32_t i = 0; i < PRL_JUDGE_WAITING_MAX; i++)
        EXPECT_OK(ask(i % 2 ? bench.a : bench.b, i, 9));
    EXPECT_INT(ask(bench.a, 99, 9), PRL_ERR_FULL);
    prl_judge_close(&bench.b);
    EXPECT_OK(ask(bench.a, 98, 9));
    atomic_store(&release, 1);
    WAIT(bench.loop, bench.count == PRL_JUDGE_WAITING_MAX / 2 + 2);
    EXPECT_INT(bench.answers[1].utterance, 1);
    EXPECT_INT(bench.answers[bench.count - 1].utterance, 98);
    stop(&bench);
}

PRL_TEST(judge_model_that_fails)
{
    struct bench bench;
    REQUIRE(start(&bench, "good") == PRL_OK);
    WAIT(bench.loop, bench.fake.ready);
    EXPECT_OK(ask(bench.a, 1, BREAK));
    EXPECT_OK(ask(bench.a, 2, 5));
    WAIT(bench.loop, bench.count == 2);
    EXPECT_INT(bench.answers[0].err, PRL_ERR_ENGINE);
    EXPECT_INT(bench.answers[0].value, 0);
    EXPECT_INT(bench.answers[1].err, PRL_OK);
    EXPECT_INT(bench.answers[1].value, 5);
    stop(&bench);
}

PRL_TEST(judge_model_that_cannot_be_loaded)
{
    struct bench bench;
    REQUIRE(start(&bench, "bad") == PRL_OK);
    WAIT(bench.loop, bench.fake.failed);
    EXPECT_INT(bench.fake.ready, 0);
    EXPECT(!prl_judge_is_ready(bench.judge));
    EXPECT_INT(ask(bench.a, 1, 500), PRL_ERR_ENGINE);
    EXPECT_INT(prl_judge_backlog_us(bench.judge), 0);
    stop(&bench);
}

PRL_TEST(judge_ends_with_work_waiting)
{
    struct bench bench;
    REQUIRE(start(&bench, "good") == PRL_OK);
    WAIT(bench.loop, bench.fake.ready);
    hang(&bench);
    EXPECT_OK(ask(bench.a, 2, 10));
    EXPECT_OK(ask(bench.b, 3, 10));
    stop(&bench); // lets the model go on; no answer comes
    EXPECT_INT(bench.count, 0);
    // And before it was loaded.
    REQUIRE(start(&bench, "good") == PRL_OK);
    stop(&bench);
    EXPECT_INT(bench.fake.ready, 0);
}

PRL_TEST_OOM(judge_whole_life)
{
    struct bench bench;
    int taken = 0;
    enum prl_err err = start(&bench, "good");
    if (err)
        goto done;
    WAIT(bench.loop, bench.fake.ready || bench.fake.failed);
    for (uint32_t i = 0; i < 3; i++)
        taken += ask(bench.a, i, 700) == PRL_OK;
    WAIT(bench.loop, bench.count == (size_t)taken);
    EXPECT_INT(bench.count, taken);
done:
    stop(&bench);
}

// ---- two loops, one lane ----

enum { ROUNDS = 40 };

struct side {
    struct prl_loop *loop;
    struct prl_judge *judge;
    struct prl_judge_stream *stream;
    int16_t base; // value of its first ask
    uint32_t asked, answered, wrong;
    bool waits, ready;
};

static void on_side_ready(void *arg)
{
    ((struct side *)arg)->ready = true;
}

static void on_side_answer(void *arg, const struct prl_judge_answer *answer)
{
    struct side *side = arg;
    side->wrong += answer->err || answer->utterance != side->asked ||
                   answer->verdict.value != side->base + (int64_t)side->asked;
    side->answered++;
    side->waits = false;
}

// Asks again and again; every fourth ask is taken back and never answered.
static bool step_side(void *arg)
{
    struct side *side = arg;
    if (!prl_judge_is_ready(side->judge) || side->waits)
        return false;
    if (side->asked == ROUNDS)
        return true;
    int16_t pcm[2] = {0, (int16_t)(side->base + (int16_t)++side->asked)};
    EXPECT_OK(prl_judge_ask(side->stream, side->asked, pcm, 2));
    side->waits = side->asked % 4 != 0;
    if (!side->waits)
        prl_judge_cancel(side->stream);
    return false;
}

static enum prl_err open_side(struct side *side, struct prl_judge *share, char *model)
{
    struct prl_judge_conf conf = conf_of(side->loop, model);
    conf.share = share;
    conf.on_ready = on_side_ready;
    conf.arg = side;
    enum prl_err err = prl_judge_create(&side->judge, &conf);
    return err ? err : prl_judge_open(side->judge, on_side_answer, side, &side->stream);
}

PRL_TEST(judge_two_loops_share_a_lane)
{
    char model[] = "good";
    struct side sides[2] = {{.base = 100}, {.base = 500}};
    for (size_t i = 0; i < 2; i++) {
        REQUIRE(prl_loop_create(&sides[i].loop, NULL) == PRL_OK);
        REQUIRE(open_side(&sides[i], i ? sides[0].judge : NULL, model) == PRL_OK);
    }
    const struct two_loops_side both[2] = {{sides[0].loop, step_side, &sides[0]},
                                           {sides[1].loop, step_side, &sides[1]}};
    EXPECT(two_loops_run(both));
    for (size_t i = 0; i < 2; i++) {
        EXPECT(sides[i].ready);
        EXPECT_INT(sides[i].answered, ROUNDS - ROUNDS / 4);
        EXPECT_INT(sides[i].wrong, 0);
        prl_judge_close(&sides[i].stream);
    }
    prl_judge_destroy(&sides[0].judge);
    prl_judge_destroy(&sides[1].judge);
    prl_loop_destroy(&sides[0].loop);
    prl_loop_destroy(&sides[1].loop);
}

PRL_TEST_OOM(judge_shared_lane_that_does_not_load)
{
    char model[] = "bad";
    struct side sides[2] = {{.base = 0}, {.base = 0}};
    enum prl_err err = PRL_OK;
    for (size_t i = 0; i < 2 && !err; i++) {
        err = prl_loop_create(&sides[i].loop, NULL);
        if (!err)
            err = open_side(&sides[i], i ? sides[0].judge : NULL, model);
    }
    int16_t pcm = 1;
    int64_t until_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!err && prl_judge_ask(sides[1].stream, 1, &pcm, 1) != PRL_ERR_ENGINE &&
           prl_clock_now_us() < until_us)
        for (size_t i = 0; i < 2; i++)
            prl_loop_turn(sides[i].loop, 1000);
    if (!err && !prl_test_oom())
        EXPECT_INT(prl_judge_ask(sides[1].stream, 1, &pcm, 1), PRL_ERR_ENGINE);
    for (size_t i = 0; i < 2; i++)
        prl_judge_close(&sides[i].stream);
    prl_judge_destroy(&sides[0].judge);
    prl_judge_destroy(&sides[1].judge);
    for (size_t i = 0; i < 2; i++)
        if (sides[i].loop)
            prl_loop_destroy(&sides[i].loop);
}
