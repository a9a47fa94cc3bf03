// far.c -- see far.h.
#include "tts/far.h"

#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "engine/hedge.h"
#include "media/ogg_opus.h"
#include "media/resample.h"
#include "media/wav.h"
#include "net/loop.h"
#include "tts/synth.h"
#include "tts/text.h"

// Media types as servers name them. What is in none of these lists is told by its first bytes, and
// is plain PCM else.
static const char *const waves[] = {"audio/wav", "audio/x-wav", "audio/vnd.wave", "audio/wave",
                                    NULL};
static const char *const oggs[] = {"audio/ogg", "audio/opus", "application/ogg", NULL};
static const char *const others[] = {"audio/mpeg",       "audio/mp3", "audio/aac", "audio/flac",
                                     "application/json", "text/",     NULL};

enum {
    REQUEST_MAX = 64 * 1024,
    HEAD_MAX = 4096, // of a WAV file, until its sound begins
    SAMPLES_MAX = PRL_TTS_FAR_S_MAX * PRL_TTS_RATE_HZ,
    SLICE = 512, // samples taken at a time
    // What a letter, a word's gap and an ideograph last at pace 1, in samples.
    LETTER_SAMPLES = 1500,
    GAP_SAMPLES = 1200,
    IDEOGRAPH_SAMPLES = 5500,
    PACE_SHARE = 4,
};

// What an answer says that it is.
enum form { FORM_ANY, FORM_WAV, FORM_OPUS };

struct prl_tts_far {
    struct prl_loop *loop;
    struct prl_pool *pool;
    char *instructions;         // owned
    double pace[PRL_CHAIN_MAX]; // of each engine: real length over estimate
    size_t jobs;
};

struct prl_tts_far_job {
    struct prl_tts_far *far;
    struct prl_hedge_who who;
    const struct prl_tts_far_ops *ops;
    void *arg;
    struct prl_hedge *request; // over HTTP or a WebSocket
    // Owned.
    struct prl_tts_mark *words; // estimated; PRL_TTS_CHUNK_MAX never binds their count
    size_t word_count;
    struct prl_str head; // until it is known what comes
    struct prl_resample *resample;
    struct prl_ogg_opus_reader *opus; // the sound is Opus in Ogg
    struct prl_timer *timer;          // ends a clause without words
    // State.
    enum form form;
    bool sound;    // past the head
    bool dead;     // cancelled in a callback
    unsigned busy; // callbacks on the stack
    bool has_half; // one byte of a sample waits
    uint8_t half;
    enum prl_err err; // of the sound itself
    size_t word;      // next one to tell
    uint32_t samples; // told so far
    uint32_t length;  // estimated for the whole clause at pace 1
};

enum prl_err prl_tts_far_create(struct prl_tts_far **out, struct prl_loop *loop,
                                struct prl_pool *pool, const char *instructions)
{
    PRL_CHECK(out != NULL && pool != NULL);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->loop = loop;
    (*out)->pool = pool;
    for (int i = 0; i < PRL_CHAIN_MAX; i++)
        (*out)->pace[i] = 1;
    (*out)->instructions = prl_mem_strdup(instructions ? instructions : "");
    if ((*out)->instructions)
        return PRL_OK;
    prl_tts_far_destroy(out);
    return PRL_ERR_NOMEM;
}

void prl_tts_far_destroy(struct prl_tts_far **far)
{
    PRL_CHECK(far != NULL);
    if (!*far)
        return;
    PRL_CHECK((*far)->jobs == 0);
    prl_mem_free((*far)->instructions);
    prl_mem_free(*far);
    *far = NULL;
}

static void free_job(struct prl_tts_far_job *job)
{
    PRL_CHECK(job->busy == 0);
    prl_hedge_cancel(&job->request);
    prl_resample_destroy(&job->resample);
    prl_ogg_opus_reader_destroy(&job->opus);
    prl_timer_destroy(&job->timer);
    prl_str_free(&job->head);
    prl_mem_free(job->words);
    job->far->jobs--;
    prl_mem_free(job);
}

