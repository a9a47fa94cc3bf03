// moonshine.c -- Moonshine tiny-en through ONNX Runtime: an encoder over the raw sound, then a
// decoder that is asked for one token after the other, greedily, with its past handed back in.
//
// Run directly and not through sherpa-onnx: that one exits the process on a bad file and cannot be
// stopped within a call. Here `stop` is polled before every token (about 2 ms).
// Longest step: the encoder, 24 ms of CPU for 4 s of sound, 75 for 11, 240 for 25.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/ort.h"
#include "stt/backend.h"
#include "stt/rivals.h"
#include "stt/tokens.h"

enum {
    LAYERS_MAX = 8, // tiny has 6, base 8
    PAST_MAX = LAYERS_MAX * 4,
    NAME_SIZE = 48,
    TOKEN_START = 1,
    TOKEN_END = 2,
    HEADS = 8,
    HEAD_SIZE_MAX = 64,
    // Silence around the sound: without it clips cut tightly lose their first or last word (WER
    // 2.8 % without, 1.7 % with; 17 clips, 179 words).
    PAD_LEAD_SAMPLES = 1600,
    PAD_TAIL_SAMPLES = 4000,
    SAMPLES_MAX = PRL_STT_PIECE_MAX_S * PRL_STT_RATE_HZ + PAD_LEAD_SAMPLES + PAD_TAIL_SAMPLES,
    TOKENS_MAX = 256,
    // A text of so many tokens is no sign of listening, and needs no weighing.
    WEIGHED_TOKENS_MAX = 10,
    PLAIN_MARGIN = 100,
    WEIGHED_MS_MAX = 1600,
};
static const double TOKENS_PER_S = 6.5; // Moonshine's own limit against endless loops

// One layer's key or value, of the decoder or of the encoder.
struct past {
    char in[NAME_SIZE];  // past_key_values.0.decoder.key
    char out[NAME_SIZE]; // present.0.decoder.key
    bool encoder;
};

struct moonshine {
    // Owned.
    struct prl_ort_session *encoder;
    struct prl_ort_session *decoder;
    struct prl_tokens *tokens;
    struct prl_rivals *rivals;
    float *sound;  // SAMPLES_MAX
    int64_t *mask; // SAMPLES_MAX ones
    // Set once.
    struct past past[PAST_MAX];
    size_t past_count;
    int64_t head_size;
    bool encoder_mask; // which of the two models want the attention mask
    bool decoder_mask;
    bool branch; // the decoder has the input use_cache_branch
    char why[PRL_STT_WHY_SIZE];
};

// What one decode carries from token to token.
struct run {
    struct prl_ort_tensor hidden;         // the encoder's result
    struct prl_ort_tensor past[PAST_MAX]; // owned results of the decoder
    struct prl_ort_tensor next[PAST_MAX];
    int64_t token;
    int64_t samples;
    bool first;
    struct prl_rivals_picked picked;
    float empty; // an empty past still needs an address
    float log_prob_sum;
    int tokens;
};

static bool has_input(const struct prl_ort_session *session, const char *name)
{
    const char *input;
    for (size_t i = 0; (input = prl_ort_session_input(session, i)) != NULL; i++) {
        if (strcmp(input, name) == 0)
            return true;
    }
    return false;
}

// Collects the names of the past in the decoder's order.
static enum prl_err read_layout(struct moonshine *ms)
{
    static const char PAST[] = "past_key_values.";
    const char *input;
    for (size_t i = 0; (input = prl_ort_session_input(ms->decoder, i)) != NULL; i++) {
        if (!prl_str_starts(input, PAST))
            continue;
        if (ms->past_count == PAST_MAX)
            return PRL_ERR_LIMIT;
        struct past *past = &ms->past[ms->past_count++];
        (void)prl_str_copy(past->in, sizeof(past->in), input);
        (void)snprintf(past->out, sizeof(past->out), "present.%s", input + sizeof(PAST) - 1);
        past->encoder = strstr(input, ".encoder.") != NULL;
    }
    ms->encoder_mask = has_input(ms->encoder, "attention_mask");
    ms->decoder_mask = has_input(ms->decoder, "encoder_attention_mask");
    ms->branch = has_input(ms->decoder, "use_cache_branch");
    bool known = ms->past_count > 0 && ms->past_count % 4 == 0 && ms->branch &&
                 has_input(ms->encoder, "input_values") && has_input(ms->decoder, "input_ids");
    return known ? PRL_OK : PRL_ERR_ENGINE;
}

static void close_moonshine(void **ctx)
{
    struct moonshine *ms = *ctx;
    if (!ms)
        return;
    prl_ort_session_destroy(&ms->encoder);
    prl_ort_session_destroy(&ms->decoder);
    prl_tokens_destroy(&ms->tokens);
    prl_rivals_destroy(&ms->rivals);
    prl_mem_free(ms->sound);
    prl_mem_free(ms->mask);
    prl_mem_free(ms);
    *ctx = NULL;
}

