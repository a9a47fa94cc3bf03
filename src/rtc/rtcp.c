// rtcp.c -- see rtcp.h; transport-wide feedback is in rtcp_feedback.c.
#include "rtc/rtcp.h"

#include <string.h>

#include "base/check.h"
#include "rtc/rtcp_bytes.h"

enum {
    TYPE_SR = 200,
    TYPE_RR = 201,
    TYPE_SDES = 202,
    TYPE_BYE = 203,
    TYPE_PSFB = 206,
    FORMAT_NACK = 1,
    BLOCK_SIZE = 24,
    SENDER_INFO = 20,
    SDES_CNAME = 1,
    NACK_SIZE = 4,
    NACK_SPAN = 16,
};

static const int64_t unix_to_ntp_s = 2208988800; // 70 years with 17 leap days

// ---- reading ----

static void read_blocks(struct prl_rtcp_packet *packet, const uint8_t *at, size_t count)
{
    packet->block_count = count;
    for (size_t i = 0; i < count; i++, at += BLOCK_SIZE) {
        uint32_t lost = prl_rtcp_u24(at + 5);
        packet->blocks[i] = (struct prl_rtcp_block){
            .ssrc = prl_rtcp_u32(at),
            .fraction_lost = at[4],
            .lost = (int32_t)lost - ((lost & 0x800000) != 0 ? 0x1000000 : 0),
            .highest_seq = prl_rtcp_u32(at + 8),
            .jitter = prl_rtcp_u32(at + 12),
            .lsr = prl_rtcp_u32(at + 16),
            .dlsr = prl_rtcp_u32(at + 20),
        };
    }
}

static enum prl_err read_report(struct prl_rtcp_packet *packet, const uint8_t *body, size_t size,
                                size_t count)
{
    size_t info = packet->kind == PRL_RTCP_SR ? SENDER_INFO : 0;
    if (size < 4 + info + count * BLOCK_SIZE)
        return PRL_ERR_INVALID;
    packet->sender_ssrc = prl_rtcp_u32(body);
    if (info > 0) {
        packet->ntp = (uint64_t)prl_rtcp_u32(body + 4) << 32 | prl_rtcp_u32(body + 8);
        packet->rtp_timestamp = prl_rtcp_u32(body + 12);
        packet->packet_count = prl_rtcp_u32(body + 16);
        packet->octet_count = prl_rtcp_u32(body + 20);
    }
    read_blocks(packet, body + 4 + info, count);
    return PRL_OK;
}

// One chunk of source description from *at on.
static enum prl_err read_chunk(struct prl_rtcp_packet *packet, const uint8_t *body, size_t size,
                               size_t *at)
{
    size_t i = *at + 4;
    if (size < i)
        return PRL_ERR_INVALID;
    while (i < size && body[i] != 0) {
        if (size - i < 2 || body[i + 1] > size - i - 2)
            return PRL_ERR_INVALID;
        if (body[i] == SDES_CNAME && !packet->cname) {
            packet->sender_ssrc = prl_rtcp_u32(body + *at);
            packet->cname = (const char *)(body + i + 2);
            packet->cname_size = body[i + 1];
        }
        i += 2u + body[i + 1];
    }
    if (i == size)
        return PRL_ERR_INVALID; // no end of list
    *at = (i / 4 + 1) * 4;
    return PRL_OK;
}

static enum prl_err read_sdes(struct prl_rtcp_packet *packet, const uint8_t *body, size_t size,
                              size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        enum prl_err err = read_chunk(packet, body, size, &at);
        if (err)
            return err;
    }
    return PRL_OK;
}

