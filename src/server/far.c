// far.c -- see far.h.
#include "server/far.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "tts/voices.h"
#include "upstream/upstream.h"

static const char *const formats[] = {"pcm", "wav", "opus"}; // by enum prl_settings_format

enum { KEY_MAX = 2048, URLS_MAX = 4096 };

// What a pool is made of while it is being put together.
struct draft {
    struct prl_pool_engine engines[PRL_CHAIN_MAX];
    size_t count;
    char keys[PRL_SETTINGS_CHAIN][KEY_MAX];
    char urls[PRL_SETTINGS_CHAIN][URLS_MAX];
};

bool prl_far_any(const struct prl_settings_engine chain[PRL_SETTINGS_CHAIN])
{
    for (int i = 0; i < PRL_SETTINGS_CHAIN; i++)
        if (chain[i].backend >= PRL_SETTINGS_OPENAI)
            return true;
    return false;
}

int prl_far_embedded(const struct prl_settings_engine chain[PRL_SETTINGS_CHAIN])
{
    for (int i = 0; i < PRL_SETTINGS_CHAIN; i++)
        if (chain[i].backend == PRL_SETTINGS_EMBEDDED)
            return i;
    return -1;
}

bool prl_far_has_upstream(const struct prl_settings *settings)
{
    return settings->upstream.url[0] != '\0';
}

const char *prl_far_voice(const struct prl_settings *settings)
{
    return prl_voice_find(settings->tts_voice) ? "" : settings->tts_voice;
}

static const char *section(int index)
{
    static const char *const names[] = {"", ".fallback", ".fallback2"};
    return names[index];
}

static bool read_key_file(const char *path, char key[KEY_MAX])
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool read = fgets(key, KEY_MAX, file) != NULL;
    fclose(file);
    key[read ? strcspn(key, "\r\n") : 0] = '\0';
    return read;
}

static bool find_key(const struct prl_far *far, int index, char key[KEY_MAX], char *why)
{
    const struct prl_settings_engine *engine = &far->chain[index];
    key[0] = '\0';
    if (engine->api_key_env[0]) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
        const char *value = getenv(engine->api_key_env);
        if (!value || !prl_str_copy(key, KEY_MAX, value)) {
            snprintf(why, PRL_FAR_WHY_SIZE, "%s%s.api_key_env: %s is not in the environment",
                     far->kind, section(index), engine->api_key_env);
            return false;
        }
    } else if (engine->api_key_file[0] && !read_key_file(engine->api_key_file, key)) {
        snprintf(why, PRL_FAR_WHY_SIZE, "%s%s.api_key_file: %s cannot be read", far->kind,
                 section(index), engine->api_key_file);
        return false;
    }
    return true;
}

static enum prl_pool_way way_of(int64_t backend)
{
    return backend == PRL_SETTINGS_WS         ? PRL_POOL_WS
           : backend == PRL_SETTINGS_REALTIME ? PRL_POOL_REALTIME
           : backend == PRL_SETTINGS_VLLM     ? PRL_POOL_VLLM
                                              : PRL_POOL_HTTP;
}

// Those of its own, 0 where it has none.
static struct prl_fetch_limits limits_of(const struct prl_settings_engine *engine)
{
    return (struct prl_fetch_limits){.connect_ms = (int32_t)engine->connect_ms,
                                     .first_byte_ms = (int32_t)engine->first_byte_ms,
                                     .gap_ms = (int32_t)engine->gap_ms};
}

static enum prl_err add_far(struct draft *draft, const struct prl_far *far, int index, char *why)
{
    const struct prl_settings_engine *engine = &far->chain[index];
    if (!find_key(far, index, draft->keys[index], why))
        return PRL_ERR_INVALID;
    if (engine->hedge > 0 && way_of(engine->backend) != PRL_POOL_HTTP &&
        prl_str_equal(far->kind, "stt")) {
        snprintf(why, PRL_FAR_WHY_SIZE,
                 "stt%s.hedge: a recogniser over a WebSocket hears an utterance while it is spoken "
                 "and cannot be asked a second time; it must be 0",
                 section(index));
        return PRL_ERR_INVALID;
    }
    (void)prl_str_copy(draft->urls[index], URLS_MAX, engine->url);
    char *rest = NULL;
    size_t before = draft->count;
    for (char *url = strtok_r(draft->urls[index], ", ", &rest); url;
         url = strtok_r(NULL, ", ", &rest)) {
        if (draft->count == PRL_CHAIN_MAX) {
            snprintf(why, PRL_FAR_WHY_SIZE, "%s: more than %d engines", far->kind, PRL_CHAIN_MAX);
            return PRL_ERR_LIMIT;
        }
        const char *model = index == 0 ? far->model : engine->model;
        const char *voice = index == 0 ? far->voice : engine->voice;
        draft->engines[draft->count++] = (struct prl_pool_engine){.way = way_of(engine->backend),
                                                                  .url = url,
                                                                  .model = model,
                                                                  .voice = voice,
                                                                  .format = formats[engine->format],
                                                                  .key = draft->keys[index],
                                                                  .extra = engine->extra,
                                                                  .language = engine->language,
                                                                  .rank = index,
                                                                  .limits = limits_of(engine),
                                                                  .hedge = (int)engine->hedge};
    }
    if (draft->count > before)
        return PRL_OK;
    snprintf(why, PRL_FAR_WHY_SIZE, "%s%s.backend is elsewhere: %s%s.url must be set", far->kind,
             section(index), far->kind, section(index));
    return PRL_ERR_INVALID;
}

