// kokoro.c -- see backend.h. Chinese and English in one flow, 36 voices, 24 kHz: words to ids, one
// run of the model for each piece of up to 30 syllables, silence around it cut to what is wanted.
//
// Longest step: one run for a piece; measured in docs/TUNING.md.
// The model gives 0.4 s of silence before and 0.6 s behind each piece. Most of it is never computed
// (inputs keep_start and keep_end, see tools/convert/kokoro_durations.py), the rest is cut off, and a
// pause by the last mark is put behind, so pieces and clauses can be laid end to end.
// Source:   Kokoro-82M v1.0 (Apache-2.0), int8; voices of kokoro-js 1.2.1.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "engine/ort.h"
#include "tts/backend.h"
#include "tts/en_g2p.h"
#include "tts/kokoro_script.h"
#include "tts/zh_g2p.h"

enum {
    FRAME_SAMPLES = 600, // of the model's durations: 25 ms
    STYLE_FLOATS = 256,
    STYLE_ROWS = 510, // one for each number of ids
    IDS_MAX = STYLE_ROWS + 2,
    SOUND_SAMPLES_MAX = 120 * PRL_TTS_RATE_HZ, // of one piece, a bound against a broken model
    WINDOW_SAMPLES = 120,                      // 5 ms: loudness is looked at in these
    LEAD_SAMPLES = 600,                        // kept before the first sound
    TAIL_SAMPLES = 1440,                       // kept, faded, behind the last
    FADE_SAMPLES = 120,
    PATH_BYTES = 1024,
};
static const float KEEP_START_FRAMES = 10; // at speed 1; fewer change the sound, see TUNING.md
static const float KEEP_END_FRAMES = 22;
static const float SILENCE_RMS = 0.003F;
static const float SPEECH_RMS = 0.09F; // every voice and piece is brought to this loudness
static const float PEAK_MAX = 0.95F;

struct piece {
    int64_t ids[IDS_MAX]; // with pads
    size_t id_count;
    size_t start, end;           // of the script's ids
    uint32_t id_sample[IDS_MAX]; // where each id begins, from the start of the request
};

struct kokoro {
    struct prl_zh_g2p *zh;           // owned; NULL without its table
    struct prl_en_g2p *en;           // owned; NULL without its tables
    struct prl_en_g2p *en_gb;        // owned; NULL: British voices speak American
    struct prl_ort_session *session; // owned
    char voices[PATH_BYTES];         // folder
    float *style;                    // owned, STYLE_ROWS * STYLE_FLOATS of `voice`
    const struct prl_tts_voice *voice;
    char why[PRL_TTS_WHY_SIZE];
    struct prl_kokoro_script script;
    struct piece piece;
    // of the request
    bool running;
    float speed;
    bool first;      // the first sound is waited for
    unsigned pieces; // made so far
    size_t id_at;    // ids already spoken
    uint32_t sample; // given out so far
    int16_t *sound;  // owned: of the piece
    size_t sound_capacity;
    size_t sound_len;
    size_t speech_len; // without the pause behind it
    size_t sound_at;
    struct prl_marks marks;
};

#define ZH(voice, sex)                                                                             \
    {                                                                                              \
        voice, PRL_TTS_LANG_ZH | PRL_TTS_LANG_EN, sex, "zh-CN"                                     \
    }
#define EN(voice, sex, accent)                                                                     \
    {                                                                                              \
        voice, PRL_TTS_LANG_EN, sex, accent                                                        \
    }
