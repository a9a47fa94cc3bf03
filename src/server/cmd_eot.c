// cmd_eot.c -- `parley eot`: at each pause of a recording, whether the speaker is done.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/models.h"
#include "engine/ort.h"
#include "eot/eot.h"
#include "eot/turn.h"
#include "eot/words.h"
#include "net/loop.h"
#include "server/cmd.h"
#include "server/cmd_args.h"
#include "server/cmd_output.h"
#include "server/cmd_sound.h"
#include "vad/vad.h"

enum { PAUSES_MAX = 4096, LINE_SIZE = 8192 };

static const char usage[] =
    "usage: parley eot [options] [FILE...]\n"
    "Takes a recording for one turn and prints at each pause how likely it is that the speaker is\n"
    "done: where speech ended and began again (seconds), permille. FILE is a WAV file or raw "
    "16-bit\n"
    "mono sound at 16 kHz; without FILE, or with -, standard input.\n"
    "\n"
    "  --silence-ms N   asks after so much silence, default 200\n"
    "  --end            asks once, at the recording's end\n"
    "  --text TEXT      what was said: its rule is printed at the last pause\n"
    "  --rules          standard input has lines of text, each behind permille and a tab: prints "
    "the\n"
    "                   silence (ms) that ends such a turn, - for none, and the rules of the text\n"
    "  --language CODE  of the text; default: each word's script decides\n"
    "  --model NAME     name in models.lock or path, default smart-turn\n"
    "  --threads N      of the model, default 1\n"
    "  --raw HZ         FILE is raw sound at this rate\n"
    "  --json           one JSON object a file\n"
    "  --help\n";

struct options {
    const char *text, *language, *model;
    struct prl_gate_conf gate;
    int threads;
    int raw_hz; // 0: WAV, or raw at 16 kHz
    bool end, rules;
    bool json;
};

struct pause {
    int64_t start, asked; // samples
    int64_t end;          // next speech; -1: none
    struct prl_eot_answer answer;
};

struct run {
    const struct options *options;
    struct prl_loop *loop;
    struct prl_ort *ort;
    struct prl_vad *vad;
    struct prl_eot *eot;
    struct prl_eot_stream *stream;
    bool loaded, failed;
    // Of one file.
    int64_t turn; // samples; first speech less the padding, -1: none yet
    struct pause pauses[PAUSES_MAX];
    size_t count;
    size_t answered;
};

static double seconds(int64_t samples)
{
    return (double)samples / PRL_EOT_RATE_HZ;
}

// ---- pauses ----

static void add_pause(struct run *run, int64_t start, int64_t asked)
{
    if (run->count < PAUSES_MAX)
        run->pauses[run->count++] = (struct pause){.start = start, .asked = asked, .end = -1};
}

static void on_voice(void *arg, const struct prl_gate_event *event)
{
    struct run *run = arg;
    if (event->type == PRL_GATE_OFF) {
        add_pause(run, event->sample, event->now);
        return;
    }
    if (run->turn < 0)
        run->turn = event->padded;
    if (run->count > 0 && run->pauses[run->count - 1].end < 0)
        run->pauses[run->count - 1].end = event->sample;
}

static enum prl_err find_pauses(struct run *run, const int16_t *pcm, size_t count)
{
    struct prl_vad_stream *stream = NULL;
    enum prl_err err = prl_vad_open(run->vad, &run->options->gate, on_voice, run, &stream);
    for (size_t at = 0; at < count && !err; at += PRL_VAD_WINDOW_SAMPLES) {
        size_t n = count - at < PRL_VAD_WINDOW_SAMPLES ? count - at : PRL_VAD_WINDOW_SAMPLES;
        err = prl_vad_push(stream, pcm + at, n);
    }
    const struct prl_gate *gate = prl_vad_gate(stream);
    if (!err && prl_gate_is_on(gate)) // the recording ends in speech
        add_pause(run, prl_gate_speech_end(gate), (int64_t)count);
    prl_vad_close(&stream);
    return err;
}

// ---- answers ----

static void on_answer(void *arg, const struct prl_eot_answer *answer)
{
    struct run *run = arg;
    run->pauses[run->answered++].answer = *answer;
    prl_loop_stop(run->loop);
}

