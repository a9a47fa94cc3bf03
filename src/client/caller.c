// caller.c -- see caller.h.
#include "client/caller.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/ring.h"
#include "net/loop.h"
#include "net/wsc.h"

enum {
    CHUNK_MS = 40,
    CHUNK_SAMPLES = PRL_CALLER_RATE_HZ / 1000 * CHUNK_MS,
    FRAME_SAMPLES = PRL_CALLER_RATE_HZ / 100,
    CLOSE_NORMAL = 1000,
    TEXT_MAX = 256 << 10,
    ANSWER_BYTES_MAX = PRL_CALLER_ANSWER_S * PRL_CALLER_RATE_HZ * 2
};

struct prl_caller {
    struct prl_caller_conf conf;
    struct prl_wsc *client;  // owned
    struct prl_timer *timer; // owned: the next chunk
    struct prl_str buffer;   // of the event being written
    struct prl_str transcript, answer, sound, latency;
    char status[24];
    bool open;
    bool over; // `why` says how; the close handshake may still run
    char why[PRL_CALLER_WHY_SIZE];
    size_t sent; // samples of the recording and the silence behind it
    int64_t start_us;
    size_t speech_end;
    int64_t speech_end_us; // when that sample was sent; 0: not yet
    int64_t first_byte_us, first_text_us;
    int turns;
    bool responding;
};

static void on_open(void *arg, const char *subprotocol);
static void on_text(void *arg, const char *data, size_t len);
static void on_close(void *arg, uint16_t code, const char *reason);
static void on_chunk_due(void *arg);

static const struct prl_wsc_ops ops = {
    .on_open = on_open, .on_text = on_text, .on_close = on_close};

size_t prl_caller_speech_end(const int16_t *pcm, size_t samples)
{
    double loudest = 0;
    for (size_t at = 0; at + FRAME_SAMPLES <= samples; at += FRAME_SAMPLES) {
        double power = 0;
        for (size_t i = 0; i < FRAME_SAMPLES; i++)
            power += (double)pcm[at + i] * pcm[at + i];
        if (power > loudest)
            loudest = power;
    }
    // 30 dB below the loudest 10 ms: above the background of every recording that was looked at,
    // below the end of the quietest words.
    size_t end = 0;
    for (size_t at = 0; at + FRAME_SAMPLES <= samples; at += FRAME_SAMPLES) {
        double power = 0;
        for (size_t i = 0; i < FRAME_SAMPLES; i++)
            power += (double)pcm[at + i] * pcm[at + i];
        if (power > loudest / 1000)
            end = at + FRAME_SAMPLES;
    }
    return end;
}

static void tell_done(struct prl_caller *caller)
{
    caller->conf.done(caller->conf.arg, *caller->why ? caller->why : NULL);
}

// Ends the talk; `why` NULL: all is well. An open connection is closed first, and on_close comes
// when the server has answered, or after the client's limit of 2 s.
static void finish(struct prl_caller *caller, const char *why)
{
    if (caller->over)
        return;
    caller->over = true;
    prl_timer_stop(caller->timer);
    (void)prl_str_copy(caller->why, sizeof(caller->why), why ? why : "");
    if (caller->open)
        prl_wsc_close(caller->client, CLOSE_NORMAL, "");
    else
        tell_done(caller);
}

void prl_caller_end(struct prl_caller *caller)
{
    finish(caller, NULL);
}

static void send_buffer(struct prl_caller *caller)
{
    enum prl_err err = caller->buffer.err;
    if (!err)
        err = prl_wsc_send_text(caller->client, caller->buffer.data, caller->buffer.len);
    if (err && err != PRL_ERR_CANCELED)
        finish(caller, "the server does not take the sound as fast as it is spoken");
}

static struct prl_json_write begin(struct prl_caller *caller, const char *type)
{
    struct prl_json_write json;
    prl_str_clear(&caller->buffer);
    prl_json_write_init(&json, &caller->buffer);
    prl_json_write_object(&json, NULL);
    prl_json_write_string(&json, "type", type);
    return json;
}

static void send_session(struct prl_caller *caller)
{
    const struct prl_caller_conf *conf = &caller->conf;
    struct prl_json_write json = begin(caller, "session.update");
    prl_json_write_object(&json, "session");
    prl_json_write_string(&json, "type", "realtime");
    prl_json_write_array(&json, "output_modalities");
    prl_json_write_string(&json, NULL, conf->text ? "text" : "audio");
    prl_json_write_end_array(&json);
    if (conf->instructions)
        prl_json_write_string(&json, "instructions", conf->instructions);
    prl_json_write_object(&json, "audio");
    prl_json_write_object(&json, "input");
    prl_json_write_object(&json, "transcription");
    prl_json_write_string(&json, "model", "whisper-1");
    if (conf->language)
        prl_json_write_string(&json, "language", conf->language);
    prl_json_write_end_object(&json);
    if (conf->turns) {
        prl_json_write_object(&json, "turn_detection");
        prl_json_write_string(&json, "type", conf->turns);
        prl_json_write_end_object(&json);
    }
    prl_json_write_end_object(&json);
    if (conf->voice) {
        prl_json_write_object(&json, "output");
        prl_json_write_string(&json, "voice", conf->voice);
        prl_json_write_end_object(&json);
    }
    prl_json_write_end_object(&json);
    prl_json_write_object(&json, "parley");
    prl_json_write_bool(&json, "latency", true);
    prl_json_write_end_object(&json);
    prl_json_write_end_object(&json);
    prl_json_write_end_object(&json);
    send_buffer(caller);
}

