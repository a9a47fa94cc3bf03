// scene.c -- see scene.h.
#include "tests/bench/scene.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "media/resample.h"
#include "media/wav.h"

enum { FILE_BYTES_MAX = 32 << 20, WORD = 3200, FRAME = 160 };

static const double LOW = 0.97; // a thump on the microphone lies below 100 Hz, and no voice does

struct scene_sound scene_read(const char *path, uint32_t hz)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = prl_mem_alloc(FILE_BYTES_MAX);
    if (!file || !bytes) {
        (void)fprintf(stderr, "scene: cannot read %s\n", path);
        _Exit(1);
    }
    size_t size = fread(bytes, 1, FILE_BYTES_MAX, file);
    (void)fclose(file);
    struct prl_wav wav;
    struct scene_sound in = {0};
    struct scene_sound out = {0};
    struct prl_resample *resample;
    if (prl_wav_parse(&wav, bytes, size) != PRL_OK ||
        prl_wav_decode(&wav, FILE_BYTES_MAX, &in.pcm, &in.count) != PRL_OK ||
        prl_resample_create(&resample, wav.rate_hz, hz) != PRL_OK) {
        (void)fprintf(stderr, "scene: %s is no WAV file that can be used\n", path);
        _Exit(1);
    }
    size_t room = prl_resample_room(resample, in.count);
    out.pcm = prl_mem_array(room, sizeof(*out.pcm));
    if (out.pcm)
        out.count = prl_resample_process(resample, in.pcm, in.count, NULL, out.pcm, room);
    prl_resample_destroy(&resample);
    prl_mem_free(in.pcm);
    prl_mem_free(bytes);
    return out;
}

double scene_level(const int16_t *pcm, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += (double)pcm[i] * pcm[i];
    return sqrt(sum / (double)(count ? count : 1)) + 1e-9;
}

void scene_set_level(struct scene_sound *sound, double level)
{
    double gain = level / scene_level(sound->pcm, sound->count);
    for (size_t i = 0; i < sound->count; i++) {
        double value = gain * sound->pcm[i];
        sound->pcm[i] = (int16_t)lrint(value > 32767 ? 32767 : value < -32768 ? -32768 : value);
    }
}

// Root mean square of what `low` of the sample before is taken from: 0 leaves all, nearly 1 the high half.
static double edge_level(const int16_t *pcm, size_t count, double low)
{
    double sum = 0.0;
    for (size_t i = 1; i < count; i++) {
        double value = pcm[i] - low * pcm[i - 1];
        sum += value * value;
    }
    return sqrt(sum / (double)(count > 1 ? count - 1 : 1)) + 1e-9;
}

static size_t first_loud(const struct scene_sound *sound, double low)
{
    double level = edge_level(sound->pcm, sound->count, low);
    size_t from = 0;
    while (from + WORD < sound->count && (edge_level(sound->pcm + from, WORD, low) < level / 2.0 ||
                                          edge_level(sound->pcm + from, FRAME, low) < level / 4.0))
        from += FRAME;
    return from;
}

size_t scene_onset(const struct scene_sound *sound)
{
    return first_loud(sound, LOW);
}

void scene_trim(struct scene_sound *sound)
{
    size_t from = first_loud(sound, 0.0);
    memmove(sound->pcm, sound->pcm + from, (sound->count - from) * sizeof(*sound->pcm));
    sound->count -= from;
}

// ---- a voice ----

static const struct scene_sound *talk; // what it reads

struct mouth {
    struct prl_tts_request request;
    size_t unit, unit_end, at; // `at` in the talk
    uint32_t sample;
    size_t part; // of the word
    struct prl_tts_mark mark;
};

static enum prl_err open_mouth(void **ctx, const struct prl_tts_backend_conf *conf, char *why,
                               size_t why_size)
{
    (void)conf;
    if (why_size > 0)
        why[0] = '\0';
    *ctx = prl_mem_zalloc(sizeof(struct mouth));
    return *ctx ? PRL_OK : PRL_ERR_NOMEM;
}

static void close_mouth(void **ctx)
{
    prl_mem_free(*ctx);
    *ctx = NULL;
}

static enum prl_err begin_mouth(void *ctx, const struct prl_tts_request *request)
{
    struct mouth *mouth = ctx;
    const struct prl_text_segment *first = &request->text->segments[request->segment_start];
    const struct prl_text_segment *last = first + request->segment_count - 1;
    mouth->request = *request;
    mouth->unit = first->unit_start;
    mouth->unit_end = last->unit_start + last->unit_count;
    mouth->sample = 0;
    return PRL_OK;
}

static enum prl_err step_mouth(void *ctx, struct prl_tts_chunk *chunk)
{
    struct mouth *mouth = ctx;
    const struct prl_text_out *text = mouth->request.text;
    *chunk = (struct prl_tts_chunk){0};
    while (mouth->unit < mouth->unit_end && text->units[mouth->unit].kind == PRL_TEXT_PAUSE)
        mouth->unit++;
    if (mouth->unit < mouth->unit_end) {
        if (mouth->at + SCENE_UNIT > talk->count)
            mouth->at = 0;
        chunk->pcm = talk->pcm + mouth->at;
        chunk->samples = SCENE_UNIT / 2;
        mouth->at += SCENE_UNIT / 2;
        mouth->sample += SCENE_UNIT / 2;
        mouth->part ^= 1;
        if (mouth->part == 0) {
            const struct prl_text_unit *unit = &text->units[mouth->unit++];
            mouth->mark = (struct prl_tts_mark){mouth->sample - SCENE_UNIT, mouth->sample,
                                                unit->source_start, unit->source_end};
            chunk->marks = &mouth->mark;
            chunk->mark_count = 1;
        }
    }
    chunk->last = mouth->unit >= mouth->unit_end;
    return PRL_OK;
}

static void end_mouth(void *ctx)
{
    ((struct mouth *)ctx)->request.text = NULL;
}

static const char *why_mouth(const void *ctx)
{
    (void)ctx;
    return "no reason";
}

static const struct prl_tts_voice voices[] = {{"scene", PRL_TTS_LANG_EN, 'f', "en-US"}};
static const struct prl_tts_ops MOUTH = {.name = "hibari",
                                         .languages = PRL_TTS_LANG_EN,
                                         .streams = true,
                                         .voices = voices,
                                         .voice_count = 1,
                                         .open = open_mouth,
                                         .close = close_mouth,
                                         .begin = begin_mouth,
                                         .step = step_mouth,
                                         .end = end_mouth,
                                         .why = why_mouth};
static const struct prl_tts_ops *const mouths[] = {&MOUTH, NULL};

const struct prl_tts_ops *const *scene_mouths(const struct scene_sound *sound)
{
    talk = sound;
    return mouths;
}
