// stt.c -- see stt.h. Keeps the streams, picks the next piece of work among all of them and sends
// it to the lane, one at a time, so that the order of work is decided here and nowhere else.
#include "stt/stt.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/str.h"
#include "engine/pool.h"
#include "net/lane_child.h"
#include "net/share.h"
#include "stt/far.h"
#include "stt/front.h"
#include "stt/live.h"
#include "stt/split.h"
#include "stt/timeline.h"
#include "stt/worker.h"

enum {
    LANE_NICE = 10,
    QUEUE_MAX = 4,                 // one order is under way at a time, of all fronts
    PARTIAL_EVERY_US = 250 * 1000, // at most so often for one stream
    PARTIAL_REST = 3,              // and not before 3 times the last one's work has passed
    PROMPT_MAX = 1000,             // bytes
    TEXT_MAX = 256 * 1024,
    HEAR_MIN = PRL_STT_RATE_HZ / 10, // sound before a recogniser is asked to listen to it
};
static const float LANGUAGE_KEEP = 0.5F; // an identified language is kept from here on

// Work that an engine elsewhere does for a stream.
struct far_work {
    struct prl_stt_far_job *job; // NULL: none
    bool live;                   // the stream's live recogniser does it
    struct prl_timeline_work work;
    int engine;
    int64_t sent_us;
};

struct prl_stt_stream {
    // Set once.
    const struct prl_stt_front_ops *front; // NULL: all that follows is used
    void *front_stream;                    // owned
    struct prl_stt *stt;                   // borrowed
    uint64_t id;
    prl_stt_fn fn;
    void *arg;
    bool partials;
    // Owned.
    struct prl_timeline *timeline;
    char *prompt;
    struct prl_stt_stream *next;
    // State.
    char language[PRL_STT_LANGUAGE_SIZE];   // configured; "" is auto
    char identified[PRL_STT_LANGUAGE_SIZE]; // found out; "" unknown
    bool open;                              // between begin and clear
    bool identify_failed;                   // asked early in this utterance, without an answer
    uint32_t begin;                         // generation of the utterance
    uint32_t newest;                        // highest generation seen
    uint32_t epoch;                         // changes with every begin and clear
    int64_t partial_at_us;                  // not before this time
    struct far_work far;
    // A recogniser elsewhere that listens while it is spoken.
    struct prl_live *live; // NULL: none
    int live_engine;
    size_t live_start; // where its sound begins
    size_t live_fed;   // and ends, as far as it has it
    size_t live_asked; // as far as it was asked for its text
    uint32_t tried;    // engines of the pool that failed at the piece that is next
};

struct running {
    uint64_t order; // number; 0: nothing is under way
    uint64_t stream;
    uint32_t epoch;
    struct prl_timeline_work work;
    int engine; // of the pool, if there is one
    int64_t sent_us;
    bool aborted;
};

struct prl_stt {
    const struct prl_stt_front_ops *front; // NULL: all that follows is used
    void *front_ctx;                       // owned
    // Set once.
    struct prl_stt_conf conf; // paths not valid any more
    struct prl_stt_route route;
    const struct prl_stt_backend_ops *backends[PRL_STT_ENGINE_COUNT];
    char language[PRL_STT_LANGUAGE_SIZE]; // default; "" is auto
    // Owned.
    struct prl_port *port;
    struct prl_stt_worker *worker; // these three are of front 0
    struct prl_share *share;
    struct prl_lane *lane;
    unsigned front_index;
    struct prl_stt_far *far;      // NULL: none
    struct prl_timer *start_soon; // NULL, or until on_ready of far_only
    struct prl_stt_stream *streams;
    // State.
    uint64_t ids;
    uint64_t orders;
    struct running running;
    bool ready;
    bool failed;
    size_t far_count; // streams with work elsewhere
    char why[PRL_LANE_ERROR_SIZE];
    char far_why[PRL_FETCH_WHY_SIZE]; // latest failure of an engine of the pool
};

static const struct prl_stt_backend_ops *const BACKENDS[PRL_STT_ENGINE_COUNT] = {
    [PRL_STT_ENGINE_MOONSHINE] = &prl_stt_moonshine,
    [PRL_STT_ENGINE_WHISPER] = &prl_stt_whisper,
    [PRL_STT_ENGINE_USER] = &prl_stt_user,
};

static const char *language_of(const struct prl_stt_stream *stream)
{
    return stream->language[0] ? stream->language : stream->identified;
}

// Is its recogniser, or would it be, one that listens while it is spoken? Then words come unasked.
static bool listens_next(const struct prl_stt_stream *stream)
{
    const struct prl_pool *pool = stream->stt->conf.pool;
    if (stream->live || !prl_pool_has_links(pool))
        return stream->live != NULL;
    int engine = prl_pool_peek(pool, stream->tried);
    return engine >= 0 && prl_pool_at(pool, engine)->way != PRL_POOL_HTTP;
}

// Live partials only where the engine is known and fast enough.
static bool wants_live(const struct prl_stt_stream *stream, int64_t now_us)
{
    if (!stream->partials || !stream->open || now_us < stream->partial_at_us)
        return false;
    if (stream->stt->far)
        return stream->stt->conf.far_partials && !listens_next(stream);
    const char *language = language_of(stream);
    enum prl_stt_engine engine = prl_stt_route_pick(&stream->stt->route, language);
    if (engine == PRL_STT_ENGINE_NONE || !stream->stt->backends[engine]->live)
        return false;
    return language[0] || !stream->stt->backends[engine]->identify;
}

