// whisper_module.c -- see whisper_module.h. Built into libparley_whisper.so, never into the server.
//
// The encoder runs through whisper_full, the only door that takes an audio_ctx; a filter ends that
// call before its first word. The text is then decoded here, greedily, token by token, so that
// language, silence and text come out of one encoder pass (whisper.cpp's own language detection
// encodes a second time, at full context) and a stop works between tokens.
#include "stt/whisper_module.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <whisper.h>

enum { PROMPT_TOKENS_MAX = 200, TEXT_CONTEXT = 448 };

struct model {
    struct whisper_context *ctx; // owned
    int threads;
    int words;
    void (*log)(void *arg, int is_error, const char *line);
    void *log_arg;
};

static void on_log(enum ggml_log_level level, const char *text, void *arg)
{
    const struct model *model = arg;
    if (model && model->log && (level == GGML_LOG_LEVEL_ERROR || level == GGML_LOG_LEVEL_WARN))
        model->log(model->log_arg, level == GGML_LOG_LEVEL_ERROR, text);
}

static void close_model(void **out)
{
    struct model *model = *out;
    if (!model)
        return;
    whisper_log_set(on_log, NULL);
    if (model->ctx)
        whisper_free(model->ctx);
    free(model);
    *out = NULL;
}

static int open_model(void **out, const struct prl_whisper_conf *conf)
{
    *out = NULL;
    struct model *model = calloc(1, sizeof(*model));
    if (!model)
        return PRL_WHISPER_NOMEM;
    *out = model;
    model->threads = conf->threads > 0 ? conf->threads : 1;
    model->words = conf->words;
    model->log = conf->log;
    model->log_arg = conf->log_arg;
    whisper_log_set(on_log, model);
    struct whisper_context_params params = whisper_context_default_params();
    params.use_gpu = false;
    // With flash attention the decoder also looks at the padding of a shortened encoder (whisper.cpp
    // rounds its keys up to 256 and masks nothing): CER 18 to 24 % and loops, against 10 to 11 %
    // without, on 21 clips of Mandarin. It also keeps no attention weights, which word times need.
    params.flash_attn = false;
    if (conf->words) {
        params.dtw_token_timestamps = true;
        params.dtw_aheads_preset = WHISPER_AHEADS_BASE;
    }
    model->ctx = whisper_init_from_file_with_params(conf->path, params);
    if (model->ctx)
        return 0;
    close_model(out);
    return PRL_WHISPER_FAILED;
}

// Ends whisper_full right after its encoder and prompt: only "end of text" is left to choose.
static void end_at_once(struct whisper_context *ctx, struct whisper_state *state,
                        const whisper_token_data *tokens, int count, float *logits, void *arg)
{
    (void)state;
    (void)tokens;
    (void)count;
    (void)arg;
    int vocabulary = whisper_n_vocab(ctx);
    for (int i = 0; i < vocabulary; i++)
        logits[i] = -INFINITY;
    logits[whisper_token_eot(ctx)] = 0.0F;
}

struct stopper {
    const struct prl_whisper_request *request;
    int stopped;
};

static bool should_stop(void *arg)
{
    struct stopper *stopper = arg;
    if (!stopper->stopped && stopper->request->stop)
        stopper->stopped = stopper->request->stop(stopper->request->arg);
    return stopper->stopped != 0;
}

static int threads_of(const struct model *model, const struct prl_whisper_request *request)
{
    return request->threads > 0 ? request->threads : model->threads;
}

static struct whisper_full_params base_params(const struct model *model,
                                              const struct prl_whisper_request *request,
                                              struct stopper *stopper)
{
    struct whisper_full_params params = whisper_full_default_params(WHISPER_SAMPLING_GREEDY);
    params.n_threads = threads_of(model, request);
    params.no_context = true;
    params.no_timestamps = true;
    params.single_segment = true;
    params.print_progress = false;
    params.print_realtime = false;
    params.print_timestamps = false;
    params.print_special = false;
    params.temperature_inc = 0.0F;
    params.greedy.best_of = 1;
    params.max_tokens = request->tokens_max;
    params.audio_ctx = request->audio_ctx;
    params.language = request->language ? request->language : "en";
    params.initial_prompt = request->prompt;
    params.abort_callback = should_stop;
    params.abort_callback_user_data = stopper;
    return params;
}

static int encode(struct model *model, const struct prl_whisper_request *request,
                  struct stopper *stopper)
{
    struct whisper_full_params params = base_params(model, request, stopper);
    params.initial_prompt = NULL;
    params.logits_filter_callback = end_at_once;
    params.suppress_blank = false; // it would forbid the only token left
    int failed = whisper_full(model->ctx, params, request->samples, request->count);
    if (stopper->stopped)
        return PRL_WHISPER_STOPPED;
    return failed ? PRL_WHISPER_FAILED : 0;
}

// Probability of entry `index` under the softmax of `count` logits.
static float probability_of(const float *logits, int count, int index)
{
    float best = logits[0];
    for (int i = 1; i < count; i++)
        best = logits[i] > best ? logits[i] : best;
    double sum = 0.0;
    for (int i = 0; i < count; i++)
        sum += (double)expf(logits[i] - best);
    return (float)((double)expf(logits[index] - best) / sum);
}

static void pick_language(struct whisper_context *ctx, const float *logits,
                          struct prl_whisper_result *result)
{
    int best = 0;
    double sum = 0.0;
    int max = whisper_lang_max_id();
    for (int i = 1; i <= max; i++) {
        if (logits[whisper_token_lang(ctx, i)] > logits[whisper_token_lang(ctx, best)])
            best = i;
    }
    float top = logits[whisper_token_lang(ctx, best)];
    for (int i = 0; i <= max; i++)
        sum += (double)expf(logits[whisper_token_lang(ctx, i)] - top);
    result->language = whisper_lang_str(best);
    result->language_probability = (float)(1.0 / sum);
}

