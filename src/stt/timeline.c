// timeline.c -- see timeline.h.
#include "stt/timeline.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "stt/clean.h"
#include "stt/split.h"

enum {
    PUSH_STEP = 2 * PRL_STT_RATE_HZ, // the buffer grows by 2 s
    SAMPLES_MAX = PRL_STT_UTTERANCE_MAX_S * PRL_STT_RATE_HZ,
    PIECES_MAX = SAMPLES_MAX / PRL_SPLIT_MIN + 1, // no piece is shorter than PRL_SPLIT_MIN
    TRAIL = PRL_STT_RATE_HZ / 5,                  // silence kept behind the speech: 200 ms
    LIVE_MIN = PRL_STT_RATE_HZ / 2,               // no partial before 0.5 s of sound
    LIVE_STEP = PRL_STT_RATE_HZ / 10,             // nor for less than 100 ms more
    IDENTIFY_MIN = 2 * PRL_STT_RATE_HZ,           // whose language is asked early
    IDENTIFY_MAX = 8 * PRL_STT_RATE_HZ,
    TEXT_MAX = 256 * 1024, // bytes of one event
};

// What came back for a stretch of sound.
struct answer {
    bool done;
    enum prl_err err;
    char *text; // owned; NULL is ""
    char language[PRL_STT_LANGUAGE_SIZE];
    const char *engine; // static
    int64_t work_us;
    int64_t queued_us;
    struct prl_stt_margin margin;
};

struct piece {
    size_t start; // samples
    size_t end;
    struct answer answer;
};

struct want {
    uint32_t generation;
    enum prl_stt_want want;
    size_t pieces; // cut so far when it was asked
    size_t key;    // end of speech when it was asked
    size_t end;    // end of sound when it was asked
    int64_t asked_us;
};

struct prl_timeline {
    int16_t *pcm; // owned
    size_t capacity;
    size_t count;
    size_t speech_end; // one past the last sample not pushed as silence
    struct piece pieces[PIECES_MAX];
    size_t piece_count;
    struct want wants[PRL_TIMELINE_WANTS]; // oldest first
    size_t want_count;
    // The latest tail.
    size_t tail_start;
    size_t tail_key;
    struct answer tail;
    // Live partials.
    size_t partial_key; // of the last one told
    char *partial_text; // owned
    bool committed;     // a FINAL was asked: no more partials
    size_t told_pieces; // by settled
    // A failure that all waiting decodes share.
    enum prl_err fail_err;
    char *fail_why; // owned
};

static void free_answer(struct answer *answer)
{
    prl_mem_free(answer->text);
    *answer = (struct answer){.done = false};
}

enum prl_err prl_timeline_create(struct prl_timeline **out)
{
    PRL_CHECK(out != NULL);
    *out = prl_mem_zalloc(sizeof(**out));
    return *out ? PRL_OK : PRL_ERR_NOMEM;
}

void prl_timeline_destroy(struct prl_timeline **timeline)
{
    PRL_CHECK(timeline != NULL);
    if (!*timeline)
        return;
    prl_timeline_clear(*timeline);
    prl_mem_free(*timeline);
    *timeline = NULL;
}

void prl_timeline_clear(struct prl_timeline *timeline)
{
    for (size_t i = 0; i < timeline->piece_count; i++)
        free_answer(&timeline->pieces[i].answer);
    free_answer(&timeline->tail);
    prl_mem_free(timeline->pcm);
    prl_mem_free(timeline->partial_text);
    prl_mem_free(timeline->fail_why);
    *timeline = (struct prl_timeline){.count = 0};
}

static size_t tail_start(const struct prl_timeline *timeline, size_t pieces)
{
    return pieces > 0 ? timeline->pieces[pieces - 1].end : 0;
}

