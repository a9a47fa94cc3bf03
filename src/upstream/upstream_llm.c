// upstream_llm.c -- the model's side of an upstream: a prompt becomes the upstream's conversation and
// a response, and that becomes text, words, sound and calls.
#include <string.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/mem.h"
#include "upstream/upstream_state.h"

enum {
    US_PER_MS = 1000,
    SAMPLES_PER_MS = 24,
    SLICE_CHARS = 8192, // of base64, decoded at a time
    SLICE_BYTES = SLICE_CHARS / 4 * 3 + 4,
    WORDS_MAX = 32,      // in one event
    CANCEL_US = 5000000, // in which a cancelled response must have ended
};

static struct prl_upstream_answer *answer_of(struct prl_llm_stream *stream)
{
    return (struct prl_upstream_answer *)(void *)stream;
}

static struct prl_upstream *upstream_of(struct prl_llm *llm)
{
    return (struct prl_upstream *)(void *)llm;
}

// ---- life ----

static void destroy(struct prl_llm **llm)
{
    (void)llm; // goes with its upstream
}

static enum prl_llm_state state(const struct prl_llm *llm)
{
    (void)llm;
    return PRL_LLM_READY;
}

static struct prl_llm_stats stats(const struct prl_llm *llm)
{
    (void)llm;
    return (struct prl_llm_stats){0};
}

static void release(struct prl_upstream *up, const struct prl_upstream_answer *answer)
{
    if (up->holder != answer)
        return;
    up->holder = NULL;
    if (up->wsc)
        prl_wsc_resume(up->wsc);
}

static void end_job(struct prl_upstream_answer *answer)
{
    release(answer->up, answer);
    answer->job = PRL_JOB_NONE;
    answer->doomed = false;
    prl_mem_free(answer->prompt);
    answer->prompt = NULL;
    prl_upstream_arm(answer->up);
}

static enum prl_err open_stream(struct prl_llm *llm, const struct prl_llm_stream_conf *conf,
                                struct prl_llm_stream **out)
{
    struct prl_upstream *up = upstream_of(llm);
    struct prl_upstream_answer *answer = prl_mem_zalloc(sizeof(*answer));
    if (!answer)
        return PRL_ERR_NOMEM;
    enum prl_err err = prl_align_create(&answer->align);
    if (err) {
        prl_mem_free(answer);
        return err;
    }
    answer->base = (struct prl_llm_stream){&prl_upstream_llm_ops, llm->loop};
    answer->up = up;
    answer->fn = conf->fn;
    answer->arg = conf->arg;
    answer->next = up->answers;
    up->answers = answer;
    *out = &answer->base;
    return PRL_OK;
}

static void cancel_job(struct prl_upstream_answer *answer)
{
    struct prl_upstream *up = answer->up;
    bool asked = answer->job == PRL_JOB_ASKED && up->ready && !up->lost[0];
    bool main = asked && up->busy && up->busy_key == answer->key;
    if (main)
        up->busy_until_us = prl_upstream_now() + CANCEL_US;
    end_job(answer);
    // Without its name the running response of the conversation is meant.
    if (main || (asked && answer->response_id[0])) {
        prl_ask_cancel(&up->out, answer->response_id);
        (void)!prl_upstream_send(up);
    }
}

static void close_stream(struct prl_llm_stream *stream)
{
    struct prl_upstream_answer *answer = answer_of(stream);
    struct prl_upstream_answer **at = &answer->up->answers;
    if (answer->job != PRL_JOB_NONE)
        cancel_job(answer);
    while (*at && *at != answer)
        at = &(*at)->next;
    if (*at)
        *at = answer->next;
    prl_upstream_arm(answer->up);
    prl_align_destroy(&answer->align);
    prl_mem_free(answer);
}

// ---- asking ----

static enum prl_err say_remove(void *arg, const char *id)
{
    struct prl_upstream *up = arg;
    prl_ask_remove(&up->out, id);
    return prl_upstream_send(up);
}

static enum prl_err say_truncate(void *arg, const char *id, uint64_t samples)
{
    struct prl_upstream *up = arg;
    prl_ask_truncate(&up->out, id, (int64_t)(samples / SAMPLES_PER_MS));
    return prl_upstream_send(up);
}

