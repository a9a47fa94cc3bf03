// scripted.c -- see scripted.h. The timeline that the lane's front uses keeps the sound and decides
// what is decoded; each stream has one decode under way at a time, as a remote engine would.
#include "stt/scripted.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/scripted.h"
#include "net/loop.h"
#include "stt/route.h"
#include "stt/timeline.h"

enum {
    TEXT_MAX = 4096,
    WORD_SAMPLES = PRL_STT_RATE_HZ * 3 / 10, // 300 ms
};

struct front {
    struct prl_loop *loop; // borrowed
    struct prl_scripted script;
    struct prl_timer *ready_timer; // owned
    void (*on_ready)(void *arg);
    void *arg;
    bool ready;
    size_t streams;
};

struct stream {
    // Set once.
    struct front *front; // borrowed
    prl_stt_fn fn;
    void *arg;
    bool partials;
    // Owned.
    struct prl_timeline *timeline;
    struct prl_timer *decode;  // a decode's text is due
    struct prl_timer *partial; // a partial's text is due
    // State.
    uint32_t begin;
    size_t speech;      // samples pushed up to the last one that was no silence
    size_t heard;       // words of the last partial
    size_t partial_end; // samples that the partial under way covers
    bool busy;          // `work` is being decoded
    struct prl_timeline_work work;
    int64_t asked_us;
};

// Any number of them may be all that somebody wanted to say.
static const char *const words[] = {"birds", "sing", "early", "today", "gardens", "bloom"};

static size_t words_in(size_t samples)
{
    return samples ? samples / WORD_SAMPLES + 1 : 0;
}

// Appends `count` words; returns where the last one begins.
static size_t write_words(struct prl_str *text, size_t count)
{
    size_t last = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            (void)prl_str_addc(text, ' ');
        last = text->len;
        (void)prl_str_adds(text, words[i % (sizeof(words) / sizeof(words[0]))]);
    }
    return last;
}

static void on_decode(void *arg);
static void on_partial(void *arg);

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

static enum prl_err create(void **out, const struct prl_stt_conf *conf)
{
    struct front *front = prl_mem_zalloc(sizeof(*front));
    if (!front)
        return PRL_ERR_NOMEM;
    front->loop = conf->loop;
    front->script = *(const struct prl_scripted *)conf->front_conf;
    front->on_ready = conf->on_ready;
    front->arg = conf->arg;
    enum prl_err err =
        prl_timer_create(&front->ready_timer, conf->loop, "scripted stt", on_ready, front);
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
    (void)ctx; // everything is worked on at the same time, nothing waits
    return 0;
}

static void close_stream(void *ctx)
{
    struct stream *stream = ctx;
    stream->front->streams--;
    prl_timer_destroy(&stream->decode);
    prl_timer_destroy(&stream->partial);
    prl_timeline_destroy(&stream->timeline);
    prl_mem_free(stream);
}

static enum prl_err open_stream(void *ctx, const struct prl_stt_stream_conf *conf, void **out)
{
    struct front *front = ctx;
    struct stream *stream = prl_mem_zalloc(sizeof(*stream));
    if (!stream)
        return PRL_ERR_NOMEM;
    front->streams++;
    stream->front = front;
    stream->fn = conf->fn;
    stream->arg = conf->arg;
    stream->partials = conf->partials;
    enum prl_err err = prl_timeline_create(&stream->timeline);
    if (!err)
        err = prl_timer_create(&stream->decode, front->loop, "scripted stt", on_decode, stream);
    if (!err)
        err = prl_timer_create(&stream->partial, front->loop, "scripted stt", on_partial, stream);
    if (err)
        close_stream(stream);
    else
        *out = stream;
    return err;
}

static enum prl_err configure(void *ctx, const char *language, const char *prompt)
{
    (void)ctx;
    (void)prompt;
    char code[PRL_STT_LANGUAGE_SIZE];
    return prl_stt_language(language, code);
}

// ---- decodes ----

// Starts the next decode that somebody waits for.
static void start_decode(struct stream *stream)
{
    struct prl_timeline_work work;
    if (stream->busy || !prl_timeline_next(stream->timeline, false, false, &work))
        return;
    stream->busy = true;
    stream->work = work;
    stream->asked_us = prl_loop_now_us(stream->front->loop);
    prl_timer_start(stream->decode, stream->asked_us + stream->front->script.stt_ms * 1000);
}

