// test_stt_split.c -- cutting long sound, telling silence, routing by language, finding a folder's kind.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "stt/folder.h"
#include "stt/route.h"
#include "stt/simplify.h"
#include "stt/split.h"
#include "stt/user.h"
#include "tests/unit.h"

enum { RATE = 16000 };

PRL_TEST(split_falls_into_the_pause)
{
    size_t n = (size_t)30 * RATE;
    int16_t *pcm = prl_mem_array(n, sizeof(*pcm));
    REQUIRE(pcm != NULL);
    for (size_t i = 0; i < n; i++)
        pcm[i] = (int16_t)(prl_test_random() % 8000);
    size_t pause = (size_t)19 * RATE + 777; // 200 ms of near silence
    for (size_t i = pause; i < pause + RATE / 5; i++)
        pcm[i] = (int16_t)(prl_test_random() % 20);
    size_t cut = prl_split_find(pcm, n);
    EXPECT(cut > pause && cut < pause + RATE / 5);
    memset(pcm, 0, n * sizeof(*pcm)); // all the same: some place within the bounds
    cut = prl_split_find(pcm, n);
    EXPECT(cut >= PRL_SPLIT_MIN && cut <= PRL_SPLIT_MAX);
    prl_mem_free(pcm);
}

PRL_TEST(split_silence)
{
    int16_t pcm[4800];
    for (size_t i = 0; i < 4800; i++)
        pcm[i] = (int16_t)(prl_test_random() % 60 - 30);
    EXPECT(prl_split_is_silent(pcm, 4800));
    for (size_t i = 4700; i < 4800; i++) // a click
        pcm[i] = 2000;
    EXPECT(prl_split_is_silent(pcm, 4800));
    for (size_t i = 3300; i < 4800; i++) // about 100 ms
        pcm[i] = 2000;
    EXPECT(!prl_split_is_silent(pcm, 4800));
    EXPECT(prl_split_is_silent(NULL, 0));
}

PRL_TEST(route_by_language)
{
    struct prl_stt_route both = {.have = {true, true, false}};
    EXPECT_INT(prl_stt_route_pick(&both, "en"), PRL_STT_ENGINE_MOONSHINE);
    EXPECT_INT(prl_stt_route_pick(&both, "zh"), PRL_STT_ENGINE_WHISPER);
    EXPECT_INT(prl_stt_route_pick(&both, ""), PRL_STT_ENGINE_WHISPER);
    struct prl_stt_route english = {.have = {true, false, false}};
    EXPECT_INT(prl_stt_route_pick(&english, ""), PRL_STT_ENGINE_MOONSHINE);
    EXPECT_INT(prl_stt_route_pick(&english, "zh"), PRL_STT_ENGINE_NONE);
    struct prl_stt_route whisper = {.have = {false, true, false}};
    EXPECT_INT(prl_stt_route_pick(&whisper, "en"), PRL_STT_ENGINE_WHISPER);
    struct prl_stt_route user = {.have = {true, true, true}, .user_languages = "zh, yue"};
    EXPECT_INT(prl_stt_route_pick(&user, "zh"), PRL_STT_ENGINE_USER);
    EXPECT_INT(prl_stt_route_pick(&user, "yue"), PRL_STT_ENGINE_USER);
    EXPECT_INT(prl_stt_route_pick(&user, "yu"), PRL_STT_ENGINE_WHISPER);
    EXPECT_INT(prl_stt_route_pick(&user, "en"), PRL_STT_ENGINE_MOONSHINE);
    EXPECT_INT(prl_stt_route_pick(&user, ""), PRL_STT_ENGINE_WHISPER);
    user.user_languages = NULL;
    EXPECT_INT(prl_stt_route_pick(&user, ""), PRL_STT_ENGINE_USER);
    struct prl_stt_paths paths = {.whisper_model = "m", .moonshine_encoder = "e"};
    struct prl_stt_route none = prl_stt_route_of(&paths, true);
    EXPECT_INT(prl_stt_route_pick(&none, "en"), PRL_STT_ENGINE_NONE);
}

PRL_TEST(route_language_tags)
{
    char code[PRL_STT_LANGUAGE_SIZE];
    static const char *const GOOD[][2] = {{"en-US", "en"},  {"zh", "zh"},   {"ZH_Hans_CN", "zh"},
                                          {"cmn-CN", "zh"}, {"yue", "yue"}, {"auto", ""},
                                          {"", ""}};
    for (size_t i = 0; i < sizeof(GOOD) / sizeof(*GOOD); i++) {
        EXPECT_OK(prl_stt_language(GOOD[i][0], code));
        EXPECT_TEXT(code, GOOD[i][1]);
    }
    EXPECT_OK(prl_stt_language(NULL, code));
    static const char *const BAD[] = {"e",
                                      "english",
                                      "-",
                                      "e1",
                                      "../..",
                                      "中文",
                                      "en-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        EXPECT_INT(prl_stt_language(BAD[i], code), PRL_ERR_INVALID);
        EXPECT_TEXT(code, "");
    }
}

