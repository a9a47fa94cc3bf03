// fuzz_frame4571.c -- a framed stream in arbitrary pieces gives the same datagrams as in one.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rtc/frame4571.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECE_MAX = 64 };

struct result {
    enum prl_err err;
    size_t packets, bytes;
    uint32_t sum;
};

// Pieces of at most `step` bytes. Each lies at the end of a block, so that reading beyond it is seen.
static struct result run(const uint8_t *data, size_t size, size_t step)
{
    struct prl_frame4571 frame;
    struct prl_frame4571_packet packet;
    struct result result = {.err = PRL_ERR_AGAIN};
    uint8_t *block = prl_mem_alloc(step);
    if (!block)
        return result;
    prl_frame4571_init(&frame);
    for (size_t at = 0; at < size;) {
        size_t piece = size - at < step ? size - at : step;
        uint8_t *copy = block + step - piece;
        memcpy(copy, data + at, piece);
        size_t used;
        result.err = prl_frame4571_next(&frame, copy, piece, &used, &packet);
        if (used > piece || (result.err == PRL_ERR_AGAIN && used != piece))
            abort();
        if (result.err == PRL_OK) {
            if (packet.size == 0 || packet.size > PRL_FRAME4571_MAX || used == 0)
                abort();
            result.packets++;
            result.bytes += packet.size;
            for (size_t i = 0; i < packet.size; i++)
                result.sum = result.sum * 31 + packet.data[i];
        }
        if (result.err == PRL_ERR_INVALID)
            break;
        at += used;
    }
    prl_mem_free(block);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct result whole = run(data + 1, size - 1, size);
    struct result cut = run(data + 1, size - 1, 1 + data[0] % PIECE_MAX);
    if (whole.packets != cut.packets || whole.bytes != cut.bytes || whole.sum != cut.sum ||
        (whole.err == PRL_ERR_INVALID) != (cut.err == PRL_ERR_INVALID))
        abort();
    return 0;
}
