// test_ggml_file.c -- whole and broken Whisper files.
#include <stdio.h>
#include <string.h>

#include "stt/ggml_file.h"
#include "tests/unit.h"

struct file {
    uint8_t data[4096];
    size_t size;
};

static void add(struct file *file, const void *data, size_t size)
{
    REQUIRE(file->size + size <= sizeof(file->data));
    memcpy(file->data + file->size, data, size);
    file->size += size;
}

static void add_ints(struct file *file, const int32_t *values, size_t count)
{
    add(file, values, count * sizeof(*values));
}

// A model of two tokens and two tensors: f32 [3] and q8_0 [2 x 32].
static void make_model(struct file *file)
{
    *file = (struct file){.size = 0};
    add_ints(file, (const int32_t[]){0x67676d6c, 2, 10, 8, 2, 1, 4, 8, 2, 1, 2, 2007}, 12);
    add_ints(file, (const int32_t[]){2, 3}, 2);
    add(file, (const float[6]){0}, 24);
    add_ints(file, (const int32_t[]){2, 1}, 2);
    add(file, "a", 1);
    add_ints(file, (const int32_t[]){0}, 1);
    add_ints(file, (const int32_t[]){1, 1, 0, 3}, 4);
    add(file, "b", 1);
    add(file, (const float[3]){0}, 12);
    add_ints(file, (const int32_t[]){2, 1, 8, 32, 2}, 5);
    add(file, "w", 1);
    add(file, (const uint8_t[68]){0}, 68);
}

static bool read_bytes(void *arg, uint64_t at, void *out, size_t size)
{
    const struct file *file = arg;
    if (at > file->size || size > file->size - at)
        return false;
    memcpy(out, file->data + at, size);
    return true;
}

static enum prl_err check(struct file *file)
{
    char why[128] = "";
    enum prl_err err = prl_ggml_check(read_bytes, file, file->size, why, sizeof(why));
    EXPECT((err == PRL_OK) == (why[0] == '\0'));
    return err;
}

PRL_TEST(ggml_file_whole)
{
    struct file file;
    make_model(&file);
    EXPECT_OK(check(&file));
}

PRL_TEST(ggml_file_cut_anywhere)
{
    struct file file;
    make_model(&file);
    size_t whole = file.size, accepted = 0;
    for (size_t size = 0; size < whole; size++) {
        file.size = size;
        accepted += check(&file) == PRL_OK; // only where the cut falls between two tensors
    }
    EXPECT_INT(accepted, 1);
    make_model(&file);
    add(&file, "x", 1);
    EXPECT_INT(check(&file), PRL_ERR_INVALID);
}

PRL_TEST(ggml_file_impossible_numbers)
{
    struct file file;
    static const int32_t BAD[] = {0, -1, INT32_MAX, INT32_MIN};
    for (size_t at = 0; at < 11; at++) {
        for (size_t i = 0; i < 4; i++) {
            make_model(&file);
            memcpy(file.data + at * 4, &BAD[i], 4);
            EXPECT_INT(check(&file), PRL_ERR_INVALID);
        }
    }
    for (int i = 0; i < 5000; i++) { // any damage: an answer, never a crash
        make_model(&file);
        file.data[prl_test_random() % file.size] = (uint8_t)prl_test_random();
        (void)check(&file);
    }
}

PRL_TEST(ggml_file_on_disk)
{
    char path[256], why[256] = "";
    (void)snprintf(path, sizeof(path), "%s/model.bin", prl_test_dir());
    EXPECT_INT(prl_ggml_file_check(path, why, sizeof(why)), PRL_ERR_NOTFOUND);
    struct file file;
    make_model(&file);
    FILE *out = fopen(path, "wbe");
    REQUIRE(out != NULL);
    EXPECT(fwrite(file.data, 1, file.size, out) == file.size);
    (void)fclose(out);
    EXPECT_OK(prl_ggml_file_check(path, why, sizeof(why)));
    out = fopen(path, "wbe");
    REQUIRE(out != NULL);
    EXPECT(fwrite(file.data, 1, file.size - 5, out) == file.size - 5);
    (void)fclose(out);
    EXPECT_INT(prl_ggml_file_check(path, why, sizeof(why)), PRL_ERR_INVALID);
    EXPECT(strstr(why, "model.bin: cut short inside a tensor") != NULL);
}