static void cut_pieces(struct prl_timeline *timeline)
{
    size_t start = tail_start(timeline, timeline->piece_count);
    while (timeline->count - start > PRL_SPLIT_MAX) {
        PRL_CHECK(timeline->piece_count < PIECES_MAX);
        size_t end = start + prl_split_find(timeline->pcm + start, timeline->count - start);
        timeline->pieces[timeline->piece_count++] = (struct piece){.start = start, .end = end};
        start = end;
    }
}

enum prl_err prl_timeline_push(struct prl_timeline *timeline, const int16_t *pcm, size_t n,
                               bool silence)
{
    PRL_CHECK(timeline != NULL && (pcm != NULL || n == 0));
    if (n > SAMPLES_MAX - timeline->count)
        return PRL_ERR_LIMIT;
    if (timeline->count + n > timeline->capacity) {
        size_t capacity = (timeline->count + n + PUSH_STEP - 1) / PUSH_STEP * PUSH_STEP;
        int16_t *grown = prl_mem_realloc(timeline->pcm, capacity * sizeof(*grown));
        if (!grown)
            return PRL_ERR_NOMEM;
        timeline->pcm = grown;
        timeline->capacity = capacity;
    }
    if (n > 0)
        memcpy(timeline->pcm + timeline->count, pcm, n * sizeof(*pcm));
    timeline->count += n;
    if (!silence)
        timeline->speech_end = timeline->count;
    cut_pieces(timeline);
    return PRL_OK;
}

static struct want want_now(const struct prl_timeline *timeline)
{
    return (struct want){
        .want = PRL_STT_WANT_PARTIAL,
        .pieces = timeline->piece_count,
        .key = timeline->speech_end,
        .end = timeline->count,
    };
}

enum prl_err prl_timeline_ask(struct prl_timeline *timeline, uint32_t generation,
                              enum prl_stt_want want, int64_t now_us)
{
    if (timeline->want_count == PRL_TIMELINE_WANTS)
        return PRL_ERR_FULL;
    struct want entry = want_now(timeline);
    entry.generation = generation;
    entry.want = want;
    entry.asked_us = now_us;
    timeline->wants[timeline->want_count++] = entry;
    timeline->committed = timeline->committed || want == PRL_STT_WANT_FINAL;
    return PRL_OK;
}

static void remove_want(struct prl_timeline *timeline, size_t index)
{
    timeline->want_count--;
    memmove(&timeline->wants[index], &timeline->wants[index + 1],
            (timeline->want_count - index) * sizeof(*timeline->wants));
}

void prl_timeline_cancel(struct prl_timeline *timeline, uint32_t generation)
{
    for (size_t i = timeline->want_count; i > 0; i--) {
        if (timeline->wants[i - 1].generation <= generation)
            remove_want(timeline, i - 1);
    }
}

const int16_t *prl_timeline_pcm(const struct prl_timeline *timeline)
{
    return timeline->pcm;
}

size_t prl_timeline_samples(const struct prl_timeline *timeline)
{
    return timeline->count;
}

size_t prl_timeline_waiting(const struct prl_timeline *timeline)
{
    return timeline->want_count;
}

static enum prl_timeline_rank rank_of(const struct want *want)
{
    switch (want->want) {
    case PRL_STT_WANT_FINAL:
        return PRL_RANK_FINAL;
    case PRL_STT_WANT_GUESS:
        return PRL_RANK_GUESS;
    case PRL_STT_WANT_PARTIAL:
        return PRL_RANK_PARTIAL;
    }
    return PRL_RANK_NONE;
}

