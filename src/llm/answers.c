// answers.c -- see answers.h.
#include "llm/answers.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "engine/hash.h"
#include "llm/backend.h"
#include "net/loop.h"

enum {
    PIECE = 48,       // bytes of an event of an answer that is given again
    ENTRY_BYTES = 256 // beside the text
};

struct entry {
    struct entry *next, *previous; // newest use first
    char key[PRL_HASH_TEXT_SIZE];
    int64_t made_us;
    struct prl_llm_usage usage;
    size_t len;
    char text[];
};

struct answers {
    struct prl_llm base;
    struct prl_llm *model; // borrowed
    char *name;            // owned
    size_t entries_max, bytes_max;
    int64_t age_us_max;
    bool sampled;
    struct entry *first, *last;
    size_t count, bytes;
    size_t streams;
};

struct stream {
    struct prl_llm_stream base;
    struct answers *answers;
    prl_llm_event_fn fn;
    void *arg;
    struct prl_llm_stream *inner; // owned
    struct prl_timer *timer;      // owned; the next piece of what is given again
    uint32_t generation;          // running, or the last one
    // An answer that the model makes, to be kept.
    bool keeping;
    char key[PRL_HASH_TEXT_SIZE];
    struct prl_str text;
    // One that is given again.
    bool again;
    size_t at; // of text
    struct prl_llm_usage usage;
    int64_t start_us;
};

// ---- the store ----

static size_t entry_bytes(const struct entry *entry)
{
    return entry->len + ENTRY_BYTES;
}

static void unlink_entry(struct answers *answers, struct entry *entry)
{
    if (entry->previous)
        entry->previous->next = entry->next;
    else
        answers->first = entry->next;
    if (entry->next)
        entry->next->previous = entry->previous;
    else
        answers->last = entry->previous;
    answers->count--;
    answers->bytes -= entry_bytes(entry);
}

static void link_first(struct answers *answers, struct entry *entry)
{
    entry->previous = NULL;
    entry->next = answers->first;
    if (answers->first)
        answers->first->previous = entry;
    else
        answers->last = entry;
    answers->first = entry;
    answers->count++;
    answers->bytes += entry_bytes(entry);
}

static void drop(struct answers *answers, struct entry *entry)
{
    unlink_entry(answers, entry);
    explicit_bzero(entry->text, entry->len);
    prl_mem_free(entry);
}

static struct entry *find(struct answers *answers, const char *key)
{
    struct entry *entry = answers->first;
    while (entry && strcmp(entry->key, key) != 0)
        entry = entry->next;
    if (!entry || prl_loop_now_us(answers->base.loop) - entry->made_us < answers->age_us_max)
        return entry;
    drop(answers, entry);
    return NULL;
}

static void keep(struct answers *answers, const struct stream *stream,
                 const struct prl_llm_usage *usage)
{
    struct entry *old = find(answers, stream->key);
    size_t len = stream->text.len;
    if (old)
        drop(answers, old);
    if (len == 0 || len + ENTRY_BYTES > answers->bytes_max)
        return;
    struct entry *entry = prl_mem_zalloc(sizeof(*entry) + len);
    if (!entry)
        return; // it is made anew next time
    memcpy(entry->key, stream->key, sizeof(entry->key));
    entry->made_us = prl_loop_now_us(answers->base.loop);
    entry->usage = *usage;
    entry->len = len;
    memcpy(entry->text, stream->text.data, len);
    link_first(answers, entry);
    while (answers->last && answers->last != entry &&
           (answers->bytes > answers->bytes_max || answers->count > answers->entries_max))
        drop(answers, answers->last);
}

// ---- keys ----

static bool is_plain(const struct prl_llm_prompt *prompt)
{
    if (prompt->open || (prompt->tool_count > 0 && prompt->tool_choice != PRL_LLM_TOOLS_NONE))
        return false;
    for (size_t i = 0; i < prompt->message_count; i++) {
        const struct prl_llm_message *message = &prompt->messages[i];
        if (message->role == PRL_LLM_TOOL || message->call_count > 0 || message->image_count > 0)
            return false;
    }
    return true;
}

// Each text with its length before it, so that no two prompts read alike.
static void add_text(struct prl_str *out, const char *text, size_t len)
{
    (void)prl_str_addf(out, "%zu:", len);
    if (len > 0)
        (void)prl_str_add(out, text, len);
}

