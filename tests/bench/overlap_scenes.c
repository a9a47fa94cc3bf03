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

#include "base/mem.h"
#include "net/loop.h"
#include "session/session_state.h"
#include "tests/bench/scene_ear.h"
#include "tests/bench/scene_run.h"

enum {
    STEP = 320, // 20 ms
    STEP_MS = 20,
    BEFORE_MS = 1500, // of the answer, before the sound begins
    AFTER_MS = 7000,
    LINE_MAX = 1024
};
static const char STORY[] =
    "Once upon a time there was a small boat that sailed far over the sea. It met a whale "
    "who knew the way to the island of glass. They went there together in the light of the "
    "moon. Nobody had seen the island for a hundred years, and nobody had missed it. The "
    "boat was glad all the same. It stayed for the winter and learned to sing. In spring "
    "the ice went away, and the boat sailed home with a song for every harbour. People "
    "came to the shore to hear it, and the children asked for one more each night.";

static struct scene {
    struct scene_run run;
    bool semantic; // set once
    // A case.
    uint64_t sound_out;
    bool stopped;
    int64_t onset_us, paused_us, paused_at_us, started_us, done_us;
    int64_t silent_us; // how long it was paused, when it was resumed
    uint64_t voiced_ms;
} s;

// ---- the session ----

static void on_session(void *arg, const struct prl_session_event *event)
{
    (void)arg;
    switch ((int)event->type) {
    case PRL_SESSION_OUTPUT_AUDIO:
        s.sound_out += event->samples;
        break;
    case PRL_SESSION_SPEECH_STARTED:
        if (!s.started_us && s.onset_us)
            s.started_us = s.run.now_us;
        break;
    case PRL_SESSION_RESPONSE_DONE:
        s.done_us = s.run.now_us;
        s.stopped = event->response->status == PRL_RESPONSE_CANCELLED;
        break;
    default:
        break;
    }
}

static void open_session(void)
{
    struct prl_session_conf conf;
    prl_session_conf_init(&conf);
    conf.language = s.run.conf.language;
    conf.echo_mode = PRL_SESSION_ECHO_OFF;
    conf.floor.turns = s.semantic ? PRL_FLOOR_SEMANTIC_VAD : PRL_FLOOR_SERVER_VAD;
    scene_run_open(&s.run, &conf, on_session);
}

static void watch(void)
{
    bool paused = prl_floor_answer(s.run.session->floor) == PRL_FLOOR_PAUSED;
    if (paused && !s.paused_at_us) {
        s.paused_at_us = s.run.now_us;
        if (!s.paused_us)
            s.paused_us = s.run.now_us;
    }
    if (!paused && s.paused_at_us) {
        s.silent_us += s.stopped ? 0 : s.run.now_us - s.paused_at_us;
        s.paused_at_us = 0;
    }
    if (s.onset_us && prl_gate_is_on(prl_vad_gate(s.run.session->vad))) {
        uint64_t ms = (uint64_t)prl_gate_voiced(prl_vad_gate(s.run.session->vad)) * 1000 / SCENE_HZ;
        s.voiced_ms = ms > s.voiced_ms ? ms : s.voiced_ms;
    }
}

// 20 ms of the microphone.
static void step(const int16_t *sound, size_t count)
{
    scene_run_step(&s.run, STEP, sound, count);
    watch();
}

// ---- a case ----

// As if somebody had typed.
static void ask(void)
{
    static const struct prl_item_new item = {.kind = PRL_ITEM_USER, .status = PRL_ITEM_COMPLETED};
    static const struct prl_history_part part = {.text = "please tell me a story", .len = 22};
    struct prl_session_response wish = {.audio = -1, .max_output_tokens = -1, .tool_choice = -1};
    prl_session_add_item(s.run.session, NULL, &item, &part, 1, NULL);
    prl_session_respond(s.run.session, &wish, NULL);
    for (int i = 0; i < SCENE_WAITS_MAX && s.sound_out == 0; i++)
        prl_loop_turn(s.run.loop, SCENE_WAIT_US);
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
                     "\"margin\": %.1f, "
                     "\"text\": \"",
                     i ? ", " : "", ms_of(heard->at_us), (int)(heard->work_us / 1000),
                     (int)(heard->samples / (SCENE_HZ / 1000)), (double)heard->log_prob,
                     heard->margin.known ? (double)heard->margin.nats : -99.0);
        print_text(heard->text);
        (void)printf("\"}");
    }
    (void)printf("]}\n");
    (void)fflush(stdout);
}

static void run_case(const char *name, const char *path, double level_db)
{
    struct scene_sound sound = scene_read(path, SCENE_HZ);
    scene_set_level(&sound, SCENE_LEVEL * pow(10.0, level_db / 20.0));
    s.sound_out = 0;
    s.stopped = false;
    s.onset_us = s.paused_us = s.paused_at_us = s.started_us = s.done_us = s.silent_us = 0;
    s.voiced_ms = 0;
    scene_heard_forget();
    open_session();
    ask();
    for (int ms = 0; ms < BEFORE_MS; ms += STEP_MS)
        step(NULL, 0);
    s.onset_us = s.run.now_us + (int64_t)(scene_onset(&sound) * 1000 / (SCENE_HZ / 1000));
    s.done_us = 0;
    for (size_t at = 0; at < sound.count && !s.done_us; at += STEP)
        step(sound.pcm + at, sound.count - at < STEP ? sound.count - at : STEP);
    for (int ms = 0; ms < AFTER_MS && !s.done_us; ms += STEP_MS)
        step(NULL, 0);
    report(name);
    scene_run_close(&s.run);
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

static bool read_options(int argc, char **argv, struct scene_run_conf *conf)
{
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--language") == 0)
            conf->language = value;
        else if (strcmp(argv[i], "--turns") == 0)
            s.semantic = strcmp(value, "semantic") == 0;
        else if (strcmp(argv[i], "--slow") == 0)
            conf->slow = strtod(value, NULL);
        else if (strcmp(argv[i], "--noise") == 0)
            conf->noise = value;
        else if (strcmp(argv[i], "--noise-db") == 0)
            conf->noise_db = strtod(value, NULL);
        else
            return false;
    }
    return conf->slow > 0.0;
}

int main(int argc, char **argv)
{
    struct scene_run_conf conf = {.name = "overlap-scenes",
                                  .language = "en",
                                  .slow = 1.0,
                                  .noise_db = -35.0,
                                  .story = STORY,
                                  .talk = {.count = (size_t)SCENE_UNIT * 2}};
    s.semantic = true;
    if (!read_options(argc, argv, &conf)) {
        (void)fprintf(stderr, "usage: see the head of tests/bench/overlap_scenes.c\n");
        return 2;
    }
    conf.talk.pcm = prl_mem_zalloc(conf.talk.count * sizeof(int16_t));
    bool started = conf.talk.pcm && scene_run_start(&s.run, &conf);
    if (started)
        run();
    scene_run_stop(&s.run);
    prl_mem_free(conf.talk.pcm);
    return started ? 0 : 1;
}
