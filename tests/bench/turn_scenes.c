// turn_scenes.c -- from the last sample of what somebody says to the first one of the answer, and what
// was begun for nothing on the way.
//
//     turn-scenes [--language en] [--early on|off] [--silence 200] [--slow 1.0] [--noise N.wav] FILE.wav …
//
// Each file is a session of its own with the real voice detector, floor and recogniser; a piece of
// recognition takes the CPU time that it needed here, times --slow, on a held clock. The language model and
// the voice are those of engine/scripted.h: first token 150 ms, 60 words a second, first sound 90 ms. Turns end
// by server_vad after --silence ms. One line of JSON a file.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "engine/scripted.h"
#include "llm/llm.h"
#include "session/session_state.h"
#include "tests/bench/scene_run.h"

enum {
    STEP = 160, // 10 ms
    STEP_MS = 10,
    FRAME = 160,
    BEFORE_MS = 500,
    AFTER_MS = 4000,
};
static const struct prl_scripted SCRIPT = {
    .llm_first_ms = 150, .llm_words_s = 60, .llm_words = 20, .tts_first_ms = 90};

static struct scene {
    struct scene_run run;
    // Set once.
    bool early;
    uint32_t silence_ms;
    // A file.
    int64_t end_us, sound_us;
    int commits;
} s;

static void on_session(void *arg, const struct prl_session_event *event)
{
    (void)arg;
    if (event->type == PRL_SESSION_OUTPUT_AUDIO && !s.sound_us)
        s.sound_us = s.run.now_us;
    if (event->type == PRL_SESSION_COMMITTED) {
        s.commits++;
        s.sound_us = 0; // of the last turn
    }
}

static void open_session(void)
{
    struct prl_session_conf conf;
    prl_session_conf_init(&conf);
    conf.language = s.run.conf.language;
    conf.echo_mode = PRL_SESSION_ECHO_OFF;
    conf.floor.turns = PRL_FLOOR_SERVER_VAD;
    conf.floor.silence_duration_ms = s.silence_ms;
    conf.floor.speculate_early = s.early;
    scene_run_open(&s.run, &conf, on_session);
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
    struct scene_sound sound = scene_read(path, SCENE_HZ);
    scene_set_level(&sound, SCENE_LEVEL);
    s.commits = 0;
    s.sound_us = 0;
    open_session();
    for (int ms = 0; ms < BEFORE_MS; ms += STEP_MS)
        scene_run_step(&s.run, STEP, NULL, 0);
    size_t end = end_of_speech(&sound);
    s.end_us = s.run.now_us + (int64_t)end * 1000000 / SCENE_HZ;
    for (size_t at = 0; at < end; at += STEP)
        scene_run_step(&s.run, STEP, sound.pcm + at, end - at);
    for (int ms = 0; ms < AFTER_MS && !(s.sound_us && s.commits); ms += STEP_MS)
        scene_run_step(&s.run, STEP, NULL, 0);
    const char *slash = strrchr(path, '/');
    const struct prl_floor_stats *stats = prl_floor_stats(s.run.session->floor);
    (void)printf("{\"name\": \"%s\", \"commits\": %d, \"delay_ms\": %d, \"used\": %d, "
                 "\"dropped\": %d, \"generations\": %d}\n",
                 slash ? slash + 1 : path, s.commits,
                 s.sound_us ? (int)((s.sound_us - s.end_us) / 1000) : -1,
                 (int)stats->speculations_used, (int)stats->speculations_dropped,
                 (int)prl_llm_stats(s.run.llm).generations);
    (void)fflush(stdout);
    scene_run_close(&s.run);
    prl_mem_free(sound.pcm);
}

// The index of the first file; 0: wrong.
static int read_options(int argc, char **argv, struct scene_run_conf *conf)
{
    int i = 1;
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        const char *value = argv[i + 1];
        int64_t number = 0;
        if (strcmp(argv[i], "--language") == 0)
            conf->language = value;
        else if (strcmp(argv[i], "--early") == 0)
            s.early = strcmp(value, "on") == 0;
        else if (strcmp(argv[i], "--slow") == 0)
            conf->slow = strtod(value, NULL);
        else if (strcmp(argv[i], "--noise") == 0)
            conf->noise = value;
        else if (strcmp(argv[i], "--silence") == 0 && prl_str_to_int(value, &number))
            s.silence_ms = (uint32_t)number;
        else
            return 0;
    }
    return i < argc ? i : 0;
}

int main(int argc, char **argv)
{
    struct scene_run_conf conf = {
        .name = "turn-scenes", .language = "en", .slow = 1.0, .noise_db = -35.0, .script = &SCRIPT};
    s.early = true;
    s.silence_ms = 200;
    int first = read_options(argc, argv, &conf);
    if (!first) {
        (void)fprintf(stderr, "usage: see the head of tests/bench/turn_scenes.c\n");
        return 2;
    }
    bool started = scene_run_start(&s.run, &conf);
    for (int i = first; started && i < argc; i++)
        run_file(argv[i]);
    scene_run_stop(&s.run);
    return started ? 0 : 1;
}