static enum prl_err say_create(void *arg, const char *after, const struct prl_mirror_item *item)
{
    struct prl_upstream *up = arg;
    prl_ask_create(&up->out, after, item);
    return prl_upstream_send(up);
}

static const struct prl_mirror_ops say_ops = {say_remove, say_truncate, say_create};

static const char *system_text(const struct prl_llm_prompt *prompt)
{
    bool leading = prompt->message_count > 0 && prompt->messages[0].role == PRL_LLM_SYSTEM;
    return leading && prompt->messages[0].text ? prompt->messages[0].text : "";
}

static enum prl_err ask(struct prl_upstream_answer *answer)
{
    struct prl_upstream *up = answer->up;
    struct prl_mirror_rest rest = {"", 0};
    enum prl_err err = prl_upstream_tell_sound(up);
    if (!err && !answer->aside)
        err = prl_upstream_tell_persona(up, answer->prompt);
    if (!err && !answer->aside)
        err = prl_mirror_sync(up->mirror, answer->prompt, &say_ops, up, &rest);
    if (err)
        return err;
    answer->key = ++up->number;
    struct prl_ask_response wish = {.key = answer->key,
                                    .prompt = answer->aside ? answer->prompt : NULL,
                                    .instructions = system_text(answer->prompt),
                                    .note = rest.text,
                                    .note_len = rest.len,
                                    .audio = answer->audio,
                                    .max_output_tokens = answer->max_output_tokens};
    prl_ask_response(&up->out, &wish);
    err = prl_upstream_send(up);
    if (err)
        return err;
    answer->job = PRL_JOB_ASKED;
    answer->attempts++;
    answer->response_id[0] = '\0';
    answer->item_id[0] = '\0';
    answer->has_odd = false;
    answer->called = false;
    prl_align_reset(answer->align);
    answer->asked_us = prl_upstream_now();
    answer->first_us = 0;
    answer->deadline_us = answer->asked_us + up->kit->conf.first_byte_ms * US_PER_MS;
    if (!answer->aside) {
        up->busy = true;
        up->busy_key = answer->key;
        up->busy_id[0] = '\0';
    }
    return PRL_OK;
}

void prl_upstream_ask_answers(struct prl_upstream *up)
{
    for (struct prl_upstream_answer *a = up->answers; a; a = a->next)
        if (a->job == PRL_JOB_WAITING && !a->doomed && !up->lost[0] && (a->aside || !up->busy) &&
            ask(a) != PRL_OK)
            prl_upstream_lose(up, "a response could not be asked for");
}

static enum prl_err generate(struct prl_llm_stream *stream, uint32_t generation,
                             const struct prl_llm_prompt *prompt,
                             const struct prl_llm_params *params)
{
    struct prl_upstream_answer *answer = answer_of(stream);
    struct prl_upstream *up = answer->up;
    enum prl_err err = prl_llm_prompt_check(prompt);
    if (!err && prompt->open)
        err = PRL_ERR_INVALID;
    if (err)
        return err;
    if (answer->job != PRL_JOB_NONE)
        cancel_job(answer);
    size_t size;
    err = prl_llm_prompt_copy(&answer->prompt, &size, prompt);
    if (!err)
        err = prl_upstream_want(up);
    if (err) {
        end_job(answer);
        return err;
    }
    // The voice of a connection that has spoken is settled.
    if (params->voice && !up->voiced)
        (void)prl_str_copy(up->voice, sizeof(up->voice), params->voice);
    up->speed = params->speed;
    answer->job = PRL_JOB_WAITING;
    answer->generation = generation;
    answer->max_output_tokens = params->max_output_tokens;
    answer->audio = params->audio;
    answer->aside = params->aside;
    answer->attempts = 0;
    answer->handed = false;
    int64_t limit_ms = up->kit->conf.connect_ms + up->kit->conf.first_byte_ms;
    answer->deadline_us = prl_upstream_now() + limit_ms * US_PER_MS;
    if (up->ready)
        prl_upstream_ask_answers(up);
    prl_upstream_arm(up);
    return PRL_OK;
}

