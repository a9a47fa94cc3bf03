// wire.h -- how three kinds of recogniser are spoken to over a WebSocket. A pure core: no socket, no
// clock.
//
// PLAIN: one text {"type":"start",…}, binary PCM up, {"type":"commit"}; down come
// {"type":"transcription","text","is_final"}, where a text that is not final replaces the one before,
// and one final text (it may be empty) answers each commit. OPENAI: Realtime transcription sessions,
// without turn detection. VLLM: its realtime endpoint, where a commit begins a stretch of sound and a
// final commit ends it.
// Units:    16-bit samples, mono, at prl_wire_rate; text in UTF-8.
// Threads:  one owner.
// Memory:   appends to the caller's texts. An event's texts are given over in a prl_str.
// Errors:   reading: INVALID for no JSON or the wrong types, NOMEM. Unknown messages are NOTHING.
// Source:   OpenAI's guide "Realtime transcription"; vLLM's realtime endpoint.
#ifndef PRL_STT_WIRE_H
#define PRL_STT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum prl_wire { PRL_WIRE_PLAIN, PRL_WIRE_OPENAI, PRL_WIRE_VLLM };

enum { PRL_WIRE_TEXT_MAX = 256 * 1024 };

const char *prl_wire_path(enum prl_wire wire); // behind the engine's URL
uint32_t prl_wire_rate(enum prl_wire wire);
// Sound goes as binary messages.
bool prl_wire_is_binary(enum prl_wire wire);

struct prl_wire_start {
    const char *model;    // "": the server's own
    const char *language; // "": unknown
    const char *prompt;   // "": none
    const char *extra;    // members for the first message's JSON object, or ""
};
// Each appends one text message, or nothing where the kind has none.
// Of a connection, before its first sound or when `start` has changed:
enum prl_err prl_wire_open(enum prl_wire wire, const struct prl_wire_start *start,
                           struct prl_str *out) PRL_MUST_USE;
// Of a stretch of sound:
enum prl_err prl_wire_begin(enum prl_wire wire, struct prl_str *out) PRL_MUST_USE;
enum prl_err prl_wire_sound(enum prl_wire wire, const int16_t *pcm, size_t count,
                            struct prl_str *out) PRL_MUST_USE;
enum prl_err prl_wire_commit(enum prl_wire wire, struct prl_str *out) PRL_MUST_USE;

enum prl_wire_kind {
    PRL_WIRE_NOTHING,
    PRL_WIRE_MORE,   // text: further words of the stretch
    PRL_WIRE_SO_FAR, // text: all words of the stretch so far
    PRL_WIRE_FINAL,  // text: all words of the stretch, which is over
    PRL_WIRE_FAILED, // text: why
};

// Reads one text message; `text` is cleared first.
enum prl_err prl_wire_read(enum prl_wire wire, const char *message, size_t len,
                           enum prl_wire_kind *kind, struct prl_str *text) PRL_MUST_USE;

#endif
