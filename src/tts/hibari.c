// hibari.c -- see backend.h. English, one voice, 24 kHz: words to phonemes, one run of the model for
// up to 400 phonemes, then the waveform in chunks.
//
// Longest step: one run of the model with the first chunk: measured in docs/TUNING.md.
// The model speaks a third of a second of silence before the first sound, because so did its
// teacher; all but LEAD_FRAMES of it is left out, so that an answer is heard that much earlier.
// Source:   hibari-tts 0.2.1 (Apache-2.0): hibari.onnx with its durations as one more output.
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/ort.h"
#include "tts/backend.h"
#include "tts/en_g2p.h"
#include "tts/hibari_synth.h"
#include "tts/phoneme.h"

enum {
    PART_PHONEMES = 400, // of one run; the model was trained on sentences up to about that
    IDS_MAX = PART_PHONEMES + 2,
    FRAMES_PER_UNIT = 2, // of the model's durations
    LEAD_FRAMES = 4,     // of silence kept before the first sound: 50 ms
    FADE_SAMPLES = 120,  // 5 ms, where sound begins or breaks off
    CHUNK_FIRST = 8,     // blocks of the first chunk: 100 ms
    CHUNK_BLOCKS = PRL_TTS_CHUNK_MAX / PRL_HIBARI_HOP,
    OUTPUTS = 7,
    JOIN_FRAMES = 3, // so far from a word's beginning its sound may be broken off: 37 ms
};
static const float JOIN_BETTER = 0.8F; // a place farther away must be so much quieter

// One run of the model: a stretch of the phonemes.
struct part {
    size_t start, end; // bytes of the phonemes
    size_t id_count;
    int64_t ids[IDS_MAX];      // with the padding at both ends
    uint32_t id_byte[IDS_MAX]; // where each one stands in the phonemes
    uint32_t id_unit[IDS_MAX]; // where each one begins, in units of the durations
    uint32_t units;
    size_t frame_first; // the first one that is heard
    size_t blocks;      // to give out; SIZE_MAX: to the end
};

struct hibari {
    struct prl_en_g2p *g2p;          // owned
    struct prl_ort_session *session; // owned
    struct prl_hibari_synth *synth;  // owned
    struct prl_ort_tensor outputs[OUTPUTS];
    bool outputs_held;
    char why[PRL_TTS_WHY_SIZE];
    // of the request
    bool running;
    float speed;
    struct prl_en_phonemes phonemes; // in g2p
    size_t phoneme_at;               // bytes already spoken
    size_t word_first, word_end;     // of the phonemes: what is given out
    struct part part;
    bool part_open;       // its waveform is being read
    uint32_t sample;      // made so far
    uint32_t part_sample; // where the part began
    struct prl_marks marks;
    float wave[PRL_TTS_CHUNK_MAX];
    int16_t pcm[PRL_TTS_CHUNK_MAX];
};

static const struct prl_tts_voice voices[] = {{"heart", PRL_TTS_LANG_EN, 'f', "en-US"}};

static void close_it(void **ctx)
{
    struct hibari *self = *ctx;
    if (!self)
        return;
    if (self->outputs_held)
        prl_ort_release(self->session, self->outputs, OUTPUTS);
    prl_en_g2p_destroy(&self->g2p);
    prl_ort_session_destroy(&self->session);
    prl_hibari_synth_destroy(&self->synth);
    prl_marks_free(&self->marks);
    prl_mem_free(self);
    *ctx = NULL;
}

static enum prl_err open_it(void **ctx, const struct prl_tts_backend_conf *conf, char *why,
                            size_t why_size)
{
    *ctx = NULL;
    if (!conf->ort || !conf->paths->hibari_model) {
        (void)snprintf(why, why_size, "hibari: no model file given (run set-up again)");
        return PRL_ERR_NOTFOUND;
    }
    struct hibari *self = prl_mem_zalloc(sizeof(*self));
    if (!self)
        return PRL_ERR_NOMEM;
    struct prl_en_g2p_conf g2p = {conf->paths->en_tables, conf->ort, conf->paths->en_oov};
    struct prl_ort_conf model = {
        .path = conf->paths->hibari_model, .threads = conf->threads, .arena = true};
    enum prl_err err = prl_en_g2p_create(&self->g2p, &g2p, why, why_size);
    if (!err)
        err = prl_ort_session_create(&self->session, conf->ort, &model, why, why_size);
    if (!err)
        err = prl_hibari_synth_create(&self->synth);
    void *made = self;
    if (!err && !prl_ort_session_output(self->session, OUTPUTS - 1)) {
        (void)snprintf(why, why_size, "%s: without durations (run set-up again)", model.path);
        err = PRL_ERR_ENGINE;
    }
    if (err)
        close_it(&made);
    *ctx = made;
    return err;
}