// The callback may ask for more.
static void deliver(struct stream *stream)
{
    prl_timeline_deliver(stream->timeline, stream->fn, stream->arg);
}

static void on_decode(void *arg)
{
    struct stream *stream = arg;
    struct prl_str text;
    prl_str_init(&text, TEXT_MAX);
    size_t end = stream->work.end < stream->speech ? stream->work.end : stream->speech;
    write_words(&text, words_in(end > stream->work.start ? end - stream->work.start : 0));
    if (text.len > 0)
        (void)prl_str_addc(&text, '.');
    struct prl_timeline_result result = {.err = text.err,
                                         .text = prl_str_text(&text),
                                         .language = "en",
                                         .engine = "scripted",
                                         .work_us = stream->front->script.stt_ms * 1000};
    stream->busy = false;
    prl_timeline_store(stream->timeline, &stream->work, &result, 0);
    prl_str_free(&text);
    deliver(stream);
    start_decode(stream);
}

// ---- partials ----

static void start_partial(struct stream *stream)
{
    if (!stream->partials || prl_timer_active(stream->partial) ||
        words_in(stream->speech) <= stream->heard)
        return;
    stream->partial_end = stream->speech;
    prl_timer_start(stream->partial,
                    prl_loop_now_us(stream->front->loop) + stream->front->script.stt_ms * 1000);
}

static void on_partial(void *arg)
{
    struct stream *stream = arg;
    struct prl_str text;
    prl_str_init(&text, TEXT_MAX);
    stream->heard = words_in(stream->partial_end);
    size_t stable = write_words(&text, stream->heard);
    struct prl_stt_event event = {
        .type = PRL_STT_PARTIAL,
        .generation = stream->begin,
        .text = prl_str_text(&text),
        .stable_bytes = stable > 0 ? stable - 1 : 0, // without the space
        .language = "en",
        .engine = "scripted",
        .audio_ms = (int64_t)(stream->partial_end / (PRL_STT_RATE_HZ / 1000)),
        .work_us = stream->front->script.stt_ms * 1000,
    };
    start_partial(stream);
    if (!text.err)
        stream->fn(stream->arg, &event);
    prl_str_free(&text);
}

// ---- sound ----

static void clear(void *ctx)
{
    struct stream *stream = ctx;
    prl_timeline_clear(stream->timeline);
    prl_timer_stop(stream->decode);
    prl_timer_stop(stream->partial);
    stream->busy = false;
    stream->speech = 0;
    stream->heard = 0;
}

static void begin(void *ctx, uint32_t generation)
{
    struct stream *stream = ctx;
    clear(stream);
    stream->begin = generation;
}

static enum prl_err push(void *ctx, const int16_t *pcm, size_t n, bool silence)
{
    struct stream *stream = ctx;
    enum prl_err err = prl_timeline_push(stream->timeline, pcm, n, silence);
    if (err)
        return err;
    if (!silence)
        stream->speech = prl_timeline_samples(stream->timeline);
    start_partial(stream);
    start_decode(stream); // of a piece that is full
    return PRL_OK;
}

static enum prl_err decode(void *ctx, uint32_t generation, enum prl_stt_want want)
{
    struct stream *stream = ctx;
    enum prl_err err =
        prl_timeline_ask(stream->timeline, generation, want, prl_loop_now_us(stream->front->loop));
    if (err)
        return err;
    deliver(stream);
    start_decode(stream);
    return PRL_OK;
}

static void cancel(void *ctx, uint32_t generation)
{
    struct stream *stream = ctx;
    prl_timeline_cancel(stream->timeline, generation);
}

const struct prl_stt_front_ops prl_stt_scripted = {
    .create = create,
    .destroy = destroy,
    .is_ready = is_ready,
    .backlog = backlog,
    .open = open_stream,
    .close = close_stream,
    .configure = configure,
    .begin = begin,
    .clear = clear,
    .push = push,
    .decode = decode,
    .cancel = cancel,
};
