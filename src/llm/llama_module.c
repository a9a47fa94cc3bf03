// llama_module.c -- see llama_module.h. The only file that includes llama.h.
#include "llm/llama_module.h"

#include <stdio.h>
#include <string.h>

#include <llama.h>

enum {
    ADDED_MAX = 256,    // added tokens that plain text must not spell; Qwen2.5 has 23
    ADDED_LEN_MAX = 64, // bytes
    BANNED_MAX = 4096,  // tokens that begin JSON or a code block
    TOP_K = 40,         // before top-p, so that the sort stays short
};

struct added {
    char text[ADDED_LEN_MAX];
    size_t len;
};

struct model {
    struct prl_llm_model_conf conf;
    struct llama_model *weights;
    struct llama_context *context;
    const struct llama_vocab *vocab;
    struct llama_batch batch;
    bool batch_made;
    struct llama_sampler *samplers[PRL_LLM_SEQUENCES_MAX];
    struct added added[ADDED_MAX];
    int added_count;
    struct llama_logit_bias banned[BANNED_MAX];
    int banned_count;
    char problem[256]; // the first complaint of the library
};

static void on_log(enum ggml_log_level level, const char *text, void *arg)
{
    struct model *model = arg;
    if (!model || !text)
        return;
    char line[512];
    (void)snprintf(line, sizeof(line), "%s", text);
    line[strcspn(line, "\n")] = '\0';
    if (!line[0] || strcmp(line, ".") == 0) // dots of the progress bar
        return;
    if (level == GGML_LOG_LEVEL_ERROR && !model->problem[0])
        (void)snprintf(model->problem, sizeof(model->problem), "%.200s", line);
    if (model->conf.log)
        model->conf.log(line);
}

static void unload(void *arg)
{
    struct model *model = arg;
    for (int i = 0; i < PRL_LLM_SEQUENCES_MAX; i++) {
        if (model->samplers[i])
            llama_sampler_free(model->samplers[i]);
    }
    if (model->batch_made)
        llama_batch_free(model->batch);
    if (model->context)
        llama_free(model->context);
    if (model->weights)
        llama_model_free(model->weights);
    llama_log_set(on_log, NULL);
    model->conf.free(model);
}

