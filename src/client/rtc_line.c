// rtc_line.c -- a line over WebRTC, as line.h wants it: a call, its sound as Opus, its events by data
// channel. The call is made with POST /v1/realtime/calls, as multipart with the session.
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "client/line.h"
#include "client/rtc_wire.h"
#include "media/opus.h"
#include "net/fetch.h"
#include "net/loop.h"
#include "rtc/rtc.h"
#include "rtc/sctp.h"

enum {
    RATE_HZ = PRL_OPUS_IN_HZ,
    FRAME_US = 20000,
    RTP_HZ = 48000,
    URL_SIZE = 300,
    BODY_MAX = 16 << 10,
    PORT_CAPACITY = 8192,
    QUIET_FRAMES = 15,        // encoded silence behind speech; then the ready-made packet serves
    PACING_MAX = 50 * 60 * 5, // packets whose pacing is kept: five minutes of sound
    SPURT_GAP_US = 200000,
    REPORT_FRAMES = 50,
    ANSWER_S = 60,
};

#define BOUNDARY "parley-bench-0123456789"

struct prl_line_group {
    struct prl_line_group_conf conf;
    char url[URL_SIZE];
    // Owned.
    struct prl_fetch *fetch;
    struct prl_dtls_cert *cert;
    struct prl_sctp *sctp;
    struct prl_port *port;
    struct line *lines; // by `next`, not owned
    uint64_t ids;
    uint8_t silence[PRL_OPUS_PACKET_MAX];
    size_t silence_size;
};

struct line {
    // Set once.
    struct prl_line_conf conf;
    uint64_t id;
    struct line *next;
    // Owned.
    struct prl_fetch_request *request;
    struct prl_str answer; // SDP
    struct prl_rtc_wire *wire;
    struct prl_sctp_handle sctp;
    struct prl_timer *timer; // the next frame
    struct prl_opus_encoder *encoder;
    struct prl_opus_decoder *decoder;
    struct prl_talker *talker;
    int32_t *pacing; // PACING_MAX
    // State.
    int64_t created_us, start_us;
    uint64_t frames;
    uint32_t quiet; // frames of silence in a row
    bool open;
    char message[512]; // beginning of the event that arrives
    size_t message_len;
    // Of the stretch of sound that arrives.
    bool spurt;
    uint16_t seq;
    int64_t arrival_us, first_us, least_us;
    uint32_t first_timestamp;
    size_t spurt_at; // of pacing
    struct prl_line_result result;
};

// ---- group ----

static void on_sctp(void *arg, struct prl_msg *msg);

static enum prl_err make_silence(struct prl_line_group *group)
{
    struct prl_opus_encoder *encoder;
    struct prl_opus_tuning tuning = {.bitrate_bps = 24000, .complexity = 0};
    enum prl_err err = prl_opus_encoder_create(&encoder, &tuning);
    if (err)
        return err;
    static const int16_t zeros[PRL_OPUS_IN_SAMPLES];
    for (int i = 0; i < QUIET_FRAMES; i++)
        group->silence_size =
            prl_opus_encode(encoder, zeros, group->silence, sizeof(group->silence));
    prl_opus_encoder_destroy(&encoder);
    return group->silence_size ? PRL_OK : PRL_ERR_ENGINE;
}

static void close_group(struct prl_line_group **group)
{
    if (!*group)
        return;
    prl_fetch_destroy(&(*group)->fetch);
    if ((*group)->port) {
        prl_port_close((*group)->port);
        if ((*group)->sctp)
            prl_sctp_detach((*group)->sctp, (*group)->port);
    }
    prl_sctp_destroy(&(*group)->sctp);
    if ((*group)->port)
        prl_port_destroy(&(*group)->port);
    prl_dtls_cert_destroy(&(*group)->cert);
    prl_mem_free(*group);
    *group = NULL;
}

static enum prl_err open_group(struct prl_line_group **out, const struct prl_line_group_conf *conf)
{
    struct prl_line_group *group = prl_mem_zalloc(sizeof(*group));
    *out = group;
    if (!group)
        return PRL_ERR_NOMEM;
    group->conf = *conf;
    snprintf(group->url, sizeof(group->url), "%s/v1/realtime/calls", conf->url);
    struct prl_fetch_conf fetch = {.insecure = true};
    enum prl_err err = make_silence(group);
    if (!err)
        err = prl_dtls_cert_create(&group->cert);
    if (!err)
        err = prl_fetch_create(&group->fetch, conf->loop, &fetch);
    if (!err)
        err = prl_sctp_create(&group->sctp, PRL_SCTP_ASSOCIATIONS_MAX);
    if (!err)
        err = prl_port_open(&group->port, conf->loop, PORT_CAPACITY, on_sctp, group);
    if (err)
        close_group(out);
    return err;
}

