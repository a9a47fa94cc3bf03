// test_eot.c -- the front of the end-of-turn engine with a scripted model: what it is asked and what it
// says; and the rule of turn.h. Queue and lane: test_judge.c.
#include <stdatomic.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "eot/eot.h"
#include "eot/turn.h"
#include "eot/words.h"
#include "tests/unit.h"
#include "tests/unit/judge_fake.h"
#include "tests/unit/wait.h"

// What the scripted model does is told by the last sample of the sound: its permille, or one of these.
enum { HANG = 2000, BREAK = 3000, NOT_A_NUMBER = 4000, BEYOND = 5000 };
enum { ANSWERS_MAX = 64 };

static atomic_int hanging; // a HANG waits
static atomic_int release; // lets it go on
static atomic_size_t heard;

static enum prl_err predict_script(void *ctx, const int16_t *pcm, size_t n, float *probability)
{
    (void)ctx;
    int order = pcm[n - 1];
    atomic_store(&heard, n);
    *probability = (float)order / 1000.0F;
    if (order == HANG) {
        atomic_store(&hanging, 1);
        while (!atomic_load(&release)) // the test lets go, or the runner ends it
            continue;
    }
    if (order == NOT_A_NUMBER)
        *probability = 0.0F / (*probability - *probability);
    return order == BREAK ? PRL_ERR_ENGINE : PRL_OK;
}

static const struct prl_judge_backend_ops SCRIPT = {
    .name = "script", .open = judge_fake_open, .close = judge_fake_close, .run = predict_script};

struct bench {
    struct judge_fake fake;
    struct prl_loop *loop;
    struct prl_eot *eot;
    struct prl_eot_stream *a, *b;
    struct {
        char name; // of the stream
        uint32_t utterance, permille;
        enum prl_err err;
    } answers[ANSWERS_MAX];
    size_t count;
};

static void record(struct bench *bench, char name, const struct prl_eot_answer *answer)
{
    REQUIRE(bench->count < ANSWERS_MAX);
    EXPECT(answer->queued_us >= 0 && answer->work_us >= 0);
    bench->answers[bench->count].name = name;
    bench->answers[bench->count].utterance = answer->utterance;
    bench->answers[bench->count].permille = answer->permille;
    bench->answers[bench->count++].err = answer->err;
}

static void on_a(void *arg, const struct prl_eot_answer *answer)
{
    record(arg, 'a', answer);
}

static void on_b(void *arg, const struct prl_eot_answer *answer)
{
    record(arg, 'b', answer);
}

static enum prl_err start(struct bench *bench, const char *model)
{
    *bench = (struct bench){.count = 0};
    atomic_store(&release, 0);
    atomic_store(&hanging, 0);
    enum prl_err err = prl_loop_create(&bench->loop, NULL);
    if (err)
        return err;
    struct prl_eot_conf conf = {.loop = bench->loop,
                                .model = model,
                                .backend = &SCRIPT,
                                .on_ready = judge_fake_ready,
                                .on_error = judge_fake_error,
                                .arg = bench};
    err = prl_eot_create(&bench->eot, &conf);
    if (!err)
        err = prl_eot_open(bench->eot, on_a, bench, &bench->a);
    return err ? err : prl_eot_open(bench->eot, on_b, bench, &bench->b);
}

static void stop_front(struct bench *bench)
{
    atomic_store(&release, 1);
    prl_eot_close(&bench->a);
    prl_eot_close(&bench->b);
    prl_eot_destroy(&bench->eot);
}

static void end_loop(struct bench *bench)
{
    if (bench->loop)
        prl_loop_destroy(&bench->loop);
}

static void stop(struct bench *bench)
{
    stop_front(bench);
    end_loop(bench);
}

static enum prl_err ask(struct prl_eot_stream *stream, uint32_t utterance, int16_t order)
{
    int16_t pcm[4] = {1, 2, 3, order};
    return prl_eot_ask(stream, utterance, pcm, 4);
}

