// session_act.c -- carries out what the floor decided.
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/str.h"
#include "llm/estimate.h"
#include "llm/persona.h"
#include "session/messages.h"
#include "session/session_state.h"

enum { SAMPLES_PER_MS = PRL_SESSION_RATE_HZ / 1000, OUT_PER_MS = PRL_PLAYOUT_HZ / 1000 };

static const char *last_item_id(const struct prl_session *session)
{
    const struct prl_item *last = prl_history_last(session->history);
    return last ? prl_item_id(last) : NULL;
}

// ---- utterances ----

static void speech_started(struct prl_session *session, const struct prl_floor_action *action)
{
    struct prl_utterance *utterance = prl_session_utterance(session, action->utterance);
    if (!utterance)
        return;
    prl_session_tell(session,
                     &(struct prl_session_event){.type = PRL_SESSION_SPEECH_STARTED,
                                                 .item_id = utterance->item_id,
                                                 .ms = (int64_t)(action->start / SAMPLES_PER_MS)});
}

// Adds the user's item, whose transcript is still to come, and says so.
static void add_user_item(struct prl_session *session, const char *item_id)
{
    char previous[PRL_HISTORY_ID_MAX] = "";
    if (last_item_id(session))
        prl_str_copy(previous, sizeof(previous), last_item_id(session));
    prl_session_tell(session,
                     &(struct prl_session_event){.type = PRL_SESSION_COMMITTED,
                                                 .item_id = item_id,
                                                 .previous_id = *previous ? previous : NULL});
    struct prl_item_new item = {.kind = PRL_ITEM_USER, .status = PRL_ITEM_COMPLETED, .id = item_id};
    enum prl_err err = prl_history_add(session->history, NULL, &item);
    if (!err)
        err = prl_history_add_part(session->history, item_id, true, "", 0);
    if (err) {
        prl_session_error(session, "conversation_full", NULL, "the conversation cannot grow: %s",
                          prl_err_name(err));
        return;
    }
    prl_session_tell(
        session, &(struct prl_session_event){.type = PRL_SESSION_ITEM_ADDED,
                                             .item_id = item_id,
                                             .previous_id = *previous ? previous : NULL,
                                             .item = prl_history_find(session->history, item_id)});
}

static void commit_utterance(struct prl_session *session, const struct prl_floor_action *action)
{
    struct prl_utterance *utterance = prl_session_utterance(session, action->utterance);
    if (session->open == utterance)
        session->open = NULL;
    if (!utterance) {
        prl_session_error(session, "server_error", NULL, "too many utterances at a time");
        return;
    }
    utterance->committed = true;
    session->input_audio_ms += (int64_t)((action->end - action->start) / SAMPLES_PER_MS);
    struct prl_work *work = prl_session_work(session, action->generation);
    if (!work)
        work = prl_session_new_work(session, action->generation);
    if (work) {
        work->utterance = action->utterance;
        struct prl_arrival arrival = prl_session_arrival(session, action->speech_end);
        work->zero_us = arrival.at_us;
        work->input_delay_us = arrival.delay_us;
        work->detected_us = prl_clock_now_us();
        work->spoken = true;
        session->turn =
            (struct prl_turn_times){work->zero_us, work->input_delay_us, work->detected_us, 0};
    }
    if (action->announced)
        prl_session_tell(
            session, &(struct prl_session_event){.type = PRL_SESSION_SPEECH_STOPPED,
                                                 .item_id = utterance->item_id,
                                                 .ms = (int64_t)(action->end / SAMPLES_PER_MS)});
    add_user_item(session, utterance->item_id);
}

static void transcribed(struct prl_session *session, const struct prl_floor_action *action)
{
    struct prl_utterance *utterance = prl_session_utterance(session, action->utterance);
    if (!utterance)
        return;
    const char *words =
        action->act == PRL_ACT_TRANSCRIBED && utterance->words ? utterance->words : "";
    enum prl_err err =
        prl_history_set_text(session->history, utterance->item_id, 0, words, strlen(words));
    if (err && err != PRL_ERR_NOTFOUND) // the client may have deleted it
        prl_session_error(session, "conversation_full", NULL, "the transcript was not kept: %s",
                          prl_err_name(err));
    struct prl_work *work = prl_session_work(session, action->generation);
    if (work)
        work->transcribed = true;
    if (work && work->transcript)
        prl_session_free_work(session, work);
    if (session->conf.conf.transcribe)
        prl_session_tell(session, &(struct prl_session_event){.type = PRL_SESSION_TRANSCRIPT,
                                                              .item_id = utterance->item_id,
                                                              .text = words,
                                                              .len = strlen(words),
                                                              .language = utterance->language,
                                                              .seconds = utterance->seconds});
    if (*words)
        prl_session_lock_said(session, utterance->id);
    prl_session_drop_utterance(session, utterance);
}

