// test_sctp.c -- the owner thread and its handles: pairs of associations whose packets loops carry
// to each other, one loop first, then two with two hundred peers each.
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/loop.h"
#include "rtc/sctp.h"
#include "tests/unit.h"

enum { TURN_US = 10000 };

// ---- one loop, one pair ----

struct end {
    struct prl_sctp_handle handle;
    int opened, closed, ended, up, dry;
    int messages;
    size_t bytes;
    enum prl_sctp_why why;
};

struct link {
    struct prl_loop *loop;
    struct prl_port *port;
    struct prl_sctp *sctp;
    struct end ends[2]; // 0 server, 1 client
    bool cut;           // packets are lost
    int strange;        // events with a stale handle
};

static void on_link_event(void *arg, struct prl_msg *msg)
{
    struct link *link = arg;
    struct prl_sctp_event event;
    prl_sctp_event_read(msg, &event);
    struct end *end = &link->ends[event.id];
    if (!prl_sctp_same(end->handle, event.handle)) {
        link->strange++;
        prl_msg_free(msg);
        return;
    }
    switch (event.type) {
    case PRL_SCTP_PACKET:
        if (!link->cut && link->ends[1 - event.id].handle.generation)
            (void)!prl_sctp_input(link->sctp, link->ends[1 - event.id].handle, event.data,
                                  event.size);
        break;
    case PRL_SCTP_UP:
        end->up++;
        break;
    case PRL_SCTP_CHANNEL_OPEN:
        EXPECT(event.size == strlen(PRL_SCTP_LABEL));
        end->opened++;
        break;
    case PRL_SCTP_MESSAGE:
        end->messages += event.last;
        end->bytes += event.size;
        break;
    case PRL_SCTP_CHANNEL_CLOSED:
        end->closed++;
        break;
    case PRL_SCTP_DRAINED:
        end->dry++;
        break;
    case PRL_SCTP_CLOSED:
        end->ended++;
        end->why = event.why;
        break;
    }
    prl_msg_free(msg);
}

static bool run_until(struct link *link, const int *flag, int want)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (*flag < want && prl_clock_now_us() < end_us)
        prl_loop_turn(link->loop, TURN_US);
    return *flag >= want;
}

static enum prl_err open_end(struct link *link, uint64_t id)
{
    struct prl_sctp_peer_conf conf = {.port = link->port, .id = id};
    return prl_sctp_open(link->sctp, &conf, &link->ends[id].handle);
}

static bool start_link(struct link *link)
{
    *link = (struct link){0};
    return prl_loop_create(&link->loop, NULL) == PRL_OK &&
           prl_port_open(&link->port, link->loop, 4096, on_link_event, link) == PRL_OK &&
           prl_sctp_create(&link->sctp, 4) == PRL_OK;
}

static bool connect_link(struct link *link)
{
    return open_end(link, 0) == PRL_OK && open_end(link, 1) == PRL_OK &&
           prl_sctp_open_channel(link->sctp, link->ends[1].handle, 0, PRL_SCTP_LABEL) == PRL_OK &&
           run_until(link, &link->ends[0].opened, 1) && run_until(link, &link->ends[1].opened, 1);
}

static void stop_link(struct link *link)
{
    prl_sctp_destroy(&link->sctp);
    prl_port_destroy(&link->port);
    prl_loop_destroy(&link->loop);
}

PRL_TEST(sctp_connects_and_closes)
{
    struct link link;
    REQUIRE(start_link(&link));
    REQUIRE(connect_link(&link));
    EXPECT(link.ends[0].up == 1 && link.ends[1].up == 1);
    EXPECT_OK(prl_sctp_send(link.sctp, link.ends[0].handle, 0, "hello", 5));
    EXPECT_OK(prl_sctp_send(link.sctp, link.ends[1].handle, 0, "", 0));
    EXPECT(run_until(&link, &link.ends[1].messages, 1));
    EXPECT(run_until(&link, &link.ends[0].messages, 1));
    EXPECT_INT(link.ends[1].bytes, 5);
    EXPECT(run_until(&link, &link.ends[0].dry, 1));
    EXPECT_OK(prl_sctp_close_channel(link.sctp, link.ends[0].handle, 0));
    EXPECT(run_until(&link, &link.ends[0].closed, 1));
    EXPECT(run_until(&link, &link.ends[1].closed, 1));
    prl_sctp_close(link.sctp, &link.ends[1].handle);
    EXPECT_INT(link.ends[1].handle.generation, 0);
    // The ABORT comes with the old handle, which this test no longer forwards.
    struct prl_sctp_stats stats;
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    do
        prl_sctp_stats(link.sctp, &stats);
    while (stats.associations > 1 && prl_clock_now_us() < end_us);
    EXPECT_INT(stats.associations, 1);
    EXPECT_INT(stats.opened, 2);
    EXPECT_INT(stats.messages_in, 2);
    EXPECT_INT(stats.messages_out, 2);
    EXPECT_INT(stats.packets_dropped, 0);
    EXPECT_INT(link.ends[0].ended, 0);
    stop_link(&link); // with one association open
}

