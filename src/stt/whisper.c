// whisper.c -- Whisper through whisper.cpp, for every language but English.
//
// The library lives in a module of its own (whisper_module.h), loaded here by path. Settings that
// were measured: greedy, no timestamps, one segment, and an encoder shortened to the sound plus
// 5 s (with less, short clips loop: 31 % errors against 3.6). A looping or empty result is decoded
// again at full context by decode_again.
// Longest step: the encoder, which whisper.cpp does not stop (its abort callback is looked at before
// and after): 0.6 s of CPU for 4 s of sound, 1.3 for 11, 2.5 for 25. Then between tokens, 10 ms.
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/cores.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/cpu.h"
#include "stt/backend.h"
#include "stt/ggml_file.h"
#include "stt/whisper_module.h"
#include "stt/words.h"

enum {
    CONTEXT_PER_S = 50,
    CONTEXT_EXTRA = 256,
    CONTEXT_STEP = 64,
    CONTEXT_MAX = 1500,
    SAMPLES_MIN = PRL_STT_RATE_HZ, // shorter sound is padded to 1 s
    PAD_TAIL_SAMPLES = 3200,
    SAMPLES_MAX = PRL_STT_PIECE_MAX_S * PRL_STT_RATE_HZ + PAD_TAIL_SAMPLES,
    TOKENS_PER_S = 14, // Mandarin spoken fast: 7 characters a second of up to 2 tokens
    TOKENS_EXTRA = 16,
    TOKENS_MAX = 220,
    LETTER_MAX = 8, // bytes of one letter that several tokens may share
};

struct whisper {
    const struct prl_whisper_ops *ops; // the module's
    void *model;                       // owned
    float *sound;                      // owned, SAMPLES_MAX
    struct prl_cores *cores;           // borrowed or NULL
    int threads_max;
    struct prl_pace pace;       // of a decode, a unit is a position of the encoder
    char why[PRL_STT_WHY_SIZE]; // of the last decode
};

// What the callbacks of one decode see.
struct call {
    const struct prl_stt_job *job;
    struct prl_stt_answer *answer;
    enum prl_err err;
};

static void on_log(void *arg, int is_error, const char *line)
{
    (void)arg;
    int len = (int)strcspn(line, "\n");
    bool stopped = strstr(line, "failed to encode") != NULL; // what a stop looks like from inside
    prl_log(is_error && !stopped ? PRL_LOG_WARN : PRL_LOG_DEBUG, "stt", "whisper.cpp: %.*s", len,
            line);
}

static enum prl_err load_module(struct whisper *whisper, const char *path, char *why,
                                size_t why_size)
{
    if (access(path, R_OK) != 0) {
        (void)snprintf(why, why_size, "cannot read %s; build it with 'make'", path);
        return PRL_ERR_NOTFOUND;
    }
    if (!prl_cpu_suits(path, why, why_size))
        return PRL_ERR_ENGINE;
    // Never closed: ggml keeps state for the life of the process.
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct prl_whisper_ops *(*get)(void) = NULL;
    if (handle)
        *(void **)&get = dlsym(handle, "prl_whisper_module");
    const struct prl_whisper_ops *ops = get ? get() : NULL;
    if (!ops || ops->version != PRL_WHISPER_VERSION) {
        (void)snprintf(why, why_size, "%s: not our whisper module; build it again with 'make'",
                       path);
        return PRL_ERR_ENGINE;
    }
    whisper->ops = ops;
    return PRL_OK;
}

static void close_whisper(void **ctx)
{
    struct whisper *whisper = *ctx;
    if (!whisper)
        return;
    if (whisper->model)
        whisper->ops->close(&whisper->model);
    prl_mem_free(whisper->sound);
    prl_mem_free(whisper);
    *ctx = NULL;
}

static enum prl_err load_model(struct whisper *whisper, const struct prl_stt_open_conf *conf,
                               bool words, char *why, size_t why_size)
{
    const char *path = conf->paths->whisper_model;
    enum prl_err err = load_module(whisper, conf->paths->whisper_module, why, why_size);
    if (!err) // ggml aborts on a file that is cut short; look first
        err = prl_ggml_file_check(path, why, why_size);
    if (err)
        return err;
    struct prl_whisper_conf module = {
        .path = path, .threads = conf->threads, .words = words, .log = on_log};
    int failed = whisper->ops->open(&whisper->model, &module);
    if (failed)
        (void)snprintf(why, why_size, "%s: whisper.cpp cannot load it", path);
    return failed ? PRL_ERR_ENGINE : PRL_OK;
}

