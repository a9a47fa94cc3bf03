// test_eot.c -- the front of the end-of-turn engine with its lane and a scripted model: answers, order,
// a full queue, cancel, errors, the end with work waiting; and the rule of turn.h.
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "eot/backend.h"
#include "eot/eot.h"
#include "eot/turn.h"
#include "eot/words.h"
#include "net/loop.h"
#include "tests/unit.h"
#include "tests/unit/two_loops.h"

// What the scripted model does is told by the last sample of the sound: its permille, or one of these.
enum { HANG = 2000, BREAK = 3000, NOT_A_NUMBER = 4000, BEYOND = 5000 };
enum { ANSWERS_MAX = 64 };

static atomic_int predictions;
static atomic_int hanging; // a HANG waits
static atomic_int release; // lets it go on
static atomic_size_t heard;

static enum prl_err open_script(void **ctx, const struct prl_eot_open_conf *conf, char *why,
                                size_t why_size)
{
    *ctx = NULL;
    if (strcmp(conf->model, "bad") == 0) {
        (void)snprintf(why, why_size, "bad: cannot be loaded");
        return PRL_ERR_ENGINE;
    }
    *ctx = prl_mem_zalloc(1);
    return *ctx ? PRL_OK : PRL_ERR_NOMEM;
}

static void close_script(void **ctx)
{
    prl_mem_free(*ctx);
    *ctx = NULL;
}

