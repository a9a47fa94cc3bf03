// scripted.c -- see scripted.h.
#include "llm/scripted.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/backend.h"
#include "net/loop.h"

enum { WORD_MAX = 32 };

struct front {
    struct prl_llm base;
    struct prl_scripted script;
    struct prl_timer *ready_timer; // owned
    prl_llm_state_fn on_state;
    void *arg;
    bool ready;
    struct prl_llm_stats stats;
    struct stream *streams; // owned by those who opened them, until destroy
};

struct stream {
    struct prl_llm_stream base;
    struct front *front; // borrowed
    struct stream *next;
    prl_llm_event_fn fn;
    void *arg;
    struct prl_timer *timer; // owned: the next word is due
    bool running;
    uint32_t generation;
    int64_t asked_us;
    int64_t words; // said
    int64_t words_all;
    int input_tokens;
};

static const char *const words[] = {
    "Of",    "course", "I",    "can,", "and", "here",    "is",  "what", "I",  "know",  "about",
    "that.", "Birds",  "sing", "in",   "the", "morning", "and", "rest", "at", "night."};

static void on_word(void *arg);
static const struct prl_llm_backend_ops ops;

static void on_ready(void *arg)
{
    struct front *front = arg;
    front->ready = true;
    if (front->on_state)
        front->on_state(front->arg, PRL_LLM_READY, "scripted answers, no model");
}

static void free_stream(struct stream *stream)
{
    prl_timer_destroy(&stream->timer);
    prl_mem_free(stream);
}

static void destroy(struct prl_llm **llm)
{
    struct front *front = (struct front *)*llm;
    while (front->streams) {
        struct stream *stream = front->streams;
        front->streams = stream->next;
        free_stream(stream);
    }
    prl_timer_destroy(&front->ready_timer);
    prl_mem_free(front);
    *llm = NULL;
}

static enum prl_llm_state state(const struct prl_llm *llm)
{
    const struct front *front = (const struct front *)llm;
    return front->ready ? PRL_LLM_READY : PRL_LLM_LOADING;
}

static struct prl_llm_stats stats(const struct prl_llm *llm)
{
    const struct front *front = (const struct front *)llm;
    return front->stats;
}

static enum prl_err open_stream(struct prl_llm *llm, const struct prl_llm_stream_conf *conf,
                                struct prl_llm_stream **out)
{
    struct front *front = (struct front *)llm;
    struct stream *stream = prl_mem_zalloc(sizeof(*stream));
    if (!stream)
        return PRL_ERR_NOMEM;
    stream->base = (struct prl_llm_stream){&ops, front->base.loop};
    stream->front = front;
    stream->fn = conf->fn;
    stream->arg = conf->arg;
    enum prl_err err =
        prl_timer_create(&stream->timer, front->base.loop, "scripted llm", on_word, stream);
    if (err) {
        prl_mem_free(stream);
        return err;
    }
    stream->next = front->streams;
    front->streams = stream;
    *out = &stream->base;
    return PRL_OK;
}

static void close_stream(struct prl_llm_stream *base)
{
    struct stream *stream = (struct stream *)base;
    struct stream **link = &stream->front->streams;
    while (*link != stream)
        link = &(*link)->next;
    *link = stream->next;
    free_stream(stream);
}

static int64_t word_us(const struct stream *stream, int64_t word)
{
    const struct prl_scripted *script = &stream->front->script;
    return stream->asked_us + script->llm_first_ms * 1000 + word * 1000000 / script->llm_words_s;
}

static enum prl_err generate(struct prl_llm_stream *base, uint32_t generation,
                             const struct prl_llm_prompt *prompt,
                             const struct prl_llm_params *params)
{
    struct stream *stream = (struct stream *)base;
    if (prompt->open)
        return PRL_ERR_INVALID;
    int64_t most = params->max_output_tokens > 0 ? params->max_output_tokens : INT64_MAX;
    int64_t wanted = stream->front->script.llm_words;
    stream->running = true;
    stream->generation = generation;
    stream->words = 0;
    stream->words_all = wanted < most ? wanted : most;
    stream->asked_us = prl_loop_now_us(stream->front->base.loop);
    stream->input_tokens = (int)prompt->message_count;
    stream->front->stats.generations++;
    prl_timer_start(stream->timer, word_us(stream, 0));
    return PRL_OK;
}

// One event, last in the function: it may close the stream.
static void on_word(void *arg)
{
    struct stream *stream = arg;
    struct prl_llm_event event = {.generation = stream->generation};
    if (stream->words == stream->words_all) {
        stream->running = false;
        event.kind = PRL_LLM_EVENT_DONE;
        event.reason = PRL_LLM_REASON_STOP;
        event.usage = (struct prl_llm_usage){.input_tokens = stream->input_tokens,
                                             .output_tokens = (int)stream->words};
        event.timings = (struct prl_llm_timings){
            .first_token_us = stream->front->script.llm_first_ms * 1000,
            .decode_us = prl_loop_now_us(stream->front->base.loop) - word_us(stream, 0)};
        stream->fn(stream->arg, &event);
        return;
    }
    char text[WORD_MAX] = " ";
    bool first = stream->words == 0;
    size_t index = (size_t)stream->words % (sizeof(words) / sizeof(words[0]));
    (void)prl_str_copy(text + !first, sizeof(text) - 1, words[index]);
    event.kind = PRL_LLM_EVENT_TOKEN;
    event.text = text;
    event.len = strlen(text);
    stream->words++;
    // The end comes with the last word, as an API says it.
    bool end = stream->words == stream->words_all;
    prl_timer_start(stream->timer, word_us(stream, stream->words - end));
    stream->fn(stream->arg, &event);
}

static void cancel(struct prl_llm_stream *base, uint32_t generation)
{
    struct stream *stream = (struct stream *)base;
    if (stream->running && (int32_t)(generation - stream->generation) >= 0) {
        stream->running = false;
        prl_timer_stop(stream->timer);
    }
}

static const struct prl_llm_backend_ops ops = {
    .destroy = destroy,
    .state = state,
    .stats = stats,
    .open = open_stream,
    .close = close_stream,
    .generate = generate,
    .cancel = cancel,
};

enum prl_err prl_llm_scripted_create(struct prl_llm **out, const struct prl_llm_conf *conf,
                                     const struct prl_scripted *script)
{
    *out = NULL;
    struct front *front = prl_mem_zalloc(sizeof(*front));
    if (!front)
        return PRL_ERR_NOMEM;
    front->base = (struct prl_llm){.ops = &ops, .loop = conf->loop};
    front->script = *script;
    front->on_state = conf->on_state;
    front->arg = conf->arg;
    enum prl_err err =
        prl_timer_create(&front->ready_timer, conf->loop, "scripted llm", on_ready, front);
    if (err) {
        prl_mem_free(front);
        return err;
    }
    prl_timer_start(front->ready_timer, 0);
    *out = &front->base;
    return PRL_OK;
}
