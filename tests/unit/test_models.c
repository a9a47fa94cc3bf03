// The list of models: what is read, what is refused, what is said about files.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/hash.h"
#include "engine/models.h"
#include "tests/unit.h"

#define HASH_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static const char *file_write(const char *name, const char *text)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", prl_test_dir(), name);
    FILE *file = fopen(path, "w");
    if (!file)
        return "";
    fputs(text, file);
    fclose(file);
    return path;
}

// Each test is a process of its own with one thread.
static void env_set(const char *name, const char *value)
{
    setenv(name, value, 1); // NOLINT(concurrency-mt-unsafe)
}

static enum prl_err list_open(const char *text, struct prl_models **out, char *why)
{
    env_set("PARLEY_CACHE", prl_test_dir());
    return prl_models_open(out, file_write("models.lock", text), why);
}

PRL_TEST(models_hash_of_known_bytes)
{
    char out[PRL_HASH_TEXT_SIZE];
    EXPECT_OK(prl_hash_bytes("abc", 3, out));
    EXPECT_TEXT(out, HASH_ABC);
    EXPECT_OK(prl_hash_bytes(NULL, 0, out));
    EXPECT_TEXT(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_OK(prl_hash_file(file_write("abc", "abc"), out));
    EXPECT_TEXT(out, HASH_ABC);
    EXPECT_INT(prl_hash_file("/nowhere/at/all", out), PRL_ERR_NOTFOUND);
    EXPECT_INT(prl_hash_file("/", out), PRL_ERR_IO);
}

PRL_TEST(models_reads_entries)
{
    struct prl_models *models = NULL;
    char why[PRL_MODELS_WHY_MAX];
    REQUIRE(list_open("# comment\n\n[one]\njob = stt\nfile = models/one.bin\n"
                      "source = pypi:a==1 0123 a/b.bin\nsource = pypi:c==2 4567 c\n"
                      "size = 3\nlicence = MIT\nlanguages = zh en\nwarning = careful = now\n"
                      "[two]\nlike = one\nfile = x\ngroup = stage\nurl = https://h/x\n"
                      "[three]\r\npath = /opt/mine.gguf\r\n",
                      &models, why) == PRL_OK);
    EXPECT_INT(prl_models_count(models), 3);
    const struct prl_model *one = prl_models_find(models, "one");
    REQUIRE(one != NULL);
    char file[600];
    snprintf(file, sizeof(file), "%s/models/one.bin", prl_test_dir());
    EXPECT_TEXT(one->file, file);
    EXPECT_TEXT(one->source, "pypi:a==1");
    EXPECT_TEXT(one->warning, "careful = now");
    EXPECT_TEXT(one->group, "run");
    EXPECT_INT(one->size_bytes, 3);
    const struct prl_model *two = prl_models_at(models, 1);
    EXPECT_TEXT(two->job, "stt");
    EXPECT_TEXT(two->languages, "zh en");
    EXPECT_TEXT(two->group, "stage");
    EXPECT_TEXT(two->source, "https://h/x");
    EXPECT_INT(two->size_bytes, 0);
    EXPECT_TEXT(prl_models_at(models, 2)->file, "/opt/mine.gguf");
    EXPECT(prl_models_at(models, 3) == NULL);
    EXPECT(prl_models_find(models, "four") == NULL);
    prl_models_close(&models);
    prl_models_close(&models);
}

PRL_TEST(models_refuses_broken_lists)
{
    static const char *const broken[] = {
        "",                                     // nothing in it
        "# only a comment\n",                   //
        "job = stt\n[one]\nfile = x\n",         // a key before any entry
        "[one]\nfile = x\n[one]\nfile = y\n",   // twice
        "[one]\nfile = x\ncolour = red\n",      // unknown key
        "[one]\nfile = x\nno equals sign\n",    //
        "[one]\njob = stt\n",                   // no file
        "[one]\nfile = x\nsize = twelve\n",     //
        "[one]\nfile = x\nsize = -1\n",         //
        "[one]\nfile = x\nsha256 = abc\n",      //
        "[one\nfile = x\n",                     // no bracket
        "[]\nfile = x\n",                       //
        "[one]\nfile = x\nlike = two\n[two]\n", // not above
        "[one]\nfile = x\nlike = one\n",        // itself
        "  [one]\nfile = x\n",                  // indented: not counted
        "[one]\nfile = x\n  [two]\nfile = y\n", //
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct prl_models *models = NULL;
        char why[PRL_MODELS_WHY_MAX];
        EXPECT_INT(list_open(broken[i], &models, why), PRL_ERR_INVALID);
        EXPECT(models == NULL && *why != '\0');
        prl_models_close(&models);
    }
    struct prl_models *models = NULL;
    char why[PRL_MODELS_WHY_MAX];
    EXPECT_INT(prl_models_open(&models, "/nowhere/models.lock", why), PRL_ERR_NOTFOUND);
    EXPECT(strstr(why, "/nowhere/models.lock") != NULL);
}

PRL_TEST(models_refuses_a_long_path)
{
    char text[1200] = "[one]\nfile = ";
    memset(text + strlen(text), 'x', 900);
    struct prl_models *models = NULL;
    char why[PRL_MODELS_WHY_MAX];
    EXPECT_INT(list_open(text, &models, why), PRL_ERR_LIMIT);
}

PRL_TEST(models_says_what_is_wrong_with_a_file)
{
    struct prl_models *models = NULL;
    char why[PRL_MODELS_WHY_MAX];
    REQUIRE(list_open("[good]\nfile = good\nsize = 3\nsha256 = " HASH_ABC "\n"
                      "[long]\nfile = good\nsize = 4\n"
                      "[bad]\nfile = bad\nsize = 3\nsha256 = " HASH_ABC "\n"
                      "[free]\nfile = bad\n"
                      "[gone]\nfile = gone\n",
                      &models, why) == PRL_OK);
    file_write("good", "abc");
    file_write("bad", "abd");
    EXPECT_OK(prl_models_verify(prl_models_find(models, "good"), why));
    EXPECT_INT(prl_models_present(prl_models_find(models, "long"), why), PRL_ERR_INVALID);
    EXPECT(strstr(why, "3 bytes instead of 4") != NULL);
    EXPECT_OK(prl_models_present(prl_models_find(models, "bad"), why));
    EXPECT_INT(prl_models_verify(prl_models_find(models, "bad"), why), PRL_ERR_INVALID);
    EXPECT(strstr(why, "expected " HASH_ABC) != NULL);
    EXPECT_OK(prl_models_verify(prl_models_find(models, "free"), why));
    EXPECT_INT(prl_models_verify(prl_models_find(models, "gone"), why), PRL_ERR_NOTFOUND);
    EXPECT(strstr(why, "make setup") != NULL);
    prl_models_close(&models);
}

PRL_TEST(models_path_by_name_or_by_file)
{
    char out[PRL_MODELS_PATH_MAX];
    env_set("PARLEY_CACHE", prl_test_dir());
    env_set("PARLEY_MODELS_LOCK",
            file_write("models.lock", "[good]\nfile = good\n[gone]\nfile = gone\n"));
    const char *file = file_write("good", "abc");
    EXPECT_OK(prl_models_path("good", out));
    EXPECT_TEXT(out, file);
    EXPECT_OK(prl_models_path(file, out));
    EXPECT_TEXT(out, file);
    EXPECT_INT(prl_models_path("gone", out), PRL_ERR_NOTFOUND);
    EXPECT(strstr(out, "gone") != NULL);
    EXPECT_INT(prl_models_path("other", out), PRL_ERR_NOTFOUND);
    EXPECT(strstr(out, "lists no model other") != NULL);
    EXPECT_INT(prl_models_path("/nowhere/x.gguf", out), PRL_ERR_NOTFOUND);
    env_set("PARLEY_MODELS_LOCK", "/nowhere/models.lock");
    EXPECT_INT(prl_models_path("good", out), PRL_ERR_NOTFOUND);
}

// The list of the repository itself: every entry is complete, every pinned file has its size.
PRL_TEST(models_own_list_is_complete)
{
    struct prl_models *models = NULL;
    char why[PRL_MODELS_WHY_MAX];
    REQUIRE(prl_models_open(&models, "models.lock", why) == PRL_OK);
    EXPECT(prl_models_count(models) > 50);
    for (size_t i = 0; i < prl_models_count(models); i++) {
        const struct prl_model *model = prl_models_at(models, i);
        EXPECT(*model->job && *model->licence && *model->languages && *model->source);
        EXPECT(!*model->sha256 || model->size_bytes > 0);
    }
    prl_models_close(&models);
}

PRL_TEST_OOM(models_open_and_verify)
{
    struct prl_models *models = NULL;
    char why[PRL_MODELS_WHY_MAX];
    enum prl_err err = list_open("[a]\nfile = a\nsize = 3\nsha256 = " HASH_ABC "\n", &models, why);
    file_write("a", "abc");
    if (!err)
        err = prl_models_verify(prl_models_at(models, 0), why);
    EXPECT(err == PRL_OK || err == PRL_ERR_NOMEM);
    prl_models_close(&models);
}
