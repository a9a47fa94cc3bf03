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
#include "net/loop.h"
#include "stt/stt.h"

enum {
    SAMPLES_MAX = PRL_STT_UTTERANCE_MAX_S * PRL_STT_RATE_HZ,
    REPLY_MAX = 512 << 10,
    FIELD_MAX = 1024,
    WAV_RATE_MAX = 48000, // so that two minutes fit in one body
    SLICE = 16000,        // samples of the file decoded in one turn: 0.3 s at 48 kHz
};

enum format { FORMAT_JSON, FORMAT_TEXT, FORMAT_VERBOSE };

struct transcription {
    struct prl_serve_order order;
    struct prl_stt_stream *stt;
    enum format format;
    bool stream;         // as server-sent events
    bool begun;          // the head of those is sent
    struct prl_str told; // the text in them so far
    double seconds;
    struct prl_wav wav;            // lies in the request's body
    size_t at;                     // samples of it taken
    size_t samples;                // given to the recogniser, at 16 kHz
    struct prl_resample *resample; // owned; NULL: the rate is ours
    struct prl_timer *slicer;      // owned; the next slice
};

static void close_transcription(struct prl_serve_order *order)
{
    struct transcription *job = (struct transcription *)order;
    prl_stt_close(&job->stt);
    prl_timer_destroy(&job->slicer);
    prl_resample_destroy(&job->resample);
    prl_str_free(&job->told);
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

static enum prl_err send_event(struct transcription *job, const char *type, const char *member,
                               const char *text, const char *language)
{
    static const struct prl_http_response head = {.status = 200,
                                                  .content_type = "text/event-stream"};
    struct prl_str out;
    prl_str_init(&out, REPLY_MAX);
    add_event(&out, type, member, text, language);
    enum prl_err err = out.err;
    if (!err && !job->begun)
        err = prl_http_stream_begin(job->order.request, &head);
    job->begun = job->begun || !err;
    if (!err)
        err = prl_http_stream_chunk(job->order.request, out.data, out.len);
    prl_str_free(&out);
    return err;
}

// What `text` has more than was told.
static enum prl_err send_more(struct transcription *job, const char *text)
{
    size_t told = job->told.len;
    if (strncmp(text, prl_str_text(&job->told), told) != 0 || text[told] == '\0')
        return PRL_OK;
    enum prl_err err = send_event(job, "transcript.text.delta", "delta", text + told, "");
    return err ? err : prl_str_adds(&job->told, text + told);
}

// The end of the events, or what cannot be one: a stream that has begun is broken off.
static void end_stream(struct transcription *job, enum prl_err err, const char *why)
{
    if (err && !job->begun) {
        prl_serve_refuse(&job->order, 500, "server_error", NULL, why);
        return;
    }
    struct prl_http_request *request = job->order.request;
    job->order.request = NULL;
    if (err)
        prl_http_stream_abort(request);
    else
        prl_http_stream_end(request);
    prl_serve_end(&job->order);
}

static void answer_stream(struct transcription *job, const struct prl_stt_event *event)
{
    enum prl_err err = send_more(job, event->text);
    if (!err && event->type == PRL_STT_PARTIAL)
        return;
    if (!err)
        err = send_event(job, "transcript.text.done", "text", event->text, event->language);
    if (job->order.request)
        end_stream(job, err, "The text cannot be sent.");
}

static void answer(struct transcription *job, const struct prl_stt_event *event)
{
    static const char *const types[] = {"application/json", "text/plain; charset=utf-8",
                                        "application/json"};
    struct prl_str text;
    prl_str_init(&text, REPLY_MAX);
    const char *type = types[job->format];
    if (job->format == FORMAT_TEXT) {
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
    if (!job->order.request)
        return;
    if (event->type == PRL_STT_ERROR)
        end_stream(job, event->err ? event->err : PRL_ERR_ENGINE, event->text);
    else if (job->stream)
        answer_stream(job, event);
    else if (event->type == PRL_STT_FINAL)
        answer(job, event);
}

// ---- the request ----

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
    struct prl_stt_stream_conf conf = {.pieces = job->stream, .fn = on_stt, .arg = job};
    if (field(form, "language", language, sizeof(language)))
        conf.language = language;
    if (field(form, "prompt", prompt, sizeof(prompt)))
        conf.prompt = prompt;
    struct prl_stt *stt = prl_serve_conf(job->order.serve)->stt;
    return stt ? prl_stt_open(stt, &conf, &job->stt) : PRL_ERR_ENGINE;
}

// ---- the sound, a slice a loop turn ----

static void refuse(struct transcription *job, enum prl_err err)
{
    job->at = job->wav.frame_count;
    if (job->order.request)
        prl_serve_refuse(&job->order, err == PRL_ERR_FULL ? 429 : 503, "server_error", NULL,
                         "The recogniser takes nothing now.");
}

static enum prl_err push(struct transcription *job, const int16_t *pcm, size_t count)
{
    size_t room = SAMPLES_MAX - job->samples;
    size_t n = count < room ? count : room; // the resampler may make some more
    job->samples += n;
    return prl_stt_push(job->stt, pcm, n);
}

// At 16 kHz to the recogniser; `raw` NULL: what is left in the filter.
static enum prl_err push_at_rate(struct transcription *job, const int16_t *raw, size_t count)
{
    if (!job->resample)
        return raw ? push(job, raw, count) : PRL_OK;
    size_t room = prl_resample_room(job->resample, raw ? count : SLICE);
    int16_t *pcm = prl_mem_array(room + 1, sizeof(*pcm));
    if (!pcm)
        return PRL_ERR_NOMEM;
    size_t made = raw ? prl_resample_process(job->resample, raw, count, NULL, pcm, room)
                      : prl_resample_drain(job->resample, pcm, room);
    enum prl_err err = push(job, pcm, made);
    prl_mem_free(pcm);
    return err;
}

static enum prl_err take_slice(struct transcription *job)
{
    struct prl_wav slice = job->wav;
    size_t left = job->wav.frame_count - job->at;
    int16_t *raw;
    size_t count;
    slice.data += job->at * slice.channels * (slice.bits / 8);
    slice.frame_count = left < SLICE ? left : SLICE;
    job->at += slice.frame_count;
    enum prl_err err = prl_wav_decode(&slice, SLICE, &raw, &count);
    if (!err) {
        err = push_at_rate(job, raw, count);
        prl_mem_free(raw);
    }
    return err;
}

static void on_slice(void *arg)
{
    struct transcription *job = arg;
    if (!job->order.request) // the client is gone, and the file with it
        return;
    enum prl_err err = job->at < job->wav.frame_count ? take_slice(job) : PRL_OK;
    if (!err && job->at < job->wav.frame_count) {
        prl_timer_start(job->slicer, 0);
        return;
    }
    if (!err)
        err = push_at_rate(job, NULL, 0);
    job->seconds = (double)job->samples / PRL_STT_RATE_HZ;
    if (!err)
        err = prl_stt_decode(job->stt, 1, PRL_STT_WANT_FINAL);
    if (err)
        refuse(job, err);
}

static enum prl_err begin(struct transcription *job)
{
    struct prl_loop *loop = prl_serve_conf(job->order.serve)->loop;
    enum prl_err err = PRL_OK;
    if (job->wav.rate_hz != PRL_STT_RATE_HZ)
        err = prl_resample_create(&job->resample, job->wav.rate_hz, PRL_STT_RATE_HZ);
    if (!err)
        err = prl_timer_create(&job->slicer, loop, "transcription", on_slice, job);
    if (err)
        return err;
    prl_stt_begin(job->stt, 1);
    prl_timer_start(job->slicer, 0);
    return PRL_OK;
}

static void start(struct transcription *job, const struct prl_multipart *form)
{
    struct prl_serve_order *order = &job->order;
    const struct prl_multipart_part *file = prl_multipart_find(form, "file");
    const char *bad = read_options(job, form);
    if (bad) {
        prl_serve_refuse(order, 400, "invalid_value", "response_format", bad);
        return;
    }
    if (!file || prl_wav_parse(&job->wav, (const uint8_t *)file->data, file->size) != PRL_OK ||
        job->wav.rate_hz > WAV_RATE_MAX) {
        prl_serve_refuse(order, 400, "invalid_value", "file",
                         "Expected a WAV file of at most 48 kHz.");
        return;
    }
    if (job->wav.frame_count > (size_t)PRL_STT_UTTERANCE_MAX_S * job->wav.rate_hz) {
        prl_serve_refuse(order, 400, "invalid_value", "file",
                         "The recording is longer than two minutes.");
        return;
    }
    enum prl_err err = open_stream(job, form);
    if (err == PRL_ERR_INVALID)
        prl_serve_refuse(order, 400, "invalid_value", "language", "Unknown language.");
    else if (err || (err = begin(job)) != PRL_OK)
        refuse(job, err);
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
    prl_str_init(&job->told, REPLY_MAX);
    const char *body = prl_http_body(request, &size);
    const char *type = prl_http_header(request, "content-type");
    if (!prl_multipart_type_is(type, "multipart/form-data") ||
        prl_multipart_parse(&form, type, body ? body : "", size, why) != PRL_OK)
        prl_serve_refuse(&job->order, 400, "invalid_form", NULL,
                         type && strstr(type, "multipart") ? why : "Expected multipart/form-data.");
    else
        start(job, &form);
}
