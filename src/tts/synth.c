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

static enum prl_err synthesize(struct prl_link *link, const struct prl_synth_ask *ask,
                               struct prl_str *text)
{
    struct prl_json_write json;
    const struct prl_pool_engine *engine = prl_pool_at(ask->pool, ask->engine);
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

enum prl_err prl_synth_start(const struct prl_synth_ask *ask, struct prl_synth **out)
{
    PRL_CHECK(ask != NULL && ask->ops != NULL && out != NULL);
    struct prl_str text;
    struct prl_synth *synth = prl_mem_zalloc(sizeof(*synth));
    *out = NULL;
    if (!synth)
        return PRL_ERR_NOMEM;
    synth->pool = ask->pool;
    synth->engine = ask->engine;
    synth->ops = ask->ops;
    synth->arg = ask->arg;
    prl_str_init(&text, MESSAGE_MAX);
    enum prl_err err = prl_pool_link(ask->pool, ask->engine, "", &link_ops, synth, &synth->link);
    if (!err)
        err = set_voice(synth->link, ask->voice, &text);
    if (!err)
        err = synthesize(synth->link, ask, &text);
    prl_str_free(&text);
    if (err) {
        prl_synth_cancel(&synth);
        return err;
    }
    prl_link_await(synth->link, prl_pool_limits(ask->pool, ask->engine)->first_byte_ms,
                   PRL_FETCH_FIRST_BYTE);
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
