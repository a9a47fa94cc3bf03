// tts.c -- see tts.h. A stream is found by its id when a report comes back; reports of cancelled or
// overtaken generations are dropped and counted here, so that nothing late gets out.
#include "tts/tts.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/str.h"
#include "engine/pool.h"
#include "net/lane.h"
#include "net/loop.h"
#include "net/share.h"
#include "tts/far.h"
#include "tts/front.h"
#include "tts/tts_lane.h"
#include "tts/voices.h"

enum { REPORTS_MAX = 512 };
static const char voice_default[] = "alloy";
static const float speed_min = 0.25F, speed_max = 1.5F;

// A clause of a stream whose engines may be elsewhere; the first one of the queue is being said.
struct clause {
    struct clause *next;
    uint32_t generation, id;
    int64_t queued_us, asked_us, first_us;
    int engine;     // of the pool, while it is said; -1: not yet
    uint32_t tried; // engines that failed
    bool sounded;   // something of it was delivered
    struct prl_tts_job_head head;
    char text[]; // head.text_len bytes
};

struct prl_tts_stream {
    const struct prl_tts_front_ops *front; // NULL: all that follows is used
    void *front_stream;                    // owned
    struct prl_tts_stream *next;
    struct prl_tts *tts; // borrowed
    // set once
    uint64_t id;
    prl_tts_fn fn;
    void *arg;
    // of clauses said from now on
    char voice[PRL_TTS_VOICE_SIZE];
    enum prl_text_lang language;
    float speed;
    char *style; // owned; NULL: the front's
    // state
    bool begun;          // a generation was said
    uint32_t generation; // the newest that was said
    bool cancelled;      // some generation was
    uint32_t cancelled_generation;
    size_t waiting; // clauses without their end, of `generation`
    // with a pool
    struct clause *clauses;      // owned; oldest first
    struct prl_tts_far_job *job; // says the first of them elsewhere
};

struct prl_tts {
    const struct prl_tts_front_ops *front; // NULL: all that follows is used
    void *front_ctx;                       // owned
    // set once
    struct prl_loop *loop; // borrowed
    char voice[PRL_TTS_VOICE_SIZE];
    float speed;
    void (*on_ready)(void *arg);
    void (*on_error)(void *arg, const char *why);
    void *arg;
    // owned
    struct prl_port *port;
    struct prl_share *share;      // of front 0, as is the lane
    struct prl_tts_lane *lane;    // NULL: none
    struct prl_tts_far *far;      // NULL: none
    struct prl_timer *start_soon; // NULL, or until on_ready of far_only
    struct prl_pool *pool;        // borrowed; NULL: none
    bool joined;                  // another front owns the lane
    unsigned index;               // of this front; 0: the owner
    // state
    struct prl_tts_stream *streams; // owned by those who opened them
    uint64_t id_next;
    unsigned languages; // 0: not ready
};

static bool is_known_voice(const struct prl_tts *tts, const char *name)
{
    (void)tts;
    return prl_voice_find(name) != NULL;
}

static void set_started(struct prl_tts *tts, enum prl_err err, const char *error)
{
    if (err) {
        prl_log(PRL_LOG_ERROR, "tts", "no voice: %s", error);
        if (tts->on_error)
            tts->on_error(tts->arg, error);
        return;
    }
    tts->languages = prl_tts_lane_languages(tts->lane);
    if (tts->on_ready)
        tts->on_ready(tts->arg);
}

static void on_started(void *arg, enum prl_err err, const char *error)
{
    struct prl_tts *tts = arg;
    prl_share_started(tts->share, err, error);
    set_started(tts, err, error);
}

static struct prl_tts_stream *find_stream(struct prl_tts *tts, uint64_t id)
{
    struct prl_tts_stream *stream = tts->streams;
    while (stream && stream->id != id)
        stream = stream->next;
    return stream;
}

// The stream that a report is for; NULL when it is gone or no longer wants it.
static struct prl_tts_stream *stream_of(struct prl_tts *tts, const struct prl_msg *msg)
{
    struct prl_tts_stream *stream = find_stream(tts, msg->id);
    bool wanted = stream && msg->generation == stream->generation &&
                  !(stream->cancelled && msg->generation <= stream->cancelled_generation);
    if (!wanted)
        prl_metrics_add(PRL_METRIC_LATE_EVENTS, 1);
    return wanted ? stream : NULL;
}