// The piece or tail that the decode still lacks; false when it has everything.
static bool lacking(const struct prl_timeline *timeline, const struct want *want,
                    struct prl_timeline_work *work)
{
    *work = (struct prl_timeline_work){.rank = rank_of(want), .asked_us = want->asked_us};
    for (size_t i = 0; i < want->pieces; i++) {
        const struct piece *piece = &timeline->pieces[i];
        if (piece->answer.done)
            continue;
        work->kind = PRL_WORK_PIECE;
        work->piece = i;
        work->start = piece->start;
        work->end = piece->end;
        return true;
    }
    size_t start = tail_start(timeline, want->pieces);
    if (want->key <= start) // nothing but silence since the last cut
        return false;
    if (timeline->tail.done && timeline->tail_start == start && timeline->tail_key == want->key)
        return false;
    work->kind = PRL_WORK_TAIL;
    work->start = start;
    work->end = want->end < want->key + TRAIL ? want->end : want->key + TRAIL;
    if (work->end - start > PRL_SPLIT_MAX)
        work->end = start + PRL_SPLIT_MAX;
    work->key = want->key;
    return true;
}

static bool next_piece(const struct prl_timeline *timeline, struct prl_timeline_work *work)
{
    for (size_t i = 0; i < timeline->piece_count; i++) {
        const struct piece *piece = &timeline->pieces[i];
        if (piece->answer.done)
            continue;
        *work = (struct prl_timeline_work){.kind = PRL_WORK_PIECE,
                                           .rank = PRL_RANK_PIECE,
                                           .piece = i,
                                           .start = piece->start,
                                           .end = piece->end};
        return true;
    }
    return false;
}

bool prl_timeline_next(const struct prl_timeline *timeline, bool live, bool identify,
                       struct prl_timeline_work *work)
{
    struct prl_timeline_work best = {.rank = PRL_RANK_NONE}, next;
    for (size_t i = 0; i < timeline->want_count; i++) {
        if (lacking(timeline, &timeline->wants[i], &next) && next.rank < best.rank)
            best = next;
    }
    if (best.rank > PRL_RANK_PIECE && next_piece(timeline, &next))
        best = next;
    if (best.rank > PRL_RANK_IDENTIFY && identify && timeline->speech_end >= IDENTIFY_MIN) {
        size_t end = timeline->count < IDENTIFY_MAX ? timeline->count : IDENTIFY_MAX;
        best = (struct prl_timeline_work){
            .kind = PRL_WORK_IDENTIFY, .rank = PRL_RANK_IDENTIFY, .end = end};
    }
    struct want now = want_now(timeline);
    if (best.rank == PRL_RANK_NONE && live && !timeline->committed && now.key >= LIVE_MIN &&
        now.key >= timeline->partial_key + LIVE_STEP && lacking(timeline, &now, &next))
        best = next;
    *work = best;
    return best.rank != PRL_RANK_NONE;
}

enum prl_timeline_rank prl_timeline_rank_of(const struct prl_timeline *timeline,
                                            const struct prl_timeline_work *work)
{
    enum prl_timeline_rank best = work->kind == PRL_WORK_PIECE      ? PRL_RANK_PIECE
                                  : work->kind == PRL_WORK_IDENTIFY ? PRL_RANK_IDENTIFY
                                                                    : PRL_RANK_PARTIAL;
    for (size_t i = 0; i < timeline->want_count; i++) {
        const struct want *want = &timeline->wants[i];
        bool needs = true; // every decode is waiting for the language
        if (work->kind == PRL_WORK_PIECE)
            needs = work->piece < want->pieces;
        else if (work->kind == PRL_WORK_TAIL)
            needs = work->key == want->key && work->start == tail_start(timeline, want->pieces);
        if (needs && rank_of(want) < best)
            best = rank_of(want);
    }
    return best;
}

