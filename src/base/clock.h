// clock.h -- the only door to the system's clocks.
//
// Units:    microseconds. Monotonic time starts at an arbitrary point and never jumps.
// Threads:  any.
#ifndef PRL_BASE_CLOCK_H
#define PRL_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t prl_clock_now_us(void);
// For tests of what happens when: monotonic time stands still at `now_us` for all threads until the
// next call, and timers of a loop follow it; negative: the system's clock again. A machine that is
// too busy to keep time cannot disturb such a test. Waits with a limit never reach it meanwhile.
void prl_clock_hold(int64_t now_us);
bool prl_clock_is_held(void);
// CPU time used so far by the calling thread.
int64_t prl_clock_thread_us(void);
// Wall time since 1970-01-01 UTC.
int64_t prl_clock_wall_us(void);
// Writes wall time as RFC 3339 in UTC, e.g. 2026-11-22T14:03:09.123Z; `size` at least 25.
void prl_clock_wall_text(int64_t wall_us, char *text, size_t size);
// Writes local date and time for a person, e.g. "Sunday, 2026-11-22 14:03"; `size` at least 40.
void prl_clock_local_text(int64_t wall_us, char *text, size_t size);

#endif