PRL_TEST(sctp_tells_the_other_side_of_a_close)
{
    struct link link;
    REQUIRE(start_link(&link));
    REQUIRE(connect_link(&link));
    struct prl_sctp_handle old = link.ends[1].handle;
    EXPECT_OK(prl_sctp_send(link.sctp, old, 0, "last words", 10));
    prl_sctp_close(link.sctp,
                   &(struct prl_sctp_handle){.slot = old.slot, .generation = old.generation});
    EXPECT(run_until(&link, &link.ends[0].ended, 1));
    EXPECT_INT(link.ends[0].why, PRL_SCTP_WHY_ABORT);
    EXPECT_INT(link.ends[0].messages, 1);
    EXPECT_TEXT(prl_sctp_why_name(link.ends[0].why), "aborted by the peer");
    stop_link(&link);
}

PRL_TEST(sctp_drops_what_comes_with_a_stale_handle)
{
    struct link link;
    REQUIRE(start_link(&link));
    REQUIRE(open_end(&link, 0) == PRL_OK);
    struct prl_sctp_handle stale[] = {
        {0}, {.slot = 99, .generation = 1}, {.slot = 3, .generation = 1}, link.ends[0].handle};
    prl_sctp_close(link.sctp, &link.ends[0].handle);
    for (size_t i = 0; i < 4; i++) {
        EXPECT_INT(prl_sctp_input(link.sctp, stale[i], (const uint8_t *)"x", 1), PRL_ERR_NOTFOUND);
        EXPECT_INT(prl_sctp_send(link.sctp, stale[i], 0, "x", 1), PRL_ERR_NOTFOUND);
        EXPECT_INT(prl_sctp_open_channel(link.sctp, stale[i], 0, "x"), PRL_ERR_NOTFOUND);
        EXPECT_INT(prl_sctp_close_channel(link.sctp, stale[i], 0), PRL_ERR_NOTFOUND);
        prl_sctp_close(link.sctp, &stale[i]); // the second time for the last: nothing happens
    }
    struct prl_sctp_stats stats;
    prl_sctp_stats(link.sctp, &stats);
    EXPECT_INT(stats.stale, 16 + 3); // closing a handle that is none is no mistake
    EXPECT(!prl_sctp_same((struct prl_sctp_handle){0}, (struct prl_sctp_handle){0}));
    stop_link(&link);
}

PRL_TEST(sctp_reuses_slots_with_new_generations)
{
    struct link link;
    REQUIRE(start_link(&link)); // four slots
    for (int round = 0; round < 50; round++) {
        memset(link.ends, 0, sizeof(link.ends));
        int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
        struct prl_sctp_stats stats;
        do
            prl_sctp_stats(link.sctp, &stats);
        while (stats.associations > 0 && prl_clock_now_us() < end_us);
        REQUIRE(connect_link(&link));
        EXPECT_OK(prl_sctp_send(link.sctp, link.ends[0].handle, 0, "x", 1));
        EXPECT(run_until(&link, &link.ends[1].messages, 1));
        prl_sctp_close(link.sctp, &link.ends[0].handle);
        prl_sctp_close(link.sctp, &link.ends[1].handle);
    }
    stop_link(&link);
}

