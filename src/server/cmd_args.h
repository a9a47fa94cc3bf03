// cmd_args.h -- the options of a subcommand, by a table, and the words behind them.
//
// Threads:  any, once at a time for one argv. Memory: what is stored points into argv.
// Errors:   told on standard error, with the usage.
#ifndef PRL_SERVER_CMD_ARGS_H
#define PRL_SERVER_CMD_ARGS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

// Exactly one of flag, text, integer, real and choice is set: it says what the option takes.
struct prl_cmd_option {
    const char *name; // without the dashes; NULL ends the table
    bool *flag;       // takes nothing, becomes true
    const char **text;
    int *integer;
    double *real;
    int *choice;                // becomes the index in `choices`
    const char *const *choices; // ended by NULL
    double low, high;           // of numbers, inclusive
};

// Reads "--name value" and "--name=value"; "--" ends the options; what does not begin with two
// dashes is an operand, before, between or behind options. Afterwards argv[1] to argv[*argc - 1]
// are the operands. Returns -1 to go on, else the exit status: --help (or -h) printed the usage,
// or something was wrong.
int prl_cmd_options(int *argc, char **argv, const struct prl_cmd_option *options,
                    const char *usage);

// The operands joined by spaces, or all of standard input when there are none. LIMIT: more than
// `out` may hold; IO.
enum prl_err prl_cmd_words(int argc, char **argv, struct prl_str *out) PRL_MUST_USE;

#endif
