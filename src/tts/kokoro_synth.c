// kokoro_synth.c -- see kokoro_synth.h.
#include "tts/kokoro_synth.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "engine/ort.h"

enum { DURATIONS, FEATURES, PITCH, ENERGY, FRAME_OUTPUTS, FEATURE_ROWS = 512, WHY_BYTES = 300 };
enum { SOUND, NORMS, MADE };

struct prl_kokoro_synth {
    struct prl_ort_session *predictor; // owned
    struct prl_ort_session *vocoder;   // owned
    struct prl_ort_tensor piece[FRAME_OUTPUTS];
    struct prl_ort_tensor made[MADE]; // sound, norms
    float *no_norms;                  // owned: zeros
    float *style;                     // borrowed
    float speed;
    size_t frames;
    float *stretch; // owned: features, pitch and energy of a stretch
    size_t capacity;
    char why[WHY_BYTES];
};

enum prl_err prl_kokoro_synth_create(struct prl_kokoro_synth **out, struct prl_ort *ort,
                                     const char *const models[2], int threads, char *why,
                                     size_t why_size)
{
    struct prl_kokoro_synth *synth = prl_mem_zalloc(sizeof(*synth));
    *out = NULL;
    if (!synth)
        return PRL_ERR_NOMEM;
    struct prl_ort_conf conf = {.path = models[0], .threads = threads, .arena = true};
    enum prl_err err = prl_ort_session_create(&synth->predictor, ort, &conf, why, why_size);
    conf.path = models[1];
    if (!err)
        err = prl_ort_session_create(&synth->vocoder, ort, &conf, why, why_size);
    synth->no_norms = prl_mem_zalloc(PRL_KOKORO_NORMS * sizeof(float));
    if (!err && !synth->no_norms)
        err = PRL_ERR_NOMEM;
    if (err)
        prl_kokoro_synth_destroy(&synth);
    *out = synth;
    return err;
}

static void forget_piece(struct prl_kokoro_synth *synth)
{
    if (synth->predictor)
        prl_ort_release(synth->predictor, synth->piece, FRAME_OUTPUTS);
    synth->frames = 0;
}

void prl_kokoro_synth_destroy(struct prl_kokoro_synth **synth)
{
    if (!*synth)
        return;
    forget_piece(*synth);
    if ((*synth)->vocoder)
        prl_ort_release((*synth)->vocoder, (*synth)->made, MADE);
    prl_ort_session_destroy(&(*synth)->predictor);
    prl_ort_session_destroy(&(*synth)->vocoder);
    prl_mem_free((*synth)->stretch);
    prl_mem_free((*synth)->no_norms);
    prl_mem_free(*synth);
    *synth = NULL;
}

static enum prl_err fail(struct prl_kokoro_synth *synth, enum prl_err err, const char *what)
{
    (void)snprintf(synth->why, sizeof(synth->why), "kokoro: %s", what);
    return err;
}

// The four outputs must fit each other, whatever the file holds.
static enum prl_err check_piece(struct prl_kokoro_synth *synth, size_t id_count)
{
    const struct prl_ort_tensor *piece = synth->piece;
    for (size_t i = 0; i < FRAME_OUTPUTS; i++)
        if (piece[i].type != PRL_ORT_FLOAT)
            return fail(synth, PRL_ERR_ENGINE, "unusable output of the predictor");
    size_t frames = prl_ort_count(&piece[FEATURES]) / FEATURE_ROWS;
    const float *durations = piece[DURATIONS].data;
    if (prl_ort_count(&piece[DURATIONS]) != id_count || frames == 0 ||
        frames > PRL_KOKORO_FRAMES_MAX ||
        prl_ort_count(&piece[FEATURES]) != frames * FEATURE_ROWS ||
        prl_ort_count(&piece[PITCH]) != 2 * frames || prl_ort_count(&piece[ENERGY]) != 2 * frames)
        return fail(synth, PRL_ERR_ENGINE, "unusable frames of the predictor");
    double sum = 0;
    for (size_t i = 0; i < id_count; i++) {
        if (!(durations[i] >= 0 && durations[i] <= PRL_KOKORO_FRAMES_MAX))
            return fail(synth, PRL_ERR_ENGINE, "unusable durations of the predictor");
        sum += (double)durations[i];
    }
    if (fabs(sum - (double)frames) > 1)
        return fail(synth, PRL_ERR_ENGINE, "durations of the predictor do not add up");
    synth->frames = frames;
    return PRL_OK;
}