PRL_TEST(sctp_is_bounded)
{
    struct link link;
    REQUIRE(start_link(&link));
    REQUIRE(connect_link(&link));
    struct prl_sctp_handle handles[3];
    struct prl_sctp_peer_conf conf = {.port = link.port, .id = 0, .message_max = 1000};
    EXPECT_OK(prl_sctp_open(link.sctp, &conf, &handles[0]));
    EXPECT_OK(prl_sctp_open(link.sctp, &conf, &handles[1]));
    EXPECT_INT(prl_sctp_open(link.sctp, &conf, &handles[2]), PRL_ERR_LIMIT);
    EXPECT_INT(handles[2].generation, 0);

    char *text = prl_mem_zalloc(PRL_SCTP_MESSAGE_MAX + 1);
    REQUIRE(text);
    EXPECT_INT(prl_sctp_send(link.sctp, handles[0], 0, text, 1001), PRL_ERR_LIMIT);
    struct prl_sctp_handle server = link.ends[0].handle;
    EXPECT_INT(prl_sctp_send(link.sctp, server, 0, text, PRL_SCTP_MESSAGE_MAX + 1), PRL_ERR_LIMIT);
    EXPECT_INT(prl_sctp_input(link.sctp, server, (uint8_t *)text, PRL_SCTP_INPUT_MAX + 1),
               PRL_ERR_LIMIT);
    EXPECT_INT(prl_sctp_input(link.sctp, server, (uint8_t *)text, 0), PRL_ERR_LIMIT);
    EXPECT_INT(prl_sctp_open_channel(link.sctp, server, PRL_SCTP_STREAMS, "x"), PRL_ERR_LIMIT);

    // A peer that does not read: what waits is bounded, and comes when it reads again.
    link.cut = true;
    // Only the first refusal is certain: the thread may hand on another message right after it.
    int sent = 0;
    enum prl_err err;
    while (!(err = prl_sctp_send(link.sctp, server, 0, text, PRL_SCTP_MESSAGE_MAX)) && sent < 1000)
        sent++;
    EXPECT_INT(err, PRL_ERR_FULL);
    EXPECT(sent >= 15 && sent <= 18); // 4 MiB, and what usrsctp took
    link.ends[0].dry = 0; // before the line works again: it may be dry before all is delivered
    link.cut = false;
    EXPECT(run_until(&link, &link.ends[1].messages, sent));
    EXPECT_INT(link.ends[1].bytes, (size_t)sent * PRL_SCTP_MESSAGE_MAX);
    EXPECT(run_until(&link, &link.ends[0].dry, 1));
    EXPECT_OK(prl_sctp_send(link.sctp, server, 0, text, PRL_SCTP_MESSAGE_MAX));
    prl_mem_free(text);
    stop_link(&link);
}

PRL_TEST(sctp_forgets_a_port)
{
    struct link link;
    REQUIRE(start_link(&link));
    REQUIRE(connect_link(&link));
    struct prl_port *other;
    REQUIRE(prl_port_open(&other, link.loop, 1, on_link_event, &link) == PRL_OK);
    struct prl_sctp_handle handle;
    struct prl_sctp_peer_conf conf = {.port = other, .id = 0};
    EXPECT_OK(prl_sctp_open(link.sctp, &conf, &handle));
    EXPECT_OK(prl_sctp_send(link.sctp, link.ends[0].handle, 0, "x", 1));
    prl_sctp_detach(link.sctp, other);
    prl_port_destroy(&other);
    struct prl_sctp_stats stats;
    prl_sctp_stats(link.sctp, &stats);
    EXPECT_INT(stats.associations, 2);
    EXPECT_INT(prl_sctp_send(link.sctp, handle, 0, "x", 1), PRL_ERR_NOTFOUND);
    prl_sctp_close(link.sctp, &handle);
    EXPECT(run_until(&link, &link.ends[1].messages, 1)); // the others live
    prl_sctp_detach(link.sctp, link.port);
    prl_sctp_stats(link.sctp, &stats);
    EXPECT_INT(stats.associations, 0);
    // Events that the port still holds are freed with it.
    stop_link(&link);
}

PRL_TEST(sctp_ends_with_everything_under_way)
{
    for (int round = 0; round < 10; round++) {
        struct link link;
        REQUIRE(start_link(&link));
        REQUIRE(round % 2 == 0 || connect_link(&link));
        if (round % 2 == 0)
            REQUIRE(open_end(&link, 0) == PRL_OK && open_end(&link, 1) == PRL_OK);
        for (int i = 0; i < 100; i++)
            EXPECT_OK(prl_sctp_send(link.sctp, link.ends[0].handle, 0, "0123456789", 10));
        if (round % 3 == 0)
            prl_sctp_close(link.sctp, &link.ends[1].handle);
        stop_link(&link);
    }
}

