// ws_line.c -- a line over a WebSocket, as line.h wants it: sound in real time as JSON messages.
//
// Events are not parsed into trees: the server writes the type first, and a load client for hundreds
// of conversations needs of the rest only the sound and the status.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/str.h"
#include "client/line.h"
#include "net/loop.h"
#include "net/wsc.h"

enum {
    RATE_HZ = 24000,
    URL_SIZE = 300,
    BEARER_SIZE = 300,
    TEXT_MAX = 64 << 10,
    CHUNK_SAMPLES_MAX = RATE_HZ / 1000 * 200,
    PIECE_CHARS = 2560, // of base64: 40 ms of sound
    CLOSE_NORMAL = 1000
};

struct prl_line_group {
    struct prl_line_group_conf conf;
    char url[URL_SIZE];
    char bearer[BEARER_SIZE];
    size_t chunk_samples;
    struct prl_str silence; // owned: the message for a chunk of silence
    struct prl_str message; // owned: any other
};

struct line {
    // Set once.
    struct prl_line_conf conf;
    // Owned.
    struct prl_wsc *client;
    struct prl_timer *timer;
    struct prl_talker *talker;
    // State.
    int64_t created_us;
    int64_t start_us; // when the first sample was captured
    uint64_t sent;    // samples
    bool open;
    bool ending;
    bool fresh; // the next sound is a response's first
    struct prl_line_result result;
};

static void on_open(void *arg, const char *subprotocol);
static void on_text(void *arg, const char *data, size_t len);
static void on_close(void *arg, uint16_t code, const char *reason);
static const struct prl_wsc_ops ops = {
    .on_open = on_open, .on_text = on_text, .on_close = on_close};

// ---- group ----

static void write_append(struct prl_str *out, const int16_t *pcm, size_t samples)
{
    struct prl_json_write json;
    prl_str_clear(out);
    prl_json_write_init(&json, out);
    prl_json_write_object(&json, NULL);
    prl_json_write_string(&json, "type", "input_audio_buffer.append");
    prl_json_write_base64(&json, "audio", pcm, samples * sizeof(*pcm));
    prl_json_write_end_object(&json);
}

static void close_group(struct prl_line_group **group)
{
    if (!*group)
        return;
    prl_str_free(&(*group)->silence);
    prl_str_free(&(*group)->message);
    prl_mem_free(*group);
    *group = NULL;
}

static enum prl_err open_group(struct prl_line_group **out, const struct prl_line_group_conf *conf)
{
    *out = NULL;
    bool tls = strncmp(conf->url, "https://", 8) == 0;
    if (!tls && strncmp(conf->url, "http://", 7) != 0)
        return PRL_ERR_INVALID;
    struct prl_line_group *group = prl_mem_zalloc(sizeof(*group));
    if (!group)
        return PRL_ERR_NOMEM;
    group->conf = *conf;
    prl_str_init(&group->silence, TEXT_MAX);
    prl_str_init(&group->message, TEXT_MAX);
    snprintf(group->url, sizeof(group->url), "ws%s/v1/realtime?model=parley", conf->url + 4);
    snprintf(group->bearer, sizeof(group->bearer), "Bearer %.280s", conf->key ? conf->key : "");
    group->chunk_samples = (size_t)RATE_HZ / 1000 * conf->chunk_ms;
    PRL_CHECK(group->chunk_samples <= CHUNK_SAMPLES_MAX);
    static const int16_t zeros[CHUNK_SAMPLES_MAX];
    write_append(&group->silence, zeros, group->chunk_samples);
    if (group->silence.err)
        close_group(&group);
    *out = group;
    return group ? PRL_OK : PRL_ERR_NOMEM;
}

// ---- one line ----

static void finish(struct line *line, enum prl_line_outcome outcome, const char *why)
{
    if (line->result.outcome != PRL_LINE_OPEN)
        return;
    line->result.outcome = outcome;
    if (*why)
        (void)prl_str_copy(line->result.why, sizeof(line->result.why), why);
    prl_timer_stop(line->timer);
    if (line->open)
        prl_wsc_close(line->client, CLOSE_NORMAL, ""); // on_close tells
    else
        line->conf.done(line->conf.arg);
}

