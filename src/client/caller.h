// caller.h -- one conversation with a Realtime server, from a recording or a microphone.
//
// Threads:  the loop thread; a sound card's callback sees only the two rings.
// Memory:   the answer's sound up to PRL_CALLER_ANSWER_S.
// Errors:   told once through `done` with a sentence; the rest of the talk is in prl_caller_result.
#ifndef PRL_CLIENT_CALLER_H
#define PRL_CLIENT_CALLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { PRL_CALLER_RATE_HZ = 24000, PRL_CALLER_ANSWER_S = 120, PRL_CALLER_WHY_SIZE = 300 };

struct prl_loop;
struct prl_ring;
struct prl_caller;

struct prl_caller_conf {
    struct prl_loop *loop;
    const char *url; // ws://127.0.0.1:8080/v1/realtime
    const char *key; // API key, or NULL
    bool insecure;   // take any TLS certificate
    // The sound: a recording at 24 kHz, sent in real time with silence behind it, or a microphone.
    const int16_t *pcm;
    size_t samples;
    struct prl_ring *microphone; // at 24 kHz, or NULL
    struct prl_ring *speaker;    // at 24 kHz, or NULL
    const char *voice;           // or NULL
    const char *language;        // or NULL
    const char *turns;           // type of turn detection, or NULL for the server's
    const char *instructions;    // or NULL
    bool text;                   // answers as text
    int64_t timeout_us;          // recording: longest wait for the answer's end behind its end
    // Lines for people, as they come: kind is "you", "answer" or "note".
    void (*line)(void *arg, const char *kind, const char *text);
    // The talk is over and the connection closed: a recording was answered, the server ended it,
    // or prl_caller_end. `why` NULL: all is well. Once; may not destroy the caller.
    void (*done)(void *arg, const char *why);
    void *arg;
};

// What happened, for --json. Times in milliseconds, negative: did not happen.
struct prl_caller_result {
    const char *transcript; // of the user, turns joined by spaces
    const char *answer;     // of the server
    const int16_t *pcm;     // the answer's sound, 24 kHz
    size_t samples;
    int64_t first_byte_ms;      // last loud sample of the recording sent -> first sound received
    int64_t first_text_ms;      // … -> first words of the answer
    int turns;                  // responses that ended
    const char *server_latency; // JSON of parley.response.latency, or ""
    const char *status;         // of the last response
};

enum prl_err prl_caller_create(struct prl_caller **out,
                               const struct prl_caller_conf *conf) PRL_MUST_USE;
void prl_caller_destroy(struct prl_caller **caller);
// Ends the call as a client should: the connection is closed with code 1000, and `done` comes when
// the server has answered, at most 2 s later. Once; a second call does nothing.
void prl_caller_end(struct prl_caller *caller);
// Valid until destroy.
void prl_caller_result(const struct prl_caller *caller, struct prl_caller_result *result);

// Index one past the last sample of a recording that is louder than its own background: the end of
// speech by energy, not by any VAD.
size_t prl_caller_speech_end(const int16_t *pcm, size_t samples);

#endif
