// serve_speech.c -- POST /v1/audio/speech: text in, sound out while it is being made.
#include <string.h>

#include "api/serve.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "media/ogg_opus.h"
#include "media/wav.h"
#include "net/http.h"
#include "tts/cut.h"
#include "tts/tts.h"
#include "tts/voices.h"

enum {
    INPUT_MAX = 16 << 10,
    INFLIGHT_MAX = 2,
    PIECE = 512,
    OPUS_BPS = 32000,
    OPUS_MAX = 1 << 16, // of one chunk of sound
};
static const double speed_min = 0.25, speed_max = 1.5;

enum form { FORM_WAV, FORM_PCM, FORM_OPUS, FORM_COUNT };
static const char *const form_names[FORM_COUNT] = {"wav", "pcm", "opus"};
static const char *const form_types[FORM_COUNT] = {"audio/wav", "audio/pcm", "audio/ogg"};

struct speech {
    struct prl_serve_order order;
    struct prl_tts_stream *tts;
    struct prl_cut *cut;
    char *text; // owned
    size_t len, fed;
    bool finished; // the cutter has all of it
    enum form form;
    struct prl_ogg_opus_writer *opus; // owned; of FORM_OPUS
    bool begun;                       // the answer's head is sent
    unsigned flying;                  // clauses at the voice
    uint32_t clause;
};

static void close_speech(struct prl_serve_order *order)
{
    struct speech *speech = (struct speech *)order;
    prl_tts_close(&speech->tts);
    prl_cut_destroy(&speech->cut);
    prl_ogg_opus_writer_destroy(&speech->opus);
    prl_mem_free(speech->text);
}

static enum prl_err begin(struct speech *speech)
{
    uint8_t header[PRL_WAV_HEADER_SIZE];
    struct prl_http_response head = {.status = 200, .content_type = form_types[speech->form]};
    enum prl_err err = prl_http_stream_begin(speech->order.request, &head);
    speech->begun = !err;
    if (err || speech->form != FORM_WAV)
        return err;
    prl_wav_header(header, PRL_TTS_RATE_HZ, UINT64_MAX);
    return prl_http_stream_chunk(speech->order.request, header, sizeof(header));
}

// The next samples; none: the end of the file.
static enum prl_err send_sound(struct speech *speech, const int16_t *pcm, size_t count)
{
    struct prl_http_request *request = speech->order.request;
    struct prl_str file;
    if (speech->form != FORM_OPUS)
        return count > 0 ? prl_http_stream_chunk(request, pcm, count * sizeof(*pcm)) : PRL_OK;
    prl_str_init(&file, OPUS_MAX);
    enum prl_err err = count > 0 ? prl_ogg_opus_writer_push(speech->opus, pcm, count, &file)
                                 : prl_ogg_opus_writer_end(speech->opus, &file);
    if (!err)
        err = prl_http_stream_chunk(request, file.data, file.len);
    prl_str_free(&file);
    return err;
}

// `err`: the voice has failed. A body without its end is all that can be said once it has begun.
static void end(struct speech *speech, enum prl_err err, const char *why)
{
    if (!speech->order.request)
        return;
    if (!speech->begun && err) {
        prl_serve_refuse(&speech->order, err == PRL_ERR_FULL ? 429 : 500, "server_error", NULL,
                         why);
        return;
    }
    if (!speech->begun)
        err = begin(speech);
    if (!speech->begun) {
        prl_serve_refuse(&speech->order, 503, "server_error", NULL, "The sound cannot be sent.");
        return;
    }
    if (!err)
        err = send_sound(speech, NULL, 0);
    if (err)
        prl_http_stream_abort(speech->order.request);
    else
        prl_http_stream_end(speech->order.request);
    speech->order.request = NULL;
    prl_serve_end(&speech->order);
}

static void feed(struct speech *speech)
{
    while (speech->fed < speech->len) {
        size_t left = speech->len - speech->fed;
        const char *at = speech->text + speech->fed;
        size_t piece = left > PIECE ? prl_utf8_whole(at, PIECE) : left;
        if (prl_cut_push(speech->cut, at, piece) != PRL_OK)
            return;
        speech->fed += piece;
    }
    if (!speech->finished)
        prl_cut_finish(speech->cut);
    speech->finished = true;
}

static void pump(struct speech *speech)
{
    struct prl_cut_clause clause;
    while (speech->order.request && speech->flying < INFLIGHT_MAX) {
        feed(speech);
        if (prl_cut_next(speech->cut, &clause) != PRL_OK)
            break;
        enum prl_err err = prl_tts_say(speech->tts, 1, speech->clause++, clause.text, clause.len);
        if (err) {
            end(speech, err, "No voice takes this now.");
            return;
        }
        speech->flying++;
    }
    if (speech->flying == 0 && speech->finished)
        end(speech, PRL_OK, NULL);
}