static void audio_deliver(struct prl_tts_stream *stream, const struct prl_msg *msg)
{
    struct prl_tts_audio_head head;
    PRL_CHECK(msg->size >= sizeof(head));
    memcpy(&head, msg->data, sizeof(head));
    const char *data = (const char *)msg->data + sizeof(head);
    size_t marks_size = head.mark_count * sizeof(struct prl_tts_mark);
    PRL_CHECK(msg->size == sizeof(head) + marks_size + head.samples * sizeof(int16_t));
    struct prl_tts_event event = {
        .type = PRL_TTS_AUDIO,
        .generation = msg->generation,
        .clause_id = head.clause_id,
        .pcm = (const int16_t *)(const void *)(data + marks_size),
        .samples = head.samples,
        .sample_start = head.sample_start,
        .marks = (const struct prl_tts_mark *)(const void *)data,
        .mark_count = head.mark_count,
        .engine = head.engine,
    };
    stream->fn(stream->arg, &event);
}

static void done_deliver(struct prl_tts_stream *stream, const struct prl_msg *msg)
{
    struct prl_tts_done done;
    PRL_CHECK(msg->size == sizeof(done));
    memcpy(&done, msg->data, sizeof(done));
    struct prl_tts_event event = {
        .type = PRL_TTS_CLAUSE_DONE,
        .generation = msg->generation,
        .clause_id = done.clause_id,
        .sample_start = done.samples,
        .engine = done.engine,
        .queued_us = done.queued_us,
        .first_us = done.first_us,
        .work_us = done.work_us,
        .unknown = done.unknown,
    };
    stream->waiting -= stream->waiting > 0 ? 1 : 0;
    stream->fn(stream->arg, &event);
}

static void error_deliver(struct prl_tts_stream *stream, const struct prl_msg *msg)
{
    struct prl_tts_event event = {
        .type = PRL_TTS_ERROR,
        .generation = msg->generation,
        .clause_id = (uint32_t)msg->value[0],
        .engine = "",
        .err = (enum prl_err)msg->value[1],
        .why = msg->data ? msg->data : "out of memory",
    };
    stream->waiting -= stream->waiting > 0 ? 1 : 0;
    stream->fn(stream->arg, &event);
}

// ---- engines elsewhere ----

static bool try_engines(struct prl_tts_stream *stream);
static void say_next(struct prl_tts_stream *stream);

static void drop_first(struct prl_tts_stream *stream)
{
    struct clause *clause = stream->clauses;
    stream->clauses = clause->next;
    prl_mem_free(clause);
}

// Ends what is being said and forgets the rest.
static void drop_clauses(struct prl_tts_stream *stream)
{
    struct clause *first = stream->clauses;
    if (stream->job)
        prl_tts_far_cancel(&stream->job);
    else if (first && first->engine >= 0)
        prl_pool_end(stream->tts->pool, first->engine, PRL_OUTCOME_CANCELED, PRL_FETCH_OK, NULL);
    while (stream->clauses)
        drop_first(stream);
}

// The first clause has failed: the next engine, or an event.
static void fail_first(struct prl_tts_stream *stream, enum prl_err err, const char *why)
{
    struct clause *clause = stream->clauses;
    if (clause->engine >= 0)
        clause->tried |= UINT32_C(1) << clause->engine;
    clause->engine = -1;
    if (!clause->sounded && try_engines(stream))
        return;
    struct prl_tts_event event = {.type = PRL_TTS_ERROR,
                                  .generation = clause->generation,
                                  .clause_id = clause->id,
                                  .engine = "",
                                  .err = err,
                                  .why = why};
    uint64_t id = stream->id;
    struct prl_tts *tts = stream->tts;
    drop_first(stream);
    stream->waiting -= stream->waiting > 0 ? 1 : 0;
    stream->fn(stream->arg, &event);
    stream = find_stream(tts, id);
    if (stream)
        say_next(stream);
}

