// upstream_stt.c -- the recogniser's side of an upstream: utterances go up, transcripts come down.
//
// The sound is sent while it is being said, so that a commit has nothing left to send.
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "media/resample.h"
#include "upstream/upstream_state.h"

enum {
    OUT_HZ = 24000,
    PIECE_SAMPLES = 4800,      // 200 ms in one message
    SAMPLES_MIN = OUT_HZ / 10, // less is refused as empty
    SAMPLES_MAX = OUT_HZ * PRL_STT_UTTERANCE_MAX_S,
    US_PER_MS = 1000,
    SLICE = 1024, // samples at 16 kHz resampled at a time
};

static enum prl_err create(void **front, const struct prl_stt_conf *conf)
{
    *front = *(struct prl_upstream *const *)conf->front_conf;
    return PRL_OK;
}

static void destroy(void *front)
{
    (void)front; // the upstream's own
}

static bool is_ready(const void *front)
{
    (void)front;
    return true;
}

static size_t backlog(const void *front)
{
    const struct prl_upstream *up = front;
    size_t count = 0;
    for (const struct prl_upstream_ear *ear = up->ears; ear; ear = ear->next)
        count += ear->job != PRL_JOB_NONE;
    return count;
}

// ---- sound ----

static void pump(struct prl_upstream_ear *ear)
{
    struct prl_upstream *up = ear->up;
    while (up->ready && !up->lost[0] && ear->sent < ear->count) {
        size_t samples = ear->count - ear->sent;
        samples = samples < PIECE_SAMPLES ? samples : PIECE_SAMPLES;
        prl_ask_append(&up->out, ear->pcm + ear->sent, samples);
        if (prl_upstream_send(up) != PRL_OK)
            return;
        ear->sent += samples;
    }
}

static enum prl_err make_room(struct prl_upstream_ear *ear, size_t more)
{
    if (ear->count + more <= ear->capacity)
        return PRL_OK;
    size_t capacity = ear->capacity ? ear->capacity * 2 : OUT_HZ;
    while (capacity < ear->count + more)
        capacity *= 2;
    int16_t *pcm = prl_mem_realloc(ear->pcm, capacity * sizeof(*pcm));
    if (!pcm)
        return PRL_ERR_NOMEM;
    ear->pcm = pcm;
    ear->capacity = capacity;
    return PRL_OK;
}

static enum prl_err push(void *stream, const int16_t *pcm, size_t n, bool silence)
{
    struct prl_upstream_ear *ear = stream;
    (void)silence;
    if (ear->heard + n > (uint64_t)PRL_STT_RATE_HZ * PRL_STT_UTTERANCE_MAX_S ||
        ear->count > SAMPLES_MAX)
        return PRL_ERR_LIMIT;
    enum prl_err err = make_room(ear, prl_resample_room(ear->resample, n) + 16);
    if (err)
        return err;
    for (size_t used = 0; used < n;) {
        size_t taken = 0;
        size_t made = prl_resample_process(ear->resample, pcm + used, n - used, &taken,
                                           ear->pcm + ear->count, ear->capacity - ear->count);
        ear->count += made;
        used += taken;
        if (taken == 0 && made == 0)
            break;
    }
    ear->heard += n;
    if (ear->up->open == ear)
        pump(ear);
    return PRL_OK;
}

// The sound of an utterance that came to nothing goes from the buffer upstream.
static void empty_buffer(struct prl_upstream *up)
{
    struct prl_upstream_ear *ear = up->open;
    up->open = NULL;
    if (!ear || !up->ready || up->lost[0] || ear->sent == 0)
        return;
    ear->sent = 0;
    prl_ask_clear(&up->out);
    (void)!prl_upstream_send(up);
}

static void forget_job(struct prl_upstream_ear *ear)
{
    struct prl_upstream *up = ear->up;
    ear->job = PRL_JOB_NONE;
    ear->doomed = false;
    ear->attempts = 0;
    ear->item_id[0] = '\0';
    for (size_t i = 0; i < up->commit_count; i++)
        if (up->commits[i].ear == ear)
            up->commits[i].ear = NULL;
    prl_upstream_arm(up);
}

static void clear(void *stream)
{
    struct prl_upstream_ear *ear = stream;
    if (ear->up->open == ear)
        empty_buffer(ear->up);
    forget_job(ear);
    prl_mem_free(ear->pcm);
    ear->pcm = NULL;
    ear->count = ear->capacity = ear->sent = 0;
    ear->heard = 0;
    prl_resample_reset(ear->resample);
}

static void begin(void *stream, uint32_t generation)
{
    struct prl_upstream_ear *ear = stream;
    (void)generation;
    clear(ear);
    if (ear->up->open)
        empty_buffer(ear->up);
    ear->up->open = ear;
    // It is there when the words are; who cannot be reached now is tried again then.
    (void)!prl_upstream_want(ear->up);
}

