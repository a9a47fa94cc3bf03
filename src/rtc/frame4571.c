// frame4571.c -- see frame4571.h. Whole frames are handed out where they lie; only a frame cut by the
// end of a read is copied.
#include "rtc/frame4571.h"

#include <stdbool.h>
#include <string.h>

#include "base/check.h"

void prl_frame4571_init(struct prl_frame4571 *frame)
{
    frame->used = 0;
}

static size_t read_length(const uint8_t head[PRL_FRAME4571_HEAD])
{
    return (size_t)head[0] << 8 | head[1];
}

// Copies until the buffer holds `want` bytes; false when the input ends before.
static bool fill(struct prl_frame4571 *frame, size_t want, const uint8_t **data, size_t *size)
{
    size_t missing = want - frame->used;
    size_t take = *size < missing ? *size : missing;
    memcpy(frame->buffer + frame->used, *data, take);
    frame->used += take;
    *data += take;
    *size -= take;
    return take == missing;
}

enum prl_err prl_frame4571_next(struct prl_frame4571 *frame, const uint8_t *data, size_t size,
                                size_t *used, struct prl_frame4571_packet *packet)
{
    PRL_DCHECK(frame->used < sizeof(frame->buffer));
    const uint8_t *start = data;
    *used = 0;
    *packet = (struct prl_frame4571_packet){NULL, 0};
    if (size == 0)
        return PRL_ERR_AGAIN;
    for (;;) {
        bool whole = frame->used == 0 && size >= PRL_FRAME4571_HEAD;
        if (!whole && frame->used < PRL_FRAME4571_HEAD &&
            !fill(frame, PRL_FRAME4571_HEAD, &data, &size))
            break;
        size_t length = read_length(whole ? data : frame->buffer);
        if (length > PRL_FRAME4571_MAX)
            return PRL_ERR_INVALID;
        if (length == 0) {
            data += whole ? PRL_FRAME4571_HEAD : 0;
            size -= whole ? PRL_FRAME4571_HEAD : 0;
            frame->used = 0;
            continue;
        }
        if (whole && size >= PRL_FRAME4571_HEAD + length) {
            *packet = (struct prl_frame4571_packet){data + PRL_FRAME4571_HEAD, length};
            *used = (size_t)(data - start) + PRL_FRAME4571_HEAD + length;
            return PRL_OK;
        }
        if (!fill(frame, PRL_FRAME4571_HEAD + length, &data, &size))
            break;
        *packet = (struct prl_frame4571_packet){frame->buffer + PRL_FRAME4571_HEAD, length};
        *used = (size_t)(data - start);
        frame->used = 0;
        return PRL_OK;
    }
    *used = (size_t)(data - start);
    return PRL_ERR_AGAIN;
}

void prl_frame4571_head(size_t size, uint8_t head[PRL_FRAME4571_HEAD])
{
    PRL_CHECK(size > 0 && size <= UINT16_MAX);
    head[0] = (uint8_t)(size >> 8);
    head[1] = (uint8_t)size;
}
