// tts_lane.c -- see tts_lane.h. One clause is spoken at a time, step by step; between steps messages
// are handled, so a cancel waits for one step at most. Which clause is next: that of the stream
// whose made sound runs out first, counted from when its first sample was made.
#include "tts/tts_lane.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/lane.h"
#include "net/lane_child.h"
#include "net/share.h"
#include "tts/engines.h"
#include "tts/ledger.h"
#include "tts/voices.h"

enum {
    QUEUE_MAX = 4096,   // waiting messages
    STREAMS_MAX = 4096, // known ones; the one heard of longest ago is forgotten beyond
    STREAMS_GROW = 64,
    NICE = 10,
    SEND_WAIT_US = 5000000, // for a loop that does not take its messages
    AWAITED_US =
        1500000, // a clause whose turn comes so soon is begun with a short stretch of sound
    PATHS = sizeof(struct prl_tts_paths) / sizeof(const char *),
};

struct job {
    struct job *next;
    uint64_t stream;
    uint32_t generation;
    struct prl_tts_job_head head;
    char *payload;    // owned: the head and the text
    const char *text; // in it
};

// What the lane knows of a stream.
struct mouth {
    uint64_t id;
    bool cancelled; // some generation was
    uint32_t cancelled_generation;
    uint32_t generation;         // of what follows
    struct prl_text_state state; // of the answer
    int64_t first_us;            // when its first sound was made; 0: not yet
    uint64_t samples;            // made so far
};

// The clause being spoken.
struct speaking {
    struct job *job; // owned; NULL: none
    struct prl_text_out text;
    struct prl_text_state state;         // of the answer before it
    uint32_t from, to;                   // bytes of the job's text that `text` was made from
    size_t segment;                      // next one that no run has taken
    size_t run_count;                    // segments of the run
    unsigned languages;                  // of the run
    size_t rank;                         // of the engine among the choices for the run
    const struct prl_tts_engine *engine; // NULL: no run is open
    const char *engine_name;
    uint32_t samples;     // of the clause so far
    uint32_t run_samples; // where the run began
    uint32_t unknown;
    int64_t start_us, first_us, work_us;
};

struct prl_tts_lane {
    // set once
    struct prl_tts_lane_conf conf;
    char *texts[PATHS + 1]; // owned copies of the paths and the cache folder
    struct prl_lane *lane;  // owned
    // of the lane thread
    struct prl_tts_engines engines;
    unsigned languages;
    unsigned parts[2];     // languages, see prl_tts_lane_parts
    struct prl_text *text; // owned
    struct job *first, *last;
    struct mouth *mouths; // owned
    size_t mouth_count, mouth_capacity;
    struct speaking now;
    struct prl_tts_ledger *ledger; // owned; with a child process
};

static unsigned parts_of(const struct prl_tts_lane *self, const char *voice)
{
    const unsigned en = PRL_TTS_LANG_EN, zh = PRL_TTS_LANG_ZH;
    return (prl_tts_engines_parts(&self->engines, en, voice) ? en : 0) |
           (prl_tts_engines_parts(&self->engines, zh, voice) ? zh : 0);
}

// A voice that is Kokoro's by name.
static const char *kokoro_name(void)
{
    size_t at = 0;
    while (prl_voice_at(at) && prl_voice_at(at)->hibari)
        at++;
    return prl_voice_at(at) ? prl_voice_at(at)->name : NULL;
}

static enum prl_err start(void *ctx, char *error)
{
    struct prl_tts_lane *self = ctx;
    enum prl_err err = prl_text_create(&self->text, PRL_TEXT_CLAUSE_MAX);
    if (err) {
        (void)snprintf(error, PRL_LANE_ERROR_SIZE, "text to speech: %s", prl_err_name(err));
        return err;
    }
    err = prl_tts_engines_open(&self->engines, &self->conf.tts, error, PRL_LANE_ERROR_SIZE);
    if (err) {
        prl_tts_engines_close(&self->engines);
        prl_text_destroy(&self->text);
        return err;
    }
    self->languages = prl_tts_engines_languages(&self->engines);
    self->parts[false] = parts_of(self, NULL);
    self->parts[true] = parts_of(self, kokoro_name());
    return PRL_OK;
}

