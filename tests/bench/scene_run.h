// scene_run.h -- the engines of a scene and one session at a time: real voice detector, floor and
// recogniser, scripted model and voice, on a held clock.
//
// A lane runs in real time, so virtual time waits for it.
// Units:    microphone at 16 kHz; levels in dB against SCENE_LEVEL.
// Threads:  the main one.
// Errors:   scene_run_start prints why; what fails later ends the program.
#ifndef PRL_TESTS_BENCH_SCENE_RUN_H
#define PRL_TESTS_BENCH_SCENE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "session/session.h"
#include "tests/bench/scene.h"

enum { SCENE_HZ = 16000, SCENE_WAIT_US = 1000, SCENE_WAITS_MAX = 5000 };

// Root mean square of who speaks: -26 dB of full scale.
#define SCENE_LEVEL 1600.0

struct prl_scripted;

struct scene_run_conf {
    const char *name; // of the program
    const char *language;
    double slow;       // a recognition takes the CPU time that it needed here, times this
    const char *noise; // file, NULL: none
    double noise_db;
    // One of the two: a model that always says `story`, in a voice that reads `talk`; or a model and a
    // voice with delays.
    const char *story;
    struct scene_sound talk; // borrowed, at 24 kHz
    const struct prl_scripted *script;
};

struct scene_run {
    struct scene_run_conf conf;
    // Owned.
    struct prl_loop *loop;
    struct prl_ort *ort;
    struct prl_vad *vad;
    struct prl_stt *stt;
    struct prl_llm *llm;
    struct prl_tts *tts;
    struct prl_session *session;
    struct scene_sound noise;
    // State.
    int loaded;
    int64_t now_us; // the held clock
    size_t noise_at;
};

// Starts the engines and holds the clock. `run` is zero before, and stays where it is. False: stop it
// all the same.
bool scene_run_start(struct scene_run *run, const struct scene_run_conf *conf);
void scene_run_stop(struct scene_run *run);

void scene_run_open(struct scene_run *run, const struct prl_session_conf *conf,
                    prl_session_fn on_session);
void scene_run_close(struct scene_run *run);

// So many samples of the microphone, at most 20 ms: `count` of `sound`, then quiet, over the noise; and as
// much time.
void scene_run_step(struct scene_run *run, size_t samples, const int16_t *sound, size_t count);

#endif
