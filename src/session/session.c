// session.c -- see session.h: life, configuration, the client's requests, and the step that joins
// them with the floor. Sound in: session_input.c; decisions carried out: session_act.c; sound out:
// session_output.c.
#include "session/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/str.h"
#include "llm/persona.h"
#include "session/messages.h"
#include "session/session_state.h"
#include "stt/stt.h"
#include "tts/tts.h"

enum { LEAD_MS = 400, PROMPT_BYTES_MAX = 12 << 10, MS_SAMPLES_OUT = PRL_PLAYOUT_HZ / 1000 };

void prl_session_conf_init(struct prl_session_conf *conf)
{
    *conf = (struct prl_session_conf){
        .instructions = "",
        .language = "auto",
        .transcribe = true,
        .voice = "alloy",
        .speed = 1.0,
        .audio = true,
        .temperature = -1.0,
        .vad_threshold = 0.5F,
        .tool_choice = PRL_LLM_TOOLS_AUTO,
        .prompt_bytes_max = PROMPT_BYTES_MAX,
        .lead_ms = LEAD_MS,
        .echo_wish = -1,
        .gain_wish = -1,
        .lock_wish = -1,
        .lock_wait_ms = 2500,
    };
    prl_floor_conf_init(&conf->floor);
    prl_history_conf_init(&conf->history);
}

void prl_session_make_id(char *out, size_t size, const char *prefix)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    unsigned char noise[20];
    PRL_CHECK(strlen(prefix) + sizeof(noise) < size);
    PRL_CHECK(getrandom(noise, sizeof(noise), 0) == (ssize_t)sizeof(noise));
    size_t len = strlen(prefix);
    memcpy(out, prefix, len);
    for (size_t i = 0; i < sizeof(noise); i++)
        out[len + i] = letters[noise[i] % (sizeof(letters) - 1)];
    out[len + sizeof(noise)] = '\0';
}

// ---- works and utterances ----

struct prl_work *prl_session_work(struct prl_session *session, uint32_t generation)
{
    for (size_t i = 0; i < PRL_SESSION_WORKS_MAX && generation; i++)
        if (session->works[i].generation == generation)
            return &session->works[i];
    return NULL;
}

struct prl_work *prl_session_new_work(struct prl_session *session, uint32_t generation)
{
    for (size_t i = 0; i < PRL_SESSION_WORKS_MAX; i++) {
        struct prl_work *work = &session->works[i];
        if (work->generation)
            continue;
        *work = (struct prl_work){.generation = generation,
                                  .audio = session->conf.conf.audio,
                                  .tool_choice = -1,
                                  .max_output_tokens = -1};
        return work;
    }
    return NULL;
}

void prl_session_free_work(struct prl_session *session, struct prl_work *work)
{
    (void)session;
    prl_mem_free(work->words);
    prl_mem_free(work->metadata);
    prl_mem_free(work->instructions);
    prl_mem_free(work->voice);
    prl_mem_free(work->tool_name);
    prl_session_tools_free(&work->tools, work->tool_count);
    prl_messages_destroy(&work->input);
    *work = (struct prl_work){0};
}

struct prl_utterance *prl_session_utterance(struct prl_session *session, uint32_t id)
{
    for (size_t i = 0; i < PRL_SESSION_UTTERANCES_MAX && id; i++)
        if (session->utterances[i].used && session->utterances[i].id == id)
            return &session->utterances[i];
    return NULL;
}

bool prl_session_chinese(const struct prl_session *session)
{
    const char *language = session->language;
    if (!language[0])
        language = session->conf.conf.language;
    return prl_str_starts(language, "zh") || prl_str_starts(language, "yue");
}

uint32_t prl_session_lead_ms(const struct prl_session *session)
{
    uint32_t lead_ms = session->conf.conf.lead_ms;
    if (session->rtp)
        return lead_ms > PRL_SESSION_RTP_LEAD_MS ? PRL_SESSION_RTP_LEAD_MS : lead_ms;
    return prl_session_echo_lead_ms(session, lead_ms);
}

// ---- telling ----

void prl_session_tell(struct prl_session *session, const struct prl_session_event *event)
{
    session->fn(session->arg, event);
}

void prl_session_error(struct prl_session *session, const char *code, const char *param,
                       const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    prl_session_tell(session, &(struct prl_session_event){.type = PRL_SESSION_ERROR,
                                                          .code = code,
                                                          .param = param,
                                                          .text = text,
                                                          .client_event_id = session->event_id});
}

