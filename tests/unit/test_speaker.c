// test_speaker.c -- the front of the speaker model with a scripted model: voiceprints and what is none.
// Queue and lane: test_judge.c.
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/unit.h"
#include "tests/unit/judge_fake.h"
#include "tests/unit/wait.h"
#include "vad/speaker.h"

// What the scripted model does is told by the last sample of the sound: the axis, or one of these.
enum { BREAK = 3000, NOT_A_NUMBER = 4000, NOWHERE = 5000 };
enum { ANSWERS_MAX = 64, N = PRL_SPEAKER_SAMPLES_MIN };

static atomic_size_t heard;

static enum prl_err embed_script(void *ctx, const int16_t *pcm, size_t n, float *voice)
{
    (void)ctx;
    int order = pcm[n - 1];
    atomic_store(&heard, n);
    memset(voice, 0, PRL_SPEAKER_VALUES * sizeof(*voice));
    if (order < PRL_SPEAKER_VALUES)
        voice[order] = 3.0F;
    if (order == NOT_A_NUMBER)
        voice[7] = NAN;
    return order == BREAK ? PRL_ERR_ENGINE : PRL_OK;
}

static const struct prl_judge_backend_ops SCRIPT = {
    .name = "script", .open = judge_fake_open, .close = judge_fake_close, .run = embed_script};

struct bench {
    struct judge_fake fake;
    struct prl_loop *loop;
    struct prl_speaker *speaker;
    struct prl_speaker_stream *a, *b;
    struct {
        uint32_t utterance;
        enum prl_err err;
        int axis;
    } answers[ANSWERS_MAX];
    size_t count;
};

static void on_answer(void *arg, const struct prl_speaker_answer *answer)
{
    struct bench *bench = arg;
    REQUIRE(bench->count < ANSWERS_MAX);
    EXPECT((answer->voice == NULL) == (answer->err != PRL_OK) && answer->work_us >= 0);
    int axis = -1;
    for (int i = 0; answer->voice && i < PRL_SPEAKER_VALUES; i++)
        if (fabsf(answer->voice[i] - 1.0F) < 1e-5F)
            axis = i;
    bench->answers[bench->count].utterance = answer->utterance;
    bench->answers[bench->count].axis = axis;
    bench->answers[bench->count++].err = answer->err;
}

static enum prl_err start(struct bench *bench, const char *model)
{
    *bench = (struct bench){.count = 0};
    enum prl_err err = prl_loop_create(&bench->loop, NULL);
    if (err)
        return err;
    struct prl_speaker_conf conf = {.loop = bench->loop,
                                    .model = model,
                                    .backend = &SCRIPT,
                                    .on_ready = judge_fake_ready,
                                    .on_error = judge_fake_error,
                                    .arg = bench};
    err = prl_speaker_create(&bench->speaker, &conf);
    if (!err)
        err = prl_speaker_open(bench->speaker, on_answer, bench, &bench->a);
    return err ? err : prl_speaker_open(bench->speaker, on_answer, bench, &bench->b);
}

static void stop(struct bench *bench)
{
    prl_speaker_close(&bench->a);
    prl_speaker_close(&bench->b);
    prl_speaker_destroy(&bench->speaker);
    if (bench->loop)
        prl_loop_destroy(&bench->loop);
}

static enum prl_err ask(struct prl_speaker_stream *stream, uint32_t utterance, int16_t order)
{
    int16_t pcm[N] = {0};
    pcm[N - 1] = order;
    return prl_speaker_ask(stream, utterance, pcm, N);
}

PRL_TEST(speaker_answers_in_order)
{
    struct bench bench;
    REQUIRE(start(&bench, "script") == PRL_OK);
    EXPECT(ask(bench.a, 1, 5) == PRL_ERR_AGAIN && !prl_speaker_is_ready(bench.speaker));
    WAIT(bench.loop, bench.fake.ready == 1);
    EXPECT(ask(bench.a, 1, 5) == PRL_OK && ask(bench.b, 2, 191) == PRL_OK);
    WAIT(bench.loop, bench.count == 2);
    EXPECT(bench.answers[0].utterance == 1 && bench.answers[0].axis == 5);
    EXPECT(bench.answers[1].utterance == 2 && bench.answers[1].axis == 191);
    EXPECT(atomic_load(&heard) == N);
    stop(&bench);
}

PRL_TEST(speaker_reports_what_is_no_voice)
{
    struct bench bench;
    REQUIRE(start(&bench, "script") == PRL_OK);
    WAIT(bench.loop, bench.fake.ready == 1);
    EXPECT(ask(bench.a, 1, BREAK) == PRL_OK && ask(bench.a, 2, NOT_A_NUMBER) == PRL_OK &&
           ask(bench.a, 3, NOWHERE) == PRL_OK && ask(bench.a, 4, 1) == PRL_OK);
    WAIT(bench.loop, bench.count == 4);
    for (int i = 0; i < 3; i++)
        EXPECT(bench.answers[i].err == PRL_ERR_ENGINE);
    EXPECT(bench.answers[3].err == PRL_OK && bench.answers[3].axis == 1);
    stop(&bench);
}

PRL_TEST(speaker_that_cannot_be_loaded)
{
    struct bench bench;
    REQUIRE(start(&bench, "bad") == PRL_OK);
    WAIT(bench.loop, bench.fake.failed == 1);
    EXPECT(ask(bench.a, 1, 5) == PRL_ERR_ENGINE && bench.fake.ready == 0);
    stop(&bench);
}

PRL_TEST_OOM(speaker_starts_and_answers)
{
    struct bench bench;
    if (start(&bench, "script") == PRL_OK) {
        WAIT(bench.loop, bench.fake.ready + bench.fake.failed > 0);
        if (bench.fake.ready && ask(bench.a, 1, 5) == PRL_OK)
            WAIT(bench.loop, bench.count == 1);
    }
    stop(&bench);
}
