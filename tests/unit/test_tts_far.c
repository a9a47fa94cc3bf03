// test_tts_far.c -- tts with voices elsewhere: order, marks, WAV, fallback, cancel.
#include "tts/tts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "media/ogg_opus.h"
#include "media/wav.h"
#include "tests/unit.h"
#include "tests/unit/far_fake.h"

enum { SOUND = 24000, SOUND_BYTES = 2 * SOUND };

struct bench {
    struct far_fake far;
    struct prl_tts *tts;
    struct prl_tts_stream *stream;
    int ready, done, errors, audio;
    size_t samples, marks;
    uint32_t last_clause;
    int16_t loudest;
    bool cancel_at_first;
    uint8_t wav[PRL_WAV_HEADER_SIZE + SOUND_BYTES];
};

static void on_event(void *arg, const struct prl_tts_event *event)
{
    struct bench *bench = arg;
    EXPECT(event->clause_id >= bench->last_clause); // one after another
    bench->last_clause = event->clause_id;
    bench->audio += event->type == PRL_TTS_AUDIO;
    bench->done += event->type == PRL_TTS_CLAUSE_DONE;
    bench->errors += event->type == PRL_TTS_ERROR;
    if (event->type == PRL_TTS_AUDIO) {
        EXPECT(event->samples > 0 && event->samples <= PRL_TTS_CHUNK_MAX);
        bench->samples += event->samples;
        bench->marks += event->mark_count;
        for (size_t i = 0; i < event->samples; i++)
            bench->loudest = event->pcm[i] > bench->loudest ? event->pcm[i] : bench->loudest;
        for (size_t i = 0; i < event->mark_count; i++)
            EXPECT(event->marks[i].sample_end <= event->sample_start + event->samples);
    }
    if (bench->cancel_at_first && event->type == PRL_TTS_AUDIO)
        prl_tts_cancel(bench->stream, event->generation);
}

static void on_ready(void *arg)
{
    ((struct bench *)arg)->ready++;
}

static const char *const paths[] = {"/a/audio/speech", "/b/audio/speech"};

static void set_answer(struct bench *bench, int index, unsigned status, const char *type,
                       const void *body, size_t size)
{
    bench->far.server.answers[index] = (struct http_fake_answer){
        .path = paths[index], .status = status, .type = type, .body = body, .size = size};
}

// The sound of every test: a second of a tone at half level.
static void make_sound(struct bench *bench, uint32_t rate_hz)
{
    prl_wav_header(bench->wav, rate_hz, SOUND);
    for (size_t i = 0; i < SOUND; i++) {
        int16_t value = (int16_t)(16000 * sin((double)i * 0.1));
        bench->wav[PRL_WAV_HEADER_SIZE + 2 * i] = (uint8_t)(value & 0xFF);
        bench->wav[PRL_WAV_HEADER_SIZE + 2 * i + 1] = (uint8_t)((uint16_t)value >> 8);
    }
}

static void serve_pcm(struct bench *bench, int index)
{
    set_answer(bench, index, 200, "audio/pcm", bench->wav + PRL_WAV_HEADER_SIZE, SOUND_BYTES);
}

static enum prl_err start(struct bench *bench)
{
    const struct prl_pool_engine engines[] = {
        {.url = "/a", .model = "m1", .format = "opus", .extra = "\"seed\":1", .rank = 0},
        {.url = "/b", .model = "m2", .voice = "its-own", .rank = 1}};
    make_sound(bench, PRL_TTS_RATE_HZ);
    enum prl_err err = far_fake_open(
        &bench->far, &(struct prl_pool_conf){.kind = "tts", .engines = engines, .count = 2});
    struct prl_tts_conf conf = {.loop = bench->far.loop,
                                .pool = bench->far.pool,
                                .far_only = true,
                                .instructions = "Be merry.",
                                .on_ready = on_ready,
                                .arg = bench};
    if (!err)
        err = prl_tts_create(&bench->tts, &conf);
    struct prl_tts_stream_conf stream = {.voice = "marin", .fn = on_event, .arg = bench};
    return err ? err : prl_tts_open(bench->tts, &stream, &bench->stream);
}