static bool wants_identify(const struct prl_stt_stream *stream)
{
    if (stream->stt->far || !stream->open || stream->identify_failed || language_of(stream)[0])
        return false;
    enum prl_stt_engine engine = prl_stt_route_pick(&stream->stt->route, "");
    return engine != PRL_STT_ENGINE_NONE && stream->stt->backends[engine]->identify;
}

static struct prl_stt_stream *find_stream(struct prl_stt *stt, uint64_t id)
{
    struct prl_stt_stream *stream = stt->streams;
    while (stream && stream->id != id)
        stream = stream->next;
    return stream;
}

// Some engine of the pool works for it.
static bool is_busy(const struct prl_stt_stream *stream)
{
    const struct running *running = &stream->stt->running;
    return stream->far.job || stream->far.live ||
           (running->order && running->stream == stream->id && running->epoch == stream->epoch);
}

static struct prl_stt_stream *pick_stream(struct prl_stt *stt, int64_t now_us,
                                          struct prl_timeline_work *best)
{
    struct prl_stt_stream *chosen = NULL;
    *best = (struct prl_timeline_work){.rank = PRL_RANK_NONE};
    for (struct prl_stt_stream *stream = stt->streams; stream; stream = stream->next) {
        struct prl_timeline_work work;
        if (stt->far && is_busy(stream))
            continue;
        if (!prl_timeline_next(stream->timeline, wants_live(stream, now_us), wants_identify(stream),
                               &work))
            continue;
        if (work.rank < best->rank || (work.rank == best->rank && work.asked_us < best->asked_us)) {
            *best = work;
            chosen = stream;
        }
    }
    return chosen;
}

static struct prl_stt_order *make_order(const struct prl_stt_stream *stream,
                                        const struct prl_timeline_work *work, size_t *whole)
{
    size_t samples = work->end - work->start;
    size_t prompt = stream->prompt ? strlen(stream->prompt) + 1 : 0;
    size_t size = sizeof(struct prl_stt_order) + samples * sizeof(int16_t) + prompt;
    struct prl_stt_order *order = prl_mem_alloc(size);
    if (!order)
        return NULL;
    *order = (struct prl_stt_order){
        .identify = work->kind == PRL_WORK_IDENTIFY,
        .careful = work->rank != PRL_RANK_PARTIAL,
        .samples = samples,
        .prompt_len = prompt,
    };
    (void)prl_str_copy(order->language, sizeof(order->language), language_of(stream));
    memcpy(order->pcm, prl_timeline_pcm(stream->timeline) + work->start, samples * sizeof(int16_t));
    if (prompt > 0)
        memcpy(order->pcm + samples, stream->prompt, prompt);
    *whole = size;
    return order;
}

static uint64_t next_order(const struct prl_stt *stt)
{
    return prl_share_id(stt->front_index, stt->orders + 1);
}

// False: the lane works for another loop, which gives way where it should, and TURN comes.
static bool take_turn(struct prl_stt *stt, enum prl_timeline_rank rank)
{
    uint64_t in_the_way;
    struct prl_share_wish wish = {.front = stt->front_index,
                                  .rank = rank,
                                  .order = next_order(stt),
                                  .urgent = rank == PRL_RANK_FINAL};
    bool mine = prl_share_begin(stt->share, &wish, &in_the_way);
    if (in_the_way)
        prl_stt_worker_abort(stt->worker, in_the_way);
    return mine;
}

static enum prl_err send_order(struct prl_stt *stt, const struct prl_stt_stream *stream,
                               const struct prl_timeline_work *work)
{
    size_t size;
    struct prl_stt_order *order = make_order(stream, work, &size);
    if (!order)
        return PRL_ERR_NOMEM;
    struct prl_msg msg = {.id = next_order(stt), .data = order, .size = size};
    enum prl_err err = prl_lane_send(stt->lane, &msg);
    if (err) {
        prl_mem_free(order);
        return err;
    }
    stt->orders++;
    stt->running = (struct running){.order = msg.id,
                                    .stream = stream->id,
                                    .epoch = stream->epoch,
                                    .work = *work,
                                    .sent_us = prl_clock_now_us()};
    return PRL_OK;
}

// The running work gives way when nobody waits for it any more, or when committed work waits.
static void abort_if_useless(struct prl_stt *stt, enum prl_timeline_rank waiting)
{
    struct running *running = &stt->running;
    if (!running->order || running->aborted)
        return;
    struct prl_stt_stream *stream = find_stream(stt, running->stream);
    bool alive = stream && stream->epoch == running->epoch;
    enum prl_timeline_rank rank =
        alive ? prl_timeline_rank_of(stream->timeline, &running->work) : PRL_RANK_NONE;
    bool unwanted = rank == PRL_RANK_NONE ||
                    (rank == PRL_RANK_PARTIAL && running->work.rank < PRL_RANK_PARTIAL);
    if (!unwanted && !(waiting == PRL_RANK_FINAL && rank > PRL_RANK_FINAL))
        return;
    running->aborted = true;
    prl_stt_worker_abort(stt->worker, running->order);
}

