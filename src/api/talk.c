// talk.c -- see talk.h.
#include "api/talk.h"

#include <string.h>
#include <sys/random.h>

#include "api/message.h"
#include "api/record.h"
#include "api/request.h"
#include "api/tracer.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "media/g711.h"
#include "net/loop.h"

enum {
    FEED_SAMPLES = 2400, // of sound given to the session at a time
    G711_HZ = 8000,
    PCM_HZ = 24000,
    TOKEN_BYTES = 32,
    SECOND_US = 1000000
};

struct prl_talk_channel {
    struct prl_talk *talk; // NULL: the talk is over, or has a new owner
    struct prl_talk_channel *next;
    enum prl_talk_role role;
    const struct prl_talk_ops *ops;
    void *arg;
    struct prl_message message;
    size_t fed;   // bytes of message.audio that the session has
    bool feeding; // sound waits for room in the session; the peer is paused meanwhile
    struct prl_json
        *held; // owned: a commit that waits for the sound before it; paused like feeding
    bool ended;
    char event_id[64]; // of the append being fed, "" for none
};

struct prl_talk {
    // Set once.
    struct prl_session_conf base;
    struct prl_credential maker;
    int64_t resume_us;
    char digit; // of the loop, first in tokens; 0: there is one loop
    void (*left)(void *arg, struct prl_talk *talk, bool frozen);
    void *arg;
    // Owned.
    struct prl_api_session object;
    struct prl_session *session;
    struct prl_events *events;
    struct prl_timer *life;
    struct prl_record *record;         // or NULL
    struct prl_talk_channel *channels; // the channels are their owners', the list is ours
    // Borrowed.
    prl_session_fn tap;
    void *tap_arg;
    struct prl_tracer *tracer;
    // State.
    struct prl_trace_turn turn; // of the newest response; its `response` is "" for none
    bool track;
    bool frozen;
    bool resumed;                        // the next token follows a return
    bool broken;                         // an event was lost: no coming back to this
    char token_hash[PRL_HASH_TEXT_SIZE]; // "" for none
    struct prl_talk_channel *greeted;    // it alone gets the event being written
    struct prl_talk_channel *asker;      // whose message is being handled
};

// ---- events out ----

static void end_channel(struct prl_talk_channel *channel, uint16_t code, const char *reason)
{
    if (channel->ended)
        return;
    channel->ended = true;
    channel->ops->end(channel->arg, code, reason);
}

static void lose_channel(struct prl_talk_channel *channel, enum prl_err err)
{
    if (err == PRL_ERR_CANCELED)
        return; // it is closing already
    prl_log(PRL_LOG_WARN, "api", "%s: an event could not be sent (%s), closing",
            channel->talk->object.id, prl_err_name(err));
    prl_metrics_add(PRL_METRIC_SLOW_READERS, err == PRL_ERR_FULL);
    end_channel(channel, err == PRL_ERR_FULL ? PRL_TALK_CLOSE_SLOW : PRL_TALK_CLOSE_INTERNAL,
                err == PRL_ERR_FULL ? "the client does not read its events" : "server error");
}

static bool wants(const struct prl_talk_channel *channel, enum prl_events_to to)
{
    const struct prl_talk *talk = channel->talk;
    if (channel->ended || (talk->greeted && talk->greeted != channel))
        return false;
    if (to == PRL_EVENTS_OWNER)
        return channel->role == PRL_TALK_OWNER;
    // What an observer does wrong is none of the owner's business.
    return to == PRL_EVENTS_ALL || channel->role == PRL_TALK_OBSERVER || !talk->asker ||
           talk->asker->role == PRL_TALK_OWNER;
}

static enum prl_err send_event(void *arg, const char *text, size_t len, enum prl_events_to to)
{
    struct prl_talk *talk = arg;
    for (struct prl_talk_channel *channel = talk->channels; channel; channel = channel->next) {
        enum prl_err err =
            wants(channel, to) ? channel->ops->send(channel->arg, text, len) : PRL_OK;
        if (err)
            lose_channel(channel, err);
    }
    return PRL_OK;
}