static void stop(struct bench *bench)
{
    prl_tts_close(&bench->stream);
    prl_tts_destroy(&bench->tts);
    far_fake_close(&bench->far);
}

static enum prl_err say(struct bench *bench, uint32_t generation, uint32_t clause, const char *text)
{
    return prl_tts_say(bench->stream, generation, clause, text, strlen(text));
}

PRL_TEST(tts_far_says_clauses_in_order)
{
    static struct bench bench;
    serve_pcm(&bench, 0);
    REQUIRE(start(&bench) == PRL_OK);
    EXPECT(far_fake_wait(&bench.far, &bench.ready, 1));
    EXPECT(prl_tts_is_ready(bench.tts));
    EXPECT_OK(say(&bench, 1, 0, "Hello *there*, friend."));
    EXPECT_OK(say(&bench, 1, 1, "\xE4\xBD\xA0\xE5\xA5\xBD\xE3\x80\x82")); // 你好。
    EXPECT_OK(say(&bench, 1, 2, "\xE2\x80\x94 ..."));                     // nothing to say
    EXPECT_INT(bench.audio + bench.done, 0);
    EXPECT_INT(prl_tts_backlog(bench.tts), 3);
    EXPECT(far_fake_wait(&bench.far, &bench.done, 3));
    EXPECT_INT(bench.samples, 2 * SOUND);
    EXPECT_INT(bench.loudest > 15000, 1);
    EXPECT_INT(bench.far.server.answers[0].asked, 2);
    EXPECT(bench.marks >= 2 && bench.marks <= 5);
    EXPECT_INT(prl_tts_backlog(bench.tts), 0);
    EXPECT(strstr(bench.far.server.last, "\"voice\":\"marin\"") != NULL);
    EXPECT(strstr(bench.far.server.last, "\"instructions\":\"Be merry.\"") != NULL);
    EXPECT(strstr(bench.far.server.last, ",\"seed\":1}") != NULL);
    stop(&bench);
}

PRL_TEST(tts_far_speaks_in_the_style_of_its_stream)
{
    static struct bench bench;
    char style[PRL_TTS_STYLE_SIZE + 1];
    serve_pcm(&bench, 0);
    REQUIRE(start(&bench) == PRL_OK);
    EXPECT_OK(prl_tts_set_style(bench.stream, "Whisper."));
    EXPECT_OK(say(&bench, 1, 0, "Hello there."));
    EXPECT(far_fake_wait(&bench.far, &bench.done, 1));
    EXPECT(strstr(bench.far.server.last, "\"instructions\":\"Whisper.\"") != NULL);
    memset(style, 'x', sizeof(style) - 1);
    style[sizeof(style) - 1] = '\0';
    EXPECT_INT(prl_tts_set_style(bench.stream, style), PRL_ERR_LIMIT);
    style[sizeof(style) - 2] = '\0';
    EXPECT_OK(prl_tts_set_style(bench.stream, style)); // the longest
    EXPECT_OK(say(&bench, 2, 1, "Hello you."));
    EXPECT(far_fake_wait(&bench.far, &bench.done, 2));
    EXPECT(strstr(bench.far.server.last, style) != NULL);
    EXPECT_OK(prl_tts_set_style(bench.stream, NULL));
    EXPECT_OK(say(&bench, 3, 2, "Hello again."));
    EXPECT(far_fake_wait(&bench.far, &bench.done, 3));
    EXPECT(strstr(bench.far.server.last, "\"instructions\":\"Be merry.\"") != NULL);
    stop(&bench);
}

PRL_TEST(tts_far_takes_wav_of_other_rates)
{
    static struct bench bench;
    REQUIRE(start(&bench) == PRL_OK);
    make_sound(&bench, 48000);
    set_answer(&bench, 0, 200, "audio/wav", bench.wav, sizeof(bench.wav));
    EXPECT_OK(say(&bench, 1, 0, "Hello there."));
    EXPECT(far_fake_wait(&bench.far, &bench.done, 1));
    EXPECT(bench.samples > SOUND / 2 - 200 && bench.samples < SOUND / 2 + 200);
    EXPECT_INT(bench.errors, 0);
    stop(&bench);
}

