// kokoro.c -- see backend.h. Chinese and English in one flow, 36 voices, 24 kHz: words to ids, frames of
// pieces of up to 30 syllables (kokoro_synth.h), sound of them stretch by stretch (kokoro_flow.h).
//
// Longest step: one stretch of at most 167 frames (120, a rest, context); measured in docs/TUNING.md.
// The model gives 0.4 s of silence before and 0.6 s behind each piece. Most of it is never made into
// sound, the rest is cut off, and a pause by the last mark is put behind, so pieces and clauses can be
// laid end to end. The first stretch of a piece that somebody waits for is as short as this machine's
// speed allows without a gap behind it. What a voice's norms are is learnt from its first pieces, which are
// therefore made whole; from then on stretches can be short.
// A part of a text is cut out of the frames of all that is known of it, and joined to the part before it as
// one stretch is to another.
// Source:   Kokoro-82M v1.0 (Apache-2.0), int8; voices of kokoro-js 1.2.1.
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "tts/backend.h"
#include "tts/en_g2p.h"
#include "tts/kokoro_flow.h"
#include "tts/kokoro_norms.h"
#include "tts/kokoro_script.h"
#include "tts/kokoro_synth.h"
#include "tts/zh_g2p.h"

enum {
    STYLE_ROWS = 510, // one for each number of ids
    IDS_MAX = STYLE_ROWS + 2,
    PATH_BYTES = 1024,
    KEY_BYTES = 256,
    SHORT_FRAMES = 53, // 1.3 s behind the silence in front
};
// At speed 1. By its own statistics a piece sounds different without its silence, see TUNING.md.
static const float KEEP_START_FRAMES = 10;
static const float KEEP_START_FINE = 7;
static const float KEEP_END_FRAMES = 22;
static const double COST_MARGIN = 1.25; // a frame may cost so much more than the newest ones did
static const double COST_SHARE = 0.3;   // of the newest stretch in the running mean

#define ZH(voice, sex)                                                                             \
    {                                                                                              \
        voice, PRL_TTS_LANG_ZH | PRL_TTS_LANG_EN, sex, "zh-CN"                                     \
    }
#define EN(voice, sex, accent)                                                                     \
    {                                                                                              \
        voice, PRL_TTS_LANG_EN, sex, accent                                                        \
    }