static void end_it(void *ctx)
{
    struct hibari *self = ctx;
    if (self->outputs_held)
        prl_ort_release(self->session, self->outputs, OUTPUTS);
    self->outputs_held = self->running = self->part_open = false;
}

static enum prl_err begin(void *ctx, const struct prl_tts_request *request)
{
    struct hibari *self = ctx;
    const struct prl_text_out *text = request->text;
    PRL_CHECK(request->segment_start + request->segment_count <= text->segment_count);
    end_it(self);
    self->why[0] = '\0';
    self->phonemes = (struct prl_en_phonemes){.text = ""};
    self->phoneme_at = 0;
    self->sample = 0;
    self->speed = request->speed;
    if (request->segment_count > 0) {
        const struct prl_text_segment *first = &text->segments[request->segment_start];
        const struct prl_text_segment *last = first + request->segment_count - 1;
        size_t units = last->unit_start + last->unit_count - first->unit_start;
        enum prl_err err =
            prl_en_g2p_units(self->g2p, text, first->unit_start, units, &self->phonemes);
        if (!err)
            err = prl_marks_begin(&self->marks, self->phonemes.word_count);
        if (err) {
            (void)snprintf(self->why, sizeof(self->why), "hibari: words to phonemes: %s",
                           prl_err_name(err));
            return err;
        }
    }
    self->word_end =
        prl_marks_choose(&self->marks, self->phonemes.words, self->phonemes.word_count, request);
    self->word_first = self->marks.word;
    self->running = true;
    return PRL_OK;
}

// Where to end the part that begins at `start`: with the rest, else behind the last punctuation and
// space, else at the last space, else hard.
static size_t part_end(const struct prl_en_phonemes *phonemes, size_t start)
{
    size_t at = start, count = 0, space = 0, clause = 0;
    uint32_t before = 0;
    while (at < phonemes->len && count < PART_PHONEMES) {
        uint32_t c;
        at += prl_utf8_decode(phonemes->text + at, phonemes->len - at, &c);
        count++;
        if (c == ' ')
            space = at;
        if (c == ' ' && (before == ',' || before == ';' || before == ':' || before == '.' ||
                         before == '!' || before == '?' || before == 0x2014))
            clause = at;
        before = c;
    }
    if (at >= phonemes->len)
        return at;
    return clause ? clause : space ? space : at;
}

static void part_make(struct hibari *self)
{
    struct part *part = &self->part;
    const struct prl_en_phonemes *phonemes = &self->phonemes;
    *part = (struct part){.start = self->phoneme_at, .end = part_end(phonemes, self->phoneme_at)};
    part->id_byte[part->id_count] = (uint32_t)part->start;
    part->ids[part->id_count++] = PRL_PHONEME_PAD;
    for (size_t at = part->start; at < part->end && part->id_count < IDS_MAX - 1;) {
        uint32_t c;
        size_t bytes = prl_utf8_decode(phonemes->text + at, part->end - at, &c);
        int id = prl_phoneme_id(c);
        if (id >= 0) {
            part->id_byte[part->id_count] = (uint32_t)at;
            part->ids[part->id_count++] = id;
        }
        at += bytes;
    }
    part->id_byte[part->id_count] = (uint32_t)part->end;
    part->ids[part->id_count++] = PRL_PHONEME_PAD;
    self->phoneme_at = part->end;
}

// Parts that hold nothing that is wanted are not computed.
static void skip_parts(struct hibari *self)
{
    uint32_t from = self->phonemes.words[self->word_first].start;
    size_t end;
    while (self->sample == 0 && (end = part_end(&self->phonemes, self->phoneme_at)) <= from)
        self->phoneme_at = end;
}

static bool is_matrix(const struct prl_ort_tensor *tensor, size_t frames)
{
    return tensor->type == PRL_ORT_FLOAT && prl_ort_count(tensor) == frames * PRL_HIBARI_BINS;
}