static enum prl_err ask_all(struct run *run, const int16_t *pcm)
{
    for (size_t i = 0; i < run->count; i++) {
        const struct pause *pause = &run->pauses[i];
        enum prl_err err = prl_eot_ask(run->stream, (uint32_t)i, pcm + run->turn,
                                       (size_t)(pause->asked - run->turn));
        if (err)
            return err;
        while (run->answered <= i)
            prl_loop_run(run->loop);
        if (pause->answer.err)
            return pause->answer.err;
    }
    return PRL_OK;
}

// ---- output ----

static const struct {
    uint32_t flag;
    const char *name;
} FLAGS[] = {{PRL_EOT_OPEN_ENDED, "open_ended"},
             {PRL_EOT_COMPLETE, "complete"},
             {PRL_EOT_BACKCHANNEL, "backchannel"},
             {PRL_EOT_QUESTION, "question"},
             {PRL_EOT_TAKES, "takes"},
             {PRL_EOT_HAN, "han"}};
enum { FLAG_COUNT = sizeof(FLAGS) / sizeof(*FLAGS) };

static void print_json(const struct run *run, const char *path, size_t samples, uint32_t flags)
{
    struct prl_cmd_json line;
    struct prl_json_write *json = prl_cmd_json_begin(&line);
    prl_json_write_string(json, "file", path);
    prl_json_write_real(json, "seconds", seconds((int64_t)samples));
    prl_json_write_real(json, "turn", seconds(run->turn > 0 ? run->turn : 0)); // where it begins
    prl_json_write_array(json, "pauses");
    for (size_t i = 0; i < run->count; i++) {
        const struct pause *pause = &run->pauses[i];
        prl_json_write_object(json, NULL);
        prl_json_write_real(json, "start", seconds(pause->start));
        prl_json_write_real(json, "asked", seconds(pause->asked));
        if (pause->end >= 0)
            prl_json_write_real(json, "end", seconds(pause->end));
        prl_json_write_int(json, "permille", pause->answer.permille);
        prl_json_write_int(json, "work_us", pause->answer.work_us);
        prl_json_write_end_object(json);
    }
    prl_json_write_end_array(json);
    if (run->options->text) {
        prl_json_write_array(json, "text");
        for (size_t i = 0; i < FLAG_COUNT; i++)
            if (flags & FLAGS[i].flag)
                prl_json_write_string(json, NULL, FLAGS[i].name);
        prl_json_write_end_array(json);
    }
    prl_cmd_json_end(&line);
}

static void print_flags(uint32_t flags)
{
    for (size_t i = 0; i < FLAG_COUNT; i++)
        if (flags & FLAGS[i].flag)
            (void)printf(" %s", FLAGS[i].name);
    (void)fputc('\n', stdout);
}

static void print_lines(const struct run *run, uint32_t flags)
{
    for (size_t i = 0; i < run->count; i++) {
        const struct pause *pause = &run->pauses[i];
        (void)printf("%.3f ", seconds(pause->start));
        if (pause->end >= 0)
            (void)printf("%.3f", seconds(pause->end));
        else
            (void)fputc('-', stdout);
        (void)printf(" %u", pause->answer.permille);
        print_flags(i + 1 == run->count ? flags : 0);
    }
}

static enum prl_err run_file(struct run *run, const char *path, char *why)
{
    const struct options *options = run->options;
    int16_t *pcm;
    size_t count;
    enum prl_err err =
        prl_cmd_sound_read(path, (uint32_t)options->raw_hz, PRL_EOT_RATE_HZ, &pcm, &count, why);
    if (err)
        return err;
    run->turn = -1;
    run->count = 0;
    run->answered = 0;
    err = options->end ? PRL_OK : find_pauses(run, pcm, count);
    if (options->end && count > 0) {
        run->turn = 0;
        add_pause(run, (int64_t)count, (int64_t)count);
    }
    if (!err)
        err = ask_all(run, pcm);
    prl_mem_free(pcm);
    if (err) {
        (void)snprintf(why, PRL_CMD_SOUND_WHY_SIZE, "%s: %s", path, prl_err_name(err));
        return err;
    }
    const char *text = options->text ? options->text : "";
    uint32_t flags = prl_eot_words(text, strlen(text), options->language);
    if (options->json)
        print_json(run, path, count, flags);
    else
        print_lines(run, flags);
    return PRL_OK;
}

