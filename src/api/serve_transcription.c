// serve_transcription.c -- POST /v1/audio/transcriptions: a recording in, its text out.
#include <stdio.h>
#include <string.h>

#include "api/multipart.h"
#include "api/serve.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/str.h"
#include "media/resample.h"
#include "media/wav.h"
#include "net/http.h"
#include "stt/stt.h"

enum {
    SAMPLES_MAX = PRL_STT_UTTERANCE_MAX_S * PRL_STT_RATE_HZ,
    REPLY_MAX = 512 << 10,
    FIELD_MAX = 1024,
    WAV_RATE_MAX = 48000, // so that two minutes fit in one body
};

enum format { FORMAT_JSON, FORMAT_TEXT, FORMAT_VERBOSE };

struct transcription {
    struct prl_serve_order order;
    struct prl_stt_stream *stt;
    enum format format;
    bool stream; // as server-sent events
    double seconds;
};

static void close_transcription(struct prl_serve_order *order)
{
    struct transcription *job = (struct transcription *)order;
    prl_stt_close(&job->stt);
}

// ---- the answer ----

static void write_json(const struct transcription *job, const struct prl_stt_event *event,
                       struct prl_str *out)
{
    struct prl_json_write json;
    prl_json_write_init(&json, out);
    prl_json_write_object(&json, NULL);
    if (job->format == FORMAT_VERBOSE) {
        prl_json_write_string(&json, "task", "transcribe");
        prl_json_write_real(&json, "duration", job->seconds);
    }
    if (event->language[0])
        prl_json_write_string(&json, "language", event->language);
    prl_json_write_string(&json, "text", event->text);
    if (job->format == FORMAT_VERBOSE) {
        prl_json_write_array(&json, "segments");
        prl_json_write_end_array(&json);
    }
    prl_json_write_end_object(&json);
}

// `language` "": not told.
static void add_event(struct prl_str *out, const char *type, const char *member, const char *text,
                      const char *language)
{
    struct prl_json_write json;
    (void)prl_str_adds(out, "data: ");
    prl_json_write_init(&json, out);
    prl_json_write_object(&json, NULL);
    prl_json_write_string(&json, "type", type);
    prl_json_write_string(&json, member, text);
    if (language[0])
        prl_json_write_string(&json, "language", language);
    prl_json_write_end_object(&json);
    (void)prl_str_adds(out, "\n\n");
}

static void answer(struct transcription *job, const struct prl_stt_event *event)
{
    static const char *const types[] = {"application/json", "text/plain; charset=utf-8",
                                        "application/json"};
    struct prl_str text;
    prl_str_init(&text, REPLY_MAX);
    const char *type = types[job->format];
    if (job->stream) {
        type = "text/event-stream";
        add_event(&text, "transcript.text.delta", "delta", event->text, "");
        add_event(&text, "transcript.text.done", "text", event->text, event->language);
    } else if (job->format == FORMAT_TEXT) {
        (void)prl_str_addf(&text, "%s\n", event->text);
    } else {
        write_json(job, event, &text);
    }
    struct prl_http_request *request = job->order.request;
    job->order.request = NULL;
    prl_http_reply(request, &(struct prl_http_response){.status = text.err ? 500 : 200,
                                                        .content_type = type,
                                                        .body = text.data,
                                                        .body_size = text.err ? 0 : text.len});
    prl_str_free(&text);
    prl_serve_end(&job->order);
}

static void on_stt(void *arg, const struct prl_stt_event *event)
{
    struct transcription *job = arg;
    if (!job->order.request || event->type == PRL_STT_PARTIAL)
        return;
    if (event->type == PRL_STT_ERROR)
        prl_serve_refuse(&job->order, 500, "server_error", NULL, event->text);
    else
        answer(job, event);
}

// ---- the request ----

// At 16 kHz; the caller frees *pcm.
static enum prl_err to_rate(const struct prl_wav *wav, int16_t **pcm, size_t *count)
{
    int16_t *raw;
    size_t raw_count;
    enum prl_err err =
        prl_wav_decode(wav, (size_t)PRL_STT_UTTERANCE_MAX_S * wav->rate_hz, &raw, &raw_count);
    if (err || wav->rate_hz == PRL_STT_RATE_HZ) {
        *pcm = err ? NULL : raw;
        *count = err ? 0 : raw_count;
        return err;
    }
    struct prl_resample *resample;
    *pcm = NULL;
    err = prl_resample_create(&resample, wav->rate_hz, PRL_STT_RATE_HZ);
    if (!err) {
        size_t room = prl_resample_room(resample, raw_count);
        *pcm = prl_mem_array(room + 1, sizeof(**pcm));
        err = *pcm ? PRL_OK : PRL_ERR_NOMEM;
        *count = err ? 0 : prl_resample_process(resample, raw, raw_count, NULL, *pcm, room);
        prl_resample_destroy(&resample);
    }
    prl_mem_free(raw);
    return err;
}

