// judge_fake.c -- see judge_fake.h.
#include "tests/unit/judge_fake.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit.h"

void judge_fake_ready(void *arg)
{
    ((struct judge_fake *)arg)->ready++;
}

void judge_fake_error(void *arg, const char *why)
{
    ((struct judge_fake *)arg)->failed++;
    if (!prl_test_oom())
        EXPECT_TEXT(why, "bad: cannot be loaded");
}

enum prl_err judge_fake_open(void **ctx, const struct prl_judge_open_conf *conf, char *why,
                             size_t why_size)
{
    *ctx = NULL;
    if (strcmp(conf->path, "bad") == 0) {
        (void)snprintf(why, why_size, "bad: cannot be loaded");
        return PRL_ERR_ENGINE;
    }
    *ctx = prl_mem_zalloc(1);
    return *ctx ? PRL_OK : PRL_ERR_NOMEM;
}

void judge_fake_close(void **ctx)
{
    prl_mem_free(*ctx);
    *ctx = NULL;
}
