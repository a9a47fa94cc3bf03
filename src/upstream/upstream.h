// upstream.h -- a Realtime server elsewhere (OpenAI, Azure, another parley) as the engine of a session.
//
// The session keeps its floor, history, transport and recording; the upstream hears the utterances
// that the floor commits, writes them down, and speaks the answers that the session asks for. To the
// session it is a recogniser (stt/stt.h) and a language model that speaks (llm/llm.h). A kit knows
// the servers; each session has one connection, made when the session begins (prl_llm_warm) and made
// again, with the conversation replayed, when it was lost and is needed (mirror.h).
// Units:    milliseconds where a name says so.
// Threads:  one loop thread.
// Memory:   48 KiB a second of open utterance, the texts of the conversation, the connection.
// Errors:   what fails reaches the session as the recogniser's or the model's failure. A job that
//           was lost with its connection before anything of it was handed out is tried once more.
// Speculation: none; decode answers AGAIN to a guess.
#ifndef PRL_UPSTREAM_UPSTREAM_H
#define PRL_UPSTREAM_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct prl_llm;
struct prl_loop;
struct prl_stt;
struct prl_upstream;
struct prl_upstream_kit;

enum { PRL_UPSTREAM_URLS_MAX = 8 };

enum prl_upstream_auth {
    PRL_UPSTREAM_AUTO, // api-key for hosts of azure.com, else bearer
    PRL_UPSTREAM_BEARER,
    PRL_UPSTREAM_API_KEY
};

struct prl_upstream_conf {
    struct prl_loop *loop; // borrowed; all texts are copied
    const char *urls; // separated by commas: "https://api.openai.com/v1" or a whole wss:// address
    const char *model;
    const char *key; // or ""
    enum prl_upstream_auth auth;
    const char *transcription_model;
    const char *voice;   // "": the session's
    const char *ca_file; // or NULL
    bool insecure;
    int64_t connect_ms, first_byte_ms, gap_ms;
    unsigned failures_max; // of the breaker, see engine/chain.h
    int64_t open_ms;
    bool warm; // connections are made before they are needed
};

// INVALID: a URL that cannot be used, or none.
enum prl_err prl_upstream_kit_create(struct prl_upstream_kit **out,
                                     const struct prl_upstream_conf *conf) PRL_MUST_USE;
// Its sessions are gone.
void prl_upstream_kit_destroy(struct prl_upstream_kit **kit);
// Metrics in Prometheus form. NULL writes nothing.
void prl_upstream_kit_render(const struct prl_upstream_kit *kit, struct prl_str *out);

// Connects when its model is warmed (prl_llm_warm, with conf.warm), else at the first need.
enum prl_err prl_upstream_create(struct prl_upstream **out,
                                 struct prl_upstream_kit *kit) PRL_MUST_USE;
// All streams are closed.
void prl_upstream_destroy(struct prl_upstream **upstream);
// Live as long as the upstream; never destroyed by the caller.
struct prl_stt *prl_upstream_stt(struct prl_upstream *upstream);
struct prl_llm *prl_upstream_llm(struct prl_upstream *upstream);

#endif
