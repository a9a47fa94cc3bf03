// test_espeak.c -- the process that speaks as a last resort, with scripts in its place.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "dsp/fft.h"
#include "media/wav.h"
#include "tests/unit.h"
#include "tts/backend.h"
#include "tts/espeak.h"

// A program that runs `body` as a shell script.
static const char *script_make(const char *body)
{
    static char path[256];
    (void)snprintf(path, sizeof(path), "%s/speak", prl_test_dir());
    FILE *file = fopen(path, "we");
    bool good = file && fprintf(file, "#!/bin/sh\n%s\n", body) > 0;
    if (file)
        good = fclose(file) == 0 && good;
    return good && chmod(path, 0700) == 0 ? path : NULL;
}

// A WAV of 0.5 s at 22050 Hz, whose header does not know its size, in the test's folder.
static bool wav_make(void)
{
    char path[256];
    uint8_t header[PRL_WAV_HEADER_SIZE];
    static int16_t pcm[11025];
    for (size_t i = 0; i < 11025; i++)
        pcm[i] = (int16_t)(i % 100 * 100);
    prl_wav_header(header, 22050, 11025);
    static const uint8_t unknown_size[4] = {0x00, 0xf0, 0xff, 0x7f};
    memcpy(header + 40, unknown_size, sizeof(unknown_size));
    (void)snprintf(path, sizeof(path), "%s/x.wav", prl_test_dir());
    FILE *file = fopen(path, "wbe");
    return file && fwrite(header, sizeof(header), 1, file) == 1 &&
           fwrite(pcm, sizeof(pcm), 1, file) == 1 && fclose(file) == 0;
}

static enum prl_err run(const char *program, int16_t **pcm, size_t *count, char why[256])
{
    struct prl_espeak_conf conf = {.program = program, .voice = "en-us", .speed = 1};
    return prl_espeak_run(&conf, "hello", 5, pcm, count, why, 256);
}

PRL_TEST(espeak_sound_is_resampled)
{
    char body[512], why[256] = "";
    int16_t *pcm;
    size_t count;
    (void)snprintf(body, sizeof(body), "[ \"$(cat)\" = hello ] && cat %s/x.wav", prl_test_dir());
    const char *program = script_make(body);
    REQUIRE(wav_make() && program != NULL);
    EXPECT_OK(run(program, &pcm, &count, why));
    EXPECT_TEXT(why, "");
    EXPECT(count > 11900 && count < 12200);
    prl_mem_free(pcm);
}

PRL_TEST(espeak_failures_are_told)
{
    char why[256] = "";
    int16_t *pcm;
    size_t count;
    EXPECT(run("/nowhere/espeak-ng", &pcm, &count, why) != PRL_OK);
    EXPECT(pcm == NULL && strstr(why, "/nowhere/espeak-ng") != NULL);
    EXPECT_INT(run(script_make("exit 3"), &pcm, &count, why), PRL_ERR_ENGINE);
    EXPECT(strstr(why, "exit status 3") != NULL);
    EXPECT_INT(run(script_make("exec 0<&-; echo too short"), &pcm, &count, why), PRL_ERR_ENGINE);
    EXPECT(run(script_make("head -c 100000 /dev/zero"), &pcm, &count, why) != PRL_OK);
    EXPECT(pcm == NULL);
}

PRL_TEST(espeak_voice_marks_words_by_length)
{
    char body[512], why[256];
    void *ctx;
    (void)snprintf(body, sizeof(body), "cat >/dev/null; cat %s/x.wav", prl_test_dir());
    const struct prl_tts_paths paths = {.espeak = script_make(body)};
    const struct prl_tts_backend_conf conf = {.paths = &paths};
    static const struct prl_text_unit units[] = {{0, 2, 0, 2, PRL_TEXT_EN, PRL_TEXT_WORD},
                                                 {3, 2, 3, 5, PRL_TEXT_EN, PRL_TEXT_WORD}};
    static const struct prl_text_segment segment = {PRL_TEXT_EN, 0, 2, 0, 5};
    const struct prl_text_out text = {.text = "ab cd",
                                      .text_len = 5,
                                      .units = units,
                                      .unit_count = 2,
                                      .segments = &segment,
                                      .segment_count = 1};
    const struct prl_tts_request request = {.text = &text, .segment_count = 1, .speed = 1};
    const struct prl_tts_ops *ops = &prl_tts_espeak;
    REQUIRE(wav_make() && paths.espeak);
    REQUIRE(ops->open(&ctx, &conf, why, sizeof(why)) == PRL_OK);
    EXPECT_OK(ops->begin(ctx, &request));
    struct prl_tts_chunk chunk = {.last = false};
    size_t samples = 0, marks = 0;
    uint32_t before = 0;
    while (!chunk.last) {
        REQUIRE(ops->step(ctx, &chunk) == PRL_OK);
        samples += chunk.samples;
        for (size_t i = 0; i < chunk.mark_count; i++) {
            EXPECT_INT(chunk.marks[i].sample_start, before);
            EXPECT(chunk.marks[i].sample_end <= samples);
            before = chunk.marks[i].sample_end;
        }
        marks += chunk.mark_count;
    }
    EXPECT_INT(marks, 2);
    EXPECT_INT(before, samples);
    ops->end(ctx);
    ops->close(&ctx);
    ops->close(&ctx);
}

PRL_TEST_OOM(espeak_short_of_memory)
{
    char why[256] = "";
    int16_t *pcm = NULL;
    size_t count = 0;
    if (!wav_make())
        return;
    char body[512];
    (void)snprintf(body, sizeof(body), "cat >/dev/null; cat %s/x.wav", prl_test_dir());
    enum prl_err err = run(script_make(body), &pcm, &count, why);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    prl_mem_free(pcm);
}

PRL_TEST(fft_there_and_back)
{
    struct prl_fft *fft;
    float signal[1200], spectrum[1202], back[1200];
    REQUIRE(prl_fft_create(&fft, 1200) == PRL_OK);
    for (int i = 0; i < 1200; i++)
        signal[i] = (float)(prl_test_random() % 2001) / 1000 - 1;
    prl_fft_forward(fft, signal, spectrum);
    float sum = 0, worst = 0;
    for (int i = 0; i < 1200; i++)
        sum += signal[i];
    EXPECT(spectrum[0] - sum < 1e-2F && sum - spectrum[0] < 1e-2F);
    prl_fft_inverse(fft, spectrum, back);
    for (int i = 0; i < 1200; i++) {
        float error = back[i] / 1200 - signal[i];
        worst = error > worst ? error : -error > worst ? -error : worst;
    }
    EXPECT(worst < 1e-4F);
    prl_fft_destroy(&fft);
    prl_fft_destroy(&fft);
}
