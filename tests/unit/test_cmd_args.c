// test_cmd_args.c -- options by a table, operands, and what subcommands print.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/cmd_args.h"
#include "server/cmd_output.h"
#include "server/cmd_sound.h"
#include "tests/unit.h"

struct values {
    bool loud;
    const char *name;
    int count;
    double speed;
    int color;
    int operands;
    int status;
    char printed[600];
};

static const char *const colors[] = {"red", "green", "blue", NULL};

// Reads the options while standard output and error go to a file, which is kept in `printed`.
static void parse(struct values *v, int argc, const char *const *args)
{
    static char copies[16][80];
    char *argv[17];
    *v = (struct values){.operands = argc};
    const struct prl_cmd_option list[] = {{"loud", .flag = &v->loud},
                                          {"name", .text = &v->name},
                                          {"count", .integer = &v->count, .low = 1, .high = 64},
                                          {"speed", .real = &v->speed, .low = 0.25, .high = 1.5},
                                          {"color", .choice = &v->color, .choices = colors},
                                          {NULL}};
    for (int i = 0; i < argc; i++) {
        snprintf(copies[i], sizeof(copies[i]), "%s", args[i]);
        argv[i] = copies[i];
    }
    argv[argc] = NULL;
    FILE *seen = tmpfile();
    REQUIRE(seen != NULL);
    int out = dup(1);
    int err = dup(2);
    fflush(NULL);
    dup2(fileno(seen), 1);
    dup2(fileno(seen), 2);
    v->status = prl_cmd_options(&v->operands, argv, list, "usage: test\n");
    for (int i = 1; i < v->operands && v->status < 0; i++)
        printf("%s,", argv[i]);
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    rewind(seen);
    v->printed[fread(v->printed, 1, sizeof(v->printed) - 1, seen)] = '\0';
    fclose(seen);
}
#define PARSE(v, ...)                                                                              \
    parse(v, (int)(sizeof((const char *[]){"test", __VA_ARGS__}) / sizeof(char *)),                \
          (const char *[]){"test", __VA_ARGS__})

PRL_TEST(cmd_args_are_read_by_the_table)
{
    struct values v;
    PARSE(&v, "one", "--loud", "--name", "--odd", "--count=64", "two", "--speed", "0.25", "--color",
          "blue");
    EXPECT_INT(v.status, -1);
    EXPECT(v.loud);
    EXPECT_TEXT(v.name, "--odd"); // a value may look like an option
    EXPECT_INT(v.count, 64);
    EXPECT(v.speed == 0.25);
    EXPECT_INT(v.color, 2);
    EXPECT_TEXT(v.printed, "one,two,");
    PARSE(&v, "It", "is", "-5", "-", "--", "--loud", "--nonsense");
    EXPECT_INT(v.status, -1);
    EXPECT(!v.loud);
    EXPECT_TEXT(v.printed, "It,is,-5,-,--loud,--nonsense,");
    PARSE(&v, "--name=", "");
    EXPECT_TEXT(v.name, "");
    EXPECT_TEXT(v.printed, ",");
}

PRL_TEST(cmd_args_say_what_is_wrong)
{
    static const struct {
        const char *option, *value, *says;
    } bad[] = {{"--nonsense", "x", "parley test: --nonsense is no option\n"},
               {"--lou", "x", "parley test: --lou is no option\n"},
               {"--loud=yes", "x", "parley test: --loud takes no value\n"},
               {"--count", "0", "--count wants a number from 1 to 64, not \"0\"\n"},
               {"--count", "65", "not \"65\""},
               {"--count", "5x", "not \"5x\""},
               {"--count", "99999999999999999999", "not \"9999"},
               {"--speed", "1.6", "--speed wants a number from 0.25 to 1.5, not \"1.6\"\n"},
               {"--speed", "nan", "not \"nan\""},
               {"--color", "pink", "--color wants red, green or blue, not \"pink\"\n"},
               {"x", "--name", "parley test: --name wants a value\n"},
               {"--", "--name", NULL}};
    struct values v;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        PARSE(&v, bad[i].option, bad[i].value);
        EXPECT_INT(v.status, bad[i].says ? 2 : -1);
        if (bad[i].says && (!strstr(v.printed, bad[i].says) || !strstr(v.printed, "usage: test")))
            EXPECT_TEXT(v.printed, bad[i].says);
    }
    PARSE(&v, "--count", "7", "--help");
    EXPECT_INT(v.status, 0);
    EXPECT_TEXT(v.printed, "usage: test\n");
    PARSE(&v, "-h");
    EXPECT_INT(v.status, 0);
}

