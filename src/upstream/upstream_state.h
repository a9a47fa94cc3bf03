// upstream_state.h -- the inside of upstream.h, shared by the upstream_*.c files only.
#ifndef PRL_UPSTREAM_UPSTREAM_STATE_H
#define PRL_UPSTREAM_UPSTREAM_STATE_H

#include "engine/chain.h"
#include "llm/backend.h"
#include "net/loop.h"
#include "net/wsc.h"
#include "stt/front.h"
#include "upstream/align.h"
#include "upstream/ask.h"
#include "upstream/event.h"
#include "upstream/mirror.h"
#include "upstream/upstream.h"

enum {
    PRL_UPSTREAM_COMMITS_MAX = 16,      // without an answer yet; more lose the connection
    PRL_UPSTREAM_MESSAGE_MAX = 4 << 20, // bytes of one event, both ways
    PRL_UPSTREAM_NAME_SIZE = 80,
    PRL_UPSTREAM_ATTEMPTS_MAX = 2
};

enum prl_upstream_job { PRL_JOB_NONE, PRL_JOB_WAITING, PRL_JOB_ASKED };

struct prl_upstream_server {
    char *url;                         // owned, whole
    char name[PRL_UPSTREAM_NAME_SIZE]; // "host:port"
    bool api_key;                      // in a header of that name
};

struct prl_upstream_kit {
    struct prl_upstream_conf conf; // texts point into the members below
    struct prl_upstream_server servers[PRL_UPSTREAM_URLS_MAX];
    size_t count;
    char *key, *header; // owned; "Bearer …"
    char *transcription_model, *voice, *ca_file;
    struct prl_tls_ctx *trust; // owned; NULL until a connection over TLS needs it
    struct prl_chain chain;
    size_t sessions;
    uint64_t connections, failures, lost, answers;
};

// A stream of the language model.
struct prl_upstream_answer {
    struct prl_llm_stream base;
    struct prl_upstream *up; // borrowed
    struct prl_upstream_answer *next;
    prl_llm_event_fn fn;
    void *arg;
    // The job.
    enum prl_upstream_job job;
    uint32_t generation;
    struct prl_llm_prompt *prompt; // owned
    int max_output_tokens;
    bool audio, aside;
    int attempts;
    uint32_t key;
    char response_id[PRL_MIRROR_ID_SIZE]; // "": not told yet
    char item_id[PRL_MIRROR_ID_SIZE];     // its first message
    struct prl_align *align;              // owned
    uint8_t odd;                          // half a sample
    bool has_odd;
    bool handed; // something of it went out
    bool called;
    bool doomed;
    int64_t asked_us, first_us, deadline_us;
};

// A stream of the recogniser: one utterance.
struct prl_upstream_ear {
    struct prl_upstream *up; // borrowed
    struct prl_upstream_ear *next;
    prl_stt_fn fn;
    void *arg;
    char language[PRL_STT_LANGUAGE_SIZE]; // "": any
    struct prl_resample *resample;        // owned
    int16_t *pcm;                         // owned, 24 kHz
    size_t count, capacity;               // samples
    size_t sent;                          // of them, over this connection
    uint64_t heard;                       // samples at 16 kHz
    // The job.
    enum prl_upstream_job job;
    uint32_t generation;
    int attempts;
    char item_id[PRL_MIRROR_ID_SIZE]; // "": not committed yet
    bool doomed;
    int64_t asked_us, deadline_us;
};

struct prl_upstream_commit {
    uint32_t number;
    struct prl_upstream_ear *ear; // NULL: nobody waits
};

struct prl_upstream {
    struct prl_llm llm; // first
    // Set once.
    struct prl_upstream_kit *kit; // borrowed
    // Owned.
    struct prl_stt *stt;
    struct prl_wsc *wsc;
    struct prl_timer *timer;
    struct prl_mirror *mirror;
    struct prl_str out;     // the event being written
    struct prl_str sound;   // the two session.update that were sent last
    struct prl_str persona; //
    struct prl_upstream_answer *answers;
    struct prl_upstream_ear *ears;
    // State.
    bool ready;    // the connection listens
    char lost[96]; // why the connection is to be dropped, "": it is not
    int server;    // index, of the connection
    uint32_t tried;
    int64_t connect_us; // began; deadline with the limit
    uint32_t number;    // of asks
    // The conversation's response that runs upstream, also when nobody wants it any more.
    bool busy;
    uint32_t busy_key;
    char busy_id[PRL_MIRROR_ID_SIZE];
    int64_t busy_until_us;              // when it was cancelled: its end is due, 0: it was not
    struct prl_upstream_answer *holder; // holds the sound back
    struct prl_upstream_ear *open;      // whose sound is in the buffer upstream
    struct prl_upstream_commit commits[PRL_UPSTREAM_COMMITS_MAX];
    size_t commit_count;
    char language[PRL_STT_LANGUAGE_SIZE]; // of what is said; "": any
    char voice[64];                       // as wished last
    double speed;
    bool voiced; // it has spoken on this connection: the voice is settled
};

// upstream.c
// Makes a connection if there is none. ENGINE: nobody can be asked now.
enum prl_err prl_upstream_want(struct prl_upstream *up) PRL_MUST_USE;
// The connection goes, from the timer.
void prl_upstream_lose(struct prl_upstream *up, const char *why);
// Sends what was written to up->out.
enum prl_err prl_upstream_send(struct prl_upstream *up) PRL_MUST_USE;
void prl_upstream_arm(struct prl_upstream *up);
// The server did what it is for.
void prl_upstream_praise(struct prl_upstream *up);
// Tells the upstream how its session hears and speaks, or what its model is told, when that has
// changed.
enum prl_err prl_upstream_tell_sound(struct prl_upstream *up) PRL_MUST_USE;
enum prl_err prl_upstream_tell_persona(struct prl_upstream *up,
                                       const struct prl_llm_prompt *prompt) PRL_MUST_USE;
int64_t prl_upstream_now(void);

// upstream_llm.c
extern const struct prl_llm_backend_ops prl_upstream_llm_ops;
void prl_upstream_ask_answers(struct prl_upstream *up);
void prl_upstream_answer_event(struct prl_upstream *up, const struct prl_upstream_event *event);
// False: the error is none of an answer.
bool prl_upstream_answer_error(struct prl_upstream *up, const struct prl_upstream_event *event);
void prl_upstream_fail_answer(struct prl_upstream_answer *answer, const char *why);

// upstream_stt.c
extern const struct prl_stt_front_ops prl_upstream_stt_ops;
void prl_upstream_ask_ears(struct prl_upstream *up);
void prl_upstream_ear_event(struct prl_upstream *up, const struct prl_upstream_event *event);
bool prl_upstream_ear_error(struct prl_upstream *up, const struct prl_upstream_event *event);
void prl_upstream_fail_ear(struct prl_upstream_ear *ear, const char *why);

#endif