static enum prl_err load_models(struct moonshine *ms, const struct prl_stt_open_conf *conf,
                                char *why, size_t why_size)
{
    const struct prl_stt_paths *paths = conf->paths;
    struct prl_ort_conf model = {
        .path = paths->moonshine_encoder, .threads = conf->threads, .arena = true};
    enum prl_err err = prl_ort_session_create(&ms->encoder, conf->ort, &model, why, why_size);
    if (err)
        return err;
    model.path = paths->moonshine_decoder;
    err = prl_ort_session_create(&ms->decoder, conf->ort, &model, why, why_size);
    if (err)
        return err;
    err = prl_tokens_create(&ms->tokens, paths->moonshine_tokens, why, why_size);
    if (err)
        return err;
    err = read_layout(ms);
    if (err)
        (void)snprintf(why, why_size, "%s: not a merged Moonshine decoder", model.path);
    if (!err)
        err = prl_rivals_create(&ms->rivals, ms->tokens, TOKEN_START, TOKEN_END);
    if (err == PRL_ERR_INVALID)
        (void)snprintf(why, why_size, "%s: not Moonshine's vocabulary", paths->moonshine_tokens);
    return err;
}

static enum prl_err open_moonshine(void **ctx, const struct prl_stt_open_conf *conf, char *why,
                                   size_t why_size)
{
    *ctx = NULL;
    if (!conf->ort || !conf->paths->moonshine_encoder || !conf->paths->moonshine_decoder ||
        !conf->paths->moonshine_tokens) {
        (void)snprintf(why, why_size, "moonshine: not configured");
        return PRL_ERR_NOTFOUND;
    }
    struct moonshine *ms = prl_mem_zalloc(sizeof(*ms));
    if (!ms)
        return PRL_ERR_NOMEM;
    *ctx = ms;
    ms->sound = prl_mem_array(SAMPLES_MAX, sizeof(*ms->sound));
    ms->mask = prl_mem_array(SAMPLES_MAX, sizeof(*ms->mask));
    enum prl_err err = ms->sound && ms->mask ? PRL_OK : PRL_ERR_NOMEM;
    if (!err)
        err = load_models(ms, conf, why, why_size);
    if (err) {
        close_moonshine(ctx);
        return err;
    }
    for (size_t i = 0; i < SAMPLES_MAX; i++)
        ms->mask[i] = 1;
    return PRL_OK;
}

static enum prl_err fail(struct moonshine *ms, struct prl_ort_session *session, enum prl_err err)
{
    (void)snprintf(ms->why, sizeof(ms->why), "moonshine: %s", prl_ort_session_why(session));
    return err;
}

static enum prl_err encode(struct moonshine *ms, const struct prl_stt_job *job, struct run *run)
{
    PRL_CHECK(job->samples <= (size_t)PRL_STT_PIECE_MAX_S * PRL_STT_RATE_HZ);
    size_t n = PAD_LEAD_SAMPLES + job->samples + PAD_TAIL_SAMPLES;
    memset(ms->sound, 0, n * sizeof(*ms->sound));
    for (size_t i = 0; i < job->samples; i++)
        ms->sound[PAD_LEAD_SAMPLES + i] = (float)job->pcm[i] / 32768.0F;
    run->samples = (int64_t)n;
    struct prl_ort_tensor inputs[] = {
        {.name = "input_values",
         .type = PRL_ORT_FLOAT,
         .rank = 2,
         .shape = {1, run->samples},
         .data = ms->sound},
        {.name = "attention_mask",
         .type = PRL_ORT_INT64,
         .rank = 2,
         .shape = {1, run->samples},
         .data = ms->mask},
    };
    run->hidden = (struct prl_ort_tensor){.name = prl_ort_session_output(ms->encoder, 0)};
    enum prl_err err = prl_ort_run(ms->encoder, inputs, ms->encoder_mask ? 2 : 1, &run->hidden, 1);
    if (err)
        return fail(ms, ms->encoder, err);
    if (run->hidden.type != PRL_ORT_FLOAT || run->hidden.rank != 3 ||
        run->hidden.shape[2] % HEADS != 0)
        return fail(ms, ms->encoder, PRL_ERR_ENGINE);
    ms->head_size = run->hidden.shape[2] / HEADS;
    return PRL_OK;
}

// The best token and the logarithm of its probability.
static int64_t pick_token(const float *logits, size_t count, float *log_prob)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        if (logits[i] > logits[best])
            best = i;
    }
    float sum = 0.0F;
    for (size_t i = 0; i < count; i++)
        sum += expf(logits[i] - logits[best]);
    // cppcheck-suppress invalidFunctionArg ; the largest term is 1
    *log_prob = -logf(sum);
    return (int64_t)best;
}