static enum prl_err make_pool(struct prl_pool **out, const struct draft *draft,
                              const struct prl_far *far, const struct prl_settings *settings,
                              struct prl_pool_conf *conf)
{
    conf->kind = far->kind;
    conf->ca_file = settings->engine_ca_file[0] ? settings->engine_ca_file : NULL;
    conf->insecure = settings->engine_insecure;
    conf->engines = draft->engines;
    conf->count = draft->count;
    conf->limits =
        (struct prl_fetch_limits){.connect_ms = (int32_t)settings->engine_connect_ms,
                                  .first_byte_ms = (int32_t)settings->engine_first_byte_ms,
                                  .gap_ms = (int32_t)settings->engine_gap_ms,
                                  .total_ms = (int32_t)settings->engine_total_ms};
    conf->chain = (struct prl_chain_conf){.failures_max = (unsigned)settings->engine_failures_max,
                                          .open_us = settings->engine_open_ms * 1000};
    conf->warm_us = settings->engine_warm_s * 1000000;
    conf->hedge_share_percent = (int)settings->engine_hedge_share;
    return prl_pool_create(out, conf);
}

enum prl_err prl_far_pool(struct prl_pool **out, const struct prl_far *far,
                          const struct prl_settings *settings, struct prl_loop *loop,
                          struct prl_fetch *fetch, char *why)
{
    *out = NULL;
    struct draft *draft = prl_mem_zalloc(sizeof(*draft));
    if (!draft)
        return PRL_ERR_NOMEM;
    enum prl_err err = PRL_OK;
    for (int i = 0; i < PRL_SETTINGS_CHAIN && !err; i++) {
        if (far->chain[i].backend >= PRL_SETTINGS_OPENAI)
            err = add_far(draft, far, i, why);
        else if (far->chain[i].backend == PRL_SETTINGS_EMBEDDED && draft->count < PRL_CHAIN_MAX)
            draft->engines[draft->count++] = (struct prl_pool_engine){.rank = i};
    }
    if (!err && draft->count == 0) {
        snprintf(why, PRL_FAR_WHY_SIZE, "%s.backend is none", far->kind);
        err = PRL_ERR_INVALID;
    }
    struct prl_pool_conf conf = {.loop = loop, .fetch = fetch};
    if (!err) {
        err = make_pool(out, draft, far, settings, &conf);
        if (err == PRL_ERR_INVALID)
            snprintf(why, PRL_FAR_WHY_SIZE, "%s: a url or key that cannot be used", far->kind);
    }
    explicit_bzero(draft->keys, sizeof(draft->keys));
    prl_mem_free(draft);
    return err;
}

enum prl_err prl_far_upstream(struct prl_upstream_kit **out, const struct prl_settings *settings,
                              struct prl_loop *loop, char *why)
{
    char key[KEY_MAX];
    const struct prl_far far = {.kind = "upstream", .chain = &settings->upstream};
    *out = NULL;
    if (!find_key(&far, 0, key, why))
        return PRL_ERR_INVALID;
    struct prl_upstream_conf conf = {.loop = loop,
                                     .urls = settings->upstream.url,
                                     .model = settings->upstream.model,
                                     .key = key,
                                     .auth = (enum prl_upstream_auth)settings->upstream_auth,
                                     .transcription_model = settings->upstream_transcription_model,
                                     .voice = settings->upstream_voice,
                                     .ca_file = settings->engine_ca_file,
                                     .insecure = settings->engine_insecure,
                                     .connect_ms = settings->engine_connect_ms,
                                     .first_byte_ms = settings->engine_first_byte_ms,
                                     .gap_ms = settings->engine_gap_ms,
                                     .failures_max = (unsigned)settings->engine_failures_max,
                                     .open_ms = settings->engine_open_ms,
                                     .warm = settings->engine_warm_s > 0};
    enum prl_err err = prl_upstream_kit_create(out, &conf);
    explicit_bzero(key, sizeof(key));
    if (err == PRL_ERR_INVALID)
        snprintf(why, PRL_FAR_WHY_SIZE, "upstream.url or its key cannot be used");
    return err;
}
