// cmd_sound.h -- recordings for the subcommands: a WAV file or raw samples to mono at one rate.
//
// Units:    16-bit samples. Threads: any; blocks on the file.
// Memory:   the samples are the caller's (prl_mem_free). Files up to 256 MiB.
// Errors:   NOTFOUND, IO, LIMIT, INVALID with one line in `why`.
#ifndef PRL_SERVER_CMD_SOUND_H
#define PRL_SERVER_CMD_SOUND_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_CMD_SOUND_RAW_HZ = 16000, PRL_CMD_SOUND_WHY_SIZE = 600 };

// Sound at `rate_hz`. `path` "-" is standard input. `raw_hz` 0: WAV when it begins with RIFF, else
// raw 16-bit mono samples at 16 kHz; otherwise raw samples at that rate. `why` holds
// PRL_CMD_SOUND_WHY_SIZE bytes and names the path.
enum prl_err prl_cmd_sound_read(const char *path, uint32_t raw_hz, uint32_t rate_hz, int16_t **pcm,
                                size_t *count, char *why) PRL_MUST_USE;

#endif