static enum prl_err predict_script(void *ctx, const int16_t *pcm, size_t n, float *probability)
{
    (void)ctx;
    int order = pcm[n - 1];
    atomic_fetch_add(&predictions, 1);
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

static const struct prl_eot_backend_ops SCRIPT = {
    .name = "script", .open = open_script, .close = close_script, .predict = predict_script};

struct bench {
    struct prl_loop *loop;
    struct prl_eot *eot;
    struct prl_eot_stream *a, *b;
    int ready, failed;
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

static void on_ready(void *arg)
{
    ((struct bench *)arg)->ready++;
}

static void on_error(void *arg, const char *why)
{
    struct bench *bench = arg;
    bench->failed++;
    if (!prl_test_oom())
        EXPECT_TEXT(why, "bad: cannot be loaded");
}

// Turns the loop until it has something to show.
#define WAIT(loop, condition)                                                                      \
    do {                                                                                           \
        int64_t until_ = prl_clock_now_us() + PRL_TEST_WAIT_US;                                    \
        while (!(condition) && prl_clock_now_us() < until_)                                        \
            prl_loop_turn(loop, 10000);                                                            \
        EXPECT(prl_test_oom() || (condition));                                                     \
    } while (0)

static enum prl_err start(struct bench *bench, const char *model)
{
    *bench = (struct bench){.count = 0};
    atomic_store(&release, 0);
    atomic_store(&hanging, 0);
    atomic_store(&predictions, 0);
    enum prl_err err = prl_loop_create(&bench->loop, NULL);
    if (err)
        return err;
    struct prl_eot_conf conf = {.loop = bench->loop,
                                .model = model,
                                .backend = &SCRIPT,
                                .on_ready = on_ready,
                                .on_error = on_error,
                                .arg = bench};
    err = prl_eot_create(&bench->eot, &conf);
    if (!err)
        err = prl_eot_open(bench->eot, on_a, bench, &bench->a);
    return err ? err : prl_eot_open(bench->eot, on_b, bench, &bench->b);
}

static void stop(struct bench *bench)
{
    atomic_store(&release, 1);
    prl_eot_close(&bench->a);
    prl_eot_close(&bench->b);
    prl_eot_destroy(&bench->eot);
    if (bench->loop)
        prl_loop_destroy(&bench->loop);
}

static enum prl_err ask(struct prl_eot_stream *stream, uint32_t utterance, int16_t order)
{
    int16_t pcm[4] = {1, 2, 3, order};
    return prl_eot_ask(stream, utterance, pcm, 4);
}

// The lane is busy with a HANG from here on.
static void hang(struct bench *bench)
{
    EXPECT_OK(ask(bench->a, 1, HANG));
    while (!atomic_load(&hanging))
        prl_loop_turn(bench->loop, 1000);
}

PRL_TEST(eot_answers_in_order)
{
    struct bench bench;
    REQUIRE(start(&bench, "good") == PRL_OK);
    EXPECT(!prl_eot_is_ready(bench.eot));
    EXPECT_INT(ask(bench.a, 1, 500), PRL_ERR_AGAIN); // still loading
    WAIT(bench.loop, bench.ready);
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
    EXPECT_INT(bench.failed, 0);
    stop(&bench);
}

PRL_TEST(eot_hears_the_last_seconds)
{
    enum { SAMPLES = PRL_EOT_SAMPLES_MAX + 1000 };
    struct bench bench;
    int16_t *pcm = prl_mem_array(SAMPLES, sizeof(*pcm));
    REQUIRE(pcm && start(&bench, "good") == PRL_OK);
    WAIT(bench.loop, bench.ready);
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

PRL_TEST(eot_full_queue_refuses)
{
    struct bench bench;
    REQUIRE(start(&bench, "good") == PRL_OK);
    WAIT(bench.loop, bench.ready);
    hang(&bench);
    uint64_t skipped = prl_metrics_value(PRL_METRIC_EOT_SKIPPED);
    for (uint32_t i = 0; i < PRL_EOT_WAITING_MAX; i++)
        EXPECT_OK(ask(bench.b, i, 100));
    EXPECT_INT(ask(bench.b, 99, 100), PRL_ERR_FULL);
    EXPECT_INT(prl_metrics_value(PRL_METRIC_EOT_SKIPPED), skipped + 1);
    EXPECT(prl_eot_backlog_us(bench.eot) > PRL_EOT_BACKLOG_MAX_US);
    atomic_store(&release, 1);
    WAIT(bench.loop, bench.count == PRL_EOT_WAITING_MAX + 1);
    for (uint32_t i = 0; i < PRL_EOT_WAITING_MAX; i++)
        EXPECT_INT(bench.answers[i + 1].utterance, i);
    EXPECT_INT(prl_eot_backlog_us(bench.eot), 0);
    stop(&bench);
}

PRL_TEST(eot_cancel_silences_one_stream)
{
    struct bench bench;
    REQUIRE(start(&bench, "good") == PRL_OK);
    WAIT(bench.loop, bench.ready);
    hang(&bench); // of a
    EXPECT_OK(ask(bench.b, 1, 10));
    EXPECT_OK(ask(bench.a, 2, 20));
    EXPECT_OK(ask(bench.b, 3, 30));
    prl_eot_cancel(bench.a);
    prl_eot_cancel(bench.a);
    EXPECT_OK(ask(bench.a, 4, 40)); // counts again
    atomic_store(&release, 1);
    WAIT(bench.loop, bench.count == 3);
    EXPECT_INT(bench.answers[0].utterance, 1);
    EXPECT_INT(bench.answers[1].utterance, 3);
    EXPECT_INT(bench.answers[2].utterance, 4);
    EXPECT_INT(atomic_load(&predictions), 4); // the second of a's was never computed
    stop(&bench);
}

PRL_TEST(eot_model_that_fails)
{
    struct bench bench;
    REQUIRE(start(&bench, "good") == PRL_OK);
    WAIT(bench.loop, bench.ready);
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
    WAIT(bench.loop, bench.failed);
    EXPECT_INT(bench.ready, 0);
    EXPECT(!prl_eot_is_ready(bench.eot));
    EXPECT_INT(ask(bench.a, 1, 500), PRL_ERR_ENGINE);
    EXPECT_INT(prl_eot_backlog_us(bench.eot), 0);
    stop(&bench);
}

PRL_TEST(eot_ends_with_work_waiting)
{
    struct bench bench;
    REQUIRE(start(&bench, "good") == PRL_OK);
    WAIT(bench.loop, bench.ready);
    hang(&bench);
    EXPECT_OK(ask(bench.a, 2, 10));
    EXPECT_OK(ask(bench.b, 3, 10));
    stop(&bench); // lets the model go on; no answer comes
    EXPECT_INT(bench.count, 0);
    // And before it was loaded.
    REQUIRE(start(&bench, "good") == PRL_OK);
    stop(&bench);
    EXPECT_INT(bench.ready, 0);
}

PRL_TEST_OOM(eot_whole_life)
{
    struct bench bench;
    int taken = 0;
    enum prl_err err = start(&bench, "good");
    if (err)
        goto done;
    WAIT(bench.loop, bench.ready || bench.failed);
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

// ---- two loops, one lane ----

enum { ROUNDS = 40 };

struct side {
    struct prl_loop *loop;
    struct prl_eot *eot;
    struct prl_eot_stream *stream;
    int16_t base; // permille of its first ask
    uint32_t asked, answered, wrong;
    bool waits, ready;
};

static void on_side_ready(void *arg)
{
    ((struct side *)arg)->ready = true;
}

static void on_side_answer(void *arg, const struct prl_eot_answer *answer)
{
    struct side *side = arg;
    side->wrong += answer->err || answer->utterance != side->asked ||
                   answer->permille != (uint32_t)side->base + side->asked;
    side->answered++;
    side->waits = false;
}

// Asks again and again; every fourth ask is taken back and never answered.
static bool step_side(void *arg)
{
    struct side *side = arg;
    if (!prl_eot_is_ready(side->eot) || side->waits)
        return false;
    if (side->asked == ROUNDS)
        return true;
    int16_t pcm[2] = {0, (int16_t)(side->base + (int16_t)++side->asked)};
    EXPECT_OK(prl_eot_ask(side->stream, side->asked, pcm, 2));
    side->waits = side->asked % 4 != 0;
    if (!side->waits)
        prl_eot_cancel(side->stream);
    return false;
}

static enum prl_err open_side(struct side *side, struct prl_eot *share, const char *model)
{
    struct prl_eot_conf conf = {.loop = side->loop,
                                .model = model,
                                .backend = &SCRIPT,
                                .share = share,
                                .on_ready = on_side_ready,
                                .arg = side};
    enum prl_err err = prl_eot_create(&side->eot, &conf);
    return err ? err : prl_eot_open(side->eot, on_side_answer, side, &side->stream);
}

PRL_TEST(eot_two_loops_share_a_lane)
{
    struct side sides[2] = {{.base = 100}, {.base = 500}};
    for (size_t i = 0; i < 2; i++) {
        REQUIRE(prl_loop_create(&sides[i].loop, NULL) == PRL_OK);
        REQUIRE(open_side(&sides[i], i ? sides[0].eot : NULL, "good") == PRL_OK);
    }
    const struct two_loops_side both[2] = {{sides[0].loop, step_side, &sides[0]},
                                           {sides[1].loop, step_side, &sides[1]}};
    EXPECT(two_loops_run(both));
    for (size_t i = 0; i < 2; i++) {
        EXPECT(sides[i].ready);
        EXPECT_INT(sides[i].answered, ROUNDS - ROUNDS / 4);
        EXPECT_INT(sides[i].wrong, 0);
        prl_eot_close(&sides[i].stream);
    }
    prl_eot_destroy(&sides[0].eot);
    prl_eot_destroy(&sides[1].eot);
    prl_loop_destroy(&sides[0].loop);
    prl_loop_destroy(&sides[1].loop);
}

PRL_TEST_OOM(eot_shared_lane_that_does_not_load)
{
    struct side sides[2] = {{.base = 0}, {.base = 0}};
    enum prl_err err = PRL_OK;
    for (size_t i = 0; i < 2 && !err; i++) {
        err = prl_loop_create(&sides[i].loop, NULL);
        if (!err)
            err = open_side(&sides[i], i ? sides[0].eot : NULL, "bad");
    }
    int16_t pcm = 1;
    int64_t until_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (!err && prl_eot_ask(sides[1].stream, 1, &pcm, 1) != PRL_ERR_ENGINE &&
           prl_clock_now_us() < until_us)
        for (size_t i = 0; i < 2; i++)
            prl_loop_turn(sides[i].loop, 1000);
    if (!err && !prl_test_oom())
        EXPECT_INT(prl_eot_ask(sides[1].stream, 1, &pcm, 1), PRL_ERR_ENGINE);
    for (size_t i = 0; i < 2; i++)
        prl_eot_close(&sides[i].stream);
    prl_eot_destroy(&sides[0].eot);
    prl_eot_destroy(&sides[1].eot);
    for (size_t i = 0; i < 2; i++)
        if (sides[i].loop)
            prl_loop_destroy(&sides[i].loop);
}
