// job.c -- see job.h.
#include "llm/job.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

static const double TEMPERATURE_DEFAULT = 0.7;
static const double TEMPERATURE_MAX = 2.0;
static const double TOP_P_DEFAULT = 0.9;

static void send(struct prl_llm_job *job, struct prl_llm_event *event)
{
    if (job->kind != PRL_LLM_JOB_GENERATE)
        return;
    event->generation = job->generation;
    job->fn(job->arg, job->id, event);
}

// splitmix64: spreads stream and generation over all bits, for seeds and call ids.
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

static void send_words(void *arg, const char *text, size_t len)
{
    send(arg, &(struct prl_llm_event){.kind = PRL_LLM_EVENT_TOKEN, .text = text, .len = len});
}

static void send_call(struct prl_llm_job *job, const char *name, const char *text, size_t len)
{
    char call_id[32];
    uint64_t number = mix(mix(job->id) ^ mix(job->generation) ^ (uint64_t)prl_clock_wall_us() ^
                          mix((uint64_t)job->output));
    (void)snprintf(call_id, sizeof(call_id), "call_%016llx", (unsigned long long)number);
    send(job, &(struct prl_llm_event){
                  .kind = PRL_LLM_EVENT_TOOL_BEGIN, .name = name, .call_id = call_id});
    send(job, &(struct prl_llm_event){.kind = PRL_LLM_EVENT_TOOL_ARGS, .text = text, .len = len});
    send(job, &(struct prl_llm_event){.kind = PRL_LLM_EVENT_TOOL_END});
}

static void on_answer(void *arg, const char *name, const char *text, size_t len)
{
    struct prl_llm_job *job = arg;
    if (job->stop.hit)
        return;
    if (name) {
        prl_stop_end(&job->stop, send_words, job);
        send_call(job, name, text, len);
    } else if (prl_stop_push(&job->stop, text, len, send_words, job) != PRL_OK) {
        job->answer.err = PRL_ERR_NOMEM; // seen at its end
    }
}

void prl_llm_job_clear(struct prl_llm_job *job)
{
    PRL_CHECK(job != NULL);
    if (job->answer_open) {
        prl_reply_free(&job->answer);
        prl_stop_free(&job->stop);
    }
    prl_llm_tokens_free(&job->tokens);
    prl_mem_free(job->prompt);
    memset(job, 0, sizeof(*job));
    job->slot = -1;
}

void prl_llm_job_fail(struct prl_llm_job *job, const char *text)
{
    send(job,
         &(struct prl_llm_event){.kind = PRL_LLM_EVENT_ERROR, .text = text, .len = strlen(text)});
    prl_llm_job_clear(job);
}

static const char *start_problem(enum prl_err err)
{
    if (err == PRL_ERR_LIMIT)
        return "the newest turn is longer than the model's context";
    if (err == PRL_ERR_NOMEM)
        return "out of memory";
    return "the prompt could not be turned into the model's tokens";
}

static void open_answer(struct prl_llm_job *job)
{
    if (job->answer_open) {
        prl_reply_free(&job->answer);
        prl_stop_free(&job->stop);
    }
    prl_stop_init(&job->stop, job->prompt->stops, job->prompt->stop_count);
    prl_reply_init(&job->answer, job->prompt, job->tokens.forced, on_answer, job);
    job->answer_open = true;
}

static void settle_params(struct prl_llm_job *job)
{
    struct prl_llm_params *params = &job->params;
    if (params->max_output_tokens <= 0 || params->max_output_tokens > PRL_LLM_OUTPUT_TOKENS_MAX)
        params->max_output_tokens = PRL_LLM_OUTPUT_TOKENS_MAX;
    // Written so that a value that is no number falls to the default too.
    if (!(params->temperature >= 0 && params->temperature <= TEMPERATURE_MAX))
        params->temperature = TEMPERATURE_DEFAULT;
    if (!(params->top_p > 0 && params->top_p <= 1))
        params->top_p = TOP_P_DEFAULT;
    if (params->seed == 0)
        params->seed = (uint32_t)mix(mix(job->id) ^ job->generation) | 1;
}

// A prefill of a finished user's turn includes the beginning of the answer's.
static bool awaits_answer(const struct prl_llm_prompt *prompt)
{
    enum prl_llm_role last = prompt->messages[prompt->message_count - 1].role;
    return !prompt->open && (last == PRL_LLM_USER || last == PRL_LLM_TOOL);
}

