// cmd_vad.c -- `parley vad`: where in recordings somebody speaks.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/models.h"
#include "engine/ort.h"
#include "server/cmd.h"
#include "server/cmd_args.h"
#include "server/cmd_output.h"
#include "server/cmd_sound.h"
#include "vad/vad.h"

static const char usage[] =
    "usage: parley vad [options] [FILE...]\n"
    "Prints where somebody speaks, a line a stretch: start, end (seconds). FILE is a WAV file or\n"
    "raw 16-bit mono sound at 16 kHz; without FILE, or with -, standard input.\n"
    "\n"
    "  --threshold P      0.05 to 0.95, default 0.5\n"
    "  --silence-ms N     silence that ends speech, default 500\n"
    "  --min-speech-ms N  shorter sounds are left out, default 64\n"
    "  --padding-ms N     prefix padding, shown as `padded` with --json, default 300\n"
    "  --raw HZ           FILE is raw sound at this rate\n"
    "  --probabilities    also each window's probability\n"
    "  --json             one JSON object a file\n"
    "  --help\n";

struct options {
    struct prl_gate_conf gate;
    int raw_hz; // 0: WAV, or raw at 16 kHz
    bool probabilities;
    bool json;
};

struct run {
    const struct options *options;
    struct prl_vad *vad;
    struct prl_cmd_json line;
    struct prl_json_write *json; // NULL without --json
    int64_t start;               // samples; of the open stretch
};

static double seconds(int64_t samples)
{
    return (double)samples / PRL_VAD_RATE_HZ;
}

static void end_stretch(struct run *run, int64_t end)
{
    if (run->json) {
        prl_json_write_real(run->json, "end", seconds(end));
        prl_json_write_end_object(run->json);
    } else {
        (void)printf("%.3f %.3f\n", seconds(run->start), seconds(end));
    }
}

static void on_event(void *arg, const struct prl_gate_event *event)
{
    struct run *run = arg;
    if (event->type == PRL_GATE_OFF) {
        end_stretch(run, event->sample);
        return;
    }
    run->start = event->sample;
    if (run->json) {
        prl_json_write_object(run->json, NULL);
        prl_json_write_real(run->json, "padded", seconds(event->padded));
        prl_json_write_real(run->json, "start", seconds(event->sample));
        prl_json_write_real(run->json, "found", seconds(event->now));
    }
}

static enum prl_err feed(struct run *run, struct prl_vad_stream *stream, const int16_t *pcm,
                         size_t count)
{
    enum prl_err err = PRL_OK;
    for (size_t at = 0; at < count && !err; at += PRL_VAD_WINDOW_SAMPLES) {
        size_t n = count - at < PRL_VAD_WINDOW_SAMPLES ? count - at : PRL_VAD_WINDOW_SAMPLES;
        err = prl_vad_push(stream, pcm + at, n);
        if (run->options->probabilities && !run->json)
            (void)printf("# %.3f %.3f\n", seconds((int64_t)at),
                         (double)prl_vad_probability(stream));
    }
    if (!err && prl_gate_is_on(prl_vad_gate(stream))) // the recording ends in speech
        end_stretch(run, prl_gate_speech_end(prl_vad_gate(stream)));
    return err;
}

static enum prl_err run_file(struct run *run, const char *path, char *why, size_t why_size)
{
    int16_t *pcm;
    size_t count;
    enum prl_err err = prl_cmd_sound_read(path, (uint32_t)run->options->raw_hz, PRL_VAD_RATE_HZ,
                                          &pcm, &count, why);
    if (err)
        return err;
    struct prl_vad_stream *stream = NULL;
    run->json = run->options->json ? prl_cmd_json_begin(&run->line) : NULL;
    if (run->json) {
        prl_json_write_string(run->json, "file", path);
        prl_json_write_real(run->json, "seconds", seconds((int64_t)count));
        prl_json_write_array(run->json, "speech");
    }
    int64_t cpu_us = prl_clock_thread_us();
    err = prl_vad_open(run->vad, &run->options->gate, on_event, run, &stream);
    if (!err)
        err = feed(run, stream, pcm, count);
    if (err)
        (void)snprintf(why, why_size, "%s: %s", path, prl_err_name(err));
    if (run->json) {
        prl_json_write_end_array(run->json);
        prl_json_write_int(run->json, "cpu_us", prl_clock_thread_us() - cpu_us);
        prl_cmd_json_end(&run->line);
    }
    prl_vad_close(&stream);
    prl_mem_free(pcm);
    return err;
}

static int read_options(int *argc, char **argv, struct options *options)
{
    struct prl_gate_conf *gate = &options->gate;
    prl_gate_conf_default(gate);
    double threshold = (double)gate->threshold;
    const struct prl_cmd_option list[] = {
        {"threshold", .real = &threshold, .low = 0.05, .high = 0.95},
        {"silence-ms", .integer = &gate->silence_duration_ms, .high = 384000},
        {"min-speech-ms", .integer = &gate->min_speech_ms, .high = 384000},
        {"padding-ms", .integer = &gate->prefix_padding_ms, .high = 384000},
        {"raw", .integer = &options->raw_hz, .low = 1000, .high = 384000},
        {"probabilities", .flag = &options->probabilities},
        {"json", .flag = &options->json},
        {NULL}};
    int status = prl_cmd_options(argc, argv, list, usage);
    gate->threshold = (float)threshold;
    return status;
}

static enum prl_err load(struct prl_ort **ort, struct prl_vad **vad, char *why, size_t why_size)
{
    char library[PRL_MODELS_PATH_MAX], model[PRL_MODELS_PATH_MAX];
    enum prl_err err = prl_models_path("onnxruntime", library);
    if (err)
        (void)prl_str_copy(why, why_size, library);
    if (!err) {
        err = prl_models_path("silero-vad", model);
        if (err)
            (void)prl_str_copy(why, why_size, model);
    }
    if (!err)
        err = prl_ort_create(ort, library, why, why_size);
    return err ? err : prl_vad_create(vad, *ort, model, why, why_size);
}

int prl_cmd_vad(int argc, char **argv)
{
    struct options options = {.json = false};
    char why[PRL_MODELS_PATH_MAX] = "";
    int status = read_options(&argc, argv, &options);
    if (status >= 0)
        return status;
    if (prl_gate_conf_check(&options.gate)) {
        (void)fputs("parley vad: these limits do not go together\n", stderr);
        return 2;
    }
    struct prl_ort *ort = NULL;
    struct run run = {.options = &options};
    enum prl_err err = load(&ort, &run.vad, why, sizeof(why));
    if (!err && argc == 1)
        err = run_file(&run, "-", why, sizeof(why));
    for (int i = 1; !err && i < argc; i++)
        err = run_file(&run, argv[i], why, sizeof(why));
    if (err)
        (void)fprintf(stderr, "parley vad: %s\n", why[0] ? why : prl_err_name(err));
    prl_vad_destroy(&run.vad);
    prl_ort_destroy(&ort);
    return err ? 1 : 0;
}