// An event could not even be written.
static void on_lost(void *arg, enum prl_err err)
{
    struct prl_talk *talk = arg;
    talk->broken = true;
    for (struct prl_talk_channel *channel = talk->channels; channel; channel = channel->next)
        lose_channel(channel, err);
}

// ---- what operators see ----

static void end_turn(struct prl_talk *talk)
{
    if (talk->tracer && talk->turn.response[0])
        prl_tracer_add(talk->tracer, &talk->turn);
    talk->turn.response[0] = '\0';
}

// The parts of an answer come with its first sound, and again when it has been heard to its end. What was
// cut before is over with its response.
static void trace(struct prl_talk *talk, const struct prl_session_event *event)
{
    const char *id = event->response ? event->response->id : "";
    struct prl_trace_turn *turn = &talk->turn;
    bool known = prl_str_equal(turn->response, id);
    if (event->type == PRL_SESSION_LATENCY && !known && event->spans->heard_end_us < 0) {
        end_turn(talk);
        (void)prl_str_copy(turn->session, sizeof(turn->session), talk->object.id);
        (void)prl_str_copy(turn->response, sizeof(turn->response), id);
        turn->zero_us = event->spans->zero_us;
        turn->spans = *event->spans;
        turn->status = PRL_RESPONSE_IN_PROGRESS;
    } else if (event->type == PRL_SESSION_LATENCY && known) {
        turn->spans = *event->spans;
        if (event->spans->heard_end_us >= 0 && turn->status != PRL_RESPONSE_IN_PROGRESS)
            end_turn(talk);
    } else if (event->type == PRL_SESSION_RESPONSE_DONE && known) {
        turn->status = event->response->status;
        if (turn->status != PRL_RESPONSE_COMPLETED || turn->spans.heard_end_us >= 0)
            end_turn(talk);
    }
}

static void measure(const struct prl_session_spans *spans)
{
    int64_t heard_us = spans->stt_us > 0 ? spans->stt_us : 0;
    if (spans->spoken) {
        prl_metrics_observe(PRL_METRIC_EOT_DELAY, spans->detected_us);
        prl_metrics_observe(PRL_METRIC_ANSWER_DELAY, spans->first_byte_us);
        prl_metrics_observe(PRL_METRIC_HOLD, spans->hold_us);
        prl_metrics_observe(PRL_METRIC_LATE, spans->late_us);
        prl_metrics_observe(PRL_METRIC_STAGE_STT, spans->stt_us);
    }
    if (spans->first_token_us >= 0)
        prl_metrics_observe(PRL_METRIC_STAGE_TOKEN, spans->first_token_us - heard_us);
    if (spans->first_token_us >= 0 && spans->first_audio_us >= 0)
        prl_metrics_observe(PRL_METRIC_STAGE_SOUND, spans->first_audio_us - spans->first_token_us);
}

static void on_session_event(void *arg, const struct prl_session_event *event)
{
    struct prl_talk *talk = arg;
    if (event->type == PRL_SESSION_RESPONSE_DONE) {
        prl_metrics_add(PRL_METRIC_RESPONSES, 1);
        prl_metrics_add(PRL_METRIC_RESPONSES_FAILED,
                        event->response->status == PRL_RESPONSE_FAILED);
    }
    if (event->type == PRL_SESSION_LATENCY && event->spans->heard_end_us < 0)
        measure(event->spans);
    if (talk->tracer)
        trace(talk, event);
    if (talk->record)
        prl_record_event(talk->record, event);
    if (talk->tap)
        talk->tap(talk->tap_arg, event);
    prl_events_on_session(talk->events, event);
}

// ---- life ----

static void unlink_channel(struct prl_talk_channel *channel)
{
    struct prl_talk_channel **at = &channel->talk->channels;
    while (*at != channel)
        at = &(*at)->next;
    *at = channel->next;
    channel->talk = NULL;
    prl_message_reset(&channel->message);
    channel->feeding = false;
}

// What was under way ends, and nothing begins until a client is back.
static void freeze(struct prl_talk *talk)
{
    if (!talk->frozen)
        prl_session_gone(talk->session);
    talk->frozen = true;
}