static bool begins_json(const char *text, int len)
{
    int i = 0;
    while (i < len && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r'))
        i++;
    return i < len && (text[i] == '{' || text[i] == '[' ||
                       (i + 1 < len && text[i] == '`' && text[i + 1] == '`'));
}

// Remembers the added tokens (special tokens off does not hide those that are not control tokens,
// such as <tool_call>) and the tokens that words_only bans.
static void scan_vocabulary(struct model *model)
{
    int count = llama_vocab_n_tokens(model->vocab);
    for (int i = 0; i < count; i++) {
        enum llama_token_attr attr = llama_vocab_get_attr(model->vocab, i);
        const char *text = llama_vocab_get_text(model->vocab, i);
        bool added = (attr & LLAMA_TOKEN_ATTR_USER_DEFINED) != 0;
        size_t len = strlen(text);
        if (added && model->added_count < ADDED_MAX && len > 1 && len < ADDED_LEN_MAX) {
            struct added *at = &model->added[model->added_count++];
            memcpy(at->text, text, len + 1);
            at->len = len;
        }
        char piece[PRL_LLM_PIECE_BYTES_MAX];
        int n = llama_token_to_piece(model->vocab, i, piece, sizeof(piece), 0, false);
        bool ban = (n > 0 && begins_json(piece, n)) || (added && strcmp(text, "<tool_call>") == 0);
        if (ban && model->banned_count < BANNED_MAX)
            model->banned[model->banned_count++] =
                (struct llama_logit_bias){.token = i, .bias = -1e9f};
    }
}

// `model` may be NULL.
static enum prl_err refuse(const struct model *model, char *error, size_t size, const char *what)
{
    const char *why = model ? model->problem : "";
    (void)snprintf(error, size, "%s: %s%s%s", model ? model->conf.path : "llama.cpp", what,
                   why[0] ? ": " : "", why);
    return PRL_ERR_ENGINE;
}

static enum prl_err load_weights(struct model *model, char *error, size_t size)
{
    struct llama_model_params params = llama_model_default_params();
    params.n_gpu_layers = 0;
    // The layout that multiplies fastest, made while loading; read, not mapped, so that there is
    // no second copy (docs/decisions/048-processor.md).
    params.use_extra_bufts = true;
    params.load_mode = LLAMA_LOAD_MODE_NONE;
    model->weights = llama_model_load_from_file(model->conf.path, params);
    if (!model->weights)
        return refuse(model, error, size, "llama.cpp cannot load it");
    model->vocab = llama_model_get_vocab(model->weights);
    return PRL_OK;
}

static enum prl_err make_context(struct model *model, char *error, size_t size)
{
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = (uint32_t)model->conf.cells;
    params.n_batch = PRL_LLM_BATCH_MAX;
    params.n_ubatch = PRL_LLM_BATCH_MAX;
    params.n_seq_max = (uint32_t)model->conf.sequences;
    params.n_threads = model->conf.threads;
    params.n_threads_batch = model->conf.threads;
    params.kv_unified = true; // sequences share the cells of a common beginning
    params.offload_kqv = false;
    params.op_offload = false;
    params.no_perf = true;
    model->context = llama_init_from_model(model->weights, params);
    if (!model->context)
        return refuse(model, error, size,
                      "llama.cpp makes no context for it; try fewer tokens of context");
    model->batch = llama_batch_init(PRL_LLM_BATCH_MAX, 0, 1);
    model->batch_made = true;
    return PRL_OK;
}

static enum prl_err load(void **out, const struct prl_llm_model_conf *conf, char *error,
                         size_t error_size)
{
    *out = NULL;
    struct model *model = conf->alloc(sizeof(*model));
    if (!model)
        return refuse(NULL, error, error_size, "out of memory");
    model->conf = *conf;
    llama_log_set(on_log, model);
    llama_backend_init();
    enum prl_err err = load_weights(model, error, error_size);
    if (!err)
        err = make_context(model, error, error_size);
    if (err) {
        unload(model);
        return err;
    }
    scan_vocabulary(model);
    *out = model;
    return PRL_OK;
}

static void describe(void *arg, char *text, size_t size)
{
    struct model *model = arg;
    char desc[128];
    (void)llama_model_desc(model->weights, desc, sizeof(desc));
    char name[128] = "";
    (void)llama_model_meta_val_str(model->weights, "general.name", name, sizeof(name));
    (void)snprintf(text, size, "%s (%s, %.0f MiB, %d tokens of context, %d thread%s)",
                   name[0] ? name : "model", desc,
                   (double)llama_model_size(model->weights) / (1 << 20), model->conf.context_tokens,
                   model->conf.threads, model->conf.threads == 1 ? "" : "s");
}

// The next place where the text spells an added token, or len.
static size_t next_added(const struct model *model, const char *text, size_t from, size_t len)
{
    for (size_t i = from; i < len; i++) {
        for (int k = 0; k < model->added_count; k++) {
            const struct added *added = &model->added[k];
            if (text[i] == added->text[0] && len - i >= added->len &&
                memcmp(text + i, added->text, added->len) == 0)
                return i;
        }
    }
    return len;
}

static int add_tokens(struct model *model, const char *text, size_t len, int32_t *tokens, int room)
{
    if (len == 0)
        return 0;
    int n =
        llama_tokenize(model->vocab, text, (int32_t)len, tokens, room > 0 ? room : 0, false, false);
    return n < 0 ? -n : n;
}

static int tokenize(void *arg, const char *text, size_t len, int32_t *tokens, int max)
{
    struct model *model = arg;
    int total = 0;
    size_t from = 0;
    while (from < len) {
        // Cut behind the first byte of a spelled token, so that the tokeniser sees it in two parts.
        size_t to = next_added(model, text, from, len);
        if (to < len)
            to++;
        total += add_tokens(model, text + from, to - from, tokens + (total < max ? total : max),
                            max - total);
        from = to;
    }
    return total <= max ? total : -total;
}

static int32_t control(void *arg, const char *piece)
{
    struct model *model = arg;
    int32_t tokens[4];
    int n = llama_tokenize(model->vocab, piece, (int32_t)strlen(piece), tokens, 4, false, true);
    return n == 1 ? tokens[0] : -1;
}

static int piece(void *arg, int32_t token, char *out, int max)
{
    struct model *model = arg;
    int n = llama_token_to_piece(model->vocab, token, out, max, 0, false);
    return n < 0 ? 0 : n;
}

static bool is_end(void *arg, int32_t token)
{
    struct model *model = arg;
    return llama_vocab_is_eog(model->vocab, token);
}

static enum prl_err decode(void *arg, const struct prl_llm_entry *entries, int count)
{
    struct model *model = arg;
    struct llama_batch *batch = &model->batch;
    batch->n_tokens = count;
    for (int i = 0; i < count; i++) {
        batch->token[i] = entries[i].token;
        batch->pos[i] = entries[i].position;
        batch->n_seq_id[i] = 1;
        batch->seq_id[i][0] = entries[i].sequence;
        batch->logits[i] = entries[i].logits ? 1 : 0;
    }
    int32_t result = llama_decode(model->context, *batch);
    if (result == 1)
        return PRL_ERR_FULL;
    return result == 0 ? PRL_OK : PRL_ERR_ENGINE;
}

static void threads(void *arg, int count)
{
    struct model *model = arg;
    llama_set_n_threads(model->context, count, count);
}

static enum prl_err sampler(void *arg, int sequence, const struct prl_llm_sampling *sampling)
{
    struct model *model = arg;
    if (model->samplers[sequence])
        llama_sampler_free(model->samplers[sequence]);
    struct llama_sampler_chain_params params = llama_sampler_chain_default_params();
    params.no_perf = true;
    struct llama_sampler *chain = llama_sampler_chain_init(params);
    model->samplers[sequence] = chain;
    if (sampling->words_only)
        llama_sampler_chain_add(chain,
                                llama_sampler_init_logit_bias(llama_vocab_n_tokens(model->vocab),
                                                              model->banned_count, model->banned));
    if (sampling->temperature <= 0) {
        llama_sampler_chain_add(chain, llama_sampler_init_greedy());
        return PRL_OK;
    }
    llama_sampler_chain_add(chain, llama_sampler_init_top_k(TOP_K));
    llama_sampler_chain_add(chain, llama_sampler_init_top_p((float)sampling->top_p, 1));
    llama_sampler_chain_add(chain, llama_sampler_init_temp((float)sampling->temperature));
    llama_sampler_chain_add(chain, llama_sampler_init_dist(sampling->seed));
    return PRL_OK;
}

static int32_t sample(void *arg, int index, int sequence)
{
    struct model *model = arg;
    return llama_sampler_sample(model->samplers[sequence], model->context, index);
}

static bool keep(void *arg, int sequence, int count)
{
    struct model *model = arg;
    llama_memory_t memory = llama_get_memory(model->context);
    if (llama_memory_seq_rm(memory, sequence, count, -1))
        return true;
    (void)llama_memory_seq_rm(memory, sequence, -1, -1); // a whole sequence can always go
    return false;
}

static void copy(void *arg, int from, int to, int count)
{
    struct model *model = arg;
    llama_memory_seq_cp(llama_get_memory(model->context), from, to, 0, count);
}

const struct prl_llm_model_ops prl_llama_module = {
    .load = load,
    .unload = unload,
    .describe = describe,
    .tokenize = tokenize,
    .control = control,
    .piece = piece,
    .is_end = is_end,
    .decode = decode,
    .threads = threads,
    .sampler = sampler,
    .sample = sample,
    .keep = keep,
    .copy = copy,
};