static enum prl_err send(struct line *line, const struct prl_str *text)
{
    enum prl_err err = text->err;
    if (!err)
        err = prl_wsc_send_text(line->client, text->data, text->len);
    if (err && err != PRL_ERR_CANCELED)
        finish(line, PRL_LINE_BROKEN, "the server does not take the sound as fast as it is spoken");
    return err;
}

static void send_session(struct line *line)
{
    struct prl_str *out = &line->conf.group->message;
    struct prl_json_write json;
    prl_str_clear(out);
    prl_json_write_init(&json, out);
    prl_json_write_object(&json, NULL);
    prl_json_write_string(&json, "type", "session.update");
    prl_json_write_object(&json, "session");
    prl_json_write_string(&json, "type", "realtime");
    prl_json_write_object(&json, "parley");
    prl_json_write_bool(&json, "latency", true);
    prl_json_write_end_object(&json);
    prl_json_write_object(&json, "audio");
    prl_json_write_object(&json, "input");
    prl_json_write_object(&json, "turn_detection");
    prl_json_write_string(&json, "type", line->conf.semantic ? "semantic_vad" : "server_vad");
    prl_json_write_end_object(&json);
    prl_json_write_end_object(&json);
    prl_json_write_end_object(&json);
    prl_json_write_end_object(&json);
    prl_json_write_end_object(&json);
    (void)send(line, out);
}

static int64_t sample_us(const struct line *line, uint64_t sample)
{
    return line->start_us + (int64_t)(sample * 1000 / (RATE_HZ / 1000));
}

// A chunk leaves when its last sample has been captured.
static void start_timer(struct line *line)
{
    prl_timer_start(line->timer, sample_us(line, line->sent + line->conf.group->chunk_samples));
}

static void on_chunk(void *arg)
{
    struct line *line = arg;
    struct prl_line_group *group = line->conf.group;
    int16_t chunk[CHUNK_SAMPLES_MAX];
    bool silent =
        prl_talker_say(line->talker, sample_us(line, line->sent), chunk, group->chunk_samples);
    if (prl_talker_done(line->talker)) {
        finish(line, PRL_LINE_FINISHED, "");
        return;
    }
    if (!silent)
        write_append(&group->message, chunk, group->chunk_samples);
    line->sent += group->chunk_samples;
    if (send(line, silent ? &group->silence : &group->message) == PRL_OK)
        start_timer(line);
}

static void on_open(void *arg, const char *subprotocol)
{
    (void)subprotocol;
    struct line *line = arg;
    line->open = true;
    line->start_us = prl_clock_now_us();
    line->result.connect_us = line->start_us - line->created_us;
    send_session(line);
    start_timer(line);
    line->conf.opened(line->conf.arg);
}

// The text behind `"key":"`, up to its quotation mark; NULL: there is none.
static const char *find_text(const char *data, size_t len, const char *key, size_t *size)
{
    size_t key_len = strlen(key);
    const char *at = memmem(data, len, key, key_len);
    if (!at)
        return NULL;
    at += key_len;
    const char *end = memchr(at, '"', len - (size_t)(at - data));
    *size = end ? (size_t)(end - at) : 0;
    return end ? at : NULL;
}

static void on_sound(struct line *line, const char *data, size_t len)
{
    size_t size;
    const char *text = find_text(data, len, "\"delta\":\"", &size);
    int64_t now_us = prl_clock_now_us();
    struct prl_base64 state = {0};
    while (text && size > 0) {
        union {
            uint8_t bytes[PIECE_CHARS];
            int16_t pcm[PIECE_CHARS / 2];
        } sound;
        size_t chars = size < PIECE_CHARS ? size : PIECE_CHARS;
        size_t bytes;
        if (prl_base64_decode(&state, text, chars, sound.bytes, &bytes) != PRL_OK) {
            line->result.errors++;
            return;
        }
        prl_talker_hear(line->talker, sound.pcm, bytes / 2, line->fresh, now_us);
        line->fresh = false;
        text += chars;
        size -= chars;
    }
}