// ---- the step ----

// What the floor counted goes on to /metrics.
static void count_stats(struct prl_session *session)
{
    const struct prl_floor_stats *now = prl_floor_stats(session->floor);
    const struct prl_floor_stats *told = &session->counted;
    const struct {
        enum prl_metric metric;
        uint64_t now, told;
    } counts[] = {
        {PRL_METRIC_SPECULATIONS_USED, now->speculations_used, told->speculations_used},
        {PRL_METRIC_SPECULATIONS_DROPPED, now->speculations_dropped, told->speculations_dropped},
        {PRL_METRIC_INTERRUPTIONS_REAL, now->interruptions_real, told->interruptions_real},
        {PRL_METRIC_INTERRUPTIONS_FALSE, now->interruptions_false, told->interruptions_false},
        {PRL_METRIC_EOT_SKIPPED, now->eot_skipped, told->eot_skipped},
        {PRL_METRIC_EMPTY_TURNS, now->empty_turns, told->empty_turns},
        {PRL_METRIC_FILLERS, now->fillers, told->fillers},
    };
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        if (counts[i].now > counts[i].told)
            prl_metrics_add(counts[i].metric, counts[i].now - counts[i].told);
    uint64_t used = told->speculations_used;
    session->counted = *now;
    // One that was adopted and then found wanting is not taken back, so it is not counted twice.
    if (used > now->speculations_used)
        session->counted.speculations_used = used;
}

static void take_facts(struct prl_session *session, const struct prl_floor_event *event)
{
    struct prl_floor_actions actions;
    prl_floor_step(session->floor, event, prl_clock_now_us(), session->input, &actions);
    count_stats(session);
    for (uint32_t i = 0; i < actions.count; i++) {
        if (actions.list[i].generation > session->last_generation)
            session->last_generation = actions.list[i].generation;
        prl_session_act(session, &actions.list[i]);
    }
    if (actions.deadline_us == INT64_MAX)
        prl_timer_stop(session->floor_timer);
    else
        prl_timer_start(session->floor_timer, actions.deadline_us);
}

// What an action causes (an engine that fails at once, a result that was at hand) waits until the
// actions before it are done.
void prl_session_step(struct prl_session *session, const struct prl_floor_event *event)
{
    if (session->stepping) {
        PRL_CHECK(session->fact_count < PRL_SESSION_FACTS_MAX);
        session->facts[session->fact_count++] = *event;
        return;
    }
    session->stepping = true;
    take_facts(session, event);
    while (session->fact_count > 0) {
        struct prl_floor_event next = session->facts[0];
        session->fact_count--;
        memmove(&session->facts[0], &session->facts[1],
                session->fact_count * sizeof(session->facts[0]));
        take_facts(session, &next);
    }
    session->stepping = false;
}

static void on_floor_due(void *arg)
{
    prl_session_step(arg, &(struct prl_floor_event){.fact = PRL_FACT_DEADLINE});
}

// ---- life ----

static enum prl_err compose_system(struct prl_session *session, const struct prl_session_conf *conf,
                                   char **out)
{
    struct prl_llm_persona persona = {.language = conf->language,
                                      .instructions = conf->instructions,
                                      .locale = conf->locale,
                                      .wall_us = session->created_wall_us};
    return prl_llm_persona_text(out, &persona);
}

// The upstream takes the place of recogniser and model.
static enum prl_err create_upstream(struct prl_session *session)
{
    if (!session->engines.upstream)
        return PRL_OK;
    enum prl_err err = prl_upstream_create(&session->upstream, session->engines.upstream);
    if (err)
        return err;
    session->engines.stt = prl_upstream_stt(session->upstream);
    session->engines.llm = prl_upstream_llm(session->upstream);
    return PRL_OK;
}

static enum prl_err create_parts(struct prl_session *session)
{
    const struct prl_session_conf *conf = &session->conf.conf;
    struct prl_loop *loop = session->engines.loop;
    struct prl_playout_conf playout;
    prl_playout_conf_init(&playout);
    playout.lead_ms = conf->lead_ms;
    enum prl_err err = create_upstream(session);
    if (!err)
        err = compose_system(session, conf, &session->system_text);
    if (!err)
        err = prl_floor_create(&session->floor, &conf->floor);
    if (!err)
        err = prl_history_create(&session->history, &conf->history);
    if (!err)
        err = prl_playout_create(&session->playout, &playout);
    if (!err)
        err = prl_timer_create(&session->floor_timer, loop, "floor", on_floor_due, session);
    if (!err)
        err = prl_timer_create(&session->output_timer, loop, "session output",
                               prl_session_output_due, session);
    if (!err)
        err = prl_session_input_create(session);
    if (!err)
        prl_playout_set_lead(session->playout, prl_session_lead_ms(session), prl_clock_now_us());
    return err;
}

