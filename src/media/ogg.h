// ogg.h -- the Ogg container: bytes into packets of one stream, packets into pages.
//
// Reads the first logical stream, and after its end the next (a chain); pages of others that are
// mixed in are passed over. Each page's checksum is verified before anything of it is handed out.
// Units:    bytes; granules are the codec's.
// Threads:  one owner. Pure.
// Memory:   the page and the packet under construction, at most 64 KiB and PRL_OGG_PACKET_MAX.
// Errors:   INVALID: no page where one must begin, a wrong checksum, a packet that lost its
//           beginning; LIMIT: a longer packet; NOMEM. The reader is dead after an error.
// Source:   RFC 3533.
#ifndef PRL_MEDIA_OGG_H
#define PRL_MEDIA_OGG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum {
    PRL_OGG_PACKET_MAX = 256 * 1024,
    PRL_OGG_HEADER = 27,   // of a page, before its table of segments
    PRL_OGG_SEGMENTS = 255 // of a page, at most 255 bytes each
};

struct prl_ogg;

struct prl_ogg_packet {
    const uint8_t *data; // valid during the call
    size_t len;
    bool first;          // of its stream
    int64_t end_granule; // where the stream ends, if this page is its last and says so; else -1
};
// An error ends reading.
typedef enum prl_err (*prl_ogg_fn)(void *arg, const struct prl_ogg_packet *packet);

enum prl_err prl_ogg_create(struct prl_ogg **out, prl_ogg_fn fn, void *arg) PRL_MUST_USE;
void prl_ogg_destroy(struct prl_ogg **ogg);
enum prl_err prl_ogg_push(struct prl_ogg *ogg, const uint8_t *data, size_t len) PRL_MUST_USE;
// Nothing of a page or packet is half there.
bool prl_ogg_is_whole(const struct prl_ogg *ogg);

struct prl_ogg_page {
    uint32_t serial;
    uint32_t number; // of the page in its stream, from 0
    int64_t granule;
    bool first, last;
    const uint8_t *data; // the packets, one behind the other
    const size_t *sizes; // of each packet
    size_t count;
};
// Appends one page of whole packets, which must need no more than PRL_OGG_SEGMENTS (PRL_CHECK).
enum prl_err prl_ogg_write(struct prl_str *out, const struct prl_ogg_page *page) PRL_MUST_USE;

#endif
