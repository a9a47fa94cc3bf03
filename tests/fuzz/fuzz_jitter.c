// fuzz_jitter.c -- packets of a call as a peer may choose them: numbers, times, payloads, through the
// jitter buffer and the real decoders.
#include <stdint.h>
#include <stdlib.h>

#include "media/codec.h"
#include "media/jitter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 6, TICKS_MAX = 400 };

// Each packet: change of number, time stamp (2 bytes, of 40 units), ms until it comes, size (2 bytes).
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct prl_voice_in *voice = NULL;
    struct prl_jitter *jitter = NULL;
    enum prl_err err = prl_voice_in_create(&voice, (enum prl_codec)(data[0] % PRL_CODEC_COUNT));
    if (!err)
        err = prl_jitter_create(&jitter, prl_voice_in_codec(voice));
    uint16_t seq = 65530;
    uint32_t timestamp = UINT32_MAX - 5000;
    int64_t now_us = 0;
    int ticks = 0;
    for (size_t at = 1; !err && at + HEAD <= size && ticks < TICKS_MAX;) {
        const uint8_t *head = data + at;
        seq = (uint16_t)(seq + (int8_t)head[0]);
        timestamp += (uint32_t)((int16_t)(head[1] << 8 | head[2])) * 40;
        size_t len = (size_t)(head[4] << 8 | head[5]) % 1400;
        at += HEAD;
        len = len < size - at ? len : size - at;
        struct prl_jitter_packet packet = {.seq = seq,
                                           .timestamp = timestamp,
                                           .arrival_us = now_us,
                                           .payload = data + at,
                                           .size = len};
        prl_jitter_put(jitter, &packet);
        at += len;
        struct prl_jitter_frame frame;
        for (int64_t until_us = now_us + (int64_t)head[3] * 1000; now_us < until_us;
             now_us += 20000, ticks++)
            (void)prl_jitter_take(jitter, now_us, &frame);
    }
    prl_jitter_destroy(&jitter);
    prl_voice_in_destroy(&voice);
    return 0;
}
