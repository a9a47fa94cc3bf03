// synth.c -- see synth.h.
#include "tts/synth.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"

enum { MESSAGE_MAX = 64 * 1024, WHY_SIZE = 200 };

struct prl_synth {
    struct prl_pool *pool; // borrowed
    int engine;
    struct prl_link *link; // lent
    const struct prl_fetch_ops *ops;
    void *arg;
};

// Gives the connection back, or drops it, and tells the owner; the synthesis is gone.
static void finish(struct prl_synth *synth, enum prl_fetch_failure failure, const char *why)
{
    const struct prl_fetch_ops *ops = synth->ops;
    void *arg = synth->arg;
    struct prl_fetch_end end = {.failure = failure, .why = why, .body = ""};
    if (failure == PRL_FETCH_OK)
        prl_link_give(&synth->link);
    else
        prl_link_drop(&synth->link);
    prl_mem_free(synth);
    ops->on_end(arg, &end);
}

static void on_text(void *arg, const char *data, size_t len)
{
    struct prl_synth *synth = arg;
    struct prl_json *root;
    char why[WHY_SIZE] = "";
    enum prl_err err = prl_json_parse(&root, data, len, NULL, 0);
    if (err) {
        bool memory = err == PRL_ERR_NOMEM;
        finish(synth, memory ? PRL_FETCH_MEMORY : PRL_FETCH_CUT,
               memory ? "out of memory" : "a message that is no JSON");
        return;
    }
    const char *type = prl_json_string(prl_json_get(root, "type"), "");
    bool done = prl_str_equal(type, "synthesis_done");
    bool failed = prl_str_equal(type, "error");
    if (failed)
        snprintf(why, sizeof(why), "%.150s",
                 prl_json_string(prl_json_get(root, "message"), "the voice failed"));
    prl_json_free(&root);
    if (done || failed)
        finish(synth, done ? PRL_FETCH_OK : PRL_FETCH_CUT, why);
}

static void on_binary(void *arg, const char *data, size_t len)
{
    struct prl_synth *synth = arg;
    prl_link_await(synth->link, prl_pool_limits(synth->pool, synth->engine)->gap_ms, PRL_FETCH_GAP);
    if (len > 0)
        synth->ops->on_data(synth->arg, data, len);
}

static void on_failed(void *arg, enum prl_fetch_failure failure, const char *why)
{
    struct prl_synth *synth = arg;
    synth->link = NULL; // gone already
    finish(synth, failure, why);
}

static const struct prl_link_ops link_ops = {on_text, on_binary, on_failed};

static enum prl_err set_voice(struct prl_link *link, const char *voice, struct prl_str *text)
{
    struct prl_json_write json;
    if (!voice[0])
        return PRL_OK;
    prl_json_write_init(&json, text);
    prl_json_write_object(&json, NULL);
    prl_json_write_string(&json, "type", "set_voice");
    prl_json_write_string(&json, "voice", voice);
    prl_json_write_end_object(&json);
    enum prl_err err = text->err ? text->err : prl_link_greet(link, text->data, text->len);
    prl_str_clear(text);
    return err;
}

static enum prl_err synthesize(struct prl_link *link, const struct prl_pool_engine *engine,
                               const struct prl_synth_ask *ask, struct prl_str *text)
{
    struct prl_json_write json;
    prl_json_write_init(&json, text);
    prl_json_write_object(&json, NULL);
    prl_json_write_string(&json, "type", "synthesize");
    prl_json_write_bytes(&json, "text", ask->text, ask->len);
    if (ask->speed < 0.999F || ask->speed > 1.001F)
        prl_json_write_real(&json, "speed", (double)ask->speed);
    if (ask->instructions[0])
        prl_json_write_string(&json, "instructions", ask->instructions);
    prl_json_write_end_object(&json);
    if (!text->err && engine->extra[0]) {
        text->data[--text->len] = '\0'; // the last brace
        (void)prl_str_addf(text, ",%s}", engine->extra);
    }
    return text->err ? text->err : prl_link_send_text(link, prl_str_text(text), text->len);
}

enum prl_err prl_synth_start(struct prl_pool *pool, int engine, const struct prl_synth_ask *ask,
                             const struct prl_fetch_ops *ops, void *arg, struct prl_synth **out)
{
    PRL_CHECK(pool != NULL && ask != NULL && ops != NULL && out != NULL);
    const struct prl_pool_engine *conf = prl_pool_at(pool, engine);
    struct prl_str text;
    struct prl_synth *synth = prl_mem_zalloc(sizeof(*synth));
    *out = NULL;
    if (!synth)
        return PRL_ERR_NOMEM;
    synth->pool = pool;
    synth->engine = engine;
    synth->ops = ops;
    synth->arg = arg;
    prl_str_init(&text, MESSAGE_MAX);
    enum prl_err err = prl_pool_link(pool, engine, "", &link_ops, synth, &synth->link);
    if (!err)
        err = set_voice(synth->link, conf->voice[0] ? conf->voice : ask->voice, &text);
    if (!err)
        err = synthesize(synth->link, conf, ask, &text);
    prl_str_free(&text);
    if (err) {
        prl_synth_cancel(&synth);
        return err;
    }
    prl_link_await(synth->link, conf->limits.first_byte_ms, PRL_FETCH_FIRST_BYTE);
    *out = synth;
    return PRL_OK;
}

void prl_synth_cancel(struct prl_synth **synth)
{
    PRL_CHECK(synth != NULL);
    if (*synth) {
        prl_link_drop(&(*synth)->link);
        prl_mem_free(*synth);
    }
    *synth = NULL;
}

// ---- for engine/hedge.h ----

static enum prl_err start_hedged(struct prl_pool *pool, int engine, const void *ask,
                                 const struct prl_fetch_ops *ops, void *arg, void **out)
{
    struct prl_synth *synth = NULL;
    enum prl_err err = prl_synth_start(pool, engine, ask, ops, arg, &synth);
    *out = synth;
    return err;
}

static void cancel_hedged(void **at)
{
    struct prl_synth *synth = *at;
    prl_synth_cancel(&synth);
    *at = NULL;
}

// One block: the ask, then its texts, each with its zero.
static void *keep(const void *from)
{
    const struct prl_synth_ask *ask = from;
    size_t voice = strlen(ask->voice) + 1, style = strlen(ask->instructions) + 1;
    struct prl_synth_ask *kept = prl_mem_alloc(sizeof(*kept) + voice + style + ask->len + 1);
    if (!kept)
        return NULL;
    char *texts = (char *)(kept + 1);
    *kept = *ask;
    kept->voice = memcpy(texts, ask->voice, voice);
    kept->instructions = memcpy(texts + voice, ask->instructions, style);
    kept->text = memcpy(texts + voice + style, ask->text, ask->len);
    texts[voice + style + ask->len] = '\0';
    return kept;
}

const struct prl_hedge_way prl_synth_way = {start_hedged, cancel_hedged, keep, prl_mem_free};
