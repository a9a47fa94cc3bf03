// session_output.c -- the loudspeaker's side of a session: what of an answer may leave now, and the
// words that go with it.
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/estimate.h"
#include "session/session_state.h"

enum {
    OUT_SAMPLES_PER_MS = PRL_PLAYOUT_HZ / 1000,
    AUDIO_TOKEN_IN_MS = 100,
    AUDIO_TOKEN_OUT_MS = 50
};

static struct prl_session_response_view view_of(const struct prl_session *session,
                                                const struct prl_work *work)
{
    return (struct prl_session_response_view){
        .id = work->id,
        .out_of_band = work->out_of_band || work->filler,
        .filler = work->filler,
        .audio = work->audio,
        .voice = work->voice ? work->voice : session->conf.conf.voice,
        .metadata = work->metadata,
        .max_output_tokens = work->max_output_tokens > 0 ? work->max_output_tokens
                                                         : session->conf.conf.max_output_tokens,
        .status = PRL_RESPONSE_IN_PROGRESS,
        .usage = work->usage,
    };
}

static void tell_response(struct prl_session *session, const struct prl_work *work,
                          struct prl_session_event *event)
{
    struct prl_session_response_view view = view_of(session, work);
    // cppcheck-suppress autoVariables ; the event is told below and no longer used
    event->response = &view;
    prl_session_tell(session, event);
}

void prl_session_tell_output(struct prl_session *session, const struct prl_work *work,
                             enum prl_session_event_type type)
{
    bool begins = type == PRL_SESSION_OUTPUT_STARTED;
    if (session->rtp && !work->out_of_band && (begins || work->samples_out > 0))
        tell_response(session, work,
                      &(struct prl_session_event){.type = type, .item_id = work->item_id});
}

void prl_session_start_response(struct prl_session *session, struct prl_work *work)
{
    work->visible = true;
    prl_session_make_id(work->id, sizeof(work->id), "resp_");
    if (!work->spoken && !work->zero_us)
        work->zero_us = prl_clock_now_us();
    tell_response(session, work, &(struct prl_session_event){.type = PRL_SESSION_RESPONSE_CREATED});
}

// The item that the answer's words belong to; in the history unless the response is out of band.
static void begin_item(struct prl_session *session, struct prl_work *work, char *item_id,
                       const struct prl_item_new *item, char *previous)
{
    const struct prl_item *last = prl_history_last(session->history);
    if (work->out_of_band || work->filler)
        return;
    if (last)
        prl_str_copy(previous, PRL_HISTORY_ID_MAX, prl_item_id(last));
    enum prl_err err = prl_history_add(session->history, NULL, item);
    bool message = item->kind == PRL_ITEM_ASSISTANT;
    if (!err)
        err = prl_history_add_part(session->history, item_id, message && work->audio, "", 0);
    if (message)
        work->item_kept = !err;
    if (err)
        prl_session_error(session, "conversation_full", NULL, "the answer was not kept: %s",
                          prl_err_name(err));
}

static void begin_message(struct prl_session *session, struct prl_work *work)
{
    if (work->item_open)
        return;
    work->item_open = true;
    prl_session_make_id(work->item_id, sizeof(work->item_id), "item_");
    char previous[PRL_HISTORY_ID_MAX] = "";
    struct prl_item_new item = {
        .kind = PRL_ITEM_ASSISTANT, .status = PRL_ITEM_IN_PROGRESS, .id = work->item_id};
    begin_item(session, work, work->item_id, &item, previous);
    tell_response(session, work,
                  &(struct prl_session_event){.type = PRL_SESSION_OUTPUT_MESSAGE,
                                              .item_id = work->item_id,
                                              .previous_id = *previous ? previous : NULL});
}

// Words up to `end` (bytes of the answer) go out; `ms` is where they sound.
static void send_text(struct prl_session *session, struct prl_work *work, size_t end, int64_t ms)
{
    const struct prl_answer_view *view = prl_answer_view(work->answer);
    if (end > view->text_len)
        end = view->text_len;
    if (end <= work->text_out)
        return;
    const char *text = view->text + work->text_out;
    size_t len = prl_utf8_whole(text, end - work->text_out);
    if (len == 0)
        return;
    begin_message(session, work);
    if (work->item_kept) {
        enum prl_err err = prl_history_append(session->history, work->item_id, 0, text, len);
        (void)err; // NOTFOUND: deleted meanwhile; LIMIT: the item is full, the user still hears it
    }
    work->text_out += len;
    if (!work->first_byte_us && !work->audio)
        work->first_byte_us = prl_clock_now_us();
    tell_response(session, work,
                  &(struct prl_session_event){.type = PRL_SESSION_OUTPUT_TEXT,
                                              .item_id = work->item_id,
                                              .text = text,
                                              .len = len,
                                              .ms = ms});
}