static bool make_key(const struct answers *answers, const struct prl_llm_prompt *prompt,
                     const struct prl_llm_params *params, char key[PRL_HASH_TEXT_SIZE])
{
    bool drawn = params->temperature < 0 || params->temperature > 0;
    if (!is_plain(prompt) || (drawn && !answers->sampled))
        return false;
    const char *owner = params->owner ? params->owner : "";
    struct prl_str text;
    prl_str_init(&text, (size_t)PRL_LLM_PROMPT_BYTES_MAX * 2);
    add_text(&text, owner, strlen(owner));
    add_text(&text, answers->name, strlen(answers->name));
    (void)prl_str_addf(&text, "%.6f %.6f %u %d ", params->temperature, params->top_p, params->seed,
                       params->max_output_tokens);
    for (size_t i = 0; i < prompt->stop_count; i++)
        add_text(&text, prompt->stops[i], strlen(prompt->stops[i]));
    for (size_t i = 0; i < prompt->message_count; i++) {
        (void)prl_str_addf(&text, " %d ", (int)prompt->messages[i].role);
        add_text(&text, prompt->messages[i].text, prompt->messages[i].len);
    }
    bool made = !text.err && prl_hash_bytes(text.data, text.len, key) == PRL_OK;
    prl_str_free(&text);
    return made;
}

// ---- a stream's events ----

static void on_inner(void *arg, const struct prl_llm_event *event)
{
    struct stream *stream = arg;
    switch (event->kind) {
    case PRL_LLM_EVENT_TOKEN:
        if (stream->keeping && prl_str_add(&stream->text, event->text, event->len) != PRL_OK)
            stream->keeping = false;
        break;
    case PRL_LLM_EVENT_DONE:
        if (stream->keeping && event->reason == PRL_LLM_REASON_STOP)
            keep(stream->answers, stream, &event->usage);
        stream->keeping = false;
        break;
    case PRL_LLM_EVENT_TOOL_BEGIN:
    case PRL_LLM_EVENT_TOOL_ARGS:
    case PRL_LLM_EVENT_TOOL_END:
    case PRL_LLM_EVENT_AUDIO:
    case PRL_LLM_EVENT_ERROR:
        stream->keeping = false;
        break;
    }
    stream->fn(stream->arg, event);
}

// One event, last in the function: it may close the stream.
static void on_timer(void *arg)
{
    struct stream *stream = arg;
    struct prl_llm_event event = {.generation = stream->generation};
    if (!stream->again)
        return;
    size_t left = stream->text.len - stream->at;
    if (left == 0) {
        stream->again = false;
        event.kind = PRL_LLM_EVENT_DONE;
        event.reason = PRL_LLM_REASON_STOP;
        event.usage = stream->usage;
        event.timings.decode_us = prl_clock_now_us() - stream->start_us;
        stream->fn(stream->arg, &event);
        return;
    }
    char piece[PIECE + 1];
    const char *from = stream->text.data + stream->at;
    size_t len = left <= PIECE ? left : prl_utf8_whole(from, PIECE);
    memcpy(piece, from, len);
    piece[len] = '\0';
    event.kind = PRL_LLM_EVENT_TOKEN;
    event.text = piece;
    event.len = len;
    stream->at += len;
    prl_timer_start(stream->timer, 0);
    stream->fn(stream->arg, &event);
}

static void stop_again(struct stream *stream)
{
    stream->again = stream->keeping = false;
    prl_timer_stop(stream->timer);
    prl_str_free(&stream->text);
    prl_str_init(&stream->text, PRL_LLM_PROMPT_BYTES_MAX);
}

// ---- the table ----

static void destroy(struct prl_llm **llm)
{
    struct answers *answers = (struct answers *)*llm;
    PRL_CHECK(answers->streams == 0);
    while (answers->last)
        drop(answers, answers->last);
    prl_mem_free(answers->name);
    prl_mem_free(answers);
    *llm = NULL;
}

static enum prl_llm_state state_of(const struct prl_llm *llm)
{
    return prl_llm_state(((const struct answers *)llm)->model);
}

static struct prl_llm_stats stats_of(const struct prl_llm *llm)
{
    return prl_llm_stats(((const struct answers *)llm)->model);
}

static void close_stream(struct prl_llm_stream *base)
{
    struct stream *stream = (struct stream *)base;
    prl_llm_close(&stream->inner);
    prl_timer_destroy(&stream->timer);
    prl_str_free(&stream->text);
    stream->answers->streams--;
    prl_mem_free(stream);
}

static enum prl_err open_stream(struct prl_llm *llm, const struct prl_llm_stream_conf *conf,
                                struct prl_llm_stream **out)
{
    struct answers *answers = (struct answers *)llm;
    struct stream *stream = prl_mem_zalloc(sizeof(*stream));
    if (!stream)
        return PRL_ERR_NOMEM;
    *stream = (struct stream){.base = {.ops = llm->ops, .loop = llm->loop},
                              .answers = answers,
                              .fn = conf->fn,
                              .arg = conf->arg};
    answers->streams++;
    prl_str_init(&stream->text, PRL_LLM_PROMPT_BYTES_MAX);
    struct prl_llm_stream_conf inner = {.fn = on_inner, .arg = stream};
    enum prl_err err =
        prl_timer_create(&stream->timer, llm->loop, "answer again", on_timer, stream);
    if (!err)
        err = prl_llm_open(answers->model, &inner, &stream->inner);
    if (err)
        close_stream(&stream->base);
    else
        *out = &stream->base;
    return err;
}