static void write_file(const char *dir, const char *name, const char *content)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "we");
    REQUIRE(file != NULL);
    (void)fputs(content, file);
    (void)fclose(file);
}

PRL_TEST(folder_kinds)
{
    struct prl_folder folder;
    char why[256] = "", dir[300];
    EXPECT_INT(prl_folder_look(&folder, "/nowhere", why, sizeof(why)), PRL_ERR_NOTFOUND);
    EXPECT_TEXT(why, "/nowhere: no such folder");
    (void)snprintf(dir, sizeof(dir), "%s/some", prl_test_dir());
    REQUIRE(mkdir(dir, 0700) == 0);
    EXPECT_INT(prl_folder_look(&folder, dir, why, sizeof(why)), PRL_ERR_INVALID);
    EXPECT(strstr(why, "no tokens.txt") != NULL);
    write_file(dir, "tokens.txt", "a 0\n");
    EXPECT_INT(prl_folder_look(&folder, dir, why, sizeof(why)), PRL_ERR_INVALID);
    EXPECT(strstr(why, "no model.onnx") != NULL);
    write_file(dir, "model.onnx", "nothing");
    EXPECT_INT(prl_folder_look(&folder, dir, why, sizeof(why)), PRL_ERR_INVALID);
    EXPECT(strstr(why, "neither SenseVoice nor Paraformer") != NULL);
    write_file(dir, "model.int8.onnx", "… model_type sense_voice_ctc");
    EXPECT_OK(prl_folder_look(&folder, dir, why, sizeof(why)));
    EXPECT_INT(folder.kind, PRL_FOLDER_SENSE_VOICE);
    EXPECT(prl_str_ends(folder.model, "/model.int8.onnx"));
    write_file(dir, "encoder-epoch-99.onnx", "zipformer2");
    EXPECT_INT(prl_folder_look(&folder, dir, why, sizeof(why)), PRL_ERR_INVALID);
    EXPECT(strstr(why, "no decoder") != NULL);
    write_file(dir, "decoder-epoch-99.onnx", "x");
    EXPECT_OK(prl_folder_look(&folder, dir, why, sizeof(why)));
    EXPECT_INT(folder.kind, PRL_FOLDER_STREAMING_PARAFORMER);
    write_file(dir, "joiner-epoch-99.onnx", "x");
    EXPECT_OK(prl_folder_look(&folder, dir, why, sizeof(why)));
    EXPECT_INT(folder.kind, PRL_FOLDER_STREAMING_TRANSDUCER);
    write_file(dir, "encoder-epoch-99.onnx", "non-streaming zipformer2");
    EXPECT_OK(prl_folder_look(&folder, dir, why, sizeof(why)));
    EXPECT_INT(folder.kind, PRL_FOLDER_TRANSDUCER);
    EXPECT_TEXT(prl_folder_kind_name(folder.kind), "transducer");
}

// A program that stands for parley in the trial: says something and ends as told.
static const char *make_program(char path[300], const char *script)
{
    (void)snprintf(path, 300, "%s/fake", prl_test_dir());
    write_file(prl_test_dir(), "fake", script);
    EXPECT(chmod(path, 0700) == 0);
    return path;
}

PRL_TEST(user_trial_in_a_child)
{
    char program[300], why[256] = "";
    EXPECT_OK(
        prl_stt_user_try(make_program(program, "#!/bin/sh\n[ \"$1 $2 $3\" = 'stt --probe d' ]\n"),
                         "d", why, sizeof(why)));
    (void)make_program(program, "#!/bin/sh\necho first >&2\necho 'bad tokens' >&2\nexit 255\n");
    EXPECT_INT(prl_stt_user_try(program, "d", why, sizeof(why)), PRL_ERR_ENGINE);
    EXPECT_TEXT(why, "d: cannot be loaded: bad tokens");
    (void)make_program(program, "#!/bin/sh\nkill -ABRT $$\n");
    EXPECT_INT(prl_stt_user_try(program, "d", why, sizeof(why)), PRL_ERR_ENGINE);
    EXPECT(strstr(why, "crashed (signal 6)") != NULL);
    EXPECT_INT(prl_stt_user_try("/nowhere", "d", why, sizeof(why)), PRL_ERR_IO);
}

PRL_TEST(simplify_chinese)
{
    struct prl_simplify *simplify;
    REQUIRE(prl_simplify_create(&simplify) == PRL_OK);
    struct prl_str text;
    prl_str_init(&text, 1024);
    EXPECT_OK(prl_str_adds(&text, "廣州市房地產 OK，數據"));
    EXPECT_OK(prl_simplify_text(simplify, &text));
    EXPECT_TEXT(prl_str_text(&text), "广州市房地产 OK，数据");
    prl_str_clear(&text);
    EXPECT_OK(prl_simplify_text(simplify, &text));
    EXPECT_INT(text.len, 0);
    prl_str_free(&text);
    prl_simplify_destroy(&simplify);
    prl_simplify_destroy(&simplify);
}
