// main.c -- finds the subcommand.
#include <stdio.h>
#include <string.h>

#include "server/cmd.h"

static int cmd_version(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        fputs("usage: parley version\n", stderr);
        return 2;
    }
    const char commit[] = PRL_COMMIT; // "" when it was built without git
    printf("parley " PRL_VERSION "%s%s%s\n", *commit ? " (" : "", commit, *commit ? ")" : "");
    return 0;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"serve", prl_cmd_serve, "serve the Realtime API and the web page"},
    {"talk", prl_cmd_talk, "talk to a server from microphone or recording"},
    {"stt", prl_cmd_stt, "transcribe sound"},
    {"vad", prl_cmd_vad, "find speech in sound"},
    {"eot", prl_cmd_eot, "judge at pauses whether the speaker is done"},
    {"llm", prl_cmd_llm, "ask the language model"},
    {"tts", prl_cmd_tts, "speak text into a WAV file"},
    {"models", prl_cmd_models, "list, fetch and verify models"},
    {"bench", prl_cmd_bench, "hold many conversations at a time and say what they cost"},
    {"top", prl_cmd_top, "show what a running server does"},
    {"config", prl_cmd_config, "print the effective configuration"},
    {"check", prl_cmd_check, "load everything once and say whether it works"},
    {"version", cmd_version, "print the version"},
};

static void print_usage(FILE *out)
{
    fputs("usage: parley COMMAND [options]\n"
          "A voice conversation server that speaks the OpenAI Realtime protocol, offline.\n\n",
          out);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
    fputs("\n'parley COMMAND --help' tells more.\n", out);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return 2;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    if (strcmp(argv[1], "lane") == 0)
        return prl_cmd_lane(argc - 1, argv + 1);
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0) {
        print_usage(stdout);
        return 0;
    }
    fprintf(stderr, "parley: unknown command '%s'\n", argv[1]);
    print_usage(stderr);
    return 2;
}