static void send_words(struct prl_session *session, struct prl_work *work)
{
    struct prl_speech_mark mark;
    while (prl_speech_next_mark(prl_answer_speech(work->answer), &mark)) {
        send_text(session, work, mark.byte_end, (int64_t)(mark.sample_start / OUT_SAMPLES_PER_MS));
        if (!work->item_kept)
            continue;
        enum prl_err err =
            prl_history_mark(session->history, work->item_id, mark.sample_start, mark.byte_start);
        if (!err)
            err = prl_history_mark(session->history, work->item_id, mark.sample_end, mark.byte_end);
        (void)err; // without a mark the cut is as exact as the clause
    }
}

static void send_sound(struct prl_session *session, struct prl_work *work, const int16_t *pcm,
                       size_t samples)
{
    begin_message(session, work);
    // A leg says when the first packet left.
    bool first = !work->first_byte_us && (work->out_of_band || !session->rtp) && !work->filler;
    if (first)
        work->first_byte_us = prl_clock_now_us();
    if (work->samples_out == 0)
        prl_session_tell_output(session, work, PRL_SESSION_OUTPUT_STARTED);
    work->samples_out += samples;
    if (work->filler) {
        (void)prl_str_copy(session->filler_item, sizeof(session->filler_item), work->item_id);
        session->filler_samples = work->samples_out;
    }
    session->voiced = true;
    if (work->item_kept) {
        enum prl_err err = prl_history_sent(session->history, work->item_id, work->samples_out);
        (void)err; // NOTFOUND: deleted meanwhile
    }
    tell_response(session, work,
                  &(struct prl_session_event){.type = PRL_SESSION_OUTPUT_AUDIO,
                                              .item_id = work->item_id,
                                              .pcm = pcm,
                                              .samples = samples});
    if (first)
        prl_session_latency(session, work, false);
}

int64_t prl_session_sounds_at_us(const struct prl_session *session)
{
    int64_t now_us = prl_clock_now_us();
    int64_t at_us = now_us;
    if (prl_playout_sent_samples(session->playout) > 0)
        at_us = prl_playout_drained_at_us(session->playout, now_us);
    return at_us > now_us ? at_us : now_us;
}

// How many samples may leave now: all of an out-of-band answer, else what the output clock allows.
static size_t sound_room(struct prl_session *session, const struct prl_work *work)
{
    if (work->out_of_band)
        return PRL_SESSION_CHUNK_SAMPLES;
    if (prl_playout_generation(session->playout) != work->generation)
        return 0;
    uint64_t room = prl_playout_room(session->playout, prl_clock_now_us());
    return room < PRL_SESSION_CHUNK_SAMPLES ? (size_t)room : PRL_SESSION_CHUNK_SAMPLES;
}

static void tell_heard(struct prl_session *session, uint32_t generation)
{
    prl_session_step(session,
                     &(struct prl_floor_event){
                         .fact = PRL_FACT_HEARD,
                         .generation = generation,
                         .sent = prl_playout_sent_samples(session->playout),
                         .samples = prl_playout_heard_samples(session->playout, prl_clock_now_us()),
                     });
}

static void send_audio(struct prl_session *session, struct prl_work *work)
{
    int16_t pcm[PRL_SESSION_CHUNK_SAMPLES];
    uint32_t generation = work->generation;
    bool sent = false;
    for (;;) {
        size_t room = sound_room(session, work);
        size_t count = room ? prl_speech_take(prl_answer_speech(work->answer), pcm, room) : 0;
        if (count == 0)
            break;
        sent = true;
        if (!work->out_of_band) {
            prl_session_echo_sent(session, pcm, count);
            prl_session_record_sent(session, pcm, count);
            prl_playout_sent(session->playout, count, prl_clock_now_us());
        }
        // Words first: a client that shows them has them when they sound.
        begin_message(session, work);
        send_words(session, work);
        send_sound(session, work, pcm, count);
    }
    send_words(session, work); // clauses without sound, ends of clauses
    prl_answer_pump(work->answer);
    if (sent && !work->out_of_band)
        tell_heard(session, generation);
}