// ---- ends ----

static void finish(struct line *line, enum prl_line_outcome outcome, const char *why)
{
    if (line->result.outcome != PRL_LINE_OPEN)
        return;
    line->result.outcome = outcome;
    if (*why)
        (void)prl_str_copy(line->result.why, sizeof(line->result.why), why);
    prl_timer_stop(line->timer);
    prl_fetch_cancel(&line->request);
    line->conf.done(line->conf.arg);
}

// ---- the call ----

static void on_sdp(void *arg, const char *data, size_t len)
{
    struct line *line = arg;
    (void)prl_str_add(&line->answer, data, len);
}

static void on_answer(void *arg, const struct prl_fetch_end *end)
{
    struct line *line = arg;
    line->request = NULL;
    char why[PRL_RTC_WHY_SIZE];
    if (end->failure != PRL_FETCH_OK) {
        line->result.connect_us = prl_clock_now_us() - line->created_us;
        snprintf(why, sizeof(why), "%.150s", end->why);
        finish(line, end->status == 429 ? PRL_LINE_REFUSED : PRL_LINE_BROKEN, why);
        return;
    }
    (void)prl_str_copy(why, sizeof(why), "the answer is too long");
    enum prl_err err = line->answer.err;
    if (!err)
        err = prl_rtc_wire_answer(line->wire, line->answer.data, line->answer.len, why);
    if (err)
        finish(line, PRL_LINE_BROKEN, why);
}

static const struct prl_fetch_ops fetch_ops = {.on_data = on_sdp, .on_end = on_answer};

static enum prl_err write_call(const struct line *line, struct prl_str *body)
{
    (void)prl_str_adds(body, "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"sdp\"\r\n"
                             "Content-Type: application/sdp\r\n\r\n");
    (void)!prl_rtc_wire_offer(line->wire, body);
    (void)prl_str_addf(body,
                       "\r\n--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"session\"\r\n"
                       "Content-Type: application/json\r\n\r\n{\"type\":\"realtime\","
                       "\"parley\":{\"latency\":true},\"audio\":"
                       "{\"input\":{\"turn_detection\":{\"type\":\"%s\"}}}}\r\n--" BOUNDARY
                       "--\r\n",
                       line->conf.semantic ? "semantic_vad" : "server_vad");
    return body->err;
}

static enum prl_err make_call(struct line *line)
{
    struct prl_line_group *group = line->conf.group;
    struct prl_str body;
    prl_str_init(&body, BODY_MAX);
    enum prl_err err = write_call(line, &body);
    struct prl_fetch_ask ask = {.method = "POST",
                                .url = group->url,
                                .bearer = group->conf.key,
                                .content_type = "multipart/form-data; boundary=" BOUNDARY,
                                .body = body.data,
                                .body_size = body.len,
                                .limits = {.connect_ms = ANSWER_S * 1000,
                                           .first_byte_ms = ANSWER_S * 1000,
                                           .gap_ms = ANSWER_S * 1000,
                                           .total_ms = 2 * ANSWER_S * 1000},
                                .ops = &fetch_ops,
                                .arg = line};
    if (!err)
        err = prl_fetch_start(group->fetch, &ask, &line->request);
    prl_str_free(&body);
    return err;
}

// ---- sound out ----

static void start_timer(struct line *line)
{
    prl_timer_start(line->timer, line->start_us + (int64_t)(line->frames + 1) * FRAME_US);
}

// A frame leaves when its last sample has been captured.
static void on_frame(void *arg)
{
    struct line *line = arg;
    struct prl_line_group *group = line->conf.group;
    int16_t pcm[PRL_OPUS_IN_SAMPLES];
    int64_t from_us = line->start_us + (int64_t)line->frames * FRAME_US;
    bool silent = prl_talker_say(line->talker, from_us, pcm, PRL_OPUS_IN_SAMPLES);
    if (prl_talker_done(line->talker)) {
        finish(line, PRL_LINE_FINISHED, "");
        return;
    }
    line->frames++;
    line->quiet = silent ? line->quiet + 1 : 0;
    if (line->quiet > QUIET_FRAMES) {
        prl_rtc_wire_send_audio(line->wire, group->silence, group->silence_size);
    } else {
        uint8_t packet[PRL_OPUS_PACKET_MAX];
        size_t size = prl_opus_encode(line->encoder, pcm, packet, PRL_RTC_WIRE_FRAME_MAX);
        prl_rtc_wire_send_audio(line->wire, packet, size);
    }
    if (line->frames % REPORT_FRAMES == 0)
        prl_rtc_wire_report(line->wire);
    start_timer(line);
}