static void on_far_audio(void *arg, const struct prl_tts_chunk *chunk, uint32_t start)
{
    struct prl_tts_stream *stream = arg;
    struct clause *clause = stream->clauses;
    if (!clause->sounded)
        clause->first_us = prl_clock_now_us();
    clause->sounded = true;
    struct prl_tts_event event = {.type = PRL_TTS_AUDIO,
                                  .generation = clause->generation,
                                  .clause_id = clause->id,
                                  .pcm = chunk->pcm,
                                  .samples = chunk->samples,
                                  .sample_start = start,
                                  .marks = chunk->marks,
                                  .mark_count = chunk->mark_count,
                                  .engine = prl_pool_name(stream->tts->pool, clause->engine),
                                  .far = true};
    stream->fn(stream->arg, &event);
}

static void on_far_end(void *arg, enum prl_err err, const char *why, uint32_t samples)
{
    struct prl_tts_stream *stream = arg;
    struct clause *clause = stream->clauses;
    stream->job = NULL;
    if (err) {
        char text[PRL_FETCH_WHY_SIZE];
        (void)prl_str_copy(text, sizeof(text), why ? why : prl_err_name(err));
        fail_first(stream, err, text);
        return;
    }
    int64_t now_us = prl_clock_now_us();
    struct prl_tts_event event = {.type = PRL_TTS_CLAUSE_DONE,
                                  .generation = clause->generation,
                                  .clause_id = clause->id,
                                  .sample_start = samples,
                                  .engine = prl_pool_name(stream->tts->pool, clause->engine),
                                  .far = true,
                                  .queued_us = clause->asked_us - clause->queued_us,
                                  .first_us =
                                      clause->sounded ? clause->first_us - clause->asked_us : 0,
                                  .work_us = now_us - clause->asked_us};
    uint64_t id = stream->id;
    struct prl_tts *tts = stream->tts;
    drop_first(stream);
    stream->waiting -= stream->waiting > 0 ? 1 : 0;
    stream->fn(stream->arg, &event);
    stream = find_stream(tts, id);
    if (stream)
        say_next(stream);
}

static enum prl_err send_say(struct prl_tts_stream *stream, uint32_t generation,
                             const struct prl_tts_job_head *head, const char *text);

static enum prl_err ask_engine(struct prl_tts_stream *stream, struct clause *clause)
{
    static const struct prl_tts_far_ops ops = {on_far_audio, on_far_end};
    struct prl_tts *tts = stream->tts;
    clause->asked_us = prl_clock_now_us();
    if (prl_pool_at(tts->pool, clause->engine)->url) {
        struct prl_tts_far_ask ask = {.engine = clause->engine,
                                      .text = clause->text,
                                      .len = clause->head.text_len,
                                      .voice = clause->head.voice,
                                      .speed = clause->head.speed,
                                      .style = stream->style,
                                      .ops = &ops,
                                      .arg = stream};
        return prl_tts_far_say(tts->far, &ask, &stream->job);
    }
    enum prl_err err = tts->lane ? send_say(stream, clause->generation, &clause->head, clause->text)
                                 : PRL_ERR_ENGINE;
    if (err)
        prl_pool_end(tts->pool, clause->engine, PRL_OUTCOME_FAILED, PRL_FETCH_MEMORY,
                     prl_err_name(err));
    return err;
}

// Gives the first clause to the next engine that takes it; false: there is none.
static bool try_engines(struct prl_tts_stream *stream)
{
    struct clause *clause = stream->clauses;
    while ((clause->engine = prl_pool_pick(stream->tts->pool, clause->tried)) >= 0) {
        if (ask_engine(stream, clause) == PRL_OK)
            return true;
        clause->tried |= UINT32_C(1) << clause->engine;
    }
    return false;
}

// Says the first clause of the queue, if it is not being said already.
static void say_next(struct prl_tts_stream *stream)
{
    if (stream->clauses && stream->clauses->engine < 0 && !try_engines(stream)) {
        stream->clauses->sounded = true; // nobody is left to ask
        fail_first(stream, PRL_ERR_ENGINE, "no voice works");
    }
}

