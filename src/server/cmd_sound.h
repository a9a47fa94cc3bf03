// cmd_sound.h -- recordings for the subcommands: a WAV file or raw samples to 16 kHz mono.
//
// Units:    16-bit samples at 16 kHz. Threads: any; blocks on the file.
// Memory:   the samples are the caller's (prl_mem_free). Files up to 256 MiB.
// Errors:   NOTFOUND, IO, LIMIT, INVALID with one line in `why`.
#ifndef PRL_SERVER_CMD_SOUND_H
#define PRL_SERVER_CMD_SOUND_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PRL_CMD_SOUND_RATE_HZ = 16000 };

// `path` "-" is standard input. `raw_hz` 0: WAV when it begins with RIFF, else raw 16-bit mono
// samples at 16 kHz; otherwise raw samples at that rate.
enum prl_err prl_cmd_sound_read(const char *path, uint32_t raw_hz, int16_t **pcm, size_t *count,
                                char *why, size_t why_size) PRL_MUST_USE;

#endif