static enum prl_err read_body(struct prl_rtcp_packet *packet, unsigned type, size_t count,
                              const uint8_t *body, size_t size)
{
    switch (type) {
    case TYPE_SR:
    case TYPE_RR:
        packet->kind = type == TYPE_SR ? PRL_RTCP_SR : PRL_RTCP_RR;
        return read_report(packet, body, size, count);
    case TYPE_SDES:
        packet->kind = PRL_RTCP_SDES;
        return read_sdes(packet, body, size, count);
    case TYPE_BYE:
        packet->kind = PRL_RTCP_BYE;
        if (size < count * 4)
            return PRL_ERR_INVALID;
        packet->sender_ssrc = count > 0 ? prl_rtcp_u32(body) : 0;
        return PRL_OK;
    case PRL_RTCP_TYPE_RTPFB:
    case TYPE_PSFB:
        if (size < 8)
            return PRL_ERR_INVALID;
        packet->sender_ssrc = prl_rtcp_u32(body);
        packet->media_ssrc = prl_rtcp_u32(body + 4);
        packet->items = body + 8;
        packet->items_size = size - 8;
        if (type == PRL_RTCP_TYPE_RTPFB && count == FORMAT_NACK)
            packet->kind = PRL_RTCP_NACK;
        else if (type == PRL_RTCP_TYPE_RTPFB && count == PRL_RTCP_FORMAT_FEEDBACK)
            packet->kind = PRL_RTCP_FEEDBACK;
        return PRL_OK;
    default:
        packet->sender_ssrc = size >= 4 ? prl_rtcp_u32(body) : 0;
        return PRL_OK;
    }
}

enum prl_err prl_rtcp_next(const uint8_t *data, size_t size, size_t *at,
                           struct prl_rtcp_packet *packet)
{
    if (*at >= size)
        return PRL_ERR_AGAIN;
    const uint8_t *head = data + *at;
    size_t left = size - *at;
    if (left < PRL_RTCP_HEADER || head[0] >> 6 != 2)
        return PRL_ERR_INVALID;
    size_t whole = 4 + 4u * prl_rtcp_u16(head + 2);
    if (whole > left)
        return PRL_ERR_INVALID;
    size_t body = whole - PRL_RTCP_HEADER;
    if ((head[0] & 32) != 0) {
        size_t padding = head[whole - 1];
        if (padding == 0 || padding > body)
            return PRL_ERR_INVALID;
        body -= padding;
    }
    memset(packet, 0, offsetof(struct prl_rtcp_packet, blocks));
    packet->cname = NULL;
    packet->cname_size = 0;
    packet->media_ssrc = 0;
    packet->items = NULL;
    packet->items_size = 0;
    enum prl_err err = read_body(packet, head[1], head[0] & 31, head + PRL_RTCP_HEADER, body);
    if (!err)
        *at += whole;
    return err;
}

size_t prl_rtcp_nack_seqs(const struct prl_rtcp_packet *packet, uint16_t *seqs, size_t max)
{
    size_t count = 0;
    PRL_CHECK(packet->kind == PRL_RTCP_NACK);
    for (size_t at = 0; at + NACK_SIZE <= packet->items_size; at += NACK_SIZE) {
        uint32_t first = prl_rtcp_u16(packet->items + at);
        // The first one and those whose bits are set behind it.
        uint32_t bits = (uint32_t)prl_rtcp_u16(packet->items + at + 2) << 1 | 1;
        for (unsigned i = 0; i <= NACK_SPAN && count < max; i++)
            if ((bits >> i & 1) != 0)
                seqs[count++] = (uint16_t)(first + i);
    }
    return count;
}

// ---- writing ----

uint8_t *prl_rtcp_begin(struct prl_rtcp_writer *writer, unsigned count, unsigned type, size_t whole)
{
    PRL_CHECK(whole % 4 == 0 && count <= 31 && writer->size <= writer->capacity);
    if (writer->capacity - writer->size < whole)
        return NULL;
    uint8_t *head = writer->data + writer->size;
    writer->size += whole;
    memset(head, 0, whole);
    head[0] = (uint8_t)(2u << 6 | count);
    head[1] = (uint8_t)type;
    prl_rtcp_put16(head + 2, (uint32_t)(whole / 4 - 1));
    return head + PRL_RTCP_HEADER;
}

