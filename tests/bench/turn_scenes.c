// turn_scenes.c -- from the last sample of what somebody says to the first one of the answer, and what
// was begun for nothing on the way.
//
//     turn-scenes [--language en] [--early on|off] [--silence 200] [--slow 1.0] [--noise N.wav] FILE.wav …
//
// Each file is a session of its own with the real voice detector, floor and recogniser; a piece of
// recognition takes the CPU time that it needed here, times --slow, on a held clock. The language model and
// the voice are those of engine/scripted.h: first token 150 ms, 60 words a second, first sound 90 ms. Turns end
// by server_vad after --silence ms. One line of JSON a file.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/models.h"
#include "engine/ort.h"
#include "llm/scripted.h"
#include "net/loop.h"
#include "session/session.h"
#include "session/session_state.h"
#include "stt/files.h"
#include "stt/stt.h"
#include "tests/bench/scene.h"
#include "tests/bench/scene_ear.h"
#include "tts/scripted.h"
#include "tts/tts.h"
#include "vad/vad.h"

enum {
    HZ = 16000,
    STEP = 160, // 10 ms
    STEP_US = 10000,
    FRAME = 160,
    BEFORE_MS = 500,
    AFTER_MS = 4000,
    WAIT_US = 1000,
    WAITS_MAX = 5000
};
static const double LEVEL = 1600.0;
static const struct prl_scripted SCRIPT = {
    .llm_first_ms = 150, .llm_words_s = 60, .llm_words = 20, .tts_first_ms = 90};

static struct scene {
    // Set once.
    const char *language, *noise_path;
    bool early;
    uint32_t silence_ms;
    double slow;
    struct scene_sound noise;
    // The engines.
    struct prl_loop *loop;
    struct prl_ort *ort;
    struct prl_vad *vad;
    struct prl_stt *stt;
    struct prl_llm *llm;
    struct prl_tts *tts;
    int loaded;
    // A file.
    struct prl_session *session;
    int64_t now_us, end_us, sound_us;
    size_t noise_at;
    int commits;
} s;

static void on_loaded(void *arg)
{
    (void)arg;
    s.loaded++;
}

static void on_failed(void *arg, const char *why)
{
    (void)arg;
    (void)fprintf(stderr, "turn-scenes: %s\n", why);
    _Exit(1);
}

static void on_llm(void *arg, enum prl_llm_state state, const char *text)
{
    if (state == PRL_LLM_READY)
        on_loaded(arg);
    else
        on_failed(arg, text);
}

static void on_session(void *arg, const struct prl_session_event *event)
{
    (void)arg;
    if (event->type == PRL_SESSION_OUTPUT_AUDIO && !s.sound_us)
        s.sound_us = s.now_us;
    if (event->type == PRL_SESSION_COMMITTED) {
        s.commits++;
        s.sound_us = 0; // of the last turn
    }
}

static bool start(void)
{
    static struct prl_stt_files files;
    char path[PRL_MODELS_PATH_MAX];
    char why[600] = "";
    enum prl_err err = prl_stt_files_find(&files, NULL);
    struct prl_stt_conf stt = {.paths = files.paths,
                               .language = s.language,
                               .backends = scene_ears(s.slow),
                               .threads = 1,
                               .on_ready = on_loaded,
                               .on_error = on_failed};
    struct prl_llm_conf llm = {.on_state = on_llm};
    struct prl_tts_conf tts = {.front = &prl_tts_scripted,
                               .front_conf = &SCRIPT,
                               .on_ready = on_loaded,
                               .on_error = on_failed};
    if (!err)
        err = prl_loop_create(&s.loop, NULL);
    stt.loop = llm.loop = tts.loop = s.loop;
    if (!err)
        err = prl_models_path("onnxruntime", path);
    if (!err)
        err = prl_ort_create(&s.ort, path, why, sizeof(why));
    stt.ort = s.ort;
    if (!err)
        err = prl_models_path("silero-vad", path);
    if (!err)
        err = prl_vad_create(&s.vad, s.ort, path, why, sizeof(why));
    if (!err)
        err = prl_stt_create(&s.stt, &stt);
    if (!err)
        err = prl_llm_scripted_create(&s.llm, &llm, &SCRIPT);
    if (!err)
        err = prl_tts_create(&s.tts, &tts);
    while (!err && s.loaded < 3)
        prl_loop_turn(s.loop, 10000);
    if (err)
        (void)fprintf(stderr, "turn-scenes: cannot start: %s %s%s\n", prl_err_name(err), why,
                      files.why);
    return !err;
}

static bool open_session(void)
{
    struct prl_session_engines engines = {
        .loop = s.loop, .vad = s.vad, .stt = s.stt, .llm = s.llm, .tts = s.tts};
    struct prl_session_conf conf;
    prl_session_conf_init(&conf);
    conf.language = s.language;
    conf.echo_mode = PRL_SESSION_ECHO_OFF;
    conf.floor.turns = PRL_FLOOR_SERVER_VAD;
    conf.floor.silence_duration_ms = s.silence_ms;
    conf.floor.speculate_early = s.early;
    return prl_session_create(&s.session, &engines, &conf, on_session, NULL) == PRL_OK;
}

