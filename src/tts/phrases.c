// phrases.c -- see phrases.h.
#include "tts/phrases.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

enum { ENGINE_SIZE = 80, MARKS_MAX = 512, SPEED_STEPS = 100 };

struct key {
    char engine[ENGINE_SIZE]; // "": embedded
    char text[PRL_PHRASES_TEXT_SIZE];
    char voice[PRL_TTS_VOICE_SIZE];
    int speed; // of SPEED_STEPS
    bool chinese;
};

struct entry {
    struct entry *next, *previous; // newest use first
    struct key key;
    int16_t *pcm;
    size_t samples;
    struct prl_tts_mark *marks;
    size_t mark_count;
};

struct prl_phrases {
    struct prl_tts *tts; // borrowed
    size_t bytes_max;    // set once
    struct prl_tts_stream *stream;
    struct entry *first, *last;
    size_t count, bytes;
    // What is made now, and what waits.
    bool making;
    uint32_t generation;
    struct key waiting[PRL_PHRASES_WAITING_MAX]; // [0] is being made
    size_t waiting_count;
    struct prl_str pcm;
    struct prl_str marks;
    int64_t not_before_us; // after a failure
};

static void make_next(struct prl_phrases *phrases);

// ---- entries ----

static size_t entry_bytes(const struct entry *entry)
{
    return entry->samples * sizeof(*entry->pcm) + entry->mark_count * sizeof(*entry->marks);
}

static void unlink_entry(struct prl_phrases *phrases, struct entry *entry)
{
    if (entry->previous)
        entry->previous->next = entry->next;
    else
        phrases->first = entry->next;
    if (entry->next)
        entry->next->previous = entry->previous;
    else
        phrases->last = entry->previous;
    phrases->count--;
    phrases->bytes -= entry_bytes(entry);
}

static void link_first(struct prl_phrases *phrases, struct entry *entry)
{
    entry->previous = NULL;
    entry->next = phrases->first;
    if (phrases->first)
        phrases->first->previous = entry;
    else
        phrases->last = entry;
    phrases->first = entry;
    phrases->count++;
    phrases->bytes += entry_bytes(entry);
}

static void free_entry(struct entry *entry)
{
    prl_mem_free(entry->pcm);
    prl_mem_free(entry->marks);
    prl_mem_free(entry);
}

static void drop_last(struct prl_phrases *phrases)
{
    struct entry *entry = phrases->last;
    unlink_entry(phrases, entry);
    free_entry(entry);
}

static bool make_key(const struct prl_phrases *phrases, const struct prl_phrase_wish *wish,
                     struct key *key)
{
    memset(key, 0, sizeof(*key));
    key->speed = (int)(wish->speed * SPEED_STEPS + 0.5F);
    key->chinese = wish->chinese;
    return prl_str_copy(key->engine, sizeof(key->engine), prl_tts_next(phrases->tts)) &&
           prl_str_copy(key->text, sizeof(key->text), wish->text) &&
           prl_str_copy(key->voice, sizeof(key->voice), wish->voice);
}

static bool is_same(const struct key *a, const struct key *b)
{
    return strcmp(a->text, b->text) == 0 && strcmp(a->voice, b->voice) == 0 &&
           a->speed == b->speed && a->chinese == b->chinese;
}

static bool is_same_engine(const struct key *a, const struct key *b)
{
    return strcmp(a->engine, b->engine) == 0;
}

static struct entry *find(const struct prl_phrases *phrases, const struct key *key)
{
    struct entry *other = NULL;
    for (struct entry *entry = phrases->first; entry; entry = entry->next) {
        if (!is_same(&entry->key, key))
            continue;
        if (is_same_engine(&entry->key, key))
            return entry;
        other = other ? other : entry;
    }
    return other;
}

// ---- making ----

static void keep(struct prl_phrases *phrases, const char *engine)
{
    size_t size = phrases->pcm.len + phrases->marks.len;
    struct entry *entry = prl_mem_zalloc(sizeof(*entry));
    if (!entry || size > phrases->bytes_max / 2 || phrases->pcm.len == 0) {
        prl_mem_free(entry);
        return;
    }
    entry->key = phrases->waiting[0];
    memset(entry->key.engine, 0, sizeof(entry->key.engine));
    (void)prl_str_copy(entry->key.engine, sizeof(entry->key.engine), engine);
    entry->pcm = prl_mem_dup(phrases->pcm.data, phrases->pcm.len);
    entry->samples = phrases->pcm.len / sizeof(*entry->pcm);
    entry->mark_count = phrases->marks.len / sizeof(*entry->marks);
    if (entry->mark_count > 0)
        entry->marks = prl_mem_dup(phrases->marks.data, phrases->marks.len);
    if (!entry->pcm || (entry->mark_count > 0 && !entry->marks)) {
        free_entry(entry);
        return;
    }
    struct entry *old = find(phrases, &entry->key);
    if (old && is_same_engine(&old->key, &entry->key)) {
        unlink_entry(phrases, old);
        free_entry(old);
    }
    link_first(phrases, entry);
    while (phrases->last &&
           (phrases->bytes > phrases->bytes_max || phrases->count > PRL_PHRASES_MAX))
        drop_last(phrases);
}

