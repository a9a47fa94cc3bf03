// test_serve.c -- our endpoints for others (api/serve*.c) through a real server, with engines by script.
#include "api/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "llm/scripted.h"
#include "media/ogg_opus.h"
#include "media/wav.h"
#include "net/fetch.h"
#include "net/http.h"
#include "net/loop.h"
#include "stt/front.h"
#include "tests/unit.h"
#include "tts/front.h"

enum { CHUNK = 2400, CHUNKS = 3 };

// ---- a recogniser that tells how much it heard, and a voice that says 0.3 s a clause ----

struct fake_stream {
    struct prl_timer *timer;
    prl_stt_fn stt;
    prl_tts_fn tts;
    void *arg;
    uint32_t generation, clause;
    size_t samples;
    int pushes;
    bool fails; // "fail" was said: after the first chunk
    bool pieces;
};

static int stt_pushes; // of the latest stream that was closed
static bool stt_fails; // after the first piece

static enum prl_err open_fake(struct prl_loop *loop, struct fake_stream **out, void (*fn)(void *))
{
    *out = prl_mem_zalloc(sizeof(**out));
    enum prl_err err =
        *out ? prl_timer_create(&(*out)->timer, loop, "fake", fn, *out) : PRL_ERR_NOMEM;
    if (err) {
        prl_mem_free(*out);
        *out = NULL;
    }
    return err;
}

static void close_fake(void *at)
{
    struct fake_stream *stream = at;
    stt_pushes = stream->pushes;
    prl_timer_destroy(&stream->timer);
    prl_mem_free(stream);
}

static void tell_text(void *arg)
{
    struct fake_stream *stream = arg;
    char text[64];
    snprintf(text, sizeof(text), "%zu samples", stream->samples);
    struct prl_stt_event event = {.type = PRL_STT_FINAL,
                                  .generation = stream->generation,
                                  .text = text,
                                  .language = "en",
                                  .engine = "fake"};
    static const char *const pieces[] = {"160", "1600 samp"};
    for (size_t i = 0; stream->pieces && i < 2; i++) {
        struct prl_stt_event piece = event;
        piece.type = PRL_STT_PARTIAL;
        piece.text = pieces[i];
        stream->stt(stream->arg, &piece);
    }
    if (stt_fails)
        event = (struct prl_stt_event){
            .type = PRL_STT_ERROR, .text = "it is gone", .err = PRL_ERR_ENGINE};
    stream->stt(stream->arg, &event);
}

static void tell_sound(void *arg)
{
    static int16_t pcm[CHUNK];
    struct fake_stream *stream = arg;
    struct prl_tts_event event = {.generation = stream->generation,
                                  .clause_id = stream->clause,
                                  .pcm = pcm,
                                  .samples = CHUNK,
                                  .engine = "fake",
                                  .err = PRL_ERR_ENGINE,
                                  .why = "the voice is gone"};
    for (size_t i = 0; i < CHUNK; i++)
        pcm[i] = i / 40 % 2 ? 5000 : -5000;
    for (int i = 0; i < (stream->fails ? 1 : CHUNKS); i++)
        stream->tts(stream->arg, &event);
    event.type = stream->fails ? PRL_TTS_ERROR : PRL_TTS_CLAUSE_DONE;
    stream->tts(stream->arg, &event);
}

static enum prl_err create_stt(void **front, const struct prl_stt_conf *conf)
{
    *front = conf->loop;
    return PRL_OK;
}

static enum prl_err create_tts(void **front, const struct prl_tts_conf *conf)
{
    *front = conf->loop;
    return PRL_OK;
}

static void destroy_front(void *front)
{
    (void)front;
}

static bool is_ready(const void *front)
{
    (void)front;
    return true;
}

static size_t backlog(const void *front)
{
    (void)front;
    return 0;
}

static unsigned languages(const void *front)
{
    (void)front;
    return PRL_TTS_LANG_EN;
}

static enum prl_err open_stt(void *front, const struct prl_stt_stream_conf *conf, void **out)
{
    struct fake_stream *stream;
    *out = NULL;
    if (conf->language && strcmp(conf->language, "en") != 0)
        return PRL_ERR_INVALID;
    enum prl_err err = open_fake(front, &stream, tell_text);
    if (err)
        return err;
    stream->stt = conf->fn;
    stream->pieces = conf->pieces;
    stream->arg = conf->arg;
    *out = stream;
    return PRL_OK;
}

