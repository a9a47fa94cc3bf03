// fuzz_rtcp.c -- RTCP compounds: reading ends, stays inside, and what was read can be written again.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rtc/rtcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARRIVALS = 256, SEQS = 64 };

static void inside(const uint8_t *data, size_t size, const void *part, size_t part_size)
{
    const uint8_t *at = part;
    if (part && (at < data || part_size > size || (size_t)(at - data) > size - part_size))
        abort();
}

static void check_nack(const struct prl_rtcp_packet *packet)
{
    uint16_t seqs[SEQS];
    uint16_t again[SEQS];
    uint8_t out[512];
    struct prl_rtcp_writer writer = {.data = out, .capacity = sizeof(out)};
    struct prl_rtcp_packet read;
    size_t at = 0;
    size_t count = prl_rtcp_nack_seqs(packet, seqs, SEQS);
    if (count == 0)
        return;
    if (prl_rtcp_add_nack(&writer, 1, 2, seqs, count) != PRL_OK ||
        prl_rtcp_next(out, writer.size, &at, &read) != PRL_OK)
        abort();
    // Repeated numbers may melt together, so that only their range is compared.
    size_t count_again = prl_rtcp_nack_seqs(&read, again, SEQS);
    if (count_again == 0 || count_again > count || again[0] != seqs[0])
        abort();
}

static void check_feedback(const struct prl_rtcp_packet *packet)
{
    static struct prl_rtcp_arrival arrivals[ARRIVALS];
    static struct prl_rtcp_arrival again[ARRIVALS];
    static uint8_t out[2048];
    struct prl_rtcp_feedback feedback;
    if (prl_rtcp_feedback_parse(packet, &feedback, arrivals, ARRIVALS) != PRL_OK)
        return;
    size_t count = feedback.count;
    while (count > 0 && !arrivals[count - 1].received)
        count--;
    size_t first = 0;
    while (first < count && !arrivals[first].received)
        first++;
    if (count == 0 || arrivals[first].at_us < 0)
        return;
    struct prl_rtcp_writer writer = {.data = out, .capacity = sizeof(out)};
    struct prl_rtcp_packet read;
    size_t at = 0;
    if (prl_rtcp_add_feedback(&writer, 1, 2, 3, arrivals, count) != PRL_OK)
        return; // jumps back below zero or too far
    if (prl_rtcp_next(out, writer.size, &at, &read) != PRL_OK ||
        prl_rtcp_feedback_parse(&read, &feedback, again, ARRIVALS) != PRL_OK ||
        feedback.count != count)
        abort();
    for (size_t i = 0; i < count; i++)
        if (again[i].received != arrivals[i].received || again[i].seq != arrivals[i].seq ||
            again[i].at_us != arrivals[i].at_us)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prl_rtcp_packet packet;
    for (size_t at = 0; at < size;) {
        size_t before = at;
        if (prl_rtcp_next(data, size, &at, &packet) != PRL_OK)
            break;
        if (at <= before || at > size)
            abort();
        inside(data, size, packet.cname, packet.cname_size);
        inside(data, size, packet.items, packet.items_size);
        if (packet.block_count > PRL_RTCP_BLOCKS_MAX)
            abort();
        if (packet.kind == PRL_RTCP_NACK)
            check_nack(&packet);
        if (packet.kind == PRL_RTCP_FEEDBACK)
            check_feedback(&packet);
    }
    return 0;
}