enum prl_err prl_kokoro_synth_predict(struct prl_kokoro_synth *synth,
                                      const struct prl_kokoro_piece *piece)
{
    PRL_CHECK(synth != NULL && piece != NULL && piece->id_count > 0);
    forget_piece(synth);
    synth->style = piece->style;
    synth->speed = piece->speed;
    const struct prl_ort_tensor inputs[] = {
        {.name = "tokens",
         .type = PRL_ORT_INT64,
         .rank = 2,
         .shape = {1, (int64_t)piece->id_count},
         .data = piece->ids},
        {.name = "style",
         .type = PRL_ORT_FLOAT,
         .rank = 2,
         .shape = {1, PRL_KOKORO_STYLE},
         .data = piece->style},
        {.name = "speed", .type = PRL_ORT_FLOAT, .rank = 1, .shape = {1}, .data = &synth->speed},
    };
    static const char *const NAMES[FRAME_OUTPUTS] = {"durations", "features", "pitch", "energy"};
    for (size_t i = 0; i < FRAME_OUTPUTS; i++)
        synth->piece[i] = (struct prl_ort_tensor){.name = NAMES[i]};
    enum prl_err err = prl_ort_run(synth->predictor, inputs, sizeof(inputs) / sizeof(inputs[0]),
                                   synth->piece, FRAME_OUTPUTS);
    if (err)
        return fail(synth, PRL_ERR_ENGINE, prl_ort_session_why(synth->predictor));
    err = check_piece(synth, piece->id_count);
    if (err)
        forget_piece(synth);
    return err;
}

size_t prl_kokoro_synth_frames(const struct prl_kokoro_synth *synth)
{
    return synth->frames;
}

const float *prl_kokoro_synth_durations(const struct prl_kokoro_synth *synth)
{
    return synth->piece[DURATIONS].data;
}

// Copies the frames [from, to) of all rows together.
static enum prl_err take_stretch(struct prl_kokoro_synth *synth, size_t from, size_t to)
{
    const size_t count = to - from;
    const size_t need = count * (FEATURE_ROWS + 4);
    if (need > synth->capacity) {
        prl_mem_free(synth->stretch);
        synth->stretch = prl_mem_array(need, sizeof(float));
        synth->capacity = synth->stretch ? need : 0;
        if (!synth->stretch)
            return fail(synth, PRL_ERR_NOMEM, "out of memory");
    }
    const float *features = synth->piece[FEATURES].data;
    float *out = synth->stretch;
    for (size_t row = 0; row < FEATURE_ROWS; row++, out += count)
        memcpy(out, features + row * synth->frames + from, count * sizeof(float));
    for (size_t i = PITCH; i <= ENERGY; i++, out += 2 * count)
        memcpy(out, (const float *)synth->piece[i].data + 2 * from, 2 * count * sizeof(float));
    return PRL_OK;
}

enum prl_err prl_kokoro_synth_sound(struct prl_kokoro_synth *synth, size_t from, size_t to,
                                    float *norms, const float **wave)
{
    PRL_CHECK(from < to && to <= synth->frames);
    *wave = NULL;
    prl_ort_release(synth->vocoder, synth->made, MADE);
    enum prl_err err = take_stretch(synth, from, to);
    if (err)
        return err;
    const int64_t count = (int64_t)(to - from);
    float *features = synth->stretch;
    float share = norms ? 0 : 1; // of the frames' own
    const struct prl_ort_tensor inputs[] = {
        {.name = "features",
         .type = PRL_ORT_FLOAT,
         .rank = 3,
         .shape = {1, FEATURE_ROWS, count},
         .data = features},
        {.name = "pitch",
         .type = PRL_ORT_FLOAT,
         .rank = 2,
         .shape = {1, 2 * count},
         .data = features + FEATURE_ROWS * count},
        {.name = "energy",
         .type = PRL_ORT_FLOAT,
         .rank = 2,
         .shape = {1, 2 * count},
         .data = features + (FEATURE_ROWS + 2) * count},
        {.name = "style",
         .type = PRL_ORT_FLOAT,
         .rank = 2,
         .shape = {1, PRL_KOKORO_STYLE},
         .data = synth->style},
        {.name = "norms",
         .type = PRL_ORT_FLOAT,
         .rank = 3,
         .shape = {1, PRL_KOKORO_NORMS, 1},
         .data = norms ? norms : synth->no_norms},
        {.name = "share", .type = PRL_ORT_FLOAT, .rank = 1, .shape = {1}, .data = &share},
    };
    struct prl_ort_tensor *made = synth->made;
    made[SOUND] = (struct prl_ort_tensor){.name = "audio"};
    made[NORMS] = (struct prl_ort_tensor){.name = "own_norms"};
    if (prl_ort_run(synth->vocoder, inputs, sizeof(inputs) / sizeof(inputs[0]), made, MADE))
        return fail(synth, PRL_ERR_ENGINE, prl_ort_session_why(synth->vocoder));
    if (made[SOUND].type != PRL_ORT_FLOAT || made[NORMS].type != PRL_ORT_FLOAT ||
        prl_ort_count(&made[SOUND]) != (size_t)count * PRL_KOKORO_FRAME ||
        prl_ort_count(&made[NORMS]) != PRL_KOKORO_NORMS)
        return fail(synth, PRL_ERR_ENGINE, "unusable sound of the vocoder");
    *wave = made[SOUND].data;
    return PRL_OK;
}

const float *prl_kokoro_synth_norms(const struct prl_kokoro_synth *synth)
{
    return synth->made[NORMS].data;
}

const char *prl_kokoro_synth_why(const struct prl_kokoro_synth *synth)
{
    return synth->why;
}