static enum prl_err open_tts(void *front, const struct prl_tts_stream_conf *conf, void **out)
{
    struct fake_stream *stream;
    *out = NULL;
    enum prl_err err = open_fake(front, &stream, tell_sound);
    if (err)
        return err;
    stream->tts = conf->fn;
    stream->arg = conf->arg;
    *out = stream;
    return PRL_OK;
}

static enum prl_err configure_stt(void *stream, const char *language, const char *prompt)
{
    (void)stream;
    (void)language;
    (void)prompt;
    return PRL_OK;
}

static enum prl_err configure_tts(void *stream, const char *voice, float speed)
{
    (void)stream;
    (void)voice;
    (void)speed;
    return PRL_OK;
}

static void set_language(void *stream, enum prl_text_lang language)
{
    (void)stream;
    (void)language;
}

static void begin(void *stream, uint32_t generation)
{
    (void)stream;
    (void)generation;
}

static void clear(void *stream)
{
    (void)stream;
}

static enum prl_err push(void *at, const int16_t *pcm, size_t n, bool silence)
{
    struct fake_stream *stream = at;
    (void)pcm;
    (void)silence;
    stream->samples += n;
    stream->pushes++;
    return PRL_OK;
}

static enum prl_err decode(void *at, uint32_t generation, enum prl_stt_want want)
{
    struct fake_stream *stream = at;
    (void)want;
    stream->generation = generation;
    prl_timer_start(stream->timer, 0);
    return PRL_OK;
}

static enum prl_err say(void *at, uint32_t generation, uint32_t clause, const char *text,
                        size_t len)
{
    struct fake_stream *stream = at;
    stream->generation = generation;
    stream->clause = clause;
    stream->fails = len >= 4 && memcmp(text, "fail", 4) == 0;
    if (len >= 6 && memcmp(text, "refuse", 6) == 0)
        return PRL_ERR_FULL;
    prl_timer_start(stream->timer, 0);
    return PRL_OK;
}

static void cancel(void *stream, uint32_t generation)
{
    (void)stream;
    (void)generation;
}

static const struct prl_stt_front_ops stt_ops = {create_stt, destroy_front, is_ready,      backlog,
                                                 open_stt,   close_fake,    configure_stt, begin,
                                                 clear,      push,          decode,        cancel};
static const struct prl_tts_front_ops tts_ops = {
    create_tts, destroy_front, is_ready,     backlog, languages, open_tts,
    close_fake, configure_tts, set_language, say,     cancel};

// ---- the desk ----

struct answer {
    int ended;
    enum prl_fetch_failure failure;
    unsigned status;
    char type[64];
    struct prl_str body;
};

struct desk {
    struct prl_loop *loop;
    struct prl_auth *auth;
    struct prl_llm *llm;
    struct prl_stt *stt;
    struct prl_tts *tts;
    struct prl_serve *serve;
    struct prl_http *http;
    struct prl_fetch *fetch;
    struct prl_http_bound bound;
};

static void on_head(void *arg, unsigned status, const char *type)
{
    struct answer *answer = arg;
    answer->status = status;
    snprintf(answer->type, sizeof(answer->type), "%s", type);
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct answer *answer = arg;
    (void)prl_str_add(&answer->body, data, len);
}

static void on_end(void *arg, const struct prl_fetch_end *end)
{
    struct answer *answer = arg;
    answer->ended++;
    answer->failure = end->failure;
    answer->status = end->status;
    if (end->failure == PRL_FETCH_STATUS)
        (void)prl_str_adds(&answer->body, end->body);
}

static const struct prl_fetch_ops fetch_ops = {on_head, on_data, on_end};

static enum prl_err open_engines(struct desk *desk)
{
    static const struct prl_scripted script = {.llm_words_s = 10000, .llm_words = 8};
    struct prl_stt_conf stt = {.loop = desk->loop, .front = &stt_ops};
    struct prl_tts_conf tts = {.loop = desk->loop, .front = &tts_ops};
    struct prl_llm_conf llm = {.loop = desk->loop};
    enum prl_err err = prl_stt_create(&desk->stt, &stt);
    if (!err)
        err = prl_tts_create(&desk->tts, &tts);
    return err ? err : prl_llm_scripted_create(&desk->llm, &llm, &script);
}