PRL_TEST(cmd_words_are_joined_and_bounded)
{
    char one[] = "one", two[] = "two words", name[] = "test";
    char *argv[] = {name, one, two, NULL};
    struct prl_str text;
    prl_str_init(&text, 100);
    EXPECT_OK(prl_cmd_words(3, argv, &text));
    EXPECT_TEXT(prl_str_text(&text), "one two words");
    prl_str_free(&text);
    prl_str_init(&text, 8);
    EXPECT_INT(prl_cmd_words(3, argv, &text), PRL_ERR_LIMIT);
    prl_str_free(&text);
    // Nothing to join: standard input.
    int ends[2];
    int in = dup(0);
    REQUIRE(pipe(ends) == 0 && dup2(ends[0], 0) == 0);
    EXPECT_INT(write(ends[1], "from a pipe", 11), 11);
    close(ends[1]);
    prl_str_init(&text, 100);
    EXPECT_OK(prl_cmd_words(1, argv, &text));
    EXPECT_TEXT(prl_str_text(&text), "from a pipe");
    prl_str_free(&text);
    dup2(in, 0);
    close(in);
    close(ends[0]);
}

PRL_TEST(cmd_sound_is_written_and_read_at_any_rate)
{
    enum { SAMPLES = 4800 }; // 0.2 s at 24 kHz
    char path[400], missing[400], why[PRL_CMD_SOUND_WHY_SIZE];
    int16_t out[SAMPLES];
    int16_t *in;
    size_t count;
    snprintf(path, sizeof(path), "%s/a.wav", prl_test_dir());
    snprintf(missing, sizeof(missing), "%s/none/a.wav", prl_test_dir());
    for (int i = 0; i < SAMPLES; i++)
        out[i] = (int16_t)((i / 40 % 2) * 16000 - 8000); // 300 Hz
    EXPECT(prl_cmd_sound_write("test", path, 24000, out, SAMPLES));
    EXPECT(!prl_cmd_sound_write("test", missing, 24000, out, SAMPLES));
    EXPECT_OK(prl_cmd_sound_read(path, 0, 24000, &in, &count, why));
    EXPECT_INT(count, SAMPLES);
    EXPECT(memcmp(in, out, sizeof(out)) == 0);
    prl_mem_free(in);
    EXPECT_OK(prl_cmd_sound_read(path, 0, 16000, &in, &count, why));
    EXPECT(count >= 3150 && count <= 3200); // 0.2 s, less what rings out
    EXPECT(in[20] < -6000 && in[40] > 6000);
    prl_mem_free(in);
    EXPECT_OK(prl_cmd_sound_read(path, 48000, 24000, &in, &count, why)); // raw: the header too
    EXPECT(count >= SAMPLES / 2 - 60 && count <= SAMPLES / 2 + 22);
    prl_mem_free(in);
    EXPECT_INT(prl_cmd_sound_read(missing, 0, 24000, &in, &count, why), PRL_ERR_NOTFOUND);
    EXPECT(in == NULL && strstr(why, "none/a.wav: "));
    EXPECT(prl_cmd_sound_write("test", path, 24000, NULL, 0));
    EXPECT_OK(prl_cmd_sound_read(path, 0, 24000, &in, &count, why));
    EXPECT_INT(count, 0);
    prl_mem_free(in);
}

PRL_TEST_OOM(cmd_sound_short_of_memory)
{
    char path[400], why[PRL_CMD_SOUND_WHY_SIZE];
    int16_t *in;
    size_t count;
    snprintf(path, sizeof(path), "%s/b.wav", prl_test_dir());
    EXPECT(prl_cmd_sound_write("test", path, 8000, (const int16_t[]){1, 2, 3}, 3));
    enum prl_err err = prl_cmd_sound_read(path, 0, 16000, &in, &count, why);
    EXPECT(err == PRL_OK || (err == PRL_ERR_NOMEM && in == NULL));
    prl_mem_free(in);
}