enum prl_err prl_session_create(struct prl_session **out, const struct prl_session_engines *engines,
                                const struct prl_session_conf *conf, prl_session_fn fn, void *arg)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    struct prl_session *session = *out;
    session->engines = *engines;
    session->fn = fn;
    session->arg = arg;
    session->created_wall_us = prl_clock_wall_us();
    session->aside_generation = PRL_SESSION_ASIDE_GENERATION;
    session->tokens_ratio = 1;
    enum prl_err err = prl_session_conf_take(&session->conf, conf);
    session->conf.conf.floor.eot_available = engines->eot != NULL;
    if (!err)
        err = create_parts(session);
    if (err) {
        prl_session_destroy(out);
        return err;
    }
    prl_session_warm(session);
    prl_session_want_phrases(session);
    prl_session_prefill(session, NULL);
    return PRL_OK;
}

void prl_session_destroy(struct prl_session **session)
{
    if (!*session)
        return;
    struct prl_session *s = *session;
    prl_timer_destroy(&s->floor_timer);
    prl_timer_destroy(&s->output_timer);
    prl_session_input_destroy(s);
    for (size_t i = 0; i < PRL_SESSION_ANSWERS_MAX; i++)
        prl_answer_destroy(&s->answers[i]);
    for (size_t i = 0; i < PRL_SESSION_ASIDES_MAX; i++)
        prl_answer_destroy(&s->asides[i]);
    for (size_t i = 0; i < PRL_SESSION_WORKS_MAX; i++)
        prl_session_free_work(s, &s->works[i]);
    prl_upstream_destroy(&s->upstream);
    prl_playout_destroy(&s->playout);
    prl_history_destroy(&s->history);
    prl_floor_destroy(&s->floor);
    prl_mem_free(s->system_text);
    prl_session_conf_drop(&s->conf);
    prl_mem_free(s);
    *session = NULL;
}

enum prl_err prl_session_configure(struct prl_session *session, const struct prl_session_conf *conf)
{
    struct prl_session_conf_copy copy;
    char *system = NULL;
    enum prl_err err = prl_session_conf_take(&copy, conf);
    if (err)
        return err;
    err = compose_system(session, conf, &system);
    if (err) {
        prl_session_conf_drop(&copy);
        return err;
    }
    bool same = prl_str_equal(system, session->system_text);
    prl_session_conf_drop(&session->conf);
    prl_mem_free(session->system_text);
    session->conf = copy;
    session->conf.conf.floor.eot_available = session->engines.eot != NULL;
    session->system_text = system;
    prl_session_input_configure(session);
    prl_playout_set_lead(session->playout, prl_session_lead_ms(session), prl_clock_now_us());
    prl_floor_configure(session->floor, &session->conf.conf.floor);
    prl_session_step(session, &(struct prl_floor_event){.fact = PRL_FACT_UPDATE});
    if (!same || conf->tool_count > 0)
        prl_session_prefill(session, NULL);
    return PRL_OK;
}

size_t prl_session_prompt_tokens(const struct prl_session *session)
{
    size_t real = session->conf.conf.prompt_tokens_max;
    double estimated = (double)real / session->tokens_ratio;
    return real == 0 ? 0 : estimated < 1 ? 1 : (size_t)estimated;
}

void prl_session_warm(struct prl_session *session)
{
    if (session->engines.stt)
        prl_stt_warm(session->engines.stt);
    if (session->engines.llm)
        prl_llm_warm(session->engines.llm);
    if (session->engines.tts && session->conf.conf.audio)
        prl_tts_warm(session->engines.tts);
}

