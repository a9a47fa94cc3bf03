// test_sctp_assoc.c -- two associations back to back through a pipe that can lose packets, on one
// thread and with usrsctp's time made by ticks, so that half a minute of silence takes no time.
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "rtc/dcep.h"
#include "rtc/sctp_assoc.h"
#include "rtc/sctp_stack.h"
#include "tests/unit.h"
#include "tests/unit/virtual_wall.h"

enum {
    PIPE_MAX = 512,
    TEXT_MAX = 1 << 20,
    TICK_MS = 10,
};

struct end {
    struct pair *pair;
    struct prl_sctp_assoc *assoc;
    bool deaf;   // the owner's port is full
    int up, dry; // events so far
    int opened;  //
    int closed;  // channels
    int ended;   // associations
    enum prl_sctp_why why;
    char label[PRL_SCTP_LABEL_MAX + 1];
    uint16_t stream; // of the newest channel
    int messages;    // whole ones
    int pieces;
    size_t piece_max;
    bool binary;
    bool open_message; // a first piece came and no last one
    char *text;        // all text so far
    size_t len;
    size_t freed; // bytes
};

struct packet {
    uint32_t slot; // of the receiver
    uint8_t *data;
    size_t size;
};

struct pair {
    struct end ends[2];
    struct packet packets[PIPE_MAX];
    size_t packet_count;
    size_t packet_max; // largest so far
    size_t sent;
    int loss_percent;
    bool bare; // the other side is a socket of the test's own
    struct prl_sctp_counts counts;
    uint8_t *scratch;
    int64_t wall_us;
};

static void on_packet(void *arg, uint32_t slot, const uint8_t *data, size_t size)
{
    struct pair *pair = arg;
    pair->sent++;
    if (size > pair->packet_max)
        pair->packet_max = size;
    if (slot > 1 || pair->packet_count == PIPE_MAX)
        return;
    if (pair->loss_percent > 0 && prl_test_random() % 100 < (uint32_t)pair->loss_percent)
        return;
    uint8_t *copy = prl_mem_dup(data, size);
    if (copy)
        pair->packets[pair->packet_count++] =
            (struct packet){.slot = 1 - slot, .data = copy, .size = size};
}

static void on_wake(void *arg, uint32_t slot)
{
    (void)arg;
    (void)slot; // everything is serviced in each round
}

static void on_message(struct end *end, const struct prl_sctp_event *event)
{
    EXPECT(event->size <= PRL_SCTP_PIECE_MAX);
    EXPECT_INT(event->first, !end->open_message);
    end->open_message = !event->last;
    end->pieces++;
    end->messages += event->last;
    end->binary = event->binary;
    end->piece_max = event->size > end->piece_max ? event->size : end->piece_max;
    if (end->len + event->size <= TEXT_MAX && event->size > 0)
        memcpy(end->text + end->len, event->data, event->size);
    end->len += event->size;
}

static bool on_event(void *arg, const struct prl_sctp_event *event)
{
    struct end *end = arg;
    if (end->deaf)
        return false;
    switch (event->type) {
    case PRL_SCTP_UP:
        end->up++;
        break;
    case PRL_SCTP_CHANNEL_OPEN:
        end->opened++;
        end->stream = event->stream;
        memcpy(end->label, event->data, event->size);
        end->label[event->size] = '\0';
        break;
    case PRL_SCTP_MESSAGE:
        on_message(end, event);
        break;
    case PRL_SCTP_CHANNEL_CLOSED:
        end->closed++;
        break;
    case PRL_SCTP_DRAINED:
        end->dry++;
        break;
    case PRL_SCTP_CLOSED:
        EXPECT_INT(end->ended, 0);
        end->ended++;
        end->why = event->why;
        break;
    case PRL_SCTP_PACKET:
        EXPECT(false);
        break;
    }
    return true;
}

static void on_freed(void *arg, size_t bytes)
{
    ((struct end *)arg)->freed += bytes;
}