static enum prl_err open_desk(struct desk *desk)
{
    static const struct prl_http_listen listen = {"127.0.0.1", 0, false};
    char why[200];
    *desk = (struct desk){0};
    enum prl_err err = prl_loop_create(&desk->loop, NULL);
    if (!err)
        err = prl_auth_create(&desk->auth, "the-one-key", NULL, why);
    if (!err)
        err = open_engines(desk);
    struct prl_serve_conf conf = {.loop = desk->loop,
                                  .auth = desk->auth,
                                  .llm = desk->llm,
                                  .stt = desk->stt,
                                  .tts = desk->tts};
    if (!err)
        err = prl_serve_create(&desk->serve, &conf);
    if (!err)
        err = prl_http_create(&desk->http, desk->loop,
                              &(struct prl_http_conf){.listens = &listen, .listen_count = 1});
    if (!err)
        err = prl_serve_route(desk->serve, desk->http);
    if (!err)
        err = prl_http_bound(desk->http, 0, &desk->bound);
    return err ? err : prl_fetch_create(&desk->fetch, desk->loop, NULL);
}

static void close_desk(struct desk *desk)
{
    prl_fetch_destroy(&desk->fetch);
    prl_http_destroy(&desk->http);
    prl_serve_destroy(&desk->serve);
    prl_llm_destroy(&desk->llm);
    prl_tts_destroy(&desk->tts);
    prl_stt_destroy(&desk->stt);
    prl_auth_destroy(&desk->auth);
    prl_loop_destroy(&desk->loop);
}

static enum prl_err ask(struct desk *desk, const char *path, const char *key, const char *type,
                        const struct prl_str *body, struct answer *answer)
{
    char url[128];
    struct prl_fetch_request *request;
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", desk->bound.port, path);
    *answer = (struct answer){.failure = PRL_FETCH_FAILURES};
    prl_str_init(&answer->body, 4 << 20);
    struct prl_fetch_ask fetch = {.method = "POST",
                                  .url = url,
                                  .bearer = key,
                                  .content_type = type,
                                  .body = body->data,
                                  .body_size = body->len,
                                  .limits = {100000, 100000, 100000, 200000, 0},
                                  .ops = &fetch_ops,
                                  .arg = answer};
    enum prl_err err = prl_fetch_start(desk->fetch, &fetch, &request);
    int64_t until = prl_clock_now_us() + (prl_test_oom() ? 200000 : PRL_TEST_WAIT_US);
    while (!err && !answer->ended && prl_clock_now_us() < until)
        prl_loop_turn(desk->loop, 20000);
    if (!err && !answer->ended)
        prl_fetch_cancel(&request);
    return err;
}

static void ask_json(struct desk *desk, const char *path, const char *json, struct answer *answer)
{
    struct prl_str body;
    prl_str_init(&body, 1 << 16);
    (void)prl_str_adds(&body, json);
    EXPECT(ask(desk, path, "the-one-key", "application/json", &body, answer) == PRL_OK ||
           prl_test_oom());
    prl_str_free(&body);
}

static void expect_refused(struct desk *desk, const char *path, const char *json, unsigned status,
                           const char *word)
{
    struct answer answer;
    ask_json(desk, path, json, &answer);
    EXPECT_INT(answer.status, status);
    EXPECT(strstr(prl_str_text(&answer.body), word) != NULL);
    prl_str_free(&answer.body);
}

// ---- speech ----

static const char speech[] = "/v1/audio/speech";

static void count_sound(void *arg, const int16_t *pcm, size_t count)
{
    (void)pcm;
    *(size_t *)arg += count;
}