static void send_call(struct prl_session *session, struct prl_work *work,
                      const struct prl_answer_call *call)
{
    if (!work->call_open) {
        work->call_open = true;
        work->call_bytes_out = 0;
        prl_session_make_id(work->call_item, sizeof(work->call_item), "item_");
        const struct prl_item *last = prl_history_last(session->history);
        char previous[PRL_HISTORY_ID_MAX] = "";
        if (last && !work->out_of_band)
            prl_str_copy(previous, sizeof(previous), prl_item_id(last));
        tell_response(session, work,
                      &(struct prl_session_event){.type = PRL_SESSION_CALL,
                                                  .item_id = work->call_item,
                                                  .previous_id = *previous ? previous : NULL,
                                                  .call_id = call->call_id,
                                                  .name = call->name});
    }
    if (call->len > work->call_bytes_out) {
        tell_response(session, work,
                      &(struct prl_session_event){.type = PRL_SESSION_CALL_ARGUMENTS,
                                                  .item_id = work->call_item,
                                                  .call_id = call->call_id,
                                                  .text = call->arguments + work->call_bytes_out,
                                                  .len = call->len - work->call_bytes_out});
        work->call_bytes_out = call->len;
    }
}

static void end_call(struct prl_session *session, struct prl_work *work,
                     const struct prl_answer_call *call)
{
    char previous[PRL_HISTORY_ID_MAX] = "";
    struct prl_item_new item = {.kind = PRL_ITEM_CALL,
                                .status = PRL_ITEM_COMPLETED,
                                .id = work->call_item,
                                .call_id = call->call_id,
                                .name = call->name};
    begin_item(session, work, work->call_item, &item, previous);
    if (!work->out_of_band) {
        enum prl_err err =
            prl_history_append(session->history, work->call_item, 0, call->arguments, call->len);
        (void)err; // begin_item has reported a full conversation
    }
    if (!work->first_byte_us)
        work->first_byte_us = prl_clock_now_us();
    tell_response(session, work,
                  &(struct prl_session_event){.type = PRL_SESSION_CALL_END,
                                              .item_id = work->call_item,
                                              .call_id = call->call_id,
                                              .name = call->name,
                                              .text = call->arguments});
    work->call_open = false;
    work->calls_out++;
}

static void send_calls(struct prl_session *session, struct prl_work *work)
{
    while (work->calls_out < prl_answer_view(work->answer)->call_count) {
        struct prl_answer_call call = prl_answer_call(work->answer, work->calls_out);
        send_call(session, work, &call);
        if (!call.ended)
            return;
        end_call(session, work, &call);
    }
}

// Room that is worth an event: a whole one, but the client must not run dry before it comes.
static uint64_t refill_samples(const struct prl_session *session)
{
    uint64_t half_lead = (uint64_t)prl_session_lead_ms(session) * OUT_SAMPLES_PER_MS / 2;
    return half_lead < PRL_SESSION_CHUNK_SAMPLES ? half_lead : PRL_SESSION_CHUNK_SAMPLES;
}

void prl_session_send(struct prl_session *session, struct prl_work *work)
{
    if (!work->answer || !work->released || !work->visible)
        return;
    uint32_t generation = work->generation;
    if (work->audio)
        send_audio(session, work);
    else
        send_text(session, work, prl_answer_view(work->answer)->text_len, -1);
    if (prl_session_work(session, generation) == work && work->answer)
        send_calls(session, work);
    if (work->out_of_band || !work->audio)
        return;
    int64_t now_us = prl_clock_now_us();
    uint64_t sent = prl_playout_sent_samples(session->playout);
    int64_t at_us = INT64_MAX;
    bool waiting = work->answer && prl_speech_made(prl_answer_speech(work->answer)) >
                                       prl_speech_taken(prl_answer_speech(work->answer));
    if (waiting)
        at_us = prl_playout_room_at_us(session->playout, refill_samples(session), now_us);
    else if (sent > 0 &&
             !prl_playout_drained(session->playout, now_us)) // else the next words wake us
        at_us = prl_playout_drained_at_us(session->playout, now_us);
    if (at_us != INT64_MAX)
        prl_timer_start(session->output_timer, at_us);
}

void prl_session_output_due(void *arg)
{
    struct prl_session *session = arg;
    uint32_t generation = prl_playout_generation(session->playout);
    struct prl_work *work = prl_session_work(session, generation);
    if (!work)
        return;
    prl_session_send(session, work);
    int64_t now_us = prl_clock_now_us();
    if (prl_session_work(session, generation) && prl_playout_drained(session->playout, now_us))
        tell_heard(session, generation);
    else if (prl_session_work(session, generation) && !prl_timer_active(session->output_timer))
        prl_timer_start(session->output_timer,
                        prl_playout_drained_at_us(session->playout, now_us) + 1000);
}