// Delivers what is answered on this stream. The callback may use the stream, so all state is
// looked at anew after each.
static void deliver(struct prl_stt_stream *stream)
{
    struct prl_stt_event event;
    for (;;) {
        struct prl_str text;
        prl_str_init(&text, TEXT_MAX);
        bool some = prl_timeline_take(stream->timeline, &event, &text);
        if (some) {
            event.text = prl_str_text(&text);
            stream->fn(stream->arg, &event);
        }
        prl_str_free(&text);
        if (!some)
            return;
    }
}

static void tell_partial(struct prl_stt_stream *stream)
{
    struct prl_stt_event event;
    struct prl_str text;
    prl_str_init(&text, TEXT_MAX);
    if (prl_timeline_partial(stream->timeline, &event, &text)) {
        event.text = prl_str_text(&text);
        event.generation = stream->begin;
        stream->fn(stream->arg, &event);
    }
    prl_str_free(&text);
}

static void keep_language(struct prl_stt_stream *stream, const struct running *running,
                          const struct prl_stt_reply *reply)
{
    if (language_of(stream)[0])
        return;
    if (reply->language[0] && reply->language_probability >= LANGUAGE_KEEP)
        memcpy(stream->identified, reply->language, sizeof(stream->identified));
    else if (running->work.kind == PRL_WORK_IDENTIFY)
        stream->identify_failed = true;
}

// Without memory for a reply there is none for its text either.
static const char *text_of(const struct prl_stt_reply *reply)
{
    return reply->err == PRL_ERR_NOMEM ? "out of memory" : reply->text;
}

static void store_reply(struct prl_stt_stream *stream, const struct running *running,
                        const struct prl_stt_reply *reply)
{
    struct prl_timeline_result result = {
        .err = reply->err,
        .text = text_of(reply),
        .engine = reply->engine,
        .work_us = reply->work_us,
    };
    memcpy(result.language, reply->language, sizeof(result.language));
    int64_t now_us = prl_loop_now_us(stream->stt->conf.loop);
    int64_t asked_us = running->work.asked_us ? running->work.asked_us : running->sent_us;
    int64_t queued_us = now_us - asked_us - reply->work_us;
    prl_timeline_store(stream->timeline, &running->work, &result, queued_us > 0 ? queued_us : 0);
    int64_t rest_us = reply->work_us * PARTIAL_REST;
    stream->partial_at_us = now_us + (rest_us > PARTIAL_EVERY_US ? rest_us : PARTIAL_EVERY_US);
    if (running->work.kind == PRL_WORK_IDENTIFY)
        stream->partial_at_us = 0;
}

// ---- engines elsewhere ----

static void run_queue(struct prl_stt *stt);

static void drop_far(struct prl_stt_stream *stream)
{
    stream->stt->far_count -= stream->far.job || stream->far.live;
    prl_stt_far_cancel(&stream->far.job);
    stream->far.live = false;
    prl_live_close(&stream->live);
}

// Work that nobody waits for any more, or a partial while something better waits, gives way.
static void drop_useless(struct prl_stt *stt)
{
    for (struct prl_stt_stream *stream = stt->streams; stream; stream = stream->next) {
        if (!stream->far.job) // a live one's answer is soon there, and its connection worth more
            continue;
        enum prl_timeline_rank rank = prl_timeline_rank_of(stream->timeline, &stream->far.work);
        bool live = rank == PRL_RANK_PARTIAL;
        if (rank == PRL_RANK_NONE || (live && stream->far.work.rank < PRL_RANK_PARTIAL) ||
            (live && prl_timeline_waiting(stream->timeline) > 0)) {
            prl_stt_far_cancel(&stream->far.job);
            stt->far_count--;
        }
    }
}

// What an engine made of a piece; a failure leaves the piece to the next engine.
static void take_result(struct prl_stt_stream *stream, const struct running *running,
                        const struct prl_stt_reply *reply)
{
    struct prl_stt *stt = stream->stt;
    if (reply->err && stt->far && running->engine >= 0) {
        stream->tried |= UINT32_C(1) << running->engine;
        (void)prl_str_copy(stt->far_why, sizeof(stt->far_why), text_of(reply));
        return;
    }
    stream->tried = 0;
    keep_language(stream, running, reply);
    store_reply(stream, running, reply);
    deliver(stream);
}

static void on_far(void *arg, const struct prl_stt_reply *reply)
{
    struct prl_stt_stream *stream = arg;
    struct prl_stt *stt = stream->stt;
    uint64_t id = stream->id;
    struct running running = {
        .work = stream->far.work, .engine = stream->far.engine, .sent_us = stream->far.sent_us};
    stream->far.job = NULL;
    stt->far_count--;
    take_result(stream, &running, reply);
    stream = find_stream(stt, id);
    if (stream && stream->partials)
        tell_partial(stream);
    run_queue(stt);
}

// Nobody is left for this piece.
static void fail_work(struct prl_stt_stream *stream, const struct prl_timeline_work *work)
{
    struct prl_stt *stt = stream->stt;
    const char *why = stt->far_why[0] ? stt->far_why : "no engine of speech recognition works";
    size_t len = strlen(why);
    struct running running = {.work = *work, .engine = -1, .sent_us = prl_clock_now_us()};
    struct prl_stt_reply *reply = prl_mem_zalloc(sizeof(*reply) + len + 1);
    if (!reply) {
        prl_timeline_fail(stream->timeline, PRL_ERR_NOMEM, "out of memory");
        deliver(stream);
        return;
    }
    reply->err = PRL_ERR_ENGINE;
    reply->engine = "";
    memcpy(reply->text, why, len + 1);
    take_result(stream, &running, reply);
    prl_mem_free(reply);
}