// The connection is there when somebody speaks or writes. Whoever cannot be reached now is tried again then.
static void warm(struct prl_llm *llm)
{
    struct prl_upstream *up = upstream_of(llm);
    if (up->kit->conf.warm)
        (void)!prl_upstream_want(up);
}

static void cancel(struct prl_llm_stream *stream, uint32_t generation)
{
    struct prl_upstream_answer *answer = answer_of(stream);
    if (answer->job != PRL_JOB_NONE && generation >= answer->generation)
        cancel_job(answer);
}

static void flow(struct prl_llm_stream *stream, bool wanted)
{
    struct prl_upstream_answer *answer = answer_of(stream);
    struct prl_upstream *up = answer->up;
    if (wanted) {
        release(up, answer);
        answer->deadline_us = prl_upstream_now() + up->kit->conf.gap_ms * US_PER_MS;
    } else if (!up->holder && answer->job == PRL_JOB_ASKED && up->wsc) {
        up->holder = answer;
        prl_wsc_pause(up->wsc);
    }
    prl_upstream_arm(up);
}

// ---- what comes ----

// The session may do anything meanwhile: false when the job is over or another one.
static bool deliver(struct prl_upstream *up, struct prl_upstream_answer *answer,
                    struct prl_llm_event *event)
{
    uint32_t key = answer->key;
    event->generation = answer->generation;
    answer->fn(answer->arg, event);
    for (const struct prl_upstream_answer *a = up->answers; a; a = a->next)
        if (a == answer)
            return a->job == PRL_JOB_ASKED && a->key == key;
    return false;
}

static void note_progress(struct prl_upstream_answer *answer)
{
    int64_t now_us = prl_upstream_now();
    answer->handed = true;
    if (answer->first_us == 0)
        answer->first_us = now_us;
    answer->deadline_us = now_us + answer->up->kit->conf.gap_ms * US_PER_MS;
}

// Hands out sound and the words that end in it.
static bool hand_out(struct prl_upstream *up, struct prl_upstream_answer *answer,
                     const int16_t *pcm, size_t samples)
{
    for (;;) {
        struct prl_llm_word words[WORDS_MAX];
        size_t count = 0;
        while (count < WORDS_MAX && prl_align_next(answer->align, &words[count]))
            count++;
        for (size_t i = 0; i < count && !answer->aside; i++)
            if (prl_mirror_word(up->mirror, answer->item_id, words[i].byte_end,
                                words[i].sample_end) != PRL_OK)
                prl_upstream_lose(up, "out of memory");
        if (samples == 0 && count == 0)
            return true;
        struct prl_llm_event event = {.kind = PRL_LLM_EVENT_AUDIO,
                                      .pcm = pcm,
                                      .samples = samples,
                                      .words = words,
                                      .word_count = count};
        if (!deliver(up, answer, &event))
            return false;
        samples = 0;
        if (count < WORDS_MAX)
            return true;
    }
}

static void on_text(struct prl_upstream *up, struct prl_upstream_answer *answer,
                    const struct prl_upstream_event *event)
{
    if (event->len == 0)
        return;
    note_progress(answer);
    int64_t start = event->start_ms >= 0 ? event->start_ms * SAMPLES_PER_MS : -1;
    if (prl_align_text(answer->align, event->text, event->len, start) != PRL_OK) {
        prl_upstream_lose(up, "out of memory");
        return;
    }
    struct prl_llm_event out = {
        .kind = PRL_LLM_EVENT_TOKEN, .text = event->text, .len = event->len};
    if (deliver(up, answer, &out) && answer->audio)
        (void)hand_out(up, answer, NULL, 0);
}

// One slice of base64; false: the job is over.
static bool on_slice(struct prl_upstream *up, struct prl_upstream_answer *answer,
                     const uint8_t *bytes, size_t size)
{
    int16_t pcm[SLICE_BYTES / 2 + 1];
    uint8_t *to = (uint8_t *)pcm;
    size_t have = 0;
    if (answer->has_odd)
        to[have++] = answer->odd;
    memcpy(to + have, bytes, size);
    have += size;
    answer->has_odd = have % 2 == 1;
    if (answer->has_odd)
        answer->odd = to[have - 1];
    if (have < 2)
        return true;
    prl_align_sound(answer->align, have / 2);
    return hand_out(up, answer, pcm, have / 2);
}