enum prl_err prl_rtcp_add_report(struct prl_rtcp_writer *writer, uint32_t ssrc,
                                 const struct prl_rtcp_sr *sr, const struct prl_rtcp_block *blocks,
                                 size_t block_count)
{
    PRL_CHECK(block_count <= PRL_RTCP_BLOCKS_MAX);
    size_t info = sr ? SENDER_INFO : 0;
    uint8_t *at = prl_rtcp_begin(writer, (unsigned)block_count, sr ? TYPE_SR : TYPE_RR,
                                 PRL_RTCP_HEADER + 4 + info + block_count * BLOCK_SIZE);
    if (!at)
        return PRL_ERR_LIMIT;
    prl_rtcp_put32(at, ssrc);
    if (sr) {
        prl_rtcp_put32(at + 4, (uint32_t)(sr->ntp >> 32));
        prl_rtcp_put32(at + 8, (uint32_t)sr->ntp);
        prl_rtcp_put32(at + 12, sr->rtp_timestamp);
        prl_rtcp_put32(at + 16, sr->packet_count);
        prl_rtcp_put32(at + 20, sr->octet_count);
    }
    at += 4 + info;
    for (size_t i = 0; i < block_count; i++, at += BLOCK_SIZE) {
        int32_t lost = blocks[i].lost > 0x7fffff ? 0x7fffff : blocks[i].lost;
        lost = lost < -0x800000 ? -0x800000 : lost;
        prl_rtcp_put32(at, blocks[i].ssrc);
        prl_rtcp_put32(at + 4, (uint32_t)lost & 0xffffff);
        at[4] = blocks[i].fraction_lost;
        prl_rtcp_put32(at + 8, blocks[i].highest_seq);
        prl_rtcp_put32(at + 12, blocks[i].jitter);
        prl_rtcp_put32(at + 16, blocks[i].lsr);
        prl_rtcp_put32(at + 20, blocks[i].dlsr);
    }
    return PRL_OK;
}

enum prl_err prl_rtcp_add_sdes(struct prl_rtcp_writer *writer, uint32_t ssrc, const char *cname)
{
    size_t len = strnlen(cname, PRL_RTCP_CNAME_MAX + 1);
    PRL_CHECK(len <= PRL_RTCP_CNAME_MAX);
    size_t chunk = (4 + 2 + len) / 4 * 4 + 4; // with at least one zero behind the list
    uint8_t *at = prl_rtcp_begin(writer, 1, TYPE_SDES, PRL_RTCP_HEADER + chunk);
    if (!at)
        return PRL_ERR_LIMIT;
    prl_rtcp_put32(at, ssrc);
    at[4] = SDES_CNAME;
    at[5] = (uint8_t)len;
    memcpy(at + 6, cname, len);
    return PRL_OK;
}

enum prl_err prl_rtcp_add_bye(struct prl_rtcp_writer *writer, uint32_t ssrc)
{
    uint8_t *at = prl_rtcp_begin(writer, 1, TYPE_BYE, PRL_RTCP_HEADER + 4);
    if (!at)
        return PRL_ERR_LIMIT;
    prl_rtcp_put32(at, ssrc);
    return PRL_OK;
}

// How many of the numbers go into the pair that begins with the first of them; *bits: its mask.
static size_t fill_pair(const uint16_t *seqs, size_t count, uint16_t *bits)
{
    size_t used = 1;
    *bits = 0;
    for (; used < count; used++) {
        unsigned behind = (uint16_t)(seqs[used] - seqs[0]);
        if (behind > NACK_SPAN)
            break;
        if (behind > 0)
            *bits = (uint16_t)(*bits | 1u << (behind - 1));
    }
    return used;
}

enum prl_err prl_rtcp_add_nack(struct prl_rtcp_writer *writer, uint32_t ssrc, uint32_t media_ssrc,
                               const uint16_t *seqs, size_t count)
{
    PRL_CHECK(count > 0);
    uint16_t bits;
    size_t pairs = 0;
    for (size_t i = 0; i < count; i += fill_pair(seqs + i, count - i, &bits))
        pairs++;
    uint8_t *at = prl_rtcp_begin(writer, FORMAT_NACK, PRL_RTCP_TYPE_RTPFB,
                                 PRL_RTCP_HEADER + 8 + pairs * NACK_SIZE);
    if (!at)
        return PRL_ERR_LIMIT;
    prl_rtcp_put32(at, ssrc);
    prl_rtcp_put32(at + 4, media_ssrc);
    at += 8;
    for (size_t i = 0; i < count; at += NACK_SIZE) {
        size_t used = fill_pair(seqs + i, count - i, &bits);
        prl_rtcp_put16(at, seqs[i]);
        prl_rtcp_put16(at + 2, bits);
        i += used;
    }
    return PRL_OK;
}

uint64_t prl_rtcp_ntp(int64_t wall_us)
{
    int64_t seconds = wall_us / 1000000;
    uint64_t fraction = (uint64_t)(wall_us % 1000000) * 4294967296u / 1000000;
    return (uint64_t)(seconds + unix_to_ntp_s) << 32 | fraction;
}
