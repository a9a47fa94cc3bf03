// stt_state.h -- the inside of stt.h, shared by stt.c, stt_queue.c and stt_chain.c only.
#ifndef PRL_STT_STT_STATE_H
#define PRL_STT_STT_STATE_H

#include "engine/pool.h"
#include "net/lane.h"
#include "net/loop.h"
#include "stt/ear.h"
#include "stt/far.h"
#include "stt/front.h"
#include "stt/near.h"
#include "stt/timeline.h"

enum { PRL_STT_EVENT_TEXT_MAX = 256 * 1024 }; // bytes

// Work under way for a stream.
struct prl_stt_errand {
    struct prl_timeline_work work;
    int engine; // of the pool, if there is one
    int64_t sent_us;
};

struct prl_stt_stream {
    // Set once.
    const struct prl_stt_front_ops *front; // NULL: all that follows is used
    void *front_stream;                    // owned
    struct prl_stt *stt;                   // borrowed
    uint64_t id;
    prl_stt_fn fn;
    void *arg;
    bool pieces;
    bool partials;
    // Owned.
    struct prl_timeline *timeline;
    char *prompt;
    struct prl_stt_stream *next;
    // State.
    char language[PRL_STT_LANGUAGE_SIZE];   // configured; "" is auto
    char identified[PRL_STT_LANGUAGE_SIZE]; // found out; "" unknown
    bool open;                              // between begin and clear
    bool identify_failed;                   // asked early in this utterance, without an answer
    uint32_t begin;                         // generation of the utterance
    uint32_t newest;                        // highest generation seen
    uint32_t epoch;                         // changes with every begin and clear
    int64_t partial_at_us;                  // not before this time
    // With engines elsewhere.
    struct prl_stt_far_job *job;  // owned; NULL: none
    struct prl_ear *ear;          // owned; NULL: none of the pool listens
    bool ear_owes;                // a text for `errand`, as a job would
    struct prl_stt_errand errand; // of job or ear
    uint32_t tried;               // engines of the pool that failed at the piece that is next
};

// What our own recognisers work on.
struct prl_stt_running {
    uint64_t stream; // 0: nothing is under way
    uint32_t epoch;
    struct prl_stt_errand errand;
    bool aborted;
};

struct prl_stt {
    const struct prl_stt_front_ops *front; // NULL: all that follows is used
    void *front_ctx;                       // owned
    // Set once.
    struct prl_stt_conf conf; // paths not valid any more
    struct prl_stt_route route;
    const struct prl_stt_backend_ops *backends[PRL_STT_ENGINE_COUNT];
    char language[PRL_STT_LANGUAGE_SIZE]; // default; "" is auto
    // Owned.
    struct prl_stt_near *near;    // NULL: none, far_only
    struct prl_stt_far *far;      // NULL: none
    struct prl_timer *start_soon; // NULL, or until on_ready of far_only
    struct prl_stt_stream *streams;
    // State.
    uint64_t ids;
    struct prl_stt_running running;
    bool ready;
    bool failed;
    size_t far_count; // streams with work elsewhere
    char why[PRL_LANE_ERROR_SIZE];
    char far_why[PRL_FETCH_WHY_SIZE]; // latest failure of an engine of the pool
};

// ---- stt_queue.c: which piece of work is next, and what becomes of its result ----

const char *prl_stt_language_of(const struct prl_stt_stream *stream);
struct prl_stt_stream *prl_stt_find(const struct prl_stt *stt, uint64_t id);
// Some engine of the pool works for it.
bool prl_stt_is_busy(const struct prl_stt_stream *stream);
// The stream whose work is next, with the work; NULL when there is none.
struct prl_stt_stream *prl_stt_pick(struct prl_stt *stt, struct prl_timeline_work *work);
// The caller's, `*size` bytes; NULL without memory.
struct prl_stt_order *prl_stt_order_of(const struct prl_stt_stream *stream,
                                       const struct prl_timeline_work *work, size_t *size);
// Gives work to our own recognisers, whose turn it is.
enum prl_err prl_stt_send(struct prl_stt *stt, const struct prl_stt_stream *stream,
                          const struct prl_stt_errand *errand) PRL_MUST_USE;
// What our own recognisers work on gives way when nobody waits for it any more, or when committed work
// waits.
void prl_stt_abort_useless(struct prl_stt *stt, enum prl_timeline_rank waiting);
// What an engine made of a piece; a failure leaves the piece to the next engine of the pool. Calls back.
void prl_stt_take_result(struct prl_stt_stream *stream, const struct prl_stt_errand *errand,
                         const struct prl_stt_reply *reply);
// The answer of our own recognisers.
void prl_stt_take_reply(struct prl_stt *stt, const struct prl_stt_reply *reply);
// Delivers what is answered on this stream, and the text so far. Both call back.
void prl_stt_deliver(struct prl_stt_stream *stream);
void prl_stt_tell_partial(struct prl_stt_stream *stream);
// Every decode of every stream fails with stt->why.
void prl_stt_fail_all(struct prl_stt *stt);
// Starts the best piece of work, if an engine is free. Last in every public function.
void prl_stt_run(struct prl_stt *stt);

// ---- stt_chain.c: engines elsewhere ----

// Gives every stream that wants something its engine.
void prl_stt_chain_run(struct prl_stt *stt);
// Room for an engine that listens, where the pool has such ones.
enum prl_err prl_stt_chain_open(struct prl_stt_stream *stream) PRL_MUST_USE;
// Is the stream's engine, or would it be, one that listens while it is spoken? Then words come unasked.
bool prl_stt_chain_listens(const struct prl_stt_stream *stream);
// Lets it hear what was just said.
void prl_stt_chain_hear(struct prl_stt_stream *stream);
// Ends what engines elsewhere do for the stream; no answer comes.
void prl_stt_chain_drop(struct prl_stt_stream *stream);

#endif