static void let_go(struct prl_talk_channel *channel)
{
    if (channel->ops->over)
        channel->ops->over(channel->arg);
}

static void end_all(struct prl_talk *talk, uint16_t code, const char *reason)
{
    for (struct prl_talk_channel *channel = talk->channels; channel; channel = channel->next) {
        bool stays_away = channel->role == PRL_TALK_OBSERVER && code == PRL_TALK_CLOSE_RESUMED;
        end_channel(channel, stays_away ? PRL_TALK_CLOSE_NORMAL : code, reason);
    }
    freeze(talk);
    talk->tap = NULL;
    while (talk->channels) {
        struct prl_talk_channel *channel = talk->channels;
        unlink_channel(channel);
        let_go(channel);
    }
}

static void on_life_end(void *arg)
{
    struct prl_talk *talk = arg;
    prl_events_error(talk->events, "session_expired", NULL,
                     "Your session hit the maximum duration.", NULL);
    end_all(talk, PRL_TALK_CLOSE_AWAY, "session expired");
    talk->left(talk->arg, talk, false);
}

static void on_room(void *arg);

static void read_conf(const struct prl_talk *talk, struct prl_session_conf *conf)
{
    *conf = talk->base;
    prl_api_session_conf(&talk->object, conf);
}

static enum prl_err create_object(struct prl_talk *talk, const struct prl_talk_conf *conf,
                                  struct prl_problem *problem)
{
    const char *model = conf->model;
    const struct prl_json *named = prl_json_get(conf->session, "model");
    if (prl_json_string_len(named) > 0)
        model = prl_json_string(named, NULL);
    enum prl_err err = prl_api_session_init(&talk->object, model, &talk->base);
    if (err)
        return err;
    talk->object.transcription_only = conf->transcription;
    if (conf->session)
        err = prl_api_session_update(&talk->object, conf->session, false, problem);
    return !err && problem->code ? PRL_ERR_INVALID : err;
}

// A conversation matters more than its recording.
static void begin_record(struct prl_talk *talk, const struct prl_talk_conf *conf)
{
    if (!conf->recorder)
        return;
    enum prl_err err = prl_record_create(&talk->record, conf->recorder, talk->object.id,
                                         talk->session, conf->track);
    if (err)
        prl_log(PRL_LOG_ERROR, "api", "%s is not recorded: %s", talk->object.id, prl_err_name(err));
    prl_metrics_add(PRL_METRIC_RECORDING_ERRORS, err != PRL_OK);
}

static enum prl_err create_parts(struct prl_talk *talk, const struct prl_talk_conf *conf)
{
    struct prl_events_conf events = {.dialect = conf->dialect,
                                     .track = conf->track,
                                     .object = &talk->object,
                                     .send = send_event,
                                     .lost = on_lost,
                                     .arg = talk};
    enum prl_err err = prl_events_create(&talk->events, &events);
    if (err)
        return err;
    struct prl_session_conf session;
    read_conf(talk, &session);
    err = prl_session_create(&talk->session, conf->engines, &session, on_session_event, talk);
    if (err)
        return err;
    prl_session_on_room(talk->session, on_room, talk);
    prl_session_own(talk->session, prl_credential_owner(&talk->maker));
    begin_record(talk, conf);
    if (conf->life_us == 0)
        return PRL_OK;
    err = prl_timer_create(&talk->life, conf->engines->loop, "session life", on_life_end, talk);
    if (!err)
        prl_timer_start(talk->life, prl_clock_now_us() + conf->life_us);
    return err;
}

enum prl_err prl_talk_create(struct prl_talk **out, const struct prl_talk_conf *conf,
                             struct prl_problem *problem)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    struct prl_talk *talk = *out;
    talk->base = *conf->base;
    talk->maker = conf->maker;
    talk->resume_us = conf->resume_us;
    talk->digit = conf->digit;
    talk->left = conf->left;
    talk->arg = conf->arg;
    talk->track = conf->track;
    talk->tracer = conf->tracer;
    enum prl_err err = create_object(talk, conf, problem);
    if (!err)
        err = create_parts(talk, conf);
    if (err)
        prl_talk_destroy(out);
    return err;
}