static const struct prl_tts_voice VOICES[] = {
    ZH("zf_xiaoyi", 'f'),
    ZH("zf_xiaobei", 'f'),
    ZH("zf_xiaoni", 'f'),
    ZH("zf_xiaoxiao", 'f'),
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

struct piece {
    int64_t ids[IDS_MAX]; // with pads
    size_t id_count;
    size_t start, end;           // of the script's ids
    uint32_t id_sample[IDS_MAX]; // where each id begins, from the start of the request
    uint32_t sample;             // where the piece begins
    size_t context_first;        // frames that stretches may be computed with are
    size_t context_last;         // [context_first, context_last),
    bool whole;                  // all of which are made at once
    size_t first_frame;          // and those that become sound [first_frame, last_frame)
    size_t frame;                // next one to make
    size_t last_frame;
};

// Where a part of a text broke off: what goes on there is joined to its last stretch.
struct joint {
    const struct prl_tts_voice *voice; // NULL: nothing broke off
    float speed;
    size_t ids;    // given out so far
    uint64_t hash; // of those
};

struct kokoro {
    struct prl_zh_g2p *zh;          // owned; NULL without its table
    struct prl_en_g2p *en;          // owned; NULL without its tables
    struct prl_en_g2p *en_gb;       // owned; NULL: British voices speak American
    struct prl_kokoro_synth *synth; // owned
    char voices[PATH_BYTES];        // folder
    char kept[PATH_BYTES];          // folder of norms that were learnt; "": none are kept
    char models[KEY_BYTES];         // which files the norms are of
    float *style;                   // owned, STYLE_ROWS * PRL_KOKORO_STYLE of `voice`
    const struct prl_tts_voice *voice;
    struct prl_kokoro_norms norms[VOICE_COUNT];
    bool looked[VOICE_COUNT]; // for its norms in `kept`
    char why[PRL_TTS_WHY_SIZE];
    struct prl_kokoro_script script;
    struct piece piece;
    // of the request
    bool running;
    bool partial; // not all of its text is wanted
    float speed;
    unsigned pieces;         // begun so far
    size_t id_at;            // ids already begun
    size_t id_first, id_end; // of the script: what is given out
    size_t word_end;         // behind the last word of it
    struct joint joint;      // of the request before
    bool joined;             // the first stretch goes on there
    uint32_t sample;         // given out so far
    double hand;             // frames that are made and not yet heard, by prl_kokoro_flow_next
    double cost;             // frames of sound in the time that one takes to make; 0: not known
    struct prl_kokoro_flow flow;
    size_t sound_at; // of the stretch
    size_t pause;    // samples of silence still to give out behind the piece
    int16_t silence[PRL_TTS_CHUNK_MAX];
    struct prl_marks marks;
};

static void close_it(void **ctx)
{
    struct kokoro *self = *ctx;
    if (!self)
        return;
    prl_zh_g2p_destroy(&self->zh);
    prl_en_g2p_destroy(&self->en);
    prl_en_g2p_destroy(&self->en_gb);
    prl_kokoro_synth_destroy(&self->synth);
    prl_kokoro_script_free(&self->script);
    prl_kokoro_flow_free(&self->flow);
    prl_mem_free(self->style);
    for (size_t i = 0; i < VOICE_COUNT; i++)
        prl_kokoro_norms_free(&self->norms[i]);
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

// ---- norms that were learnt before ----

static struct prl_kokoro_norms *norms_of_voice(struct kokoro *self)
{
    return &self->norms[self->voice - VOICES];
}

// Set-up makes the files anew when their source or its recipe changes; hashing them costs 0.3 s.
static void add_file(char *key, const char *path)
{
    struct stat info = {.st_size = 0};
    size_t used = strlen(key);
    if (stat(path, &info) == 0)
        (void)snprintf(key + used, KEY_BYTES - used, "%s%lld@%lld.%09ld", used ? " " : "",
                       (long long)info.st_size, (long long)info.st_mtim.tv_sec,
                       info.st_mtim.tv_nsec);
}

static void keep_norms_in(struct kokoro *self, const struct prl_tts_backend_conf *conf)
{
    if (!conf->cache_dir)
        return;
    int len = snprintf(self->kept, sizeof(self->kept), "%s/tts-norms", conf->cache_dir);
    if (len >= (int)sizeof(self->kept))
        self->kept[0] = '\0';
    add_file(self->models, conf->paths->kokoro_model);
    add_file(self->models, conf->paths->kokoro_vocoder);
}

// Where those of the voice are, and what they depend on; false: nowhere.
static bool place_of_norms(const struct kokoro *self, char path[PATH_BYTES], char key[KEY_BYTES])
{
    char voice[PATH_BYTES + 32];
    if (!self->kept[0])
        return false;
    (void)snprintf(voice, sizeof(voice), "%s/%s.bin", self->voices, self->voice->name);
    (void)prl_str_copy(key, KEY_BYTES, self->models);
    add_file(key, voice);
    return snprintf(path, PATH_BYTES, "%s/%s", self->kept, self->voice->name) < PATH_BYTES;
}

static void recall_norms(struct kokoro *self)
{
    char path[PATH_BYTES];
    char key[KEY_BYTES];
    size_t voice = (size_t)(self->voice - VOICES);
    if (!self->looked[voice] && place_of_norms(self, path, key))
        prl_kokoro_norms_read(&self->norms[voice], path, key);
    self->looked[voice] = true;
}

static void keep_norms(struct kokoro *self)
{
    char path[PATH_BYTES];
    char key[KEY_BYTES];
    if (!place_of_norms(self, path, key))
        return;
    (void)mkdir(self->kept, 0777); // there already, or writing tells
    prl_kokoro_norms_write(norms_of_voice(self), path, key);
}

// ---- open ----

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
    const size_t count = (size_t)STYLE_ROWS * PRL_KOKORO_STYLE;
    self->voice = NULL;
    size_t got = fread(self->style, sizeof(float), count, file);
    (void)fclose(file);
    if (got != count) {
        (void)snprintf(why, why_size, "kokoro: the voice %s is cut short (run set-up again)", path);
        return PRL_ERR_INVALID;
    }
    self->voice = voice;
    recall_norms(self);
    return PRL_OK;
}

static enum prl_err open_it(void **ctx, const struct prl_tts_backend_conf *conf, char *why,
                            size_t why_size)
{
    *ctx = NULL;
    const char *const models[2] = {conf->paths->kokoro_model, conf->paths->kokoro_vocoder};
    if (!conf->ort || !models[0] || !models[1] || !conf->paths->kokoro_voices) {
        (void)snprintf(why, why_size, "kokoro: no model or no voices given (run set-up again)");
        return PRL_ERR_NOTFOUND;
    }
    struct kokoro *self = prl_mem_zalloc(sizeof(*self));
    if (!self)
        return PRL_ERR_NOMEM;
    (void)snprintf(self->voices, sizeof(self->voices), "%s", conf->paths->kokoro_voices);
    keep_norms_in(self, conf);
    self->style = prl_mem_array((size_t)STYLE_ROWS * PRL_KOKORO_STYLE, sizeof(float));
    enum prl_err err = self->style ? PRL_OK : PRL_ERR_NOMEM;
    if (!err)
        err = load_voice(self, &VOICES[0], why, why_size);
    if (!err)
        err = open_front_ends(self, conf, why, why_size);
    if (!err)
        err =
            prl_kokoro_synth_create(&self->synth, conf->ort, models, conf->threads, why, why_size);
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

// What of the script is wanted.
static void choose_ids(struct kokoro *self, const struct prl_tts_request *request)
{
    const struct prl_kokoro_script *script = &self->script;
    self->word_end = prl_marks_choose(&self->marks, script->words, script->word_count, request);
    size_t first = self->marks.word;
    self->partial = first > 0 || self->word_end < script->word_count;
    self->id_first =
        first < script->word_count ? first > 0 ? script->words[first].start : 0 : script->id_count;
    self->id_end = self->word_end < script->word_count ? script->words[self->word_end].start
                                                       : script->id_count;
}

static struct joint joint_at(const struct kokoro *self, size_t ids)
{
    struct joint joint = {self->voice, self->speed, ids, 0xCBF29CE484222325}; // FNV-1a
    for (size_t i = 0; i < ids; i++)
        joint.hash = (joint.hash ^ self->script.ids[i]) * 0x100000001B3;
    return joint;
}

static bool is_joined(const struct kokoro *self)
{
    const struct joint *last = &self->joint;
    if (self->id_first == 0 || last->voice != self->voice || last->ids != self->id_first)
        return false;
    return last->speed == self->speed && last->hash == joint_at(self, self->id_first).hash;
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
    self->pieces = 0;
    self->id_at = self->sound_at = self->pause = 0;
    self->piece.frame = self->piece.last_frame = 0;
    self->hand = request->first ? -1 : PRL_KOKORO_FRAMES_MAX;
    self->sample = 0;
    choose_ids(self, request);
    self->joined = is_joined(self);
    self->joint.voice = NULL;
    self->flow.len = 0;
    self->running = true;
    return PRL_OK;
}

static void make_piece(struct kokoro *self)
{
    struct piece *piece = &self->piece;
    piece->start = self->id_at;
    piece->end = prl_kokoro_script_piece(&self->script, self->id_at, self->pieces++);
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

// The pause behind a piece, by its last mark.
static size_t pause_samples(const struct kokoro *self)
{
    enum { MS = PRL_TTS_RATE_HZ / 1000 };
    static const uint16_t PAUSE_MS[PRL_KOKORO_MARK_MAX + 1] = {30, 220, 220, 180, 320, 320, 320};
    int64_t last = self->piece.ids[self->piece.id_count - 2];
    size_t ms = PAUSE_MS[last <= PRL_KOKORO_MARK_MAX ? last : 0];
    return (size_t)((float)(ms * MS) / self->speed);
}

static enum prl_err fail(struct kokoro *self, enum prl_err err, const char *what)
{
    (void)snprintf(self->why, sizeof(self->why), "%s", what);
    return err;
}

// The piece's frame at which id `id` of the script begins.
static size_t frame_of(const struct kokoro *self, size_t id)
{
    const float *durations = prl_kokoro_synth_durations(self->synth);
    float frames = 0;
    for (size_t i = 0; i < id - self->piece.start + 1; i++)
        frames += durations[i];
    return (size_t)frames;
}

// Which of the piece's frames become sound, and which stand beside them.
static enum prl_err choose_frames(struct kokoro *self)
{
    struct piece *piece = &self->piece;
    // Pauses of the model get longer as the speech gets slower.
    float keep_end = floorf(KEEP_END_FRAMES / self->speed);
    const float *durations = prl_kokoro_synth_durations(self->synth);
    float tail = 0; // of the last sound before mark and pad
    for (size_t i = piece->id_count - 3; i < piece->id_count; i++)
        tail += durations[i];
    size_t frames = prl_kokoro_synth_frames(self->synth);
    size_t over = tail > keep_end ? (size_t)(tail - keep_end) : 0;
    piece->context_last = frames - over;
    // A short piece loses its level by the voice's norms, down to nothing: it is made at once by its own.
    piece->whole = (float)piece->context_last < durations[0] + SHORT_FRAMES;
    bool fine = prl_kokoro_norms_known(norms_of_voice(self)) && !piece->whole;
    float keep_start = floorf((fine ? KEEP_START_FINE : KEEP_START_FRAMES) / self->speed);
    piece->context_first = durations[0] > keep_start ? (size_t)(durations[0] - keep_start) : 0;
    piece->first_frame = piece->context_first;
    piece->last_frame = piece->context_last;
    if (self->id_first > piece->start)
        piece->first_frame = frame_of(self, self->id_first);
    if (self->id_end < piece->end)
        piece->last_frame = frame_of(self, self->id_end);
    if (piece->first_frame >= piece->last_frame || piece->last_frame > piece->context_last)
        return fail(self, PRL_ERR_ENGINE, "kokoro: a piece without frames");
    piece->frame = piece->first_frame;
    return PRL_OK;
}

// Frames of the next ids. Pieces that hold nothing that is wanted are passed over.
static enum prl_err begin_piece(struct kokoro *self)
{
    do
        make_piece(self);
    while (self->piece.end <= self->id_first);
    struct piece *piece = &self->piece;
    const struct prl_kokoro_piece wanted = {
        .ids = piece->ids,
        .id_count = piece->id_count,
        .style = self->style + (piece->id_count - 3) * PRL_KOKORO_STYLE, // row of n ids is n - 1
        .speed = self->speed};
    enum prl_err err = prl_kokoro_synth_predict(self->synth, &wanted);
    if (err)
        return fail(self, err, prl_kokoro_synth_why(self->synth));
    err = choose_frames(self);
    if (err)
        return err;
    piece->sample = self->sample;
    self->pause = self->id_end < piece->end ? 0 : pause_samples(self);
    self->sound_at = 0;
    if (self->joined)
        prl_kokoro_flow_go_on(&self->flow);
    else
        prl_kokoro_flow_begin(&self->flow);
    self->joined = false;
    return PRL_OK;
}

// Where each id of the piece begins, by what the flow has cut off in front so far.
static void place_ids(struct kokoro *self)
{
    struct piece *piece = &self->piece;
    const float *durations = prl_kokoro_synth_durations(self->synth);
    double at = -(double)(piece->first_frame * PRL_KOKORO_FRAME + self->flow.skipped);
    double end = (double)((piece->last_frame - piece->first_frame) * PRL_KOKORO_FRAME);
    for (size_t i = 0; i < piece->id_count; i++) {
        double in_sound = at > 0 ? at < end ? at : end : 0;
        piece->id_sample[i] = piece->sample + (uint32_t)in_sound;
        at += (double)durations[i] * PRL_KOKORO_FRAME;
    }
}

static void learn_norms(struct kokoro *self, size_t frames)
{
    struct prl_kokoro_norms *norms = norms_of_voice(self);
    prl_kokoro_norms_learn(norms, prl_kokoro_synth_norms(self->synth), frames);
    if (prl_kokoro_norms_known(norms))
        keep_norms(self);
}

// The next stretch of the piece's sound.
static enum prl_err make_stretch(struct kokoro *self)
{
    struct piece *piece = &self->piece;
    float *known = prl_kokoro_norms_known(norms_of_voice(self));
    const struct prl_kokoro_grain *grain = known ? &prl_kokoro_fine : &prl_kokoro_coarse;
    const bool whole = piece->whole;
    size_t rest = piece->last_frame - piece->frame;
    size_t count =
        whole ? rest : prl_kokoro_flow_next(grain, rest, self->cost * COST_MARGIN, self->hand);
    size_t from = piece->frame;
    size_t to = from + count;
    // What the flow sees of the frames beside it, and what is made of them.
    size_t made_before = from - piece->context_first;
    size_t made_behind = piece->context_last - to;
    size_t before = made_before < grain->context ? made_before : grain->context;
    size_t behind = made_behind < grain->context ? made_behind : grain->context;
    if (!whole) {
        made_before = before;
        made_behind = behind;
    }
    const size_t made = made_before + count + made_behind;
    struct prl_kokoro_stretch stretch = {.samples = (before + count + behind) * PRL_KOKORO_FRAME,
                                         .before = before * PRL_KOKORO_FRAME,
                                         .behind = behind * PRL_KOKORO_FRAME};
    int64_t start_us = prl_clock_now_us();
    enum prl_err err = prl_kokoro_synth_sound(self->synth, from - made_before, to + made_behind,
                                              whole ? NULL : known, &stretch.wave);
    if (err)
        return fail(self, err, prl_kokoro_synth_why(self->synth));
    stretch.wave += (made_before - before) * PRL_KOKORO_FRAME;
    double frame_us = 1e6 * PRL_KOKORO_FRAME / PRL_TTS_RATE_HZ;
    double cost = (double)(prl_clock_now_us() - start_us) / frame_us / (double)made;
    self->cost += (cost - self->cost) * (self->cost > 0 ? COST_SHARE : 1);
    self->hand = (self->hand > 0 ? self->hand - cost * (double)made : 0) + (double)count;
    self->hand = self->hand > 0 ? self->hand : 0;
    if (!known && !self->partial && !whole) // norms are those of whole pieces of some length
        learn_norms(self, made);
    piece->frame = to;
    self->sound_at = 0;
    err = prl_kokoro_flow_add(&self->flow, &stretch);
    if (err)
        return fail(self, err, "kokoro: out of memory");
    place_ids(self);
    return PRL_OK;
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
                                        .word_count = self->word_end,
                                        .end = (uint32_t)self->piece.end,
                                        .sample = self->sample,
                                        .done = piece_done,
                                        .sample_of = sample_of,
                                        .voice = self};
    return prl_marks_collect(&self->marks, &made);
}

static bool is_piece_done(const struct kokoro *self)
{
    return self->piece.frame == self->piece.last_frame && self->sound_at == self->flow.len &&
           self->pause == 0;
}

static enum prl_err step(void *ctx, struct prl_tts_chunk *chunk)
{
    struct kokoro *self = ctx;
    *chunk = (struct prl_tts_chunk){.pcm = self->silence, .marks = self->marks.list};
    PRL_CHECK(self->running);
    if (self->id_first >= self->id_end) { // nothing but pauses
        chunk->last = true;
        chunk->unknown = self->script.unknown;
        return PRL_OK;
    }
    enum prl_err err = PRL_OK;
    if (is_piece_done(self))
        err = begin_piece(self);
    if (!err && self->sound_at == self->flow.len && self->piece.frame < self->piece.last_frame)
        err = make_stretch(self);
    if (err)
        return err;
    size_t rest = self->flow.len - self->sound_at;
    bool pausing = rest == 0 && self->piece.frame == self->piece.last_frame;
    rest = pausing ? self->pause : rest;
    chunk->samples = rest < PRL_TTS_CHUNK_MAX ? rest : PRL_TTS_CHUNK_MAX;
    chunk->pcm = pausing ? self->silence : self->flow.sound + self->sound_at;
    if (pausing)
        self->pause -= chunk->samples;
    else
        self->sound_at += chunk->samples;
    self->sample += (uint32_t)chunk->samples;
    bool piece_done = is_piece_done(self);
    chunk->mark_count = collect_marks(self, piece_done);
    chunk->last = piece_done && self->id_at >= self->id_end;
    if (chunk->last && self->id_end < self->piece.end && !self->flow.ended)
        self->joint = joint_at(self, self->id_end);
    chunk->unknown = self->script.unknown;
    return PRL_OK;
}

static const char *why(const void *ctx)
{
    const struct kokoro *self = ctx;
    return self->why;
}

static bool learns(const void *ctx)
{
    const struct kokoro *self = ctx;
    return !prl_kokoro_norms_known(&self->norms[0]);
}

const struct prl_tts_ops prl_tts_kokoro = {
    .name = "kokoro",
    .languages = PRL_TTS_LANG_EN | PRL_TTS_LANG_ZH,
    .streams = true,
    .context = true,
    .voices = VOICES,
    .voice_count = VOICE_COUNT,
    .open = open_it,
    .close = close_it,
    .begin = begin,
    .step = step,
    .end = end_it,
    .why = why,
    .learns = learns,
};