// Timers of a held clock look again each millisecond of real time, and lanes run in real time: virtual time
// waits for both.
static void settle(void)
{
    prl_loop_turn(s.loop, WAIT_US);
    for (int i = 0; i < WAITS_MAX; i++) {
        if (!prl_session_input_waits(s.session) && !scene_ears_work(prl_stt_backlog(s.stt)))
            break;
        prl_loop_turn(s.loop, WAIT_US);
    }
    prl_loop_turn(s.loop, WAIT_US);
}

// 10 ms of the microphone: `sound` over the noise.
static void step(const int16_t *sound, size_t count)
{
    int16_t mic[STEP];
    for (size_t i = 0; i < STEP; i++) {
        int value = sound && i < count ? sound[i] : 0;
        if (s.noise.count)
            value += s.noise.pcm[s.noise_at++ % s.noise.count];
        mic[i] = (int16_t)(value > 32767 ? 32767 : value < -32768 ? -32768 : value);
    }
    s.now_us += STEP_US;
    prl_clock_hold(s.now_us);
    enum prl_err err = prl_session_append(s.session, mic, STEP, HZ);
    if (err)
        on_failed(NULL, prl_err_name(err));
    settle();
}

// One past the last sample of speech: the last 10 ms at a quarter of the level of the whole.
static size_t end_of_speech(const struct scene_sound *sound)
{
    double least = scene_level(sound->pcm, sound->count) / 4;
    size_t end = sound->count / FRAME * FRAME;
    while (end > FRAME && scene_level(sound->pcm + end - FRAME, FRAME) < least)
        end -= FRAME;
    return end;
}

static void run_file(const char *path)
{
    struct scene_sound sound = scene_read(path, HZ);
    scene_set_level(&sound, LEVEL);
    s.commits = 0;
    s.sound_us = 0;
    if (!open_session())
        on_failed(NULL, "no session");
    for (int ms = 0; ms < BEFORE_MS; ms += 10)
        step(NULL, 0);
    size_t end = end_of_speech(&sound);
    s.end_us = s.now_us + (int64_t)end * 1000000 / HZ;
    for (size_t at = 0; at < end; at += STEP)
        step(sound.pcm + at, end - at < STEP ? end - at : STEP);
    for (int ms = 0; ms < AFTER_MS && !(s.sound_us && s.commits); ms += 10)
        step(NULL, 0);
    const char *slash = strrchr(path, '/');
    const struct prl_floor_stats *stats = prl_floor_stats(s.session->floor);
    (void)printf("{\"name\": \"%s\", \"commits\": %d, \"delay_ms\": %d, \"used\": %d, "
                 "\"dropped\": %d, \"generations\": %d}\n",
                 slash ? slash + 1 : path, s.commits,
                 s.sound_us ? (int)((s.sound_us - s.end_us) / 1000) : -1,
                 (int)stats->speculations_used, (int)stats->speculations_dropped,
                 (int)prl_llm_stats(s.llm).generations);
    (void)fflush(stdout);
    prl_session_destroy(&s.session);
    prl_mem_free(sound.pcm);
}

// The index of the first file; 0: wrong.
static int read_options(int argc, char **argv)
{
    s.language = "en";
    s.early = true;
    s.silence_ms = 200;
    s.slow = 1.0;
    int i = 1;
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        const char *value = argv[i + 1];
        int64_t number = 0;
        if (strcmp(argv[i], "--language") == 0)
            s.language = value;
        else if (strcmp(argv[i], "--early") == 0)
            s.early = strcmp(value, "on") == 0;
        else if (strcmp(argv[i], "--slow") == 0)
            s.slow = strtod(value, NULL);
        else if (strcmp(argv[i], "--noise") == 0)
            s.noise_path = value;
        else if (strcmp(argv[i], "--silence") == 0 && prl_str_to_int(value, &number))
            s.silence_ms = (uint32_t)number;
        else
            return 0;
    }
    return i < argc ? i : 0;
}

int main(int argc, char **argv)
{
    int first = read_options(argc, argv);
    if (!first) {
        (void)fprintf(stderr, "usage: see the head of tests/bench/turn_scenes.c\n");
        return 2;
    }
    if (s.noise_path) {
        s.noise = scene_read(s.noise_path, HZ);
        scene_set_level(&s.noise, LEVEL / 56.0); // 35 dB below
    }
    if (!start())
        return 1;
    s.now_us = prl_clock_now_us();
    prl_clock_hold(s.now_us);
    for (int i = first; i < argc; i++)
        run_file(argv[i]);
    prl_clock_hold(-1);
    prl_stt_destroy(&s.stt);
    prl_llm_destroy(&s.llm);
    prl_tts_destroy(&s.tts);
    prl_vad_destroy(&s.vad);
    prl_ort_destroy(&s.ort);
    prl_loop_destroy(&s.loop);
    prl_mem_free(s.noise.pcm);
    return 0;
}