static void on_audio(struct prl_upstream *up, struct prl_upstream_answer *answer,
                     const struct prl_upstream_event *event)
{
    struct prl_base64 decoder = {0};
    uint8_t bytes[SLICE_BYTES];
    if (!answer->audio)
        return;
    note_progress(answer);
    up->voiced = true;
    for (size_t at = 0; at < event->len;) {
        size_t len = event->len - at < SLICE_CHARS ? event->len - at : SLICE_CHARS;
        size_t size;
        if (prl_base64_decode(&decoder, event->text + at, len, bytes, &size) != PRL_OK) {
            prl_upstream_lose(up, "its sound is no base64");
            return;
        }
        at += len;
        if (!on_slice(up, answer, bytes, size))
            return;
    }
    uint8_t rest[2];
    size_t size = 0;
    if (prl_base64_end(&decoder, rest, &size) == PRL_OK && size > 0)
        (void)on_slice(up, answer, rest, size);
}

static void on_call(struct prl_upstream *up, struct prl_upstream_answer *answer,
                    const struct prl_upstream_event *event)
{
    note_progress(answer);
    answer->called = true;
    struct prl_llm_event begin = {
        .kind = PRL_LLM_EVENT_TOOL_BEGIN, .name = event->name, .call_id = event->call_id};
    struct prl_llm_event arguments = {
        .kind = PRL_LLM_EVENT_TOOL_ARGS, .text = event->text, .len = event->len};
    struct prl_llm_event end = {.kind = PRL_LLM_EVENT_TOOL_END};
    if (deliver(up, answer, &begin) && deliver(up, answer, &arguments))
        (void)deliver(up, answer, &end);
}

void prl_upstream_fail_answer(struct prl_upstream_answer *answer, const char *why)
{
    struct prl_llm_event event = {.kind = PRL_LLM_EVENT_ERROR,
                                  .generation = answer->generation,
                                  .text = why,
                                  .len = strlen(why)};
    end_job(answer);
    answer->fn(answer->arg, &event);
}

static void on_done(struct prl_upstream *up, struct prl_upstream_answer *answer,
                    const struct prl_upstream_event *event)
{
    bool cut = strcmp(event->status, "incomplete") == 0;
    if (strcmp(event->status, "failed") == 0 || strcmp(event->status, "cancelled") == 0) {
        prl_upstream_fail_answer(answer, "the upstream gave the answer up");
        return;
    }
    if (answer->audio) {
        prl_align_end(answer->align);
        if (!hand_out(up, answer, NULL, 0))
            return;
    }
    int64_t now_us = prl_upstream_now();
    struct prl_llm_event done = {
        .kind = PRL_LLM_EVENT_DONE,
        .generation = answer->generation,
        .reason = answer->called ? PRL_LLM_REASON_TOOL : PRL_LLM_REASON_STOP,
        .usage = {event->input_tokens, event->cached_tokens, event->output_tokens, 0},
        .timings = {.first_token_us = answer->first_us ? answer->first_us - answer->asked_us : 0,
                    .decode_us = answer->first_us ? now_us - answer->first_us : 0}};
    if (cut && strcmp(event->reason, "max_output_tokens") == 0)
        done.reason = PRL_LLM_REASON_LENGTH;
    up->kit->answers++;
    prl_upstream_praise(up);
    end_job(answer);
    answer->fn(answer->arg, &done);
}

static struct prl_upstream_answer *find_by_key(struct prl_upstream *up, uint32_t key)
{
    for (struct prl_upstream_answer *a = up->answers; a; a = a->next)
        if (a->job == PRL_JOB_ASKED && a->key == key)
            return a;
    return NULL;
}

static struct prl_upstream_answer *find_by_id(struct prl_upstream *up, const char *id)
{
    for (struct prl_upstream_answer *a = up->answers; a; a = a->next)
        if (a->job == PRL_JOB_ASKED && a->response_id[0] && strcmp(a->response_id, id) == 0)
            return a;
    return NULL;
}