static const struct prl_tts_voice VOICES[] = {
    ZH("zf_xiaobei", 'f'),
    ZH("zf_xiaoni", 'f'),
    ZH("zf_xiaoxiao", 'f'),
    ZH("zf_xiaoyi", 'f'),
    ZH("zm_yunjian", 'm'),
    ZH("zm_yunxi", 'm'),
    ZH("zm_yunxia", 'm'),
    ZH("zm_yunyang", 'm'),
    EN("af_heart", 'f', "en-US"),
    EN("af_alloy", 'f', "en-US"),
    EN("af_aoede", 'f', "en-US"),
    EN("af_bella", 'f', "en-US"),
    EN("af_jessica", 'f', "en-US"),
    EN("af_kore", 'f', "en-US"),
    EN("af_nicole", 'f', "en-US"),
    EN("af_nova", 'f', "en-US"),
    EN("af_river", 'f', "en-US"),
    EN("af_sarah", 'f', "en-US"),
    EN("af_sky", 'f', "en-US"),
    EN("am_adam", 'm', "en-US"),
    EN("am_echo", 'm', "en-US"),
    EN("am_eric", 'm', "en-US"),
    EN("am_fenrir", 'm', "en-US"),
    EN("am_liam", 'm', "en-US"),
    EN("am_michael", 'm', "en-US"),
    EN("am_onyx", 'm', "en-US"),
    EN("am_puck", 'm', "en-US"),
    EN("am_santa", 'm', "en-US"),
    EN("bf_alice", 'f', "en-GB"),
    EN("bf_emma", 'f', "en-GB"),
    EN("bf_isabella", 'f', "en-GB"),
    EN("bf_lily", 'f', "en-GB"),
    EN("bm_daniel", 'm', "en-GB"),
    EN("bm_fable", 'm', "en-GB"),
    EN("bm_george", 'm', "en-GB"),
    EN("bm_lewis", 'm', "en-GB"),
};
enum { VOICE_COUNT = sizeof(VOICES) / sizeof(VOICES[0]) };
_Static_assert(VOICE_COUNT == 36, "28 English and 8 Chinese");

static void close_it(void **ctx)
{
    struct kokoro *self = *ctx;
    if (!self)
        return;
    prl_zh_g2p_destroy(&self->zh);
    prl_en_g2p_destroy(&self->en);
    prl_en_g2p_destroy(&self->en_gb);
    prl_ort_session_destroy(&self->session);
    prl_kokoro_script_free(&self->script);
    prl_mem_free(self->style);
    prl_mem_free(self->sound);
    prl_marks_free(&self->marks);
    prl_mem_free(self);
    *ctx = NULL;
}

static enum prl_err open_front_ends(struct kokoro *self, const struct prl_tts_backend_conf *conf,
                                    char *why, size_t why_size)
{
    const struct prl_tts_paths *paths = conf->paths;
    enum prl_err err = PRL_OK;
    if (paths->zh_tables)
        err = prl_zh_g2p_create(&self->zh, paths->zh_tables, why, why_size);
    struct prl_en_g2p_conf en = {paths->en_tables, conf->ort, paths->en_oov};
    if (!err && paths->en_tables)
        err = prl_en_g2p_create(&self->en, &en, why, why_size);
    en.tables = paths->en_tables_gb;
    en.oov = paths->en_oov_gb;
    if (!err && paths->en_tables_gb)
        err = prl_en_g2p_create(&self->en_gb, &en, why, why_size);
    if (!err && !self->zh && !self->en) {
        (void)snprintf(why, why_size, "kokoro: neither zh_tables nor en_tables (run set-up again)");
        err = PRL_ERR_NOTFOUND;
    }
    return err;
}

// Reads a voice's styles unless they are loaded.
static enum prl_err load_voice(struct kokoro *self, const struct prl_tts_voice *voice, char *why,
                               size_t why_size)
{
    if (self->voice == voice)
        return PRL_OK;
    char path[PATH_BYTES + 32];
    (void)snprintf(path, sizeof(path), "%s/%s.bin", self->voices, voice->name);
    FILE *file = fopen(path, "rbe");
    if (!file) {
        (void)snprintf(why, why_size, "kokoro: cannot open the voice %s (run set-up again)", path);
        return PRL_ERR_NOTFOUND;
    }
    const size_t count = (size_t)STYLE_ROWS * STYLE_FLOATS;
    self->voice = NULL;
    size_t got = fread(self->style, sizeof(float), count, file);
    (void)fclose(file);
    if (got != count) {
        (void)snprintf(why, why_size, "kokoro: the voice %s is cut short (run set-up again)", path);
        return PRL_ERR_INVALID;
    }
    self->voice = voice;
    return PRL_OK;
}

static bool session_has(const struct prl_ort_session *session, const char *input)
{
    for (size_t i = 0; prl_ort_session_input(session, i); i++)
        if (strcmp(prl_ort_session_input(session, i), input) == 0)
            return true;
    return false;
}

