// cmd_output.h -- what subcommands print: a JSON object a line, and sound as WAV.
//
// Threads:  one at a time. Memory: prl_cmd_json_end frees what begin took.
// Errors:   a sentence on standard error.
#ifndef PRL_SERVER_CMD_OUTPUT_H
#define PRL_SERVER_CMD_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json_write.h"
#include "base/str.h"

struct prl_cmd_json {
    struct prl_str text;
    struct prl_json_write write;
};

// Opens an object; its members go into the returned writer.
struct prl_json_write *prl_cmd_json_begin(struct prl_cmd_json *json);
// Closes the object and prints the line; one that memory or the limit of 64 MiB cut is left out.
void prl_cmd_json_end(struct prl_cmd_json *json);

// 16-bit mono sound as a WAV file; `path` NULL is standard output. False: it could not be written,
// and "parley COMMAND: …" says so.
bool prl_cmd_sound_write(const char *command, const char *path, uint32_t rate_hz,
                         const int16_t *pcm, size_t samples);

#endif