// What the lane reports of the clause that is being said; true: it has been dealt with.
static bool settle_near(struct prl_tts_stream *stream, const struct prl_msg *msg)
{
    struct clause *clause = stream->clauses;
    if (!clause || msg->type == PRL_TTS_REPORT_AUDIO) {
        if (clause)
            clause->sounded = true;
        return false;
    }
    bool failed = msg->type == PRL_TTS_REPORT_ERROR;
    prl_pool_end(stream->tts->pool, clause->engine, failed ? PRL_OUTCOME_FAILED : PRL_OUTCOME_OK,
                 PRL_FETCH_CUT, msg->data);
    if (failed) {
        fail_first(stream, (enum prl_err)msg->value[1], msg->data ? msg->data : "out of memory");
        return true;
    }
    drop_first(stream);
    return false;
}

static void on_report(void *arg, struct prl_msg *msg)
{
    if (msg->type == PRL_SHARE_STARTED) {
        const char *why = msg->data ? msg->data : prl_err_name((enum prl_err)msg->value[0]);
        set_started(arg, (enum prl_err)msg->value[0], why);
        return;
    }
    struct prl_tts_stream *stream = stream_of(arg, msg);
    uint64_t id = msg->id;
    if (stream && stream->tts->far && settle_near(stream, msg))
        stream = NULL;
    if (stream) {
        switch ((enum prl_tts_report)msg->type) {
        case PRL_TTS_REPORT_AUDIO:
            audio_deliver(stream, msg);
            break;
        case PRL_TTS_REPORT_DONE:
            done_deliver(stream, msg);
            break;
        case PRL_TTS_REPORT_ERROR:
            error_deliver(stream, msg);
            break;
        }
    }
    stream = find_stream(arg, id);
    if (stream && stream->tts->far)
        say_next(stream);
    prl_msg_free(msg);
}

static void on_start_soon(void *arg)
{
    struct prl_tts *tts = arg;
    prl_timer_destroy(&tts->start_soon);
    tts->languages = PRL_TTS_LANG_EN | PRL_TTS_LANG_ZH;
    if (tts->on_ready)
        tts->on_ready(tts->arg);
}

// The lane of another loop's front serves this one too.
static enum prl_err join_lane(struct prl_tts *tts, const struct prl_tts *owner)
{
    PRL_CHECK(owner->lane != NULL);
    tts->joined = true;
    tts->share = owner->share;
    tts->lane = owner->lane;
    return prl_share_join(tts->share, tts->port, &tts->index);
}

static enum prl_err start(struct prl_tts *tts, const struct prl_tts_conf *conf)
{
    enum prl_err err = PRL_OK;
    if (conf->pool && prl_pool_has_far(conf->pool)) {
        tts->pool = conf->pool;
        err = prl_tts_far_create(&tts->far, conf->loop, conf->pool, conf->instructions);
    }
    if (err)
        return err;
    if (tts->far && conf->far_only) { // nothing to load: told a turn later
        err = prl_timer_create(&tts->start_soon, conf->loop, "tts", on_start_soon, tts);
        if (!err)
            prl_timer_start(tts->start_soon, 0);
        return err;
    }
    err = prl_port_open(&tts->port, conf->loop, REPORTS_MAX, on_report, tts);
    if (err)
        return err;
    if (conf->share)
        return join_lane(tts, conf->share);
    err = prl_share_create(&tts->share, tts->port);
    struct prl_tts_lane_conf lane = {
        .tts = *conf, .share = tts->share, .started = on_started, .arg = tts};
    return err ? err : prl_tts_lane_create(&tts->lane, &lane);
}