static void transcript_failed(struct prl_session *session, const struct prl_floor_action *action)
{
    struct prl_utterance *utterance = prl_session_utterance(session, action->utterance);
    if (!utterance)
        return;
    const char *why = action->reason == PRL_FLOOR_BY_SLOWNESS ? "the recogniser took too long"
                                                              : "the recogniser failed";
    prl_session_tell(session, &(struct prl_session_event){.type = PRL_SESSION_TRANSCRIPT_FAILED,
                                                          .item_id = utterance->item_id,
                                                          .text = why});
    prl_session_drop_utterance(session, utterance);
    struct prl_work *work = prl_session_work(session, action->generation);
    if (work && work->transcript)
        prl_session_free_work(session, work);
}

static void idle_timeout(struct prl_session *session, const struct prl_floor_action *action)
{
    char item_id[PRL_SESSION_ID_SIZE];
    prl_session_make_id(item_id, sizeof(item_id), "item_");
    prl_session_tell(
        session, &(struct prl_session_event){.type = PRL_SESSION_IDLE,
                                             .item_id = item_id,
                                             .ms = (int64_t)(action->start / SAMPLES_PER_MS),
                                             .ms_end = (int64_t)(action->end / SAMPLES_PER_MS)});
    add_user_item(session, item_id);
}

// ---- answers ----

static struct prl_answer *free_place(struct prl_session *session, struct prl_answer **places,
                                     size_t count)
{
    struct prl_answer_conf conf = {.llm = session->engines.llm,
                                   .tts = session->engines.tts,
                                   .phrases = session->engines.phrases,
                                   .fn = prl_session_on_answer,
                                   .arg = session};
    for (size_t i = 0; i < count; i++) {
        if (!places[i] && prl_answer_create(&places[i], &conf) != PRL_OK)
            return NULL;
        if (prl_answer_view(places[i])->generation == 0)
            return places[i];
    }
    return NULL;
}

struct prl_answer *prl_session_place(struct prl_session *session, const struct prl_work *work)
{
    if (work->out_of_band)
        return free_place(session, session->asides, PRL_SESSION_ASIDES_MAX);
    return free_place(session, session->answers, PRL_SESSION_ANSWERS_MAX);
}

static void work_failed(struct prl_session *session, const struct prl_work *work,
                        enum prl_floor_stage stage)
{
    if (work->out_of_band) {
        struct prl_work *own = prl_session_work(session, work->generation);
        prl_session_end_response(session, own, PRL_RESPONSE_FAILED, "engine_failed");
        prl_session_free_work(session, own);
        return;
    }
    prl_session_step(session, &(struct prl_floor_event){.fact = PRL_FACT_ENGINE_FAILED,
                                                        .generation = work->generation,
                                                        .stage = stage});
}

// The system text of a response with instructions of its own replaces the session's.
static char *own_system_text(const struct prl_session *session, const struct prl_work *work)
{
    char *text = NULL;
    struct prl_llm_persona persona = {.language = session->conf.conf.language,
                                      .instructions = work->instructions,
                                      .locale = session->conf.conf.locale,
                                      .wall_us = session->created_wall_us};
    if (prl_llm_persona_text(&text, &persona) != PRL_OK)
        return NULL;
    return text;
}