static enum prl_err open_with(void **ctx, const struct prl_stt_open_conf *conf, bool words,
                              char *why, size_t why_size)
{
    *ctx = NULL;
    if (!conf->paths->whisper_module || !conf->paths->whisper_model) {
        (void)snprintf(why, why_size, "whisper: not configured");
        return PRL_ERR_NOTFOUND;
    }
    struct whisper *whisper = prl_mem_zalloc(sizeof(*whisper));
    if (!whisper)
        return PRL_ERR_NOMEM;
    *ctx = whisper;
    whisper->cores = conf->cores;
    whisper->threads_max = conf->threads_max;
    whisper->sound = prl_mem_array(SAMPLES_MAX, sizeof(*whisper->sound));
    enum prl_err err =
        whisper->sound ? load_model(whisper, conf, words, why, why_size) : PRL_ERR_NOMEM;
    if (err)
        close_whisper(ctx);
    return err;
}

static enum prl_err open_whisper(void **ctx, const struct prl_stt_open_conf *conf, char *why,
                                 size_t why_size)
{
    return open_with(ctx, conf, false, why, why_size);
}

static int ask_stop(void *arg)
{
    const struct call *call = arg;
    return call->job->stop && call->job->stop(call->job->stop_arg);
}

static void take_text(void *arg, const char *bytes, size_t len)
{
    struct call *call = arg;
    if (!call->err)
        call->err = prl_str_add(&call->answer->text, bytes, len);
}

// Copies the sound and fills in everything but language and context.
static struct prl_whisper_request prepare(struct whisper *whisper, const struct prl_stt_job *job,
                                          struct call *call)
{
    PRL_CHECK(job->samples <= (size_t)PRL_STT_PIECE_MAX_S * PRL_STT_RATE_HZ);
    size_t count = job->samples + PAD_TAIL_SAMPLES;
    if (count < SAMPLES_MIN)
        count = SAMPLES_MIN;
    for (size_t i = 0; i < job->samples; i++)
        whisper->sound[i] = (float)job->pcm[i] / 32768.0F;
    memset(whisper->sound + job->samples, 0, (count - job->samples) * sizeof(*whisper->sound));
    int tokens = TOKENS_EXTRA + (int)(job->samples * TOKENS_PER_S / PRL_STT_RATE_HZ);
    return (struct prl_whisper_request){
        .samples = whisper->sound,
        .count = (int)count,
        .tokens_max = tokens < TOKENS_MAX ? tokens : TOKENS_MAX,
        .language = job->language[0] ? job->language : NULL,
        .prompt = job->prompt,
        .stop = ask_stop,
        .text = take_text,
        .arg = call,
    };
}

static int short_context(int samples)
{
    int positions = samples * CONTEXT_PER_S / PRL_STT_RATE_HZ + CONTEXT_EXTRA;
    positions = (positions + CONTEXT_STEP - 1) / CONTEXT_STEP * CONTEXT_STEP;
    return positions < CONTEXT_MAX ? positions : CONTEXT_MAX;
}

static enum prl_err run(struct whisper *whisper, struct call *call,
                        struct prl_whisper_request *request, struct prl_whisper_result *result)
{
    whisper->why[0] = '\0';
    if (request->language && !whisper->ops->knows(request->language)) {
        (void)snprintf(whisper->why, sizeof(whisper->why), "whisper: unknown language '%.15s'",
                       request->language);
        return PRL_ERR_INVALID;
    }
    if (whisper->cores)
        request->threads = prl_pace_begin(&whisper->pace, whisper->cores, whisper->threads_max);
    int failed = whisper->ops->decode(whisper->model, request, result);
    if (whisper->cores)
        prl_pace_end(&whisper->pace, whisper->cores,
                     failed               ? 0
                     : request->audio_ctx ? request->audio_ctx
                                          : CONTEXT_MAX);
    if (failed == PRL_WHISPER_STOPPED)
        return PRL_ERR_CANCELED;
    if (failed) {
        (void)snprintf(whisper->why, sizeof(whisper->why), "whisper: computing failed (%d)",
                       failed);
        return PRL_ERR_ENGINE;
    }
    return call->err;
}

