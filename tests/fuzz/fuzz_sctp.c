// fuzz_sctp.c -- one association against a peer that does what the input says: messages with any
// payload id, resets, packets changed, lost, doubled or made up; its own owner does odd things too.
//
// The input is a list of steps, an op byte and its arguments, for an association that stands. Making one
// takes longer than the steps do, so under libFuzzer one serves up to LIVES inputs, unless an input ends
// it or (first byte a multiple of 8) wants to play with the hand-shake. A crash is then of all the inputs
// since it was made; they stand in the files build/fuzz/last/sctp-NN:
//     build/fuzz/bin/sctp build/fuzz/last/sctp-*
// Short inputs are quick, and many of them reach as far as a long one. LeakSanitizer would look through all
// memory after nearly every run:
//     make fuzz T=sctp FUZZ_ARGS="-detect_leaks=0 -max_len=48"
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "rtc/sctp_assoc.h"
#include "rtc/sctp_stack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum {
    LIVES = 32,
    TARGET = 0, // slot of the association
    PEER = 1,   // slot of the bare socket that stands for the client
    PIPE_MAX = 64,
    PACKET_MAX = 2048,
    HEADER_SIZE = 12,
    STEPS_MAX = 64,
    PACKETS_AFTER = 16, // where more inputs come: the rest is theirs
    TICK_MS = 10,
};

static struct {
    struct prl_sctp_assoc *assoc;
    struct prl_sctp_socket *peer;
    struct packet {
        uint32_t slot; // of the receiver
        size_t size;
        uint8_t data[PACKET_MAX];
    } packets[PIPE_MAX];
    size_t packet_first, packet_count;
    uint8_t header[HEADER_SIZE]; // of the peer's packets, with the tag that the target wants
    uint8_t scratch[PRL_SCTP_PIECE_MAX];
    uint8_t peer_data[PRL_SCTP_PIECE_MAX];
    struct prl_sctp_counts counts;
    bool deaf;
    bool ended;
    bool message_open;
    size_t message_size;
    int channels;
    size_t taken, freed; // bytes
    int64_t blocks;      // of memory before the association was made
    int lives;           // inputs that it has had
} run;

static int last[LIVES];   // files with its inputs
static int lives_max = 1; // LIVES under libFuzzer; the unit runner wants every block back
static bool keeping;

static void on_packet(void *arg, uint32_t slot, const uint8_t *data, size_t size)
{
    (void)arg;
    if (size > PRL_SCTP_PACKET_MAX || slot > PEER)
        abort();
    if (slot == PEER)
        memcpy(run.header, data, HEADER_SIZE);
    if (run.packet_count == PIPE_MAX)
        return;
    struct packet *packet = &run.packets[(run.packet_first + run.packet_count++) % PIPE_MAX];
    packet->slot = slot == PEER ? TARGET : PEER;
    packet->size = size;
    memcpy(packet->data, data, size);
}

static void on_wake(void *arg, uint32_t slot)
{
    (void)arg;
    (void)slot;
}

// What the owner relies on.
static bool on_event(void *arg, const struct prl_sctp_event *event)
{
    (void)arg;
    if (run.ended)
        abort();
    if (run.deaf)
        return false;
    if (event->type == PRL_SCTP_MESSAGE) {
        if (event->first)
            run.message_size = 0;
        else if (!run.message_open)
            abort();
        run.message_open = !event->last;
        run.message_size += event->size;
        if (event->size > PRL_SCTP_PIECE_MAX || run.message_size > PRL_SCTP_MESSAGE_MAX)
            abort();
    } else if (event->type == PRL_SCTP_CHANNEL_OPEN) {
        if (++run.channels > PRL_SCTP_CHANNELS_MAX || event->size > PRL_SCTP_LABEL_MAX)
            abort();
    } else if (event->type == PRL_SCTP_CHANNEL_CLOSED) {
        run.channels--;
    } else if (event->type == PRL_SCTP_CLOSED) {
        run.ended = true;
    }
    return true;
}

static void on_freed(void *arg, size_t bytes)
{
    (void)arg;
    run.freed += bytes;
}