static enum prl_err open_it(void **ctx, const struct prl_tts_backend_conf *conf, char *why,
                            size_t why_size)
{
    *ctx = NULL;
    if (!conf->ort || !conf->paths->kokoro_model || !conf->paths->kokoro_voices) {
        (void)snprintf(why, why_size, "kokoro: no model or no voices given (run set-up again)");
        return PRL_ERR_NOTFOUND;
    }
    struct kokoro *self = prl_mem_zalloc(sizeof(*self));
    if (!self)
        return PRL_ERR_NOMEM;
    (void)snprintf(self->voices, sizeof(self->voices), "%s", conf->paths->kokoro_voices);
    self->style = prl_mem_array((size_t)STYLE_ROWS * STYLE_FLOATS, sizeof(float));
    enum prl_err err = self->style ? PRL_OK : PRL_ERR_NOMEM;
    if (!err)
        err = load_voice(self, &VOICES[0], why, why_size);
    if (!err)
        err = open_front_ends(self, conf, why, why_size);
    struct prl_ort_conf model = {
        .path = conf->paths->kokoro_model, .threads = conf->threads, .arena = true};
    if (!err)
        err = prl_ort_session_create(&self->session, conf->ort, &model, why, why_size);
    if (!err && !session_has(self->session, "keep_end")) {
        (void)snprintf(why, why_size, "%s: without durations (run set-up again)", model.path);
        err = PRL_ERR_ENGINE;
    }
    void *made = self;
    if (err)
        close_it(&made);
    *ctx = made;
    return err;
}

static void end_it(void *ctx)
{
    struct kokoro *self = ctx;
    self->running = false;
}

static const struct prl_tts_voice *find_voice(const char *name)
{
    for (size_t i = 0; name && i < VOICE_COUNT; i++)
        if (strcmp(VOICES[i].name, name) == 0)
            return &VOICES[i];
    return &VOICES[0];
}

static enum prl_err begin(void *ctx, const struct prl_tts_request *request)
{
    struct kokoro *self = ctx;
    end_it(self);
    self->why[0] = '\0';
    const struct prl_tts_voice *voice = find_voice(request->voice);
    enum prl_err err = load_voice(self, voice, self->why, sizeof(self->why));
    if (err)
        return err == PRL_ERR_NOTFOUND || err == PRL_ERR_INVALID ? PRL_ERR_ENGINE : err;
    bool british = voice->name[0] == 'b' && self->en_gb;
    err = prl_kokoro_script_build(&self->script, self->zh, british ? self->en_gb : self->en,
                                  request->text, request->segment_start, request->segment_count);
    if (!err)
        err = prl_marks_begin(&self->marks, self->script.word_count);
    if (err) {
        (void)snprintf(self->why, sizeof(self->why), "kokoro: words to phonemes: %s",
                       prl_err_name(err));
        return err;
    }
    self->speed = request->speed;
    self->first = request->first;
    self->pieces = 0;
    self->id_at = self->sound_at = self->sound_len = 0;
    self->sample = 0;
    self->running = true;
    return PRL_OK;
}

static void make_piece(struct kokoro *self)
{
    struct piece *piece = &self->piece;
    piece->start = self->id_at;
    piece->end = prl_kokoro_script_piece(&self->script, self->id_at, self->pieces++, self->first);
    size_t end = piece->end;
    if (end > piece->start && self->script.ids[end - 1] == PRL_KOKORO_SPACE)
        end--;
    PRL_CHECK(end > piece->start && end - piece->start <= STYLE_ROWS);
    piece->id_count = 0;
    piece->ids[piece->id_count++] = 0;
    for (size_t i = piece->start; i < end; i++)
        piece->ids[piece->id_count++] = self->script.ids[i];
    piece->ids[piece->id_count++] = 0;
    self->id_at = piece->end;
}

// First and last window that are louder than silence; false when there is none.
static bool find_speech(const float *wave, size_t count, size_t *first, size_t *last, float *rms)
{
    double sum = 0;
    size_t loud = 0;
    for (size_t window = 0; (window + 1) * WINDOW_SAMPLES <= count; window++) {
        float energy = 0;
        for (size_t i = 0; i < WINDOW_SAMPLES; i++) {
            float value = wave[window * WINDOW_SAMPLES + i];
            energy += value * value;
        }
        energy /= WINDOW_SAMPLES;
        if (!(energy > SILENCE_RMS * SILENCE_RMS))
            continue;
        if (!loud++)
            *first = window;
        *last = window;
        sum += (double)energy;
    }
    *rms = loud ? (float)sqrt(sum / (double)loud) : 0;
    return loud > 0;
}