PRL_TEST(serve_speech_in_every_form)
{
    static struct desk desk;
    struct answer answer;
    REQUIRE(open_desk(&desk) == PRL_OK);
    ask_json(&desk, speech, "{\"input\":\"Hello there.\",\"response_format\":\"pcm\"}", &answer);
    EXPECT_INT(answer.failure, PRL_FETCH_OK);
    EXPECT_TEXT(answer.type, "audio/pcm");
    EXPECT_INT(answer.body.len, CHUNKS * CHUNK * 2);
    prl_str_free(&answer.body);
    ask_json(&desk, speech, "{\"input\":\"Hello there.\"}", &answer);
    EXPECT_TEXT(answer.type, "audio/wav");
    EXPECT_INT(answer.body.len, CHUNKS * CHUNK * 2 + PRL_WAV_HEADER_SIZE);
    prl_str_free(&answer.body);
    for (int i = 0; i < 2; i++) { // a voice without styles takes no notice
        ask_json(&desk, speech,
                 i ? "{\"input\":\"Hello there.\",\"instructions\":null}"
                   : "{\"input\":\"Hello there.\",\"instructions\":\"Whisper.\"}",
                 &answer);
        EXPECT_INT(answer.body.len, CHUNKS * CHUNK * 2 + PRL_WAV_HEADER_SIZE);
        prl_str_free(&answer.body);
    }
    ask_json(&desk, speech, "{\"input\":\"Hello there.\",\"response_format\":\"opus\"}", &answer);
    EXPECT_TEXT(answer.type, "audio/ogg");
    struct prl_ogg_opus_reader *reader;
    size_t count = 0;
    REQUIRE(prl_ogg_opus_reader_create(&reader, count_sound, &count) == PRL_OK);
    EXPECT_OK(prl_ogg_opus_reader_push(reader, (const uint8_t *)answer.body.data, answer.body.len));
    EXPECT(prl_ogg_opus_reader_is_whole(reader));
    EXPECT_INT(count, CHUNKS * CHUNK);
    prl_ogg_opus_reader_destroy(&reader);
    prl_str_free(&answer.body);
    close_desk(&desk);
}

PRL_TEST(serve_speech_that_fails)
{
    static struct desk desk;
    static const char *const forms[] = {"pcm", "wav", "opus"};
    struct answer answer;
    char json[200];
    REQUIRE(open_desk(&desk) == PRL_OK);
    for (int i = 0; i < 3; i++) { // on the way: the client sees that it is not whole
        snprintf(json, sizeof(json), "{\"input\":\"fail now.\",\"response_format\":\"%s\"}",
                 forms[i]);
        ask_json(&desk, speech, json, &answer);
        EXPECT_INT(answer.failure, PRL_FETCH_CUT);
        prl_str_free(&answer.body);
    }
    expect_refused(&desk, speech, "{\"input\":\"refuse this.\"}", 429, "server_error");
    expect_refused(&desk, speech, "{\"input\":\"\"}", 400, "input");
    expect_refused(&desk, speech, "{\"input\":\"x\",\"response_format\":\"mp3\"}", 400,
                   "response_format");
    expect_refused(&desk, speech, "{\"input\":\"x\",\"voice\":\"nobody\"}", 400, "voice");
    expect_refused(&desk, speech, "{\"input\":\"x\",\"speed\":9}", 400, "speed");
    expect_refused(&desk, speech, "{\"input\":\"x\",\"instructions\":7}", 400, "instructions");
    expect_refused(&desk, speech, "{no json", 400, "invalid_json");
    struct prl_str body;
    prl_str_init(&body, 8000);
    (void)prl_str_addf(&body, "{\"input\":\"x\",\"instructions\":\"%04096d.\"}", 0);
    expect_refused(&desk, speech, prl_str_text(&body), 400, "instructions");
    prl_str_clear(&body);
    (void)prl_str_adds(&body, "{}");
    EXPECT_OK(ask(&desk, speech, "another-key", "application/json", &body, &answer));
    EXPECT_INT(answer.status, 401);
    prl_str_free(&answer.body);
    prl_str_free(&body);
    close_desk(&desk);
}

// ---- transcription ----

static const char form_type[] = "multipart/form-data; boundary=XX";

static void add_field(struct prl_str *form, const char *name, const char *value)
{
    (void)prl_str_addf(form, "--XX\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n",
                       name, value);
}

static void add_file(struct prl_str *form, uint32_t rate_hz, size_t samples)
{
    uint8_t head[PRL_WAV_HEADER_SIZE];
    static const char silence[4096];
    prl_wav_header(head, rate_hz, samples);
    (void)prl_str_adds(form,
                       "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\""
                       "\r\nContent-Type: audio/wav\r\n\r\n");
    (void)prl_str_add(form, (const char *)head, sizeof(head));
    for (size_t left = samples * 2; left > 0;) {
        size_t n = left < sizeof(silence) ? left : sizeof(silence);
        (void)prl_str_add(form, silence, n);
        left -= n;
    }
    (void)prl_str_adds(form, "\r\n--XX--\r\n");
}