// Silence needs no engine.
static bool answer_silence(struct prl_stt_stream *stream, const struct prl_timeline_work *work)
{
    const int16_t *pcm = prl_timeline_pcm(stream->timeline) + work->start;
    struct running running = {.work = *work, .engine = -1, .sent_us = prl_clock_now_us()};
    struct prl_stt_reply *reply;
    if (!prl_split_is_silent(pcm, work->end - work->start) ||
        !(reply = prl_mem_zalloc(sizeof(*reply) + 1)))
        return false;
    reply->engine = "";
    take_result(stream, &running, reply);
    prl_mem_free(reply);
    return true;
}

static enum prl_err ask_far(struct prl_stt_stream *stream, const struct prl_timeline_work *work,
                            int engine)
{
    struct prl_stt *stt = stream->stt;
    size_t size;
    struct prl_stt_order *order = make_order(stream, work, &size);
    if (!order) {
        prl_pool_end(stt->conf.pool, engine, PRL_OUTCOME_FAILED, PRL_FETCH_MEMORY, NULL);
        return PRL_ERR_NOMEM;
    }
    stream->far = (struct far_work){.work = *work, .engine = engine, .sent_us = prl_clock_now_us()};
    enum prl_err err = prl_stt_far_ask(stt->far, engine, order, on_far, stream, &stream->far.job);
    prl_mem_free(order);
    stt->far_count += !err;
    return err;
}

// False: the lane is busy with something else, and this has to wait.
static bool ask_lane(struct prl_stt_stream *stream, const struct prl_timeline_work *work,
                     int engine)
{
    struct prl_stt *stt = stream->stt;
    if (stt->running.order) {
        prl_pool_end(stt->conf.pool, engine, PRL_OUTCOME_CANCELED, PRL_FETCH_OK, NULL);
        abort_if_useless(stt, work->rank);
        return false;
    }
    if (!take_turn(stt, work->rank)) {
        prl_pool_end(stt->conf.pool, engine, PRL_OUTCOME_CANCELED, PRL_FETCH_OK, NULL);
        return false;
    }
    enum prl_err err = send_order(stt, stream, work);
    if (err) {
        prl_share_end(stt->share, stt->front_index);
        prl_pool_end(stt->conf.pool, engine, PRL_OUTCOME_FAILED, PRL_FETCH_MEMORY, NULL);
        stream->tried |= UINT32_C(1) << engine;
    } else {
        stt->running.engine = engine;
    }
    return true;
}

// ---- a recogniser that listens ----

static void on_words(void *arg, const char *words)
{
    struct prl_stt_stream *stream = arg;
    struct prl_stt_event event;
    struct prl_str clean, text;
    if (!stream->partials)
        return;
    prl_str_init(&clean, TEXT_MAX);
    prl_str_init(&text, TEXT_MAX);
    if (prl_stt_far_clean(stream->stt->far, words, strlen(words), language_of(stream), &clean) ==
            PRL_OK &&
        prl_timeline_hint(stream->timeline, stream->live_start, prl_str_text(&clean), &event,
                          &text)) {
        event.text = prl_str_text(&text);
        event.generation = stream->begin;
        stream->fn(stream->arg, &event);
    }
    prl_str_free(&clean);
    prl_str_free(&text);
}

// The end of the work under way.
static void end_live(struct prl_stt_stream *stream, enum prl_err err, const char *text,
                     int64_t work_us)
{
    struct prl_stt *stt = stream->stt;
    size_t len = strlen(text);
    struct prl_stt_reply *reply = prl_mem_zalloc(sizeof(*reply) + len + 1);
    struct prl_stt_reply nothing = {.err = PRL_ERR_NOMEM, .engine = "live"};
    struct running running = {
        .work = stream->far.work, .engine = stream->far.engine, .sent_us = stream->far.sent_us};
    if (reply) {
        reply->err = err;
        reply->engine = "live";
        reply->work_us = work_us;
        memcpy(reply->text, text, len + 1);
    }
    stream->far.live = false;
    stt->far_count--;
    take_result(stream, &running, reply ? reply : &nothing);
    prl_mem_free(reply);
    run_queue(stt);
}

static void on_answer(void *arg, const char *text, int64_t work_us)
{
    struct prl_stt_stream *stream = arg;
    struct prl_str clean;
    prl_str_init(&clean, TEXT_MAX);
    enum prl_err err =
        prl_stt_far_clean(stream->stt->far, text, strlen(text), language_of(stream), &clean);
    end_live(stream, err, err ? "out of memory" : prl_str_text(&clean), work_us);
    prl_str_free(&clean);
}

static void on_live_failed(void *arg, enum prl_err err, const char *why)
{
    struct prl_stt_stream *stream = arg;
    stream->live = NULL;
    if (stream->far.live) {
        end_live(stream, err, why, 0);
        return;
    }
    // Not held against it here: the breaker counts, and what is said next finds who is left.
    (void)prl_str_copy(stream->stt->far_why, sizeof(stream->stt->far_why), why);
}

