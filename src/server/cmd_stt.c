// cmd_stt.c -- `parley stt`: recordings to text, through the same front and lane as the server.
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/models.h"
#include "engine/ort.h"
#include "net/loop.h"
#include "server/cmd.h"
#include "server/cmd_args.h"
#include "server/cmd_output.h"
#include "server/cmd_sound.h"
#include "stt/files.h"
#include "stt/stt.h"
#include "stt/user.h"
#include "stt/words.h"

static const char usage[] =
    "usage: parley stt [options] [FILE...]\n"
    "Prints what is said, a line a recording. FILE is a WAV file or raw 16-bit mono sound at\n"
    "16 kHz; without FILE, or with -, standard input. At most 120 s each.\n"
    "\n"
    "  --language CODE   auto (default), en, zh, ...\n"
    "  --prompt TEXT     words to expect\n"
    "  --model NAME|FILE Whisper model: a name of models.lock or a ggml file\n"
    "  --user DIR        a folder with a sherpa-onnx model (SenseVoice, Paraformer, zipformer)\n"
    "  --traditional     leave Chinese as the model wrote it\n"
    "  --partials        live partial results, as if the sound came in real time\n"
    "  --words           where each word was said (Whisper)\n"
    "  --threads N       default 1\n"
    "  --raw HZ          FILE is raw sound at this rate\n"
    "  --probe DIR       loads the user's model and says whether it can be used\n"
    "  --json            one JSON object a recording, with engine, language and times\n"
    "  --help\n";

enum { FRAME = 320, FRAME_US = 20000 };

struct options {
    const char *language;
    const char *prompt;
    const char *model;
    const char *user;
    const char *probe;
    int raw_hz; // 0: WAV, or raw at 16 kHz
    int threads;
    bool traditional;
    bool partials;
    bool words;
    bool json;
};

struct run {
    const struct options *options;
    struct prl_ort *ort;
    struct prl_loop *loop;
    struct prl_stt *stt;
    struct prl_stt_files files;
    // Of the recording at work.
    const char *path;
    const int16_t *pcm;
    size_t count;
    size_t pushed;
    struct prl_stt_stream *stream;
    struct prl_timer *timer;
    int64_t start_us;
    int64_t cpu_us;
    // State.
    uint32_t generation;
    int64_t load_us;
    bool done;
    bool failed;
};

static int64_t process_cpu_us(void)
{
    struct rusage usage_now;
    if (getrusage(RUSAGE_SELF, &usage_now) != 0)
        return 0;
    return (int64_t)(usage_now.ru_utime.tv_sec + usage_now.ru_stime.tv_sec) * 1000000 +
           usage_now.ru_utime.tv_usec + usage_now.ru_stime.tv_usec;
}

static void print_json(const struct run *run, const struct prl_stt_event *event)
{
    struct prl_cmd_json line;
    struct prl_json_write *json = prl_cmd_json_begin(&line);
    prl_json_write_string(json, "file", run->path);
    prl_json_write_string(json, "type", event->type == PRL_STT_PARTIAL ? "partial" : "final");
    prl_json_write_string(json, "text", event->text);
    prl_json_write_string(json, "language", event->language);
    prl_json_write_string(json, "engine", event->engine);
    prl_json_write_int(json, "audio_ms", event->audio_ms);
    if (event->type == PRL_STT_PARTIAL) {
        prl_json_write_int(json, "stable_bytes", (int64_t)event->stable_bytes);
    } else {
        prl_json_write_bool(json, "no_speech", event->no_speech);
        if (event->margin.known)
            prl_json_write_real(json, "margin", (double)event->margin.nats);
        prl_json_write_int(json, "queued_us", event->queued_us);
        prl_json_write_int(json, "cpu_us", process_cpu_us() - run->cpu_us);
        prl_json_write_int(json, "load_us", run->load_us);
    }
    prl_json_write_int(json, "work_us", event->work_us);
    prl_cmd_json_end(&line);
}