// ---- sound in ----

// How late each packet of the spurt was, its earliest one being on time.
static void end_spurt(struct line *line)
{
    for (size_t i = line->spurt_at; i < line->result.pacing_count; i++)
        line->pacing[i] -= (int32_t)line->least_us;
    line->spurt_at = line->result.pacing_count;
    line->spurt = false;
}

static void note_pacing(struct line *line, const struct prl_rtp_packet *packet, int64_t arrival_us)
{
    bool fresh = !line->spurt || packet->marker || arrival_us - line->arrival_us > SPURT_GAP_US;
    if (fresh) {
        end_spurt(line);
        line->spurt = true;
        line->first_us = arrival_us;
        line->first_timestamp = packet->timestamp;
        line->least_us = 0;
    } else {
        line->result.lost += (uint16_t)(packet->seq - line->seq - 1);
    }
    line->arrival_us = arrival_us;
    line->seq = packet->seq;
    int64_t media_us =
        (int64_t)(packet->timestamp - line->first_timestamp) * 1000 / (RTP_HZ / 1000);
    int64_t late_us = arrival_us - line->first_us - media_us;
    if (late_us < line->least_us)
        line->least_us = late_us;
    if (line->result.pacing_count < PACING_MAX)
        line->pacing[line->result.pacing_count++] = (int32_t)late_us;
}

static void on_packet(void *arg, const struct prl_rtp_packet *packet, int64_t arrival_us)
{
    struct line *line = arg;
    int16_t pcm[PRL_OPUS_OUT_SAMPLES_MAX];
    if (line->result.outcome != PRL_LINE_OPEN)
        return;
    bool fresh = !line->spurt || packet->marker || arrival_us - line->arrival_us > SPURT_GAP_US;
    note_pacing(line, packet, arrival_us);
    line->result.packets++;
    size_t samples = prl_opus_decode(line->decoder, packet->payload, packet->payload_size, pcm);
    prl_talker_hear(line->talker, pcm, samples, fresh, arrival_us);
}

// ---- events ----

static bool is_type(const struct line *line, const char *type)
{
    static const char head[] = "{\"type\":\"";
    size_t len = strlen(type);
    return line->message_len > sizeof(head) + len &&
           memcmp(line->message, head, sizeof(head) - 1) == 0 &&
           memcmp(line->message + sizeof(head) - 1, type, len) == 0 &&
           line->message[sizeof(head) - 1 + len] == '"';
}

// The beginning of an event, which holds its type, the status of a response and when a turn ended.
static void on_event(struct line *line)
{
    line->message[line->message_len] = '\0';
    bool failed =
        is_type(line, "response.done") && !strstr(line->message, "\"status\":\"completed\"");
    if (failed || is_type(line, "error")) {
        line->result.errors++;
        (void)prl_str_copy(line->result.why, 180, line->message);
    }
    prl_talker_event(line->talker, line->message, line->start_us);
    // A response that was cut has no sound to wait for.
    if (failed || is_type(line, "output_audio_buffer.stopped"))
        prl_talker_answered(line->talker, prl_clock_now_us());
}

static void on_message(struct line *line, const struct prl_sctp_event *event)
{
    if (event->first)
        line->message_len = 0;
    size_t room = sizeof(line->message) - 1 - line->message_len;
    size_t size = event->size < room ? event->size : room;
    memcpy(line->message + line->message_len, event->data, size);
    line->message_len += size;
    if (event->last)
        on_event(line);
}

static void on_channel(struct line *line)
{
    if (line->open)
        return;
    line->open = true;
    line->start_us = prl_clock_now_us();
    line->result.connect_us = line->start_us - line->created_us;
    start_timer(line);
    line->conf.opened(line->conf.arg);
}

static void on_sctp(void *arg, struct prl_msg *msg)
{
    struct prl_line_group *group = arg;
    struct prl_sctp_event event;
    prl_sctp_event_read(msg, &event);
    struct line *line = group->lines;
    while (line && (line->id != event.id || !prl_sctp_same(line->sctp, event.handle)))
        line = line->next;
    if (line && event.type == PRL_SCTP_PACKET)
        prl_rtc_wire_send_data(line->wire, event.data, event.size);
    else if (line && line->result.outcome == PRL_LINE_OPEN) {
        if (event.type == PRL_SCTP_CHANNEL_OPEN)
            on_channel(line);
        else if (event.type == PRL_SCTP_MESSAGE)
            on_message(line, &event);
        else if (event.type == PRL_SCTP_CLOSED)
            finish(line, PRL_LINE_BROKEN, "the data channel ended");
    }
    prl_msg_free(msg);
}