void prl_talk_destroy(struct prl_talk **talk)
{
    if (!*talk)
        return;
    if ((*talk)->channels)
        end_all(*talk, PRL_TALK_CLOSE_AWAY, "the conversation is over");
    end_turn(*talk);
    prl_timer_destroy(&(*talk)->life);
    prl_record_destroy(&(*talk)->record);
    prl_session_destroy(&(*talk)->session);
    prl_events_destroy(&(*talk)->events);
    prl_api_session_free(&(*talk)->object);
    prl_mem_free(*talk);
    *talk = NULL;
}

const char *prl_talk_id(const struct prl_talk *talk)
{
    return talk->object.id;
}

const struct prl_credential *prl_talk_maker(const struct prl_talk *talk)
{
    return &talk->maker;
}

struct prl_session *prl_talk_session(struct prl_talk *talk)
{
    return talk->session;
}

void prl_talk_tap(struct prl_talk *talk, prl_session_fn fn, void *arg)
{
    talk->tap = fn;
    talk->tap_arg = arg;
}

// ---- coming back ----

// A token is offered as soon as the client has asked for one, and withdrawn with the wish.
static void offer_token(struct prl_talk *talk)
{
    static const char hex[] = "0123456789abcdef";
    if (!talk->object.resume)
        talk->token_hash[0] = '\0';
    if (!talk->object.resume || talk->token_hash[0] || talk->resume_us == 0)
        return;
    uint8_t noise[TOKEN_BYTES];
    char token[PRL_TALK_TOKEN_SIZE] = "";
    PRL_CHECK(getrandom(noise, sizeof(noise), 0) == (ssize_t)sizeof(noise));
    size_t len = 0;
    if (talk->digit)
        token[len++] = talk->digit;
    for (size_t i = 0; i < sizeof(noise); i++) {
        token[len++] = hex[noise[i] >> 4];
        token[len++] = hex[noise[i] & 15];
    }
    if (prl_hash_bytes(token, len, talk->token_hash) == PRL_OK)
        prl_events_resume(talk->events, token, talk->resume_us / SECOND_US, talk->resumed);
    else
        talk->token_hash[0] = '\0';
    explicit_bzero(noise, sizeof(noise));
    explicit_bzero(token, sizeof(token));
}

bool prl_talk_token_is(const struct prl_talk *talk, const char hash[PRL_HASH_TEXT_SIZE])
{
    return prl_credential_same(talk->token_hash, hash) && talk->token_hash[0];
}

bool prl_talk_frozen(const struct prl_talk *talk)
{
    return talk->frozen;
}

static struct prl_talk_channel *new_channel(enum prl_talk_role role, const struct prl_talk_ops *ops,
                                            void *arg)
{
    struct prl_talk_channel *channel = prl_mem_zalloc(sizeof(*channel));
    if (!channel)
        return NULL;
    *channel = (struct prl_talk_channel){.role = role, .ops = ops, .arg = arg};
    prl_message_init(&channel->message);
    return channel;
}

static void link_channel(struct prl_talk *talk, struct prl_talk_channel *channel)
{
    channel->talk = talk;
    channel->next = talk->channels;
    talk->channels = channel;
}

enum prl_err prl_talk_return(struct prl_talk *talk, struct prl_talk_channel **out,
                             enum prl_api_dialect dialect, bool track,
                             const struct prl_talk_ops *ops, void *arg)
{
    *out = new_channel(PRL_TALK_OWNER, ops, arg);
    if (!*out)
        return PRL_ERR_NOMEM;
    end_all(talk, PRL_TALK_CLOSE_RESUMED, "the client came back on another connection");
    talk->track = track;
    prl_events_shape(talk->events, dialect, track);
    prl_session_back(talk->session);
    talk->frozen = false;
    talk->resumed = true;
    talk->token_hash[0] = '\0';
    link_channel(talk, *out);
    return PRL_OK;
}

// ---- channels ----