// After the first token the decoder's view of the encoder no longer changes and is kept; the
// model returns an empty one then.
static void keep_past(struct moonshine *ms, struct run *run)
{
    for (size_t i = 0; i < ms->past_count; i++) {
        if (ms->past[i].encoder && !run->first) {
            prl_ort_release(ms->decoder, &run->next[i], 1);
            continue;
        }
        prl_ort_release(ms->decoder, &run->past[i], 1);
        run->past[i] = run->next[i];
        run->past[i].name = ms->past[i].in;
        run->next[i].owned = NULL;
    }
}

// What the decoder is asked: `rows` texts of `columns` tokens each, all of the same sound.
struct question {
    int64_t rows;
    int64_t columns;
    int64_t *ids;
    float *hidden; // the encoder's result, once a row
    int64_t *mask;
    uint8_t use_cache;
};

// All but the past; returns how many.
static size_t put_question(const struct moonshine *ms, const struct run *run,
                           struct question *question, struct prl_ort_tensor *inputs)
{
    size_t n = 0;
    inputs[n++] = (struct prl_ort_tensor){.name = "input_ids",
                                          .type = PRL_ORT_INT64,
                                          .rank = 2,
                                          .shape = {question->rows, question->columns},
                                          .data = question->ids};
    inputs[n++] = (struct prl_ort_tensor){
        .name = "encoder_hidden_states",
        .type = PRL_ORT_FLOAT,
        .rank = 3,
        .shape = {question->rows, run->hidden.shape[1], run->hidden.shape[2]},
        .data = question->hidden};
    inputs[n++] = (struct prl_ort_tensor){.name = "use_cache_branch",
                                          .type = PRL_ORT_BOOL,
                                          .rank = 1,
                                          .shape = {1},
                                          .data = &question->use_cache};
    if (ms->decoder_mask)
        inputs[n++] = (struct prl_ort_tensor){.name = "encoder_attention_mask",
                                              .type = PRL_ORT_INT64,
                                              .rank = 2,
                                              .shape = {question->rows, run->samples},
                                              .data = question->mask};
    return n;
}

static struct prl_ort_tensor no_past(const struct moonshine *ms, size_t i, int64_t rows,
                                     float *empty)
{
    return (struct prl_ort_tensor){.name = ms->past[i].in,
                                   .type = PRL_ORT_FLOAT,
                                   .rank = 4,
                                   .shape = {rows, HEADS, 0, ms->head_size},
                                   .data = empty};
}

static enum prl_err next_token(struct moonshine *ms, struct run *run)
{
    struct prl_ort_tensor inputs[PAST_MAX + 4];
    struct question question = {.rows = 1,
                                .columns = 1,
                                .ids = &run->token,
                                .hidden = run->hidden.data,
                                .mask = ms->mask,
                                .use_cache = !run->first};
    size_t n = put_question(ms, run, &question, inputs);
    struct prl_ort_tensor outputs[PAST_MAX + 1];
    outputs[0] = (struct prl_ort_tensor){.name = "logits"};
    for (size_t i = 0; i < ms->past_count; i++) {
        if (run->first)
            run->past[i] = no_past(ms, i, 1, &run->empty);
        inputs[n++] = run->past[i];
        outputs[i + 1] = (struct prl_ort_tensor){.name = ms->past[i].out};
    }
    enum prl_err err = prl_ort_run(ms->decoder, inputs, n, outputs, ms->past_count + 1);
    if (err)
        return fail(ms, ms->decoder, err);
    float log_prob = 0.0F;
    size_t count = prl_ort_count(&outputs[0]);
    if (outputs[0].type != PRL_ORT_FLOAT || count < prl_tokens_count(ms->tokens)) {
        err = fail(ms, ms->decoder, PRL_ERR_ENGINE);
    } else {
        if (run->first)
            prl_rivals_pick(ms->rivals, outputs[0].data, count, &run->picked);
        run->token = pick_token(outputs[0].data, count, &log_prob);
    }
    prl_ort_release(ms->decoder, &outputs[0], 1);
    memcpy(run->next, &outputs[1], ms->past_count * sizeof(*outputs));
    keep_past(ms, run);
    run->first = false;
    run->log_prob_sum += log_prob;
    run->tokens++;
    return err;
}