static bool field(const struct prl_multipart *form, const char *name, char *out, size_t size)
{
    const struct prl_multipart_part *part = prl_multipart_find(form, name);
    size_t len = part ? part->size : 0;
    if (len >= size)
        len = prl_utf8_whole(part->data, size - 1);
    if (part)
        memcpy(out, part->data, len);
    out[len] = '\0';
    return part != NULL && len > 0;
}

static const char *read_options(struct transcription *job, const struct prl_multipart *form)
{
    char text[32];
    static const char *const formats[] = {"json", "text", "verbose_json"};
    bool known = !field(form, "response_format", text, sizeof(text));
    for (int i = 0; i < 3 && !known; i++)
        if (strcmp(text, formats[i]) == 0) {
            job->format = (enum format)i;
            known = true;
        }
    if (!known)
        return "This server answers with 'json', 'text' and 'verbose_json'.";
    job->stream = field(form, "stream", text, sizeof(text)) && strcmp(text, "true") == 0;
    return NULL;
}

static enum prl_err open_stream(struct transcription *job, const struct prl_multipart *form)
{
    char language[32];
    char prompt[FIELD_MAX];
    struct prl_stt_stream_conf conf = {.fn = on_stt, .arg = job};
    if (field(form, "language", language, sizeof(language)))
        conf.language = language;
    if (field(form, "prompt", prompt, sizeof(prompt)))
        conf.prompt = prompt;
    return prl_stt_open(prl_serve_conf(job->order.serve)->stt, &conf, &job->stt);
}

static enum prl_err decode(struct transcription *job, const int16_t *pcm, size_t count)
{
    prl_stt_begin(job->stt, 1);
    size_t n = count < SAMPLES_MAX ? count : SAMPLES_MAX;
    enum prl_err err = prl_stt_push(job->stt, pcm, n);
    return err ? err : prl_stt_decode(job->stt, 1, PRL_STT_WANT_FINAL);
}

static void start(struct transcription *job, const struct prl_multipart *form)
{
    struct prl_serve_order *order = &job->order;
    const struct prl_multipart_part *file = prl_multipart_find(form, "file");
    const char *bad = read_options(job, form);
    struct prl_wav wav;
    if (bad) {
        prl_serve_refuse(order, 400, "invalid_value", "response_format", bad);
        return;
    }
    if (!file || prl_wav_parse(&wav, (const uint8_t *)file->data, file->size) != PRL_OK ||
        wav.rate_hz > WAV_RATE_MAX) {
        prl_serve_refuse(order, 400, "invalid_value", "file",
                         "Expected a WAV file of at most 48 kHz.");
        return;
    }
    int16_t *pcm = NULL;
    size_t count = 0;
    enum prl_err err = to_rate(&wav, &pcm, &count);
    job->seconds = (double)count / PRL_STT_RATE_HZ;
    if (err == PRL_ERR_LIMIT) {
        prl_serve_refuse(order, 400, "invalid_value", "file",
                         "The recording is longer than two minutes.");
        return;
    }
    if (!err && (err = open_stream(job, form)) == PRL_ERR_INVALID) {
        prl_mem_free(pcm);
        prl_serve_refuse(order, 400, "invalid_value", "language", "Unknown language.");
        return;
    }
    if (!err)
        err = decode(job, pcm, count);
    prl_mem_free(pcm);
    if (err)
        prl_serve_refuse(order, 503, "server_error", NULL, "The recogniser takes nothing now.");
}

void prl_serve_transcription(void *arg, struct prl_http_request *request)
{
    struct prl_serve *serve = arg;
    struct transcription *job = prl_serve_open(serve, request, sizeof(*job), close_transcription);
    if (!job)
        return;
    size_t size;
    char why[PRL_MULTIPART_WHY_SIZE] = "Too many parts.";
    struct prl_multipart form;
    const char *body = prl_http_body(request, &size);
    const char *type = prl_http_header(request, "content-type");
    if (!prl_multipart_type_is(type, "multipart/form-data") ||
        prl_multipart_parse(&form, type, body ? body : "", size, why) != PRL_OK)
        prl_serve_refuse(&job->order, 400, "invalid_form", NULL,
                         type && strstr(type, "multipart") ? why : "Expected multipart/form-data.");
    else
        start(job, &form);
}