enum prl_err prl_talk_attach(struct prl_talk *talk, struct prl_talk_channel **out,
                             enum prl_talk_role role, const struct prl_talk_ops *ops, void *arg)
{
    size_t count = 0;
    *out = NULL;
    for (const struct prl_talk_channel *other = talk->channels; other; other = other->next)
        count += other->role == role;
    if (count >= (role == PRL_TALK_OWNER ? 1 : PRL_TALK_OBSERVERS_MAX))
        return PRL_ERR_LIMIT;
    *out = new_channel(role, ops, arg);
    if (!*out)
        return PRL_ERR_NOMEM;
    link_channel(talk, *out);
    return PRL_OK;
}

void prl_talk_greet(struct prl_talk_channel *channel)
{
    struct prl_talk *talk = channel->talk;
    if (!talk)
        return;
    talk->greeted = channel;
    prl_events_session(talk->events, true);
    talk->greeted = NULL;
    if (channel->role != PRL_TALK_OWNER)
        return;
    talk->token_hash[0] = '\0';
    offer_token(talk);
}

void prl_talk_detach(struct prl_talk_channel **channel, bool resumable, const char *why)
{
    struct prl_talk_channel *gone = *channel;
    *channel = NULL;
    if (!gone)
        return;
    struct prl_talk *talk = gone->talk;
    bool owner = gone->role == PRL_TALK_OWNER;
    if (talk)
        unlink_channel(gone);
    if (talk && owner) {
        freeze(talk);
        let_go(gone);
    }
    prl_json_free(&gone->held);
    prl_mem_free(gone);
    if (!talk || !owner)
        return;
    bool waits = resumable && talk->token_hash[0] && !talk->broken;
    end_all(talk, PRL_TALK_CLOSE_NORMAL, why);
    talk->left(talk->arg, talk, waits);
}

// ---- events in ----

// Gives the session as much of the decoded sound as it takes; true when all is gone.
static bool feed_sound(struct prl_talk_channel *channel)
{
    struct prl_talk *talk = channel->talk;
    const struct prl_str *audio = &channel->message.audio;
    enum prl_api_format format = talk->object.input_format;
    size_t width = format == PRL_API_PCM ? sizeof(int16_t) : 1;
    while (channel->fed < audio->len) {
        int16_t pcm[FEED_SAMPLES];
        size_t count = (audio->len - channel->fed) / width;
        if (count > FEED_SAMPLES)
            count = FEED_SAMPLES;
        const uint8_t *from = (const uint8_t *)audio->data + channel->fed;
        if (format == PRL_API_PCM)
            memcpy(pcm, from, count * width); // little endian, as we are
        else if (format == PRL_API_PCMU)
            prl_g711_ulaw_decode_all(pcm, from, count);
        else
            prl_g711_alaw_decode_all(pcm, from, count);
        enum prl_err err =
            prl_session_append(talk->session, pcm, count, format == PRL_API_PCM ? PCM_HZ : G711_HZ);
        if (err == PRL_ERR_FULL)
            return false;
        if (err) {
            prl_events_error(
                talk->events, err == PRL_ERR_LIMIT ? "input_audio_buffer_full" : "server_error",
                "audio",
                err == PRL_ERR_LIMIT ? "The input audio buffer is full: commit or clear it."
                                     : "The audio could not be taken.",
                *channel->event_id ? channel->event_id : NULL);
            return true;
        }
        channel->fed += count * width;
    }
    return true;
}

static void finish_message(struct prl_talk_channel *channel)
{
    prl_message_reset(&channel->message);
    channel->fed = 0;
}

static bool run_request(struct prl_talk *talk, const struct prl_json *root)
{
    struct prl_request_target target = {.object = &talk->object,
                                        .session = talk->session,
                                        .events = talk->events,
                                        .base = &talk->base,
                                        .track = talk->track};
    return prl_request_run(&target, root);
}

// True when what the channel waited for is done.
static bool go_on(struct prl_talk_channel *channel)
{
    struct prl_talk *talk = channel->talk;
    if (!channel->held)
        return feed_sound(channel);
    if (prl_session_input_waits(talk->session))
        return false;
    talk->asker = channel;
    (void)run_request(talk, channel->held);
    talk->asker = NULL;
    prl_json_free(&channel->held);
    offer_token(talk);
    return true;
}

