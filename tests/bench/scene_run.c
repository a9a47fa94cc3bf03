// scene_run.c -- see scene_run.h.
#include "tests/bench/scene_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/models.h"
#include "engine/ort.h"
#include "llm/scripted.h"
#include "net/loop.h"
#include "session/session_state.h"
#include "stt/files.h"
#include "tests/bench/scene_ear.h"
#include "tests/unit/llm_fake.h"
#include "tts/scripted.h"

enum { STEP_MAX = SCENE_HZ / 50, ENGINES = 3, LOADING_US = 10000, US_PER_S = 1000000 };

static void fail(const struct scene_run *run, const char *why)
{
    (void)fprintf(stderr, "%s: %s\n", run->conf.name, why);
    _Exit(1);
}

static void on_loaded(void *arg)
{
    ((struct scene_run *)arg)->loaded++;
}

static void on_failed(void *arg, const char *why)
{
    fail(arg, why);
}

static void on_llm(void *arg, enum prl_llm_state state, const char *text)
{
    if (state == PRL_LLM_READY)
        on_loaded(arg);
    else
        fail(arg, text);
}

static enum prl_err start_detector(struct scene_run *run, char *why, size_t why_size)
{
    char path[PRL_MODELS_PATH_MAX];
    enum prl_err err = prl_models_path("onnxruntime", path);
    if (!err)
        err = prl_ort_create(&run->ort, path, why, why_size);
    if (!err)
        err = prl_models_path("silero-vad", path);
    if (!err)
        err = prl_vad_create(&run->vad, run->ort, path, why, why_size);
    return err;
}

static enum prl_err start_speech(struct scene_run *run, char *why, size_t why_size)
{
    static struct prl_stt_files files;
    static struct fake_reply replies[1];
    static struct fake_llm fake = {.replies = replies};
    const struct scene_run_conf *conf = &run->conf;
    enum prl_err err = prl_stt_files_find(&files, NULL);
    if (err) {
        (void)prl_str_copy(why, why_size, files.why);
        return err;
    }
    struct prl_stt_conf stt = {.loop = run->loop,
                               .ort = run->ort,
                               .paths = files.paths,
                               .language = conf->language,
                               .backends = scene_ears(conf->slow),
                               .threads = 1,
                               .on_ready = on_loaded,
                               .on_error = on_failed,
                               .arg = run};
    struct prl_llm_conf llm = {.loop = run->loop, .on_state = on_llm, .arg = run};
    struct prl_tts_conf tts = {
        .loop = run->loop, .on_ready = on_loaded, .on_error = on_failed, .arg = run};
    err = prl_stt_create(&run->stt, &stt);
    if (!err && conf->script) {
        tts.front = &prl_tts_scripted;
        tts.front_conf = conf->script;
        err = prl_llm_scripted_create(&run->llm, &llm, conf->script);
    } else if (!err) {
        replies[0].answer = conf->story;
        llm.context_tokens = FAKE_CONTEXT_MAX;
        llm.ops = &fake_llm_ops;
        llm.ops_arg = &fake;
        tts.quality = PRL_TTS_QUALITY_FAST;
        tts.backends = scene_mouths(&run->conf.talk);
        err = prl_llm_create(&run->llm, &llm);
    }
    return err ? err : prl_tts_create(&run->tts, &tts);
}

bool scene_run_start(struct scene_run *run, const struct scene_run_conf *conf)
{
    char why[600] = "";
    run->conf = *conf;
    if (conf->noise) {
        run->noise = scene_read(conf->noise, SCENE_HZ);
        scene_set_level(&run->noise, SCENE_LEVEL * pow(10.0, conf->noise_db / 20.0));
    }
    enum prl_err err = prl_loop_create(&run->loop, NULL);
    if (!err)
        err = start_detector(run, why, sizeof(why));
    if (!err)
        err = start_speech(run, why, sizeof(why));
    while (!err && run->loaded < ENGINES)
        prl_loop_turn(run->loop, LOADING_US);
    if (err)
        (void)fprintf(stderr, "%s: cannot start: %s %s\n", conf->name, prl_err_name(err), why);
    run->now_us = prl_clock_now_us();
    prl_clock_hold(run->now_us);
    return !err;
}

void scene_run_stop(struct scene_run *run)
{
    prl_clock_hold(-1);
    prl_session_destroy(&run->session);
    prl_stt_destroy(&run->stt);
    prl_llm_destroy(&run->llm);
    prl_tts_destroy(&run->tts);
    prl_vad_destroy(&run->vad);
    prl_ort_destroy(&run->ort);
    prl_loop_destroy(&run->loop);
    prl_mem_free(run->noise.pcm);
}

void scene_run_open(struct scene_run *run, const struct prl_session_conf *conf,
                    prl_session_fn on_session)
{
    struct prl_session_engines engines = {
        .loop = run->loop, .vad = run->vad, .stt = run->stt, .llm = run->llm, .tts = run->tts};
    if (prl_session_create(&run->session, &engines, conf, on_session, NULL) != PRL_OK)
        fail(run, "no session");
}

void scene_run_close(struct scene_run *run)
{
    prl_session_destroy(&run->session);
}

// Timers of a held clock look again each millisecond of real time, and lanes run in real time: virtual time
// waits for both.
static void settle(struct scene_run *run)
{
    prl_loop_turn(run->loop, SCENE_WAIT_US);
    for (int i = 0; i < SCENE_WAITS_MAX; i++) {
        if (!prl_session_input_waits(run->session) && !scene_ears_work(prl_stt_backlog(run->stt)))
            break;
        prl_loop_turn(run->loop, SCENE_WAIT_US);
    }
    // A partial may have been asked for, and scripted delays are timers.
    bool more = run->session->open || run->conf.script;
    prl_loop_turn(run->loop, more ? SCENE_WAIT_US : 0);
}

void scene_run_step(struct scene_run *run, size_t samples, const int16_t *sound, size_t count)
{
    int16_t mic[STEP_MAX];
    for (size_t i = 0; i < samples; i++) {
        int value = sound && i < count ? sound[i] : 0;
        if (run->noise.count)
            value += run->noise.pcm[run->noise_at++ % run->noise.count];
        mic[i] = (int16_t)(value > 32767 ? 32767 : value < -32768 ? -32768 : value);
    }
    run->now_us += (int64_t)samples * US_PER_S / SCENE_HZ;
    prl_clock_hold(run->now_us);
    enum prl_err err = prl_session_append(run->session, mic, samples, SCENE_HZ);
    if (err)
        fail(run, prl_err_name(err));
    settle(run);
}
