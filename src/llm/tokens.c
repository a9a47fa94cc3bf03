// tokens.c -- see tokens.h.
#include "llm/tokens.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "llm/chat.h"
#include "llm/trim.h"

// Bytes a token may stand for before we call text hopeless for a budget; real text has about 4.
enum { TOKEN_BYTES_MAX = 32 };

// Where the tokens of one piece stand in the pool.
struct span {
    int from;
    int count;
};

struct maker {
    const struct prl_llm_model_ops *ops;
    void *model;
    const struct prl_llm_prompt *prompt;
    int budget;
    struct prl_chat chat;
    struct span *spans; // one a piece
    int *costs;         // one a message
    int32_t *pool;
    int pool_count;
    int pool_capacity;
    int fixed; // tokens of head and tail
};

static enum prl_err grow_pool(struct maker *maker, int more)
{
    int need = maker->pool_count + more;
    if (need <= maker->pool_capacity)
        return PRL_OK;
    int capacity = maker->pool_capacity > 0 ? maker->pool_capacity : 512;
    while (capacity < need)
        capacity *= 2;
    void *pool = prl_mem_realloc(maker->pool, (size_t)capacity * sizeof(*maker->pool));
    if (!pool)
        return PRL_ERR_NOMEM;
    maker->pool = pool;
    maker->pool_capacity = capacity;
    return PRL_OK;
}

static enum prl_err plain_tokens(struct maker *maker, const char *text, size_t len, int *count)
{
    // Most text needs a token for every third byte or fewer; the model says when it needs more.
    int guess = (int)(len / 2) + 8;
    for (int attempt = 0; attempt < 2; attempt++) {
        enum prl_err err = grow_pool(maker, guess);
        if (err)
            return err;
        int n = maker->ops->tokenize(maker->model, text, len, maker->pool + maker->pool_count,
                                     maker->pool_capacity - maker->pool_count);
        if (n >= 0) {
            *count = n;
            return PRL_OK;
        }
        guess = -n;
    }
    return PRL_ERR_ENGINE;
}

static enum prl_err control_token(struct maker *maker, const char *text, size_t len)
{
    char name[32];
    PRL_CHECK(len < sizeof(name));
    memcpy(name, text, len);
    name[len] = '\0';
    enum prl_err err = grow_pool(maker, 1);
    if (err)
        return err;
    int32_t token = maker->ops->control(maker->model, name);
    if (token < 0)
        return PRL_ERR_ENGINE;
    maker->pool[maker->pool_count] = token;
    return PRL_OK;
}

// A message that cannot fit: its cost alone is above the budget, whatever the exact figure.
static bool is_hopeless(const struct maker *maker, const struct prl_chat_piece *piece, int64_t sum)
{
    return piece->message >= 0 &&
           (sum > maker->budget || piece->len > (size_t)maker->budget * TOKEN_BYTES_MAX);
}

static enum prl_err make_piece(struct maker *maker, size_t i, int64_t *sum)
{
    const struct prl_chat_piece *piece = &maker->chat.pieces[i];
    const char *text = maker->chat.text.data + piece->at;
    struct span *span = &maker->spans[i];
    span->from = maker->pool_count;
    if (is_hopeless(maker, piece, *sum)) {
        maker->costs[piece->message] = maker->budget + 1;
        *sum += maker->budget + 1;
        return PRL_OK;
    }
    enum prl_err err;
    if (piece->control) {
        err = control_token(maker, text, piece->len);
        span->count = 1;
    } else {
        err = plain_tokens(maker, text, piece->len, &span->count);
    }
    if (err)
        return err;
    maker->pool_count += span->count;
    if (piece->message < 0) {
        maker->fixed += span->count;
    } else if (maker->costs[piece->message] <= maker->budget) {
        maker->costs[piece->message] += span->count;
        *sum += span->count;
    }
    return PRL_OK;
}

// Head and tail first, since they always stay, then messages from the newest backwards.
static enum prl_err make_pieces(struct maker *maker)
{
    int64_t sum = 0;
    for (size_t i = 0; i < maker->chat.count; i++) {
        if (maker->chat.pieces[i].message >= 0)
            continue;
        enum prl_err err = make_piece(maker, i, &sum);
        if (err)
            return err;
    }
    sum = maker->fixed;
    for (size_t i = maker->chat.count; i-- > 0;) {
        if (maker->chat.pieces[i].message < 0)
            continue;
        enum prl_err err = make_piece(maker, i, &sum);
        if (err)
            return err;
    }
    return PRL_OK;
}

static enum prl_err put_together(struct maker *maker, struct prl_llm_tokens *out, size_t first,
                                 size_t dropped)
{
    out->ids = prl_mem_array((size_t)maker->pool_count + 1, sizeof(*out->ids));
    if (!out->ids)
        return PRL_ERR_NOMEM;
    for (size_t i = 0; i < maker->chat.count; i++) {
        int message = maker->chat.pieces[i].message;
        if (message >= 0 && (size_t)message >= first && (size_t)message < first + dropped)
            continue;
        struct span span = maker->spans[i];
        memcpy(out->ids + out->count, maker->pool + span.from,
               (size_t)span.count * sizeof(int32_t));
        out->count += span.count;
    }
    out->dropped = (int)dropped;
    return PRL_OK;
}

static enum prl_err make(struct maker *maker, struct prl_llm_tokens *out, bool answer)
{
    const char *forced;
    enum prl_err err = prl_chat_render(&maker->chat, maker->prompt, answer, &forced);
    if (err)
        return err;
    maker->spans = prl_mem_array(maker->chat.count + 1, sizeof(*maker->spans));
    maker->costs = prl_mem_array(maker->prompt->message_count + 1, sizeof(*maker->costs));
    if (!maker->spans || !maker->costs)
        return PRL_ERR_NOMEM;
    err = make_pieces(maker);
    if (err)
        return err;
    size_t first = 0;
    size_t dropped = 0;
    err = prl_llm_trim(maker->prompt->messages, maker->costs, maker->prompt->message_count,
                       maker->budget - maker->fixed, &first, &dropped);
    if (err)
        return err;
    if (forced) {
        out->forced = prl_mem_strdup(forced);
        if (!out->forced)
            return PRL_ERR_NOMEM;
    }
    return put_together(maker, out, first, dropped);
}

enum prl_err prl_llm_tokens_make(struct prl_llm_tokens *out, const struct prl_llm_model_ops *ops,
                                 void *model, const struct prl_llm_prompt *prompt, int budget,
                                 bool answer)
{
    PRL_CHECK(out != NULL && ops != NULL && prompt != NULL && budget > 0);
    memset(out, 0, sizeof(*out));
    struct maker maker = {.ops = ops, .model = model, .prompt = prompt, .budget = budget};
    enum prl_err err = make(&maker, out, answer);
    prl_chat_free(&maker.chat);
    prl_mem_free(maker.spans);
    prl_mem_free(maker.costs);
    prl_mem_free(maker.pool);
    if (err)
        prl_llm_tokens_free(out);
    return err;
}

void prl_llm_tokens_free(struct prl_llm_tokens *tokens)
{
    PRL_CHECK(tokens != NULL);
    prl_mem_free(tokens->ids);
    prl_mem_free(tokens->forced);
    memset(tokens, 0, sizeof(*tokens));
}
