// scripted.c -- see scripted.h. All clauses of a stream are asked for at once, as of a remote engine,
// and sound one after the other. The sound itself is made once, in create.
#include "tts/scripted.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/scripted.h"
#include "media/chirp.h"
#include "net/loop.h"
#include "tts/voices.h"

enum {
    WORD_SAMPLES = PRL_TTS_RATE_HZ * 3 / 10,
    PIECE_US = 20000, // between two pieces of 200 ms
    HUM_HZ = 250,     // a period is 96 samples, so that pieces fit behind each other
    HUM_AMPLITUDE = 3000,
    MARKS_MAX = 64, // words that end in one piece
};

struct front {
    struct prl_loop *loop; // borrowed
    struct prl_scripted script;
    struct prl_timer *ready_timer; // owned
    void (*on_ready)(void *arg);
    void *arg;
    bool ready;
    size_t waiting;
    size_t streams;
    int16_t hum[PRL_TTS_CHUNK_MAX];
    int16_t opening[PRL_TTS_CHUNK_MAX]; // the chirp, then the hum
};

struct clause {
    uint32_t id;
    char *text; // owned, not terminated
    size_t len;
    int64_t ready_us; // first sample, at the earliest
    bool first;       // of its generation
};

struct stream {
    struct front *front; // borrowed
    prl_tts_fn fn;
    void *arg;
    struct prl_timer *timer; // owned: the next event is due
    float speed;
    bool begun;
    uint32_t generation;
    // Clauses that wait or sound, in a ring; [head] sounds.
    struct clause *queue; // owned, PRL_TTS_QUEUE_MAX
    size_t head, count;
    // Of the one that sounds.
    size_t sent;      // samples
    size_t at;        // bytes of text whose words have been told
    uint32_t word_at; // samples up to there
};

static void on_due(void *arg);

static void on_ready(void *arg)
{
    struct front *front = arg;
    front->ready = true;
    if (front->on_ready)
        front->on_ready(front->arg);
}

static void destroy(void *ctx)
{
    struct front *front = ctx;
    PRL_CHECK(front->streams == 0);
    prl_timer_destroy(&front->ready_timer);
    prl_mem_free(front);
}

static void make_sound(struct front *front)
{
    static const double two_pi = 6.283185307179586;
    for (size_t i = 0; i < PRL_TTS_CHUNK_MAX; i++) {
        double phase = two_pi * HUM_HZ * (double)i / PRL_TTS_RATE_HZ;
        front->hum[i] = (int16_t)lrint(HUM_AMPLITUDE * sin(phase));
    }
    memcpy(front->opening, front->hum, sizeof(front->hum));
    int16_t chirp[PRL_CHIRP_SAMPLES_MAX];
    size_t count = prl_chirp_write(chirp, PRL_TTS_RATE_HZ);
    memcpy(front->opening, chirp, count * sizeof(chirp[0]));
}

static enum prl_err create(void **out, const struct prl_tts_conf *conf)
{
    struct front *front = prl_mem_zalloc(sizeof(*front));
    if (!front)
        return PRL_ERR_NOMEM;
    front->loop = conf->loop;
    front->script = *(const struct prl_scripted *)conf->front_conf;
    front->on_ready = conf->on_ready;
    front->arg = conf->arg;
    make_sound(front);
    enum prl_err err =
        prl_timer_create(&front->ready_timer, conf->loop, "scripted tts", on_ready, front);
    if (err) {
        prl_mem_free(front);
        return err;
    }
    prl_timer_start(front->ready_timer, 0);
    *out = front;
    return PRL_OK;
}

static bool is_ready(const void *ctx)
{
    const struct front *front = ctx;
    return front->ready;
}

static size_t backlog(const void *ctx)
{
    const struct front *front = ctx;
    return front->waiting;
}

static unsigned languages(const void *ctx)
{
    return is_ready(ctx) ? PRL_TTS_LANG_EN | PRL_TTS_LANG_ZH : 0;
}

static void drop_clause(struct stream *stream)
{
    prl_mem_free(stream->queue[stream->head].text);
    stream->head = (stream->head + 1) % PRL_TTS_QUEUE_MAX;
    stream->count--;
    stream->front->waiting--;
    stream->sent = 0;
    stream->at = 0;
    stream->word_at = 0;
}

static void drop_all(struct stream *stream)
{
    while (stream->count > 0)
        drop_clause(stream);
    if (stream->timer)
        prl_timer_stop(stream->timer);
}

static void close_stream(void *ctx)
{
    struct stream *stream = ctx;
    stream->front->streams--;
    drop_all(stream);
    prl_timer_destroy(&stream->timer);
    prl_mem_free(stream->queue);
    prl_mem_free(stream);
}

static enum prl_err configure(void *ctx, const char *voice, float speed)
{
    struct stream *stream = ctx;
    if (voice && !prl_voice_find(voice))
        return PRL_ERR_INVALID;
    if (speed > 0)
        stream->speed = speed;
    return PRL_OK;
}

static enum prl_err open_stream(void *ctx, const struct prl_tts_stream_conf *conf, void **out)
{
    struct front *front = ctx;
    struct stream *stream = prl_mem_zalloc(sizeof(*stream));
    if (!stream)
        return PRL_ERR_NOMEM;
    front->streams++;
    stream->front = front;
    stream->fn = conf->fn;
    stream->arg = conf->arg;
    stream->speed = 1;
    stream->queue = prl_mem_array(PRL_TTS_QUEUE_MAX, sizeof(*stream->queue));
    enum prl_err err = stream->queue ? PRL_OK : PRL_ERR_NOMEM;
    if (!err)
        err = prl_timer_create(&stream->timer, front->loop, "scripted tts", on_due, stream);
    if (!err)
        err = configure(stream, conf->voice, conf->speed);
    if (err)
        close_stream(stream);
    else
        *out = stream;
    return err;
}

