// ask.h -- what is said to an upstream Realtime server: each function writes one event as JSON text.
//
// Threads:  any, one at a time. Memory: only the string grows.
// Errors:   stick in out->err; check once.
// Source:   OpenAI Realtime, GA names, which Azure's /openai/v1/realtime and parley speak too.
#ifndef PRL_UPSTREAM_ASK_H
#define PRL_UPSTREAM_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "llm/prompt.h"
#include "upstream/mirror.h"

// How the upstream's session hears and speaks; it never takes turns by itself.
struct prl_ask_sound {
    const char *voice; // or ""
    double speed;      // 0: not said
    const char *transcription_model;
    const char *language; // "" for any
};
void prl_ask_sound(struct prl_str *out, const struct prl_ask_sound *sound);
// What its model is told: system text and tools.
void prl_ask_persona(struct prl_str *out, const struct prl_llm_prompt *prompt);

struct prl_ask_response {
    uint32_t key;                        // comes back as metadata.parley, and in errors as "r<key>"
    const struct prl_llm_prompt *prompt; // an aside brings it as input, else NULL
    const char *instructions;            // in place of the session's, or NULL; two pieces
    const char *note;
    size_t note_len;
    bool audio;
    int max_output_tokens; // 0 or less: not said
};
void prl_ask_response(struct prl_str *out, const struct prl_ask_response *response);
void prl_ask_cancel(struct prl_str *out, const char *response_id); // "": the one that runs

void prl_ask_append(struct prl_str *out, const int16_t *pcm, size_t samples); // 24 kHz
void prl_ask_commit(struct prl_str *out, uint32_t number);                    // errors: "c<number>"
void prl_ask_clear(struct prl_str *out);

void prl_ask_create(struct prl_str *out, const char *after, const struct prl_mirror_item *item);
void prl_ask_remove(struct prl_str *out, const char *id);
void prl_ask_truncate(struct prl_str *out, const char *id, int64_t audio_ms);

#endif