void prl_session_prefill(struct prl_session *session, const char *said)
{
    // Only the place that the next answer will take, and only while nothing is made.
    if (!session->engines.llm || prl_session_busy(session))
        return;
    struct prl_answer_conf place = {.llm = session->engines.llm,
                                    .tts = session->engines.tts,
                                    .phrases = session->engines.phrases,
                                    .fn = prl_session_on_answer,
                                    .arg = session};
    if (!session->answers[0] && prl_answer_create(&session->answers[0], &place) != PRL_OK)
        return;
    if (prl_answer_view(session->answers[0])->generation)
        return;
    const struct prl_session_conf *conf = &session->conf.conf;
    struct prl_messages *messages;
    struct prl_messages_conf made = {.system = session->system_text,
                                     .history = session->history,
                                     .bytes_max = conf->prompt_bytes_max,
                                     .tokens_max = prl_session_prompt_tokens(session),
                                     .from_id = session->shown_from,
                                     .said = said,
                                     .open = said != NULL,
                                     .tools = conf->tools,
                                     .tool_count = conf->tool_count,
                                     .tool_choice =
                                         conf->tool_count ? conf->tool_choice : PRL_LLM_TOOLS_NONE,
                                     .tool_name = conf->tool_name};
    if (prl_messages_create(&messages, &made) != PRL_OK)
        return;
    prl_answer_prefill(session->answers[0], session->last_generation + 1,
                       prl_messages_prompt(messages));
    prl_messages_destroy(&messages);
}

// ---- requests ----

// A request's facts, with its event id at hand for what it is refused with.
static void request(struct prl_session *session, const struct prl_floor_event *event,
                    const char *event_id)
{
    session->event_id = event_id;
    prl_session_step(session, event);
    session->event_id = NULL;
}

void prl_session_commit(struct prl_session *session, const char *event_id)
{
    request(session, &(struct prl_floor_event){.fact = PRL_FACT_COMMIT}, event_id);
}

// Sound that nobody has looked at yet was never said.
static void drop_waiting(struct prl_session *session)
{
    session->received -= session->waiting_count;
    prl_session_front_taken(session, session->waiting_count);
    session->waiting_count = 0;
    session->waiting_short = false;
}

void prl_session_clear(struct prl_session *session, const char *event_id)
{
    drop_waiting(session);
    request(session, &(struct prl_floor_event){.fact = PRL_FACT_CLEAR}, event_id);
}

void prl_session_clear_output(struct prl_session *session, const char *event_id)
{
    request(session, &(struct prl_floor_event){.fact = PRL_FACT_OUTPUT_CLEAR}, event_id);
}

static enum prl_err copy_text(char **out, const char *text)
{
    if (!text)
        return PRL_OK;
    *out = prl_mem_strdup(text);
    return *out ? PRL_OK : PRL_ERR_NOMEM;
}

static enum prl_err take_wish(struct prl_work *work, const struct prl_session_response *wish)
{
    work->out_of_band = wish->out_of_band;
    if (wish->audio >= 0)
        work->audio = wish->audio != 0;
    work->max_output_tokens = wish->max_output_tokens;
    work->tool_choice = wish->tool_choice;
    enum prl_err err = copy_text(&work->instructions, wish->instructions);
    if (!err)
        err = copy_text(&work->voice, wish->voice);
    if (!err)
        err = copy_text(&work->metadata, wish->metadata);
    if (!err)
        err = copy_text(&work->tool_name, wish->tool_name);
    if (!err && wish->have_tools) {
        err = prl_session_tools_copy(&work->tools, wish->tools, wish->tool_count);
        work->tool_count = err ? 0 : wish->tool_count;
        work->have_tools = !err;
    }
    if (!err && wish->input) {
        struct prl_messages_conf conf = {
            .system = "", .input = wish->input, .input_count = wish->input_count};
        err = prl_messages_create(&work->input, &conf);
    }
    return err;
}

static void respond_aside(struct prl_session *session, const struct prl_session_response *wish)
{
    uint32_t generation = ++session->aside_generation;
    struct prl_work *work = prl_session_new_work(session, generation);
    enum prl_err err = work ? take_wish(work, wish) : PRL_ERR_LIMIT;
    if (err) {
        if (work)
            prl_session_free_work(session, work);
        prl_session_error(session, "too_many_responses", "response",
                          "this response cannot be started now: %s", prl_err_name(err));
        return;
    }
    work->released = true;
    prl_session_start_response(session, work);
    prl_session_generate(session, work, false);
}

void prl_session_respond(struct prl_session *session, const struct prl_session_response *wish,
                         const char *event_id)
{
    session->event_id = event_id;
    if (wish->out_of_band) {
        respond_aside(session, wish);
    } else {
        session->wish = wish;
        prl_session_step(session, &(struct prl_floor_event){.fact = PRL_FACT_CREATE});
        session->wish = NULL;
    }
    session->event_id = NULL;
}