static const struct prl_sctp_stack_ops stack_ops = {on_packet, on_wake};
static const struct prl_sctp_assoc_ops assoc_ops = {on_event, on_freed};

static bool start_end(struct pair *pair, uint32_t slot)
{
    struct end *end = &pair->ends[slot];
    end->pair = pair;
    end->text = prl_mem_alloc(TEXT_MAX);
    end->assoc = end->text ? prl_sctp_assoc_alloc() : NULL;
    if (!end->assoc)
        return false;
    prl_sctp_assoc_start(end->assoc, &(struct prl_sctp_assoc_conf){.ops = &assoc_ops,
                                                                   .arg = end,
                                                                   .scratch = pair->scratch,
                                                                   .counts = &pair->counts,
                                                                   .slot = slot,
                                                                   .remote_port = PRL_SCTP_PORT});
    return true;
}

static void stop_end(struct end *end)
{
    prl_sctp_assoc_destroy(&end->assoc);
    prl_mem_free(end->text);
    end->text = NULL;
}

static bool start_pair(struct pair *pair)
{
    memset(pair, 0, sizeof(*pair));
    pair->wall_us = prl_clock_wall_us();
    prl_test_wall(pair->wall_us);
    prl_sctp_stack_start(&stack_ops, pair);
    pair->scratch = prl_mem_alloc(PRL_SCTP_PIECE_MAX);
    return pair->scratch && start_end(pair, 0) && start_end(pair, 1);
}

static void drop_packets(struct pair *pair)
{
    for (size_t i = 0; i < pair->packet_count; i++)
        prl_mem_free(pair->packets[i].data);
    pair->packet_count = 0;
}

static void stop_pair(struct pair *pair)
{
    stop_end(&pair->ends[0]);
    stop_end(&pair->ends[1]);
    prl_sctp_stack_stop();
    drop_packets(pair);
    prl_mem_free(pair->scratch);
    prl_test_wall(0);
}

// Delivers what is in the pipe, services both ends, lets 10 ms pass.
static void turn(struct pair *pair)
{
    for (int rounds = 0; rounds < 100; rounds++) {
        size_t count = pair->packet_count;
        for (size_t i = 0; i < count; i++) {
            struct packet *packet = &pair->packets[i];
            if (pair->ends[packet->slot].assoc || (packet->slot == 1 && pair->bare))
                prl_sctp_stack_input(packet->slot, packet->data, packet->size);
            prl_mem_free(packet->data);
        }
        pair->packet_count -= count;
        memmove(pair->packets, pair->packets + count, pair->packet_count * sizeof(struct packet));
        for (int i = 0; i < 2; i++)
            if (pair->ends[i].assoc)
                (void)prl_sctp_assoc_service(pair->ends[i].assoc);
        if (pair->packet_count == 0)
            break;
    }
    prl_sctp_stack_tick(TICK_MS);
    // usrsctp asks for the time besides counting ticks, and repeats nothing that was just sent.
    pair->wall_us += (int64_t)TICK_MS * 1000;
    prl_test_wall(pair->wall_us);
}

static bool run_until(struct pair *pair, const int *flag, int want, int ms_max)
{
    for (int ms = 0; *flag < want && ms < ms_max; ms += TICK_MS)
        turn(pair);
    return *flag >= want;
}

static void run(struct pair *pair, int ms)
{
    for (int at = 0; at < ms; at += TICK_MS)
        turn(pair);
}

static void send_text(struct end *end, uint16_t stream, const char *text, size_t len)
{
    char *copy = prl_mem_dup(text, len > 0 ? len : 1);
    if (copy)
        prl_sctp_assoc_take_text(end->assoc, stream, copy, len);
}

static char *pattern(size_t size)
{
    char *text = prl_mem_alloc(size);
    for (size_t i = 0; text && i < size; i++)
        text[i] = (char)('a' + i * 7 / 3 % 26);
    return text;
}