static void job_free(struct job *job)
{
    if (job)
        prl_mem_free(job->payload);
    prl_mem_free(job);
}

// Ends the clause being spoken without a report.
static void speaking_drop(struct prl_tts_lane *self)
{
    if (self->now.engine)
        self->now.engine->ops->end(self->now.engine->ctx);
    job_free(self->now.job);
    self->now = (struct speaking){.job = NULL};
}

static void stop(void *ctx)
{
    struct prl_tts_lane *self = ctx;
    speaking_drop(self);
    while (self->first) {
        struct job *job = self->first;
        self->first = job->next;
        job_free(job);
    }
    self->last = NULL;
    prl_mem_free(self->mouths);
    self->mouths = NULL;
    self->mouth_count = self->mouth_capacity = 0;
    prl_tts_engines_close(&self->engines);
    prl_text_destroy(&self->text);
}

static struct mouth *mouth_find(struct prl_tts_lane *self, uint64_t id)
{
    for (size_t i = 0; i < self->mouth_count; i++)
        if (self->mouths[i].id == id)
            return &self->mouths[i];
    return NULL;
}

static void mouth_forget(struct prl_tts_lane *self, uint64_t id)
{
    struct mouth *mouth = mouth_find(self, id);
    if (!mouth)
        return;
    size_t behind = self->mouth_count - (size_t)(mouth - self->mouths) - 1;
    memmove(mouth, mouth + 1, behind * sizeof(*mouth));
    self->mouth_count--;
}

// NULL when memory is short.
static struct mouth *mouth_get(struct prl_tts_lane *self, uint64_t id)
{
    struct mouth *mouth = mouth_find(self, id);
    if (mouth)
        return mouth;
    if (self->mouth_count == STREAMS_MAX)
        mouth_forget(self, self->mouths[0].id);
    if (self->mouth_count == self->mouth_capacity) {
        size_t capacity = self->mouth_capacity + STREAMS_GROW;
        struct mouth *grown = prl_mem_realloc(self->mouths, capacity * sizeof(*grown));
        if (!grown)
            return NULL;
        self->mouths = grown;
        self->mouth_capacity = capacity;
    }
    mouth = &self->mouths[self->mouth_count++];
    *mouth = (struct mouth){.id = id};
    return mouth;
}

static bool is_cancelled(const struct mouth *mouth, uint32_t generation)
{
    return mouth->cancelled && generation <= mouth->cancelled_generation;
}

static void report(struct prl_tts_lane *self, struct prl_msg *msg)
{
    enum prl_err err =
        prl_port_send_wait(prl_share_port(self->conf.share, msg->id), msg, SEND_WAIT_US);
    if (!err)
        return;
    if (err != PRL_ERR_CANCELED)
        prl_log(PRL_LOG_ERROR, "tts", "message to the loop lost: %s", prl_err_name(err));
    prl_msg_free(msg);
}

static void error_report(struct prl_tts_lane *self, const struct job *job, enum prl_err err,
                         const char *why)
{
    struct prl_msg msg = {.type = PRL_TTS_REPORT_ERROR,
                          .generation = job->generation,
                          .id = job->stream,
                          .value = {job->head.clause_id, (int64_t)err}};
    msg.data = prl_mem_strdup(why); // NULL is fine
    msg.size = msg.data ? strlen(why) + 1 : 0;
    report(self, &msg);
}

static const struct prl_tts_ops *const *backends_of(const struct prl_tts_lane *self)
{
    return self->conf.tts.backends ? self->conf.tts.backends : prl_tts_builtin;
}