// ---- words ----

static bool is_ideograph(uint32_t code)
{
    return (code >= 0x3040 && code <= 0x30FF) || (code >= 0x3400 && code <= 0x9FFF) ||
           (code >= 0xAC00 && code <= 0xD7A3) || (code >= 0x20000 && code <= 0x323AF);
}

static bool is_letter(uint32_t code)
{
    bool ascii = (code >= '0' && code <= '9') || (code >= 'A' && code <= 'Z') ||
                 (code >= 'a' && code <= 'z') || code == '\'';
    return ascii || (code >= 0xC0 && code < 0x2000) || is_ideograph(code);
}

// Words and ideographs with their estimated places.
static void find_words(struct prl_tts_far_job *job, const char *text, size_t len)
{
    struct prl_tts_mark *open = NULL;
    uint32_t at = 0;
    for (size_t i = 0; i < len;) {
        uint32_t code;
        size_t size = prl_utf8_decode(text + i, len - i, &code);
        bool ideograph = is_ideograph(code);
        if (!is_letter(code)) {
            at += open ? GAP_SAMPLES : 0;
            open = NULL;
        } else {
            if (ideograph || !open) {
                open = &job->words[job->word_count++];
                *open = (struct prl_tts_mark){.sample_start = at, .source_start = (uint32_t)i};
            }
            at += ideograph ? IDEOGRAPH_SAMPLES : LETTER_SAMPLES;
            open->sample_end = at;
            open->source_end = (uint32_t)(i + size);
            open = ideograph ? NULL : open;
        }
        i += size;
    }
    job->length = at;
}

// At the engine's pace.
static void scale_words(struct prl_tts_far_job *job)
{
    double pace = job->far->pace[job->who.engine];
    for (size_t i = 0; i < job->word_count; i++) {
        job->words[i].sample_start = (uint32_t)(job->words[i].sample_start * pace);
        job->words[i].sample_end = (uint32_t)(job->words[i].sample_end * pace);
    }
}

static void learn_pace(struct prl_tts_far_job *job)
{
    if (job->length < PRL_TTS_RATE_HZ / 2 || job->samples == 0)
        return;
    double *pace = &job->far->pace[job->who.engine];
    double now = (double)job->samples / job->length;
    now = now < 0.3 ? 0.3 : now > 3 ? 3 : now;
    *pace += (now - *pace) / PACE_SHARE;
}

// ---- sound ----

static void give(struct prl_tts_far_job *job, const int16_t *pcm, size_t count)
{
    for (size_t at = 0; at < count && !job->dead;) {
        size_t n = count - at < PRL_TTS_CHUNK_MAX ? count - at : PRL_TTS_CHUNK_MAX;
        uint32_t start = job->samples;
        job->samples += (uint32_t)n;
        size_t first = job->word;
        while (job->word < job->word_count && job->words[job->word].sample_end <= job->samples)
            job->word++;
        struct prl_tts_chunk chunk = {.pcm = pcm + at,
                                      .samples = n,
                                      .marks = job->words + first,
                                      .mark_count = job->word - first};
        if (start == 0)
            prl_pool_first_byte(job->far->pool, job->who.engine,
                                prl_clock_now_us() - job->who.start_us);
        job->ops->audio(job->arg, &chunk, start);
        at += n;
    }
}

static void take_samples(struct prl_tts_far_job *job, const int16_t *pcm, size_t count)
{
    int16_t out[SLICE * 4];
    if (job->samples + count > SAMPLES_MAX) {
        job->err = PRL_ERR_REMOTE;
        return;
    }
    while (job->resample && count > 0 && !job->dead) {
        size_t taken = 0;
        size_t made = prl_resample_process(job->resample, pcm, count, &taken, out,
                                           sizeof(out) / sizeof(out[0]));
        give(job, out, made);
        pcm += taken;
        count -= taken;
    }
    give(job, pcm, count);
}