// End 1 opens a channel to end 0, as a client does.
static bool open_events(struct pair *pair)
{
    prl_sctp_assoc_open_channel(pair->ends[1].assoc, 0, PRL_SCTP_LABEL, strlen(PRL_SCTP_LABEL));
    return run_until(pair, &pair->ends[0].opened, 1, 20000) &&
           run_until(pair, &pair->ends[1].opened, 1, 20000);
}

PRL_TEST(sctp_assoc_carries_messages_both_ways)
{
    struct pair pair;
    REQUIRE(start_pair(&pair));
    struct end *server = &pair.ends[0];
    struct end *client = &pair.ends[1];
    REQUIRE(open_events(&pair));
    EXPECT(server->up == 1 && client->up == 1);
    EXPECT_TEXT(server->label, PRL_SCTP_LABEL);
    EXPECT_INT(server->stream, 0);
    send_text(server, 0, "hello", 5);
    send_text(client, 0, "", 0);
    send_text(client, 0, "{}", 2);
    EXPECT(run_until(&pair, &client->messages, 1, 1000));
    EXPECT(run_until(&pair, &server->messages, 2, 1000));
    EXPECT(client->len == 5 && memcmp(client->text, "hello", 5) == 0);
    EXPECT(server->len == 2 && memcmp(server->text, "{}", 2) == 0);
    EXPECT(!client->binary);
    run(&pair, 500);
    EXPECT(server->dry >= 1 && client->dry >= 1);
    EXPECT_INT(server->freed, 5 + PRL_SCTP_ITEM_COST);
    EXPECT_INT(client->freed, 2 + 2 * PRL_SCTP_ITEM_COST);
    stop_pair(&pair);
    EXPECT_INT(server->ended + client->ended, 0);
}

PRL_TEST(sctp_assoc_carries_the_longest_message_in_pieces)
{
    struct pair pair;
    REQUIRE(start_pair(&pair));
    char *text = pattern(PRL_SCTP_MESSAGE_MAX);
    REQUIRE(text && open_events(&pair));
    for (int i = 0; i < 3; i++)
        send_text(&pair.ends[0], 0, text, PRL_SCTP_MESSAGE_MAX);
    EXPECT(run_until(&pair, &pair.ends[1].messages, 3, 10000));
    EXPECT_INT(pair.ends[1].len, 3 * PRL_SCTP_MESSAGE_MAX);
    EXPECT(pair.ends[1].pieces > 3 * PRL_SCTP_MESSAGE_MAX / PRL_SCTP_PIECE_MAX);
    for (int i = 0; i < 3; i++)
        EXPECT(memcmp(pair.ends[1].text + (size_t)i * PRL_SCTP_MESSAGE_MAX, text,
                      PRL_SCTP_MESSAGE_MAX) == 0);
    EXPECT(pair.packet_max <= PRL_SCTP_PACKET_MAX);
    EXPECT(pair.packet_max > PRL_SCTP_PACKET_MAX - 100);
    prl_mem_free(text);
    stop_pair(&pair);
}

PRL_TEST(sctp_assoc_survives_loss)
{
    struct pair pair;
    REQUIRE(start_pair(&pair));
    pair.loss_percent = 20;
    REQUIRE(open_events(&pair));
    char *text = pattern(20000);
    REQUIRE(text);
    for (int i = 0; i < 10; i++) {
        send_text(&pair.ends[0], 0, text, 20000);
        send_text(&pair.ends[1], 0, text, 333);
    }
    EXPECT(run_until(&pair, &pair.ends[1].messages, 10, 120000));
    EXPECT(run_until(&pair, &pair.ends[0].messages, 10, 120000));
    for (size_t i = 0; i < 10; i++)
        EXPECT(memcmp(pair.ends[1].text + i * 20000, text, 20000) == 0);
    EXPECT_INT(pair.ends[0].len, 3330);
    prl_mem_free(text);
    stop_pair(&pair);
}