static enum prl_err decode_with(struct whisper *whisper, const struct prl_stt_job *job,
                                struct prl_stt_answer *answer, bool full)
{
    struct call call = {.job = job, .answer = answer};
    struct prl_whisper_request request = prepare(whisper, job, &call);
    request.audio_ctx = full ? 0 : short_context(request.count);
    struct prl_whisper_result result = {0};
    enum prl_err err = run(whisper, &call, &request, &result);
    if (err)
        return err;
    (void)prl_str_copy(answer->language, sizeof(answer->language), result.language);
    answer->no_speech = result.no_speech;
    answer->tokens = result.tokens;
    answer->mean_log_prob = result.log_prob_sum / (float)(result.tokens + 1);
    answer->complete = result.complete != 0;
    return PRL_OK;
}

static enum prl_err decode_whisper(void *ctx, const struct prl_stt_job *job,
                                   struct prl_stt_answer *answer)
{
    return decode_with(ctx, job, answer, false);
}

static enum prl_err decode_again(void *ctx, const struct prl_stt_job *job,
                                 struct prl_stt_answer *answer)
{
    return decode_with(ctx, job, answer, true);
}

static enum prl_err identify(void *ctx, const struct prl_stt_job *job,
                             char language[PRL_STT_LANGUAGE_SIZE], float *probability)
{
    struct whisper *whisper = ctx;
    struct call call = {.job = job};
    struct prl_whisper_request request = prepare(whisper, job, &call);
    request.audio_ctx = short_context(request.count);
    request.language = NULL;
    request.language_only = 1;
    struct prl_whisper_result result = {0};
    enum prl_err err = run(whisper, &call, &request, &result);
    if (err)
        return err;
    (void)prl_str_copy(language, PRL_STT_LANGUAGE_SIZE, result.language);
    *probability = result.language_probability;
    return PRL_OK;
}

static const char *why_whisper(const void *ctx)
{
    const struct whisper *whisper = ctx;
    return whisper->why;
}

// Tokens of one word arrive one by one; a letter may be split between two of them.
struct word_call {
    prl_stt_word_fn fn;
    void *arg;
    char text[LETTER_MAX + 64]; // bytes of letters not yet whole
    size_t len;
    int64_t at_ms; // of the first byte in `text`
};

static void take_token(void *arg, const struct prl_whisper_word_token *token)
{
    struct word_call *call = arg;
    if (call->len == 0)
        call->at_ms = token->at_ms;
    size_t room = sizeof(call->text) - call->len;
    size_t len = strlen(token->bytes);
    if (len > room)
        len = room;
    memcpy(call->text + call->len, token->bytes, len);
    call->len += len;
    if (prl_utf8_whole(call->text, call->len) < call->len && call->len < sizeof(call->text))
        return; // the rest of the letter is in the next token
    struct prl_stt_word word = {.text = call->text,
                                .len = call->len,
                                .at_ms = call->at_ms,
                                .probability = token->probability};
    call->fn(call->arg, &word);
    call->len = 0;
}

enum prl_err prl_stt_words(const struct prl_stt_open_conf *conf, const struct prl_stt_job *job,
                           prl_stt_word_fn fn, void *arg, char *why, size_t why_size)
{
    PRL_CHECK(conf != NULL && job != NULL && fn != NULL);
    void *ctx = NULL;
    enum prl_err err = open_with(&ctx, conf, true, why, why_size);
    if (err)
        return err;
    struct whisper *whisper = ctx;
    struct call call = {.job = job};
    struct prl_whisper_request request = prepare(whisper, job, &call);
    request.audio_ctx = short_context(request.count);
    struct word_call words = {.fn = fn, .arg = arg};
    if (whisper->ops->words(whisper->model, &request, take_token, &words)) {
        (void)snprintf(why, why_size, "whisper: computing word times failed");
        err = PRL_ERR_ENGINE;
    }
    close_whisper(&ctx);
    return err;
}

const struct prl_stt_backend_ops prl_stt_whisper = {
    .name = "whisper",
    .doubt = -1.5F, // 29 clips of speech: above -0.9; see is_noise in worker.c
    .open = open_whisper,
    .close = close_whisper,
    .decode = decode_whisper,
    .decode_again = decode_again,
    .identify = identify,
    .why = why_whisper,
};
