// far.c -- see far.h.
#include "stt/far.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/hedge.h"
#include "media/wav.h"
#include "stt/clean.h"
#include "stt/simplify.h"
#include "stt/transcript.h"

enum {
    BODY_MAX = (PRL_STT_PIECE_MAX_S + 1) * PRL_STT_RATE_HZ * 2 + 8192,
    BOUNDARY_SIZE = 40,
};

struct prl_stt_far {
    struct prl_loop *loop;
    struct prl_pool *pool;
    struct prl_simplify *simplify; // owned; NULL: Chinese stays as it came
    size_t jobs;
};

struct prl_stt_far_job {
    struct prl_stt_far *far;
    struct prl_hedge_who who;
    prl_stt_far_fn fn;
    void *arg;
    char language[PRL_STT_LANGUAGE_SIZE];
    struct prl_hedge *request;
    struct prl_transcript *answer; // owned; from its head on
    bool any;                      // something of it came
    int64_t start_us;
};

enum prl_err prl_stt_far_create(struct prl_stt_far **out, struct prl_loop *loop,
                                struct prl_pool *pool, bool traditional)
{
    PRL_CHECK(out != NULL && loop != NULL && pool != NULL);
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    (*out)->loop = loop;
    (*out)->pool = pool;
    if (!traditional && prl_simplify_create(&(*out)->simplify) != PRL_OK)
        prl_log(PRL_LOG_WARN, "stt", "OpenCC's tables are missing: Chinese stays as it is written");
    return PRL_OK;
}

void prl_stt_far_destroy(struct prl_stt_far **far)
{
    PRL_CHECK(far != NULL);
    if (!*far)
        return;
    PRL_CHECK((*far)->jobs == 0);
    prl_simplify_destroy(&(*far)->simplify);
    prl_mem_free(*far);
    *far = NULL;
}

static void free_job(struct prl_stt_far_job *job)
{
    prl_hedge_cancel(&job->request);
    prl_transcript_destroy(&job->answer);
    job->far->jobs--;
    prl_mem_free(job);
}

// ---- the answer ----

enum prl_err prl_stt_far_clean(struct prl_stt_far *far, const char *raw, size_t len,
                               const char *language, struct prl_str *out)
{
    enum prl_err err = prl_clean_text(raw, len, out);
    if (err)
        return err;
    size_t sense = prl_clean_loop(prl_str_text(out), out->len);
    if (prl_clean_is_ghost(prl_str_text(out), false))
        sense = 0;
    if (sense < out->len) {
        out->len = sense;
        out->data[sense] = '\0';
    }
    bool chinese = !language[0] || strcmp(language, "zh") == 0;
    return chinese && far->simplify && out->len > 0 ? prl_simplify_text(far->simplify, out)
                                                    : PRL_OK;
}

// Our code for a language that the answer told, if the order knew none.
static void keep_language(struct prl_stt_far_job *job, const char *language)
{
    char code[PRL_STT_LANGUAGE_SIZE];
    if (!job->language[0] && strlen(language) <= 3 && prl_stt_language(language, code) == PRL_OK)
        memcpy(job->language, code, sizeof(code));
}

static enum prl_err read_answer(struct prl_stt_far_job *job, struct prl_str *text)
{
    struct prl_str raw;
    const char *language = "";
    if (!job->answer)
        return PRL_ERR_NOMEM;
    prl_str_init(&raw, PRL_TRANSCRIPT_MAX);
    enum prl_err err = prl_transcript_end(job->answer, &raw, &language);
    if (!err) {
        keep_language(job, language);
        err = prl_stt_far_clean(job->far, prl_str_text(&raw), raw.len, job->language, text);
    }
    prl_str_free(&raw);
    return err;
}

// Tells the pool and the owner; the job is gone.
static void finish(struct prl_stt_far_job *job, enum prl_outcome outcome,
                   enum prl_fetch_failure failure, enum prl_err err, const char *text)
{
    size_t len = strlen(text);
    int64_t work_us = prl_clock_now_us() - job->start_us;
    struct prl_stt_reply *reply = prl_mem_zalloc(sizeof(*reply) + len + 1);
    struct prl_stt_reply nothing = {.err = PRL_ERR_NOMEM, .engine = "openai"};
    if (reply) {
        reply->err = err;
        memcpy(reply->language, job->language, sizeof(reply->language));
        reply->language_probability = job->language[0] ? 1.0F : 0.0F;
        reply->engine = "openai";
        reply->work_us = work_us;
        memcpy(reply->text, text, len + 1);
    }
    prl_pool_end(job->far->pool, job->who.engine, outcome, failure, err ? text : NULL);
    prl_stt_far_fn fn = job->fn;
    void *arg = job->arg;
    free_job(job);
    fn(arg, reply ? reply : &nothing);
    prl_mem_free(reply);
}

static void on_head(void *arg, unsigned status, const char *type)
{
    struct prl_stt_far_job *job = arg;
    (void)status;
    if (!job->answer && prl_transcript_create(&job->answer, prl_transcript_is_events(type)))
        prl_log(PRL_LOG_WARN, "stt", "no memory for an answer");
}