enum prl_err prl_tts_create(struct prl_tts **out, const struct prl_tts_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->loop != NULL);
    *out = NULL;
    const char *voice = conf->voice ? conf->voice : voice_default;
    float speed = conf->speed > 0 ? conf->speed : 1;
    if (!prl_voice_find(voice) || speed < speed_min || speed > speed_max)
        return PRL_ERR_INVALID;
    struct prl_tts *tts = prl_mem_zalloc(sizeof(*tts));
    if (!tts)
        return PRL_ERR_NOMEM;
    tts->front = conf->front;
    if (conf->front) {
        enum prl_err failed = conf->front->create(&tts->front_ctx, conf);
        if (failed)
            prl_mem_free(tts);
        else
            *out = tts;
        return failed;
    }
    tts->loop = conf->loop;
    (void)prl_str_copy(tts->voice, sizeof(tts->voice), voice);
    tts->speed = speed;
    tts->on_ready = conf->on_ready;
    tts->on_error = conf->on_error;
    tts->arg = conf->arg;
    tts->id_next = 1;
    enum prl_err err = start(tts, conf);
    if (err)
        prl_tts_destroy(&tts);
    *out = tts;
    return err;
}

void prl_tts_destroy(struct prl_tts **tts)
{
    PRL_CHECK(tts != NULL);
    if (!*tts)
        return;
    if ((*tts)->front)
        (*tts)->front->destroy((*tts)->front_ctx);
    PRL_CHECK((*tts)->streams == NULL);
    if (!(*tts)->joined) {
        if ((*tts)->share)
            prl_share_close((*tts)->share);
        prl_tts_lane_destroy(&(*tts)->lane);
        prl_share_destroy(&(*tts)->share);
    }
    prl_tts_far_destroy(&(*tts)->far);
    prl_timer_destroy(&(*tts)->start_soon);
    if ((*tts)->port)
        prl_port_destroy(&(*tts)->port);
    prl_mem_free(*tts);
    *tts = NULL;
}

const char *prl_tts_next(const struct prl_tts *tts)
{
    int index = tts->far ? prl_pool_peek(tts->pool, 0) : -1;
    return index >= 0 && prl_pool_at(tts->pool, index)->url ? prl_pool_name(tts->pool, index) : "";
}

void prl_tts_warm(struct prl_tts *tts)
{
    if (tts->far)
        prl_pool_warm_next(tts->pool, NULL);
}

bool prl_tts_is_ready(const struct prl_tts *tts)
{
    return tts->front ? tts->front->is_ready(tts->front_ctx) : tts->languages != 0;
}

size_t prl_tts_backlog(const struct prl_tts *tts)
{
    if (tts->front)
        return tts->front->backlog(tts->front_ctx);
    size_t waiting = 0;
    for (const struct prl_tts_stream *stream = tts->streams; stream; stream = stream->next)
        waiting += stream->waiting;
    return waiting;
}

unsigned prl_tts_languages(const struct prl_tts *tts)
{
    return tts->front ? tts->front->languages(tts->front_ctx) : tts->languages;
}

enum prl_err prl_tts_open(struct prl_tts *tts, const struct prl_tts_stream_conf *conf,
                          struct prl_tts_stream **out)
{
    PRL_CHECK(tts != NULL && conf != NULL && conf->fn != NULL && out != NULL);
    *out = NULL;
    struct prl_tts_stream *stream = prl_mem_zalloc(sizeof(*stream));
    if (!stream)
        return PRL_ERR_NOMEM;
    if (tts->front) {
        stream->front = tts->front;
        enum prl_err failed = tts->front->open(tts->front_ctx, conf, &stream->front_stream);
        if (failed)
            prl_mem_free(stream);
        else
            *out = stream;
        return failed;
    }
    prl_loop_check(tts->loop);
    *stream = (struct prl_tts_stream){.tts = tts,
                                      .id = prl_share_id(tts->index, tts->id_next++),
                                      .fn = conf->fn,
                                      .arg = conf->arg,
                                      .language = conf->language,
                                      .speed = tts->speed};
    (void)prl_str_copy(stream->voice, sizeof(stream->voice), tts->voice);
    enum prl_err err = prl_tts_configure(stream, conf->voice, conf->speed);
    if (err) {
        prl_mem_free(stream);
        return err;
    }
    stream->next = tts->streams;
    tts->streams = stream;
    *out = stream;
    return PRL_OK;
}

