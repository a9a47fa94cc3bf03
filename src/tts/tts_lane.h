// tts_lane.h -- the worker side of text to speech: jobs in, chunks of sound out, through messages only.
//
// The front (tts.c) creates it, sends SAY, CANCEL and CLOSE through prl_lane_send*, and gets READY,
// AUDIO, DONE and ERROR through its port (net/share.h). Nothing else passes between the two.
// Units:    samples at 24 kHz, microseconds.
// Threads:  create, destroy on the loop thread; the rest runs on the lane.
// Memory:   waiting jobs with their texts; a message's payload changes owner with it.
#ifndef PRL_TTS_TTS_LANE_H
#define PRL_TTS_TTS_LANE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tts/tts.h"

// Messages to the lane: id is the stream's.
enum prl_tts_order {
    PRL_TTS_ORDER_SAY,    // generation; data: struct prl_tts_job_head and the text
    PRL_TTS_ORDER_CANCEL, // generation: that and all older ones
    PRL_TTS_ORDER_CLOSE   // the stream is gone
};

struct prl_tts_job_head {
    uint32_t clause_id;
    uint32_t text_len;
    uint32_t from, to; // of the text: what is to be said
    float speed;
    int language; // enum prl_text_lang
    int64_t queued_us;
    char voice[PRL_TTS_VOICE_SIZE];
};

// Messages from the lane. A clause's end tells about AUDIO, DONE and ERROR which clause it was.
enum prl_tts_report {
    // value[2] of these two: the engine, by its place in the list of backends, plus 1; 0: none.
    PRL_TTS_REPORT_AUDIO, // data: struct prl_tts_audio_head, marks, samples
    PRL_TTS_REPORT_DONE,  // data: struct prl_tts_done
    PRL_TTS_REPORT_ERROR  // value[0]: clause id, value[1]: error; data: text or NULL
};

struct prl_tts_audio_head {
    uint32_t clause_id;
    uint32_t sample_start;
    uint32_t samples;
    uint32_t mark_count;
    const char *engine; // static
};

struct prl_tts_done {
    uint32_t clause_id;
    uint32_t samples;
    uint32_t unknown;
    const char *engine; // static
    int64_t queued_us, first_us, work_us;
};

struct prl_lane;
struct prl_lane_child;
struct prl_share;
struct prl_tts_lane;

struct prl_tts_lane_conf {
    struct prl_tts_conf tts;                                         // its texts are copied
    struct prl_share *share;                                         // borrowed
    void (*started)(void *arg, enum prl_err err, const char *error); // on the loop
    void *arg;
};

enum prl_err prl_tts_lane_create(struct prl_tts_lane **out,
                                 const struct prl_tts_lane_conf *conf) PRL_MUST_USE;
// In the child process that conf->isolate makes: serves the voices to the parent until that is gone.
enum prl_err prl_tts_serve(const struct prl_tts_conf *conf,
                           struct prl_lane_child *child) PRL_MUST_USE;
// The ports must be closed before.
void prl_tts_lane_destroy(struct prl_tts_lane **lane);
struct prl_lane *prl_tts_lane_thread(struct prl_tts_lane *lane);
// Once `started` has reported success: PRL_TTS_LANG_*.
unsigned prl_tts_lane_languages(const struct prl_tts_lane *lane);
// The same: in which a clause can be said in parts, by voices that are Kokoro's by name or by the others.
unsigned prl_tts_lane_parts(const struct prl_tts_lane *lane, bool named);

#endif