// The text's own tokens and "end of text", nothing else; no blank start.
static whisper_token pick_token(struct whisper_context *ctx, const float *logits, int first,
                                float *log_prob)
{
    whisper_token end = whisper_token_eot(ctx);
    whisper_token best = 0;
    for (whisper_token i = 1; i <= end; i++) {
        if (logits[i] > logits[best] && !(first && i == end))
            best = i;
    }
    double sum = 0.0;
    for (whisper_token i = 0; i <= end; i++)
        sum += (double)expf(logits[i] - logits[best]);
    // cppcheck-suppress invalidFunctionArg ; the largest term is 1
    *log_prob = (float)-log(sum);
    return best;
}

static int decode_text(struct model *model, const struct prl_whisper_request *request,
                       struct stopper *stopper, const whisper_token *prompt, int prompt_count,
                       struct prl_whisper_result *result)
{
    struct whisper_context *ctx = model->ctx;
    int vocabulary = whisper_n_vocab(ctx);
    if (whisper_decode(ctx, prompt, prompt_count, 0, threads_of(model, request)))
        return PRL_WHISPER_FAILED;
    const float *logits = whisper_get_logits(ctx) + (size_t)(prompt_count - 1) * (size_t)vocabulary;
    int past = prompt_count;
    while (result->tokens < request->tokens_max && past < TEXT_CONTEXT - 1) {
        if (should_stop(stopper))
            return PRL_WHISPER_STOPPED;
        float log_prob = 0.0F;
        whisper_token token = pick_token(ctx, logits, result->tokens == 0, &log_prob);
        result->log_prob_sum += log_prob;
        if (token == whisper_token_eot(ctx)) {
            result->complete = 1;
            break;
        }
        const char *bytes = whisper_token_to_str(ctx, token);
        request->text(request->arg, bytes, strlen(bytes));
        result->tokens++;
        if (whisper_decode(ctx, &token, 1, past++, threads_of(model, request)))
            return PRL_WHISPER_FAILED;
        logits = whisper_get_logits(ctx);
    }
    return 0;
}

static int decode(void *ptr, const struct prl_whisper_request *request,
                  struct prl_whisper_result *result)
{
    struct model *model = ptr;
    struct whisper_context *ctx = model->ctx;
    struct stopper stopper = {.request = request};
    *result = (struct prl_whisper_result){.language = request->language};
    int err = encode(model, request, &stopper);
    if (err)
        return err;
    whisper_token start = whisper_token_sot(ctx);
    if (whisper_decode(ctx, &start, 1, 0, threads_of(model, request)))
        return PRL_WHISPER_FAILED;
    const float *logits = whisper_get_logits(ctx);
    result->no_speech = probability_of(logits, whisper_n_vocab(ctx), whisper_token_nosp(ctx));
    if (!request->language)
        pick_language(ctx, logits, result);
    if (request->language_only)
        return 0;
    whisper_token prompt[PROMPT_TOKENS_MAX + 8];
    int count = 0;
    if (request->prompt && request->prompt[0]) {
        prompt[count++] = whisper_token_prev(ctx);
        int tokens = whisper_tokenize(ctx, request->prompt, prompt + 1, PROMPT_TOKENS_MAX);
        count = tokens > 0 ? count + tokens : 0; // too long: better none than a cut one
    }
    prompt[count++] = start;
    prompt[count++] = whisper_token_lang(ctx, whisper_lang_id(result->language));
    prompt[count++] = whisper_token_transcribe(ctx);
    prompt[count++] = whisper_token_not(ctx);
    return decode_text(model, request, &stopper, prompt, count, result);
}

static int knows(const char *language)
{
    int id = whisper_lang_id(language);
    // "english" is known to whisper as well; only the short codes are ours.
    return id >= 0 && strcmp(whisper_lang_str(id), language) == 0;
}

static int words(void *ptr, const struct prl_whisper_request *request,
                 void (*word)(void *arg, const struct prl_whisper_word_token *token), void *arg)
{
    struct model *model = ptr;
    if (!model->words)
        return PRL_WHISPER_FAILED;
    struct stopper stopper = {.request = request};
    struct whisper_full_params params = base_params(model, request, &stopper);
    params.token_timestamps = true;
    if (whisper_full(model->ctx, params, request->samples, request->count))
        return stopper.stopped ? PRL_WHISPER_STOPPED : PRL_WHISPER_FAILED;
    int segments = whisper_full_n_segments(model->ctx);
    for (int i = 0; i < segments; i++) {
        int tokens = whisper_full_n_tokens(model->ctx, i);
        for (int j = 0; j < tokens; j++) {
            whisper_token_data data = whisper_full_get_token_data(model->ctx, i, j);
            if (data.id >= whisper_token_eot(model->ctx))
                continue;
            struct prl_whisper_word_token token = {
                .bytes = whisper_token_to_str(model->ctx, data.id),
                .at_ms = data.t_dtw * 10,
                .probability = data.p,
            };
            word(arg, &token);
        }
    }
    return 0;
}

const struct prl_whisper_ops *prl_whisper_module(void)
{
    static const struct prl_whisper_ops OPS = {
        .version = PRL_WHISPER_VERSION,
        .open = open_model,
        .close = close_model,
        .decode = decode,
        .knows = knows,
        .words = words,
    };
    return &OPS;
}
