// clock.c -- see clock.h.
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#include "base/check.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    PRL_CHECK(clock_gettime(id, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t prl_clock_now_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
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