static const struct prl_sctp_stack_ops stack_ops = {on_packet, on_wake};
static const struct prl_sctp_assoc_ops assoc_ops = {on_event, on_freed};

static void service(void)
{
    (void)prl_sctp_assoc_service(run.assoc);
}

static void serve_peer(void)
{
    struct prl_sctp_read read;
    for (int i = 0; i < 64 && run.peer; i++) {
        if (prl_sctp_socket_read(run.peer, run.peer_data, sizeof(run.peer_data), &read) != PRL_OK)
            return;
        if (read.type == PRL_SCTP_READ_DOWN)
            prl_sctp_socket_close(&run.peer);
    }
}

static void deliver(int rounds)
{
    for (int round = 0; round < rounds && run.packet_count > 0; round++) {
        const struct packet *packet = &run.packets[run.packet_first];
        uint8_t data[PACKET_MAX]; // its place is free for what is sent meanwhile
        uint32_t slot = packet->slot;
        size_t size = packet->size;
        memcpy(data, packet->data, size);
        run.packet_first = (run.packet_first + 1) % PIPE_MAX;
        run.packet_count--;
        if (slot == TARGET || run.peer)
            prl_sctp_stack_input(slot, data, size);
        if (slot == TARGET)
            service();
        else
            serve_peer();
    }
}

struct input {
    const uint8_t *data;
    size_t size;
};

