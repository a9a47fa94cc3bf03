// serve.h -- the embedded engines for others: chat completions, transcriptions and speech in OpenAI's form.
//
// So a node without models uses a node with models by a URL, and any OpenAI client uses either. The
// work waits in the same lanes as that of conversations, as committed work; who goes away cancels it.
// Threads:  the loop thread.
// Memory:   one order a request, PRL_SERVE_ORDERS_MAX at a time (429 above).
// Errors:   HTTP statuses with a JSON error body in the API's form; in a stream that has begun, an
//           `error` event (chat) or a connection that breaks off (sound).
// Source:   OpenAI's reference of chat completions, audio/transcriptions and audio/speech.
#ifndef PRL_API_SERVE_H
#define PRL_API_SERVE_H

#include <stddef.h>

#include "api/auth.h"
#include "base/err.h"

struct prl_http;
struct prl_http_request;
struct prl_llm;
struct prl_loop;
struct prl_serve;
struct prl_stt;
struct prl_timer;
struct prl_tts;

enum { PRL_SERVE_ORDERS_MAX = 256 };

struct prl_serve_conf {
    struct prl_loop *loop; // all borrowed
    const struct prl_auth *auth;
    struct prl_llm *llm;
    struct prl_stt *stt;
    struct prl_tts *tts;
};

enum prl_err prl_serve_create(struct prl_serve **out,
                              const struct prl_serve_conf *conf) PRL_MUST_USE;
// The HTTP server must be gone, the engines not yet.
void prl_serve_destroy(struct prl_serve **serve);
enum prl_err prl_serve_route(struct prl_serve *serve, struct prl_http *http) PRL_MUST_USE;

// ---- for serve_*.c ----

// What every order begins with. It is freed a turn after its end, since an engine's stream may not be
// closed from its own callback.
struct prl_serve_order {
    struct prl_serve *serve;
    struct prl_serve_order *next, *previous;
    struct prl_http_request *request; // NULL: answered, or the client is gone
    struct prl_timer *timer;
    void (*close)(struct prl_serve_order *order); // its streams, then itself
};

const struct prl_serve_conf *prl_serve_conf(const struct prl_serve *serve);
// A zeroed order of `size` bytes, with the request deferred; NULL: the request has been refused (key,
// room, memory).
void *prl_serve_open(struct prl_serve *serve, struct prl_http_request *request, size_t size,
                     void (*close)(struct prl_serve_order *order));
// Nothing more is to be done; `order` stays valid until this turn's callbacks are over.
void prl_serve_end(struct prl_serve_order *order);
// Refuses and ends. Only before the answer has begun.
void prl_serve_refuse(struct prl_serve_order *order, unsigned status, const char *code,
                      const char *param, const char *message);

void prl_serve_chat(void *arg, struct prl_http_request *request);
void prl_serve_speech(void *arg, struct prl_http_request *request);
void prl_serve_transcription(void *arg, struct prl_http_request *request);

#endif