// Its place in the list, plus 1; 0: it is not there.
static int64_t engine_number(const struct prl_tts_lane *self, const char *name)
{
    const struct prl_tts_ops *const *list = backends_of(self);
    for (int64_t i = 0; name && list[i]; i++)
        if (strcmp(list[i]->name, name) == 0)
            return i + 1;
    return 0;
}

static void done_report(struct prl_tts_lane *self)
{
    const struct speaking *now = &self->now;
    const struct prl_tts_done done = {
        .clause_id = now->job->head.clause_id,
        .samples = now->samples,
        .unknown = now->unknown,
        .engine = now->engine_name ? now->engine_name : "",
        .queued_us = now->start_us - now->job->head.queued_us,
        .first_us = now->first_us,
        .work_us = now->work_us,
    };
    struct prl_msg msg = {.type = PRL_TTS_REPORT_DONE,
                          .generation = now->job->generation,
                          .id = now->job->stream,
                          .value = {0, 0, engine_number(self, done.engine)},
                          .data = prl_mem_dup(&done, sizeof(done)),
                          .size = sizeof(done)};
    if (msg.data)
        report(self, &msg);
    else
        error_report(self, now->job, PRL_ERR_NOMEM, "out of memory");
}

static enum prl_err audio_report(struct prl_tts_lane *self, const struct prl_tts_chunk *chunk)
{
    const struct speaking *now = &self->now;
    struct prl_tts_audio_head head = {
        .clause_id = now->job->head.clause_id,
        .sample_start = now->samples,
        .samples = (uint32_t)chunk->samples,
        .mark_count = (uint32_t)chunk->mark_count,
        .engine = now->engine->ops->name,
    };
    size_t marks_size = chunk->mark_count * sizeof(*chunk->marks);
    size_t pcm_size = chunk->samples * sizeof(*chunk->pcm);
    char *data = prl_mem_alloc(sizeof(head) + marks_size + pcm_size);
    if (!data)
        return PRL_ERR_NOMEM;
    memcpy(data, &head, sizeof(head));
    for (size_t i = 0; i < chunk->mark_count; i++) {
        struct prl_tts_mark mark = chunk->marks[i];
        mark.sample_start += now->run_samples;
        mark.sample_end += now->run_samples;
        uint32_t before = now->job->head.from - now->from; // sources count from what is said
        mark.source_start -= mark.source_start < before ? mark.source_start : before;
        mark.source_end -= mark.source_end < before ? mark.source_end : before;
        memcpy(data + sizeof(head) + i * sizeof(mark), &mark, sizeof(mark));
    }
    if (pcm_size)
        memcpy(data + sizeof(head) + marks_size, chunk->pcm, pcm_size);
    struct prl_msg msg = {.type = PRL_TTS_REPORT_AUDIO,
                          .generation = now->job->generation,
                          .id = now->job->stream,
                          .value = {0, 0, engine_number(self, head.engine)},
                          .data = data,
                          .size = sizeof(head) + marks_size + pcm_size};
    report(self, &msg);
    return PRL_OK;
}

static void job_take(struct prl_tts_lane *self, struct prl_msg *msg)
{
    struct mouth *mouth = mouth_get(self, msg->id);
    if (mouth && is_cancelled(mouth, msg->generation))
        return;
    PRL_CHECK(msg->size >= sizeof(struct prl_tts_job_head));
    struct job *job = prl_mem_zalloc(sizeof(*job));
    if (!job || !mouth) {
        struct job lost = {.stream = msg->id, .generation = msg->generation};
        memcpy(&lost.head, msg->data, sizeof(lost.head));
        error_report(self, &lost, PRL_ERR_NOMEM, "out of memory");
        prl_mem_free(job);
        return;
    }
    job->stream = msg->id;
    job->generation = msg->generation;
    job->payload = msg->data;
    msg->data = NULL;
    memcpy(&job->head, job->payload, sizeof(job->head));
    job->text = job->payload + sizeof(job->head);
    PRL_CHECK(job->head.text_len == msg->size - sizeof(job->head));
    PRL_CHECK(job->head.from <= job->head.to && job->head.to <= job->head.text_len);
    if (self->last)
        self->last->next = job;
    else
        self->first = job;
    self->last = job;
}

