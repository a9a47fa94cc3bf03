// ogg.c -- see ogg.h. A page is gathered whole: it is at most 65,307 bytes, and its checksum covers it.
#include "media/ogg.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum {
    PAGE_MAX = PRL_OGG_HEADER + PRL_OGG_SEGMENTS * 256,
    LACING = 255, // a segment that its packet goes on behind
    FLAG_CONTINUED = 1,
    FLAG_FIRST = 2,
    FLAG_LAST = 4,
    FLAGS_AT = 5,
    GRANULE_AT = 6,
    SERIAL_AT = 14,
    NUMBER_AT = 18,
    CHECKSUM_AT = 22,
    COUNT_AT = 26,
};
static const uint32_t checksum_polynomial = 0x04C11DB7;

struct prl_ogg {
    prl_ogg_fn fn;
    void *arg;
    struct prl_str page;   // the page so far
    struct prl_str packet; // goes on in the next page
    bool open;             // a stream is being read
    bool fresh;            // its first packet was not handed out yet
    bool partial;          // `packet` goes on in the next page
    uint32_t serial;       // of that stream
    enum prl_err dead;
};

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static int64_t get64(const uint8_t *at)
{
    return (int64_t)(get32(at) | (uint64_t)get32(at + 4) << 32);
}

static void put(uint8_t *at, uint64_t value, int size)
{
    for (int i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i) & 0xFF);
}

// Without the field that holds it.
static uint32_t checksum(const uint8_t *page, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        bool own = i >= CHECKSUM_AT && i < CHECKSUM_AT + 4;
        sum ^= (uint32_t)(own ? 0 : page[i]) << 24;
        for (int bit = 0; bit < 8; bit++)
            sum = sum & 0x80000000U ? sum << 1 ^ checksum_polynomial : sum << 1;
    }
    return sum;
}

// ---- reading ----

enum prl_err prl_ogg_create(struct prl_ogg **out, prl_ogg_fn fn, void *arg)
{
    PRL_CHECK(out != NULL && fn != NULL);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->fn = fn;
    (*out)->arg = arg;
    prl_str_init(&(*out)->page, PAGE_MAX);
    prl_str_init(&(*out)->packet, PRL_OGG_PACKET_MAX);
    return PRL_OK;
}

void prl_ogg_destroy(struct prl_ogg **ogg)
{
    PRL_CHECK(ogg != NULL);
    if (!*ogg)
        return;
    prl_str_free(&(*ogg)->page);
    prl_str_free(&(*ogg)->packet);
    prl_mem_free(*ogg);
    *ogg = NULL;
}

bool prl_ogg_is_whole(const struct prl_ogg *ogg)
{
    return !ogg->dead && ogg->page.len == 0 && !ogg->partial;
}

// Is the page one of the stream that is read?
static bool belongs(struct prl_ogg *ogg, uint8_t flags, uint32_t serial)
{
    if (flags & FLAG_FIRST && !ogg->open) {
        ogg->open = ogg->fresh = true;
        ogg->partial = false;
        ogg->serial = serial;
        prl_str_clear(&ogg->packet);
        return true;
    }
    return ogg->open && serial == ogg->serial;
}

static enum prl_err give_packet(struct prl_ogg *ogg, int64_t end_granule)
{
    struct prl_ogg_packet packet = {.data = (const uint8_t *)prl_str_text(&ogg->packet),
                                    .len = ogg->packet.len,
                                    .first = ogg->fresh,
                                    .end_granule = end_granule};
    ogg->fresh = false;
    enum prl_err err = ogg->fn(ogg->arg, &packet);
    prl_str_clear(&ogg->packet);
    return err;
}

