// clock.c -- see clock.h.
#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/check.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    PRL_CHECK(clock_gettime(id, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// The one thing that all threads share without asking; written by tests alone.
static _Atomic int64_t held_us = -1;

int64_t prl_clock_now_us(void)
{
    int64_t held = atomic_load_explicit(&held_us, memory_order_relaxed);
    return held >= 0 ? held : read_clock(CLOCK_MONOTONIC);
}

void prl_clock_hold(int64_t now_us)
{
    atomic_store(&held_us, now_us);
}

bool prl_clock_is_held(void)
{
    return atomic_load_explicit(&held_us, memory_order_relaxed) >= 0;
}

int64_t prl_clock_thread_us(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int64_t prl_clock_wall_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

void prl_clock_wall_text(int64_t wall_us, char *text, size_t size)
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    char head[24];
    strftime(head, sizeof(head), "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, size, "%s.%03dZ", head, (int)(wall_us / 1000 % 1000));
}

void prl_clock_local_text(int64_t wall_us, char *text, size_t size)
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm parts;
    localtime_r(&seconds, &parts);
    if (strftime(text, size, "%A, %Y-%m-%d %H:%M", &parts) == 0 && size > 0)
        text[0] = '\0';
}
