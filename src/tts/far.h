// far.h -- one clause to one voice elsewhere (OpenAI's audio/speech), its sound back as it is made.
//
// Which engine, and which after it, is decided by tts.c; the pool is told here how it went.
// Where words sound is estimated from their length and the pace of earlier clauses, since the
// protocol does not say: a cut answer is cut near the right word, not exactly at it.
// The sound may be PCM, a WAV file of any rate or Opus in Ogg, whatever was asked for: the media type
// and the first bytes tell.
// Units:    samples at 24 kHz; other rates (WAV) are resampled.
// Threads:  the loop thread; sound arrives from callbacks of net/fetch.h, never inside ask.
// Memory:   nothing of the sound is kept; one mark a word.
// Errors:   at the end, with one line: REMOTE (also for MP3 and what is no sound), TIMEOUT, NOMEM.
// A clause without a letter or digit is asked of nobody and ends a turn later, without a sound.
// Bounds:   PRL_TTS_FAR_S_MAX of sound a clause; more is REMOTE.
// Source:   OpenAI's "create speech" reference: pcm is 24 kHz, 16 bit, mono; opus is in Ogg.
#ifndef PRL_TTS_FAR_H
#define PRL_TTS_FAR_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/pool.h"
#include "tts/backend.h"

struct prl_tts_far;
struct prl_tts_far_job;

enum { PRL_TTS_FAR_S_MAX = 300 };

struct prl_tts_far_ops {
    // 1..PRL_TTS_CHUNK_MAX samples that begin at `start`; marks as in prl_tts_chunk. May cancel.
    void (*audio)(void *arg, const struct prl_tts_chunk *chunk, uint32_t start);
    // The last call; the job is gone after it. `samples` in all.
    void (*end)(void *arg, enum prl_err err, const char *why, uint32_t samples);
};

struct prl_tts_far_ask {
    int engine; // picked from the pool; ended there by the job, whatever happens
    const char *text;
    size_t len;
    const char *voice;
    float speed;
    const char *style; // emotion and style, in place of the front's; NULL or "": the front's
    const struct prl_tts_far_ops *ops;
    void *arg;
};

// `instructions`: emotion and style for every clause, or "".
enum prl_err prl_tts_far_create(struct prl_tts_far **out, struct prl_loop *loop,
                                struct prl_pool *pool, const char *instructions) PRL_MUST_USE;
// No job may be under way.
void prl_tts_far_destroy(struct prl_tts_far **far);
enum prl_err prl_tts_far_say(struct prl_tts_far *far, const struct prl_tts_far_ask *ask,
                             struct prl_tts_far_job **out) PRL_MUST_USE;
// No callback afterwards; also from inside one. NULL is fine.
void prl_tts_far_cancel(struct prl_tts_far_job **job);

#endif