static void on_open(void *arg, const char *subprotocol)
{
    (void)subprotocol;
    struct prl_caller *caller = arg;
    caller->open = true;
    send_session(caller);
    caller->start_us = prl_clock_now_us();
    if (!caller->over)
        prl_timer_start(caller->timer, caller->start_us);
}

// ---- sound out ----

static void send_sound(struct prl_caller *caller, const int16_t *pcm, size_t samples)
{
    struct prl_json_write json = begin(caller, "input_audio_buffer.append");
    prl_json_write_base64(&json, "audio", pcm, samples * sizeof(*pcm));
    prl_json_write_end_object(&json);
    send_buffer(caller);
}

static void send_recording(struct prl_caller *caller)
{
    int16_t chunk[CHUNK_SAMPLES] = {0};
    for (size_t i = 0; i < CHUNK_SAMPLES && caller->sent + i < caller->conf.samples; i++)
        chunk[i] = caller->conf.pcm[caller->sent + i];
    send_sound(caller, chunk, CHUNK_SAMPLES);
    caller->sent += CHUNK_SAMPLES;
    if (caller->speech_end_us == 0 && caller->sent >= caller->speech_end)
        caller->speech_end_us = prl_clock_now_us();
}

static void on_chunk_due(void *arg)
{
    struct prl_caller *caller = arg;
    int64_t now_us = prl_clock_now_us();
    if (caller->conf.microphone) {
        int16_t chunk[CHUNK_SAMPLES];
        size_t count;
        while ((count = prl_ring_read(caller->conf.microphone, chunk, CHUNK_SAMPLES)) > 0)
            send_sound(caller, chunk, count);
        if (!caller->over)
            prl_timer_start(caller->timer, now_us + CHUNK_MS * 1000 / 2);
        return;
    }
    send_recording(caller);
    int64_t end_us = caller->start_us +
                     (int64_t)(caller->conf.samples * 1000 / PRL_CALLER_RATE_HZ) * 1000 +
                     caller->conf.timeout_us;
    if (now_us > end_us) {
        finish(caller, "no complete answer came in time");
        return;
    }
    int64_t next_us = caller->start_us + (int64_t)(caller->sent * 1000 / PRL_CALLER_RATE_HZ) * 1000;
    if (!caller->over)
        prl_timer_start(caller->timer, next_us);
}

// ---- events in ----

static const char *text_of(const struct prl_json *root, const char *name)
{
    return prl_json_string(prl_json_get(root, name), "");
}

static void on_audio(struct prl_caller *caller, const struct prl_json *root)
{
    const struct prl_json *delta = prl_json_get(root, "delta");
    const char *text = prl_json_string(delta, "");
    size_t len = prl_json_string_len(delta);
    if (!caller->first_byte_us && caller->speech_end_us)
        caller->first_byte_us = prl_clock_now_us();
    if (prl_str_reserve(&caller->sound, len / 4 * 3 + 3) != PRL_OK)
        return; // the answer is longer than we keep; it is still played
    struct prl_base64 state = {0};
    size_t size;
    uint8_t *out = (uint8_t *)caller->sound.data + caller->sound.len;
    if (prl_base64_decode(&state, text, len, out, &size) != PRL_OK)
        return;
    if (caller->conf.speaker &&
        prl_ring_write(caller->conf.speaker, (const int16_t *)(void *)out, size / 2) != PRL_OK)
        caller->conf.line(caller->conf.arg, "note", "the sound card lags behind");
    if (!caller->conf.microphone)
        caller->sound.len += size; // kept for the file
}

static void on_words(struct prl_caller *caller, const struct prl_json *root)
{
    if (!caller->first_text_us && caller->speech_end_us)
        caller->first_text_us = prl_clock_now_us();
    (void)prl_str_adds(&caller->answer, text_of(root, "delta"));
}

static void on_transcript(struct prl_caller *caller, const struct prl_json *root)
{
    const char *text = text_of(root, "transcript");
    if (caller->transcript.len > 0)
        (void)prl_str_addc(&caller->transcript, ' ');
    (void)prl_str_adds(&caller->transcript, text);
    caller->conf.line(caller->conf.arg, "you", text);
}