PRL_TEST(eot_answers_in_order)
{
    struct bench bench;
    REQUIRE(start(&bench, "good") == PRL_OK);
    EXPECT(!prl_eot_is_ready(bench.eot));
    uint64_t skipped = prl_metrics_value(PRL_METRIC_EOT_SKIPPED);
    EXPECT_INT(ask(bench.a, 1, 500), PRL_ERR_AGAIN); // still loading
    EXPECT_INT(prl_metrics_value(PRL_METRIC_EOT_SKIPPED), skipped + 1);
    WAIT(bench.loop, bench.fake.ready);
    uint64_t asked = prl_metrics_value(PRL_METRIC_EOT_ASKS);
    EXPECT(prl_eot_is_ready(bench.eot));
    EXPECT_INT(prl_eot_backlog_us(bench.eot), 0);
    EXPECT_OK(ask(bench.a, 7, 921));
    EXPECT_OK(ask(bench.b, 8, 0));
    EXPECT_OK(ask(bench.a, 9, 1000));
    EXPECT_INT(bench.count, 0); // never from inside ask
    WAIT(bench.loop, bench.count == 3);
    EXPECT_INT(bench.answers[0].name, 'a');
    EXPECT_INT(bench.answers[0].utterance, 7);
    EXPECT_INT(bench.answers[0].permille, 921);
    EXPECT_INT(bench.answers[1].name, 'b');
    EXPECT_INT(bench.answers[1].permille, 0);
    EXPECT_INT(bench.answers[2].utterance, 9);
    EXPECT_INT(bench.answers[2].permille, 1000);
    EXPECT_INT(prl_metrics_value(PRL_METRIC_EOT_ASKS), asked + 3);
    EXPECT_INT(bench.fake.failed, 0);
    stop(&bench);
}

PRL_TEST(eot_hears_the_last_seconds)
{
    enum { SAMPLES = PRL_EOT_SAMPLES_MAX + 1000 };
    struct bench bench;
    int16_t *pcm = prl_mem_array(SAMPLES, sizeof(*pcm));
    REQUIRE(pcm && start(&bench, "good") == PRL_OK);
    WAIT(bench.loop, bench.fake.ready);
    pcm[SAMPLES - 1] = 123;
    EXPECT_OK(prl_eot_ask(bench.a, 1, pcm, SAMPLES));
    pcm[SAMPLES - 1] = 456; // it was copied
    WAIT(bench.loop, bench.count == 1);
    EXPECT_INT(bench.answers[0].permille, 123);
    EXPECT_INT(atomic_load(&heard), PRL_EOT_SAMPLES_MAX);
    EXPECT_OK(prl_eot_ask(bench.a, 1, pcm + SAMPLES - 1, 1));
    WAIT(bench.loop, bench.count == 2);
    EXPECT_INT(atomic_load(&heard), 1);
    stop(&bench);
    prl_mem_free(pcm);
}

PRL_TEST(eot_cancel_and_backlog)
{
    struct bench bench;
    REQUIRE(start(&bench, "good") == PRL_OK);
    WAIT(bench.loop, bench.fake.ready);
    EXPECT_OK(ask(bench.a, 1, HANG));
    WAIT(bench.loop, atomic_load(&hanging));
    for (uint32_t i = 0; i < PRL_EOT_WAITING_MAX; i++)
        EXPECT_OK(ask(bench.b, i, 100));
    EXPECT_INT(ask(bench.b, 99, 100), PRL_ERR_FULL);
    EXPECT(prl_eot_backlog_us(bench.eot) > PRL_EOT_BACKLOG_MAX_US);
    prl_eot_cancel(bench.b);
    EXPECT_OK(ask(bench.b, 50, 100));
    atomic_store(&release, 1);
    WAIT(bench.loop, bench.count == 2);
    EXPECT_INT(bench.answers[1].utterance, 50);
    EXPECT_INT(prl_eot_backlog_us(bench.eot), 0);
    stop(&bench);
}

