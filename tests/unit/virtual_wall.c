// virtual_wall.c -- see virtual_wall.h. OpenSSL times the retransmissions of DTLS by gettimeofday; the
// program's own definition goes before the one of the C library.
#include "tests/unit/virtual_wall.h"

#include <stddef.h>
#include <sys/time.h>
#include <time.h>

static int64_t wall_us;

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): theirs are reserved names
int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec system;
    (void)zone;
    if (wall_us != 0) {
        now->tv_sec = wall_us / 1000000;
        now->tv_usec = wall_us % 1000000;
        return 0;
    }
    int result = clock_gettime(CLOCK_REALTIME, &system);
    now->tv_sec = system.tv_sec;
    now->tv_usec = system.tv_nsec / 1000;
    return result;
}

void prl_test_wall(int64_t us)
{
    wall_us = us;
}