PRL_TEST(sctp_assoc_survives_a_blackout)
{
    struct pair pair;
    REQUIRE(start_pair(&pair));
    REQUIRE(open_events(&pair));
    pair.loss_percent = 100;
    send_text(&pair.ends[0], 0, "late", 4);
    run(&pair, 25000);
    EXPECT_INT(pair.ends[0].ended, 0);
    pair.loss_percent = 0;
    EXPECT(run_until(&pair, &pair.ends[1].messages, 1, 4000));
    stop_pair(&pair);
}

PRL_TEST(sctp_assoc_gives_up_on_a_peer_that_never_answers)
{
    struct pair pair;
    REQUIRE(start_pair(&pair));
    pair.loss_percent = 100;
    stop_end(&pair.ends[1]);
    run(&pair, 15000);
    EXPECT_INT(pair.ends[0].ended, 0);
    EXPECT(run_until(&pair, &pair.ends[0].ended, 1, 25000));
    EXPECT_INT(pair.ends[0].why, PRL_SCTP_WHY_TIMEOUT);
    run(&pair, 1000); // told once
    stop_pair(&pair);
}

PRL_TEST(sctp_assoc_gives_up_on_a_peer_that_falls_silent)
{
    struct pair pair;
    REQUIRE(start_pair(&pair));
    REQUIRE(open_events(&pair));
    pair.loss_percent = 100;
    send_text(&pair.ends[0], 0, "anybody", 7);
    run(&pair, 30000);
    EXPECT_INT(pair.ends[0].ended, 0);
    EXPECT(run_until(&pair, &pair.ends[0].ended, 1, 30000));
    EXPECT_INT(pair.ends[0].why, PRL_SCTP_WHY_TIMEOUT);
    // What is sent to it now is dropped and given back.
    size_t freed = pair.ends[0].freed;
    send_text(&pair.ends[0], 0, "lost", 4);
    EXPECT_INT(pair.ends[0].freed, freed + 4 + PRL_SCTP_ITEM_COST);
    stop_pair(&pair);
}

PRL_TEST(sctp_assoc_tells_an_abort)
{
    struct pair pair;
    REQUIRE(start_pair(&pair));
    REQUIRE(open_events(&pair));
    stop_end(&pair.ends[1]);
    EXPECT(run_until(&pair, &pair.ends[0].ended, 1, 100));
    EXPECT_INT(pair.ends[0].why, PRL_SCTP_WHY_ABORT);
    stop_pair(&pair);
}

PRL_TEST(sctp_assoc_closes_channels_from_either_side)
{
    struct pair pair;
    REQUIRE(start_pair(&pair));
    struct end *server = &pair.ends[0];
    struct end *client = &pair.ends[1];
    for (int round = 1; round <= 40; round++) {
        struct end *closer = round % 2 ? client : server;
        prl_sctp_assoc_open_channel(client->assoc, 2, PRL_SCTP_LABEL, strlen(PRL_SCTP_LABEL));
        EXPECT(run_until(&pair, &client->opened, round, 1000));
        send_text(closer, 2, "bye", 3);
        prl_sctp_assoc_close_channel(closer->assoc, 2);
        EXPECT(run_until(&pair, &client->closed, round, 2000));
        EXPECT(run_until(&pair, &server->closed, round, 2000));
        run(&pair, 50);
        send_text(server, 2, "gone", 4);
    }
    // What was said before closing has arrived, what came after it has not been sent.
    EXPECT_INT(server->messages, 20);
    EXPECT_INT(client->messages, 20);
    EXPECT_INT(atomic_load(&pair.counts.sends_dropped), 40);
    EXPECT_INT(atomic_load(&pair.counts.channels_refused), 0);
    // Both at once.
    prl_sctp_assoc_open_channel(client->assoc, 4, "x", 1);
    EXPECT(run_until(&pair, &client->opened, 41, 1000));
    prl_sctp_assoc_close_channel(client->assoc, 4);
    prl_sctp_assoc_close_channel(server->assoc, 4);
    EXPECT(run_until(&pair, &client->closed, 41, 2000));
    EXPECT(run_until(&pair, &server->closed, 41, 2000));
    stop_pair(&pair);
    EXPECT_INT(server->ended + client->ended, 0);
}