// Unit at which the phoneme at `byte` of the part begins.
static uint32_t unit_of(const struct part *part, uint32_t byte)
{
    size_t i = 1;
    while (i + 1 < part->id_count && part->id_byte[i] < byte)
        i++;
    return part->id_unit[i];
}

// The quietest frame near the beginning of a word, where a break is heard least. The same words give
// nearly the same frame in each computation of a sentence.
static size_t quiet_frame(const struct prl_hibari_spectra *spectra, size_t word)
{
    size_t best = word;
    float least = FLT_MAX;
    for (int k = 0; k <= 2 * JOIN_FRAMES; k++) {
        int away = k % 2 ? (k + 1) / 2 : -k / 2; // the nearest first
        size_t frame = word + (size_t)away;
        if (frame >= spectra->frames)
            continue;
        float sum = 0;
        for (size_t bin = 0; bin < PRL_HIBARI_BINS; bin++)
            sum += expf(spectra->lh[bin * spectra->frames + frame]) +
                   expf(spectra->ln[bin * spectra->frames + frame]);
        if (sum < JOIN_BETTER * least) {
            least = sum;
            best = frame;
        }
    }
    return best;
}

// Of the part only the words that are wanted: its sound begins and ends with theirs.
static void choose_blocks(struct hibari *self, const struct prl_hibari_spectra *spectra)
{
    struct part *part = &self->part;
    const struct prl_tts_word *words = self->phonemes.words;
    size_t count = self->phonemes.word_count;
    uint32_t from = self->word_first < count ? words[self->word_first].start : 0;
    if (self->word_first > 0 && from > part->start)
        part->frame_first = quiet_frame(spectra, (size_t)unit_of(part, from) * FRAMES_PER_UNIT);
    part->blocks = SIZE_MAX;
    if (self->word_end == count || words[self->word_end].start >= part->end)
        return;
    uint32_t behind = unit_of(part, words[self->word_end].start);
    size_t end = quiet_frame(spectra, (size_t)behind * FRAMES_PER_UNIT);
    part->blocks = end > part->frame_first ? end - part->frame_first : 0;
}

// Takes the durations and checks that everything fits together.
static enum prl_err outputs_check(struct hibari *self, struct prl_hibari_spectra *spectra)
{
    struct part *part = &self->part;
    const struct prl_ort_tensor *out = self->outputs;
    const struct prl_ort_tensor *durations = &out[OUTPUTS - 1];
    size_t frames = prl_ort_count(&out[5]);
    bool fits = out[5].type == PRL_ORT_FLOAT && durations->type == PRL_ORT_FLOAT &&
                prl_ort_count(durations) == part->id_count;
    for (size_t i = 0; i < 5; i++)
        fits = fits && is_matrix(&out[i], frames);
    if (!fits)
        return PRL_ERR_ENGINE;
    const float *values = durations->data;
    uint32_t unit = 0;
    for (size_t i = 0; i < part->id_count; i++) {
        part->id_unit[i] = unit;
        unit += values[i] > 0 && values[i] < 1e4F ? (uint32_t)(values[i] + 0.5F) : 0;
    }
    part->units = unit;
    if ((size_t)unit * FRAMES_PER_UNIT != frames)
        return PRL_ERR_ENGINE;
    size_t sound = (size_t)part->id_unit[1] * FRAMES_PER_UNIT;
    part->frame_first = sound > LEAD_FRAMES ? sound - LEAD_FRAMES : 0;
    *spectra = (struct prl_hibari_spectra){out[0].data, out[1].data, out[2].data, out[3].data,
                                           out[4].data, out[5].data, frames};
    choose_blocks(self, spectra);
    return PRL_OK;
}

