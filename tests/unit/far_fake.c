// far_fake.c -- see far_fake.h.
#include "tests/unit/far_fake.h"

#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "tests/unit.h"

enum { LIMIT_MS = 100000 };

static int32_t limit_of(int32_t given_ms)
{
    return given_ms ? given_ms : LIMIT_MS;
}

enum prl_err far_fake_open(struct far_fake *far, const struct prl_pool_conf *conf)
{
    struct prl_pool_engine engines[PRL_CHAIN_MAX];
    char urls[PRL_CHAIN_MAX][64];
    PRL_CHECK(conf->count <= PRL_CHAIN_MAX);
    enum prl_err err = prl_loop_create(&far->loop, NULL);
    if (!err)
        err = http_fake_open(&far->server, far->loop);
    if (!err)
        err = prl_fetch_create(&far->fetch, far->loop, NULL);
    for (size_t i = 0; i < conf->count; i++) {
        engines[i] = conf->engines[i];
        if (!engines[i].url)
            continue;
        (void)snprintf(urls[i], sizeof(urls[i]), "http://127.0.0.1:%u%s", far->server.port,
                       conf->engines[i].url);
        engines[i].url = urls[i];
    }
    struct prl_pool_conf pool = *conf;
    pool.loop = far->loop;
    pool.fetch = far->fetch;
    pool.engines = engines;
    pool.limits.connect_ms = limit_of(conf->limits.connect_ms);
    pool.limits.first_byte_ms = limit_of(conf->limits.first_byte_ms);
    pool.limits.gap_ms = limit_of(conf->limits.gap_ms);
    return err ? err : prl_pool_create(&far->pool, &pool);
}

void far_fake_close(struct far_fake *far)
{
    prl_pool_destroy(&far->pool);
    prl_fetch_destroy(&far->fetch);
    http_fake_close(&far->server);
    prl_loop_destroy(&far->loop);
}

bool far_fake_wait(struct far_fake *far, const int *count, int wanted)
{
    int64_t until_us = prl_clock_now_us() + PRL_TEST_WAIT_US;
    while (*count < wanted && prl_clock_now_us() < until_us)
        prl_loop_turn(far->loop, 20000);
    return *count >= wanted;
}