static enum prl_err make_messages(struct prl_session *session, const struct prl_work *work,
                                  const char *system, struct prl_messages **out)
{
    const struct prl_session_conf *conf = &session->conf.conf;
    const struct prl_llm_prompt *input = work->input ? prl_messages_prompt(work->input) : NULL;
    struct prl_messages_conf messages = {
        .system = system,
        .history = session->history,
        .bytes_max = conf->prompt_bytes_max,
        .tokens_max = prl_session_prompt_tokens(session),
        .from_id = session->shown_from,
        .said = work->transcribed ? NULL : work->words,
        .wall_us = prl_clock_wall_us(),
        .tools = work->have_tools ? work->tools : conf->tools,
        .tool_count = work->have_tools ? work->tool_count : conf->tool_count,
        .tool_choice = work->tool_choice >= 0 ? (enum prl_llm_tool_choice)work->tool_choice
                                              : conf->tool_choice,
        .tool_name = work->tool_choice >= 0 ? work->tool_name : conf->tool_name,
        .input = input ? input->messages : NULL,
        .input_count = input ? input->message_count : 0,
    };
    if (messages.tool_count == 0)
        messages.tool_choice = PRL_LLM_TOOLS_NONE;
    return prl_messages_create(out, &messages);
}

static enum prl_err start_answer(struct prl_session *session, struct prl_work *work,
                                 struct prl_messages *messages)
{
    const struct prl_session_conf *conf = &session->conf.conf;
    struct prl_answer_start start = {
        .generation = work->generation,
        .prompt = messages ? prl_messages_prompt(messages) : NULL,
        .text = prl_llm_persona_apology(prl_session_chinese(session) ? "zh" : "en"),
        .audio = work->audio,
        .aside = work->out_of_band || work->input,
        .held = !work->visible,
        .owner = session->owner,
        .style = conf->style,
        .voice = work->voice ? work->voice : conf->voice,
        .speed = conf->speed,
        .chinese = prl_session_chinese(session),
        .max_output_tokens =
            work->max_output_tokens > 0 ? work->max_output_tokens : conf->max_output_tokens,
        .temperature = conf->temperature,
    };
    return prl_answer_start(work->answer, &start);
}

void prl_session_generate(struct prl_session *session, struct prl_work *work, bool apology)
{
    work->apology = apology;
    work->answer = prl_session_place(session, work);
    if (!work->answer) {
        work_failed(session, work, PRL_FLOOR_STAGE_LLM);
        return;
    }
    struct prl_messages *messages = NULL;
    enum prl_err err = PRL_OK;
    if (!apology) {
        char *own = work->instructions ? own_system_text(session, work) : NULL;
        err = make_messages(session, work, own ? own : session->system_text, &messages);
        prl_mem_free(own);
    }
    uint32_t generation = work->generation;
    if (messages && !session->upstream)
        work->tokens_asked = prl_llm_estimate_prompt(prl_messages_prompt(messages));
    if (!err)
        err = start_answer(session, work, messages);
    prl_messages_destroy(&messages);
    // An apology reports its text at once, and that may have ended it already.
    work = prl_session_work(session, generation);
    if (err && work) {
        work->answer = NULL;
        work_failed(session, work, PRL_FLOOR_STAGE_LLM);
    }
}

static void start_response(struct prl_session *session, const struct prl_floor_action *action)
{
    struct prl_work *work = prl_session_work(session, action->generation);
    if (!work)
        work = prl_session_new_work(session, action->generation);
    if (!work) {
        prl_session_step(session, &(struct prl_floor_event){.fact = PRL_FACT_ENGINE_FAILED,
                                                            .generation = action->generation,
                                                            .stage = PRL_FLOOR_STAGE_LLM});
        return;
    }
    if (action->reason == PRL_FLOOR_BY_TURN && !work->spoken && session->turn.zero_us) {
        work->zero_us = session->turn.zero_us;
        work->input_delay_us = session->turn.input_delay_us;
        work->detected_us = session->turn.detected_us;
        work->stt_us = session->turn.stt_us;
        work->spoken = true;
    }
    if (!work->zero_us)
        work->zero_us = prl_clock_now_us();
    work->apology = action->apology;
    if (action->reason == PRL_FLOOR_BY_CLIENT && prl_session_grant_wish(session, work) != PRL_OK)
        prl_session_error(session, "server_error", "response", "out of memory");
    prl_session_start_response(session, work);
    if (work->answer)
        prl_answer_commit(work->answer);
}

static void generate(struct prl_session *session, const struct prl_floor_action *action)
{
    struct prl_work *work = prl_session_work(session, action->generation);
    if (!work)
        work = prl_session_new_work(session, action->generation);
    if (work)
        prl_session_generate(session, work, action->apology);
}