// What came is no transcription.
static void fail_answer(struct prl_stt_far_job *job, enum prl_err err)
{
    char why[PRL_TRANSCRIPT_WHY_SIZE] = "out of memory";
    if (job->answer && prl_transcript_why(job->answer)[0])
        (void)prl_str_copy(why, sizeof(why), prl_transcript_why(job->answer));
    finish(job, PRL_OUTCOME_FAILED, PRL_FETCH_CUT, err, why);
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct prl_stt_far_job *job = arg;
    if (!job->any)
        prl_pool_first_byte(job->far->pool, job->who.engine,
                            prl_clock_now_us() - job->who.start_us);
    job->any = true;
    enum prl_err err = job->answer ? prl_transcript_push(job->answer, data, len) : PRL_ERR_NOMEM;
    if (err)
        fail_answer(job, err);
}

static void on_end(void *arg, const struct prl_fetch_end *end)
{
    struct prl_stt_far_job *job = arg;
    job->request = NULL;
    if (end->failure != PRL_FETCH_OK) {
        finish(job, prl_pool_outcome(end), end->failure, prl_fetch_failure_err(end->failure),
               end->why);
        return;
    }
    struct prl_str text;
    prl_str_init(&text, PRL_STT_TEXT_MAX);
    enum prl_err err = read_answer(job, &text);
    if (err)
        fail_answer(job, err);
    else
        finish(job, PRL_OUTCOME_OK, PRL_FETCH_OK, PRL_OK, prl_str_text(&text));
    prl_str_free(&text);
}

static const struct prl_fetch_ops fetch_ops = {on_head, on_data, on_end};

// ---- the request ----

static void add_field(struct prl_str *body, const char *boundary, const char *name,
                      const char *value)
{
    (void)prl_str_addf(body, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n",
                       boundary, name, value);
}

static enum prl_err write_body(struct prl_str *body, const char *boundary,
                               const struct prl_pool_engine *engine,
                               const struct prl_stt_order *order)
{
    uint8_t header[PRL_WAV_HEADER_SIZE];
    const char *language = engine->language[0] ? engine->language : order->language;
    prl_wav_header(header, PRL_STT_RATE_HZ, order->samples);
    add_field(body, boundary, "model", engine->model);
    add_field(body, boundary, "response_format", "json");
    add_field(body, boundary, "stream", "true");
    if (language[0])
        add_field(body, boundary, "language", language);
    if (order->prompt_len > 0)
        add_field(body, boundary, "prompt", (const char *)(order->pcm + order->samples));
    (void)prl_str_addf(body,
                       "--%s\r\nContent-Disposition: form-data; name=\"file\"; "
                       "filename=\"speech.wav\"\r\nContent-Type: audio/wav\r\n\r\n",
                       boundary);
    (void)prl_str_add(body, (const char *)header, sizeof(header));
    (void)prl_str_add(body, (const char *)order->pcm, order->samples * sizeof(int16_t));
    (void)prl_str_addf(body, "\r\n--%s--\r\n", boundary);
    return body->err;
}

static enum prl_err post(struct prl_stt_far_job *job, const struct prl_stt_order *order)
{
    uint64_t number[2] = {0};
    char boundary[BOUNDARY_SIZE], type[BOUNDARY_SIZE + 40];
    struct prl_str body;
    if (getrandom(number, sizeof(number), 0) != (ssize_t)sizeof(number))
        return PRL_ERR_IO;
    snprintf(boundary, sizeof(boundary), "%016llx%016llx", (unsigned long long)number[0],
             (unsigned long long)number[1]);
    snprintf(type, sizeof(type), "multipart/form-data; boundary=%s", boundary);
    prl_str_init(&body, BODY_MAX);
    enum prl_err err =
        write_body(&body, boundary, prl_pool_at(job->far->pool, job->who.engine), order);
    struct prl_fetch_ask ask = {.content_type = type,
                                .body = body.data,
                                .body_size = body.len,
                                .ops = &fetch_ops,
                                .arg = job};
    if (!err)
        err =
            prl_hedge_post(job->far->pool, "/audio/transcriptions", &ask, &job->who, &job->request);
    prl_str_free(&body);
    return err;
}

enum prl_err prl_stt_far_ask(struct prl_stt_far *far, int engine, const struct prl_stt_order *order,
                             prl_stt_far_fn fn, void *arg, struct prl_stt_far_job **out)
{
    PRL_CHECK(far != NULL && order != NULL && fn != NULL && out != NULL);
    *out = NULL;
    enum prl_err err = PRL_ERR_NOMEM;
    struct prl_stt_far_job *job = prl_mem_zalloc(sizeof(*job));
    if (job) {
        *job = (struct prl_stt_far_job){.far = far,
                                        .who = {.engine = engine},
                                        .fn = fn,
                                        .arg = arg,
                                        .start_us = prl_clock_now_us()};
        memcpy(job->language, order->language, sizeof(job->language));
        far->jobs++;
        err = post(job, order);
        if (err)
            free_job(job);
    }
    if (err)
        prl_pool_end(far->pool, engine, PRL_OUTCOME_FAILED, PRL_FETCH_MEMORY, prl_err_name(err));
    else
        *out = job;
    return err;
}

void prl_stt_far_cancel(struct prl_stt_far_job **job)
{
    PRL_CHECK(job != NULL);
    if (*job) {
        prl_pool_end((*job)->far->pool, (*job)->who.engine, PRL_OUTCOME_CANCELED, PRL_FETCH_OK,
                     NULL);
        free_job(*job);
    }
    *job = NULL;
}
