// cmd_args.c -- see cmd_args.h. Not getopt: it keeps its state in globals, and takes a word that
// is to be spoken, such as "-5", for an option.
#include "server/cmd_args.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { READ_STEP = 4096 };

static const struct prl_cmd_option *find(const struct prl_cmd_option *options, const char *name,
                                         size_t len)
{
    for (; options->name; options++)
        if (strlen(options->name) == len && memcmp(options->name, name, len) == 0)
            return options;
    return NULL;
}

static bool take_integer(const struct prl_cmd_option *option, const char *text)
{
    int64_t number;
    if (!prl_str_to_int(text, &number) || (double)number < option->low ||
        (double)number > option->high)
        return false;
    *option->integer = (int)number;
    return true;
}

static bool take_choice(const struct prl_cmd_option *option, const char *text)
{
    for (int i = 0; option->choices[i]; i++)
        if (prl_str_equal(option->choices[i], text)) {
            *option->choice = i;
            return true;
        }
    return false;
}

static bool take_value(const struct prl_cmd_option *option, const char *text)
{
    if (option->text)
        *option->text = text;
    else if (option->integer)
        return take_integer(option, text);
    else if (option->real)
        return prl_str_to_double(text, option->real) && *option->real >= option->low &&
               *option->real <= option->high;
    else
        return take_choice(option, text);
    return true;
}

static void print_wanted(const struct prl_cmd_option *option)
{
    if (!option->choice) {
        fprintf(stderr, "a number from %g to %g", option->low, option->high);
        return;
    }
    for (int i = 0; option->choices[i]; i++)
        fprintf(stderr, "%s%s",
                i == 0                   ? ""
                : option->choices[i + 1] ? ", "
                                         : " or ",
                option->choices[i]);
}

// One option that begins at argv[*at]; moves *at to its last argument.
static bool take_option(const char *command, int argc, char **argv, int *at,
                        const struct prl_cmd_option *options)
{
    const char *name = argv[*at] + 2;
    size_t len = strcspn(name, "=");
    const char *value = name[len] ? name + len + 1 : NULL;
    const struct prl_cmd_option *option = find(options, name, len);
    if (!option || (option->flag && value)) {
        fprintf(stderr, "parley %s: --%.*s %s\n\n", command, (int)len, name,
                option ? "takes no value" : "is no option");
        return false;
    }
    if (option->flag) {
        *option->flag = true;
        return true;
    }
    if (!value && *at + 1 < argc)
        value = argv[++*at];
    if (!value) {
        fprintf(stderr, "parley %s: --%s wants a value\n\n", command, option->name);
        return false;
    }
    if (take_value(option, value))
        return true;
    fprintf(stderr, "parley %s: --%s wants ", command, option->name);
    print_wanted(option);
    fprintf(stderr, ", not \"%s\"\n\n", value);
    return false;
}

int prl_cmd_options(int *argc, char **argv, const struct prl_cmd_option *options, const char *usage)
{
    int operands = 1;
    bool ended = false;
    for (int at = 1; at < *argc; at++) {
        if (ended || (!prl_str_starts(argv[at], "--") && !prl_str_equal(argv[at], "-h"))) {
            argv[operands++] = argv[at];
        } else if (prl_str_equal(argv[at], "--")) {
            ended = true;
        } else if (prl_str_equal(argv[at], "--help") || prl_str_equal(argv[at], "-h")) {
            fputs(usage, stdout);
            return 0;
        } else if (!take_option(argv[0], *argc, argv, &at, options)) {
            fputs(usage, stderr);
            return 2;
        }
    }
    *argc = operands;
    return -1;
}

enum prl_err prl_cmd_words(int argc, char **argv, struct prl_str *out)
{
    for (int i = 1; i < argc; i++) {
        if (i > 1)
            prl_str_addc(out, ' ');
        prl_str_adds(out, argv[i]);
    }
    char buf[READ_STEP];
    ssize_t n;
    while (argc < 2 && !out->err && (n = read(STDIN_FILENO, buf, sizeof(buf))) != 0) {
        if (n > 0)
            prl_str_add(out, buf, (size_t)n);
        else if (errno != EINTR)
            return PRL_ERR_IO;
    }
    return out->err;
}