// Drops what waits and what is spoken of a stream, up to `generation`.
static void stream_cancel(struct prl_tts_lane *self, uint64_t id, uint32_t generation)
{
    struct job **link = &self->first;
    self->last = NULL;
    while (*link) {
        struct job *job = *link;
        if (job->stream == id && job->generation <= generation) {
            *link = job->next;
            job_free(job);
            continue;
        }
        self->last = job;
        link = &job->next;
    }
    if (self->now.job && self->now.job->stream == id && self->now.job->generation <= generation)
        speaking_drop(self);
}

static void message(void *ctx, struct prl_msg *msg)
{
    struct prl_tts_lane *self = ctx;
    struct mouth *mouth;
    switch ((enum prl_tts_order)msg->type) {
    case PRL_TTS_ORDER_SAY:
        job_take(self, msg);
        break;
    case PRL_TTS_ORDER_CANCEL:
        mouth = mouth_get(self, msg->id);
        if (mouth && !is_cancelled(mouth, msg->generation)) {
            mouth->cancelled = true;
            mouth->cancelled_generation = msg->generation;
        }
        stream_cancel(self, msg->id, msg->generation);
        break;
    case PRL_TTS_ORDER_CLOSE:
        stream_cancel(self, msg->id, UINT32_MAX);
        mouth_forget(self, msg->id);
        break;
    }
}

// When the sound made for this job's stream runs out; for a first clause, when it was asked for.
static int64_t job_due_us(struct prl_tts_lane *self, const struct job *job)
{
    const struct mouth *mouth = mouth_find(self, job->stream);
    if (!mouth || mouth->generation != job->generation || mouth->first_us == 0)
        return job->head.queued_us;
    return mouth->first_us + (int64_t)(mouth->samples * 1000000 / PRL_TTS_RATE_HZ);
}

// Takes the most urgent job out of the queue; within a stream the oldest comes first.
static struct job *job_pick(struct prl_tts_lane *self)
{
    struct job *best = NULL, *best_before = NULL, *before = NULL;
    int64_t best_us = 0;
    for (struct job *job = self->first; job; before = job, job = job->next) {
        int64_t due_us = job_due_us(self, job);
        if (best && due_us >= best_us)
            continue;
        best = job;
        best_before = before;
        best_us = due_us;
    }
    if (!best)
        return NULL;
    if (best_before)
        best_before->next = best->next;
    else
        self->first = best->next;
    if (self->last == best)
        self->last = best_before;
    best->next = NULL;
    return best;
}

// Bytes [from, to) of the job's text become the text to say. False: given up.
static bool text_make(struct prl_tts_lane *self)
{
    struct speaking *now = &self->now;
    const struct job *job = now->job;
    struct mouth *mouth = mouth_find(self, job->stream);
    if (mouth)
        mouth->state = now->state;
    enum prl_text_lang lang = job->head.language == PRL_TEXT_ZH ? PRL_TEXT_ZH : PRL_TEXT_EN;
    enum prl_err err = prl_text_speakable(self->text, mouth ? &mouth->state : NULL, lang,
                                          job->text + now->from, now->to - now->from, &now->text);
    now->segment = 0;
    now->run_count = 0;
    if (err) {
        error_report(self, job, err, "text cannot be made speakable");
        speaking_drop(self);
        return false;
    }
    now->unknown = now->text.unknown_dropped;
    return true;
}

static bool has_context(const struct speaking *now)
{
    return now->from != now->job->head.from || now->to != now->job->head.to;
}

