// llm_fake.c -- see llm_fake.h.
#include "tests/unit/llm_fake.h"

#include <stdio.h>
#include <string.h>

static enum prl_err load(void **model, const struct prl_llm_model_conf *conf, char *error,
                         size_t size)
{
    struct fake_llm *fake = conf->arg;
    *model = NULL;
    if (fake->fail_load) {
        (void)snprintf(error, size, "fake: no such model");
        return PRL_ERR_ENGINE;
    }
    fake->conf = *conf;
    fake->loads++;
    *model = fake;
    return PRL_OK;
}

static void unload(void *model)
{
    struct fake_llm *fake = model;
    fake->unloads++;
}

static void describe(void *model, char *text, size_t size)
{
    (void)model;
    (void)snprintf(text, size, "fake model");
}

static int tokenize(void *model, const char *text, size_t len, int32_t *tokens, int max)
{
    (void)model;
    if (len > (size_t)max)
        return -(int)len;
    for (size_t i = 0; i < len; i++)
        tokens[i] = (unsigned char)text[i];
    return (int)len;
}

static int32_t control(void *model, const char *piece)
{
    static const char *const names[] = {"<|im_start|>", "<|im_end|>", "<tool_call>",
                                        "</tool_call>"};
    struct fake_llm *fake = model;
    for (int i = 0; i < 4 && !fake->no_form; i++) {
        if (strcmp(piece, names[i]) == 0)
            return FAKE_OPEN + i;
    }
    return -1;
}

static int piece(void *model, int32_t token, char *out, int max)
{
    (void)model;
    if (token >= FAKE_OPEN || max < 1)
        return 0;
    out[0] = (char)token;
    return 1;
}

static bool is_end(void *model, int32_t token)
{
    (void)model;
    return token == FAKE_CLOSE;
}

static enum prl_err decode(void *model, const struct prl_llm_entry *entries, int count)
{
    struct fake_llm *fake = model;
    fake->decodes++;
    if (fake->decodes == fake->fail_decode_at)
        return PRL_ERR_ENGINE;
    unsigned seen = 0;
    int64_t sum = count;
    for (int i = 0; i < fake->conf.sequences; i++)
        sum += fake->count[i];
    fake->wrong = fake->wrong || sum > fake->conf.cells || count > PRL_LLM_BATCH_MAX;
    for (int i = 0; i < count; i++) {
        int s = entries[i].sequence;
        fake->wrong = fake->wrong || s < 0 || s >= fake->conf.sequences ||
                      entries[i].position != fake->count[s] || fake->count[s] >= FAKE_CONTEXT_MAX;
        if (fake->wrong)
            return PRL_ERR_ENGINE;
        fake->ids[s][fake->count[s]++] = entries[i].token;
        fake->logits[i] = entries[i].logits ? s : -1;
        seen |= 1U << s;
    }
    fake->computed += count;
    if (fake->step_count < 512)
        fake->steps[fake->step_count++] = (struct fake_step){.entries = count, .sequences = seen};
    return PRL_OK;
}

static enum prl_err sampler(void *model, int sequence, const struct prl_llm_sampling *sampling)
{
    struct fake_llm *fake = model;
    fake->only_words[sequence] = sampling->words_only;
    return PRL_OK;
}

// Index behind the last FAKE_OPEN at or before `from`.
static int last_open(const int32_t *ids, int from)
{
    while (from > 0 && ids[from - 1] != FAKE_OPEN)
        from--;
    return from;
}

static const char *reply_to(const struct fake_llm *fake, int s, int turn)
{
    char question[FAKE_CONTEXT_MAX];
    int n = 0;
    int from = last_open(fake->ids[s], turn > 0 ? turn - 1 : 0);
    for (int i = from; i < turn - 1 && fake->ids[s][i] < FAKE_OPEN; i++)
        question[n++] = (char)fake->ids[s][i];
    question[n] = '\0';
    const struct fake_reply *reply = fake->replies;
    while (reply->question && !strstr(question, reply->question))
        reply++;
    return reply->answer;
}

static int32_t sample(void *model, int index, int sequence)
{
    struct fake_llm *fake = model;
    if (index < 0 || index >= PRL_LLM_BATCH_MAX || fake->logits[index] != sequence) {
        fake->wrong = true;
        return -1;
    }
    int turn = last_open(fake->ids[sequence], fake->count[sequence]);
    int at = fake->count[sequence] - turn - (int)strlen("assistant\n");
    const char *answer = fake->only_words[sequence] && fake->words_only
                             ? fake->words_only
                             : reply_to(fake, sequence, turn);
    if (at < 0 || !answer || at > (int)strlen(answer)) {
        fake->wrong = fake->wrong || (at < 0 && fake->count[sequence] > 1); // 1: the warm-up
        return FAKE_CLOSE;
    }
    unsigned char c = (unsigned char)answer[at];
    if (c == 1 || c == 2)
        return FAKE_CALL + c - 1;
    return c == 0 ? FAKE_CLOSE : c;
}

static bool keep(void *model, int sequence, int count)
{
    struct fake_llm *fake = model;
    if (count < fake->count[sequence])
        fake->count[sequence] = count;
    return true;
}

static void copy(void *model, int from, int to, int count)
{
    struct fake_llm *fake = model;
    fake->copies++;
    if (fake->count[to] != 0 || fake->count[from] < count) {
        fake->wrong = true;
        return;
    }
    memcpy(fake->ids[to], fake->ids[from], (size_t)count * sizeof(int32_t));
    fake->count[to] = count;
}

const struct prl_llm_model_ops fake_llm_ops = {
    .load = load,
    .unload = unload,
    .describe = describe,
    .tokenize = tokenize,
    .control = control,
    .piece = piece,
    .is_end = is_end,
    .decode = decode,
    .sampler = sampler,
    .sample = sample,
    .keep = keep,
    .copy = copy,
};