// Which of ours it is. A server that does not bring metadata back can only mean the conversation's.
static void on_created(struct prl_upstream *up, const struct prl_upstream_event *event)
{
    int64_t number;
    uint32_t key = 0;
    if (prl_str_to_int(event->key, &number))
        key = (uint32_t)number;
    else if (up->busy && !up->busy_id[0])
        key = up->busy_key;
    struct prl_upstream_answer *answer = find_by_key(up, key);
    bool fits = true;
    if (up->busy && key == up->busy_key)
        fits = prl_str_copy(up->busy_id, sizeof(up->busy_id), event->response_id);
    if (answer)
        fits = prl_str_copy(answer->response_id, sizeof(answer->response_id), event->response_id);
    if (!fits)
        prl_upstream_lose(up, "an id that is too long");
}

// What the conversation upstream gains, also by an answer that nobody wants any more.
static void keep_in_mirror(struct prl_upstream *up, const struct prl_upstream_event *event)
{
    enum prl_err err = PRL_OK;
    struct prl_mirror_item item = {.kind = PRL_MIRROR_ASSISTANT, .id = event->item_id, .text = ""};
    if (event->type == PRL_UPSTREAM_ITEM) {
        err = prl_mirror_add(up->mirror, &item);
    } else if (event->type == PRL_UPSTREAM_TEXT) {
        err = prl_mirror_text(up->mirror, event->item_id, event->text, event->len);
    } else if (event->type == PRL_UPSTREAM_CALL) {
        item.kind = PRL_MIRROR_CALL;
        item.call_id = event->call_id;
        item.name = event->name;
        err = prl_mirror_add(up->mirror, &item);
    }
    if (err)
        prl_upstream_lose(up, "an item that cannot be kept");
}

static void ask_next(struct prl_upstream *up)
{
    if (up->ready && !up->lost[0])
        prl_upstream_ask_answers(up);
}

void prl_upstream_answer_event(struct prl_upstream *up, const struct prl_upstream_event *event)
{
    if (event->type == PRL_UPSTREAM_CREATED) {
        on_created(up, event);
        return;
    }
    bool main = up->busy && up->busy_id[0] && strcmp(up->busy_id, event->response_id) == 0;
    struct prl_upstream_answer *answer = find_by_id(up, event->response_id);
    if (main)
        keep_in_mirror(up, event);
    if (up->lost[0])
        return;
    if (answer && event->type == PRL_UPSTREAM_ITEM && !answer->item_id[0])
        (void)prl_str_copy(answer->item_id, sizeof(answer->item_id), event->item_id);
    else if (answer && event->type == PRL_UPSTREAM_TEXT)
        on_text(up, answer, event);
    else if (answer && event->type == PRL_UPSTREAM_AUDIO)
        on_audio(up, answer, event);
    else if (answer && event->type == PRL_UPSTREAM_CALL)
        on_call(up, answer, event);
    if (event->type != PRL_UPSTREAM_DONE)
        return;
    if (main) { // first, so that what the session asks for next is asked at once
        up->busy = false;
        up->busy_until_us = 0;
    }
    if (answer)
        on_done(up, answer, event);
    ask_next(up);
}

bool prl_upstream_answer_error(struct prl_upstream *up, const struct prl_upstream_event *event)
{
    int64_t key;
    if (event->event_id[0] != 'r' || !prl_str_to_int(event->event_id + 1, &key))
        return false;
    struct prl_upstream_answer *answer = find_by_key(up, (uint32_t)key);
    if (up->busy && up->busy_key == (uint32_t)key) { // it is over, whether it had begun or not
        up->busy = false;
        up->busy_until_us = 0;
    }
    if (answer)
        prl_upstream_fail_answer(answer, "the upstream refused to answer");
    ask_next(up);
    return true;
}

const struct prl_llm_backend_ops prl_upstream_llm_ops = {.destroy = destroy,
                                                         .state = state,
                                                         .stats = stats,
                                                         .open = open_stream,
                                                         .close = close_stream,
                                                         .generate = generate,
                                                         .cancel = cancel,
                                                         .flow = flow,
                                                         .warm = warm};
