// split.c -- see split.h.
#include "stt/split.h"

#include "base/check.h"

enum {
    FRAME = 160,         // 10 ms
    SPAN_FRAMES = 15,    // 150 ms, a short pause between words
    SILENT_FRAME = 480,  // 30 ms
    LOUD_FRAMES_MIN = 3, // 90 ms: shorter than any word, longer than a click
    SILENT_RMS = 58,     // of 32,768: -55 dBFS
};

static int64_t energy(const int16_t *pcm, size_t n)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (int64_t)pcm[i] * pcm[i];
    return sum;
}

size_t prl_split_find(const int16_t *pcm, size_t n)
{
    PRL_CHECK(pcm != NULL && n > PRL_SPLIT_MAX);
    int64_t sum = energy(pcm + PRL_SPLIT_MIN, (size_t)SPAN_FRAMES * FRAME);
    int64_t best_sum = sum;
    size_t best = PRL_SPLIT_MIN;
    for (size_t at = PRL_SPLIT_MIN; at + (size_t)(SPAN_FRAMES + 1) * FRAME <= PRL_SPLIT_MAX;
         at += FRAME) {
        sum += energy(pcm + at + (size_t)SPAN_FRAMES * FRAME, FRAME) - energy(pcm + at, FRAME);
        if (sum > best_sum)
            continue;
        best_sum = sum;
        best = at + FRAME;
    }
    return best + (size_t)SPAN_FRAMES * FRAME / 2;
}

bool prl_split_is_silent(const int16_t *pcm, size_t n)
{
    int loud = 0;
    for (size_t at = 0; at < n; at += SILENT_FRAME) {
        size_t len = n - at < SILENT_FRAME ? n - at : SILENT_FRAME;
        if (energy(pcm + at, len) > (int64_t)len * SILENT_RMS * SILENT_RMS &&
            ++loud == LOUD_FRAMES_MIN)
            return false;
    }
    return true;
}