static void set_language(void *ctx, enum prl_text_lang language)
{
    (void)ctx;
    (void)language;
}

// ---- sound ----

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

// The next word from `at` on; false: none.
static bool next_word(const struct clause *clause, size_t at, size_t *start, size_t *end)
{
    while (at < clause->len && is_space(clause->text[at]))
        at++;
    *start = at;
    while (at < clause->len && !is_space(clause->text[at]))
        at++;
    *end = at;
    return *end > *start;
}

static uint32_t word_samples(const struct stream *stream)
{
    return (uint32_t)((float)WORD_SAMPLES / stream->speed);
}

static size_t clause_samples(const struct stream *stream, const struct clause *clause)
{
    size_t samples = 0;
    size_t start;
    size_t end = 0;
    while (next_word(clause, end, &start, &end))
        samples += word_samples(stream);
    return samples;
}

// The words that end within the samples sent so far.
static size_t take_marks(struct stream *stream, const struct clause *clause,
                         struct prl_tts_mark marks[MARKS_MAX])
{
    size_t count = 0;
    size_t start;
    size_t end;
    while (count < MARKS_MAX && stream->word_at + word_samples(stream) <= stream->sent &&
           next_word(clause, stream->at, &start, &end)) {
        uint32_t sample = stream->word_at;
        stream->word_at += word_samples(stream);
        stream->at = end;
        marks[count++] =
            (struct prl_tts_mark){sample, stream->word_at, (uint32_t)start, (uint32_t)end};
    }
    return count;
}

// When the next event of the clause in front is due, now that one was given at `now_us`.
static void start_timer(struct stream *stream, int64_t now_us, int64_t rest_us)
{
    if (stream->count == 0)
        return;
    int64_t ready_us = stream->queue[stream->head].ready_us;
    int64_t due_us = now_us + rest_us;
    prl_timer_start(stream->timer, due_us > ready_us ? due_us : ready_us);
}

static void tell_done(struct stream *stream, int64_t now_us)
{
    const struct clause *clause = &stream->queue[stream->head];
    struct prl_tts_event event = {.type = PRL_TTS_CLAUSE_DONE,
                                  .generation = stream->generation,
                                  .clause_id = clause->id,
                                  .sample_start = (uint32_t)stream->sent,
                                  .engine = "scripted",
                                  .first_us = stream->front->script.tts_first_ms * 1000,
                                  .work_us = stream->front->script.tts_first_ms * 1000};
    drop_clause(stream);
    start_timer(stream, now_us, 0);
    stream->fn(stream->arg, &event);
}

// One event, last in the function: it may close the stream.
static void on_due(void *arg)
{
    struct stream *stream = arg;
    int64_t now_us = prl_loop_now_us(stream->front->loop);
    const struct clause *clause = &stream->queue[stream->head];
    size_t all = clause_samples(stream, clause);
    if (stream->sent == all) {
        tell_done(stream, now_us);
        return;
    }
    struct prl_tts_mark marks[MARKS_MAX];
    size_t samples =
        all - stream->sent < PRL_TTS_CHUNK_MAX ? all - stream->sent : PRL_TTS_CHUNK_MAX;
    bool opening = clause->first && stream->sent == 0;
    struct prl_tts_event event = {.type = PRL_TTS_AUDIO,
                                  .generation = stream->generation,
                                  .clause_id = clause->id,
                                  .pcm = opening ? stream->front->opening : stream->front->hum,
                                  .samples = samples,
                                  .sample_start = (uint32_t)stream->sent,
                                  .marks = marks,
                                  .engine = "scripted"};
    stream->sent += samples;
    event.mark_count = take_marks(stream, clause, marks);
    start_timer(stream, now_us, stream->sent == all ? 0 : PIECE_US);
    stream->fn(stream->arg, &event);
}

static void cancel(void *ctx, uint32_t generation)
{
    struct stream *stream = ctx;
    if (stream->begun && generation >= stream->generation)
        drop_all(stream);
}

static enum prl_err say(void *ctx, uint32_t generation, uint32_t clause_id, const char *text,
                        size_t len)
{
    struct stream *stream = ctx;
    bool first = !stream->begun || generation > stream->generation;
    if (first)
        drop_all(stream);
    if (stream->count == PRL_TTS_QUEUE_MAX)
        return PRL_ERR_FULL;
    char *copy = prl_mem_strndup(text, len);
    if (!copy)
        return PRL_ERR_NOMEM;
    int64_t now_us = prl_loop_now_us(stream->front->loop);
    stream->begun = true;
    stream->generation = generation;
    stream->queue[(stream->head + stream->count) % PRL_TTS_QUEUE_MAX] =
        (struct clause){.id = clause_id,
                        .text = copy,
                        .len = len,
                        .ready_us = now_us + stream->front->script.tts_first_ms * 1000,
                        .first = first};
    stream->count++;
    stream->front->waiting++;
    if (stream->count == 1)
        start_timer(stream, now_us, 0);
    return PRL_OK;
}

const struct prl_tts_front_ops prl_tts_scripted = {
    .create = create,
    .destroy = destroy,
    .is_ready = is_ready,
    .backlog = backlog,
    .languages = languages,
    .open = open_stream,
    .close = close_stream,
    .configure = configure,
    .set_language = set_language,
    .say = say,
    .cancel = cancel,
};