void prl_tts_close(struct prl_tts_stream **stream)
{
    PRL_CHECK(stream != NULL);
    struct prl_tts_stream *closed = *stream;
    if (!closed)
        return;
    if (closed->front) {
        closed->front->close(closed->front_stream);
        prl_mem_free(closed->style);
        prl_mem_free(closed);
        *stream = NULL;
        return;
    }
    struct prl_tts *tts = closed->tts;
    prl_loop_check(tts->loop);
    struct prl_tts_stream **link = &tts->streams;
    while (*link != closed)
        link = &(*link)->next;
    *link = closed->next;
    drop_clauses(closed);
    struct prl_lane *lane = tts->lane ? prl_tts_lane_thread(tts->lane) : NULL;
    struct prl_msg cancel = {
        .type = PRL_TTS_ORDER_CANCEL, .generation = UINT32_MAX, .id = closed->id};
    struct prl_msg close = {.type = PRL_TTS_ORDER_CLOSE, .id = closed->id};
    // Refused only by a lane that ended or is swamped; then its note of the stream (64 bytes) stays.
    if (lane && closed->begun && prl_lane_send_first(lane, &cancel) == PRL_OK &&
        prl_lane_send(lane, &close) == PRL_ERR_FULL)
        prl_log(PRL_LOG_WARN, "tts", "lane is full: stream %llu is closed there later",
                (unsigned long long)closed->id);
    prl_mem_free(closed->style);
    prl_mem_free(closed);
    *stream = NULL;
}

enum prl_err prl_tts_configure(struct prl_tts_stream *stream, const char *voice, float speed)
{
    PRL_CHECK(stream != NULL);
    if (stream->front)
        return stream->front->configure(stream->front_stream, voice, speed);
    bool keeps = !(speed < 0) && !(speed > 0); // 0: as it is
    if (voice && !is_known_voice(stream->tts, voice))
        return PRL_ERR_INVALID;
    if (!keeps && !(speed >= speed_min && speed <= speed_max))
        return PRL_ERR_INVALID;
    if (voice)
        (void)prl_str_copy(stream->voice, sizeof(stream->voice), voice);
    if (!keeps)
        stream->speed = speed;
    return PRL_OK;
}

enum prl_err prl_tts_set_style(struct prl_tts_stream *stream, const char *style)
{
    PRL_CHECK(stream != NULL);
    const char *before = stream->style ? stream->style : "";
    style = style ? style : "";
    if (strcmp(style, before) == 0)
        return PRL_OK;
    if (strlen(style) >= PRL_TTS_STYLE_SIZE)
        return PRL_ERR_LIMIT;
    char *copy = style[0] ? prl_mem_strdup(style) : NULL;
    if (style[0] && !copy)
        return PRL_ERR_NOMEM;
    prl_mem_free(stream->style);
    stream->style = copy;
    return PRL_OK;
}

void prl_tts_set_language(struct prl_tts_stream *stream, enum prl_text_lang language)
{
    if (stream->front)
        stream->front->set_language(stream->front_stream, language);
    stream->language = language;
}

static enum prl_err send_say(struct prl_tts_stream *stream, uint32_t generation,
                             const struct prl_tts_job_head *head, const char *text)
{
    char *data = prl_mem_alloc(sizeof(*head) + head->text_len);
    if (!data)
        return PRL_ERR_NOMEM;
    memcpy(data, head, sizeof(*head));
    if (head->text_len > 0)
        memcpy(data + sizeof(*head), text, head->text_len);
    struct prl_msg msg = {.type = PRL_TTS_ORDER_SAY,
                          .generation = generation,
                          .id = stream->id,
                          .data = data,
                          .size = sizeof(*head) + head->text_len};
    enum prl_err err = prl_lane_send(prl_tts_lane_thread(stream->tts->lane), &msg);
    if (err)
        prl_mem_free(data);
    return err;
}

static enum prl_err queue_clause(struct prl_tts_stream *stream, uint32_t generation,
                                 const struct prl_tts_job_head *head, const char *text)
{
    struct clause *clause = prl_mem_zalloc(sizeof(*clause) + head->text_len + 1);
    if (!clause)
        return PRL_ERR_NOMEM;
    clause->generation = generation;
    clause->id = head->clause_id;
    clause->queued_us = head->queued_us;
    clause->engine = -1;
    clause->head = *head;
    if (head->text_len > 0)
        memcpy(clause->text, text, head->text_len);
    struct clause **link = &stream->clauses;
    while (*link)
        link = &(*link)->next;
    *link = clause;
    // An event may not come from inside prl_tts_say: with nobody to ask the say itself fails.
    if (stream->clauses == clause && !try_engines(stream)) {
        drop_first(stream);
        return PRL_ERR_ENGINE;
    }
    return PRL_OK;
}

