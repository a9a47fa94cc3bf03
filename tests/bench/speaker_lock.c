// speaker_lock.c -- the speaker lock's rule over the real model, for tests/bench/speaker_accuracy.py.
//
// Reads records from standard input: int32 kind, int32 samples, the samples (16 bit, 16 kHz, voice without
// its silences). Kind 0: forget the speaker; 1: an utterance of the speaker, to learn; 2: an utterance to
// judge, written as "unknown|mine|other likeness_max count cpu_ms".
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/judge.h"
#include "engine/models.h"
#include "engine/ort.h"
#include "vad/lock.h"

enum { PIECE = 512, SAMPLES_MAX = 60 * PRL_SPEAKER_RATE_HZ };

static void ask(void *model, const struct prl_lock *lock, struct prl_lock_print *print,
                const int16_t *pcm, bool pause)
{
    float voice[PRL_SPEAKER_VALUES];
    size_t n = prl_lock_wants(lock, print, pause);
    if (n == 0)
        return;
    prl_lock_asked(print, n);
    bool failed = prl_speaker_campplus.run(model, pcm + print->voiced - n, n, voice) != PRL_OK;
    prl_lock_answered(lock, print, failed ? NULL : voice);
}

static void utterance(void *model, struct prl_lock *lock, const int16_t *pcm, size_t n, bool learn)
{
    static const char *const names[] = {"unknown", "mine", "other"};
    struct prl_lock_print print = {.count = 0};
    int64_t start_us = prl_clock_thread_us();
    for (size_t at = 0; at < n; at += PIECE) {
        print.voiced += n - at < PIECE ? n - at : PIECE;
        ask(model, lock, &print, pcm, false);
    }
    ask(model, lock, &print, pcm, true);
    if (learn)
        prl_lock_learn(lock, &print);
    else
        printf("%s %.3f %u %.1f\n", names[prl_lock_verdict(lock, &print)],
               (double)print.likeness_max, print.count,
               (double)(prl_clock_thread_us() - start_us) / 1000.0);
}

int main(void)
{
    char library[PRL_MODELS_PATH_MAX], path[PRL_MODELS_PATH_MAX], why[PRL_ORT_WHY_SIZE] = "";
    struct prl_ort *ort = NULL;
    void *model = NULL;
    struct prl_lock lock = {.samples = 0};
    int16_t *pcm = prl_mem_array(SAMPLES_MAX, sizeof(*pcm));
    struct prl_judge_open_conf conf = {.path = path, .threads = 1};
    if (!pcm || prl_models_path("onnxruntime", library) || prl_models_path("campplus", path) ||
        prl_ort_create(&ort, library, why, sizeof(why)))
        return 1;
    conf.ort = ort;
    if (prl_speaker_campplus.open(&model, &conf, why, sizeof(why)) != PRL_OK) {
        (void)fprintf(stderr, "speaker_lock: %s\n", why);
        return 1;
    }
    int32_t head[2];
    while (fread(head, sizeof(head), 1, stdin) == 1 && head[1] >= 0 && head[1] <= SAMPLES_MAX &&
           fread(pcm, sizeof(*pcm), (size_t)head[1], stdin) == (size_t)head[1]) {
        if (head[0] == 0)
            lock = (struct prl_lock){.samples = 0};
        else
            utterance(model, &lock, pcm, (size_t)head[1], head[0] == 1);
    }
    prl_speaker_campplus.close(&model);
    prl_ort_destroy(&ort);
    prl_mem_free(pcm);
    return 0;
}