// Little-endian bytes; one may be left over from before.
static void take_bytes(struct prl_tts_far_job *job, const uint8_t *data, size_t len)
{
    int16_t pcm[SLICE];
    while (len > 0 && !job->dead && !job->err) {
        size_t count = 0;
        while (count < SLICE && len + job->has_half >= 2) {
            uint8_t low = job->has_half ? job->half : *data++;
            len -= job->has_half ? 0 : 1;
            job->has_half = false;
            pcm[count++] = (int16_t)(uint16_t)(low | *data++ << 8);
            len--;
        }
        if (len == 1 && count < SLICE) {
            job->half = *data++;
            job->has_half = true;
            len = 0;
        }
        take_samples(job, pcm, count);
    }
}

static void on_opus(void *arg, const int16_t *pcm, size_t count)
{
    struct prl_tts_far_job *job = arg;
    if (!job->dead && !job->err)
        take_samples(job, pcm, count);
}

static void take_sound(struct prl_tts_far_job *job, const uint8_t *data, size_t len)
{
    if (!job->opus) {
        take_bytes(job, data, len);
        return;
    }
    enum prl_err err = prl_ogg_opus_reader_push(job->opus, data, len);
    if (err && !job->err)
        job->err = err == PRL_ERR_NOMEM ? err : PRL_ERR_REMOTE;
}

// Is it a WAV file? False while more of it is needed.
static bool read_head(struct prl_tts_far_job *job)
{
    struct prl_wav wav;
    const uint8_t *head = (const uint8_t *)job->head.data;
    size_t sound = 0;
    if (job->head.len < 4)
        return false;
    bool riff = memcmp(head, "RIFF", 4) == 0;
    bool ogg = memcmp(head, "OggS", 4) == 0;
    bool other = memcmp(head, "ID3", 3) == 0 || memcmp(head, "fLaC", 4) == 0;
    if (other || (job->form == FORM_WAV && !riff) || (job->form == FORM_OPUS && !ogg)) {
        job->err = PRL_ERR_REMOTE;
    } else if (ogg) {
        job->err = prl_ogg_opus_reader_create(&job->opus, on_opus, job);
    } else if (riff) {
        enum prl_err err = prl_wav_parse(&wav, head, job->head.len);
        if (err && job->head.len < HEAD_MAX)
            return false;
        if (err || wav.format != 1 || wav.bits != 16 || wav.channels != 1)
            job->err = PRL_ERR_REMOTE;
        else if (wav.rate_hz != PRL_TTS_RATE_HZ)
            job->err = prl_resample_create(&job->resample, wav.rate_hz, PRL_TTS_RATE_HZ);
        sound = err ? 0 : (size_t)(wav.data - head);
    }
    job->sound = true;
    if (!job->err)
        take_sound(job, head + sound, job->head.len - sound);
    prl_str_free(&job->head);
    return true;
}

static void take_head(struct prl_tts_far_job *job, const char *data, size_t len)
{
    if (prl_str_add(&job->head, data, len) != PRL_OK) {
        job->err = PRL_ERR_NOMEM;
        return;
    }
    (void)read_head(job);
}

static bool is_one_of(const char *type, const char *const *list)
{
    for (; *list; list++)
        if (strncasecmp(type, *list, strlen(*list)) == 0)
            return true;
    return false;
}

static void on_head(void *arg, unsigned status, const char *type)
{
    struct prl_tts_far_job *job = arg;
    (void)status;
    if (is_one_of(type, others))
        job->err = PRL_ERR_REMOTE;
    job->form = is_one_of(type, waves) ? FORM_WAV : is_one_of(type, oggs) ? FORM_OPUS : FORM_ANY;
}