static enum prl_err write_text(struct moonshine *ms, const struct prl_stt_job *job, struct run *run,
                               struct prl_stt_answer *answer)
{
    double seconds = (double)run->samples / PRL_STT_RATE_HZ;
    int cap = (int)(seconds * TOKENS_PER_S) + 8;
    if (cap > TOKENS_MAX)
        cap = TOKENS_MAX;
    enum prl_err err = PRL_OK;
    while (!err && run->tokens < cap) {
        if (job->stop && job->stop(job->stop_arg))
            return PRL_ERR_CANCELED;
        err = next_token(ms, run);
        if (err)
            break;
        if (run->token == TOKEN_END) {
            answer->complete = true;
            break;
        }
        size_t len = 0;
        const char *piece = prl_tokens_text(ms->tokens, run->token, &len);
        err = prl_str_add(&answer->text, piece, len);
    }
    return err;
}

// Signs of listening, all at once and without a past.
static enum prl_err score_rivals(struct moonshine *ms, struct run *run, float *hidden,
                                 int64_t *mask, float *best)
{
    struct prl_rivals_picked *picked = &run->picked;
    size_t frames = prl_ort_count(&run->hidden);
    for (size_t i = 0; i < PRL_RIVALS_ROWS; i++) {
        memcpy(hidden + i * frames, run->hidden.data, frames * sizeof(*hidden));
        memcpy(mask + i * (size_t)run->samples, ms->mask, (size_t)run->samples * sizeof(*mask));
    }
    struct prl_ort_tensor inputs[PAST_MAX + 4];
    struct question question = {.rows = PRL_RIVALS_ROWS,
                                .columns = (int64_t)picked->columns,
                                .ids = picked->ids,
                                .hidden = hidden,
                                .mask = mask};
    size_t n = put_question(ms, run, &question, inputs);
    for (size_t i = 0; i < ms->past_count; i++)
        inputs[n++] = no_past(ms, i, PRL_RIVALS_ROWS, &run->empty);
    struct prl_ort_tensor logits = {.name = "logits"};
    enum prl_err err = prl_ort_run(ms->decoder, inputs, n, &logits, 1);
    if (err)
        return fail(ms, ms->decoder, err);
    size_t rows = PRL_RIVALS_ROWS * picked->columns;
    size_t vocabulary = prl_ort_count(&logits) / rows;
    if (logits.type != PRL_ORT_FLOAT || vocabulary < prl_tokens_count(ms->tokens))
        err = fail(ms, ms->decoder, PRL_ERR_ENGINE);
    else
        *best = prl_rivals_best(picked, logits.data, vocabulary);
    prl_ort_release(ms->decoder, &logits, 1);
    return err;
}

// How much likelier the text is than a sign of listening. 13 ms for a second of sound.
static enum prl_err weigh(struct moonshine *ms, const struct prl_stt_job *job, struct run *run,
                          struct prl_stt_answer *answer)
{
    if (job->samples > (size_t)WEIGHED_MS_MAX * PRL_STT_RATE_HZ / 1000 || run->tokens == 0)
        return PRL_OK;
    answer->margin = (struct prl_stt_margin){.known = true, .nats = PLAIN_MARGIN};
    if (run->tokens > WEIGHED_TOKENS_MAX)
        return PRL_OK;
    float *hidden = prl_mem_array(PRL_RIVALS_ROWS * prl_ort_count(&run->hidden), sizeof(*hidden));
    int64_t *mask = prl_mem_array(PRL_RIVALS_ROWS * (size_t)run->samples, sizeof(*mask));
    float best = 0.0F;
    enum prl_err err = hidden && mask ? score_rivals(ms, run, hidden, mask, &best) : PRL_ERR_NOMEM;
    answer->margin.nats = run->log_prob_sum - best;
    prl_mem_free(hidden);
    prl_mem_free(mask);
    return err;
}

static enum prl_err decode_moonshine(void *ctx, const struct prl_stt_job *job,
                                     struct prl_stt_answer *answer)
{
    struct moonshine *ms = ctx;
    struct run run = {.token = TOKEN_START, .first = true};
    ms->why[0] = '\0';
    (void)prl_str_copy(answer->language, sizeof(answer->language), "en");
    enum prl_err err = encode(ms, job, &run);
    if (!err)
        err = write_text(ms, job, &run, answer);
    if (!err)
        err = weigh(ms, job, &run, answer);
    answer->tokens = run.tokens;
    answer->mean_log_prob = run.tokens > 0 ? run.log_prob_sum / (float)run.tokens : 0.0F;
    prl_ort_release(ms->encoder, &run.hidden, 1);
    prl_ort_release(ms->decoder, run.past, ms->past_count);
    return err;
}

static const char *why_moonshine(const void *ctx)
{
    const struct moonshine *ms = ctx;
    return ms->why;
}

const struct prl_stt_backend_ops prl_stt_moonshine = {
    .name = "moonshine",
    .languages = "en",
    .live = true,
    .doubt = -0.65F, // 21 clips of speech: -0.01 to -0.62; 19 noises: -0.23 to -1.34
    .open = open_moonshine,
    .close = close_moonshine,
    .decode = decode_moonshine,
    .why = why_moonshine,
};