static void on_event(void *arg, const struct prl_stt_event *event)
{
    struct run *run = arg;
    if (event->type == PRL_STT_ERROR) {
        (void)fprintf(stderr, "parley stt: %s: %s\n", run->path, event->text);
        run->failed = true;
    } else if (run->options->json) {
        print_json(run, event);
    } else if (event->type == PRL_STT_PARTIAL) {
        (void)printf("... %s\n", event->text);
    } else {
        (void)printf("%s\n", event->text);
    }
    (void)fflush(stdout);
    if (event->type != PRL_STT_PARTIAL) {
        run->done = true;
        prl_loop_stop(run->loop);
    }
}

static void fail(struct run *run, const char *what)
{
    (void)fprintf(stderr, "parley stt: %s: %s\n", run->path, what);
    run->failed = true;
    run->done = true;
    if (run->loop)
        prl_loop_stop(run->loop);
}

// Pushes the next 20 ms, or all that is left without --partials, and asks for the text at the end.
static void push_next(void *arg)
{
    struct run *run = arg;
    size_t left = run->count - run->pushed;
    size_t n = run->options->partials && left > FRAME ? FRAME : left;
    enum prl_err err = prl_stt_push(run->stream, run->pcm + run->pushed, n);
    run->pushed += n;
    if (err == PRL_ERR_LIMIT) {
        fail(run, "longer than 120 s");
        return;
    }
    if (!err && run->pushed < run->count) {
        prl_timer_start(run->timer, run->start_us + (int64_t)run->pushed / FRAME * FRAME_US);
        return;
    }
    if (!err)
        err = prl_stt_decode(run->stream, run->generation, PRL_STT_WANT_FINAL);
    if (err)
        fail(run, prl_err_name(err));
}

static enum prl_err recognise(struct run *run)
{
    struct prl_stt_stream_conf conf = {
        .prompt = run->options->prompt,
        .partials = run->options->partials,
        .fn = on_event,
        .arg = run,
    };
    run->done = false;
    run->pushed = 0;
    run->cpu_us = process_cpu_us();
    run->start_us = prl_loop_now_us(run->loop);
    enum prl_err err = prl_stt_open(run->stt, &conf, &run->stream);
    if (err)
        return err;
    prl_stt_begin(run->stream, ++run->generation);
    push_next(run);
    while (!run->done)
        prl_loop_run(run->loop);
    prl_timer_stop(run->timer);
    prl_stt_close(&run->stream);
    return PRL_OK;
}

static void print_word(void *arg, const struct prl_stt_word *word)
{
    const struct run *run = arg;
    if (!run->options->json) {
        (void)printf("%.2f\t%.2f\t%.*s\n", (double)word->at_ms / 1000.0, (double)word->probability,
                     (int)word->len, word->text);
        return;
    }
    struct prl_cmd_json line;
    struct prl_json_write *json = prl_cmd_json_begin(&line);
    prl_json_write_int(json, "at_ms", word->at_ms);
    prl_json_write_real(json, "probability", (double)word->probability);
    prl_json_write_bytes(json, "text", word->text, word->len);
    prl_cmd_json_end(&line);
}

static enum prl_err list_words(struct run *run)
{
    char why[PRL_STT_WHY_SIZE] = "";
    struct prl_stt_open_conf conf = {.paths = &run->files.paths, .threads = run->options->threads};
    const char *language = run->options->language;
    struct prl_stt_job job = {
        .pcm = run->pcm,
        .samples = run->count,
        .language = language && strcmp(language, "auto") != 0 ? language : "en",
        .prompt = run->options->prompt,
    };
    if (run->count > (size_t)PRL_STT_PIECE_MAX_S * PRL_STT_RATE_HZ) {
        fail(run, "--words takes at most 26 s");
        return PRL_OK;
    }
    enum prl_err err = prl_stt_words(&conf, &job, print_word, run, why, sizeof(why));
    if (err)
        fail(run, why[0] ? why : prl_err_name(err));
    return PRL_OK;
}