void prl_timeline_store(struct prl_timeline *timeline, const struct prl_timeline_work *work,
                        const struct prl_timeline_result *result, int64_t queued_us)
{
    if (work->kind == PRL_WORK_IDENTIFY)
        return;
    struct answer *answer = &timeline->tail;
    if (work->kind == PRL_WORK_PIECE) {
        PRL_CHECK(work->piece < timeline->piece_count);
        answer = &timeline->pieces[work->piece].answer;
    } else {
        timeline->tail_start = work->start;
        timeline->tail_key = work->key;
    }
    free_answer(answer);
    answer->done = true;
    answer->err = result->err;
    answer->engine = result->engine;
    answer->work_us = result->work_us;
    answer->margin = result->margin;
    answer->queued_us = queued_us;
    memcpy(answer->language, result->language, sizeof(answer->language));
    if (result->text && result->text[0]) {
        answer->text = prl_mem_strdup(result->text);
        if (!answer->text && !answer->err)
            answer->err = PRL_ERR_NOMEM;
    }
}

// Adds one stretch's answer to the event.
static void add_answer(const struct answer *answer, struct prl_stt_event *event,
                       struct prl_str *text)
{
    if (answer->err && !event->err) {
        event->err = answer->err;
        prl_str_clear(text);
        (void)prl_str_adds(text, answer->text ? answer->text : prl_err_name(answer->err));
    }
    event->work_us += answer->work_us;
    if (event->queued_us < answer->queued_us)
        event->queued_us = answer->queued_us;
    if (answer->engine)
        event->engine = answer->engine;
    if (answer->language[0])
        memcpy(event->language, answer->language, sizeof(event->language));
    if (!event->err && answer->text)
        event->err = prl_clean_join(text, answer->text);
}

// Puts the text together that covers the decode, which lacks nothing.
static void compose(const struct prl_timeline *timeline, const struct want *want,
                    struct prl_stt_event *event, struct prl_str *text)
{
    *event = (struct prl_stt_event){
        .type = PRL_STT_FINAL,
        .generation = want->generation,
        .engine = "",
        .audio_ms = (int64_t)(want->end / (PRL_STT_RATE_HZ / 1000)),
    };
    for (size_t i = 0; i < want->pieces; i++)
        add_answer(&timeline->pieces[i].answer, event, text);
    if (want->key > tail_start(timeline, want->pieces)) {
        add_answer(&timeline->tail, event, text);
        if (want->pieces == 0)
            event->margin = timeline->tail.margin;
    }
    if (!event->err && text->err)
        event->err = text->err;
    if (event->err)
        event->type = PRL_STT_ERROR;
    else
        event->no_speech = text->len == 0;
}

// A failed stretch is tried again by the next decode.
static void forget_failures(struct prl_timeline *timeline)
{
    for (size_t i = 0; i < timeline->piece_count; i++) {
        if (timeline->pieces[i].answer.err)
            free_answer(&timeline->pieces[i].answer);
    }
    if (timeline->tail.err)
        free_answer(&timeline->tail);
}

static bool take_failed(struct prl_timeline *timeline, struct prl_stt_event *event,
                        struct prl_str *text)
{
    *event = (struct prl_stt_event){
        .type = PRL_STT_ERROR,
        .generation = timeline->wants[0].generation,
        .err = timeline->fail_err,
        .engine = "",
    };
    (void)prl_str_adds(text,
                       timeline->fail_why ? timeline->fail_why : prl_err_name(timeline->fail_err));
    remove_want(timeline, 0);
    return true;
}

bool prl_timeline_take(struct prl_timeline *timeline, struct prl_stt_event *event,
                       struct prl_str *text)
{
    struct prl_timeline_work work;
    if (timeline->want_count == 0)
        timeline->fail_err = PRL_OK;
    if (timeline->fail_err)
        return take_failed(timeline, event, text);
    for (size_t i = 0; i < timeline->want_count; i++) {
        struct want want = timeline->wants[i];
        if (lacking(timeline, &want, &work))
            continue;
        remove_want(timeline, i);
        if (want.want == PRL_STT_WANT_PARTIAL) {
            timeline->partial_key = 0; // asked for: tell it even if it is not new
            i--;
            continue;
        }
        compose(timeline, &want, event, text);
        if (event->err)
            forget_failures(timeline);
        return true;
    }
    return false;
}