// ---- streams ----

static void close_stream(void *stream)
{
    struct prl_upstream_ear *ear = stream;
    struct prl_upstream_ear **at = &ear->up->ears;
    clear(ear);
    while (*at && *at != ear)
        at = &(*at)->next;
    if (*at)
        *at = ear->next;
    prl_upstream_arm(ear->up);
    prl_resample_destroy(&ear->resample);
    prl_mem_free(ear);
}

static enum prl_err configure(void *stream, const char *language, const char *prompt)
{
    struct prl_upstream_ear *ear = stream;
    (void)prompt; // not every server takes one
    bool any = !language || strcmp(language, "auto") == 0;
    if (!any && strlen(language) >= sizeof(ear->language))
        return PRL_ERR_INVALID;
    (void)prl_str_copy(ear->language, sizeof(ear->language), any ? "" : language);
    return PRL_OK;
}

static enum prl_err open_stream(void *front, const struct prl_stt_stream_conf *conf, void **stream)
{
    struct prl_upstream *up = front;
    struct prl_upstream_ear *ear = prl_mem_zalloc(sizeof(*ear));
    if (!ear)
        return PRL_ERR_NOMEM;
    ear->up = up;
    ear->fn = conf->fn;
    ear->arg = conf->arg;
    enum prl_err err = prl_resample_create(&ear->resample, PRL_STT_RATE_HZ, OUT_HZ);
    if (!err)
        err = configure(ear, conf->language, conf->prompt);
    if (err) {
        prl_resample_destroy(&ear->resample);
        prl_mem_free(ear);
        return err;
    }
    ear->next = up->ears;
    up->ears = ear;
    *stream = ear;
    return PRL_OK;
}

// ---- transcripts ----

static enum prl_err commit(struct prl_upstream_ear *ear)
{
    struct prl_upstream *up = ear->up;
    if (up->commit_count == PRL_UPSTREAM_COMMITS_MAX)
        return PRL_ERR_FULL;
    if (up->open && up->open != ear && up->open->sent > 0) {
        // Another utterance has begun meanwhile (a lost connection is made up for): it comes after.
        struct prl_upstream_ear *other = up->open;
        empty_buffer(up);
        up->open = other;
    }
    if (ear->count < SAMPLES_MIN) {
        enum prl_err err = make_room(ear, SAMPLES_MIN);
        if (err)
            return err;
        memset(ear->pcm + ear->count, 0, (SAMPLES_MIN - ear->count) * sizeof(*ear->pcm));
        ear->count = SAMPLES_MIN;
    }
    (void)prl_str_copy(up->language, sizeof(up->language), ear->language);
    enum prl_err err = prl_upstream_tell_sound(up);
    if (err)
        return err;
    pump(ear);
    prl_ask_commit(&up->out, ++up->number);
    err = prl_upstream_send(up);
    if (err)
        return err;
    up->commits[up->commit_count++] = (struct prl_upstream_commit){up->number, ear};
    ear->job = PRL_JOB_ASKED;
    ear->attempts++;
    ear->asked_us = prl_upstream_now();
    ear->deadline_us = ear->asked_us + up->kit->conf.first_byte_ms * US_PER_MS;
    if (up->open == ear)
        up->open = NULL;
    return PRL_OK;
}

void prl_upstream_ask_ears(struct prl_upstream *up)
{
    for (struct prl_upstream_ear *ear = up->ears; ear; ear = ear->next)
        if (ear->job == PRL_JOB_WAITING && !ear->doomed && !up->lost[0] && commit(ear) != PRL_OK)
            prl_upstream_lose(up, "an utterance could not be sent");
    if (up->open)
        pump(up->open);
}

static enum prl_err decode(void *stream, uint32_t generation, enum prl_stt_want want)
{
    struct prl_upstream_ear *ear = stream;
    struct prl_upstream *up = ear->up;
    if (want == PRL_STT_WANT_PARTIAL)
        return PRL_OK;
    if (want == PRL_STT_WANT_GUESS)
        return PRL_ERR_AGAIN; // what is committed upstream is said there
    if (ear->job != PRL_JOB_NONE)
        return PRL_ERR_FULL;
    enum prl_err err = prl_upstream_want(up);
    if (err)
        return err;
    int64_t limit_ms = up->kit->conf.connect_ms + up->kit->conf.first_byte_ms;
    ear->job = PRL_JOB_WAITING;
    ear->generation = generation;
    ear->attempts = 0;
    ear->item_id[0] = '\0';
    ear->deadline_us = prl_upstream_now() + limit_ms * US_PER_MS;
    if (up->ready)
        prl_upstream_ask_ears(up);
    prl_upstream_arm(up);
    return PRL_OK;
}