PRL_TEST_OOM(sctp_whole_life)
{
    struct link link;
    if (!start_link(&link))
        goto done;
    if (open_end(&link, 0) != PRL_OK || open_end(&link, 1) != PRL_OK)
        goto done;
    if (prl_sctp_open_channel(link.sctp, link.ends[1].handle, 0, "x") != PRL_OK)
        goto done;
    (void)!prl_sctp_input(link.sctp, link.ends[0].handle, (const uint8_t *)"x", 1);
    (void)!prl_sctp_send(link.sctp, link.ends[0].handle, 0, "x", 1);
    prl_sctp_close(link.sctp, &link.ends[0].handle);
done:
    stop_link(&link);
}

// ---- two loops with two hundred peers each ----

enum {
    PAIRS = 200,
    MESSAGES = 10, // each way
    SIZE_MAX_BYTES = 6000,
    LOSS_PERMILLE = 5,
};

// What a peer has to tell of itself at the end.
struct peer {
    struct prl_sctp_handle handle;
    bool client;
    int sent;      // messages
    int received;  // whole ones
    size_t at;     // in the message that arrives
    bool finished; // has all messages and saw its channel or association end
    bool wrong;
};

struct side {
    struct town *town;
    int number; // 0 or 1
    struct prl_loop *loop;
    struct prl_port *events;
    struct prl_port *wire; // packets from the other side: id is the pair
    struct peer peers[PAIRS];
    uint32_t random;
    int finished;
};

struct town {
    struct prl_sctp *sctp;
    struct side sides[2];
    atomic_int finished;
    pthread_barrier_t gate; // both sides have their ports; neither sends any more
};

static size_t message_size(size_t pair, int index)
{
    return 10 + (pair * 131 + (size_t)index * 977) % SIZE_MAX_BYTES;
}

static void send_next(struct side *side, size_t pair)
{
    char text[SIZE_MAX_BYTES + 10];
    struct peer *peer = &side->peers[pair];
    size_t size = message_size(pair, peer->sent);
    memset(text, 'a' + peer->sent % 26, size);
    if (prl_sctp_send(side->town->sctp, peer->handle, 0, text, size) != PRL_OK)
        peer->wrong = true;
    peer->sent++;
}

static void finish(struct side *side, struct peer *peer)
{
    if (peer->finished)
        return;
    peer->finished = true;
    side->finished++;
    atomic_fetch_add(&side->town->finished, 1);
}

// Each sends as many as it got; the client begins, and after the last answer it closes the channel
// (even pairs) or the association (odd ones).
static void on_peer_message(struct side *side, size_t pair, const struct prl_sctp_event *event)
{
    struct peer *peer = &side->peers[pair];
    for (size_t i = 0; i < event->size; i++)
        peer->wrong |= event->data[i] != 'a' + peer->received % 26;
    peer->at += event->size;
    if (!event->last)
        return;
    peer->wrong |= peer->at != message_size(pair, peer->received);
    peer->at = 0;
    peer->received++;
    if (peer->sent < MESSAGES) {
        send_next(side, pair);
    } else if (peer->client && pair % 2 == 0) {
        if (prl_sctp_close_channel(side->town->sctp, peer->handle, 0) != PRL_OK)
            peer->wrong = true;
    }
}

static void on_peer_event(void *arg, struct prl_msg *msg)
{
    struct side *side = arg;
    struct prl_sctp_event event;
    prl_sctp_event_read(msg, &event);
    size_t pair = event.id;
    struct peer *peer = &side->peers[pair];
    peer->wrong |= !prl_sctp_same(peer->handle, event.handle);
    switch (event.type) {
    case PRL_SCTP_PACKET:
        side->random = side->random * 1664525u + 1013904223u;
        msg->id = pair;
        if (side->random >> 16 < LOSS_PERMILLE * 65536u / 1000 ||
            prl_port_send(side->town->sides[1 - side->number].wire, msg) != PRL_OK)
            prl_msg_free(msg);
        msg->data = NULL;
        return;
    case PRL_SCTP_CHANNEL_OPEN:
        if (peer->client)
            send_next(side, pair);
        break;
    case PRL_SCTP_MESSAGE:
        on_peer_message(side, pair, &event);
        if (peer->client && peer->received == MESSAGES && pair % 2 == 1)
            finish(side, peer);
        break;
    case PRL_SCTP_CHANNEL_CLOSED:
        finish(side, peer);
        break;
    case PRL_SCTP_CLOSED:
        peer->wrong = true;
        break;
    case PRL_SCTP_DRAINED:
        // The server of an odd pair is done when its last answer has arrived.
        if (!peer->client && pair % 2 == 1 && peer->sent == MESSAGES)
            finish(side, peer);
        break;
    case PRL_SCTP_UP:
        break;
    }
    prl_msg_free(msg);
}