static bool speaking_start(struct prl_tts_lane *self)
{
    struct job *job = job_pick(self);
    if (!job)
        return false;
    self->now = (struct speaking){.job = job, .start_us = prl_clock_now_us()};
    struct mouth *mouth = mouth_get(self, job->stream);
    if (mouth && mouth->generation != job->generation) {
        mouth->generation = job->generation;
        mouth->state = (struct prl_text_state){.in_code = false};
        mouth->first_us = 0;
        mouth->samples = 0;
    }
    self->now.to = job->head.text_len;
    self->now.state = mouth ? mouth->state : (struct prl_text_state){.in_code = false};
    (void)text_make(self);
    return true;
}

// The engine of the next run, NULL: none is left.
static const struct prl_tts_engine *run_choose(struct prl_tts_lane *self)
{
    struct speaking *now = &self->now;
    if (now->run_count == 0) {
        now->run_count =
            prl_tts_engines_run(&self->engines, &now->text, now->segment, &now->languages);
        now->rank = 0;
        now->run_samples = now->samples;
    }
    return prl_tts_engines_choose(&self->engines, now->languages, now->job->head.voice, now->rank);
}

// Opens the next run on the best engine, or on the next best after a failure. False when the clause
// is done or was given up.
static bool run_open(struct prl_tts_lane *self)
{
    struct speaking *now = &self->now;
    if (now->segment >= now->text.segment_count)
        return false;
    const struct prl_tts_engine *engine = run_choose(self);
    bool whole = now->run_count == now->text.segment_count;
    if (engine && has_context(now) && !(engine->ops->context && whole)) {
        size_t rank = now->rank;
        now->from = now->job->head.from;
        now->to = now->job->head.to;
        if (!text_make(self) || now->segment >= now->text.segment_count)
            return false;
        engine = run_choose(self);
        if (rank > now->rank) { // others have failed
            now->rank = rank;
            engine = run_choose(self);
        }
    }
    if (!engine) {
        error_report(self, now->job, PRL_ERR_ENGINE,
                     now->engine_name ? "every voice failed" : "no voice for this language");
        speaking_drop(self);
        return false;
    }
    now->engine = engine;
    now->engine_name = engine->ops->name;
    return true;
}

// A failed run is tried on the next engine if nothing of it was heard.
static void run_fail(struct prl_tts_lane *self, enum prl_err err)
{
    struct speaking *now = &self->now;
    const struct prl_tts_engine *engine = now->engine;
    prl_log(PRL_LOG_WARN, "tts", "%s failed: %s", engine->ops->name, engine->ops->why(engine->ctx));
    if (now->samples == now->run_samples) {
        engine->ops->end(engine->ctx);
        now->engine = NULL;
        now->rank++;
        return;
    }
    error_report(self, now->job, err, engine->ops->why(engine->ctx));
    speaking_drop(self);
}

static void chunk_take(struct prl_tts_lane *self, const struct prl_tts_chunk *chunk)
{
    struct speaking *now = &self->now;
    PRL_CHECK(chunk->samples <= PRL_TTS_CHUNK_MAX);
    int64_t now_us = prl_clock_now_us();
    struct mouth *mouth = mouth_find(self, now->job->stream);
    if (chunk->samples > 0 && now->samples == 0)
        now->first_us = now_us - now->start_us;
    if (mouth && chunk->samples > 0 && mouth->first_us == 0)
        mouth->first_us = now_us;
    if (mouth)
        mouth->samples += chunk->samples;
    if (chunk->samples > 0 || chunk->mark_count > 0) {
        enum prl_err err = audio_report(self, chunk);
        if (err) {
            error_report(self, now->job, err, "out of memory");
            speaking_drop(self);
            return;
        }
    }
    now->samples += (uint32_t)chunk->samples;
    if (!chunk->last)
        return;
    now->unknown += chunk->unknown;
    now->engine->ops->end(now->engine->ctx);
    now->engine = NULL;
    now->segment += now->run_count;
    now->run_count = 0;
}

// Nothing of the job's answer has been made yet, or it runs out soon.
static bool is_awaited(struct prl_tts_lane *self, const struct job *job)
{
    return job_due_us(self, job) < prl_clock_now_us() + AWAITED_US;
}