PRL_TEST(sctp_assoc_bounds_channels)
{
    struct pair pair;
    REQUIRE(start_pair(&pair));
    struct end *server = &pair.ends[0];
    struct end *client = &pair.ends[1];
    for (int i = 0; i < PRL_SCTP_CHANNELS_MAX; i++)
        prl_sctp_assoc_open_channel(client->assoc, (uint16_t)(2 * i), "any label", 9);
    EXPECT(run_until(&pair, &client->opened, PRL_SCTP_CHANNELS_MAX, 2000));
    EXPECT_INT(server->opened, PRL_SCTP_CHANNELS_MAX);
    EXPECT_TEXT(server->label, "any label");
    // The client's own table is full too.
    prl_sctp_assoc_open_channel(client->assoc, 63, "more", 4);
    EXPECT_INT(atomic_load(&pair.counts.channels_refused), 1);
    // The same stream again.
    prl_sctp_assoc_open_channel(client->assoc, 0, "again", 5);
    EXPECT_INT(atomic_load(&pair.counts.channels_refused), 2);
    // Messages of other labels are not delivered, only counted.
    send_text(client, 0, "text", 4);
    run(&pair, 200);
    EXPECT_INT(server->messages, 0);
    EXPECT_INT(atomic_load(&pair.counts.messages_ignored), 1);
    stop_pair(&pair);
}

// ---- against a bare socket that does what no client of ours would ----

static bool start_bare(struct pair *pair, struct prl_sctp_socket **peer)
{
    memset(pair, 0, sizeof(*pair));
    pair->wall_us = prl_clock_wall_us();
    prl_test_wall(pair->wall_us);
    prl_sctp_stack_start(&stack_ops, pair);
    pair->scratch = prl_mem_alloc(PRL_SCTP_PIECE_MAX);
    pair->bare = pair->scratch && start_end(pair, 0) &&
                 prl_sctp_socket_open(peer, 1, PRL_SCTP_PORT) == PRL_OK;
    return pair->bare && run_until(pair, &pair->ends[0].up, 1, 2000);
}

// Reads what came; counts the resets of the other side.
static uint64_t read_resets(struct prl_sctp_socket *peer)
{
    static uint8_t data[PRL_SCTP_PIECE_MAX];
    struct prl_sctp_read read;
    uint64_t streams = 0;
    while (prl_sctp_socket_read(peer, data, sizeof(data), &read) == PRL_OK) {
        if (read.type == PRL_SCTP_READ_DOWN)
            break;
        if (read.type == PRL_SCTP_READ_RESET_IN)
            streams |= read.streams;
    }
    return streams;
}

static void bare_open(struct prl_sctp_socket *peer, uint16_t stream, const char *label, size_t len)
{
    static uint8_t data[4096];
    size_t size;
    struct prl_dcep_open open = {.label = label, .label_len = len};
    REQUIRE(prl_dcep_build_open(&open, data, sizeof(data), &size) == PRL_OK);
    EXPECT_OK(prl_sctp_socket_send(peer, stream, PRL_DCEP_PPID_CONTROL, data, size));
}

