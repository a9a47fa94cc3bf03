// far_fake.h -- a loop with a scripted server and a pool of engines that are on it, for the tests of what
// speaks to engines elsewhere.
#ifndef PRL_TESTS_UNIT_FAR_FAKE_H
#define PRL_TESTS_UNIT_FAR_FAKE_H

#include <stdbool.h>

#include "engine/pool.h"
#include "net/loop.h"
#include "tests/unit/http_fake.h"

struct far_fake {
    struct prl_loop *loop;
    struct http_fake server;
    struct prl_fetch *fetch;
    struct prl_pool *pool;
};

// `conf` names kind and engines; their URLs are paths of the server. Time limits that it leaves out are so long
// that a busy machine does not reach them.
enum prl_err far_fake_open(struct far_fake *far, const struct prl_pool_conf *conf) PRL_MUST_USE;
// Also half-built.
void far_fake_close(struct far_fake *far);
// Turns the loop until a count is what was expected.
bool far_fake_wait(struct far_fake *far, const int *count, int wanted);

#endif