static bool step(void *ctx)
{
    struct prl_tts_lane *self = ctx;
    struct speaking *now = &self->now;
    if (!now->job)
        return speaking_start(self);
    int64_t start_us = prl_clock_now_us();
    bool opened = !now->engine;
    if (opened && !run_open(self)) {
        if (now->job) {
            done_report(self);
            speaking_drop(self);
        }
        return true;
    }
    const struct prl_tts_engine *engine = now->engine;
    struct prl_tts_chunk chunk = {.last = false};
    enum prl_err err = PRL_OK;
    if (opened) {
        struct prl_tts_request request = {
            .text = &now->text,
            .segment_start = now->segment,
            .segment_count = now->run_count,
            .voice = prl_tts_engines_voice(engine->ops, now->job->head.voice, now->languages),
            .speed = now->job->head.speed,
            .first = now->samples == 0 && is_awaited(self, now->job),
            .source_from = has_context(now) ? now->job->head.from : 0,
            .source_to = has_context(now) ? now->job->head.to : 0,
        };
        err = engine->ops->begin(engine->ctx, &request);
    }
    if (!err)
        err = engine->ops->step(engine->ctx, &chunk);
    now->work_us += prl_clock_now_us() - start_us;
    if (err)
        run_fail(self, err);
    else
        chunk_take(self, &chunk);
    return true;
}

static const struct prl_lane_ops lane_ops = {
    .start = start, .message = message, .step = step, .stop = stop};

// ---- in a child process ----

static void on_sent(void *ctx, struct prl_msg *msg)
{
    struct prl_tts_lane *self = ctx;
    if (prl_tts_ledger_sent(self->ledger, msg) == PRL_OK)
        return;
    struct job lost = {.stream = msg->id, .generation = msg->generation};
    memcpy(&lost.head, msg->data, sizeof(lost.head));
    error_report(self, &lost, PRL_ERR_NOMEM, "out of memory");
}

// A report of the child becomes one of ours: the engine's name is not where the child has it.
static enum prl_err on_got(void *ctx, struct prl_msg *msg)
{
    struct prl_tts_lane *self = ctx;
    enum prl_err err = prl_tts_ledger_got(self->ledger, msg);
    if (err)
        return err == PRL_ERR_AGAIN ? PRL_OK : err;
    const struct prl_tts_ops *const *list = backends_of(self);
    const char *name = "";
    for (int64_t i = 0; list[i]; i++)
        if (i + 1 == msg->value[2])
            name = list[i]->name;
    if (msg->type == PRL_TTS_REPORT_AUDIO)
        ((struct prl_tts_audio_head *)msg->data)->engine = name;
    if (msg->type == PRL_TTS_REPORT_DONE)
        ((struct prl_tts_done *)msg->data)->engine = name;
    report(self, msg);
    msg->data = NULL;
    return PRL_OK;
}

static void on_lost(void *ctx, const char *why, bool soon)
{
    struct prl_tts_lane *self = ctx;
    struct prl_msg say;
    while (prl_tts_ledger_lost(self->ledger, soon, &say)) {
        struct job lost = {.stream = say.id, .generation = say.generation};
        memcpy(&lost.head, say.data, sizeof(lost.head));
        error_report(self, &lost, PRL_ERR_ENGINE, why);
        prl_msg_free(&say);
    }
}

static bool on_again(void *ctx, struct prl_msg *msg)
{
    struct prl_tts_lane *self = ctx;
    return prl_tts_ledger_again(self->ledger, msg);
}

static void on_described(void *ctx, const struct prl_msg *about)
{
    struct prl_tts_lane *self = ctx;
    if (self->languages)
        return;
    self->languages = (unsigned)about->value[0];
    for (unsigned i = 0; i < 2; i++)
        self->parts[i] = (unsigned)about->value[1 + i];
}