static enum prl_err take_page(struct prl_ogg *ogg, const uint8_t *page, size_t size)
{
    uint8_t flags = page[FLAGS_AT];
    if (get32(page + CHECKSUM_AT) != checksum(page, size))
        return PRL_ERR_INVALID;
    if (!belongs(ogg, flags, get32(page + SERIAL_AT)))
        return PRL_OK;
    if (ogg->partial != ((flags & FLAG_CONTINUED) != 0))
        return PRL_ERR_INVALID;
    size_t count = page[COUNT_AT];
    const uint8_t *sizes = page + PRL_OGG_HEADER;
    const uint8_t *at = sizes + count;
    int64_t end = flags & FLAG_LAST ? get64(page + GRANULE_AT) : -1;
    enum prl_err err = PRL_OK;
    for (size_t i = 0; i < count && !err; i++) {
        err = prl_str_add(&ogg->packet, (const char *)at, sizes[i]);
        at += sizes[i];
        ogg->partial = sizes[i] == LACING;
        if (!err && !ogg->partial)
            err = give_packet(ogg, end);
    }
    if (flags & FLAG_LAST)
        ogg->open = false;
    return err;
}

// Bytes that the page has as far as its own head tells; more than there are: it is not whole yet.
static size_t page_size(const uint8_t *page, size_t have)
{
    if (have < PRL_OGG_HEADER)
        return PRL_OGG_HEADER;
    size_t head = (size_t)PRL_OGG_HEADER + page[COUNT_AT];
    size_t size = head;
    for (size_t i = PRL_OGG_HEADER; have >= head && i < head; i++)
        size += page[i];
    return size;
}

static enum prl_err take_bytes(struct prl_ogg *ogg, const uint8_t **data, size_t *len)
{
    static const char mark[] = "OggS";
    size_t have = ogg->page.len;
    const uint8_t *page = (const uint8_t *)prl_str_text(&ogg->page);
    size_t size = page_size(page, have);
    size_t n = size - have < *len ? size - have : *len;
    enum prl_err err = prl_str_add(&ogg->page, (const char *)*data, n);
    if (err)
        return err;
    *data += n;
    *len -= n;
    page = (const uint8_t *)prl_str_text(&ogg->page);
    have = ogg->page.len;
    if (memcmp(page, mark, have < 4 ? have : 4) != 0 || (have > 4 && page[4] != 0))
        return PRL_ERR_INVALID;
    if (have < PRL_OGG_HEADER || have < page_size(page, have))
        return PRL_OK;
    err = take_page(ogg, page, have);
    prl_str_clear(&ogg->page);
    return err;
}

enum prl_err prl_ogg_push(struct prl_ogg *ogg, const uint8_t *data, size_t len)
{
    PRL_CHECK(ogg != NULL && (data != NULL || len == 0));
    while (len > 0 && !ogg->dead)
        ogg->dead = take_bytes(ogg, &data, &len);
    return ogg->dead;
}

// ---- writing ----

enum prl_err prl_ogg_write(struct prl_str *out, const struct prl_ogg_page *page)
{
    uint8_t head[PRL_OGG_HEADER + PRL_OGG_SEGMENTS] = "OggS";
    size_t segments = 0, bytes = 0;
    for (size_t i = 0; i < page->count; i++) {
        size_t left = page->sizes[i];
        PRL_CHECK(segments + left / LACING + 1 <= PRL_OGG_SEGMENTS);
        bytes += left;
        for (; left >= LACING; left -= LACING)
            head[PRL_OGG_HEADER + segments++] = LACING;
        head[PRL_OGG_HEADER + segments++] = (uint8_t)left;
    }
    head[FLAGS_AT] = (uint8_t)((page->first ? FLAG_FIRST : 0) | (page->last ? FLAG_LAST : 0));
    put(head + GRANULE_AT, (uint64_t)page->granule, 8);
    put(head + SERIAL_AT, page->serial, 4);
    put(head + NUMBER_AT, page->number, 4);
    head[COUNT_AT] = (uint8_t)segments;
    size_t start = out->len;
    (void)prl_str_add(out, (const char *)head, PRL_OGG_HEADER + segments);
    if (bytes > 0)
        (void)prl_str_add(out, (const char *)page->data, bytes);
    if (out->err)
        return out->err;
    uint8_t *written = (uint8_t *)out->data + start;
    put(written + CHECKSUM_AT, checksum(written, out->len - start), 4);
    return PRL_OK;
}
