// kokoro_norms.c -- see kokoro_norms.h.
#include "tts/kokoro_norms.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/hash.h"
#include "tts/kokoro_synth.h"

enum {
    LEARN_FRAMES = 160,
    FRAMES_MAX = 1 << 30,
    HEAD_SIZE = 384, // with a key of 255 bytes
    PATH_SIZE = 1024,
    BYTES = PRL_KOKORO_NORMS * sizeof(float)
};

void prl_kokoro_norms_free(struct prl_kokoro_norms *norms)
{
    prl_mem_free(norms->mean);
    *norms = (struct prl_kokoro_norms){.mean = NULL};
}

void prl_kokoro_norms_learn(struct prl_kokoro_norms *norms, const float *own, size_t frames)
{
    if (!norms->mean)
        norms->mean = prl_mem_zalloc(PRL_KOKORO_NORMS * sizeof(float));
    if (!norms->mean || frames == 0)
        return;
    norms->frames += frames;
    float share = (float)frames / (float)norms->frames;
    for (size_t i = 0; i < PRL_KOKORO_NORMS; i++)
        norms->mean[i] += (own[i] - norms->mean[i]) * share;
}

float *prl_kokoro_norms_known(const struct prl_kokoro_norms *norms)
{
    return norms->frames >= LEARN_FRAMES ? norms->mean : NULL;
}

// The first line of a file of these norms; false: no memory to hash them, or a key that is too long.
static bool head_make(char head[HEAD_SIZE], const float *mean, size_t frames, const char *key)
{
    char hash[PRL_HASH_TEXT_SIZE];
    if (prl_hash_bytes(mean, BYTES, hash) != PRL_OK)
        return false;
    int len = snprintf(head, HEAD_SIZE, "parley-norms 2 %zu %s %s\n", frames, hash, key);
    return len > 0 && len < HEAD_SIZE;
}

// Exactly the floats that `head` speaks of, and nothing behind them.
static bool read_means(FILE *file, const char *head, const char *key, float *mean, size_t *frames)
{
    char expected[HEAD_SIZE];
    // NOLINTNEXTLINE(cert-err34-c): a number that is too large is refused below
    if (sscanf(head, "parley-norms 2 %zu ", frames) != 1 || *frames < LEARN_FRAMES ||
        *frames > FRAMES_MAX)
        return false;
    if (fread(mean, 1, BYTES, file) != BYTES || fgetc(file) != EOF)
        return false;
    if (!head_make(expected, mean, *frames, key) || strcmp(head, expected) != 0)
        return false;
    for (size_t i = 0; i < PRL_KOKORO_NORMS; i++)
        if (!isfinite(mean[i]))
            return false;
    return true;
}

void prl_kokoro_norms_read(struct prl_kokoro_norms *norms, const char *path, const char *key)
{
    char head[HEAD_SIZE];
    size_t frames = 0;
    FILE *file = fopen(path, "rbe");
    if (!file)
        return;
    float *mean = prl_mem_alloc(BYTES);
    bool good =
        mean && fgets(head, sizeof(head), file) && read_means(file, head, key, mean, &frames);
    (void)fclose(file);
    if (!good) {
        prl_mem_free(mean);
        return;
    }
    prl_kokoro_norms_free(norms);
    *norms = (struct prl_kokoro_norms){.mean = mean, .frames = frames};
}

void prl_kokoro_norms_write(const struct prl_kokoro_norms *norms, const char *path, const char *key)
{
    PRL_CHECK(prl_kokoro_norms_known(norms));
    char head[HEAD_SIZE];
    char temp[PATH_SIZE];
    int len = snprintf(temp, sizeof(temp), "%s.new", path);
    if (len < 0 || len >= PATH_SIZE || !head_make(head, norms->mean, norms->frames, key))
        return;
    FILE *file = fopen(temp, "wbe");
    bool good = file && fputs(head, file) >= 0 && fwrite(norms->mean, 1, BYTES, file) == BYTES;
    if (file)
        good = fclose(file) == 0 && good;
    good = good && rename(temp, path) == 0;
    if (!good)
        prl_log(PRL_LOG_WARN, "tts", "%s cannot be written: the next start learns again", path);
    if (!good && file)
        (void)remove(temp);
}