static void transcribe(struct desk *desk, uint32_t rate_hz, size_t samples, const char *name,
                       const char *value, struct answer *answer)
{
    struct prl_str form;
    prl_str_init(&form, 25 << 20);
    if (name)
        add_field(&form, name, value);
    add_file(&form, rate_hz, samples);
    EXPECT(ask(desk, "/v1/audio/transcriptions", "the-one-key", form_type, &form, answer) ==
               PRL_OK ||
           prl_test_oom());
    prl_str_free(&form);
}

PRL_TEST(serve_transcription_in_slices)
{
    static struct desk desk;
    struct answer answer;
    REQUIRE(open_desk(&desk) == PRL_OK);
    transcribe(&desk, 16000, 40000, NULL, NULL, &answer);
    EXPECT_INT(answer.status, 200);
    EXPECT_TEXT(prl_str_text(&answer.body), "{\"language\":\"en\",\"text\":\"40000 samples\"}");
    prl_str_free(&answer.body);
    // Ten seconds at 48 kHz arrive in many slices, to within the filter's length.
    transcribe(&desk, 48000, 480000, "response_format", "text", &answer);
    long samples = strtol(prl_str_text(&answer.body), NULL, 10);
    EXPECT(samples >= 160000 && samples < 160200);
    EXPECT(stt_pushes >= 30);
    prl_str_free(&answer.body);
    transcribe(&desk, 8000, 0, "response_format", "verbose_json", &answer);
    EXPECT(strstr(prl_str_text(&answer.body), "\"duration\"") != NULL);
    prl_str_free(&answer.body);
    transcribe(&desk, 16000, 1600, "stream", "true", &answer);
    EXPECT_TEXT(answer.type, "text/event-stream");
    // A piece as it is done, and what is new of it each time.
    EXPECT_TEXT(
        prl_str_text(&answer.body),
        "data: {\"type\":\"transcript.text.delta\",\"delta\":\"160\"}\n\n"
        "data: {\"type\":\"transcript.text.delta\",\"delta\":\"0 samp\"}\n\n"
        "data: {\"type\":\"transcript.text.delta\",\"delta\":\"les\"}\n\n"
        "data: "
        "{\"type\":\"transcript.text.done\",\"text\":\"1600 samples\",\"language\":\"en\"}\n\n");
    prl_str_free(&answer.body);
    stt_fails = true;
    transcribe(&desk, 16000, 1600, "stream", "true", &answer);
    EXPECT_INT(answer.failure, PRL_FETCH_CUT); // it had begun
    prl_str_free(&answer.body);
    transcribe(&desk, 16000, 1600, NULL, NULL, &answer);
    EXPECT_INT(answer.status, 500);
    EXPECT(strstr(prl_str_text(&answer.body), "it is gone") != NULL);
    prl_str_free(&answer.body);
    stt_fails = false;
    // The longest, and what is too long.
    transcribe(&desk, 8000, 960000, NULL, NULL, &answer);
    EXPECT_INT(answer.status, 200);
    prl_str_free(&answer.body);
    transcribe(&desk, 8000, 960001, NULL, NULL, &answer);
    EXPECT_INT(answer.status, 400);
    prl_str_free(&answer.body);
    transcribe(&desk, 96000, 100, NULL, NULL, &answer);
    EXPECT_INT(answer.status, 400);
    prl_str_free(&answer.body);
    transcribe(&desk, 16000, 100, "language", "xx", &answer);
    EXPECT_INT(answer.status, 400);
    prl_str_free(&answer.body);
    transcribe(&desk, 16000, 100, "response_format", "srt", &answer);
    EXPECT_INT(answer.status, 400);
    prl_str_free(&answer.body);
    expect_refused(&desk, "/v1/audio/transcriptions", "{}", 400, "multipart");
    close_desk(&desk);
}