static void on_tts(void *arg, const struct prl_tts_event *event)
{
    struct speech *speech = arg;
    enum prl_err err = PRL_OK;
    if (!speech->order.request)
        return;
    switch (event->type) {
    case PRL_TTS_AUDIO:
        if (!speech->begun)
            err = begin(speech);
        if (!err && speech->order.request)
            err = send_sound(speech, event->pcm, event->samples);
        if (err)
            end(speech, err, "The sound cannot be sent.");
        break;
    case PRL_TTS_CLAUSE_DONE:
        speech->flying--;
        pump(speech);
        break;
    case PRL_TTS_ERROR:
        end(speech, event->err, event->why);
        break;
    }
}

static bool has_chinese(const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        uint32_t code;
        at += prl_utf8_decode(text + at, len - at, &code);
        if (code >= 0x3400 && code <= 0x9FFF)
            return true;
    }
    return false;
}

// Emotion and style reach a voice elsewhere; the embedded ones have but one.
static bool is_style(const struct prl_json *style)
{
    enum prl_json_type type = prl_json_type(style);
    return type == PRL_JSON_NONE || type == PRL_JSON_NULL ||
           (type == PRL_JSON_STRING && prl_json_string_len(style) < PRL_TTS_STYLE_SIZE);
}

// False: the order has been refused.
static bool start(struct speech *speech, const struct prl_json *root)
{
    struct prl_serve_order *order = &speech->order;
    const struct prl_json *input = prl_json_get(root, "input");
    const char *format = prl_json_string(prl_json_get(root, "response_format"), "wav");
    const char *voice = prl_json_string(prl_json_get(root, "voice"), "alloy");
    const struct prl_json *style = prl_json_get(root, "instructions");
    double speed = prl_json_real(prl_json_get(root, "speed"), 1);
    const char *param = NULL;
    const char *message = NULL;
    speech->len = prl_json_string_len(input);
    while (speech->form < FORM_COUNT && !prl_str_equal(format, form_names[speech->form]))
        speech->form++;
    if (speech->len == 0 || speech->len > INPUT_MAX) {
        param = "input";
        message = "Expected a text of 1 to 16384 bytes.";
    } else if (speech->form == FORM_COUNT) {
        param = "response_format";
        message = "This server makes 'pcm' (24 kHz, 16 bit, mono), 'wav' and 'opus'.";
    } else if (!prl_voice_find(voice)) {
        param = "voice";
        message = "Unknown voice: GET /v1/voices lists them.";
    } else if (!(speed >= speed_min && speed <= speed_max)) {
        param = "speed";
        message = "Expected a speed from 0.25 to 1.5.";
    } else if (!is_style(style)) {
        param = "instructions";
        message = "Expected a text of at most 4096 bytes.";
    }
    if (message) {
        prl_serve_refuse(order, 400, "invalid_value", param, message);
        return false;
    }
    struct prl_tts_stream_conf conf = {
        .voice = voice, .speed = (float)speed, .fn = on_tts, .arg = speech};
    speech->text = prl_mem_strndup(prl_json_string(input, ""), speech->len);
    conf.language =
        speech->text && has_chinese(speech->text, speech->len) ? PRL_TEXT_ZH : PRL_TEXT_EN;
    enum prl_err err = speech->text ? PRL_OK : PRL_ERR_NOMEM;
    if (!err && speech->form == FORM_OPUS)
        err = prl_ogg_opus_writer_create(&speech->opus, OPUS_BPS);
    if (!err)
        err = prl_cut_create(&speech->cut, &(struct prl_cut_conf){0});
    struct prl_tts *tts = prl_serve_conf(order->serve)->tts;
    if (!err)
        err = tts ? prl_tts_open(tts, &conf, &speech->tts) : PRL_ERR_ENGINE;
    if (!err)
        err = prl_tts_set_style(speech->tts, prl_json_string(style, NULL));
    if (err)
        prl_serve_refuse(order, 503, "server_error", NULL, "No voice takes this now.");
    return !err;
}

void prl_serve_speech(void *arg, struct prl_http_request *request)
{
    struct prl_serve *serve = arg;
    struct speech *speech = prl_serve_open(serve, request, sizeof(*speech), close_speech);
    if (!speech)
        return;
    size_t size;
    char problem[160];
    struct prl_json *root;
    const char *body = prl_http_body(request, &size);
    if (prl_json_parse(&root, body ? body : "", size, problem, sizeof(problem)) != PRL_OK) {
        prl_serve_refuse(&speech->order, 400, "invalid_json", NULL, problem);
        return;
    }
    bool started = start(speech, root);
    prl_json_free(&root);
    if (started)
        pump(speech);
}