PRL_TEST(sctp_assoc_refuses_channels)
{
    struct pair pair;
    struct prl_sctp_socket *peer;
    REQUIRE(start_bare(&pair, &peer));
    struct end *server = &pair.ends[0];
    static char label[3000];
    memset(label, 'x', sizeof(label));
    bare_open(peer, 0, label, 2000);
    for (uint16_t stream = 2; stream < 32; stream += 2)
        bare_open(peer, stream, "x", 1);
    bare_open(peer, 40, "one too many", 12);
    bare_open(peer, 42, label, sizeof(label)); // longer than we read
    EXPECT_OK(prl_sctp_socket_send(peer, 44, PRL_DCEP_PPID_CONTROL, "?", 1));
    run(&pair, 2000);
    EXPECT_INT(server->opened, PRL_SCTP_CHANNELS_MAX);
    EXPECT_INT(atomic_load(&pair.counts.channels_refused), 3);
    uint64_t resets = read_resets(peer);
    EXPECT(resets == (UINT64_C(1) << 40 | UINT64_C(1) << 42 | UINT64_C(1) << 44));
    // A channel that both agreed on elsewhere: its messages are ignored, its closing is answered.
    EXPECT_OK(prl_sctp_socket_send(peer, 50, PRL_DCEP_PPID_TEXT, "negotiated", 10));
    run(&pair, 100);
    EXPECT_OK(prl_sctp_socket_reset(peer, 50));
    run(&pair, 1000);
    EXPECT(read_resets(peer) == UINT64_C(1) << 50);
    EXPECT_INT(atomic_load(&pair.counts.messages_ignored), 1);
    EXPECT_INT(server->ended, 0);
    prl_sctp_socket_close(&peer);
    stop_pair(&pair);
}

PRL_TEST(sctp_assoc_understands_every_payload)
{
    struct pair pair;
    struct prl_sctp_socket *peer;
    REQUIRE(start_bare(&pair, &peer));
    struct end *server = &pair.ends[0];
    bare_open(peer, 0, PRL_SCTP_LABEL, strlen(PRL_SCTP_LABEL));
    EXPECT_OK(prl_sctp_socket_send(peer, 0, PRL_DCEP_PPID_TEXT_PART, "one ", 4));
    EXPECT_OK(prl_sctp_socket_send(peer, 0, PRL_DCEP_PPID_TEXT_PART, "two ", 4));
    EXPECT_OK(prl_sctp_socket_send(peer, 0, PRL_DCEP_PPID_TEXT, "three", 5));
    EXPECT(run_until(&pair, &server->messages, 1, 1000));
    EXPECT(server->len == 13 && memcmp(server->text, "one two three", 13) == 0);
    EXPECT_OK(prl_sctp_socket_send(peer, 0, PRL_DCEP_PPID_TEXT_EMPTY, "", 1));
    EXPECT(run_until(&pair, &server->messages, 2, 1000));
    EXPECT(server->len == 13 && !server->binary);
    EXPECT_OK(prl_sctp_socket_send(peer, 0, PRL_DCEP_PPID_BINARY, "bin", 3));
    EXPECT(run_until(&pair, &server->messages, 3, 1000));
    EXPECT(server->len == 16 && server->binary);
    EXPECT_OK(prl_sctp_socket_send(peer, 0, 99, "unknown", 7));
    EXPECT_OK(prl_sctp_socket_send(peer, 0, PRL_DCEP_PPID_CONTROL, "\x02", 1)); // an ACK, unasked
    run(&pair, 200);
    EXPECT_INT(server->messages, 3);
    EXPECT_INT(atomic_load(&pair.counts.messages_ignored), 2);
    prl_sctp_socket_close(&peer);
    stop_pair(&pair);
}