static enum prl_err open_live(struct prl_stt_stream *stream, int engine, size_t start)
{
    static const struct prl_live_ops ops = {on_words, on_answer, on_live_failed};
    struct prl_live_conf conf = {.pool = stream->stt->conf.pool,
                                 .engine = engine,
                                 .language = language_of(stream),
                                 .prompt = stream->prompt ? stream->prompt : "",
                                 .ops = &ops,
                                 .arg = stream};
    stream->live_engine = engine;
    stream->live_start = stream->live_fed = stream->live_asked = start;
    return prl_live_open(&conf, &stream->live);
}

static enum prl_err feed_live(struct prl_stt_stream *stream, size_t end)
{
    size_t from = stream->live_fed;
    if (end <= from)
        return PRL_OK;
    stream->live_fed = end;
    return prl_live_feed(stream->live, prl_timeline_pcm(stream->timeline) + from, end - from);
}

// The live recogniser has the beginning of this sound already.
static bool live_fits(const struct prl_stt_stream *stream, const struct prl_timeline_work *work)
{
    return stream->live && work->kind == PRL_WORK_TAIL && stream->live_start == work->start &&
           stream->live_fed <= work->end && stream->live_asked < work->end;
}

static enum prl_err ask_live(struct prl_stt_stream *stream, const struct prl_timeline_work *work,
                             int engine)
{
    enum prl_err err = PRL_OK;
    if (!live_fits(stream, work)) {
        prl_live_close(&stream->live);
        err = open_live(stream, engine, work->start);
    }
    if (!err)
        err = feed_live(stream, work->end);
    if (!err)
        err = prl_live_commit(stream->live);
    if (err) {
        prl_live_close(&stream->live);
        return err;
    }
    stream->far = (struct far_work){
        .live = true, .work = *work, .engine = engine, .sent_us = prl_clock_now_us()};
    stream->live_asked = work->end;
    stream->stt->far_count++;
    return PRL_OK;
}

// Lets the stream's recogniser hear what was just said, if it is one that listens.
static void hear(struct prl_stt_stream *stream)
{
    struct prl_stt *stt = stream->stt;
    size_t start, end;
    if (!stt->far || !prl_pool_has_links(stt->conf.pool) || is_busy(stream) ||
        !prl_timeline_tail(stream->timeline, &start, &end) || end < start + HEAR_MIN)
        return;
    if (stream->live && stream->live_start != start)
        prl_live_close(&stream->live);
    if (!stream->live) {
        if (!listens_next(stream) ||
            open_live(stream, prl_pool_pick(stt->conf.pool, stream->tried), start) != PRL_OK)
            return;
    }
    if (feed_live(stream, end) != PRL_OK)
        prl_live_close(&stream->live);
}

static enum prl_err ask_elsewhere(struct prl_stt_stream *stream,
                                  const struct prl_timeline_work *work, int engine)
{
    return prl_pool_at(stream->stt->conf.pool, engine)->way == PRL_POOL_HTTP
               ? ask_far(stream, work, engine)
               : ask_live(stream, work, engine);
}

// Gives every stream that wants something its engine.
static void run_chain(struct prl_stt *stt)
{
    struct prl_timeline_work work;
    struct prl_stt_stream *stream;
    drop_useless(stt);
    while (stt->far_count < PRL_STT_FAR_MAX &&
           (stream = pick_stream(stt, prl_loop_now_us(stt->conf.loop), &work))) {
        if (answer_silence(stream, &work))
            continue;
        int engine = live_fits(stream, &work) ? stream->live_engine
                                              : prl_pool_pick(stt->conf.pool, stream->tried);
        if (engine < 0)
            fail_work(stream, &work);
        else if (!prl_pool_at(stt->conf.pool, engine)->url && !ask_lane(stream, &work, engine))
            return;
        else if (prl_pool_at(stt->conf.pool, engine)->url &&
                 ask_elsewhere(stream, &work, engine) != PRL_OK)
            stream->tried |= UINT32_C(1) << engine;
    }
    abort_if_useless(stt, PRL_RANK_NONE);
}

// Starts the best piece of work, if the lane is free. Last in every public function.
static void run_queue(struct prl_stt *stt)
{
    if (!stt->ready)
        return;
    if (stt->far) {
        run_chain(stt);
        return;
    }
    struct prl_timeline_work work;
    for (;;) {
        struct prl_stt_stream *stream = pick_stream(stt, prl_loop_now_us(stt->conf.loop), &work);
        if (stt->running.order) {
            abort_if_useless(stt, stream ? work.rank : PRL_RANK_NONE);
            return;
        }
        if (!stream || !take_turn(stt, work.rank))
            return;
        enum prl_err err = send_order(stt, stream, &work);
        if (err)
            prl_share_end(stt->share, stt->front_index);
        if (!err || prl_timeline_waiting(stream->timeline) == 0)
            return; // sent; or a live partial that could not be: the next push tries again
        prl_timeline_fail(stream->timeline, err, "speech recognition is out of memory");
        deliver(stream);
    }
}