// Lines of "permille TAB text".
static int print_rules(const struct options *options)
{
    char line[LINE_SIZE];
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        char *text = strchr(line, '\t');
        int64_t permille;
        if (text)
            *text++ = '\0';
        if (!text || !prl_str_to_int(line, &permille) || permille < 0 || permille > 1000) {
            (void)fprintf(stderr, "parley eot: a line is not permille (0 to 1000), tab, text\n");
            return 2;
        }
        uint32_t flags = prl_eot_words(text, strlen(text), options->language);
        uint32_t silence_ms = prl_eot_silence_ms((uint32_t)permille, flags);
        if (silence_ms == PRL_EOT_NEVER_MS)
            (void)fputc('-', stdout);
        else
            (void)printf("%u", silence_ms);
        print_flags(flags);
    }
    return 0;
}

// ---- start and stop ----

static void on_ready(void *arg)
{
    struct run *run = arg;
    run->loaded = true;
    prl_loop_stop(run->loop);
}

static void on_error(void *arg, const char *why)
{
    struct run *run = arg;
    (void)fprintf(stderr, "parley eot: %s\n", why);
    run->failed = true;
    on_ready(run);
}

static enum prl_err find_file(const char *name, char path[PRL_MODELS_PATH_MAX], char *why)
{
    enum prl_err err = prl_models_path(name, path);
    if (err)
        (void)prl_str_copy(why, PRL_CMD_SOUND_WHY_SIZE, path); // the sentence
    return err;
}

static enum prl_err start(struct run *run, char *why)
{
    const struct options *options = run->options;
    char library[PRL_MODELS_PATH_MAX], vad[PRL_MODELS_PATH_MAX], model[PRL_MODELS_PATH_MAX];
    enum prl_err err = find_file("onnxruntime", library, why);
    if (!err)
        err = find_file("silero-vad", vad, why);
    if (!err)
        err = find_file(options->model ? options->model : "smart-turn", model, why);
    if (!err)
        err = prl_ort_create(&run->ort, library, why, PRL_CMD_SOUND_WHY_SIZE);
    if (!err)
        err = prl_vad_create(&run->vad, run->ort, vad, why, PRL_CMD_SOUND_WHY_SIZE);
    if (!err)
        err = prl_loop_create(&run->loop, NULL);
    if (err)
        return err;
    struct prl_eot_conf conf = {.loop = run->loop,
                                .ort = run->ort,
                                .model = model,
                                .threads = options->threads,
                                .on_ready = on_ready,
                                .on_error = on_error,
                                .arg = run};
    err = prl_eot_create(&run->eot, &conf);
    if (!err)
        err = prl_eot_open(run->eot, on_answer, run, &run->stream);
    while (!err && !run->loaded)
        prl_loop_run(run->loop);
    return err;
}

static void stop(struct run *run)
{
    prl_eot_close(&run->stream);
    prl_eot_destroy(&run->eot);
    prl_vad_destroy(&run->vad);
    if (run->loop)
        prl_loop_destroy(&run->loop);
    prl_ort_destroy(&run->ort);
}

static int read_options(int *argc, char **argv, struct options *options)
{
    prl_gate_conf_default(&options->gate);
    options->gate.silence_duration_ms = 200;
    const struct prl_cmd_option list[] = {
        {"silence-ms", .integer = &options->gate.silence_duration_ms, .low = 32, .high = 10000},
        {"text", .text = &options->text},
        {"language", .text = &options->language},
        {"model", .text = &options->model},
        {"threads", .integer = &options->threads, .low = 1, .high = 64},
        {"end", .flag = &options->end},
        {"rules", .flag = &options->rules},
        {"raw", .integer = &options->raw_hz, .low = 1000, .high = 384000},
        {"json", .flag = &options->json},
        {NULL}};
    return prl_cmd_options(argc, argv, list, usage);
}

int prl_cmd_eot(int argc, char **argv)
{
    struct options options = {.threads = 1};
    char why[PRL_CMD_SOUND_WHY_SIZE] = "";
    int status = read_options(&argc, argv, &options);
    if (status >= 0)
        return status;
    if (options.rules)
        return print_rules(&options);
    struct run *run = prl_mem_zalloc(sizeof(*run)); // too big for the stack
    enum prl_err err = run ? PRL_OK : PRL_ERR_NOMEM;
    if (run) {
        run->options = &options;
        err = start(run, why);
        if (!err && !run->failed && argc == 1)
            err = run_file(run, "-", why);
        for (int i = 1; !err && !run->failed && i < argc; i++)
            err = run_file(run, argv[i], why);
        stop(run);
    }
    bool failed = err || !run || run->failed;
    if (err)
        (void)fprintf(stderr, "parley eot: %s\n", why[0] ? why : prl_err_name(err));
    prl_mem_free(run);
    return failed ? 1 : 0;
}
