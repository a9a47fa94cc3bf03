// rtcp_feedback.c -- transport-wide feedback: for each of a run of packets, whether and when it came.
// A list of chunks holds one symbol a packet, then a list of deltas one for each packet received.
#include <string.h>

#include "base/check.h"
#include "rtc/rtcp.h"
#include "rtc/rtcp_bytes.h"

enum {
    SSRCS = 8,
    HEAD = 8, // base sequence number, count, reference time, number
    CHUNK = 2,
    TICK_US = 250, // of a delta
    REFERENCE_US = 64000,
    RUN_MAX = 0x1fff,
    PAIR_SYMBOLS = 7, // two bits each in a vector chunk; fourteen of one bit
    BIT_SYMBOLS = 14,
    LOST = 0,
    SMALL = 1, // delta of one byte, 0..255 ticks
    LARGE = 2, // two bytes, signed
};

// ---- reading ----

static size_t chunk_symbols(uint32_t chunk)
{
    if (chunk >> 15 == 0)
        return chunk & RUN_MAX;
    return (chunk >> 14 & 1) != 0 ? PAIR_SYMBOLS : BIT_SYMBOLS;
}

static unsigned chunk_symbol(uint32_t chunk, size_t index)
{
    if (chunk >> 15 == 0)
        return chunk >> 13 & 3;
    if ((chunk >> 14 & 1) != 0)
        return chunk >> (2 * (PAIR_SYMBOLS - 1 - index)) & 3;
    return chunk >> (BIT_SYMBOLS - 1 - index) & 1;
}

// Where the deltas begin, or 0 when the chunks do not cover `count` packets.
static size_t find_deltas(const uint8_t *items, size_t size, size_t count)
{
    size_t at = HEAD;
    for (size_t covered = 0; covered < count; at += CHUNK) {
        if (size - at < CHUNK)
            return 0;
        size_t symbols = chunk_symbols(prl_rtcp_u16(items + at));
        if (symbols == 0)
            return 0;
        covered += symbols;
    }
    return at;
}

struct deltas {
    const uint8_t *at;
    size_t left;
    int64_t time_us;
};

static enum prl_err read_delta(struct deltas *deltas, unsigned symbol)
{
    size_t size = symbol;
    if (symbol > LARGE || deltas->left < size)
        return PRL_ERR_INVALID;
    int ticks = symbol == SMALL ? deltas->at[0] : (int16_t)prl_rtcp_u16(deltas->at);
    deltas->time_us += (int64_t)ticks * TICK_US;
    deltas->at += size;
    deltas->left -= size;
    return PRL_OK;
}

enum prl_err prl_rtcp_feedback_parse(const struct prl_rtcp_packet *packet,
                                     struct prl_rtcp_feedback *feedback,
                                     struct prl_rtcp_arrival *arrivals, size_t max)
{
    PRL_CHECK(packet->kind == PRL_RTCP_FEEDBACK);
    const uint8_t *items = packet->items;
    memset(feedback, 0, sizeof(*feedback));
    feedback->arrivals = arrivals;
    if (packet->items_size < HEAD)
        return PRL_ERR_INVALID;
    size_t count = prl_rtcp_u16(items + 2);
    size_t start = find_deltas(items, packet->items_size, count);
    if (start == 0)
        return PRL_ERR_INVALID;
    int32_t reference = (int32_t)(prl_rtcp_u24(items + 4) << 8) / 256; // signed, 24 bits
    struct deltas deltas = {items + start, packet->items_size - start,
                            (int64_t)reference * REFERENCE_US};
    feedback->number = items[7];
    count = count < max ? count : max;
    size_t chunk_at = HEAD;
    for (size_t i = 0, index = 0; i < count; i++) {
        uint32_t chunk = prl_rtcp_u16(items + chunk_at);
        unsigned symbol = chunk_symbol(chunk, index);
        if (symbol != LOST && read_delta(&deltas, symbol) != PRL_OK)
            return PRL_ERR_INVALID;
        arrivals[i] = (struct prl_rtcp_arrival){.seq = (uint16_t)(prl_rtcp_u16(items) + i),
                                                .received = symbol != LOST,
                                                .at_us = symbol != LOST ? deltas.time_us : 0};
        feedback->count = i + 1;
        if (++index == chunk_symbols(chunk)) {
            index = 0;
            chunk_at += CHUNK;
        }
    }
    return PRL_OK;
}

