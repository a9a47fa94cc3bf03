// transcript.h -- reads a recogniser's answer over HTTP: one JSON object, or a stream of events.
//
// Events are OpenAI's (transcript.text.delta, transcript.text.done) or vLLM's (transcription.chunk);
// others are passed over. A pure core: no socket, no clock.
// Units:    bytes of UTF-8.
// Threads:  one owner.
// Memory:   the answer so far, at most PRL_TRANSCRIPT_MAX bytes of it.
// Errors:   REMOTE: no answer of these forms, or an event stream that ended without its end; the
//           server's own error too. LIMIT, NOMEM. `why` has one line.
// Source:   OpenAI's "create transcription" reference with stream true; vLLM's OpenAI-compatible server.
#ifndef PRL_STT_TRANSCRIPT_H
#define PRL_STT_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum { PRL_TRANSCRIPT_MAX = 256 * 1024, PRL_TRANSCRIPT_WHY_SIZE = 200 };

struct prl_transcript;

// `events`: the answer's media type is text/event-stream.
enum prl_err prl_transcript_create(struct prl_transcript **out, bool events) PRL_MUST_USE;
void prl_transcript_destroy(struct prl_transcript **transcript);
// Is `type` (a media type as sent) one of events?
bool prl_transcript_is_events(const char *type);
enum prl_err prl_transcript_push(struct prl_transcript *transcript, const char *data,
                                 size_t len) PRL_MUST_USE;
// Nothing more comes: appends the words. `language` gets what the server told ("en", "english"), or
// "", and is valid as long as the reader.
enum prl_err prl_transcript_end(struct prl_transcript *transcript, struct prl_str *text,
                                const char **language) PRL_MUST_USE;
const char *prl_transcript_why(const struct prl_transcript *transcript);

#endif
