// cmd_sound.c -- see cmd_sound.h.
#include "server/cmd_sound.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "media/resample.h"
#include "media/wav.h"

enum { FILE_SIZE_MAX = 256 << 20, READ_STEP = 1 << 16, CHUNK = 4096 };

static enum prl_err read_all(const char *path, struct prl_str *bytes)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rbe");
    if (!file)
        return PRL_ERR_NOTFOUND;
    enum prl_err err = PRL_OK;
    for (;;) {
        err = prl_str_reserve(bytes, READ_STEP);
        if (err)
            break;
        size_t got = fread(bytes->data + bytes->len, 1, READ_STEP, file);
        bytes->len += got;
        if (got == 0)
            break;
    }
    if (!err && ferror(file))
        err = PRL_ERR_IO;
    if (!standard)
        (void)fclose(file);
    return err;
}

static enum prl_err to_16k(uint32_t rate_hz, int16_t **pcm, size_t *count)
{
    if (rate_hz == PRL_CMD_SOUND_RATE_HZ)
        return PRL_OK;
    struct prl_resample *resample;
    enum prl_err err = prl_resample_create(&resample, rate_hz, PRL_CMD_SOUND_RATE_HZ);
    if (err)
        return err;
    size_t room = prl_resample_room(resample, *count) + 2 * (size_t)prl_resample_delay(resample);
    int16_t *out = prl_mem_array(room, sizeof(*out));
    if (out) {
        size_t delay = prl_resample_delay(resample);
        size_t n = prl_resample_process(resample, *pcm, *count, NULL, out, room);
        n += prl_resample_drain(resample, out + n, room - n);
        size_t skip = delay < n ? delay : n; // so that positions stay true
        memmove(out, out + skip, (n - skip) * sizeof(*out));
        prl_mem_free(*pcm);
        *pcm = out;
        *count = n - skip;
    }
    prl_resample_destroy(&resample);
    return out ? PRL_OK : PRL_ERR_NOMEM;
}

static enum prl_err decode(const struct prl_str *bytes, uint32_t raw_hz, int16_t **pcm,
                           size_t *count)
{
    uint32_t rate_hz = raw_hz ? raw_hz : PRL_CMD_SOUND_RATE_HZ;
    enum prl_err err = PRL_OK;
    if (!raw_hz && bytes->len >= 4 && memcmp(bytes->data, "RIFF", 4) == 0) {
        struct prl_wav wav;
        err = prl_wav_parse(&wav, (const uint8_t *)bytes->data, bytes->len);
        if (!err)
            err = prl_wav_decode(&wav, FILE_SIZE_MAX / sizeof(**pcm), pcm, count);
        if (!err)
            rate_hz = wav.rate_hz;
    } else {
        *count = bytes->len / sizeof(**pcm);
        *pcm = prl_mem_dup(bytes->len ? bytes->data : "", *count * sizeof(**pcm) + 1);
        if (!*pcm)
            err = PRL_ERR_NOMEM;
    }
    return err ? err : to_16k(rate_hz, pcm, count);
}

enum prl_err prl_cmd_sound_read(const char *path, uint32_t raw_hz, int16_t **pcm, size_t *count,
                                char *why, size_t why_size)
{
    PRL_CHECK(path != NULL && pcm != NULL && count != NULL);
    *pcm = NULL;
    *count = 0;
    struct prl_str bytes;
    prl_str_init(&bytes, FILE_SIZE_MAX);
    enum prl_err err = read_all(path, &bytes);
    if (!err)
        err = decode(&bytes, raw_hz, pcm, count);
    prl_str_free(&bytes);
    if (err) {
        const char *what =
            err == PRL_ERR_INVALID ? "not a WAV file that can be read" : prl_err_name(err);
        (void)snprintf(why, why_size, "%s: %s", path, what);
        prl_mem_free(*pcm);
        *pcm = NULL;
    }
    return err;
}