static enum prl_err make_opus(struct bench *bench, struct prl_str *file)
{
    struct prl_ogg_opus_writer *writer;
    int16_t pcm[SOUND / 10];
    enum prl_err err = prl_ogg_opus_writer_create(&writer, 32000);
    for (int i = 0; i < 10 && !err; i++) {
        memcpy(pcm, bench->wav + PRL_WAV_HEADER_SIZE + (size_t)i * sizeof(pcm), sizeof(pcm));
        err = prl_ogg_opus_writer_push(writer, pcm, SOUND / 10, file);
    }
    if (!err)
        err = prl_ogg_opus_writer_end(writer, file);
    prl_ogg_opus_writer_destroy(&writer);
    return err;
}

PRL_TEST(tts_far_takes_opus)
{
    static struct bench bench;
    struct prl_str file;
    REQUIRE(start(&bench) == PRL_OK);
    prl_str_init(&file, 1 << 20);
    REQUIRE(make_opus(&bench, &file) == PRL_OK);
    set_answer(&bench, 0, 200, "audio/ogg; codecs=opus", file.data, file.len);
    EXPECT_OK(say(&bench, 1, 0, "Hello there."));
    EXPECT(far_fake_wait(&bench.far, &bench.done, 1));
    EXPECT(strstr(bench.far.server.last, "\"response_format\":\"opus\"") != NULL);
    EXPECT_INT(bench.samples, SOUND);
    EXPECT(bench.loudest > 12000);
    // Told by its first bytes alone, too.
    set_answer(&bench, 0, 200, "application/octet-stream", file.data, file.len);
    EXPECT_OK(say(&bench, 2, 1, "Hello there."));
    EXPECT(far_fake_wait(&bench.far, &bench.done, 2));
    EXPECT_INT(bench.samples, 2 * SOUND);
    // Cut within a page after some of it: what was heard stays, and the clause fails.
    bench.samples = 0;
    set_answer(&bench, 0, 200, "audio/ogg", file.data, file.len - 20);
    EXPECT_OK(say(&bench, 3, 2, "Hello there."));
    EXPECT(far_fake_wait(&bench.far, &bench.errors, 1));
    EXPECT(bench.samples > SOUND / 2 && bench.samples < SOUND);
    // Promised and not kept: the next engine is asked.
    set_answer(&bench, 0, 200, "audio/ogg", bench.wav + PRL_WAV_HEADER_SIZE, SOUND_BYTES);
    serve_pcm(&bench, 1);
    bench.samples = 0;
    EXPECT_OK(say(&bench, 4, 3, "Hello there."));
    EXPECT(far_fake_wait(&bench.far, &bench.done, 3));
    EXPECT_INT(bench.samples, SOUND);
    EXPECT_INT(bench.far.server.answers[1].asked, 1);
    set_answer(&bench, 0, 200, "audio/wav", bench.wav + PRL_WAV_HEADER_SIZE, SOUND_BYTES);
    EXPECT_OK(say(&bench, 5, 4, "Hello there."));
    EXPECT(far_fake_wait(&bench.far, &bench.done, 4));
    EXPECT_INT(bench.far.server.answers[1].asked, 2);
    prl_str_free(&file);
    stop(&bench);
}

