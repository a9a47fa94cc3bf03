// test_gguf.c -- llm/gguf and llm/llama: model files that are damaged, cut short or something else.
#include "llm/gguf.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "llm/llama.h"
#include "tests/unit.h"

struct file {
    uint8_t data[8192];
    size_t len;
};

static void put(struct file *file, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        file->data[file->len++] = (uint8_t)(value >> (8 * i));
}

static void put_string(struct file *file, const char *text)
{
    put(file, strlen(text), 8);
    memcpy(file->data + file->len, text, strlen(text));
    file->len += strlen(text);
}

// A file with two tensors (f32 of 8 by 4, q4_k of 256) and a vocabulary of three.
static void build(struct file *file)
{
    *file = (struct file){0};
    memcpy(file->data, "GGUF", 4);
    file->len = 4;
    put(file, 3, 4);
    put(file, 2, 8);
    put(file, 3, 8);
    put_string(file, "general.architecture");
    put(file, 8, 4);
    put_string(file, "qwen2");
    put_string(file, "tokenizer.ggml.tokens");
    put(file, 9, 4);
    put(file, 8, 4);
    put(file, 3, 8);
    put_string(file, "a");
    put_string(file, "b");
    put_string(file, "c");
    put_string(file, "general.alignment");
    put(file, 4, 4);
    put(file, 64, 4);
    put_string(file, "x");
    put(file, 2, 4);
    put(file, 8, 8);
    put(file, 4, 8);
    put(file, 0, 4);
    put(file, 0, 8);
    put_string(file, "y");
    put(file, 1, 4);
    put(file, 256, 8);
    put(file, 12, 4);
    put(file, 128, 8);
}

PRL_TEST(gguf_reads_a_header)
{
    struct file file;
    build(&file);
    size_t header = (file.len + 63) / 64 * 64;
    struct prl_gguf info;
    char why[PRL_GGUF_WHY_SIZE];
    EXPECT_OK(prl_gguf_check(&info, file.data, file.len, header + 272, why));
    EXPECT_TEXT(info.architecture, "qwen2");
    EXPECT_INT(info.vocabulary, 3);
    EXPECT_INT(info.alignment, 64);
    EXPECT_INT(info.header_bytes, header);
    EXPECT_INT(info.file_bytes, header + 128 + 144);
    EXPECT_INT(prl_gguf_check(&info, file.data, file.len, header + 271, why), PRL_ERR_INVALID);
    EXPECT(strstr(why, "is cut short") != NULL);
}

PRL_TEST(gguf_cut_or_changed_anywhere)
{
    struct file file;
    build(&file);
    struct prl_gguf info;
    char why[PRL_GGUF_WHY_SIZE];
    for (size_t len = 0; len < file.len; len++) {
        EXPECT_INT(prl_gguf_check(&info, file.data, len, 1 << 20, why), PRL_ERR_INVALID);
        EXPECT(why[0] != '\0');
    }
    for (size_t i = 0; i < file.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct file other = file;
            other.data[i] ^= (uint8_t)(1 << bit);
            enum prl_err err = prl_gguf_check(&info, other.data, other.len, 1 << 20, why);
            EXPECT((err == PRL_OK) == (why[0] == '\0'));
        }
    }
    EXPECT_INT(prl_gguf_check(&info, (const uint8_t *)"PK\3\4 a zip, not a model", 24, 24, why),
               PRL_ERR_INVALID);
    EXPECT_TEXT(why, "is no GGUF file");
}

static void write_file(const char *path, const uint8_t *data, size_t len, size_t zeros)
{
    FILE *out = fopen(path, "wb");
    if (!out) {
        EXPECT(out != NULL);
        return;
    }
    EXPECT_INT(fwrite(data, 1, len, out), len);
    for (size_t i = 0; i < zeros; i++)
        (void)fputc(0, out);
    (void)fclose(out);
}

static void refused(const struct prl_llama_source *source, const char *phrase)
{
    const struct prl_llm_model_ops *ops;
    char error[512];
    EXPECT_INT(prl_llama_open(&ops, source, error, sizeof(error)), PRL_ERR_ENGINE);
    EXPECT(ops == NULL);
    if (!strstr(error, phrase))
        EXPECT_TEXT(error, phrase);
}

PRL_TEST(llama_refuses_bad_files)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/model.gguf", prl_test_dir());
    struct prl_llama_source source = {.model_path = path, .module_path = "/nowhere/module.so"};
    refused(&source, "No such file");
    struct file file;
    build(&file);
    write_file(path, file.data, file.len, 0);
    refused(&source, "too short");
    memcpy(file.data, "GGML", 4);
    write_file(path, file.data, file.len, 8192);
    refused(&source, "is no GGUF file");
    build(&file);
    write_file(path, file.data, file.len, 8192);
    refused(&source, "/nowhere/module.so"); // the file is fine, the module is missing
    source.child_program = "/bin/false";
    refused(&source, "llama.cpp cannot use it");
    source.child_program = "/nowhere/program";
    refused(&source, "no child process");
    source.child_program = NULL;
    source.model_path = prl_test_dir();
    refused(&source, "is no file");
}

PRL_TEST(llama_trial_that_dies)
{
    char path[512];
    char script[512];
    (void)snprintf(path, sizeof(path), "%s/model.gguf", prl_test_dir());
    (void)snprintf(script, sizeof(script), "%s/dies", prl_test_dir());
    struct file file;
    build(&file);
    write_file(path, file.data, file.len, 8192);
    static const char text[] = "#!/bin/sh\nkill -ABRT $$\n";
    write_file(script, (const uint8_t *)text, sizeof(text) - 1, 0);
    EXPECT_INT(chmod(script, 0700), 0);
    struct prl_llama_source source = {
        .model_path = path, .module_path = "/nowhere/m.so", .child_program = script};
    refused(&source, "llama.cpp died of it (signal 6)");
    source.model_known = true; // no trial
    refused(&source, "/nowhere/m.so");
}
