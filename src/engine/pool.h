// pool.h -- the engines of one kind, near and far: where they are, which is next, how they do.
//
// A pool knows addresses, keys, limits and breakers; what is said to an engine belongs to its kind
// (stt, llm, tts). A far engine with an open breaker is probed (GET …/models) until it answers.
// Units:    microseconds, milliseconds where a name says so.
// Threads:  the loop thread.
// Memory:   texts of the configuration are copied; keys are wiped when freed and never printed.
// Errors:   what a request ends with is net/fetch.h's; INVALID for a bad URL or key at create.
#ifndef PRL_ENGINE_POOL_H
#define PRL_ENGINE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "engine/chain.h"
#include "engine/link.h"
#include "net/fetch.h"

struct prl_pool;

enum { PRL_POOL_NAME_SIZE = 80, PRL_POOL_BUCKETS = 10 };

// How a far engine is spoken to.
enum prl_pool_way {
    PRL_POOL_HTTP,     // requests of OpenAI's form; "http://…" or "https://…"
    PRL_POOL_WS,       // the plain WebSocket protocol; "ws://…" or "wss://…", as the next two
    PRL_POOL_REALTIME, // OpenAI's Realtime transcription (stt)
    PRL_POOL_VLLM,     // vLLM's
};

struct prl_pool_engine {
    enum prl_pool_way way;
    const char *url;                // "https://host/v1"; NULL: the embedded engine
    const char *model;              // name to ask for, or ""
    const char *voice;              // TTS: a name, or "" to pass the client's on
    const char *format;             // TTS: of the sound to ask for, or ""
    const char *language;           // STT: what to ask for, or "" for the conversation's
    const char *key;                // bearer, or ""
    const char *extra;              // members for the request's JSON object ("\"a\":1"), or ""
    int rank;                       // lower first; equal ones share
    struct prl_fetch_limits limits; // 0: the pool's
    int hedge; // percentile of its times after which a second request is sent; 0: never
};

struct prl_pool_conf {
    struct prl_loop *loop;   // borrowed
    struct prl_fetch *fetch; // borrowed; may be NULL when all are embedded
    const char *ca_file;     // for WebSockets, as fetch has it; NULL: the system's alone
    bool insecure;
    const char *kind; // static: "stt", "llm", "tts"
    const struct prl_pool_engine *engines;
    size_t count;                   // 1..PRL_CHAIN_MAX
    struct prl_fetch_limits limits; // of engines that have none of their own
    struct prl_chain_conf chain;
    int64_t warm_us; // prl_pool_warm_next opens no connection within so long of a contact; 0: never
    int hedge_share_percent; // second requests for a hundred requests; 0: 10
};

enum prl_err prl_pool_create(struct prl_pool **out, const struct prl_pool_conf *conf) PRL_MUST_USE;
// No request of the pool may be under way but its own probes.
void prl_pool_destroy(struct prl_pool **pool);

// As prl_chain_pick: the index of the engine to ask, or -1. Each is followed by one prl_pool_end.
int prl_pool_pick(struct prl_pool *pool, uint32_t tried);
// The first useful byte came `latency_us` after the request began.
void prl_pool_first_byte(struct prl_pool *pool, int index, int64_t latency_us);
// `failure` is meaningful with FAILED and REFUSED; `why` is logged then (may be NULL).
void prl_pool_end(struct prl_pool *pool, int index, enum prl_outcome outcome,
                  enum prl_fetch_failure failure, const char *why);
// What an ended request says of its engine: a 400, 413, 415 or 422 is the request's fault.
enum prl_outcome prl_pool_outcome(const struct prl_fetch_end *end);

// Valid as long as the pool.
const struct prl_pool_engine *prl_pool_at(const struct prl_pool *pool, int index);
const char *prl_pool_name(const struct prl_pool *pool, int index); // "host:port" or "embedded"
bool prl_pool_has_far(const struct prl_pool *pool);
bool prl_pool_has_links(const struct prl_pool *pool); // any that is no HTTP

// POSTs to `path` ("/chat/completions") of a far engine; `ask` needs body, content_type, ops, arg and
// may have headers; url, key and limits are the engine's.
enum prl_err prl_pool_post(struct prl_pool *pool, int index, const char *path,
                           const struct prl_fetch_ask *ask,
                           struct prl_fetch_request **out) PRL_MUST_USE;

// For engine/hedge.h. When a request to this engine needs a second one; 0: never.
int64_t prl_pool_second_after_us(const struct prl_pool *pool, int index);
// As prl_pool_pick, for the second one: another far engine of the same rank, else the same; -1: none,
// as there were too many already.
int prl_pool_pick_second(struct prl_pool *pool, int index);
void prl_pool_second_won(struct prl_pool *pool, int index);
// A request's body began after so long, or the second one was sent then and was sooner.
void prl_pool_took(struct prl_pool *pool, int index, int64_t took_us);
struct prl_loop *prl_pool_loop(const struct prl_pool *pool);

// A connection to a far engine that is no HTTP, at `path` (may be ""); limits.connect_ms applies.
enum prl_err prl_pool_link(struct prl_pool *pool, int index, const char *path,
                           const struct prl_link_ops *ops, void *arg,
                           struct prl_link **out) PRL_MUST_USE;
// All of them are set.
const struct prl_fetch_limits *prl_pool_limits(const struct prl_pool *pool, int index);
// The engine that pick would give now, without giving it.
int prl_pool_peek(const struct prl_pool *pool, uint32_t tried);

// Asks every far engine over HTTP once, so that connections and certificates are there before calls are.
void prl_pool_warm(struct prl_pool *pool);
// A request will come soon: opens a connection to each engine of the rank whose turn it is, unless there
// is one that idles or there was contact within warm_us. Over HTTP that is GET …/models, one at a time an
// engine; what comes of it is no matter for breakers. `path` gives the path of a connection that is no
// HTTP; NULL: "".
void prl_pool_warm_next(struct prl_pool *pool, const char *(*path)(enum prl_pool_way way));

// Metrics of several pools in Prometheus form, each name once. NULL pools are left out.
void prl_pool_render(struct prl_pool *const *pools, size_t count, struct prl_str *out);

#endif