PRL_TEST(sctp_assoc_ends_at_a_message_without_end)
{
    struct pair pair;
    struct prl_sctp_socket *peer;
    REQUIRE(start_bare(&pair, &peer));
    bare_open(peer, 0, PRL_SCTP_LABEL, strlen(PRL_SCTP_LABEL));
    char *text = pattern(100000);
    REQUIRE(text);
    for (int i = 0; i < 3 && !pair.ends[0].ended; i++) {
        EXPECT_OK(prl_sctp_socket_send(peer, 0, PRL_DCEP_PPID_TEXT_PART, text, 100000));
        run(&pair, 1000);
    }
    EXPECT_INT(pair.ends[0].ended, 1);
    EXPECT_INT(pair.ends[0].why, PRL_SCTP_WHY_PROTOCOL);
    EXPECT(pair.ends[0].len <= PRL_SCTP_MESSAGE_MAX);
    prl_mem_free(text);
    prl_sctp_socket_close(&peer);
    stop_pair(&pair);
}

PRL_TEST(sctp_assoc_waits_for_a_full_port)
{
    struct pair pair;
    REQUIRE(start_pair(&pair));
    struct end *server = &pair.ends[0];
    struct end *client = &pair.ends[1];
    REQUIRE(open_events(&pair));
    char *text = pattern(100000);
    REQUIRE(text);
    server->deaf = true;
    for (int i = 0; i < 5; i++)
        send_text(client, 0, text, 100000);
    run(&pair, 3000);
    EXPECT_INT(server->messages, 0);
    // The window is closed: most of it waits at the sender.
    EXPECT(client->freed < 500000);
    prl_sctp_assoc_close_channel(client->assoc, 0);
    server->deaf = false;
    EXPECT(run_until(&pair, &server->closed, 1, 20000));
    EXPECT_INT(server->messages, 5);
    for (size_t i = 0; i < 5; i++)
        EXPECT(memcmp(server->text + i * 100000, text, 100000) == 0);
    prl_mem_free(text);
    stop_pair(&pair);
}

PRL_TEST(sctp_assoc_ignores_garbage)
{
    struct pair pair;
    REQUIRE(start_pair(&pair));
    REQUIRE(open_events(&pair));
    uint8_t data[PRL_SCTP_INPUT_MAX];
    for (int i = 0; i < 20000; i++) {
        size_t size = 1 + prl_test_random() % (i % 2 ? sizeof(data) : 64);
        for (size_t at = 0; at < size; at++)
            data[at] = (uint8_t)prl_test_random();
        prl_sctp_stack_input((uint32_t)i % 2, data, size);
    }
    run(&pair, 1000);
    EXPECT_INT(pair.ends[0].ended + pair.ends[1].ended, 0);
    send_text(&pair.ends[0], 0, "still here", 10);
    EXPECT(run_until(&pair, &pair.ends[1].messages, 1, 1000));
    stop_pair(&pair);
}

PRL_TEST(sctp_assoc_gives_everything_back)
{
    // With messages that never leave, channels half open, and a pipe that loses everything.
    for (int round = 0; round < 20; round++) {
        struct pair pair;
        REQUIRE(start_pair(&pair));
        if (round % 2)
            REQUIRE(open_events(&pair));
        pair.loss_percent = 100;
        char *text = pattern(200000);
        REQUIRE(text);
        for (int i = 0; i < 4; i++)
            send_text(&pair.ends[1], 0, text, 200000);
        prl_sctp_assoc_open_channel(pair.ends[1].assoc, 8, "half", 4);
        run(&pair, 50 * round);
        prl_mem_free(text);
        size_t expected = 4 * (size_t)(200000 + PRL_SCTP_ITEM_COST);
        stop_pair(&pair);
        EXPECT_INT(pair.ends[1].freed, expected);
    }
}

PRL_TEST_OOM(sctp_assoc_whole_life)
{
    struct pair pair;
    if (start_pair(&pair)) {
        (void)open_events(&pair);
        send_text(&pair.ends[0], 0, "hello", 5);
        pair.ends[1].deaf = true;
        run(&pair, 50);
        pair.ends[1].deaf = false;
        run(&pair, 50);
        prl_sctp_assoc_close_channel(pair.ends[1].assoc, 0);
        run(&pair, 50);
        send_text(&pair.ends[0], 0, "", 0);
    }
    stop_pair(&pair);
}