static void end_making(struct prl_phrases *phrases)
{
    phrases->making = false;
    phrases->waiting_count--;
    memmove(&phrases->waiting[0], &phrases->waiting[1],
            phrases->waiting_count * sizeof(phrases->waiting[0]));
    prl_str_free(&phrases->pcm);
    prl_str_free(&phrases->marks);
}

static void fail(struct prl_phrases *phrases, const char *why)
{
    prl_log(PRL_LOG_INFO, "tts", "a fixed phrase could not be made ahead: %s", why);
    phrases->not_before_us = prl_clock_now_us() + PRL_PHRASES_RETRY_US;
    phrases->waiting_count = 1; // the others would fail as well
    end_making(phrases);
}

static void on_tts(void *arg, const struct prl_tts_event *event)
{
    struct prl_phrases *phrases = arg;
    if (!phrases->making || event->generation != phrases->generation)
        return;
    switch (event->type) {
    case PRL_TTS_AUDIO:
        (void)prl_str_add(&phrases->pcm, (const char *)event->pcm,
                          event->samples * sizeof(*event->pcm));
        if (event->mark_count > 0)
            (void)prl_str_add(&phrases->marks, (const char *)event->marks,
                              event->mark_count * sizeof(*event->marks));
        return;
    case PRL_TTS_CLAUSE_DONE:
        if (phrases->pcm.err || phrases->marks.err) {
            fail(phrases, "it is too long, or memory is short");
            return;
        }
        keep(phrases, event->far ? event->engine : "");
        end_making(phrases);
        make_next(phrases);
        return;
    case PRL_TTS_ERROR:
        fail(phrases, event->why ? event->why : prl_err_name(event->err));
        return;
    }
}

static enum prl_err say(struct prl_phrases *phrases, const struct key *key)
{
    float speed = (float)key->speed / SPEED_STEPS;
    enum prl_text_lang language = key->chinese ? PRL_TEXT_ZH : PRL_TEXT_EN;
    struct prl_tts_stream_conf conf = {
        .voice = key->voice, .language = language, .speed = speed, .fn = on_tts, .arg = phrases};
    enum prl_err err = phrases->stream ? prl_tts_configure(phrases->stream, key->voice, speed)
                                       : prl_tts_open(phrases->tts, &conf, &phrases->stream);
    if (err)
        return err;
    prl_tts_set_language(phrases->stream, language);
    return prl_tts_say(phrases->stream, ++phrases->generation, 0, key->text, strlen(key->text));
}

static void make_next(struct prl_phrases *phrases)
{
    if (phrases->making || phrases->waiting_count == 0)
        return;
    prl_str_init(&phrases->pcm, phrases->bytes_max);
    prl_str_init(&phrases->marks, MARKS_MAX * sizeof(struct prl_tts_mark));
    phrases->making = true;
    enum prl_err err = say(phrases, &phrases->waiting[0]);
    if (err)
        fail(phrases, prl_err_name(err));
}

// ---- public ----

enum prl_err prl_phrases_create(struct prl_phrases **out, struct prl_tts *tts, size_t bytes_max)
{
    PRL_CHECK(out != NULL && tts != NULL && bytes_max > 0);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->tts = tts;
    (*out)->bytes_max = bytes_max;
    return PRL_OK;
}

void prl_phrases_destroy(struct prl_phrases **phrases)
{
    PRL_CHECK(phrases != NULL);
    if (!*phrases)
        return;
    prl_tts_close(&(*phrases)->stream);
    while ((*phrases)->last)
        drop_last(*phrases);
    prl_str_free(&(*phrases)->pcm);
    prl_str_free(&(*phrases)->marks);
    prl_mem_free(*phrases);
    *phrases = NULL;
}

bool prl_phrases_get(struct prl_phrases *phrases, const struct prl_phrase_wish *wish,
                     struct prl_phrase *out)
{
    struct key key;
    struct entry *entry = make_key(phrases, wish, &key) ? find(phrases, &key) : NULL;
    prl_metrics_add(entry ? PRL_METRIC_PHRASES_HIT : PRL_METRIC_PHRASES_MISSED, 1);
    if (!entry)
        return false;
    unlink_entry(phrases, entry);
    link_first(phrases, entry);
    *out = (struct prl_phrase){entry->pcm, entry->samples, entry->marks, entry->mark_count};
    return true;
}

void prl_phrases_want(struct prl_phrases *phrases, const struct prl_phrase_wish *wish)
{
    struct key key;
    if (!prl_tts_is_ready(phrases->tts) || phrases->waiting_count == PRL_PHRASES_WAITING_MAX ||
        prl_clock_now_us() < phrases->not_before_us || !make_key(phrases, wish, &key))
        return;
    const struct entry *entry = find(phrases, &key);
    if (entry && is_same_engine(&entry->key, &key))
        return;
    for (size_t i = 0; i < phrases->waiting_count; i++)
        if (is_same(&phrases->waiting[i], &key) && is_same_engine(&phrases->waiting[i], &key))
            return;
    phrases->waiting[phrases->waiting_count++] = key;
    make_next(phrases);
}

void prl_phrases_render(const struct prl_phrases *phrases, struct prl_str *out)
{
    (void)prl_metrics_render_one(out, "gauge", "parley_phrases_bytes",
                                 "Sound of fixed phrases that is kept", (double)phrases->bytes);
    (void)prl_metrics_render_one(out, "gauge", "parley_phrases",
                                 "Fixed phrases whose sound is kept", (double)phrases->count);
}
