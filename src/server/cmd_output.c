// cmd_output.c -- see cmd_output.h.
#include "server/cmd_output.h"

#include <stdio.h>

#include "media/wav.h"

enum { JSON_BYTES_MAX = 64 << 20 };

struct prl_json_write *prl_cmd_json_begin(struct prl_cmd_json *json)
{
    prl_str_init(&json->text, JSON_BYTES_MAX);
    prl_json_write_init(&json->write, &json->text);
    prl_json_write_object(&json->write, NULL);
    return &json->write;
}

void prl_cmd_json_end(struct prl_cmd_json *json)
{
    prl_json_write_end_object(&json->write);
    if (!json->text.err)
        (void)puts(prl_str_text(&json->text));
    (void)fflush(stdout);
    prl_str_free(&json->text);
}

bool prl_cmd_sound_write(const char *command, const char *path, uint32_t rate_hz,
                         const int16_t *pcm, size_t samples)
{
    FILE *file = path ? fopen(path, "wbe") : stdout;
    uint8_t header[PRL_WAV_HEADER_SIZE];
    prl_wav_header(header, rate_hz, samples);
    bool good = file && fwrite(header, sizeof(header), 1, file) == 1;
    if (good && samples > 0)
        good = fwrite(pcm, sizeof(*pcm), samples, file) == samples;
    if (path && file)
        good = fclose(file) == 0 && good;
    else if (!path)
        good = fflush(stdout) == 0 && good;
    if (!good)
        (void)fprintf(stderr, "parley %s: cannot write %s\n", command, path ? path : "the sound");
    return good;
}