static uint8_t take(struct input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

// A packet made up behind a right header.
static void inject(struct input *input)
{
    uint8_t packet[PACKET_MAX];
    size_t size = (size_t)take(input) << 2;
    size = size < input->size ? size : input->size;
    memcpy(packet, run.header, HEADER_SIZE);
    memcpy(packet + HEADER_SIZE, input->data, size);
    input->data += size;
    input->size -= size;
    prl_sctp_stack_input(TARGET, packet, HEADER_SIZE + size);
    service();
}

static void peer_sends(struct input *input)
{
    uint16_t stream = take(input) % PRL_SCTP_STREAMS;
    uint32_t ppid = 48u + take(input) % 12;
    uint8_t repeat = take(input);
    size_t size = take(input);
    size = size < input->size ? size : input->size;
    if (!run.peer || size == 0)
        return;
    if (repeat >= 250) { // one of several pieces, or the longest of all, of nothing in particular
        size_t long_size = repeat == 255 ? PRL_SCTP_MESSAGE_MAX : 43690;
        uint8_t *text = prl_mem_zalloc(long_size);
        if (text)
            (void)!prl_sctp_socket_send(run.peer, stream, ppid, text, long_size);
        prl_mem_free(text);
    } else {
        (void)!prl_sctp_socket_send(run.peer, stream, ppid, input->data, size);
    }
    input->data += size;
    input->size -= size;
}

static void owner_acts(struct input *input)
{
    uint8_t what = take(input);
    uint16_t stream = take(input) % PRL_SCTP_STREAMS;
    size_t size = (size_t)take(input) * 40;
    if (what % 4 == 0) {
        run.deaf = !run.deaf;
    } else if (what % 4 == 1) {
        prl_sctp_assoc_open_channel(run.assoc, stream, PRL_SCTP_LABEL, strlen(PRL_SCTP_LABEL));
    } else if (what % 4 == 2) {
        prl_sctp_assoc_close_channel(run.assoc, stream);
    } else {
        void *text = prl_mem_zalloc(size > 0 ? size : 1);
        if (!text)
            abort();
        run.taken += size + PRL_SCTP_ITEM_COST;
        prl_sctp_assoc_take_text(run.assoc, stream, text, size);
    }
    service();
}

static void change_packet(struct input *input)
{
    uint8_t which = take(input);
    uint8_t at = take(input);
    uint8_t value = take(input);
    if (run.packet_count == 0)
        return;
    struct packet *packet = &run.packets[(run.packet_first + which % run.packet_count) % PIPE_MAX];
    size_t body = packet->size - HEADER_SIZE;
    if (packet->slot == TARGET && body > 0)
        packet->data[HEADER_SIZE + at % body] ^= value;
}

static void step(struct input *input)
{
    switch (take(input) % 8) {
    case 0:
        inject(input);
        break;
    case 1:
        peer_sends(input);
        break;
    case 2:
        owner_acts(input);
        break;
    case 3:
        change_packet(input);
        break;
    case 4: // lose one
        if (run.packet_count > 0)
            run.packet_count--;
        break;
    case 5: // time passes
        for (int i = take(input); i > 0; i -= 8)
            prl_sctp_stack_tick(TICK_MS);
        service();
        serve_peer();
        break;
    case 6:
        if (run.peer)
            (void)!prl_sctp_socket_reset(run.peer, take(input) % PRL_SCTP_STREAMS);
        break;
    case 7:
        deliver(take(input) % 64);
        break;
    }
}

static void reset(void)
{
    run.packet_first = run.packet_count = 0;
    memset(&run.counts, 0, sizeof(run.counts));
    run.deaf = run.ended = run.message_open = false;
    run.message_size = run.taken = run.freed = 0;
    run.channels = 0;
    run.lives = 0;
}

// ---- lives of an association ----

static void make(void)
{
    static bool started; // once: starting makes a thread, which takes longer than a run
    if (!started) {
        prl_sctp_stack_start(&stack_ops, NULL);
        prl_sctp_stack_ignore_checksums();
        started = true;
    }
    reset();
    run.blocks = prl_mem_live_count();
    run.assoc = prl_sctp_assoc_alloc();
    if (!run.assoc || prl_sctp_socket_open(&run.peer, PEER, PRL_SCTP_PORT) != PRL_OK)
        abort();
    prl_sctp_assoc_start(run.assoc, &(struct prl_sctp_assoc_conf){.ops = &assoc_ops,
                                                                  .scratch = run.scratch,
                                                                  .counts = &run.counts,
                                                                  .slot = TARGET,
                                                                  .remote_port = PRL_SCTP_PORT});
}

static void end(void)
{
    if (!run.assoc)
        return;
    prl_sctp_assoc_destroy(&run.assoc);
    prl_sctp_socket_close(&run.peer);
    for (int i = 0; i < 20; i++) // what timers still hold goes
        prl_sctp_stack_tick(100);
    // usrsctp keeps blocks of its own from run to run, so the count of ours takes LeakSanitizer's place.
    if (run.taken != run.freed || prl_mem_live_count() != run.blocks)
        abort();
}

// Files of inputs, written before they are run, say what a crash came of.
static void keep(const uint8_t *data, size_t size)
{
    if (!keeping)
        return;
    for (int i = run.lives == 0 ? LIVES - 1 : run.lives; i >= run.lives; i--)
        if (ftruncate(last[i], 0) != 0)
            abort();
    if (pwrite(last[run.lives], data, size, 0) != (ssize_t)size)
        abort();
}

// NOLINTNEXTLINE(readability-non-const-parameter): libFuzzer says so
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    lives_max = LIVES;
    for (int i = 1; i < *argc; i++)
        if (strstr((*argv)[i], "fuzz/last/"))
            return 0; // they are being replayed
    (void)mkdir("build/fuzz/last", 0755);
    for (int i = 0; i < LIVES; i++) {
        char path[64];
        snprintf(path, sizeof(path), "build/fuzz/last/sctp-%02d", i);
        last[i] = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
        if (last[i] < 0)
            return 1;
    }
    keeping = true;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    if (size == 0)
        return 0;
    bool shaking = take(&input) % 8 == 0;
    if (shaking || run.ended || !run.peer || run.lives >= lives_max)
        end();
    bool fresh = !run.assoc;
    if (fresh)
        make();
    keep(data, size);
    run.lives++;
    if (fresh && !shaking)
        deliver(64);
    for (int i = 0; i < STEPS_MAX && input.size > 0; i++)
        step(&input);
    run.deaf = false; // else most that follow meet nobody
    service();
    deliver(lives_max == 1 ? PIPE_MAX : PACKETS_AFTER);
    if (lives_max == 1)
        end();
    return 0;
}
