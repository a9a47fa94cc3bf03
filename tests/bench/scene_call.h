// scene_call.h -- the client of a call in a scene: Opus packets both ways, over a network that is late
// now and then and loses some, in the scene's time.
//
// What it receives it plays by its time stamps, so punctually as the first packet came.
// Units:    microphone and loudspeaker at 16 kHz, 20 ms a packet.
// Threads:  the loop's. Errors: create says so; a full network loses.
#ifndef PRL_TESTS_BENCH_SCENE_CALL_H
#define PRL_TESTS_BENCH_SCENE_CALL_H

#include <stdint.h>

#include "session/leg.h"

enum { SCENE_CALL_STEP = 320 };

struct scene_call;

struct scene_call_conf {
    struct prl_loop *loop;
    struct prl_session *session;
    int jitter_ms; // mean of what packets come late for six seconds of twelve; four times it at most
    int loss_percent;
    // Sound that begins at at_us.
    void (*play)(const int16_t *pcm, size_t samples, int64_t at_us);
};

enum prl_err scene_call_create(struct scene_call **out,
                               const struct scene_call_conf *conf) PRL_MUST_USE;
void scene_call_destroy(struct scene_call **call);
struct prl_leg *scene_call_leg(struct scene_call *call);
// A step of the microphone sets out, and what is due arrives.
void scene_call_speak(struct scene_call *call, const int16_t *pcm);

#endif