// ---- writing ----

struct plan {
    size_t count;
    size_t delta_size;
    int32_t reference;
    uint8_t symbols[PRL_RTCP_ARRIVALS_MAX];
    int16_t ticks[PRL_RTCP_ARRIVALS_MAX];
};

static enum prl_err make_plan(struct plan *plan, const struct prl_rtcp_arrival *arrivals,
                              size_t count)
{
    PRL_CHECK(count >= 1 && count <= PRL_RTCP_ARRIVALS_MAX && arrivals[count - 1].received);
    size_t first = 0;
    while (!arrivals[first].received)
        first++;
    PRL_CHECK(arrivals[first].at_us >= 0);
    plan->count = count;
    plan->delta_size = 0;
    int64_t reference = arrivals[first].at_us / REFERENCE_US;
    plan->reference = (int32_t)(reference & 0xffffff);
    int64_t last =
        reference * (REFERENCE_US / TICK_US); // in ticks, so that rounding adds up to nothing
    for (size_t i = 0; i < count; i++) {
        plan->symbols[i] = LOST;
        if (!arrivals[i].received)
            continue;
        int64_t now = arrivals[i].at_us / TICK_US;
        int64_t delta = now - last;
        if (delta < INT16_MIN || delta > INT16_MAX)
            return PRL_ERR_INVALID;
        last = now;
        plan->symbols[i] = delta >= 0 && delta <= 255 ? SMALL : LARGE;
        plan->ticks[i] = (int16_t)delta;
        plan->delta_size += plan->symbols[i];
    }
    return PRL_OK;
}

// One chunk for the symbols from `at` on; returns how many it covers.
static size_t make_chunk(const struct plan *plan, size_t at, uint32_t *chunk)
{
    size_t run = 1;
    while (at + run < plan->count && run < RUN_MAX && plan->symbols[at + run] == plan->symbols[at])
        run++;
    if (run >= PAIR_SYMBOLS || at + run == plan->count) {
        *chunk = (uint32_t)plan->symbols[at] << 13 | (uint32_t)run;
        return run;
    }
    *chunk = 3u << 14;
    size_t covered = plan->count - at < PAIR_SYMBOLS ? plan->count - at : PAIR_SYMBOLS;
    for (size_t i = 0; i < covered; i++)
        *chunk |= (uint32_t)plan->symbols[at + i] << (2 * (PAIR_SYMBOLS - 1 - i));
    return covered;
}

static void write_deltas(const struct plan *plan, uint8_t *at)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->symbols[i] == SMALL)
            *at = (uint8_t)plan->ticks[i];
        else if (plan->symbols[i] == LARGE)
            prl_rtcp_put16(at, (uint16_t)plan->ticks[i]);
        at += plan->symbols[i];
    }
}

enum prl_err prl_rtcp_add_feedback(struct prl_rtcp_writer *writer, uint32_t ssrc,
                                   uint32_t media_ssrc, uint8_t number,
                                   const struct prl_rtcp_arrival *arrivals, size_t count)
{
    struct plan plan;
    uint32_t chunk;
    enum prl_err err = make_plan(&plan, arrivals, count);
    if (err)
        return err;
    size_t chunks = 0;
    for (size_t i = 0; i < count; i += make_chunk(&plan, i, &chunk))
        chunks++;
    size_t whole = PRL_RTCP_HEADER + SSRCS + HEAD + chunks * CHUNK + plan.delta_size;
    // Zeros to the word: a reader stops at the count of packets.
    uint8_t *at =
        prl_rtcp_begin(writer, PRL_RTCP_FORMAT_FEEDBACK, PRL_RTCP_TYPE_RTPFB, (whole + 3) / 4 * 4);
    if (!at)
        return PRL_ERR_LIMIT;
    prl_rtcp_put32(at, ssrc);
    prl_rtcp_put32(at + 4, media_ssrc);
    at += SSRCS;
    prl_rtcp_put16(at, arrivals[0].seq);
    prl_rtcp_put16(at + 2, (uint32_t)count);
    prl_rtcp_put32(at + 4, (uint32_t)plan.reference << 8 | number);
    at += HEAD;
    for (size_t i = 0; i < count; at += CHUNK) {
        i += make_chunk(&plan, i, &chunk);
        prl_rtcp_put16(at, chunk);
    }
    write_deltas(&plan, at);
    return PRL_OK;
}
