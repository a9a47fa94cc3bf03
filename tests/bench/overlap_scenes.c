// overlap_scenes.c -- sound over an answer: does the server stop, and when?
//
//     overlap-scenes --language en|zh [--turns semantic|server] [--slow 1.0] [--noise N.wav] < cases
//
// A case is a line "name TAB file TAB level", the level in dB against -26 dB of full scale. Each is a
// session of its own with the real voice detector, floor and recogniser; the language model and the voice
// are scripted, time is virtual: a piece of recognition takes the CPU time that it needed here, times
// --slow, so that neither this machine's load nor its pace is in the figures. One line of JSON a case;
// times in milliseconds from where speech begins (scene.h).
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/models.h"
#include "engine/ort.h"
#include "llm/llm.h"
#include "net/loop.h"
#include "session/session.h"
#include "session/session_state.h"
#include "stt/files.h"
#include "stt/stt.h"
#include "tests/bench/scene.h"
#include "tests/bench/scene_ear.h"
#include "tests/unit/llm_fake.h"
#include "tts/tts.h"
#include "vad/vad.h"

enum {
    HZ = 16000,
    STEP = 320, // 20 ms
    STEP_US = 20000,
    BEFORE_MS = 1500, // of the answer, before the sound begins
    AFTER_MS = 7000,
    WAIT_US = 1000,
    WAITS_MAX = 5000,
    LINE_MAX = 1024
};
static const double LEVEL = 1600.0;

static struct scene {
    // Set once.
    const char *language, *noise_path;
    bool semantic;
    double slow, noise_db;
    struct scene_sound talk, noise;
    // The engines.
    struct prl_loop *loop;
    struct prl_ort *ort;
    struct prl_vad *vad;
    struct prl_stt *stt;
    struct prl_llm *llm;
    struct prl_tts *tts;
    struct fake_llm fake;
    int loaded;
    // A case.
    struct prl_session *session;
    int64_t now_us;
    size_t noise_at;
    uint64_t sound_out;
    bool stopped;
    int64_t onset_us, paused_us, paused_at_us, started_us, done_us;
    int64_t silent_us; // how long it was paused, when it was resumed
    uint64_t voiced_ms;
} s;

// ---- the session ----

static void on_loaded(void *arg)
{
    (void)arg;
    s.loaded++;
}

static void on_failed(void *arg, const char *why)
{
    (void)arg;
    (void)fprintf(stderr, "overlap-scenes: %s\n", why);
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
    switch ((int)event->type) {
    case PRL_SESSION_OUTPUT_AUDIO:
        s.sound_out += event->samples;
        break;
    case PRL_SESSION_SPEECH_STARTED:
        if (!s.started_us && s.onset_us)
            s.started_us = s.now_us;
        break;
    case PRL_SESSION_RESPONSE_DONE:
        s.done_us = s.now_us;
        s.stopped = event->response->status == PRL_RESPONSE_CANCELLED;
        break;
    default:
        break;
    }
}

static bool start(void)
{
    static const struct fake_reply replies[] = {
        {NULL,
         "Once upon a time there was a small boat that sailed far over the sea. It met a whale "
         "who knew the way to the island of glass. They went there together in the light of the "
         "moon. Nobody had seen the island for a hundred years, and nobody had missed it. The "
         "boat was glad all the same. It stayed for the winter and learned to sing. In spring "
         "the ice went away, and the boat sailed home with a song for every harbour. People "
         "came to the shore to hear it, and the children asked for one more each night."}};
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
    struct prl_llm_conf llm = {
        .context_tokens = 4096, .ops = &fake_llm_ops, .ops_arg = &s.fake, .on_state = on_llm};
    struct prl_tts_conf tts = {.quality = PRL_TTS_QUALITY_FAST,
                               .backends = scene_mouths(&s.talk),
                               .on_ready = on_loaded,
                               .on_error = on_failed};
    s.fake.replies = replies;
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
        err = prl_llm_create(&s.llm, &llm);
    if (!err)
        err = prl_tts_create(&s.tts, &tts);
    while (!err && s.loaded < 3)
        prl_loop_turn(s.loop, 10000);
    if (err)
        (void)fprintf(stderr, "overlap-scenes: cannot start: %s %s%s\n", prl_err_name(err), why,
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
    conf.floor.turns = s.semantic ? PRL_FLOOR_SEMANTIC_VAD : PRL_FLOOR_SERVER_VAD;
    return prl_session_create(&s.session, &engines, &conf, on_session, NULL) == PRL_OK;
}

// ---- time ----

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
    prl_loop_turn(s.loop, s.session->open ? WAIT_US : 0); // a partial may have been asked for
}

static void watch(void)
{
    bool paused = prl_floor_answer(s.session->floor) == PRL_FLOOR_PAUSED;
    if (paused && !s.paused_at_us) {
        s.paused_at_us = s.now_us;
        if (!s.paused_us)
            s.paused_us = s.now_us;
    }
    if (!paused && s.paused_at_us) {
        s.silent_us += s.stopped ? 0 : s.now_us - s.paused_at_us;
        s.paused_at_us = 0;
    }
    if (s.onset_us && prl_gate_is_on(prl_vad_gate(s.session->vad))) {
        uint64_t ms = (uint64_t)prl_gate_voiced(prl_vad_gate(s.session->vad)) * 1000 / HZ;
        s.voiced_ms = ms > s.voiced_ms ? ms : s.voiced_ms;
    }
}

// 20 ms of the microphone: `sound` over the noise.
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
    watch();
}

// ---- a case ----