enum prl_err prl_session_grant_wish(struct prl_session *session, struct prl_work *work)
{
    const struct prl_session_response *wish = session->wish;
    session->wish = NULL;
    return wish ? take_wish(work, wish) : PRL_OK;
}

static void cancel_aside(struct prl_session *session, struct prl_work *work)
{
    if (work->answer)
        prl_answer_stop(work->answer);
    work->answer = NULL;
    prl_session_end_response(session, work, PRL_RESPONSE_CANCELLED, "client_cancelled");
    prl_session_free_work(session, work);
}

void prl_session_cancel(struct prl_session *session, const char *response_id, const char *event_id)
{
    struct prl_floor_event event = {.fact = PRL_FACT_CANCEL};
    if (response_id) {
        event.generation = UINT32_MAX; // an unknown one is refused by the floor
        for (size_t i = 0; i < PRL_SESSION_WORKS_MAX; i++) {
            struct prl_work *work = &session->works[i];
            if (!work->visible || strcmp(work->id, response_id) != 0)
                continue;
            event.generation = work->generation;
            if (!work->out_of_band)
                continue;
            cancel_aside(session, work);
            return;
        }
    }
    request(session, &event, event_id);
}

// ---- items ----

static void item_error(struct prl_session *session, enum prl_err err, const char *id)
{
    switch ((int)err) {
    case PRL_ERR_INVALID:
        prl_session_error(session, "item_create_duplicate_item_id", "item.id",
                          "Error adding item: an item with id '%s' exists already or the id is "
                          "too long (at most %d bytes)",
                          id, PRL_HISTORY_ID_MAX - 1);
        break;
    case PRL_ERR_NOTFOUND:
        prl_session_error(session, "item_create_invalid_previous_item_id", "previous_item_id",
                          "Error adding item: the previous item does not exist");
        break;
    default:
        prl_session_error(session, "conversation_full", "item", "Error adding item: %s",
                          prl_err_name(err));
    }
}

static void add_item(struct prl_session *session, const char *after_id,
                     const struct prl_item_new *item, const struct prl_history_part *parts,
                     size_t part_count)
{
    struct prl_item_new own = *item;
    char id[PRL_SESSION_ID_SIZE];
    prl_session_make_id(id, sizeof(id), "item_");
    if (!own.id)
        own.id = id;
    enum prl_err err = prl_history_find(session->history, own.id) ? PRL_ERR_INVALID : PRL_OK;
    if (!err)
        err = prl_history_add(session->history, after_id, &own);
    if (err) {
        item_error(session, err, own.id);
        return;
    }
    for (size_t i = 0; i < part_count && !err; i++)
        err = parts[i].image
                  ? prl_history_add_image(session->history, own.id, parts[i].text, parts[i].len)
                  : prl_history_add_part(session->history, own.id, parts[i].audio, parts[i].text,
                                         parts[i].len);
    if (err) {
        enum prl_err gone = prl_history_delete(session->history, own.id);
        (void)gone; // it was added above
        item_error(session, err == PRL_ERR_INVALID ? PRL_ERR_LIMIT : err, own.id);
        return;
    }
    const struct prl_item *added = prl_history_find(session->history, own.id);
    prl_session_tell(session,
                     &(struct prl_session_event){.type = PRL_SESSION_ITEM_ADDED,
                                                 .item_id = prl_item_id(added),
                                                 .previous_id = prl_item_previous_id(added),
                                                 .item = added});
}

void prl_session_add_item(struct prl_session *session, const char *after_id,
                          const struct prl_item_new *item, const struct prl_history_part *parts,
                          size_t part_count, const char *event_id)
{
    session->event_id = event_id;
    add_item(session, after_id, item, parts, part_count);
    session->event_id = NULL;
    prl_session_prefill(session, NULL);
}

void prl_session_delete_item(struct prl_session *session, const char *id, const char *event_id)
{
    session->event_id = event_id;
    char copy[PRL_HISTORY_ID_MAX];
    prl_str_copy(copy, sizeof(copy), id);
    if (prl_history_delete(session->history, copy) == PRL_OK)
        prl_session_tell(session,
                         &(struct prl_session_event){.type = PRL_SESSION_DELETED, .item_id = copy});
    else
        prl_session_error(session, "item_delete_invalid_item_id", "item_id",
                          "Error deleting item: the item with id '%s' does not exist.", copy);
    session->event_id = NULL;
}

