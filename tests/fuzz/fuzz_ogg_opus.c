// fuzz_ogg_opus.c -- Opus in Ogg in pieces: the first byte says how large they are; its highest bit has
// every checksum set right, so that what is behind them is reached.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "media/ogg_opus.h"
#include "media/opus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_sound(void *arg, const int16_t *pcm, size_t count)
{
    (void)arg;
    if (count == 0 || count > PRL_OPUS_FILE_SAMPLES_MAX || !pcm)
        abort();
}

// The checksum of RFC 3533, over again.
static uint32_t checksum(const uint8_t *page, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        sum ^= (uint32_t)(i >= 22 && i < 26 ? 0 : page[i]) << 24;
        for (int bit = 0; bit < 8; bit++)
            sum = sum & 0x80000000U ? sum << 1 ^ 0x04C11DB7U : sum << 1;
    }
    return sum;
}

static void mend(uint8_t *data, size_t size)
{
    for (size_t at = 0; at + 27 <= size;) {
        size_t count = data[at + 26], length = 27 + count;
        if (at + length > size)
            return;
        for (size_t i = 0; i < count; i++)
            length += data[at + 27 + i];
        if (at + length > size)
            return;
        uint32_t sum = checksum(data + at, length);
        for (int i = 0; i < 4; i++)
            data[at + 22 + i] = (uint8_t)(sum >> (8 * i));
        at += length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct prl_ogg_opus_reader *reader;
    if (size < 1 || size > 1 << 18)
        return 0;
    uint8_t *copy = prl_mem_dup(data, size);
    if (!copy || prl_ogg_opus_reader_create(&reader, on_sound, NULL) != PRL_OK) {
        prl_mem_free(copy);
        return 0;
    }
    if (copy[0] & 0x80)
        mend(copy + 1, size - 1);
    size_t step = 1 + (copy[0] & 0x7F);
    enum prl_err err = PRL_OK;
    for (size_t at = 1; at < size; at += step) {
        enum prl_err now =
            prl_ogg_opus_reader_push(reader, copy + at, size - at < step ? size - at : step);
        if (err && !now) // dead stays dead
            abort();
        err = now;
    }
    if (err && prl_ogg_opus_reader_is_whole(reader))
        abort();
    prl_ogg_opus_reader_destroy(&reader);
    prl_mem_free(copy);
    return 0;
}