// Ends the job: the pool, then the owner, hear of it.
static void finish(struct prl_tts_far_job *job, enum prl_outcome outcome,
                   enum prl_fetch_failure failure, enum prl_err err, const char *why)
{
    uint32_t samples = job->samples;
    const struct prl_tts_far_ops *ops = job->ops;
    void *arg = job->arg;
    if (!err)
        learn_pace(job);
    prl_pool_end(job->far->pool, job->who.engine, outcome, failure, why);
    free_job(job);
    ops->end(arg, err, why, samples);
}

// After a callback: what was found out in it.
static void settle(struct prl_tts_far_job *job)
{
    if (job->busy > 0)
        return;
    if (job->dead)
        free_job(job);
    else if (job->err)
        finish(job, PRL_OUTCOME_FAILED, PRL_FETCH_CUT, job->err,
               "an answer that is no 16-bit PCM, WAV or Ogg Opus sound");
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct prl_tts_far_job *job = arg;
    job->busy++;
    if (!job->err && !job->sound)
        take_head(job, data, len);
    else if (!job->err)
        take_sound(job, (const uint8_t *)data, len);
    job->busy--;
    settle(job);
}

static void on_end(void *arg, const struct prl_fetch_end *end)
{
    struct prl_tts_far_job *job = arg;
    job->request = NULL;
    if (end->failure != PRL_FETCH_OK) {
        finish(job, prl_pool_outcome(end), end->failure, prl_fetch_failure_err(end->failure),
               end->why);
        return;
    }
    job->busy++;
    if (job->resample) {
        int16_t out[SLICE];
        give(job, out, prl_resample_drain(job->resample, out, SLICE));
    }
    if (job->opus && !job->dead && !prl_ogg_opus_reader_is_whole(job->opus))
        job->err = PRL_ERR_REMOTE; // cut
    if (!job->dead && (!job->sound || job->samples == 0) && job->word_count > 0)
        job->err = PRL_ERR_REMOTE; // words without a sound
    job->busy--;
    if (job->dead || job->err)
        settle(job);
    else
        finish(job, PRL_OUTCOME_OK, PRL_FETCH_OK, PRL_OK, NULL);
}

static const struct prl_fetch_ops fetch_ops = {on_head, on_data, on_end};

// ---- the request ----

// Without the marks of emphasis that some voices read aloud.
static enum prl_err add_plain(struct prl_str *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr("*`#", text[i]) || text[i] == '\0')
            (void)prl_str_addc(out, text[i]);
    return out->err;
}

static const char *style_of(const struct prl_tts_far_job *job, const struct prl_tts_far_ask *ask)
{
    return ask->style && ask->style[0] ? ask->style : job->far->instructions;
}

static enum prl_err write_request(const struct prl_tts_far_job *job,
                                  const struct prl_tts_far_ask *ask, struct prl_str *body)
{
    const struct prl_pool_engine *engine = prl_pool_at(job->far->pool, job->who.engine);
    struct prl_str plain;
    struct prl_json_write json;
    prl_str_init(&plain, PRL_TEXT_CLAUSE_MAX + 1);
    enum prl_err err = add_plain(&plain, ask->text, ask->len);
    prl_json_write_init(&json, body);
    prl_json_write_object(&json, NULL);
    prl_json_write_string(&json, "model", engine->model);
    prl_json_write_bytes(&json, "input", prl_str_text(&plain), plain.len);
    prl_json_write_string(&json, "voice", engine->voice[0] ? engine->voice : ask->voice);
    prl_json_write_string(&json, "response_format", engine->format[0] ? engine->format : "pcm");
    if (ask->speed < 0.999F || ask->speed > 1.001F)
        prl_json_write_real(&json, "speed", (double)ask->speed);
    if (style_of(job, ask)[0])
        prl_json_write_string(&json, "instructions", style_of(job, ask));
    prl_json_write_end_object(&json);
    if (!body->err && engine->extra[0]) {
        body->data[--body->len] = '\0'; // the last brace
        (void)prl_str_addf(body, ",%s}", engine->extra);
    }
    prl_str_free(&plain);
    return err ? err : body->err;
}