static void on_room(void *arg)
{
    struct prl_talk *talk = arg;
    for (struct prl_talk_channel *channel = talk->channels; channel; channel = channel->next) {
        if (!channel->feeding || channel->ended || !go_on(channel))
            continue;
        channel->feeding = false;
        finish_message(channel);
        channel->ops->pause(channel->arg, false);
    }
}

static void message_problem(const struct prl_talk_channel *channel)
{
    const struct prl_message *message = &channel->message;
    struct prl_events *events = channel->talk->events;
    if (message->err == PRL_ERR_NOMEM)
        prl_events_error(events, "server_error", NULL, "out of memory", NULL);
    else if (!message->audio_problem)
        prl_events_error(events, "message_too_large", NULL,
                         "The event is larger than 1 MiB beside its audio.", NULL);
    else if (message->err == PRL_ERR_LIMIT)
        prl_events_error(events, "invalid_value", "audio",
                         "The audio is larger than the limit of 15 MiB of base64.", NULL);
    else
        prl_events_error(events, "invalid_value", "audio", "The audio is not valid base64.", NULL);
}

static void take_append(struct prl_talk_channel *channel, const struct prl_json *root)
{
    struct prl_talk *talk = channel->talk;
    const char *event_id = prl_json_string(prl_json_get(root, "event_id"), "");
    (void)prl_str_copy(channel->event_id, sizeof(channel->event_id), event_id);
    if (talk->object.input_format == PRL_API_PCM && channel->message.audio.len % 2 != 0) {
        prl_events_error(talk->events, "invalid_value", "audio",
                         "Invalid audio: 16-bit PCM needs an even number of bytes.",
                         *event_id ? event_id : NULL);
        return;
    }
    channel->feeding = !feed_sound(channel);
    if (channel->feeding)
        channel->ops->pause(channel->arg, true);
}

// A commit takes all sound that came before it, so it waits until the session has looked at that. What is
// spoken over RTP is never ahead of it, and its channel has no pause.
static bool hold_commit(struct prl_talk_channel *channel, struct prl_json **root)
{
    const char *type = prl_json_string(prl_json_get(*root, "type"), "");
    if (strcmp(type, "input_audio_buffer.commit") != 0 || !channel->ops->pause ||
        !prl_session_input_waits(channel->talk->session))
        return false;
    channel->held = *root;
    *root = NULL;
    channel->feeding = true;
    channel->ops->pause(channel->arg, true);
    prl_session_input_hurry(channel->talk->session);
    return true;
}

static void run_message(struct prl_talk_channel *channel)
{
    struct prl_talk *talk = channel->talk;
    prl_message_end(&channel->message);
    if (channel->message.err) {
        message_problem(channel);
        return;
    }
    struct prl_json *root;
    char problem[200];
    enum prl_err err = prl_json_parse(&root, prl_str_text(&channel->message.text),
                                      channel->message.text.len, problem, sizeof(problem));
    if (err) {
        prl_events_error(talk->events, err == PRL_ERR_NOMEM ? "server_error" : "invalid_json", NULL,
                         problem, NULL);
        return;
    }
    if (!hold_commit(channel, &root) && run_request(talk, root))
        take_append(channel, root);
    prl_json_free(&root);
    offer_token(talk);
}

void prl_talk_input(struct prl_talk_channel *channel, const char *data, size_t len, bool first,
                    bool last)
{
    struct prl_talk *talk = channel->talk;
    if (!talk || channel->ended)
        return;
    if (first && !channel->feeding)
        finish_message(channel);
    prl_message_add(&channel->message, data, len);
    if (!last)
        return;
    talk->asker = channel;
    run_message(channel);
    talk->asker = NULL;
    if (!channel->feeding)
        finish_message(channel);
}

void prl_talk_binary(struct prl_talk_channel *channel)
{
    struct prl_talk *talk = channel->talk;
    if (!talk || channel->ended)
        return;
    talk->asker = channel;
    prl_events_error(talk->events, "invalid_message_type", NULL,
                     "Binary frames are not part of the protocol: send JSON text, with audio as "
                     "base64 in input_audio_buffer.append.",
                     NULL);
    talk->asker = NULL;
}