static void take_reply(struct prl_stt *stt, const struct prl_msg *msg)
{
    struct running running = stt->running;
    PRL_CHECK(running.order == msg->id);
    stt->running = (struct running){.order = 0};
    prl_share_end(stt->share, stt->front_index);
    struct prl_stt_reply nothing = {.err = (enum prl_err)msg->value[0], .engine = ""};
    const struct prl_stt_reply *reply = msg->data ? msg->data : &nothing;
    struct prl_stt_stream *stream = find_stream(stt, running.stream);
    bool wanted = stream && stream->epoch == running.epoch;
    if (!wanted)
        prl_metrics_add(PRL_METRIC_LATE_EVENTS, 1);
    if (stt->far)
        prl_pool_end(stt->conf.pool, running.engine,
                     reply->err == PRL_ERR_CANCELED ? PRL_OUTCOME_CANCELED
                     : reply->err                   ? PRL_OUTCOME_FAILED
                                                    : PRL_OUTCOME_OK,
                     PRL_FETCH_CUT, text_of(reply));
    if (wanted && reply->err != PRL_ERR_CANCELED) {
        if (reply->err && reply->err != PRL_ERR_NOMEM)
            prl_log(PRL_LOG_WARN, "stt", "%s", reply->text);
        take_result(stream, &running, reply);
        if (stream->partials)
            tell_partial(stream);
    }
    run_queue(stt);
}

static void fail_everything(struct prl_stt *stt)
{
    struct prl_stt_stream *stream = stt->streams;
    while (stream) {
        if (prl_timeline_waiting(stream->timeline) == 0) {
            stream = stream->next;
            continue;
        }
        prl_timeline_fail(stream->timeline, PRL_ERR_ENGINE, stt->why);
        deliver(stream);
        stream = stt->streams; // the callback may have changed the list
    }
}

static void set_started(struct prl_stt *stt, enum prl_err err, const char *error)
{
    if (err) {
        stt->failed = true;
        (void)prl_str_copy(stt->why, sizeof(stt->why), error ? error : prl_err_name(err));
        fail_everything(stt);
        if (stt->conf.on_error)
            stt->conf.on_error(stt->conf.arg, stt->why);
        return;
    }
    stt->ready = true;
    run_queue(stt);
    if (stt->conf.on_ready)
        stt->conf.on_ready(stt->conf.arg);
}

static void on_started(void *arg, enum prl_err err, const char *error)
{
    struct prl_stt *stt = arg;
    prl_share_started(stt->share, err, error);
    set_started(stt, err, error);
}

static void on_message(void *arg, struct prl_msg *msg)
{
    struct prl_stt *stt = arg;
    if (msg->type == PRL_SHARE_TURN) {
        prl_share_turn(stt->share, stt->front_index);
        run_queue(stt);
        prl_share_pass(stt->share, stt->front_index);
    } else if (msg->type == PRL_SHARE_STARTED) {
        set_started(stt, (enum prl_err)msg->value[0], msg->data);
    } else {
        take_reply(stt, msg);
    }
}

static void on_start_soon(void *arg)
{
    struct prl_stt *stt = arg;
    prl_timer_destroy(&stt->start_soon);
    if (stt->conf.on_ready)
        stt->conf.on_ready(stt->conf.arg);
}

// Nothing to load: ready at once, and told a turn later.
static enum prl_err start_without_lane(struct prl_stt *stt)
{
    enum prl_err err =
        prl_timer_create(&stt->start_soon, stt->conf.loop, "stt", on_start_soon, stt);
    if (err)
        return err;
    stt->ready = true;
    prl_timer_start(stt->start_soon, 0);
    return PRL_OK;
}

// The lane of another loop's front serves this one too.
static enum prl_err join_lane(struct prl_stt *stt, const struct prl_stt *owner)
{
    enum prl_err err = prl_port_open(&stt->port, stt->conf.loop, QUEUE_MAX, on_message, stt);
    if (err)
        return err;
    PRL_CHECK(owner->lane != NULL);
    stt->worker = owner->worker;
    stt->share = owner->share;
    stt->lane = owner->lane;
    return prl_share_join(stt->share, stt->port, &stt->front_index);
}

static struct prl_stt_worker_conf worker_conf(const struct prl_stt_conf *conf,
                                              const struct prl_stt_route *route,
                                              const char *language, struct prl_share *share)
{
    return (struct prl_stt_worker_conf){
        .paths = &conf->paths,
        .backends = conf->backends ? conf->backends : BACKENDS,
        .route = *route,
        .ort = conf->ort,
        .language = language,
        .traditional = conf->traditional,
        .threads = conf->threads,
        .cores = conf->cores,
        .share = share,
    };
}

enum prl_err prl_stt_serve(const struct prl_stt_conf *conf, struct prl_lane_child *child)
{
    char language[PRL_STT_LANGUAGE_SIZE];
    struct prl_stt_worker *worker = NULL;
    struct prl_stt_route route =
        prl_stt_route_of(&conf->paths, conf->ort != NULL || conf->backends != NULL);
    enum prl_err err = prl_stt_language(conf->language, language);
    struct prl_stt_worker_conf own =
        worker_conf(conf, &route, language, prl_lane_child_share(child));
    if (!err)
        err = prl_stt_worker_create(&worker, &own); // as long as the process
    struct prl_lane_conf lane = {
        .name = "stt",
        .nice = LANE_NICE,
        .queue_max = QUEUE_MAX,
        .ops = &prl_stt_lane_ops,
        .ctx = worker,
        .cores = conf->cores,
    };
    return err ? err : prl_lane_child_run(child, &lane, &prl_stt_lane_wire);
}