static void drop_generation(struct prl_session *session, const struct prl_floor_action *action)
{
    for (size_t i = 0; i < PRL_SESSION_JOBS_MAX; i++) {
        struct prl_stt_job *job = &session->jobs[i];
        if (job->stt == 0 || job->floor != action->generation)
            continue;
        // The newest decode of its stream: cancelling it leaves the sound and the partials.
        struct prl_utterance *utterance = prl_session_utterance(session, job->utterance);
        if (utterance && utterance->stt && !utterance->committed)
            prl_stt_cancel(utterance->stt, job->stt);
        *job = (struct prl_stt_job){0};
    }
    struct prl_work *work = prl_session_work(session, action->generation);
    if (!work)
        return;
    if (work->answer)
        prl_answer_stop(work->answer);
    prl_session_free_work(session, work);
}

static void log_end(const struct prl_work *work, const struct prl_floor_action *action)
{
    prl_log(PRL_LOG_WARN, "session", "%s: an engine %s, %s", work->id,
            action->reason == PRL_FLOOR_BY_SLOWNESS ? "took too long" : "failed",
            action->apology ? "an apology takes over" : "the answer ends early");
}

// The visible response goes on under a new number.
static void replace(struct prl_session *session, const struct prl_floor_action *action)
{
    struct prl_work *work = prl_session_work(session, action->generation);
    if (!work)
        return;
    log_end(work, action);
    if (work->answer)
        prl_answer_stop(work->answer);
    work->answer = NULL;
    work->generation = action->new_generation;
    work->released = false;
    work->text_out = 0;
    work->samples_out = 0;
}

// Words of an answer that count as heard.
static uint32_t words_said(const struct prl_session *session, const char *item_id)
{
    const struct prl_item *item = prl_history_find(session->history, item_id);
    if (!item || prl_item_part_count(item) == 0)
        return 0;
    size_t len = prl_item_heard_bytes(item, 0);
    char *text = prl_mem_strndup(prl_item_part(item, 0).text, len);
    uint32_t words = text ? prl_session_count_words(text) : 0;
    prl_mem_free(text);
    return words;
}

static void cut_history(struct prl_session *session, const struct prl_work *work,
                        uint64_t heard_samples)
{
    if (!work->item_kept)
        return;
    uint64_t applied = 0;
    if (!work->audio)
        return;
    uint32_t said = words_said(session, work->item_id);
    enum prl_err err =
        prl_history_truncate(session->history, work->item_id, 0, heard_samples, &applied);
    if (!err)
        prl_metrics_add(PRL_METRIC_HEARD_WORDS_CUT, said - words_said(session, work->item_id));
    // NOTFOUND: the client deleted the item. Over WebSocket the client truncates by itself.
    if (!err && session->rtp && !session->cutting)
        prl_session_tell(session,
                         &(struct prl_session_event){.type = PRL_SESSION_TRUNCATED,
                                                     .item_id = work->item_id,
                                                     .ms = (int64_t)(applied / OUT_PER_MS)});
}

// From the arrival of the voice's first sample to the last sound that the answer sent.
static void count_barge_in(const struct prl_session *session, const struct prl_work *work,
                           uint64_t onset)
{
    int64_t silent_us = work->silenced_us ? work->silenced_us : prl_clock_now_us();
    prl_metrics_observe(PRL_METRIC_BARGE_IN, silent_us - prl_session_arrival(session, onset).at_us);
}

static void cancel(struct prl_session *session, const struct prl_floor_action *action)
{
    struct prl_work *work = prl_session_work(session, action->generation);
    if (!work)
        return;
    int64_t now_us = prl_clock_now_us();
    uint64_t heard = action->samples;
    if (prl_playout_generation(session->playout) == work->generation) {
        uint64_t exact = prl_playout_stop(session->playout, true, now_us);
        heard = session->rtp ? exact : heard;
        prl_session_record_cut(session);
    }
    if (action->reason == PRL_FLOOR_BY_TURN && work->samples_out > 0)
        count_barge_in(session, work, action->start);
    const char *reason = NULL;
    if (action->reason == PRL_FLOOR_BY_TURN || action->reason == PRL_FLOOR_BY_REPLACEMENT)
        reason = "turn_detected";
    else if (action->reason == PRL_FLOOR_BY_CLIENT)
        reason = "client_cancelled";
    if (work->filler) {
        prl_session_filler_ends(session, work, PRL_RESPONSE_CANCELLED, reason);
        return;
    }
    if (work->answer)
        prl_answer_stop(work->answer);
    work->answer = NULL;
    prl_session_tell_output(session, work, PRL_SESSION_OUTPUT_CLEARED);
    cut_history(session, work, heard);
    if (action->visible)
        prl_session_end_response(session, work, PRL_RESPONSE_CANCELLED, reason);
    prl_session_free_work(session, work);
    prl_session_prefill(session, NULL);
}