PRL_TEST(eot_model_that_fails)
{
    struct bench bench;
    REQUIRE(start(&bench, "good") == PRL_OK);
    WAIT(bench.loop, bench.fake.ready);
    EXPECT_OK(ask(bench.a, 1, BREAK));
    EXPECT_OK(ask(bench.a, 2, NOT_A_NUMBER));
    EXPECT_OK(ask(bench.a, 3, BEYOND));
    EXPECT_OK(ask(bench.a, 4, -7));
    WAIT(bench.loop, bench.count == 4);
    EXPECT_INT(bench.answers[0].err, PRL_ERR_ENGINE);
    EXPECT_INT(bench.answers[0].permille, 0);
    EXPECT_INT(bench.answers[1].err, PRL_ERR_ENGINE);
    EXPECT_INT(bench.answers[2].err, PRL_OK);
    EXPECT_INT(bench.answers[2].permille, 1000);
    EXPECT_INT(bench.answers[3].permille, 0);
    stop(&bench);
}

PRL_TEST(eot_model_that_cannot_be_loaded)
{
    struct bench bench;
    REQUIRE(start(&bench, "bad") == PRL_OK);
    WAIT(bench.loop, bench.fake.failed);
    EXPECT_INT(bench.fake.ready, 0);
    EXPECT(!prl_eot_is_ready(bench.eot));
    EXPECT_INT(ask(bench.a, 1, 500), PRL_ERR_ENGINE);
    EXPECT_INT(prl_eot_backlog_us(bench.eot), 0);
    stop(&bench);
}

PRL_TEST_OOM(eot_whole_life)
{
    struct bench bench;
    int taken = 0;
    enum prl_err err = start(&bench, "good");
    if (err)
        goto done;
    WAIT(bench.loop, bench.fake.ready || bench.fake.failed);
    for (uint32_t i = 0; i < 3; i++)
        taken += ask(bench.a, i, 700) == PRL_OK;
    WAIT(bench.loop, bench.count == (size_t)taken);
    EXPECT_INT(bench.count, taken);
done:
    stop(&bench);
}

PRL_TEST(eot_silence_that_ends_a_turn)
{
    uint32_t done = prl_eot_silence_ms(1000, 0);
    EXPECT(done >= 200 && done <= 300);
    EXPECT(prl_eot_silence_ms(0, 0) == PRL_EOT_NEVER_MS);
    EXPECT(prl_eot_silence_ms(0, PRL_EOT_OPEN_ENDED) == PRL_EOT_NEVER_MS);
    EXPECT_INT(prl_eot_silence_ms(0, PRL_EOT_COMPLETE), done); // the model need not be asked
    // Surer is never slower; words that ask for more are never faster.
    for (uint32_t permille = 1; permille <= 1000; permille++) {
        EXPECT(prl_eot_silence_ms(permille, 0) <= prl_eot_silence_ms(permille - 1, 0));
        EXPECT(prl_eot_silence_ms(permille, PRL_EOT_OPEN_ENDED) >= prl_eot_silence_ms(permille, 0));
        EXPECT(prl_eot_silence_ms(permille, PRL_EOT_HAN) >= prl_eot_silence_ms(permille, 0));
        EXPECT_INT(prl_eot_silence_ms(permille, PRL_EOT_QUESTION), prl_eot_silence_ms(permille, 0));
    }
}

// Another loop's front is served by the same lane: the model is not loaded again.
PRL_TEST_OOM(eot_fronts_share_a_lane)
{
    struct bench bench, other = {.count = 0};
    enum prl_err err = start(&bench, "good");
    struct prl_eot_conf conf = {.loop = bench.loop,
                                .model = "bad",
                                .backend = &SCRIPT,
                                .share = bench.eot,
                                .on_ready = judge_fake_ready,
                                .on_error = judge_fake_error,
                                .arg = &other};
    if (!err)
        err = prl_eot_create(&other.eot, &conf);
    if (!err)
        err = prl_eot_open(other.eot, on_b, &other, &other.b);
    if (!err) {
        WAIT(bench.loop, other.fake.ready);
        if (ask(other.b, 3, 30) == PRL_OK)
            WAIT(bench.loop, other.count == 1);
        EXPECT(prl_test_oom() || other.answers[0].permille == 30);
    }
    prl_eot_close(&other.b);
    stop_front(&bench);
    prl_eot_destroy(&other.eot);
    end_loop(&bench);
}