static void on_response_done(struct prl_caller *caller, const struct prl_json *root)
{
    caller->responding = false;
    caller->turns++;
    const char *status = text_of(prl_json_get(root, "response"), "status");
    (void)prl_str_copy(caller->status, sizeof(caller->status), status);
    caller->conf.line(caller->conf.arg, "answer", prl_str_text(&caller->answer));
    bool cancelled = strcmp(status, "cancelled") == 0;
    // A recording with a pause in it may have been answered in its middle.
    if (!caller->conf.microphone && caller->sent >= caller->speech_end && !cancelled)
        finish(caller, strcmp(status, "failed") == 0 ? "the response failed" : NULL);
}

static void on_event(struct prl_caller *caller, const char *type, const struct prl_json *root,
                     const char *raw)
{
    if (prl_str_ends(type, "audio.delta"))
        on_audio(caller, root);
    else if (prl_str_ends(type, "audio_transcript.delta") || prl_str_ends(type, "text.delta"))
        on_words(caller, root);
    else if (prl_str_ends(type, "input_audio_transcription.completed"))
        on_transcript(caller, root);
    else if (strcmp(type, "response.created") == 0)
        prl_str_clear(&caller->answer);
    else if (strcmp(type, "response.done") == 0)
        on_response_done(caller, root);
    else if (strcmp(type, "parley.response.latency") == 0) {
        prl_str_clear(&caller->latency);
        (void)prl_str_adds(&caller->latency, raw);
    } else if (strcmp(type, "error") == 0)
        caller->conf.line(caller->conf.arg, "note",
                          text_of(prl_json_get(root, "error"), "message"));
}

static void on_text(void *arg, const char *data, size_t len)
{
    struct prl_caller *caller = arg;
    struct prl_json *root;
    if (caller->over || prl_json_parse(&root, data, len, NULL, 0) != PRL_OK)
        return;
    on_event(caller, text_of(root, "type"), root, data);
    prl_json_free(&root);
}

static void on_close(void *arg, uint16_t code, const char *reason)
{
    struct prl_caller *caller = arg;
    bool told = caller->over && !caller->open; // before there was a connection to close
    caller->open = false;
    if (told)
        return;
    if (!caller->over)
        snprintf(caller->why, sizeof(caller->why),
                 code ? "the connection ended: %.200s (%u)" : "%.200s",
                 *reason ? reason : "no reason given", code);
    caller->over = true;
    prl_timer_stop(caller->timer);
    tell_done(caller);
}

// ---- life ----

enum prl_err prl_caller_create(struct prl_caller **out, const struct prl_caller_conf *conf)
{
    *out = prl_mem_zalloc(sizeof(**out));
    if (!*out)
        return PRL_ERR_NOMEM;
    struct prl_caller *caller = *out;
    caller->conf = *conf;
    prl_str_init(&caller->buffer, TEXT_MAX);
    prl_str_init(&caller->transcript, TEXT_MAX);
    prl_str_init(&caller->answer, TEXT_MAX);
    prl_str_init(&caller->latency, TEXT_MAX);
    prl_str_init(&caller->sound, ANSWER_BYTES_MAX);
    caller->speech_end = prl_caller_speech_end(conf->pcm, conf->samples);
    char bearer[300];
    snprintf(bearer, sizeof(bearer), "Bearer %.280s", conf->key ? conf->key : "");
    struct prl_http_header header = {"Authorization", bearer};
    struct prl_wsc_conf client = {.url = conf->url,
                                  .headers = &header,
                                  .header_count = conf->key ? 1 : 0,
                                  .subprotocols = "realtime",
                                  .insecure = conf->insecure,
                                  .ops = &ops,
                                  .arg = caller};
    enum prl_err err = prl_timer_create(&caller->timer, conf->loop, "talk", on_chunk_due, caller);
    if (!err)
        err = prl_wsc_create(&caller->client, conf->loop, &client);
    if (err)
        prl_caller_destroy(out);
    return err;
}

void prl_caller_destroy(struct prl_caller **caller)
{
    if (!*caller)
        return;
    prl_wsc_destroy(&(*caller)->client);
    prl_timer_destroy(&(*caller)->timer);
    prl_str_free(&(*caller)->buffer);
    prl_str_free(&(*caller)->transcript);
    prl_str_free(&(*caller)->answer);
    prl_str_free(&(*caller)->latency);
    prl_str_free(&(*caller)->sound);
    prl_mem_free(*caller);
    *caller = NULL;
}

static int64_t ms_since(int64_t at_us, int64_t zero_us)
{
    return at_us && zero_us ? (at_us - zero_us) / 1000 : -1;
}

void prl_caller_result(const struct prl_caller *caller, struct prl_caller_result *result)
{
    *result = (struct prl_caller_result){
        .transcript = prl_str_text(&caller->transcript),
        .answer = prl_str_text(&caller->answer),
        .pcm = (const int16_t *)(const void *)caller->sound.data,
        .samples = caller->sound.len / 2,
        .first_byte_ms = ms_since(caller->first_byte_us, caller->speech_end_us),
        .first_text_ms = ms_since(caller->first_text_us, caller->speech_end_us),
        .turns = caller->turns,
        .server_latency = prl_str_text(&caller->latency),
        .status = caller->status,
    };
}