// As if somebody had typed.
static void ask(void)
{
    static const struct prl_item_new item = {.kind = PRL_ITEM_USER, .status = PRL_ITEM_COMPLETED};
    static const struct prl_history_part part = {.text = "please tell me a story", .len = 22};
    struct prl_session_response wish = {.audio = -1, .max_output_tokens = -1, .tool_choice = -1};
    prl_session_add_item(s.session, NULL, &item, &part, 1, NULL);
    prl_session_respond(s.session, &wish, NULL);
    for (int i = 0; i < WAITS_MAX && s.sound_out == 0; i++)
        prl_loop_turn(s.loop, WAIT_US);
}

static void print_text(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= ' ' && *text != '"' && *text != '\\')
            (void)putchar(*text);
}

static int ms_of(int64_t at_us)
{
    return at_us ? (int)((at_us - s.onset_us) / 1000) : -1;
}

static void report(const char *name)
{
    (void)printf("{\"name\": \"%s\", \"answered\": %s, \"stopped\": %s, \"paused_ms\": %d, "
                 "\"decided_ms\": %d, \"silent_ms\": %d, \"voiced_ms\": %d, \"heard\": [",
                 name, s.sound_out ? "true" : "false", s.stopped ? "true" : "false",
                 ms_of(s.paused_us ? s.paused_us
                       : s.stopped ? s.done_us
                                   : 0),
                 ms_of(s.started_us ? s.started_us
                       : s.stopped  ? s.done_us
                                    : 0),
                 (int)(s.silent_us / 1000), (int)s.voiced_ms);
    const struct scene_heard *heard;
    for (int i = 0; (heard = scene_heard_at(i)); i++) {
        (void)printf("%s{\"at_ms\": %d, \"work_ms\": %d, \"of_ms\": %d, \"log_prob\": %.2f, "
                     "\"text\": \"",
                     i ? ", " : "", ms_of(heard->at_us), (int)(heard->work_us / 1000),
                     (int)(heard->samples / (HZ / 1000)), (double)heard->log_prob);
        print_text(heard->text);
        (void)printf("\"}");
    }
    (void)printf("]}\n");
    (void)fflush(stdout);
}

static void run_case(const char *name, const char *path, double level_db)
{
    struct scene_sound sound = scene_read(path, HZ);
    scene_set_level(&sound, LEVEL * pow(10.0, level_db / 20.0));
    s.sound_out = 0;
    s.stopped = false;
    s.onset_us = s.paused_us = s.paused_at_us = s.started_us = s.done_us = s.silent_us = 0;
    s.voiced_ms = 0;
    scene_heard_forget();
    if (!open_session())
        on_failed(NULL, "no session");
    ask();
    for (int ms = 0; ms < BEFORE_MS; ms += 20)
        step(NULL, 0);
    s.onset_us = s.now_us + (int64_t)(scene_onset(&sound) * 1000 / (HZ / 1000));
    s.done_us = 0;
    for (size_t at = 0; at < sound.count && !s.done_us; at += STEP)
        step(sound.pcm + at, sound.count - at < STEP ? sound.count - at : STEP);
    for (int ms = 0; ms < AFTER_MS && !s.done_us; ms += 20)
        step(NULL, 0);
    report(name);
    prl_session_destroy(&s.session);
    prl_mem_free(sound.pcm);
}

static void run(void)
{
    char line[LINE_MAX];
    while (fgets(line, sizeof(line), stdin)) {
        char *rest = NULL;
        const char *name = strtok_r(line, "\t", &rest);
        const char *path = strtok_r(NULL, "\t", &rest);
        const char *level = strtok_r(NULL, "\n", &rest);
        if (name && path && level)
            run_case(name, path, strtod(level, NULL));
    }
}

static bool read_options(int argc, char **argv)
{
    s.language = "en";
    s.semantic = true;
    s.slow = 1.0;
    s.noise_db = -35.0;
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--language") == 0)
            s.language = value;
        else if (strcmp(argv[i], "--turns") == 0)
            s.semantic = strcmp(value, "semantic") == 0;
        else if (strcmp(argv[i], "--slow") == 0)
            s.slow = strtod(value, NULL);
        else if (strcmp(argv[i], "--noise") == 0)
            s.noise_path = value;
        else if (strcmp(argv[i], "--noise-db") == 0)
            s.noise_db = strtod(value, NULL);
        else
            return false;
    }
    return s.slow > 0.0;
}

int main(int argc, char **argv)
{
    if (!read_options(argc, argv)) {
        (void)fprintf(stderr, "usage: see the head of tests/bench/overlap_scenes.c\n");
        return 2;
    }
    s.talk.count = (size_t)SCENE_UNIT * 2;
    s.talk.pcm = prl_mem_zalloc(s.talk.count * sizeof(int16_t));
    if (s.noise_path) {
        s.noise = scene_read(s.noise_path, HZ);
        scene_set_level(&s.noise, LEVEL * pow(10.0, s.noise_db / 20.0));
    }
    if (!s.talk.pcm || !start())
        return 1;
    s.now_us = prl_clock_now_us();
    prl_clock_hold(s.now_us);
    run();
    prl_clock_hold(-1);
    prl_stt_destroy(&s.stt);
    prl_llm_destroy(&s.llm);
    prl_tts_destroy(&s.tts);
    prl_vad_destroy(&s.vad);
    prl_ort_destroy(&s.ort);
    prl_loop_destroy(&s.loop);
    prl_mem_free(s.noise.pcm);
    prl_mem_free(s.talk.pcm);
    return 0;
}