void prl_timeline_deliver(struct prl_timeline *timeline, prl_stt_fn fn, void *arg)
{
    bool some;
    do {
        struct prl_stt_event event;
        struct prl_str text;
        prl_str_init(&text, TEXT_MAX);
        some = prl_timeline_take(timeline, &event, &text);
        if (some) {
            event.text = prl_str_text(&text);
            fn(arg, &event);
        }
        prl_str_free(&text);
    } while (some);
}

bool prl_timeline_partial(struct prl_timeline *timeline, struct prl_stt_event *event,
                          struct prl_str *text)
{
    struct want now = want_now(timeline);
    size_t start = tail_start(timeline, now.pieces);
    for (size_t i = 0; i < now.pieces; i++) {
        if (!timeline->pieces[i].answer.done)
            return false;
    }
    if (timeline->committed || !timeline->tail.done || timeline->tail.err ||
        timeline->tail_start != start || timeline->tail_key <= timeline->partial_key)
        return false;
    now.key = timeline->tail_key;
    now.end = timeline->tail_key;
    compose(timeline, &now, event, text);
    if (event->err || text->len == 0)
        return false;
    event->type = PRL_STT_PARTIAL;
    timeline->partial_key = timeline->tail_key;
    event->stable_bytes =
        timeline->partial_text ? prl_clean_stable(timeline->partial_text, prl_str_text(text)) : 0;
    prl_mem_free(timeline->partial_text);
    timeline->partial_text = prl_mem_strdup(prl_str_text(text)); // NULL: nothing is stable
    return true;
}

bool prl_timeline_settled(struct prl_timeline *timeline, struct prl_stt_event *event,
                          struct prl_str *text)
{
    struct want done = want_now(timeline);
    done.pieces = 0;
    while (done.pieces < timeline->piece_count && timeline->pieces[done.pieces].answer.done &&
           !timeline->pieces[done.pieces].answer.err)
        done.pieces++;
    if (done.pieces <= timeline->told_pieces)
        return false;
    done.key = done.end = tail_start(timeline, done.pieces); // the tail is left out
    compose(timeline, &done, event, text);
    if (event->err)
        return false;
    timeline->told_pieces = done.pieces;
    event->type = PRL_STT_PARTIAL;
    event->stable_bytes = text->len;
    return text->len > 0;
}

bool prl_timeline_hint(struct prl_timeline *timeline, size_t start, const char *words,
                       struct prl_stt_event *event, struct prl_str *text)
{
    struct want now = want_now(timeline);
    if (timeline->committed || start != tail_start(timeline, now.pieces))
        return false;
    for (size_t i = 0; i < now.pieces; i++) {
        if (!timeline->pieces[i].answer.done)
            return false;
    }
    now.key = start; // the tail's own answer is left out
    compose(timeline, &now, event, text);
    if (event->err || prl_clean_join(text, words) != PRL_OK || text->len == 0)
        return false;
    const char *before = timeline->partial_text ? timeline->partial_text : "";
    if (strcmp(before, prl_str_text(text)) == 0)
        return false;
    event->type = PRL_STT_PARTIAL;
    event->no_speech = false;
    event->stable_bytes = prl_clean_stable(before, prl_str_text(text));
    prl_mem_free(timeline->partial_text);
    timeline->partial_text = prl_mem_strdup(prl_str_text(text)); // NULL: nothing is stable
    return true;
}

bool prl_timeline_tail(const struct prl_timeline *timeline, size_t *start, size_t *speech_end)
{
    *start = tail_start(timeline, timeline->piece_count);
    *speech_end = timeline->speech_end;
    return !timeline->committed;
}

void prl_timeline_fail(struct prl_timeline *timeline, enum prl_err err, const char *why)
{
    PRL_CHECK(err != PRL_OK);
    timeline->fail_err = err;
    prl_mem_free(timeline->fail_why);
    timeline->fail_why = prl_mem_strdup(why);
}
