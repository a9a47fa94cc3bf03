// test_phrases.c -- fixed phrases: made once, kept in bounds, by engine, after failures; the voice is scripted.
#include "tts/phrases.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "net/loop.h"
#include "tests/unit.h"
#include "tts/front.h"

// The voice: what was said last, and whom to answer.
static struct {
    struct prl_tts_stream_conf conf;
    uint32_t generation;
    char text[PRL_PHRASES_TEXT_SIZE], voice[PRL_TTS_VOICE_SIZE];
    int said;
    bool refuses, open;
} mouth;

static enum prl_err create(void **front, const struct prl_tts_conf *conf)
{
    (void)conf;
    *front = &mouth;
    return PRL_OK;
}

static void destroy(void *front)
{
    (void)front;
}

static bool is_ready(const void *front)
{
    (void)front;
    return true;
}

static enum prl_err open_mouth(void *front, const struct prl_tts_stream_conf *conf, void **stream)
{
    mouth.conf = *conf;
    snprintf(mouth.voice, sizeof(mouth.voice), "%s", conf->voice);
    mouth.open = true;
    *stream = front;
    return PRL_OK;
}

static void close_mouth(void *stream)
{
    (void)stream;
    mouth.open = false;
}

static enum prl_err configure(void *stream, const char *voice, float speed)
{
    (void)stream;
    (void)speed;
    snprintf(mouth.voice, sizeof(mouth.voice), "%s", voice);
    return PRL_OK;
}

static void set_language(void *stream, enum prl_text_lang language)
{
    (void)stream;
    (void)language;
}

static enum prl_err say(void *stream, uint32_t generation, uint32_t clause_id, const char *text,
                        size_t len)
{
    (void)stream;
    (void)clause_id;
    if (mouth.refuses)
        return PRL_ERR_ENGINE;
    mouth.generation = generation;
    mouth.said++;
    snprintf(mouth.text, sizeof(mouth.text), "%.*s", (int)len, text);
    return PRL_OK;
}

static const struct prl_tts_front_ops front = {.create = create,
                                               .destroy = destroy,
                                               .is_ready = is_ready,
                                               .open = open_mouth,
                                               .close = close_mouth,
                                               .configure = configure,
                                               .set_language = set_language,
                                               .say = say};

static void speak(size_t samples)
{
    static int16_t pcm[PRL_TTS_CHUNK_MAX];
    const struct prl_tts_mark mark = {.sample_end = 100, .source_end = 5};
    struct prl_tts_event event = {
        .type = PRL_TTS_AUDIO, .generation = mouth.generation, .pcm = pcm, .engine = "scripted"};
    for (size_t at = 0; at < samples; at += event.samples) {
        event.samples = samples - at < PRL_TTS_CHUNK_MAX ? samples - at : PRL_TTS_CHUNK_MAX;
        event.marks = &mark;
        event.mark_count = at == 0;
        pcm[0] = (int16_t)mouth.said;
        mouth.conf.fn(mouth.conf.arg, &event);
    }
    event = (struct prl_tts_event){
        .type = PRL_TTS_CLAUSE_DONE, .generation = mouth.generation, .engine = "scripted"};
    mouth.conf.fn(mouth.conf.arg, &event);
}

struct world {
    struct prl_loop *loop;
    struct prl_tts *tts;
    struct prl_phrases *phrases;
};

static enum prl_err open_world(struct world *world, size_t bytes_max)
{
    *world = (struct world){0};
    memset(&mouth, 0, sizeof(mouth));
    enum prl_err err = prl_loop_create(&world->loop, NULL);
    struct prl_tts_conf conf = {.loop = world->loop, .front = &front};
    if (!err)
        err = prl_tts_create(&world->tts, &conf);
    return err ? err : prl_phrases_create(&world->phrases, world->tts, bytes_max);
}

static void close_world(struct world *world)
{
    prl_phrases_destroy(&world->phrases);
    EXPECT(!mouth.open);
    prl_tts_destroy(&world->tts);
    prl_loop_destroy(&world->loop);
}

static struct prl_phrase_wish wish(const char *text)
{
    return (struct prl_phrase_wish){.text = text, .voice = "alloy", .speed = 1};
}

static bool has(struct world *world, const char *text)
{
    struct prl_phrase phrase;
    struct prl_phrase_wish one = wish(text);
    return prl_phrases_get(world->phrases, &one, &phrase) && phrase.samples > 0;
}