static uint32_t generation_of_item(const struct prl_session *session, const char *item_id)
{
    for (size_t i = 0; i < PRL_SESSION_WORKS_MAX; i++)
        if (session->works[i].generation &&
            (session->works[i].item_kept || session->works[i].filler) &&
            strcmp(session->works[i].item_id, item_id) == 0)
            return session->works[i].generation;
    return 0;
}

static void truncate_item(struct prl_session *session, const char *id, int64_t content_index,
                          int64_t audio_end_ms)
{
    if (audio_end_ms < 0 || content_index < 0 || content_index >= PRL_HISTORY_PARTS_MAX) {
        prl_session_error(session, "invalid_value",
                          audio_end_ms < 0 ? "audio_end_ms" : "content_index",
                          "Error truncating item: the value must be 0 or more");
        return;
    }
    uint32_t generation = generation_of_item(session, id);
    session->cutting = true;
    if (generation)
        prl_session_step(session, &(struct prl_floor_event){.fact = PRL_FACT_TRUNCATE,
                                                            .generation = generation});
    session->cutting = false;
    uint64_t samples =
        (uint64_t)audio_end_ms > UINT32_MAX ? UINT32_MAX : (uint64_t)audio_end_ms * MS_SAMPLES_OUT;
    uint64_t applied = 0;
    if (prl_str_equal(id, session->filler_item)) {
        // It is no item of the conversation, but clients cut whatever they hear.
        applied = samples < session->filler_samples ? samples : session->filler_samples;
        prl_session_tell(session,
                         &(struct prl_session_event){.type = PRL_SESSION_TRUNCATED,
                                                     .item_id = id,
                                                     .ms = (int64_t)(applied / MS_SAMPLES_OUT),
                                                     .ms_end = content_index});
        return;
    }
    enum prl_err err =
        prl_history_truncate(session->history, id, (uint32_t)content_index, samples, &applied);
    if (err == PRL_ERR_NOTFOUND)
        prl_session_error(session, "item_truncate_invalid_item_id", "item_id",
                          "Error truncating item: the item with id '%s' does not exist.", id);
    else if (err)
        prl_session_error(session, "invalid_value", "content_index",
                          "Error truncating item: only the audio content of an assistant message "
                          "can be truncated.");
    else
        prl_session_tell(session,
                         &(struct prl_session_event){.type = PRL_SESSION_TRUNCATED,
                                                     .item_id = id,
                                                     .ms = (int64_t)(applied / MS_SAMPLES_OUT),
                                                     .ms_end = content_index});
}

void prl_session_truncate(struct prl_session *session, const char *id, int64_t content_index,
                          int64_t audio_end_ms, const char *event_id)
{
    session->event_id = event_id;
    char copy[PRL_HISTORY_ID_MAX];
    prl_str_copy(copy, sizeof(copy), id);
    truncate_item(session, copy, content_index, audio_end_ms);
    session->event_id = NULL;
}

// ---- leaving and coming back ----

void prl_session_gone(struct prl_session *session)
{
    for (size_t i = 0; i < PRL_SESSION_WORKS_MAX; i++)
        if (session->works[i].generation && session->works[i].out_of_band)
            cancel_aside(session, &session->works[i]);
    drop_waiting(session);
    session->due_us = 0;
    prl_session_step(session, &(struct prl_floor_event){.fact = PRL_FACT_GONE});
}

void prl_session_back(struct prl_session *session)
{
    // The voice that was on when the line broke is over; the detector shall hear the next one begin.
    if (session->vad)
        prl_vad_reset(session->vad);
    prl_session_step(session, &(struct prl_floor_event){.fact = PRL_FACT_BACK});
}

void prl_session_own(struct prl_session *session, const char *owner)
{
    PRL_CHECK(prl_str_copy(session->owner, sizeof(session->owner), owner));
}

const struct prl_history *prl_session_history(const struct prl_session *session)
{
    return session->history;
}

bool prl_session_busy(const struct prl_session *session)
{
    return prl_floor_answer(session->floor) != PRL_FLOOR_NONE;
}

bool prl_session_sees(const struct prl_session *session)
{
    return session->engines.llm && prl_llm_sees(session->engines.llm);
}

bool prl_session_voiced(const struct prl_session *session)
{
    return session->voiced;
}