static enum prl_err start_lane(struct prl_stt *stt, const struct prl_stt_conf *conf)
{
    if (conf->share)
        return join_lane(stt, conf->share);
    enum prl_err err = prl_port_open(&stt->port, conf->loop, QUEUE_MAX, on_message, stt);
    if (!err)
        err = prl_share_create(&stt->share, stt->port);
    if (err)
        return err;
    struct prl_stt_worker_conf worker = worker_conf(conf, &stt->route, stt->language, stt->share);
    err = prl_stt_worker_create(&stt->worker, &worker);
    if (err)
        return err;
    struct prl_lane_conf lane = {
        .name = "stt",
        .nice = LANE_NICE,
        .queue_max = QUEUE_MAX,
        .ops = &prl_stt_lane_ops,
        .ctx = stt->worker,
        .cores = conf->cores,
        .loop = conf->loop,
        .started = on_started,
        .started_arg = stt,
        .isolate = conf->isolate,
        .wire = &prl_stt_lane_wire,
    };
    err = prl_lane_create(&stt->lane, &lane);
    if (!err && conf->isolate)
        prl_stt_worker_pass_on(stt->worker, stt->lane);
    return err;
}

enum prl_err prl_stt_create(struct prl_stt **out, const struct prl_stt_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->loop != NULL);
    *out = NULL;
    struct prl_stt *stt = prl_mem_zalloc(sizeof(*stt));
    if (!stt)
        return PRL_ERR_NOMEM;
    if (conf->front) {
        stt->front = conf->front;
        enum prl_err failed = stt->front->create(&stt->front_ctx, conf);
        if (failed)
            prl_mem_free(stt);
        else
            *out = stt;
        return failed;
    }
    stt->conf = *conf;
    stt->route = prl_stt_route_of(&conf->paths, conf->ort != NULL || conf->backends != NULL);
    memcpy(stt->backends, conf->backends ? conf->backends : BACKENDS, sizeof(stt->backends));
    enum prl_err err = prl_stt_language(conf->language, stt->language);
    if (!err && conf->pool && prl_pool_has_far(conf->pool))
        err = prl_stt_far_create(&stt->far, conf->loop, conf->pool, conf->traditional);
    if (!err)
        err = stt->far && conf->far_only ? start_without_lane(stt) : start_lane(stt, conf);
    // The strings are the worker's copies from here on; the route needs only this one.
    stt->route.user_languages =
        err || !stt->worker ? NULL : prl_stt_worker_route(stt->worker)->user_languages;
    stt->conf.paths = (struct prl_stt_paths){NULL};
    if (err)
        prl_stt_destroy(&stt);
    *out = stt;
    return err;
}

static void end_lane(struct prl_stt *stt)
{
    if (stt->worker && stt->running.order)
        prl_stt_worker_abort(stt->worker, stt->running.order);
    if (stt->share)
        prl_share_close(stt->share);
    prl_lane_destroy(&stt->lane);
    prl_stt_worker_destroy(&stt->worker);
    prl_share_destroy(&stt->share);
}

void prl_stt_destroy(struct prl_stt **stt)
{
    PRL_CHECK(stt != NULL);
    if (!*stt)
        return;
    if ((*stt)->front)
        (*stt)->front->destroy((*stt)->front_ctx);
    PRL_CHECK((*stt)->streams == NULL);
    if (!(*stt)->conf.share)
        end_lane(*stt);
    if ((*stt)->far && (*stt)->running.order)
        prl_pool_end((*stt)->conf.pool, (*stt)->running.engine, PRL_OUTCOME_CANCELED, PRL_FETCH_OK,
                     NULL);
    prl_stt_far_destroy(&(*stt)->far);
    prl_timer_destroy(&(*stt)->start_soon);
    prl_port_destroy(&(*stt)->port);
    prl_mem_free(*stt);
    *stt = NULL;
}

void prl_stt_warm(struct prl_stt *stt)
{
    if (stt->far)
        prl_pool_warm_next(stt->conf.pool, prl_live_path);
}

bool prl_stt_is_ready(const struct prl_stt *stt)
{
    return stt->front ? stt->front->is_ready(stt->front_ctx) : stt->ready;
}

size_t prl_stt_backlog(const struct prl_stt *stt)
{
    if (stt->front)
        return stt->front->backlog(stt->front_ctx);
    size_t count = 0;
    for (const struct prl_stt_stream *stream = stt->streams; stream; stream = stream->next)
        count += prl_timeline_waiting(stream->timeline);
    return count;
}

enum prl_err prl_stt_open(struct prl_stt *stt, const struct prl_stt_stream_conf *conf,
                          struct prl_stt_stream **out)
{
    PRL_CHECK(stt != NULL && conf != NULL && conf->fn != NULL && out != NULL);
    *out = NULL;
    struct prl_stt_stream *stream = prl_mem_zalloc(sizeof(*stream));
    if (!stream)
        return PRL_ERR_NOMEM;
    if (stt->front) {
        stream->front = stt->front;
        enum prl_err failed = stt->front->open(stt->front_ctx, conf, &stream->front_stream);
        if (failed)
            prl_mem_free(stream);
        else
            *out = stream;
        return failed;
    }
    stream->stt = stt;
    stream->id = ++stt->ids;
    stream->fn = conf->fn;
    stream->arg = conf->arg;
    stream->partials = conf->partials;
    stream->next = stt->streams;
    stt->streams = stream;
    enum prl_err err = prl_timeline_create(&stream->timeline);
    if (!err)
        err = prl_stt_configure(stream, conf->language, conf->prompt);
    if (err)
        prl_stt_close(&stream);
    *out = stream;
    return err;
}

