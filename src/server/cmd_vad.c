// cmd_vad.c -- `parley vad`: where in recordings somebody speaks.
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/models.h"
#include "engine/ort.h"
#include "server/cmd.h"
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
    uint32_t raw_hz;
    bool probabilities;
    bool json;
    bool help;
};

struct run {
    const struct options *options;
    struct prl_vad *vad;
    struct prl_json_write json;
    struct prl_str out;
    int64_t start; // samples; of the open stretch
};

static double seconds(int64_t samples)
{
    return (double)samples / PRL_VAD_RATE_HZ;
}

static void end_stretch(struct run *run, int64_t end)
{
    if (run->options->json) {
        prl_json_write_real(&run->json, "end", seconds(end));
        prl_json_write_end_object(&run->json);
    } else {
        (void)prl_str_addf(&run->out, "%.3f %.3f\n", seconds(run->start), seconds(end));
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
    if (run->options->json) {
        prl_json_write_object(&run->json, NULL);
        prl_json_write_real(&run->json, "padded", seconds(event->padded));
        prl_json_write_real(&run->json, "start", seconds(event->sample));
        prl_json_write_real(&run->json, "found", seconds(event->now));
    }
}

static enum prl_err feed(struct run *run, struct prl_vad_stream *stream, const int16_t *pcm,
                         size_t count)
{
    enum prl_err err = PRL_OK;
    for (size_t at = 0; at < count && !err; at += PRL_VAD_WINDOW_SAMPLES) {
        size_t n = count - at < PRL_VAD_WINDOW_SAMPLES ? count - at : PRL_VAD_WINDOW_SAMPLES;
        err = prl_vad_push(stream, pcm + at, n);
        if (run->options->probabilities && !run->options->json)
            (void)prl_str_addf(&run->out, "# %.3f %.3f\n", seconds((int64_t)at),
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
    enum prl_err err = prl_cmd_sound_read(path, run->options->raw_hz, &pcm, &count, why, why_size);
    if (err)
        return err;
    struct prl_vad_stream *stream = NULL;
    prl_str_clear(&run->out);
    prl_json_write_init(&run->json, &run->out);
    if (run->options->json) {
        prl_json_write_object(&run->json, NULL);
        prl_json_write_string(&run->json, "file", path);
        prl_json_write_real(&run->json, "seconds", seconds((int64_t)count));
        prl_json_write_array(&run->json, "speech");
    }
    int64_t cpu_us = prl_clock_thread_us();
    err = prl_vad_open(run->vad, &run->options->gate, on_event, run, &stream);
    if (!err)
        err = feed(run, stream, pcm, count);
    if (err)
        (void)snprintf(why, why_size, "%s: %s", path, prl_err_name(err));
    if (!err && run->options->json) {
        prl_json_write_end_array(&run->json);
        prl_json_write_int(&run->json, "cpu_us", prl_clock_thread_us() - cpu_us);
        prl_json_write_end_object(&run->json);
        (void)prl_str_addc(&run->out, '\n');
    }
    if (!err)
        (void)fputs(prl_str_text(&run->out), stdout);
    prl_vad_close(&stream);
    prl_mem_free(pcm);
    return err;
}

static bool take_int(const char *text, int32_t *out)
{
    int64_t number;
    if (!prl_str_to_int(text, &number) || number < 0 || number > 384000)
        return false;
    *out = (int32_t)number;
    return true;
}

static bool take_option(struct options *options, int option, const char *text)
{
    double number;
    int32_t hz;
    switch (option) {
    case 't':
        if (!prl_str_to_double(text, &number))
            return false;
        options->gate.threshold = (float)number;
        return true;
    case 's':
        return take_int(text, &options->gate.silence_duration_ms);
    case 'm':
        return take_int(text, &options->gate.min_speech_ms);
    case 'p':
        return take_int(text, &options->gate.prefix_padding_ms);
    case 'r':
        if (!take_int(text, &hz) || hz < 1000)
            return false;
        options->raw_hz = (uint32_t)hz;
        return true;
    case 'P':
        options->probabilities = true;
        return true;
    case 'j':
        options->json = true;
        return true;
    case 'h':
        options->help = true;
        return true;
    default:
        return false;
    }
}

static bool parse_options(struct options *options, int argc, char **argv)
{
    static const struct option LONG[] = {{"threshold", required_argument, NULL, 't'},
                                         {"silence-ms", required_argument, NULL, 's'},
                                         {"min-speech-ms", required_argument, NULL, 'm'},
                                         {"padding-ms", required_argument, NULL, 'p'},
                                         {"raw", required_argument, NULL, 'r'},
                                         {"probabilities", no_argument, NULL, 'P'},
                                         {"json", no_argument, NULL, 'j'},
                                         {"help", no_argument, NULL, 'h'},
                                         {NULL, 0, NULL, 0}};
    prl_gate_conf_default(&options->gate);
    int option;
    while ((option = getopt_long(argc, argv, "h", LONG, NULL)) != -1) { // NOLINT: one thread
        if (!take_option(options, option, optarg))
            return false;
    }
    return prl_gate_conf_check(&options->gate) == PRL_OK;
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
    bool fine = parse_options(&options, argc, argv);
    if (!fine || options.help) {
        (void)fputs(usage, fine ? stdout : stderr);
        return fine ? 0 : 2;
    }
    struct prl_ort *ort = NULL;
    struct run run = {.options = &options};
    prl_str_init(&run.out, 64 << 20);
    enum prl_err err = load(&ort, &run.vad, why, sizeof(why));
    bool standard = optind == argc;
    for (int i = optind; !err && (i < argc || standard); i++) {
        err = run_file(&run, standard ? "-" : argv[i], why, sizeof(why));
        standard = false;
    }
    if (err)
        (void)fprintf(stderr, "parley vad: %s\n", why[0] ? why : prl_err_name(err));
    prl_str_free(&run.out);
    prl_vad_destroy(&run.vad);
    prl_ort_destroy(&ort);
    return err ? 1 : 0;
}