PRL_TEST(phrases_are_made_once)
{
    struct world world;
    REQUIRE(open_world(&world, 1 << 20) == PRL_OK);
    struct prl_phrase_wish sorry = wish("Sorry.");
    uint64_t missed = prl_metrics_value(PRL_METRIC_PHRASES_MISSED);
    EXPECT(!has(&world, "Sorry."));
    EXPECT_INT(prl_metrics_value(PRL_METRIC_PHRASES_MISSED), missed + 1);
    prl_phrases_want(world.phrases, &sorry);
    prl_phrases_want(world.phrases, &sorry);
    EXPECT_TEXT(mouth.text, "Sorry.");
    EXPECT_TEXT(mouth.voice, "alloy");
    EXPECT(!has(&world, "Sorry.")); // it is being made
    speak(6000);
    struct prl_phrase phrase = {0};
    EXPECT(prl_phrases_get(world.phrases, &sorry, &phrase));
    EXPECT_INT(phrase.samples, 6000);
    EXPECT_INT(phrase.pcm[0], 1);
    EXPECT_INT(phrase.mark_count, 1);
    EXPECT_INT(phrase.marks[0].source_end, 5);
    prl_phrases_want(world.phrases, &sorry);
    EXPECT_INT(mouth.said, 1);
    // Another voice, pace or language is another phrase.
    struct prl_phrase_wish others[] = {sorry, sorry, sorry};
    others[0].voice = "echo";
    others[1].speed = 1.25F;
    others[2].chinese = true;
    for (size_t i = 0; i < 3; i++) {
        EXPECT(!prl_phrases_get(world.phrases, &others[i], &phrase));
        prl_phrases_want(world.phrases, &others[i]);
        speak(100);
        EXPECT(prl_phrases_get(world.phrases, &others[i], &phrase));
    }
    EXPECT_INT(mouth.said, 4);
    close_world(&world);
}

PRL_TEST(phrases_are_kept_in_bounds)
{
    struct world world;
    REQUIRE(open_world(&world, 6000) == PRL_OK); // two of 1,200 samples, not three
    const char *texts[] = {"One.", "Two.", "Three."};
    for (size_t i = 0; i < 2; i++) {
        struct prl_phrase_wish one = wish(texts[i]);
        prl_phrases_want(world.phrases, &one);
        speak(1200);
    }
    EXPECT(has(&world, "One.")); // now the other one was used longest ago
    struct prl_phrase_wish three = wish(texts[2]);
    prl_phrases_want(world.phrases, &three);
    speak(1200);
    EXPECT(has(&world, "One.") && has(&world, "Three.") && !has(&world, "Two."));
    struct prl_str out;
    prl_str_init(&out, 4096);
    prl_phrases_render(world.phrases, &out);
    EXPECT(strstr(prl_str_text(&out), "\nparley_phrases 2\n") != NULL);
    prl_str_free(&out);
    // More than half of the room is not kept, and costs nobody his place.
    struct prl_phrase_wish four = wish("Four.");
    prl_phrases_want(world.phrases, &four);
    speak(2000);
    EXPECT(!has(&world, "Four.") && has(&world, "One."));
    // Longer than any phrase may be.
    char text[PRL_PHRASES_TEXT_SIZE + 1];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct prl_phrase_wish five = wish(text);
    prl_phrases_want(world.phrases, &five);
    EXPECT_INT(mouth.said, 4);
    close_world(&world);
}

PRL_TEST(phrases_wait_for_each_other_and_for_a_voice_that_works)
{
    struct world world;
    char text[32];
    REQUIRE(open_world(&world, 1 << 20) == PRL_OK);
    for (int i = 0; i < PRL_PHRASES_WAITING_MAX + 3; i++) {
        snprintf(text, sizeof(text), "Phrase %d.", i);
        struct prl_phrase_wish one = wish(text);
        prl_phrases_want(world.phrases, &one);
    }
    for (int i = 0; i < PRL_PHRASES_WAITING_MAX; i++)
        speak(100);
    EXPECT_INT(mouth.said, PRL_PHRASES_WAITING_MAX);
    EXPECT(has(&world, "Phrase 7.") && !has(&world, "Phrase 8."));
    // One fails: nothing is asked for a while.
    struct prl_phrase_wish one = wish("Late.");
    prl_phrases_want(world.phrases, &one);
    struct prl_tts_event event = {
        .type = PRL_TTS_ERROR, .generation = mouth.generation, .err = PRL_ERR_REMOTE};
    mouth.conf.fn(mouth.conf.arg, &event);
    prl_phrases_want(world.phrases, &one);
    EXPECT_INT(mouth.said, PRL_PHRASES_WAITING_MAX + 1);
    EXPECT(!has(&world, "Late."));
    close_world(&world);
    // Or is refused at once.
    REQUIRE(open_world(&world, 1 << 20) == PRL_OK);
    mouth.refuses = true;
    prl_phrases_want(world.phrases, &one);
    mouth.refuses = false;
    prl_phrases_want(world.phrases, &one);
    EXPECT_INT(mouth.said, 0);
    close_world(&world);
}

PRL_TEST_OOM(phrases_without_memory)
{
    struct world world;
    if (open_world(&world, 1 << 20) == PRL_OK) {
        struct prl_phrase_wish one = wish("Sorry.");
        prl_phrases_want(world.phrases, &one);
        if (mouth.said)
            speak(6000);
        (void)has(&world, "Sorry.");
    }
    close_world(&world);
}