static enum prl_err prefill(struct prl_llm_stream *base, uint32_t generation,
                            const struct prl_llm_prompt *prompt)
{
    struct stream *stream = (struct stream *)base;
    return stream->again ? PRL_OK : prl_llm_prefill(stream->inner, generation, prompt);
}

// False: there is no memory for it; the model is asked.
static bool give_again(struct stream *stream, struct entry *entry)
{
    if (prl_str_add(&stream->text, entry->text, entry->len) != PRL_OK)
        return false;
    unlink_entry(stream->answers, entry);
    link_first(stream->answers, entry);
    stream->again = true;
    stream->at = 0;
    stream->usage = entry->usage;
    stream->usage.cached_tokens = entry->usage.input_tokens;
    stream->start_us = prl_clock_now_us();
    prl_timer_start(stream->timer, 0);
    return true;
}

static enum prl_err generate(struct prl_llm_stream *base, uint32_t generation,
                             const struct prl_llm_prompt *prompt,
                             const struct prl_llm_params *params)
{
    struct stream *stream = (struct stream *)base;
    uint32_t before = stream->generation;
    stop_again(stream);
    stream->generation = generation;
    bool kept = make_key(stream->answers, prompt, params, stream->key);
    struct entry *entry = kept ? find(stream->answers, stream->key) : NULL;
    if (entry && give_again(stream, entry)) {
        prl_llm_cancel(stream->inner, before);
        prl_metrics_add(PRL_METRIC_ANSWERS_HIT, 1);
        return PRL_OK;
    }
    if (kept)
        prl_metrics_add(PRL_METRIC_ANSWERS_MISSED, 1);
    prl_str_clear(&stream->text);
    enum prl_err err = prl_llm_generate(stream->inner, generation, prompt, params);
    stream->keeping = kept && !err;
    return err;
}

static void commit(struct prl_llm_stream *base, uint32_t generation)
{
    prl_llm_commit(((struct stream *)base)->inner, generation);
}

static void cancel(struct prl_llm_stream *base, uint32_t generation)
{
    struct stream *stream = (struct stream *)base;
    if ((int32_t)(generation - stream->generation) >= 0)
        stop_again(stream);
    prl_llm_cancel(stream->inner, generation);
}

static void warm(struct prl_llm *llm)
{
    prl_llm_warm(((struct answers *)llm)->model);
}

static const struct prl_llm_backend_ops ops = {.destroy = destroy,
                                               .state = state_of,
                                               .stats = stats_of,
                                               .open = open_stream,
                                               .close = close_stream,
                                               .prefill = prefill,
                                               .generate = generate,
                                               .commit = commit,
                                               .cancel = cancel,
                                               .warm = warm};

enum prl_err prl_answers_create(struct prl_llm **out, const struct prl_answers_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->loop != NULL && conf->model != NULL);
    PRL_CHECK(conf->entries_max >= 1 && conf->entries_max <= PRL_ANSWERS_ENTRIES_MAX);
    PRL_CHECK(!prl_llm_speaks(conf->model));
    *out = NULL;
    struct answers *answers = prl_mem_zalloc(sizeof(*answers));
    if (!answers)
        return PRL_ERR_NOMEM;
    *answers = (struct answers){
        .base = {.ops = &ops, .loop = conf->loop, .sees = prl_llm_sees(conf->model)},
        .model = conf->model,
        .name = prl_mem_strdup(conf->name),
        .entries_max = conf->entries_max,
        .bytes_max = conf->bytes_max,
        .age_us_max = conf->age_us_max,
        .sampled = conf->sampled};
    if (!answers->name) {
        prl_mem_free(answers);
        return PRL_ERR_NOMEM;
    }
    *out = &answers->base;
    return PRL_OK;
}

void prl_answers_render(const struct prl_llm *llm, struct prl_str *out)
{
    const struct answers *answers = (const struct answers *)llm;
    PRL_CHECK(llm->ops == &ops);
    (void)prl_metrics_render_one(out, "gauge", "parley_answers_bytes",
                                 "Answers that are kept to be given again", (double)answers->bytes);
    (void)prl_metrics_render_one(out, "gauge", "parley_answers", "Number of answers that are kept",
                                 (double)answers->count);
}