PRL_TEST(serve_transcription_whose_client_goes)
{
    static struct desk desk;
    struct prl_str form;
    struct answer answer = {0};
    struct prl_fetch_request *request;
    char url[128];
    REQUIRE(open_desk(&desk) == PRL_OK);
    prl_str_init(&form, 25 << 20);
    add_file(&form, 48000, 4000000);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/v1/audio/transcriptions", desk.bound.port);
    struct prl_fetch_ask fetch = {.method = "POST",
                                  .url = url,
                                  .bearer = "the-one-key",
                                  .content_type = form_type,
                                  .body = form.data,
                                  .body_size = form.len,
                                  .limits = {100000, 100000, 100000, 200000, 0},
                                  .ops = &fetch_ops,
                                  .arg = &answer};
    REQUIRE(prl_fetch_start(desk.fetch, &fetch, &request) == PRL_OK);
    prl_str_free(&form);
    struct prl_http_stats stats = {0};
    int64_t until = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (stats.bytes_in == 0 && stats.requests == 0 && prl_clock_now_us() < until) {
        prl_loop_turn(desk.loop, 1000);
        prl_http_stats(desk.http, &stats);
    }
    prl_fetch_cancel(&request);
    while (stats.connections > 0 && prl_clock_now_us() < until) {
        prl_loop_turn(desk.loop, 20000);
        prl_http_stats(desk.http, &stats);
    }
    EXPECT_INT(stats.connections, 0);
    EXPECT_INT(answer.ended, 0);
    close_desk(&desk); // with what is left of the order, if anything
}

// ---- chat ----

PRL_TEST(serve_chat_whole_and_streamed)
{
    static struct desk desk;
    static const char path[] = "/v1/chat/completions";
    struct answer answer;
    struct prl_json *root;
    REQUIRE(open_desk(&desk) == PRL_OK);
    ask_json(&desk, path, "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", &answer);
    EXPECT_INT(answer.status, 200);
    REQUIRE(prl_json_parse(&root, prl_str_text(&answer.body), answer.body.len, NULL, 0) == PRL_OK);
    const struct prl_json *choice = prl_json_at(prl_json_get(root, "choices"), 0);
    const char *text =
        prl_json_string(prl_json_get(prl_json_get(choice, "message"), "content"), "");
    EXPECT(strncmp(text, PRL_LLM_SCRIPTED_OPENING, strlen(PRL_LLM_SCRIPTED_OPENING)) == 0);
    EXPECT_TEXT(prl_json_string(prl_json_get(choice, "finish_reason"), ""), "stop");
    prl_json_free(&root);
    prl_str_free(&answer.body);
    ask_json(
        &desk, path,
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]}],"
        "\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
        &answer);
    EXPECT_TEXT(answer.type, "text/event-stream");
    EXPECT(strstr(prl_str_text(&answer.body), "\"finish_reason\":\"stop\"") != NULL);
    EXPECT(strstr(prl_str_text(&answer.body), "\"prompt_tokens\"") != NULL);
    EXPECT(strstr(prl_str_text(&answer.body), "data: [DONE]\n\n") != NULL);
    prl_str_free(&answer.body);
    expect_refused(&desk, path, "{\"messages\":[]}", 400, "messages");
    expect_refused(&desk, path, "{\"messages\":[{\"role\":\"pirate\",\"content\":\"x\"}]}", 400,
                   "role");
    expect_refused(&desk, path, "{\"n\":2,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
                   400, "one answer");
    expect_refused(&desk, path,
                   "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
                   "\"image_url\":{\"url\":\"data:image/png;base64,AA==\"}}]}]}",
                   400, "sees no images");
    expect_refused(&desk, path,
                   "{\"stop\":[\"\"],\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", 400,
                   "stop");
    close_desk(&desk);
}

// ---- without memory ----

PRL_TEST_OOM(serve_without_memory)
{
    static struct desk desk;
    struct answer answer = {0};
    if (open_desk(&desk) == PRL_OK) {
        ask_json(&desk, speech, "{\"input\":\"Hello.\",\"response_format\":\"opus\"}", &answer);
        EXPECT(answer.failure == PRL_FETCH_OK || prl_test_oom());
        prl_str_free(&answer.body);
        transcribe(&desk, 48000, 40000, "stream", "true", &answer);
        EXPECT(answer.failure == PRL_FETCH_OK || prl_test_oom());
        prl_str_free(&answer.body);
        ask_json(&desk, "/v1/chat/completions",
                 "{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}",
                 &answer);
        EXPECT(answer.failure == PRL_FETCH_OK || prl_test_oom());
        prl_str_free(&answer.body);
    }
    close_desk(&desk);
}