void prl_stt_close(struct prl_stt_stream **stream)
{
    PRL_CHECK(stream != NULL);
    if (!*stream)
        return;
    if ((*stream)->front) {
        (*stream)->front->close((*stream)->front_stream);
        prl_mem_free(*stream);
        *stream = NULL;
        return;
    }
    struct prl_stt *stt = (*stream)->stt;
    struct prl_stt_stream **link = &stt->streams;
    while (*link != *stream)
        link = &(*link)->next;
    *link = (*stream)->next;
    drop_far(*stream);
    prl_timeline_destroy(&(*stream)->timeline);
    prl_mem_free((*stream)->prompt);
    prl_mem_free(*stream);
    *stream = NULL;
    run_queue(stt);
}

enum prl_err prl_stt_configure(struct prl_stt_stream *stream, const char *language,
                               const char *prompt)
{
    if (stream->front)
        return stream->front->configure(stream->front_stream, language, prompt);
    char code[PRL_STT_LANGUAGE_SIZE];
    enum prl_err err = prl_stt_language(language, code);
    if (!language)
        (void)prl_str_copy(code, sizeof(code), stream->stt->language);
    if (err)
        return err;
    if (!stream->stt->far && prl_stt_route_pick(&stream->stt->route, code) == PRL_STT_ENGINE_NONE)
        return PRL_ERR_INVALID;
    char *copy = NULL;
    if (prompt && prompt[0]) {
        copy = prl_mem_strndup(prompt, prl_utf8_whole(prompt, strnlen(prompt, PROMPT_MAX)));
        if (!copy)
            return PRL_ERR_NOMEM;
    }
    prl_mem_free(stream->prompt);
    stream->prompt = copy;
    if (strcmp(code, stream->language) != 0)
        stream->identified[0] = '\0';
    memcpy(stream->language, code, sizeof(code));
    return PRL_OK;
}

static void drop_timeline(struct prl_stt_stream *stream)
{
    drop_far(stream);
    prl_timeline_clear(stream->timeline);
    stream->tried = 0;
    stream->epoch++;
    stream->partial_at_us = 0;
    stream->identify_failed = false;
}

void prl_stt_begin(struct prl_stt_stream *stream, uint32_t generation)
{
    PRL_CHECK(stream != NULL && generation >= stream->newest);
    if (stream->front) {
        stream->newest = generation;
        stream->open = true;
        stream->front->begin(stream->front_stream, generation);
        return;
    }
    drop_timeline(stream);
    stream->open = true;
    stream->begin = generation;
    stream->newest = generation;
    run_queue(stream->stt);
}

void prl_stt_clear(struct prl_stt_stream *stream)
{
    PRL_CHECK(stream != NULL);
    if (stream->front) {
        stream->open = false;
        stream->front->clear(stream->front_stream);
        return;
    }
    drop_timeline(stream);
    stream->open = false;
    run_queue(stream->stt);
}

static enum prl_err push(struct prl_stt_stream *stream, const int16_t *pcm, size_t n, bool silence)
{
    PRL_CHECK(stream != NULL && stream->open);
    if (stream->front)
        return stream->front->push(stream->front_stream, pcm, n, silence);
    enum prl_err err = prl_timeline_push(stream->timeline, pcm, n, silence);
    if (!err)
        hear(stream);
    if (!err && (stream->stt->far ? !is_busy(stream) : !stream->stt->running.order))
        run_queue(stream->stt);
    return err;
}

enum prl_err prl_stt_push(struct prl_stt_stream *stream, const int16_t *pcm, size_t n)
{
    return push(stream, pcm, n, false);
}

enum prl_err prl_stt_push_silence(struct prl_stt_stream *stream, const int16_t *pcm, size_t n)
{
    return push(stream, pcm, n, true);
}

enum prl_err prl_stt_decode(struct prl_stt_stream *stream, uint32_t generation,
                            enum prl_stt_want want)
{
    PRL_CHECK(stream != NULL && stream->open && generation >= stream->newest);
    if (stream->front) {
        stream->newest = generation;
        return stream->front->decode(stream->front_stream, generation, want);
    }
    struct prl_stt *stt = stream->stt;
    enum prl_err err =
        prl_timeline_ask(stream->timeline, generation, want, prl_loop_now_us(stt->conf.loop));
    if (err)
        return err;
    stream->newest = generation;
    if (stt->failed)
        prl_timeline_fail(stream->timeline, PRL_ERR_ENGINE, stt->why);
    deliver(stream);
    run_queue(stt);
    return PRL_OK;
}

void prl_stt_cancel(struct prl_stt_stream *stream, uint32_t generation)
{
    PRL_CHECK(stream != NULL);
    if (stream->front) {
        stream->front->cancel(stream->front_stream, generation);
        return;
    }
    prl_timeline_cancel(stream->timeline, generation);
    run_queue(stream->stt);
}
