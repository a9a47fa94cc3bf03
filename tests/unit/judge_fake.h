// judge_fake.h -- a model for the tests of judge.h and its fronts: what loads, and who hears of it.
#ifndef PRL_TESTS_UNIT_JUDGE_FAKE_H
#define PRL_TESTS_UNIT_JUDGE_FAKE_H

#include "engine/judge.h"

// The first member of a test's bench, which is the `arg` of the two callbacks.
struct judge_fake {
    int ready, failed;
};
void judge_fake_ready(void *arg);
// Expects the line that judge_fake_open says.
void judge_fake_error(void *arg, const char *why);

// For prl_judge_backend_ops: the model "bad" cannot be loaded, any other can.
enum prl_err judge_fake_open(void **ctx, const struct prl_judge_open_conf *conf, char *why,
                             size_t why_size) PRL_MUST_USE;
void judge_fake_close(void **ctx);

#endif