enum prl_err prl_tts_say(struct prl_tts_stream *stream, uint32_t generation, uint32_t clause_id,
                         const char *text, size_t len)
{
    struct prl_tts_part all = {.text = text, .len = len, .to = len};
    return prl_tts_say_part(stream, generation, clause_id, &all);
}

unsigned prl_tts_says_parts(const struct prl_tts_stream *stream)
{
    if (stream->front || stream->tts->far)
        return 0;
    const struct prl_voice *voice = prl_voice_find(stream->voice);
    return prl_tts_lane_parts(stream->tts->lane, voice && !voice->hibari);
}

enum prl_err prl_tts_say_part(struct prl_tts_stream *stream, uint32_t generation,
                              uint32_t clause_id, const struct prl_tts_part *part)
{
    PRL_CHECK(stream != NULL && part->from <= part->to && part->to <= part->len);
    PRL_CHECK(part->text != NULL || part->len == 0);
    bool alone = stream->front || stream->tts->far;
    const char *text = alone && part->text ? part->text + part->from : part->text;
    size_t len = alone ? part->to - part->from : part->len;
    if (stream->front)
        return len > PRL_TEXT_CLAUSE_MAX
                   ? PRL_ERR_LIMIT
                   : stream->front->say(stream->front_stream, generation, clause_id, text, len);
    struct prl_tts *tts = stream->tts;
    prl_loop_check(tts->loop);
    PRL_CHECK(!stream->begun || generation >= stream->generation);
    PRL_CHECK(!stream->cancelled || generation > stream->cancelled_generation);
    if (len > PRL_TEXT_CLAUSE_MAX)
        return PRL_ERR_LIMIT;
    if (stream->begun && generation > stream->generation)
        prl_tts_cancel(stream, generation - 1);
    if (stream->waiting >= PRL_TTS_QUEUE_MAX)
        return PRL_ERR_FULL;
    struct prl_tts_job_head head = {.clause_id = clause_id,
                                    .text_len = (uint32_t)len,
                                    .from = alone ? 0 : (uint32_t)part->from,
                                    .to = (uint32_t)(alone ? len : part->to),
                                    .speed = stream->speed,
                                    .language = stream->language,
                                    .queued_us = prl_clock_now_us()};
    memcpy(head.voice, stream->voice, sizeof(head.voice));
    enum prl_err err = tts->far ? queue_clause(stream, generation, &head, text)
                                : send_say(stream, generation, &head, text);
    if (err)
        return err == PRL_ERR_CANCELED ? PRL_ERR_ENGINE : err;
    stream->begun = true;
    stream->generation = generation;
    stream->waiting++;
    return PRL_OK;
}

void prl_tts_cancel(struct prl_tts_stream *stream, uint32_t generation)
{
    PRL_CHECK(stream != NULL);
    if (stream->front) {
        stream->front->cancel(stream->front_stream, generation);
        return;
    }
    prl_loop_check(stream->tts->loop);
    if (stream->cancelled && generation <= stream->cancelled_generation)
        return;
    stream->cancelled = true;
    stream->cancelled_generation = generation;
    if (!stream->begun || generation < stream->generation)
        return; // nothing of it was ever said, or it is over
    stream->waiting = 0;
    drop_clauses(stream);
    if (!stream->tts->lane)
        return;
    struct prl_msg msg = {.type = PRL_TTS_ORDER_CANCEL, .generation = generation, .id = stream->id};
    enum prl_err err = prl_lane_send_first(prl_tts_lane_thread(stream->tts->lane), &msg);
    if (err == PRL_ERR_FULL) // its reports are dropped here all the same
        prl_log(PRL_LOG_WARN, "tts", "lane is full: a cancelled clause is still computed");
}