static float gain_of(const float *wave, size_t count, float rms)
{
    float peak = 1e-6F;
    for (size_t i = 0; i < count; i++)
        peak = fmaxf(peak, fabsf(wave[i]));
    return fminf(SPEECH_RMS / rms, PEAK_MAX / peak);
}

// The pause behind a piece, by its last mark.
static size_t pause_samples(const struct kokoro *self)
{
    enum { MS = PRL_TTS_RATE_HZ / 1000 };
    static const uint16_t PAUSE_MS[PRL_KOKORO_MARK_MAX + 1] = {30, 220, 220, 180, 320, 320, 320};
    int64_t last = self->piece.ids[self->piece.id_count - 2];
    size_t ms = PAUSE_MS[last <= PRL_KOKORO_MARK_MAX ? last : 0];
    return (size_t)((float)(ms * MS) / self->speed);
}

static int16_t to_pcm(float value)
{
    if (!(value > -1))
        value = -1; // also NaN
    return (int16_t)((value < 1 ? value : 1) * 32767);
}

// Cuts, levels and converts the model's sound; *skipped is how much was cut off in front.
static enum prl_err take_sound(struct kokoro *self, const float *wave, size_t count,
                               size_t *skipped)
{
    size_t first = 0;
    size_t last = 0;
    float rms;
    self->sound_len = self->speech_len = self->sound_at = 0;
    *skipped = 0;
    if (!find_speech(wave, count, &first, &last, &rms))
        return PRL_OK;
    size_t start =
        first * WINDOW_SAMPLES > LEAD_SAMPLES ? first * WINDOW_SAMPLES - LEAD_SAMPLES : 0;
    size_t end = (last + 1) * WINDOW_SAMPLES + TAIL_SAMPLES;
    end = end < count ? end : count;
    size_t need = end - start + pause_samples(self);
    if (need > self->sound_capacity) {
        prl_mem_free(self->sound);
        self->sound_capacity = 0;
        self->sound = prl_mem_array(need, sizeof(*self->sound));
        if (!self->sound)
            return PRL_ERR_NOMEM;
        self->sound_capacity = need;
    }
    float gain = gain_of(wave + start, end - start, rms);
    size_t len = end - start;
    size_t tail = end - (last + 1) * WINDOW_SAMPLES;
    for (size_t i = 0; i < len; i++) {
        float value = wave[start + i] * gain;
        if (i < FADE_SAMPLES)
            value *= (float)i / FADE_SAMPLES;
        if (len - i <= tail)
            value *= (float)(len - i) / (float)(tail + 1);
        self->sound[i] = to_pcm(value);
    }
    memset(self->sound + len, 0, (need - len) * sizeof(*self->sound));
    self->sound_len = need;
    self->speech_len = len - tail;
    *skipped = start;
    return PRL_OK;
}

// Where each id of the piece begins. The first `skipped` samples of the sound were cut off.
static enum prl_err take_durations(struct kokoro *self, const float *frames, float keep_start,
                                   size_t skipped)
{
    struct piece *piece = &self->piece;
    double at = -(double)skipped;
    for (size_t i = 0; i < piece->id_count; i++) {
        if (!(frames[i] >= 0 && frames[i] < 1e5F))
            return PRL_ERR_ENGINE;
        double in_sound = at > 0 ? at : 0;
        in_sound = in_sound < (double)self->speech_len ? in_sound : (double)self->speech_len;
        piece->id_sample[i] = self->sample + (uint32_t)in_sound;
        float kept = i == 0 ? fminf(frames[i], keep_start) : frames[i];
        at += (double)kept * FRAME_SAMPLES;
    }
    return PRL_OK;
}

static enum prl_err fail(struct kokoro *self, enum prl_err err, const char *what)
{
    (void)snprintf(self->why, sizeof(self->why), "kokoro: %s", what);
    return err;
}

static enum prl_err take_outputs(struct kokoro *self, const struct prl_ort_tensor *outputs,
                                 float keep_start)
{
    size_t samples = prl_ort_count(&outputs[0]);
    if (outputs[0].type != PRL_ORT_FLOAT || outputs[1].type != PRL_ORT_FLOAT ||
        samples > SOUND_SAMPLES_MAX || prl_ort_count(&outputs[1]) != self->piece.id_count)
        return fail(self, PRL_ERR_ENGINE, "unusable output of the model");
    size_t skipped;
    enum prl_err err = take_sound(self, outputs[0].data, samples, &skipped);
    if (err)
        return fail(self, err, prl_err_name(err));
    err = take_durations(self, outputs[1].data, keep_start, skipped);
    return err ? fail(self, err, "unusable durations of the model") : PRL_OK;
}