static void run_file(struct run *run, const char *path)
{
    char why[PRL_CMD_SOUND_WHY_SIZE];
    int16_t *pcm;
    run->path = path;
    enum prl_err err = prl_cmd_sound_read(path, (uint32_t)run->options->raw_hz, PRL_STT_RATE_HZ,
                                          &pcm, &run->count, why);
    if (err) {
        (void)fprintf(stderr, "parley stt: %s\n", why);
        run->failed = true;
        return;
    }
    run->pcm = pcm;
    err = run->options->words ? list_words(run) : recognise(run);
    if (err)
        fail(run, prl_err_name(err));
    prl_mem_free(pcm);
}

static void on_ready(void *arg)
{
    struct run *run = arg;
    run->done = true;
    prl_loop_stop(run->loop);
}

static void on_error(void *arg, const char *why)
{
    struct run *run = arg;
    (void)fprintf(stderr, "parley stt: %s\n", why);
    run->failed = true;
    on_ready(run);
}

// Loads everything and waits until it has answered once.
static enum prl_err start(struct run *run, char *why, size_t why_size)
{
    const struct options *options = run->options;
    enum prl_err err = prl_stt_files_find(&run->files, options->model);
    if (err && !options->user) {
        (void)prl_str_copy(why, why_size, run->files.why);
        return err;
    }
    run->files.paths.user_dir = options->user;
    if (options->words)
        return PRL_OK;
    char library[PRL_MODELS_PATH_MAX];
    if (prl_models_path("onnxruntime", library) == PRL_OK)
        err = prl_ort_create(&run->ort, library, why, why_size);
    int64_t start_us = prl_clock_now_us();
    if (!err)
        err = prl_loop_create(&run->loop, NULL);
    if (!err)
        err = prl_timer_create(&run->timer, run->loop, "stt push", push_next, run);
    struct prl_stt_conf conf = {
        .loop = run->loop,
        .ort = run->ort,
        .paths = run->files.paths,
        .language = options->language,
        .traditional = options->traditional,
        .threads = options->threads,
        .on_ready = on_ready,
        .on_error = on_error,
        .arg = run,
    };
    if (!err)
        err = prl_stt_create(&run->stt, &conf);
    if (err)
        return err;
    while (!run->done)
        prl_loop_run(run->loop);
    run->load_us = prl_clock_now_us() - start_us;
    return PRL_OK;
}

static int read_options(int *argc, char **argv, struct options *options)
{
    const struct prl_cmd_option list[] = {
        {"language", .text = &options->language},
        {"prompt", .text = &options->prompt},
        {"model", .text = &options->model},
        {"user", .text = &options->user},
        {"probe", .text = &options->probe},
        {"raw", .integer = &options->raw_hz, .low = 1000, .high = 384000},
        {"threads", .integer = &options->threads, .low = 1, .high = 64},
        {"traditional", .flag = &options->traditional},
        {"partials", .flag = &options->partials},
        {"words", .flag = &options->words},
        {"json", .flag = &options->json},
        {NULL}};
    return prl_cmd_options(argc, argv, list, usage);
}

static void stop(struct run *run)
{
    prl_stt_destroy(&run->stt);
    if (run->timer)
        prl_timer_destroy(&run->timer);
    if (run->loop)
        prl_loop_destroy(&run->loop);
    prl_ort_destroy(&run->ort);
}

int prl_cmd_stt(int argc, char **argv)
{
    struct options options = {.threads = 1};
    char why[PRL_MODELS_PATH_MAX] = "";
    int status = read_options(&argc, argv, &options);
    if (status >= 0)
        return status;
    prl_log_set_level(PRL_LOG_WARN);
    struct run run = {.options = &options};
    if (options.probe)
        return prl_stt_user_probe(options.probe);
    enum prl_err err = start(&run, why, sizeof(why));
    if (err)
        (void)fprintf(stderr, "parley stt: %s\n", why[0] ? why : prl_err_name(err));
    if (!err && argc == 1)
        run_file(&run, "-");
    for (int i = 1; !err && !run.failed && i < argc; i++)
        run_file(&run, argv[i]);
    stop(&run);
    return err || run.failed ? 1 : 0;
}