static enum prl_err part_run(struct hibari *self)
{
    part_make(self);
    struct part *part = &self->part;
    const struct prl_ort_tensor inputs[] = {
        {.name = "ids",
         .type = PRL_ORT_INT64,
         .rank = 2,
         .shape = {1, (int64_t)part->id_count},
         .data = part->ids},
        {.name = "speed", .type = PRL_ORT_FLOAT, .rank = 1, .shape = {1}, .data = &self->speed}};
    for (size_t i = 0; i < OUTPUTS; i++)
        self->outputs[i] =
            (struct prl_ort_tensor){.name = prl_ort_session_output(self->session, i)};
    if (prl_ort_run(self->session, inputs, 2, self->outputs, OUTPUTS)) {
        (void)snprintf(self->why, sizeof(self->why), "hibari: %s",
                       prl_ort_session_why(self->session));
        return PRL_ERR_ENGINE;
    }
    self->outputs_held = true;
    struct prl_hibari_spectra spectra;
    enum prl_err err = outputs_check(self, &spectra);
    if (!err)
        err = prl_hibari_synth_start(self->synth, &spectra, part->frame_first);
    if (err) {
        (void)snprintf(self->why, sizeof(self->why), "hibari: unusable output of the model (%s)",
                       prl_err_name(err));
        return err;
    }
    self->part_open = true;
    self->part_sample = self->sample;
    return PRL_OK;
}

// The sample at which the phoneme at `byte` of the part begins.
static uint32_t sample_of(const void *voice, uint32_t byte)
{
    const struct hibari *self = voice;
    const struct part *part = &self->part;
    size_t frame = (size_t)unit_of(part, byte) * FRAMES_PER_UNIT;
    frame = frame > part->frame_first ? frame - part->frame_first : 0;
    return self->part_sample + (uint32_t)(frame * PRL_HIBARI_HOP);
}

static size_t marks_collect(struct hibari *self, bool part_done)
{
    const struct prl_marks_made made = {.words = self->phonemes.words,
                                        .word_count = self->word_end,
                                        .end = (uint32_t)self->part.end,
                                        .sample = self->sample,
                                        .done = part_done,
                                        .sample_of = sample_of,
                                        .voice = self};
    return prl_marks_collect(&self->marks, &made);
}

// `breaks_off`: the sound ends here, but the sentence does not.
static void pcm_convert(struct hibari *self, size_t samples, bool breaks_off)
{
    bool opening = self->sample == self->part_sample;
    for (size_t i = 0; i < samples; i++) {
        float value = self->wave[i];
        if (opening && i < FADE_SAMPLES)
            value *= (float)i / FADE_SAMPLES;
        if (breaks_off && samples - i < FADE_SAMPLES)
            value *= (float)(samples - i) / FADE_SAMPLES;
        if (!(value > -1))
            value = -1; // also NaN
        self->pcm[i] = (int16_t)((value < 1 ? value : 1) * 32767);
    }
}

static enum prl_err step(void *ctx, struct prl_tts_chunk *chunk)
{
    struct hibari *self = ctx;
    *chunk = (struct prl_tts_chunk){.pcm = self->pcm, .marks = self->marks.list};
    PRL_CHECK(self->running);
    if (self->word_first >= self->word_end) { // nothing but pauses
        chunk->last = true;
        chunk->unknown = self->phonemes.unknown;
        return PRL_OK;
    }
    if (!self->part_open) {
        skip_parts(self);
        enum prl_err err = part_run(self);
        if (err)
            return err;
    }
    struct part *part = &self->part;
    size_t want = self->sample == 0 ? CHUNK_FIRST : CHUNK_BLOCKS;
    bool cut = want >= part->blocks;
    want = cut ? part->blocks : want;
    size_t blocks = want ? prl_hibari_synth_read(self->synth, self->wave, want) : 0;
    part->blocks -= part->blocks == SIZE_MAX ? 0 : blocks;
    chunk->samples = blocks * PRL_HIBARI_HOP;
    pcm_convert(self, chunk->samples, cut);
    self->sample += (uint32_t)chunk->samples;
    bool part_done = cut || blocks < want;
    chunk->mark_count = marks_collect(self, part_done);
    if (part_done) {
        self->part_open = false;
        prl_ort_release(self->session, self->outputs, OUTPUTS);
        self->outputs_held = false;
        chunk->last = cut || self->phoneme_at >= self->phonemes.len;
        chunk->unknown = self->phonemes.unknown;
    }
    return PRL_OK;
}

static const char *why(const void *ctx)
{
    const struct hibari *self = ctx;
    return self->why;
}

const struct prl_tts_ops prl_tts_hibari = {
    .name = "hibari",
    .languages = PRL_TTS_LANG_EN,
    .streams = true,
    .context = true,
    .voices = voices,
    .voice_count = sizeof(voices) / sizeof(voices[0]),
    .open = open_it,
    .close = close_it,
    .begin = begin,
    .step = step,
    .end = end_it,
    .why = why,
};