enum prl_err prl_llm_job_start(struct prl_llm_job *job, const struct prl_llm_model_ops *ops,
                               void *model, struct prl_llm_prompt *prompt, int context)
{
    PRL_CHECK(job != NULL && ops != NULL && prompt != NULL);
    job->prompt = prompt;
    bool generate = job->kind == PRL_LLM_JOB_GENERATE;
    settle_params(job);
    int wanted = job->params.max_output_tokens;
    // A quarter of the context is kept for the answer, less when less is wanted.
    int reserve = wanted < context / 4 ? wanted : context / 4;
    enum prl_err err = prl_llm_tokens_make(&job->tokens, ops, model, prompt, context - reserve,
                                           generate || awaits_answer(prompt));
    if (!err && job->tokens.count == 0)
        err = PRL_ERR_INVALID;
    if (err) {
        prl_llm_job_fail(job, start_problem(err));
        return err;
    }
    int left = context - job->tokens.count;
    job->limit_context = left < wanted;
    job->limit = job->limit_context ? left : wanted;
    job->call_open = ops->control(model, "<tool_call>");
    job->call_close = ops->control(model, "</tool_call>");
    if (generate)
        open_answer(job);
    return PRL_OK;
}

static void send_done(struct prl_llm_job *job, enum prl_llm_reason reason)
{
    struct prl_llm_event event = {.kind = PRL_LLM_EVENT_DONE, .reason = reason};
    event.usage = (struct prl_llm_usage){.input_tokens = job->tokens.count,
                                         .cached_tokens = job->cached,
                                         .output_tokens = job->output,
                                         .dropped_messages = job->tokens.dropped};
    event.timings = (struct prl_llm_timings){
        .queued_us = job->started_at_us - job->queued_at_us,
        .prefill_us = job->prefilled_at_us - job->started_at_us,
        .first_token_us = job->first_at_us - job->queued_at_us,
        .decode_us = job->last_at_us - job->first_at_us,
    };
    send(job, &event);
    prl_llm_job_clear(job);
}

static enum prl_llm_job_next finish(struct prl_llm_job *job, bool stopped,
                                    enum prl_llm_reason reason)
{
    enum prl_reply_result result;
    enum prl_err err = prl_reply_end(&job->answer, stopped, &result);
    if (err) {
        prl_llm_job_fail(job, "out of memory");
        return PRL_LLM_JOB_ENDED;
    }
    switch (result) {
    case PRL_REPLY_WORDS:
        prl_stop_end(&job->stop, send_words, job);
        send_done(job, reason);
        break;
    case PRL_REPLY_CALLED:
        send_done(job, PRL_LLM_REASON_TOOL);
        break;
    case PRL_REPLY_BAD_CALL:
        // Nothing was given out yet, so the answer can be begun again.
        if (!job->words_only && !job->tokens.forced) {
            job->words_only = true;
            job->output = 0;
            open_answer(job);
            return PRL_LLM_JOB_RETRY;
        }
        prl_llm_job_fail(job, "the model wrote a tool call that cannot be made");
        break;
    }
    return PRL_LLM_JOB_ENDED;
}

enum prl_llm_job_next prl_llm_job_token(struct prl_llm_job *job,
                                        const struct prl_llm_model_ops *ops, void *model,
                                        int32_t token)
{
    PRL_CHECK(job != NULL && job->kind == PRL_LLM_JOB_GENERATE && job->answer_open);
    job->last_at_us = prl_clock_now_us();
    if (job->first_at_us == 0)
        job->first_at_us = job->last_at_us;
    if (ops->is_end(model, token))
        return finish(job, true, PRL_LLM_REASON_STOP);
    job->output++;
    enum prl_reply_mark mark = PRL_REPLY_TEXT;
    if (token == job->call_open)
        mark = PRL_REPLY_CALL_OPEN;
    else if (token == job->call_close)
        mark = PRL_REPLY_CALL_CLOSE;
    char text[PRL_LLM_PIECE_BYTES_MAX];
    int len = mark == PRL_REPLY_TEXT ? ops->piece(model, token, text, sizeof(text)) : 0;
    PRL_CHECK(len >= 0 && len <= (int)sizeof(text));
    if (prl_reply_push(&job->answer, mark, text, (size_t)len) == PRL_REPLY_ENOUGH || job->stop.hit)
        return finish(job, true, PRL_LLM_REASON_STOP);
    if (job->output >= job->limit)
        return finish(job, false,
                      job->limit_context ? PRL_LLM_REASON_CONTEXT : PRL_LLM_REASON_LENGTH);
    job->next = token;
    return PRL_LLM_JOB_GOES_ON;
}

void prl_llm_job_cut(struct prl_llm_job *job)
{
    PRL_CHECK(job != NULL && job->kind == PRL_LLM_JOB_GENERATE);
    job->words_only = true; // no second try
    (void)finish(job, false, PRL_LLM_REASON_CONTEXT);
}