static void on_describe(void *ctx, struct prl_msg *about)
{
    const struct prl_tts_lane *self = ctx;
    about->value[0] = self->languages;
    for (unsigned i = 0; i < 2; i++)
        about->value[1 + i] = self->parts[i];
}

static const struct prl_lane_wire lane_wire = {.sent = on_sent,
                                               .got = on_got,
                                               .lost = on_lost,
                                               .again = on_again,
                                               .described = on_described,
                                               .describe = on_describe};

static enum prl_err texts_copy(struct prl_tts_lane *self)
{
    const char *paths[PATHS];
    memcpy(paths, &self->conf.tts.paths, sizeof(paths));
    for (size_t i = 0; i < PATHS; i++) {
        self->texts[i] = prl_mem_strdup(paths[i]);
        if (paths[i] && !self->texts[i])
            return PRL_ERR_NOMEM;
    }
    memcpy(&self->conf.tts.paths, self->texts, sizeof(paths));
    self->texts[PATHS] = prl_mem_strdup(self->conf.tts.cache_dir);
    if (self->conf.tts.cache_dir && !self->texts[PATHS])
        return PRL_ERR_NOMEM;
    self->conf.tts.cache_dir = self->texts[PATHS];
    return PRL_OK;
}

enum prl_err prl_tts_serve(const struct prl_tts_conf *conf, struct prl_lane_child *child)
{
    struct prl_tts_lane *self = prl_mem_zalloc(sizeof(*self)); // as long as the process
    if (!self)
        return PRL_ERR_NOMEM;
    self->conf.tts = *conf;
    self->conf.share = prl_lane_child_share(child);
    enum prl_err err = texts_copy(self);
    struct prl_lane_conf lane = {.name = "tts",
                                 .nice = NICE,
                                 .queue_max = QUEUE_MAX,
                                 .ops = &lane_ops,
                                 .ctx = self,
                                 .cores = conf->cores};
    if (!err)
        return prl_lane_child_run(child, &lane, &lane_wire);
    prl_tts_lane_destroy(&self);
    return err;
}

enum prl_err prl_tts_lane_create(struct prl_tts_lane **out, const struct prl_tts_lane_conf *conf)
{
    PRL_CHECK(out != NULL && conf != NULL && conf->share != NULL);
    *out = NULL;
    struct prl_tts_lane *self = prl_mem_zalloc(sizeof(*self));
    if (!self)
        return PRL_ERR_NOMEM;
    self->conf = *conf;
    enum prl_err err = texts_copy(self);
    struct prl_lane_conf lane = {.name = "tts",
                                 .nice = NICE,
                                 .queue_max = QUEUE_MAX,
                                 .ops = &lane_ops,
                                 .ctx = self,
                                 .cores = conf->tts.cores,
                                 .loop = conf->tts.loop,
                                 .started = conf->started,
                                 .started_arg = conf->arg,
                                 .isolate = conf->tts.isolate,
                                 .wire = &lane_wire};
    if (!err && conf->tts.isolate)
        err = prl_tts_ledger_create(&self->ledger);
    if (!err)
        err = prl_lane_create(&self->lane, &lane);
    if (err)
        prl_tts_lane_destroy(&self);
    *out = self;
    return err;
}

void prl_tts_lane_destroy(struct prl_tts_lane **lane)
{
    PRL_CHECK(lane != NULL);
    if (!*lane)
        return;
    prl_lane_destroy(&(*lane)->lane);
    prl_tts_ledger_destroy(&(*lane)->ledger);
    for (size_t i = 0; i <= PATHS; i++)
        prl_mem_free((*lane)->texts[i]);
    prl_mem_free(*lane);
    *lane = NULL;
}

struct prl_lane *prl_tts_lane_thread(struct prl_tts_lane *lane)
{
    return lane->lane;
}

unsigned prl_tts_lane_languages(const struct prl_tts_lane *lane)
{
    return lane->languages;
}

unsigned prl_tts_lane_parts(const struct prl_tts_lane *lane, bool named)
{
    return lane->parts[named];
}