static void finish(struct prl_session *session, const struct prl_floor_action *action)
{
    struct prl_work *work = prl_session_work(session, action->generation);
    if (!work)
        return;
    enum prl_session_status status = PRL_RESPONSE_COMPLETED;
    const char *reason = NULL;
    const struct prl_answer_view *view = work->answer ? prl_answer_view(work->answer) : NULL;
    if (action->reason == PRL_FLOOR_BY_FAILURE) {
        status = PRL_RESPONSE_FAILED;
        reason = "engine_failed";
    } else if (action->reason == PRL_FLOOR_INCOMPLETE) {
        status = PRL_RESPONSE_INCOMPLETE;
    } else if (view && view->done && view->reason == PRL_LLM_REASON_LENGTH) {
        status = PRL_RESPONSE_INCOMPLETE;
        reason = "max_output_tokens";
    }
    // Text that waited behind the sound of the answer before it: it is whole now.
    if (view && !work->audio && !work->released && action->reason != PRL_FLOOR_BY_FAILURE) {
        work->released = true;
        prl_session_send(session, work);
    }
    prl_session_end_response(session, work, status, reason);
    // Its engines are free for the next answer; what was sent is still being heard.
    if (work->answer)
        prl_answer_stop(work->answer);
    work->answer = NULL;
    // An apology fails its response and sounds all the same: it goes when it has been heard.
    if (!work->audio || (status == PRL_RESPONSE_FAILED && work->samples_out == 0))
        prl_session_free_work(session, work);
}

static void played(struct prl_session *session, const struct prl_floor_action *action)
{
    struct prl_work *work = prl_session_work(session, action->generation);
    if (!work)
        return;
    if (work->filler) {
        prl_session_filler_ends(session, work, PRL_RESPONSE_COMPLETED, NULL);
        return;
    }
    prl_session_tell_output(session, work, PRL_SESSION_OUTPUT_STOPPED);
    prl_session_latency(session, work, true);
    prl_session_free_work(session, work);
    prl_session_want_phrases(session); // by now the language is known
    prl_session_prefill(session, NULL);
}

static void end_at(struct prl_session *session, const struct prl_floor_action *action)
{
    struct prl_work *work = prl_session_work(session, action->generation);
    if (!work || !work->answer)
        return;
    log_end(work, action);
    prl_speech_end_at(prl_answer_speech(work->answer), action->samples);
    prl_session_send(session, work);
}

static void release(struct prl_session *session, const struct prl_floor_action *action)
{
    struct prl_work *work = prl_session_work(session, action->generation);
    if (!work)
        return;
    int64_t now_us = prl_clock_now_us();
    if (prl_playout_generation(session->playout) != work->generation)
        prl_playout_start(session->playout, work->generation, now_us);
    prl_playout_release(session->playout, now_us);
    work->released = true;
    prl_session_send(session, work);
}

static void pause_or_resume(struct prl_session *session, const struct prl_floor_action *action)
{
    struct prl_work *work = prl_session_work(session, action->generation);
    if (!work)
        return;
    int64_t now_us = prl_clock_now_us();
    work->released = action->act == PRL_ACT_RESUME;
    if (work->released && work->silenced_us)
        prl_metrics_observe(PRL_METRIC_RESUME_GAP, now_us - work->silenced_us);
    work->silenced_us = action->act == PRL_ACT_PAUSE ? now_us : 0;
    if (prl_playout_generation(session->playout) != work->generation)
        return;
    if (work->released)
        prl_playout_release(session->playout, prl_clock_now_us());
    else
        prl_playout_pause(session->playout, prl_clock_now_us());
    prl_session_tell_output(
        session, work, work->released ? PRL_SESSION_OUTPUT_RESUMED : PRL_SESSION_OUTPUT_PAUSED);
    prl_session_send(session, work);
}