PRL_TEST_OOM(tts_far_opus_without_memory)
{
    static struct bench bench;
    struct prl_str file;
    memset(&bench, 0, sizeof(bench));
    prl_str_init(&file, 1 << 20);
    make_sound(&bench, PRL_TTS_RATE_HZ);
    if (make_opus(&bench, &file) == PRL_OK) {
        set_answer(&bench, 0, 200, "audio/ogg", file.data, file.len);
        serve_pcm(&bench, 1);
        if (start(&bench) == PRL_OK && say(&bench, 1, 0, "Hello there.") == PRL_OK) {
            int64_t until = prl_clock_now_us() + (prl_test_oom() ? 100000 : PRL_TEST_WAIT_US);
            while (!bench.done && !bench.errors && prl_clock_now_us() < until)
                prl_loop_turn(bench.far.loop, 20000);
            EXPECT(prl_test_oom() || bench.done == 1);
        }
    }
    stop(&bench);
    prl_str_free(&file);
}

PRL_TEST(tts_far_falls_back_before_the_first_sound)
{
    static struct bench bench;
    set_answer(&bench, 0, 500, "text/plain", "no", 0);
    serve_pcm(&bench, 1);
    REQUIRE(start(&bench) == PRL_OK);
    EXPECT_OK(say(&bench, 1, 0, "Hello there."));
    EXPECT(far_fake_wait(&bench.far, &bench.done, 1));
    EXPECT_INT(bench.samples, SOUND);
    EXPECT(strstr(bench.far.server.last, "\"voice\":\"its-own\"") != NULL);
    // What is no sound is a failure too, and with nobody left an error.
    set_answer(&bench, 0, 200, "audio/mpeg", "ID3 and so on", 0);
    set_answer(&bench, 1, 200, "audio/pcm", "x", 0);
    EXPECT_OK(say(&bench, 2, 1, "Hello again."));
    EXPECT(far_fake_wait(&bench.far, &bench.errors, 1));
    EXPECT_INT(bench.done, 1);
    stop(&bench);
}

PRL_TEST(tts_far_cancel_ends_the_request)
{
    static struct bench bench;
    set_answer(&bench, 0, 0, "", "", 0);
    REQUIRE(start(&bench) == PRL_OK);
    EXPECT_OK(say(&bench, 1, 0, "Hello there."));
    EXPECT_OK(say(&bench, 1, 1, "And more."));
    EXPECT(far_fake_wait(&bench.far, &bench.far.server.answers[0].asked, 1));
    prl_tts_cancel(bench.stream, 1);
    EXPECT(far_fake_wait(&bench.far, &bench.far.server.answers[0].gone, 1));
    EXPECT_INT(bench.audio + bench.done + bench.errors, 0);
    // From inside its first sound.
    serve_pcm(&bench, 0);
    bench.cancel_at_first = true;
    EXPECT_OK(say(&bench, 2, 2, "Hello there."));
    EXPECT(far_fake_wait(&bench.far, &bench.audio, 1));
    bench.cancel_at_first = false;
    EXPECT_OK(say(&bench, 3, 3, "Hello there."));
    EXPECT(far_fake_wait(&bench.far, &bench.done, 1));
    EXPECT_INT(bench.last_clause, 3);
    // A new generation replaces the old one, and a closed stream ends its request.
    set_answer(&bench, 0, 0, "", "", 0);
    EXPECT_OK(say(&bench, 4, 4, "One."));
    EXPECT_OK(say(&bench, 5, 5, "Two."));
    EXPECT(far_fake_wait(&bench.far, &bench.far.server.answers[0].asked, 1));
    prl_tts_close(&bench.stream);
    EXPECT(far_fake_wait(&bench.far, &bench.far.server.answers[0].gone, 1));
    stop(&bench);
}

PRL_TEST_OOM(tts_far_without_memory)
{
    static struct bench bench;
    memset(&bench, 0, sizeof(bench));
    serve_pcm(&bench, 0);
    serve_pcm(&bench, 1);
    if (start(&bench) == PRL_OK && say(&bench, 1, 0, "Hello there.") == PRL_OK) {
        int64_t until = prl_clock_now_us() + (prl_test_oom() ? 100000 : PRL_TEST_WAIT_US);
        while (!bench.done && !bench.errors && prl_clock_now_us() < until)
            prl_loop_turn(bench.far.loop, 20000);
        EXPECT(prl_test_oom() || bench.done == 1);
    }
    stop(&bench);
}
