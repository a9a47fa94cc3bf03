// cmd_sound.c -- see cmd_sound.h.
#include "server/cmd_sound.h"

#include <stdbool.h>
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

static enum prl_err convert(uint32_t from_hz, uint32_t to_hz, int16_t **pcm, size_t *count)
{
    if (from_hz == to_hz)
        return PRL_OK;
    struct prl_resample *resample;
    enum prl_err err = prl_resample_create(&resample, from_hz, to_hz);
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

// Samples as they are in the file; *from_hz is their rate.
static enum prl_err decode(const struct prl_str *bytes, uint32_t *from_hz, int16_t **pcm,
                           size_t *count)
{
    bool raw = *from_hz != 0;
    *from_hz = raw ? *from_hz : PRL_CMD_SOUND_RAW_HZ;
    enum prl_err err = PRL_OK;
    if (!raw && bytes->len >= 4 && memcmp(bytes->data, "RIFF", 4) == 0) {
        struct prl_wav wav;
        err = prl_wav_parse(&wav, (const uint8_t *)bytes->data, bytes->len);
        if (!err)
            err = prl_wav_decode(&wav, FILE_SIZE_MAX / sizeof(**pcm), pcm, count);
        if (!err)
            *from_hz = wav.rate_hz;
    } else {
        *count = bytes->len / sizeof(**pcm);
        *pcm = prl_mem_dup(bytes->len ? bytes->data : "", *count * sizeof(**pcm) + 1);
        if (!*pcm)
            err = PRL_ERR_NOMEM;
    }
    return err;
}

enum prl_err prl_cmd_sound_read(const char *path, uint32_t raw_hz, uint32_t rate_hz, int16_t **pcm,
                                size_t *count, char *why)
{
    PRL_CHECK(path != NULL && pcm != NULL && count != NULL);
    *pcm = NULL;
    *count = 0;
    struct prl_str bytes;
    prl_str_init(&bytes, FILE_SIZE_MAX);
    enum prl_err err = read_all(path, &bytes);
    if (!err)
        err = decode(&bytes, &raw_hz, pcm, count);
    if (!err)
        err = convert(raw_hz, rate_hz, pcm, count);
    prl_str_free(&bytes);
    if (err) {
        const char *what =
            err == PRL_ERR_INVALID ? "not a WAV file that can be read" : prl_err_name(err);
        (void)snprintf(why, PRL_CMD_SOUND_WHY_SIZE, "%s: %s", path, what);
        prl_mem_free(*pcm);
        *pcm = NULL;
    }
    return err;
}