static void on_wire(void *arg, struct prl_msg *msg)
{
    struct side *side = arg;
    (void)!prl_sctp_input(side->town->sctp, side->peers[msg->id].handle, msg->data, msg->size);
    prl_msg_free(msg);
}

static void open_side(struct side *side)
{
    // A loop belongs to its thread, where a failed requirement cannot end the test.
    if (prl_loop_create(&side->loop, NULL) != PRL_OK ||
        prl_port_open(&side->events, side->loop, 8192, on_peer_event, side) != PRL_OK ||
        prl_port_open(&side->wire, side->loop, 8192, on_wire, side) != PRL_OK)
        abort();
}

static void *run_side(void *arg)
{
    struct side *side = arg;
    struct town *town = side->town;
    open_side(side);
    pthread_barrier_wait(&town->gate);
    for (size_t pair = 0; pair < PAIRS; pair++) {
        struct peer *peer = &side->peers[pair];
        struct prl_sctp_peer_conf conf = {.port = side->events, .id = pair};
        peer->client = pair % 2 == (size_t)side->number;
        // Their answers need the loop, so none is late for these orders.
        if (prl_sctp_open(town->sctp, &conf, &peer->handle) != PRL_OK ||
            (peer->client &&
             prl_sctp_open_channel(town->sctp, peer->handle, 0, PRL_SCTP_LABEL) != PRL_OK))
            peer->wrong = true;
    }
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (atomic_load(&town->finished) < 2 * PAIRS && prl_clock_now_us() < end_us)
        prl_loop_turn(side->loop, TURN_US);
    for (size_t pair = 0; pair < PAIRS / 2; pair++) // the rest is closed by destroy
        prl_sctp_close(town->sctp, &side->peers[pair].handle);
    prl_sctp_detach(town->sctp, side->events);
    pthread_barrier_wait(&town->gate);
    prl_port_destroy(&side->events);
    prl_port_destroy(&side->wire);
    prl_loop_destroy(&side->loop);
    return NULL;
}

PRL_TEST(sctp_carries_two_loops_of_two_hundred_peers)
{
    struct town *town = prl_mem_zalloc(sizeof(*town));
    REQUIRE(town);
    REQUIRE(prl_sctp_create(&town->sctp, (size_t)2 * PAIRS) == PRL_OK);
    for (int i = 0; i < 2; i++) {
        struct side *side = &town->sides[i];
        side->town = town;
        side->number = i;
        side->random = 77u + (uint32_t)i;
    }
    REQUIRE(pthread_barrier_init(&town->gate, NULL, 2) == 0);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        REQUIRE(pthread_create(&threads[i], NULL, run_side, &town->sides[i]) == 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    EXPECT_INT(atomic_load(&town->finished), 2 * PAIRS);
    for (int i = 0; i < 2; i++)
        for (size_t pair = 0; pair < PAIRS; pair++) {
            const struct peer *peer = &town->sides[i].peers[pair];
            EXPECT(!peer->wrong);
            EXPECT_INT(peer->received, MESSAGES);
        }
    struct prl_sctp_stats stats;
    prl_sctp_stats(town->sctp, &stats);
    EXPECT_INT(stats.associations, 0);
    EXPECT_INT(stats.opened, 2 * PAIRS);
    EXPECT_INT(stats.messages_in, 2 * PAIRS * MESSAGES);
    EXPECT_INT(stats.sends_dropped, 0);
    prl_sctp_destroy(&town->sctp);
    pthread_barrier_destroy(&town->gate);
    prl_mem_free(town);
}
