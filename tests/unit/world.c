// world.c -- see world.h.
#include "tests/unit/world.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "stt/backend.h"
#include "stt/route.h"
#include "tests/unit.h"
#include "tests/unit/tts_fake.h"

enum { SAID_MAX = 8 << 20, TURN_US = 5000 };

// NOLINTNEXTLINE(readability-non-const-parameter): the table's signature
// NOLINTNEXTLINE(readability-non-const-parameter): the table's signature
static enum prl_err open_ear(void **ctx, const struct prl_stt_open_conf *conf, char *why,
                             size_t why_size)
{
    (void)conf;
    (void)why;
    (void)why_size;
    *ctx = prl_mem_zalloc(1);
    return *ctx ? PRL_OK : PRL_ERR_NOMEM;
}

static void close_ear(void **ctx)
{
    prl_mem_free(*ctx);
    *ctx = NULL;
}

static enum prl_err hear(void *ctx, const struct prl_stt_job *job, struct prl_stt_answer *answer)
{
    (void)ctx;
    (void)job;
    answer->complete = true;
    answer->mean_log_prob = -0.1F;
    (void)prl_str_copy(answer->language, sizeof(answer->language), "en");
    return prl_str_adds(&answer->text, "tell me a story");
}

static const char *why_ear(const void *ctx)
{
    (void)ctx;
    return "no reason";
}

static const struct prl_stt_backend_ops EAR = {
    .name = "ear", .open = open_ear, .close = close_ear, .decode = hear, .why = why_ear};
static const struct prl_stt_backend_ops *const ears[PRL_STT_ENGINE_COUNT] = {&EAR, &EAR, &EAR};
static const struct prl_tts_ops *const mouths[] = {&tts_fake_hibari, NULL};
static const struct fake_reply replies[] = {
    {"story", "Once upon a time there was a small boat. It sailed far."},
    {"weather", "\x01{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Rome\"}}\x02"},
    {NULL, "Good day."}};

static void on_loaded(void *arg)
{
    ((struct world *)arg)->loaded++;
}

static void on_load_error(void *arg, const char *why)
{
    (void)why;
    ((struct world *)arg)->loaded += 100;
}

static void on_llm_state(void *arg, enum prl_llm_state state, const char *text)
{
    (void)text;
    ((struct world *)arg)->loaded += state == PRL_LLM_READY ? 1 : 100;
}

static enum prl_err keep(void *arg, const char *text, size_t len, enum prl_events_to to)
{
    (void)to;
    struct world *world = arg;
    enum prl_err err = prl_str_add(&world->said, text, len);
    return err ? err : prl_str_addc(&world->said, '\n');
}

static void on_lost(void *arg, enum prl_err err)
{
    (void)err;
    ((struct world *)arg)->lost++;
}

static void on_session(void *arg, const struct prl_session_event *event)
{
    struct world *world = arg;
    if (world->tap)
        world->tap(world, event);
    prl_events_on_session(world->events, event);
}

static enum prl_err open_engines(struct world *world)
{
    struct prl_stt_conf stt = {.loop = world->loop,
                               .paths = {.moonshine_encoder = "e",
                                         .moonshine_decoder = "d",
                                         .moonshine_tokens = "t",
                                         .whisper_module = "m",
                                         .whisper_model = "w"},
                               .language = "en",
                               .backends = ears,
                               .on_ready = on_loaded,
                               .on_error = on_load_error,
                               .arg = world};
    struct prl_llm_conf llm = {.loop = world->loop,
                               .context_tokens = 4096,
                               .ops = &fake_llm_ops,
                               .ops_arg = &world->fake,
                               .on_state = on_llm_state,
                               .arg = world};
    struct prl_tts_conf tts = {.loop = world->loop,
                               .quality = PRL_TTS_QUALITY_FAST,
                               .backends = mouths,
                               .on_ready = on_loaded,
                               .on_error = on_load_error,
                               .arg = world};
    enum prl_err err = prl_stt_create(&world->stt, &stt);
    if (!err)
        err = prl_llm_create(&world->llm, &llm);
    return err ? err : prl_tts_create(&world->tts, &tts);
}

enum prl_err world_open(struct world *world, enum prl_api_dialect dialect)
{
    memset(world, 0, sizeof(*world));
    world->fake.replies = replies;
    prl_str_init(&world->said, SAID_MAX);
    enum prl_err err = prl_loop_create(&world->loop, NULL);
    if (!err)
        err = open_engines(world);
    prl_session_conf_init(&world->base);
    if (!err)
        err = prl_api_session_init(&world->object, "test", &world->base);
    struct prl_events_conf events = {
        .dialect = dialect, .object = &world->object, .send = keep, .lost = on_lost, .arg = world};
    if (!err)
        err = prl_events_create(&world->events, &events);
    struct prl_session_conf conf = world->base;
    struct prl_session_engines engines = {
        .loop = world->loop, .stt = world->stt, .llm = world->llm, .tts = world->tts};
    if (!err) {
        prl_api_session_conf(&world->object, &conf);
        err = prl_session_create(&world->session, &engines, &conf, on_session, world);
    }
    return err;
}

bool world_ready(struct world *world)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (world->loaded < 3 && prl_clock_now_us() < end_us)
        prl_loop_turn(world->loop, TURN_US);
    return world->loaded == 3;
}

void world_close(struct world *world)
{
    prl_session_destroy(&world->session);
    prl_events_destroy(&world->events);
    prl_api_session_free(&world->object);
    prl_stt_destroy(&world->stt);
    prl_llm_destroy(&world->llm);
    prl_tts_destroy(&world->tts);
    prl_loop_destroy(&world->loop);
    prl_str_free(&world->said);
}

void world_send(struct world *world, const char *json)
{
    struct prl_message message;
    prl_message_init(&message);
    prl_message_add(&message, json, strlen(json));
    prl_message_end(&message);
    struct prl_json *root;
    if (!message.err &&
        prl_json_parse(&root, prl_str_text(&message.text), message.text.len, NULL, 0) == PRL_OK) {
        struct prl_request_target target = {&world->object, world->session, world->events,
                                            &world->base, false};
        if (prl_request_run(&target, root)) {
            enum prl_err err = prl_session_append(
                world->session, (const int16_t *)(const void *)prl_str_text(&message.audio),
                message.audio.len / 2, 24000);
            EXPECT(err == PRL_OK || err == PRL_ERR_LIMIT || prl_test_oom());
        }
        prl_json_free(&root);
    }
    prl_message_reset(&message);
}

bool world_await(struct world *world, const char *part)
{
    int64_t end_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!strstr(prl_str_text(&world->said), part)) {
        // Once memory ran out the event may never come; the client is told, or the connection lost.
        if (prl_clock_now_us() > end_us || world->lost ||
            (prl_test_oom() && prl_mem_fail_hit() &&
             prl_clock_now_us() > end_us - PRL_TEST_WAIT_US + 60000))
            return false;
        prl_loop_turn(world->loop, TURN_US);
    }
    return true;
}
