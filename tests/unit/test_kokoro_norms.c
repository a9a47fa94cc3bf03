// test_kokoro_norms.c -- the average of norms, by frames, from when on it counts, and its file.
#include <math.h>
#include <stdio.h>

#include "tests/unit.h"
#include "tts/kokoro_norms.h"
#include "tts/kokoro_synth.h"

static float own[PRL_KOKORO_NORMS];

static void fill(float value)
{
    for (size_t i = 0; i < PRL_KOKORO_NORMS; i++)
        own[i] = value + (float)i;
}

static bool all_are(const float *mean, float value)
{
    for (size_t i = 0; i < PRL_KOKORO_NORMS; i++)
        if (!(fabsf(mean[i] - value - (float)i) < 0.05F))
            return false;
    return true;
}

PRL_TEST(kokoro_norms_are_an_average_over_frames)
{
    struct prl_kokoro_norms norms = {.mean = NULL};
    EXPECT(prl_kokoro_norms_known(&norms) == NULL);
    fill(10);
    prl_kokoro_norms_learn(&norms, own, 0); // nothing was made
    EXPECT(prl_kokoro_norms_known(&norms) == NULL);
    prl_kokoro_norms_learn(&norms, own, 120);
    EXPECT(prl_kokoro_norms_known(&norms) == NULL); // too few to go by
    fill(14);
    prl_kokoro_norms_learn(&norms, own, 40);
    REQUIRE(prl_kokoro_norms_known(&norms) != NULL);
    EXPECT(all_are(prl_kokoro_norms_known(&norms), 11));
    fill(21);
    prl_kokoro_norms_learn(&norms, own, 40);
    EXPECT(all_are(prl_kokoro_norms_known(&norms), 13));
    prl_kokoro_norms_free(&norms);
    EXPECT(prl_kokoro_norms_known(&norms) == NULL);
}

PRL_TEST_OOM(kokoro_norms)
{
    struct prl_kokoro_norms norms = {.mean = NULL};
    fill(1);
    prl_kokoro_norms_learn(&norms, own, 200);
    EXPECT(prl_kokoro_norms_known(&norms) == norms.mean); // nothing, or all of it
    prl_kokoro_norms_free(&norms);
}

// ---- kept in a file ----

static void write_some(const char *path, const char *key)
{
    struct prl_kokoro_norms norms = {.mean = NULL};
    fill(5);
    prl_kokoro_norms_learn(&norms, own, 200);
    REQUIRE(prl_kokoro_norms_known(&norms) != NULL);
    prl_kokoro_norms_write(&norms, path, key);
    prl_kokoro_norms_free(&norms);
}

static bool reads(const char *path, const char *key)
{
    struct prl_kokoro_norms norms = {.mean = NULL};
    prl_kokoro_norms_read(&norms, path, key);
    bool known = prl_kokoro_norms_known(&norms) != NULL;
    EXPECT(!known || (all_are(norms.mean, 5) && norms.frames == 200));
    prl_kokoro_norms_free(&norms);
    return known;
}

PRL_TEST(kokoro_norms_are_kept_for_one_model)
{
    char path[600];
    (void)snprintf(path, sizeof(path), "%s/zf_xiaobei", prl_test_dir());
    EXPECT(!reads(path, "a model"));
    write_some(path, "a model");
    EXPECT(reads(path, "a model"));
    EXPECT(!reads(path, "a model 2"));
    EXPECT(!reads(path, "a"));
    write_some(path, "a model 2");
    EXPECT(reads(path, "a model 2"));
    // What is known stays when nothing better is there.
    struct prl_kokoro_norms norms = {.mean = NULL};
    fill(9);
    prl_kokoro_norms_learn(&norms, own, 160);
    prl_kokoro_norms_read(&norms, path, "a model");
    EXPECT(norms.frames == 160 && all_are(norms.mean, 9));
    prl_kokoro_norms_read(&norms, path, "a model 2");
    EXPECT(norms.frames == 200 && all_are(norms.mean, 5));
    prl_kokoro_norms_write(&norms, "/nowhere/at/all", "a model"); // logged, nothing else
    prl_kokoro_norms_free(&norms);
}

// One byte of the file is another, or it ends early or late.
PRL_TEST(kokoro_norms_that_are_damaged_are_not_used)
{
    enum { ROOM = PRL_KOKORO_NORMS * 4 + 512 };
    static char bytes[ROOM];
    char path[600];
    (void)snprintf(path, sizeof(path), "%s/zf_xiaobei", prl_test_dir());
    write_some(path, "a model");
    FILE *file = fopen(path, "rbe");
    REQUIRE(file != NULL);
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    (void)fclose(file);
    REQUIRE(size > ROOM - 512 && size < ROOM);
    for (size_t i = 0; i < 60; i++) {
        size_t at = i < 30 ? i * 3 : prl_test_random() % size;
        size_t len = i % 3 == 1 ? at : i % 3 == 2 ? size + 1 : size;
        bytes[at] ^= (char)(i % 3 == 0 ? 0x11 : 0);
        file = fopen(path, "wbe");
        REQUIRE(file != NULL && fwrite(bytes, 1, len, file) == len && fclose(file) == 0);
        EXPECT(!reads(path, "a model"));
        bytes[at] ^= (char)(i % 3 == 0 ? 0x11 : 0);
    }
    file = fopen(path, "wbe");
    REQUIRE(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
    EXPECT(reads(path, "a model"));
}

// Even with a hash that fits.
PRL_TEST(kokoro_norms_are_numbers)
{
    char path[600];
    struct prl_kokoro_norms norms = {.mean = NULL};
    (void)snprintf(path, sizeof(path), "%s/zf_xiaobei", prl_test_dir());
    fill(5);
    own[77] = NAN;
    prl_kokoro_norms_learn(&norms, own, 200);
    REQUIRE(prl_kokoro_norms_known(&norms) != NULL);
    prl_kokoro_norms_write(&norms, path, "a model");
    prl_kokoro_norms_free(&norms);
    EXPECT(!reads(path, "a model"));
}

PRL_TEST_OOM(kokoro_norms_in_a_file)
{
    char path[600];
    struct prl_kokoro_norms norms = {.mean = NULL};
    (void)snprintf(path, sizeof(path), "%s/zf_xiaobei", prl_test_dir());
    fill(5);
    prl_kokoro_norms_learn(&norms, own, 200);
    if (prl_kokoro_norms_known(&norms)) {
        prl_kokoro_norms_write(&norms, path, "a model");
        bool known = reads(path, "a model");
        EXPECT(known || prl_test_oom());
    }
    prl_kokoro_norms_free(&norms);
}