void prl_session_left(struct prl_session *session, uint64_t samples, int64_t at_us)
{
    prl_playout_passed(session->playout, samples, at_us);
    uint32_t generation = prl_playout_generation(session->playout);
    struct prl_work *work = prl_session_work(session, generation);
    if (work && !work->first_byte_us && !work->filler) {
        work->first_byte_us = prl_clock_now_us();
        prl_session_latency(session, work, false);
    }
    if (work)
        prl_session_send(session, work);
    if (work && prl_session_work(session, generation) == work)
        tell_heard(session, generation);
}

void prl_session_rtp(struct prl_session *session, bool on)
{
    int64_t now_us = prl_clock_now_us();
    session->rtp = on;
    prl_session_front_configure(session);
    prl_playout_set_relayed(session->playout, on, now_us);
    prl_playout_set_lead(session->playout, prl_session_lead_ms(session), now_us);
    if (!on)
        prl_playout_set_delay(session->playout, 0, now_us);
}

void prl_session_set_playout_delay(struct prl_session *session, uint32_t delay_ms)
{
    session->delay_ms = delay_ms;
    prl_playout_set_delay(session->playout, delay_ms, prl_clock_now_us());
}

static void count_usage(struct prl_session *session, struct prl_work *work)
{
    const struct prl_llm_usage zero = {0};
    const struct prl_llm_usage *usage =
        work->answer ? &prl_answer_view(work->answer)->usage : &zero;
    work->usage.input_tokens = usage->input_tokens;
    work->usage.cached_tokens = usage->cached_tokens;
    work->usage.output_tokens = usage->output_tokens;
    if (usage->dropped_messages == 0)
        session->tokens_ratio =
            prl_llm_estimate_learn(session->tokens_ratio, work->tokens_asked, usage->input_tokens);
    if (work->filler)
        return; // nobody asked for it
    work->usage.input_audio_tokens = (int)(session->input_audio_ms / AUDIO_TOKEN_IN_MS);
    work->usage.output_audio_tokens =
        (int)(work->samples_out / OUT_SAMPLES_PER_MS / AUDIO_TOKEN_OUT_MS);
    if (!work->out_of_band && !work->filler)
        session->input_audio_ms = 0;
}

void prl_session_end_response(struct prl_session *session, struct prl_work *work,
                              enum prl_session_status status, const char *reason)
{
    if (!work->visible || work->finished)
        return;
    work->finished = true;
    count_usage(session, work);
    bool whole = status == PRL_RESPONSE_COMPLETED || status == PRL_RESPONSE_INCOMPLETE;
    if (whole && work->answer && work->released) {
        send_text(session, work, prl_answer_view(work->answer)->text_len, -1);
        send_calls(session, work);
    }
    if (work->item_kept) {
        enum prl_err err = prl_history_set_status(
            session->history, work->item_id,
            status == PRL_RESPONSE_COMPLETED ? PRL_ITEM_COMPLETED : PRL_ITEM_INCOMPLETE);
        (void)err; // NOTFOUND: deleted meanwhile
    }
    struct prl_session_response_view view = view_of(session, work);
    view.status = status;
    if (status == PRL_RESPONSE_FAILED) {
        view.error_code = reason;
        view.error_message = "an engine of the server failed";
    } else {
        view.reason = reason;
    }
    prl_session_tell(
        session, &(struct prl_session_event){.type = PRL_SESSION_RESPONSE_DONE, .response = &view});
    if (!work->audio)
        prl_session_latency(session, work, false);
}

static int64_t since(int64_t at_us, int64_t zero_us)
{
    return at_us ? at_us - zero_us : -1;
}

void prl_session_latency(struct prl_session *session, struct prl_work *work, bool heard_out)
{
    int64_t heard_us = heard_out ? prl_clock_now_us() : 0;
    struct prl_session_spans spans = {
        .zero_us = work->zero_us,
        .detected_us = since(work->detected_us, work->zero_us),
        .stt_us = since(work->stt_us, work->zero_us),
        .first_token_us = since(work->first_token_us, work->zero_us),
        .first_audio_us = since(work->first_audio_us, work->zero_us),
        .first_byte_us = since(work->first_byte_us, work->zero_us),
        .heard_end_us = since(heard_us, work->zero_us),
        .input_delay_us = work->spoken ? work->input_delay_us : -1,
        .hold_us = -1,
        .late_us = -1,
        .spoken = work->spoken,
    };
    int64_t early_us = spans.detected_us - spans.first_audio_us;
    if (work->spoken && work->detected_us && work->first_audio_us) {
        spans.hold_us = early_us > 0 ? early_us : 0;
        spans.late_us = early_us < 0 ? -early_us : 0;
    }
    tell_response(session, work,
                  &(struct prl_session_event){
                      .type = PRL_SESSION_LATENCY, .item_id = work->item_id, .spans = &spans});
}