static void on_response_done(struct line *line, const char *data, size_t len)
{
    static const char completed[] = "\"status\":\"completed\"";
    if (!memmem(data, len, completed, sizeof(completed) - 1)) {
        line->result.errors++;
        if (!line->result.why[0])
            snprintf(line->result.why, sizeof(line->result.why), "%.*s",
                     (int)(len < 180 ? len : 180), data);
    }
    prl_talker_answered(line->talker, prl_clock_now_us());
}

static void on_text(void *arg, const char *data, size_t len)
{
    struct line *line = arg;
    static const char head[] = "{\"type\":\"";
    if (line->result.outcome != PRL_LINE_OPEN || len < sizeof(head))
        return;
    size_t size;
    const char *type = find_text(data, len < 200 ? len : 200, head, &size);
    if (!type)
        return;
    if (size == 27 && memcmp(type, "response.output_audio.delta", size) == 0)
        on_sound(line, data, len);
    else if (size == 16 && memcmp(type, "response.created", size) == 0)
        line->fresh = true;
    else if (size == 13 && memcmp(type, "response.done", size) == 0)
        on_response_done(line, data, len);
    else if (size == 5 && memcmp(type, "error", size) == 0) {
        line->result.errors++;
        snprintf(line->result.why, sizeof(line->result.why), "%.*s", (int)(len < 180 ? len : 180),
                 data);
    } else {
        prl_talker_event(line->talker, data, line->start_us); // the message is terminated
    }
}

static void on_close(void *arg, uint16_t code, const char *reason)
{
    struct line *line = arg;
    bool was_open = line->open;
    line->open = false;
    if (line->result.outcome != PRL_LINE_OPEN) { // hung up by us
        if (was_open)
            line->conf.done(line->conf.arg);
        return;
    }
    if (!was_open)
        line->result.connect_us = prl_clock_now_us() - line->created_us;
    bool refused = code == 0 && strncmp(reason, "HTTP 429", 8) == 0;
    char why[PRL_LINE_WHY_SIZE];
    snprintf(why, sizeof(why), "%.180s (%u)", *reason ? reason : "closed", code);
    finish(line, refused ? PRL_LINE_REFUSED : PRL_LINE_BROKEN, why);
}

static void destroy(void **out)
{
    struct line *line = *out;
    if (!line)
        return;
    prl_wsc_destroy(&line->client);
    prl_timer_destroy(&line->timer);
    prl_talker_destroy(&line->talker);
    prl_mem_free(line);
    *out = NULL;
}

static enum prl_err create(void **out, const struct prl_line_conf *conf)
{
    struct line *line = prl_mem_zalloc(sizeof(*line));
    *out = line;
    if (!line)
        return PRL_ERR_NOMEM;
    line->conf = *conf;
    line->conf.talker.say_hz = RATE_HZ;
    line->conf.talker.hear_hz = RATE_HZ;
    line->created_us = prl_clock_now_us();
    const struct prl_line_group *group = conf->group;
    struct prl_http_header header = {"Authorization", group->bearer};
    struct prl_wsc_conf client = {.url = group->url,
                                  .headers = &header,
                                  .header_count = group->conf.key ? 1 : 0,
                                  .subprotocols = "realtime",
                                  .insecure = true,
                                  .ops = &ops,
                                  .arg = line};
    enum prl_err err = prl_talker_create(&line->talker, &line->conf.talker);
    if (!err)
        err = prl_timer_create(&line->timer, group->conf.loop, "load", on_chunk, line);
    if (!err)
        err = prl_wsc_create(&line->client, group->conf.loop, &client);
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
    prl_talker_result(line->talker, &out->talk);
}

const struct prl_line_ops prl_ws_line = {
    .name = "websocket",
    .open_group = open_group,
    .close_group = close_group,
    .create = create,
    .destroy = destroy,
    .end = end,
    .result = result,
};