static void cancel(void *stream, uint32_t generation)
{
    struct prl_upstream_ear *ear = stream;
    if (ear->job != PRL_JOB_NONE && generation >= ear->generation)
        forget_job(ear);
}

// Last in its callers: the session may do anything then.
static void deliver(struct prl_upstream_ear *ear, struct prl_stt_event *event)
{
    event->generation = ear->generation;
    event->engine = "upstream";
    event->audio_ms = (int64_t)(ear->heard / (PRL_STT_RATE_HZ / 1000));
    event->work_us = ear->asked_us ? prl_upstream_now() - ear->asked_us : 0;
    forget_job(ear);
    ear->fn(ear->arg, event);
}

void prl_upstream_fail_ear(struct prl_upstream_ear *ear, const char *why)
{
    struct prl_stt_event event = {.type = PRL_STT_ERROR, .text = why, .err = PRL_ERR_ENGINE};
    deliver(ear, &event);
}

static bool has_ideographs(const char *text)
{
    for (size_t at = 0, len = strlen(text); at < len;) {
        uint32_t code;
        at += prl_utf8_decode(text + at, len - at, &code);
        if (code >= 0x3400 && code <= 0x9FFF)
            return true;
    }
    return false;
}

static void finish(struct prl_upstream_ear *ear, const char *text)
{
    struct prl_stt_event event = {.type = PRL_STT_FINAL, .text = text, .no_speech = !*text};
    const char *language = has_ideographs(text) ? "zh" : ear->language;
    (void)prl_str_copy(event.language, sizeof(event.language), language);
    deliver(ear, &event);
}

static struct prl_upstream_ear *take_commit(struct prl_upstream *up, size_t index)
{
    struct prl_upstream_ear *ear = up->commits[index].ear;
    up->commit_count--;
    memmove(&up->commits[index], &up->commits[index + 1],
            (up->commit_count - index) * sizeof(up->commits[0]));
    return ear;
}

static void on_committed(struct prl_upstream *up, const char *item_id)
{
    struct prl_mirror_item item = {.kind = PRL_MIRROR_USER, .id = item_id, .text = ""};
    if (up->commit_count == 0)
        return;
    struct prl_upstream_ear *ear = take_commit(up, 0);
    if (!*item_id || prl_mirror_add(up->mirror, &item) != PRL_OK)
        prl_upstream_lose(up, "an item that cannot be kept");
    else if (ear)
        (void)prl_str_copy(ear->item_id, sizeof(ear->item_id), item_id);
}

static struct prl_upstream_ear *find_ear(struct prl_upstream *up, const char *item_id)
{
    for (struct prl_upstream_ear *ear = up->ears; ear; ear = ear->next)
        if (ear->job == PRL_JOB_ASKED && ear->item_id[0] && strcmp(ear->item_id, item_id) == 0)
            return ear;
    return NULL;
}

static void on_transcript(struct prl_upstream *up, struct prl_upstream_ear *ear,
                          const struct prl_upstream_event *event)
{
    static const char spaces[] = " \n\r\t";
    const char *from = event->text + strspn(event->text, spaces);
    size_t len = strlen(from);
    while (len > 0 && strchr(spaces, from[len - 1]))
        len--;
    char *text = prl_mem_strndup(from, len);
    if (!text || prl_mirror_text(up->mirror, event->item_id, text, len) != PRL_OK) {
        prl_upstream_lose(up, "a transcript that cannot be kept");
    } else {
        prl_upstream_praise(up);
        if (ear)
            finish(ear, text);
    }
    prl_mem_free(text);
}

void prl_upstream_ear_event(struct prl_upstream *up, const struct prl_upstream_event *event)
{
    if (event->type == PRL_UPSTREAM_COMMITTED) {
        on_committed(up, event->item_id);
        return;
    }
    struct prl_upstream_ear *ear = find_ear(up, event->item_id);
    if (event->type == PRL_UPSTREAM_TRANSCRIPT) {
        on_transcript(up, ear, event);
    } else if (ear) {
        prl_upstream_fail_ear(ear, "the upstream could not write it down");
    }
}

bool prl_upstream_ear_error(struct prl_upstream *up, const struct prl_upstream_event *event)
{
    int64_t number;
    if (event->event_id[0] != 'c' || !prl_str_to_int(event->event_id + 1, &number))
        return false;
    for (size_t i = 0; i < up->commit_count; i++) {
        if (up->commits[i].number != (uint32_t)number)
            continue;
        struct prl_upstream_ear *ear = take_commit(up, i);
        bool empty = strcmp(event->code, "input_audio_buffer_commit_empty") == 0;
        if (ear && empty)
            finish(ear, "");
        else if (ear)
            prl_upstream_fail_ear(ear, "the upstream took no utterance");
        return true;
    }
    return false;
}

const struct prl_stt_front_ops prl_upstream_stt_ops = {.create = create,
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
                                                       .cancel = cancel};