static enum prl_err run_piece(struct kokoro *self)
{
    make_piece(self);
    struct piece *piece = &self->piece;
    // Pauses of the model get longer as the speech gets slower.
    float keep_start = floorf(KEEP_START_FRAMES / self->speed);
    float keep_end = floorf(KEEP_END_FRAMES / self->speed);
    struct prl_ort_tensor inputs[] = {
        {.name = "tokens", .type = PRL_ORT_INT64, .rank = 2, .data = piece->ids},
        {.name = "style", .type = PRL_ORT_FLOAT, .rank = 2, .shape = {1, STYLE_FLOATS}},
        {.name = "speed", .type = PRL_ORT_FLOAT, .rank = 1, .shape = {1}, .data = &self->speed},
        {.name = "keep_start", .type = PRL_ORT_FLOAT, .rank = 1, .shape = {1}, .data = &keep_start},
        {.name = "keep_end", .type = PRL_ORT_FLOAT, .rank = 1, .shape = {1}, .data = &keep_end},
    };
    inputs[0].shape[0] = 1;
    inputs[0].shape[1] = (int64_t)piece->id_count;
    inputs[1].data = self->style + (piece->id_count - 3) * STYLE_FLOATS; // row of n ids is n - 1
    struct prl_ort_tensor outputs[] = {{.name = "audio"}, {.name = "durations"}};
    if (prl_ort_run(self->session, inputs, sizeof(inputs) / sizeof(inputs[0]), outputs, 2))
        return fail(self, PRL_ERR_ENGINE, prl_ort_session_why(self->session));
    enum prl_err err = take_outputs(self, outputs, keep_start);
    prl_ort_release(self->session, outputs, 2);
    return err;
}

// Sample at which id `id` of the script begins; it lies in the piece or right behind it.
static uint32_t sample_of(const void *voice, uint32_t id)
{
    const struct kokoro *self = voice;
    const struct piece *piece = &self->piece;
    size_t index = id - piece->start + 1;
    return piece->id_sample[index < piece->id_count ? index : piece->id_count - 1];
}

static size_t collect_marks(struct kokoro *self, bool piece_done)
{
    const struct prl_marks_made made = {.words = self->script.words,
                                        .word_count = self->script.word_count,
                                        .end = (uint32_t)self->piece.end,
                                        .sample = self->sample,
                                        .done = piece_done,
                                        .sample_of = sample_of,
                                        .voice = self};
    return prl_marks_collect(&self->marks, &made);
}

static enum prl_err step(void *ctx, struct prl_tts_chunk *chunk)
{
    struct kokoro *self = ctx;
    *chunk = (struct prl_tts_chunk){.pcm = self->sound, .marks = self->marks.list};
    PRL_CHECK(self->running);
    if (self->script.id_count == 0) { // nothing but pauses
        chunk->last = true;
        chunk->unknown = self->script.unknown;
        return PRL_OK;
    }
    if (self->sound_at == self->sound_len) {
        enum prl_err err = run_piece(self);
        if (err)
            return err;
    }
    size_t rest = self->sound_len - self->sound_at;
    chunk->samples = rest < PRL_TTS_CHUNK_MAX ? rest : PRL_TTS_CHUNK_MAX;
    chunk->pcm = self->sound ? self->sound + self->sound_at : NULL;
    self->sound_at += chunk->samples;
    self->sample += (uint32_t)chunk->samples;
    bool piece_done = self->sound_at == self->sound_len;
    chunk->mark_count = collect_marks(self, piece_done);
    chunk->last = piece_done && self->id_at == self->script.id_count;
    chunk->unknown = self->script.unknown;
    return PRL_OK;
}

static const char *why(const void *ctx)
{
    const struct kokoro *self = ctx;
    return self->why;
}

const struct prl_tts_ops prl_tts_kokoro = {
    .name = "kokoro",
    .languages = PRL_TTS_LANG_EN | PRL_TTS_LANG_ZH,
    .streams = false,
    .voices = VOICES,
    .voice_count = VOICE_COUNT,
    .open = open_it,
    .close = close_it,
    .begin = begin,
    .step = step,
    .end = end_it,
    .why = why,
};