static void refuse(struct prl_session *session, const struct prl_floor_action *action)
{
    switch (action->refusal) {
    case PRL_FLOOR_NO_REFUSAL:
        break;
    case PRL_FLOOR_RESPONSE_ACTIVE:
        prl_session_error(session, "conversation_already_has_active_response", NULL,
                          "Conversation already has an active response in progress. Wait until "
                          "it is finished or cancel it before creating a new one.");
        break;
    case PRL_FLOOR_RESPONSE_NOT_ACTIVE:
        prl_session_error(session, "response_cancel_not_active", NULL,
                          "Cancellation failed: no active response found");
        break;
    case PRL_FLOOR_COMMIT_EMPTY:
        prl_session_error(session, "input_audio_buffer_commit_empty", NULL,
                          "Error committing input audio buffer: the buffer is too small. Expected "
                          "at least %ums of audio.",
                          session->conf.conf.floor.commit_min_ms);
        break;
    case PRL_FLOOR_BUSY:
        prl_session_error(session, "input_audio_buffer_busy", NULL,
                          "too many utterances wait for their transcript; try again later");
        break;
    }
}

// On the words that are known so far, while the user still talks.
static void anticipate(struct prl_session *session, const struct prl_floor_action *action)
{
    const struct prl_utterance *utterance = prl_session_utterance(session, action->utterance);
    struct prl_work *work = prl_session_new_work(session, action->generation);
    if (work && utterance && utterance->words)
        work->words = prl_mem_strdup(utterance->words);
    if (!work || !work->words) {
        prl_session_step(session, &(struct prl_floor_event){.fact = PRL_FACT_ENGINE_FAILED,
                                                            .generation = action->generation,
                                                            .stage = PRL_FLOOR_STAGE_LLM});
        return;
    }
    work->utterance = action->utterance;
    prl_session_generate(session, work, false);
}

static void transcribe(struct prl_session *session, const struct prl_floor_action *action)
{
    struct prl_work *work = prl_session_work(session, action->generation);
    if (work)
        work->transcript = true;
    prl_session_transcribe(session, action, PRL_STT_WANT_FINAL);
}

static void speculate(struct prl_session *session, const struct prl_floor_action *action)
{
    struct prl_work *work = prl_session_new_work(session, action->generation);
    if (work)
        work->utterance = action->utterance;
    prl_session_transcribe(session, action, PRL_STT_WANT_GUESS);
}

void prl_session_act(struct prl_session *session, const struct prl_floor_action *action)
{
    struct prl_utterance *utterance;
    switch (action->act) {
    case PRL_ACT_OPEN_UTTERANCE:
        prl_session_open_utterance(session, action->utterance, action->start);
        break;
    case PRL_ACT_SPEECH_STARTED:
        speech_started(session, action);
        break;
    case PRL_ACT_DISCARD_UTTERANCE:
        utterance = prl_session_utterance(session, action->utterance);
        if (utterance)
            prl_session_drop_utterance(session, utterance);
        break;
    case PRL_ACT_COMMIT_UTTERANCE:
        commit_utterance(session, action);
        break;
    case PRL_ACT_TRANSCRIBE:
        transcribe(session, action);
        break;
    case PRL_ACT_TRANSCRIBED:
    case PRL_ACT_EMPTY_UTTERANCE:
        transcribed(session, action);
        break;
    case PRL_ACT_TRANSCRIPT_FAILED:
        transcript_failed(session, action);
        break;
    case PRL_ACT_ASK_EOT:
        prl_session_ask_eot(session, action);
        break;
    case PRL_ACT_CONFIRM:
    case PRL_ACT_JUDGE:
        prl_session_transcribe(session, action, PRL_STT_WANT_GUESS);
        break;
    case PRL_ACT_CLEARED:
        if (session->open && session->open->id == 0)
            prl_session_drop_utterance(session, session->open);
        prl_session_tell(session, &(struct prl_session_event){.type = PRL_SESSION_CLEARED});
        break;
    case PRL_ACT_IDLE_TIMEOUT:
        idle_timeout(session, action);
        break;
    case PRL_ACT_SPECULATE:
        speculate(session, action);
        break;
    case PRL_ACT_ANTICIPATE:
        anticipate(session, action);
        break;
    case PRL_ACT_FILLER:
        prl_session_filler(session, action);
        break;
    case PRL_ACT_DROP_SPECULATION:
        drop_generation(session, action);
        break;
    case PRL_ACT_GENERATE:
        generate(session, action);
        break;
    case PRL_ACT_START_RESPONSE:
        start_response(session, action);
        break;
    case PRL_ACT_RELEASE:
        release(session, action);
        break;
    case PRL_ACT_HOLD:
    case PRL_ACT_PAUSE:
    case PRL_ACT_RESUME:
        pause_or_resume(session, action);
        break;
    case PRL_ACT_CANCEL:
        cancel(session, action);
        break;
    case PRL_ACT_REPLACE:
        replace(session, action);
        break;
    case PRL_ACT_END_AT:
        end_at(session, action);
        break;
    case PRL_ACT_FINISH:
        finish(session, action);
        break;
    case PRL_ACT_PLAYED:
        played(session, action);
        break;
    case PRL_ACT_REFUSE:
        refuse(session, action);
        break;
    case PRL_ACT_COUNT:
        PRL_CHECK(false);
    }
}

