// gain_bench.c -- recordings through the front of a session: high-pass, gain control, voice detector.
//
//     gain_bench [--gain MODULE] [--highpass 1] [--out DIR] FILE.wav...
//
// Each file begins with a gain that has heard nothing. A line of JSON a file: seconds of voice, where voice began,
// samples at the bound of 16 bits, and what the stages took of the processor. With --out the sound is written to DIR
// under the file's own name. tests/bench/level_accuracy.py runs it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "dsp/echo.h"
#include "dsp/gain.h"
#include "dsp/highpass.h"
#include "engine/models.h"
#include "engine/ort.h"
#include "media/wav.h"
#include "tests/bench/scene.h"
#include "vad/vad.h"

enum { HZ = 16000, FRAME = PRL_GAIN_FRAME_SAMPLES };

struct options {
    bool highpass;
    struct prl_echo_kit *kit; // NULL: no gain control
    const char *out;
};

enum { STARTS_MAX = 1000 };

struct count {
    int starts;
    int64_t from, voice; // samples
    int64_t at[STARTS_MAX];
};

static void on_voice(void *arg, const struct prl_gate_event *event)
{
    struct count *count = arg;
    if (event->type == PRL_GATE_ON) {
        count->from = event->sample;
        if (count->starts < STARTS_MAX)
            count->at[count->starts++] = event->sample;
    } else {
        count->voice += event->sample - count->from;
    }
}

static void write_wav(const struct options *options, const char *name,
                      const struct scene_sound *sound)
{
    char path[4096];
    const char *base = strrchr(name, '/');
    (void)snprintf(path, sizeof(path), "%s/%s", options->out, base ? base + 1 : name);
    FILE *file = fopen(path, "wb");
    uint8_t head[PRL_WAV_HEADER_SIZE];
    prl_wav_header(head, HZ, sound->count);
    bool good = file && fwrite(head, 1, sizeof(head), file) == sizeof(head) &&
                fwrite(sound->pcm, sizeof(int16_t), sound->count, file) == sound->count;
    if (file && fclose(file) != 0)
        good = false;
    if (!good) {
        (void)fprintf(stderr, "gain_bench: cannot write %s\n", path);
        _Exit(1);
    }
}

// The stages over all of it, by frames; the rest of less than one stays as it is.
static bool run_front(const struct options *options, struct scene_sound *sound)
{
    struct prl_gain *gain = NULL;
    struct prl_highpass highpass = {0};
    if (options->kit && prl_gain_create(&gain, options->kit) != PRL_OK)
        return false;
    for (size_t at = 0; at + FRAME <= sound->count; at += FRAME) {
        if (options->highpass)
            prl_highpass_process(&highpass, sound->pcm + at, FRAME);
        if (gain)
            prl_gain_process(gain, sound->pcm + at);
    }
    prl_gain_destroy(&gain);
    return true;
}

static int run_file(struct prl_vad *vad, const struct options *options, const char *name)
{
    struct scene_sound sound = scene_read(name, HZ);
    struct prl_vad_stream *stream;
    struct prl_gate_conf conf;
    static struct count count;
    count = (struct count){0};
    int64_t cpu_us = prl_clock_thread_us();
    if (!run_front(options, &sound))
        return 1;
    cpu_us = prl_clock_thread_us() - cpu_us;
    prl_gate_conf_default(&conf);
    if (prl_vad_open(vad, &conf, on_voice, &count, &stream) != PRL_OK ||
        prl_vad_push(stream, sound.pcm, sound.count) != PRL_OK)
        return 1;
    if (prl_gate_is_on(prl_vad_gate(stream)))
        count.voice += prl_gate_speech_end(prl_vad_gate(stream)) - count.from;
    int full = 0;
    for (size_t i = 0; i < sound.count; i++)
        full += sound.pcm[i] == INT16_MAX || sound.pcm[i] == INT16_MIN;
    (void)printf(
        "{\"file\": \"%s\", \"seconds\": %.2f, \"voice_s\": %.2f, \"full\": %d, \"cpu_us\": %lld, "
        "\"starts\": [",
        name, (double)sound.count / HZ, (double)count.voice / HZ, full, (long long)cpu_us);
    for (int i = 0; i < count.starts; i++)
        (void)printf("%s%.2f", i ? ", " : "", (double)count.at[i] / HZ);
    (void)printf("]}\n");
    if (options->out)
        write_wav(options, name, &sound);
    prl_vad_close(&stream);
    prl_mem_free(sound.pcm);
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    const char *module = NULL;
    int at = 1;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        if (strcmp(argv[at], "--gain") == 0)
            module = argv[at + 1];
        else if (strcmp(argv[at], "--highpass") == 0)
            options.highpass = argv[at + 1][0] == '1';
        else if (strcmp(argv[at], "--out") == 0)
            options.out = argv[at + 1];
    }
    char path[PRL_MODELS_PATH_MAX];
    char why[600] = "";
    struct prl_ort *ort = NULL;
    struct prl_vad *vad = NULL;
    enum prl_err err = prl_models_path("onnxruntime", path);
    if (!err)
        err = prl_ort_create(&ort, path, why, sizeof(why));
    if (!err)
        err = prl_models_path("silero-vad", path);
    if (!err)
        err = prl_vad_create(&vad, ort, path, why, sizeof(why));
    if (!err && module)
        err = prl_echo_kit_create(&options.kit, module, why, sizeof(why));
    if (!err && *why)
        err = PRL_ERR_NOTFOUND;
    if (err || at >= argc) {
        (void)fprintf(stderr, "gain_bench: %s %s\n", err ? prl_err_name(err) : "no file", why);
        return 2;
    }
    int status = 0;
    for (; at < argc && status == 0; at++)
        status = run_file(vad, &options, argv[at]);
    if (options.kit)
        prl_echo_kit_destroy(&options.kit);
    prl_vad_destroy(&vad);
    prl_ort_destroy(&ort);
    return status;
}
