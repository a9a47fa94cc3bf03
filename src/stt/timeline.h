// timeline.h -- one utterance: its sound, the decodes asked of it, and which piece is to be
// recognised next. A pure core: no thread, no model, no clock.
//
// Long sound is cut into pieces of at most 25 s, each recognised once; what follows the last cut is
// the tail, recognised again whenever more was said. A decode is answered when all its pieces and
// its tail are. Two decodes with nothing but silence between them share one key, thus one result.
// Units:    16-bit samples at 16 kHz from the utterance's first; microseconds, monotonic.
// Threads:  one owner.
// Memory:   32 KiB a second of sound, in steps of 2 s; texts of the results. begin frees all.
// Errors:   LIMIT for sound beyond PRL_STT_UTTERANCE_MAX_S, FULL when PRL_TIMELINE_WANTS wait.
#ifndef PRL_STT_TIMELINE_H
#define PRL_STT_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "stt/stt.h"

enum { PRL_TIMELINE_WANTS = 8 };

// Lower goes first.
enum prl_timeline_rank {
    PRL_RANK_FINAL,
    PRL_RANK_GUESS,
    PRL_RANK_PIECE,    // a piece that nobody waits for yet
    PRL_RANK_IDENTIFY, // which language it is, while the user still talks
    PRL_RANK_PARTIAL,
    PRL_RANK_NONE
};

enum prl_timeline_kind { PRL_WORK_PIECE, PRL_WORK_TAIL, PRL_WORK_IDENTIFY };

struct prl_timeline_work {
    enum prl_timeline_kind kind;
    enum prl_timeline_rank rank;
    size_t piece; // PIECE: which
    size_t start; // samples [start, end)
    size_t end;
    size_t key;       // TAIL: end of speech that it covers
    int64_t asked_us; // since when it is wanted
};

struct prl_timeline_result {
    enum prl_err err;
    const char *text;                     // cleaned; "" with no_speech; the reason with err
    char language[PRL_STT_LANGUAGE_SIZE]; //
    const char *engine;                   // static
    int64_t work_us;
    struct prl_stt_margin margin;
};

struct prl_timeline;

enum prl_err prl_timeline_create(struct prl_timeline **out) PRL_MUST_USE;
void prl_timeline_destroy(struct prl_timeline **timeline);
// Empty again: no sound, no decodes.
void prl_timeline_clear(struct prl_timeline *timeline);

enum prl_err prl_timeline_push(struct prl_timeline *timeline, const int16_t *pcm, size_t n,
                               bool silence) PRL_MUST_USE;
enum prl_err prl_timeline_ask(struct prl_timeline *timeline, uint32_t generation,
                              enum prl_stt_want want, int64_t now_us) PRL_MUST_USE;
void prl_timeline_cancel(struct prl_timeline *timeline, uint32_t generation);

const int16_t *prl_timeline_pcm(const struct prl_timeline *timeline);
size_t prl_timeline_samples(const struct prl_timeline *timeline);
// Decodes not yet answered.
size_t prl_timeline_waiting(const struct prl_timeline *timeline);

// What to recognise next; false when nothing. `live`: live partials are wanted now (rank PARTIAL).
// `identify`: the language is to be found out early. The caller does not call it for a timeline
// whose work is running.
bool prl_timeline_next(const struct prl_timeline *timeline, bool live, bool identify,
                       struct prl_timeline_work *work);
// Whether a decode still waits for this work, and how urgently; RANK_PARTIAL for live work, and
// RANK_PIECE for a piece, that nobody waits for.
enum prl_timeline_rank prl_timeline_rank_of(const struct prl_timeline *timeline,
                                            const struct prl_timeline_work *work);
// Keeps the result (copies its text). NOMEM counts as a failed result.
void prl_timeline_store(struct prl_timeline *timeline, const struct prl_timeline_work *work,
                        const struct prl_timeline_result *result, int64_t queued_us);
// The next answered decode, oldest first: fills the event and appends its text (the event's text is
// NULL); false when none is ready. Removes it.
bool prl_timeline_take(struct prl_timeline *timeline, struct prl_stt_event *event,
                       struct prl_str *text);
// Tells `fn` all of them, one after the other. It may use the timeline, but not destroy it.
void prl_timeline_deliver(struct prl_timeline *timeline, prl_stt_fn fn, void *arg);
// The whole text as far as the latest tail knows it, for a PARTIAL; false when there is none newer
// than the last call's.
bool prl_timeline_partial(struct prl_timeline *timeline, struct prl_stt_event *event,
                          struct prl_str *text);
// The text of the pieces that are done, from the first on, also after a FINAL was asked; false when there
// is none more than at the last call. All of it is stable.
bool prl_timeline_settled(struct prl_timeline *timeline, struct prl_stt_event *event,
                          struct prl_str *text);
// The same as partial for words of a recogniser that listens while they are spoken: `words` cover the sound from
// `start`. False when they begin elsewhere, say nothing new, or come after a FINAL was asked.
bool prl_timeline_hint(struct prl_timeline *timeline, size_t start, const char *words,
                       struct prl_stt_event *event, struct prl_str *text);
// Where the tail begins and its speech ends; false once a FINAL was asked.
bool prl_timeline_tail(const struct prl_timeline *timeline, size_t *start, size_t *speech_end);
// Every waiting decode fails: the next calls of take give ERROR with this text.
void prl_timeline_fail(struct prl_timeline *timeline, enum prl_err err, const char *why);

#endif