static enum prl_err post(struct prl_tts_far_job *job, const struct prl_tts_far_ask *ask)
{
    struct prl_str body;
    prl_str_init(&body, REQUEST_MAX);
    enum prl_err err = write_request(job, ask, &body);
    struct prl_fetch_ask fetch = {.content_type = "application/json",
                                  .body = body.data,
                                  .body_size = body.len,
                                  .ops = &fetch_ops,
                                  .arg = job};
    if (!err)
        err = prl_hedge_post(job->far->pool, "/audio/speech", &fetch, &job->who, &job->request);
    prl_str_free(&body);
    return err;
}

static enum prl_err synthesize(struct prl_tts_far_job *job, const struct prl_tts_far_ask *ask)
{
    struct prl_str plain;
    prl_str_init(&plain, PRL_TEXT_CLAUSE_MAX + 1);
    enum prl_err err = add_plain(&plain, ask->text, ask->len);
    struct prl_synth_ask synth = {.voice = ask->voice,
                                  .text = prl_str_text(&plain),
                                  .len = plain.len,
                                  .speed = ask->speed,
                                  .instructions = style_of(job, ask)};
    const struct prl_hedge_ask full = {&prl_synth_way, &synth, &fetch_ops, job};
    if (!err)
        err = prl_hedge_start(job->far->pool, &full, &job->who, &job->request);
    prl_str_free(&plain);
    return err;
}

static void on_timer(void *arg)
{
    finish(arg, PRL_OUTCOME_OK, PRL_FETCH_OK, PRL_OK, NULL);
}

static enum prl_err start(struct prl_tts_far_job *job, const struct prl_tts_far_ask *ask)
{
    job->words = prl_mem_array(ask->len + 1, sizeof(*job->words));
    if (!job->words)
        return PRL_ERR_NOMEM;
    find_words(job, ask->text, ask->len);
    scale_words(job);
    if (job->word_count == 0) {
        enum prl_err timer = prl_timer_create(&job->timer, job->far->loop, "tts", on_timer, job);
        if (!timer)
            prl_timer_start(job->timer, 0);
        return timer;
    }
    bool link = prl_pool_at(job->far->pool, job->who.engine)->way != PRL_POOL_HTTP;
    return link ? synthesize(job, ask) : post(job, ask);
}

enum prl_err prl_tts_far_say(struct prl_tts_far *far, const struct prl_tts_far_ask *ask,
                             struct prl_tts_far_job **out)
{
    PRL_CHECK(far != NULL && ask != NULL && ask->ops != NULL && out != NULL);
    *out = NULL;
    enum prl_err err = PRL_ERR_NOMEM;
    struct prl_tts_far_job *job = prl_mem_zalloc(sizeof(*job));
    if (job) {
        *job =
            (struct prl_tts_far_job){.far = far,
                                     .who = {.engine = ask->engine, .start_us = prl_clock_now_us()},
                                     .ops = ask->ops,
                                     .arg = ask->arg};
        prl_str_init(&job->head, HEAD_MAX + 32768);
        far->jobs++;
        err = start(job, ask);
        if (err)
            free_job(job);
    }
    if (err)
        prl_pool_end(far->pool, ask->engine, PRL_OUTCOME_FAILED, PRL_FETCH_MEMORY,
                     prl_err_name(err));
    else
        *out = job;
    return err;
}

void prl_tts_far_cancel(struct prl_tts_far_job **job)
{
    PRL_CHECK(job != NULL);
    struct prl_tts_far_job *gone = *job;
    *job = NULL;
    if (!gone)
        return;
    prl_pool_end(gone->far->pool, gone->who.engine, PRL_OUTCOME_CANCELED, PRL_FETCH_OK, NULL);
    prl_hedge_cancel(&gone->request);
    if (gone->busy > 0)
        gone->dead = true;
    else
        free_job(gone);
}