static void on_connected(void *arg)
{
    struct line *line = arg;
    struct prl_line_group *group = line->conf.group;
    struct prl_sctp_peer_conf peer = {
        .port = group->port, .id = line->id, .remote_port = PRL_SCTP_PORT};
    enum prl_err err = prl_sctp_open(group->sctp, &peer, &line->sctp);
    if (!err) // RFC 8832 §6: the client of DTLS uses even streams
        err =
            prl_sctp_open_channel(group->sctp, line->sctp,
                                  prl_rtc_wire_is_dtls_client(line->wire) ? 0 : 1, PRL_SCTP_LABEL);
    if (err)
        finish(line, PRL_LINE_BROKEN, "no data channel");
}

static void on_data(void *arg, const uint8_t *data, size_t size)
{
    struct line *line = arg;
    (void)!prl_sctp_input(line->conf.group->sctp, line->sctp, data, size); // SCTP repairs it
}

static void on_closed(void *arg, const char *why)
{
    finish(arg, PRL_LINE_BROKEN, why);
}

static const struct prl_rtc_wire_ops wire_ops = {
    .connected = on_connected, .packet = on_packet, .data = on_data, .closed = on_closed};

// ---- life ----

static void destroy(void **out)
{
    struct line *line = *out;
    if (!line)
        return;
    struct prl_line_group *group = line->conf.group;
    struct line **link = &group->lines;
    while (*link && *link != line)
        link = &(*link)->next;
    if (*link)
        *link = line->next;
    prl_fetch_cancel(&line->request);
    if (line->sctp.generation)
        prl_sctp_close(group->sctp, &line->sctp);
    prl_rtc_wire_destroy(&line->wire);
    prl_timer_destroy(&line->timer);
    prl_opus_encoder_destroy(&line->encoder);
    prl_opus_decoder_destroy(&line->decoder);
    prl_talker_destroy(&line->talker);
    prl_str_free(&line->answer);
    prl_mem_free(line->pacing);
    prl_mem_free(line);
    *out = NULL;
}

static enum prl_err create(void **out, const struct prl_line_conf *conf)
{
    struct line *line = prl_mem_zalloc(sizeof(*line));
    *out = line;
    if (!line)
        return PRL_ERR_NOMEM;
    struct prl_line_group *group = conf->group;
    line->conf = *conf;
    line->conf.talker.say_hz = RATE_HZ;
    line->conf.talker.hear_hz = PRL_OPUS_OUT_HZ;
    line->id = ++group->ids;
    line->next = group->lines;
    group->lines = line;
    line->created_us = prl_clock_now_us();
    prl_str_init(&line->answer, BODY_MAX);
    struct prl_opus_tuning tuning = {.bitrate_bps = 24000, .complexity = 0};
    line->pacing = prl_mem_array(PACING_MAX, sizeof(line->pacing[0]));
    enum prl_err err = line->pacing ? PRL_OK : PRL_ERR_NOMEM;
    if (!err)
        err = prl_talker_create(&line->talker, &line->conf.talker);
    if (!err)
        err = prl_opus_encoder_create(&line->encoder, &tuning);
    if (!err)
        err = prl_opus_decoder_create(&line->decoder);
    if (!err)
        err = prl_timer_create(&line->timer, group->conf.loop, "load", on_frame, line);
    if (!err)
        err = prl_rtc_wire_create(&line->wire, group->conf.loop, group->cert, &wire_ops, line);
    if (!err)
        err = make_call(line);
    if (err)
        destroy(out);
    return err;
}

static void end(void *arg)
{
    finish(arg, PRL_LINE_BROKEN, "interrupted");
}

static void result(const void *arg, struct prl_line_result *out)
{
    const struct line *line = arg;
    *out = line->result;
    out->pacing_us = line->pacing;
    out->pacing_count = line->spurt_at; // of stretches that are over
    prl_talker_result(line->talker, &out->talk);
}

const struct prl_line_ops prl_rtc_line = {
    .name = "webrtc",
    .open_group = open_group,
    .close_group = close_group,
    .create = create,
    .destroy = destroy,
    .end = end,
    .result = result,
};
