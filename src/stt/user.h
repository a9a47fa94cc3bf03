// user.h -- a speech model of the user's: tried in a child process, then loaded.
//
// Threads:  any; blocks. Errors: one line in `why`, the child's own words where it had any.
#ifndef PRL_STT_USER_H
#define PRL_STT_USER_H

#include <stddef.h>

#include "base/err.h"

// What the child does (`parley stt --probe DIR`): loads the model, lets it answer once, prints what
// kind it is. Exit status: 0 it works, 1 it does not.
int prl_stt_user_probe(const char *dir);

// Runs `program stt --probe dir` and waits at most 60 s.
enum prl_err prl_stt_user_try(const char *program, const char *dir, char *why,
                              size_t why_size) PRL_MUST_USE;

#endif