// ---- news of the makers ----

static struct prl_work *work_of(struct prl_session *session, const struct prl_answer *answer)
{
    return prl_session_work(session, prl_answer_view(answer)->generation);
}

static void aside_news(struct prl_session *session, struct prl_work *work,
                       enum prl_answer_news news)
{
    if (news == PRL_ANSWER_FAILED) {
        prl_answer_stop(work->answer);
        work->answer = NULL;
        prl_session_end_response(session, work, PRL_RESPONSE_FAILED, "engine_failed");
        prl_session_free_work(session, work);
        return;
    }
    prl_session_send(session, work);
    if (news != PRL_ANSWER_DONE)
        return;
    bool cut = prl_answer_view(work->answer)->reason == PRL_LLM_REASON_LENGTH;
    prl_session_end_response(session, work, cut ? PRL_RESPONSE_INCOMPLETE : PRL_RESPONSE_COMPLETED,
                             cut ? "max_output_tokens" : NULL);
    prl_answer_stop(work->answer);
    work->answer = NULL;
    prl_session_free_work(session, work);
}

void prl_session_on_answer(void *arg, struct prl_answer *answer, enum prl_answer_news news)
{
    struct prl_session *session = arg;
    struct prl_work *work = work_of(session, answer);
    if (!work)
        return;
    const struct prl_answer_view *view = prl_answer_view(answer);
    if (!work->first_token_us)
        work->first_token_us = view->first_token_us;
    if (!work->first_audio_us)
        work->first_audio_us = view->first_audio_us;
    if (news == PRL_ANSWER_FAILED) {
        static const char *const stages[] = {"recogniser", "language model", "voice"};
        prl_log(PRL_LOG_WARN, "session", "%s: the %s failed: %s", work->visible ? work->id : "-",
                stages[view->failed], view->why);
    }
    if (work->out_of_band) {
        aside_news(session, work, news);
        return;
    }
    struct prl_floor_event fact = {.generation = view->generation,
                                   .samples = prl_speech_made(prl_answer_speech(answer)),
                                   .flags = view->asked ? PRL_FLOOR_ASKED : 0};
    switch (news) {
    case PRL_ANSWER_TEXT:
        fact.fact = PRL_FACT_ANSWER_TEXT;
        break;
    case PRL_ANSWER_AUDIO:
        fact.fact = PRL_FACT_ANSWER_AUDIO;
        break;
    case PRL_ANSWER_CALL:
        fact.fact = PRL_FACT_TOOL_CALL;
        break;
    case PRL_ANSWER_DONE:
        fact.fact = PRL_FACT_ANSWER_DONE;
        break;
    case PRL_ANSWER_FAILED:
        fact.fact = PRL_FACT_ENGINE_FAILED;
        fact.stage = view->failed;
        fact.samples = view->good_samples;
        break;
    }
    // Text and calls go out before the floor hears that all is made and finishes the response.
    uint32_t generation = work->generation;
    if (work->filler && news == PRL_ANSWER_AUDIO)
        prl_session_filler_sounds(session, work);
    if (work->released)
        prl_session_send(session, work);
    if (prl_session_work(session, generation))
        prl_session_step(session, &fact);
}
