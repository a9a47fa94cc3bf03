// mem.h -- every allocation of our own code goes through here.
//
// Units:    bytes.
// Threads:  any; the counters are atomic, the failure plan and the forbid mark are per thread.
// Memory:   plain heap blocks; realloc and free take only what came from here.
// Errors:   NULL when memory is short or when the failure plan says so; never aborts.
#ifndef PRL_BASE_MEM_H
#define PRL_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

void *prl_mem_alloc(size_t size) PRL_MUST_USE;
void *prl_mem_zalloc(size_t size) PRL_MUST_USE;
// Like calloc: count * size with an overflow check, zeroed.
void *prl_mem_array(size_t count, size_t size) PRL_MUST_USE;
// `alignment` is a power of two, `size` a multiple of it.
void *prl_mem_alloc_aligned(size_t alignment, size_t size) PRL_MUST_USE;
// On failure the old block stays valid. NULL acts as alloc. Not for aligned blocks.
void *prl_mem_realloc(void *old, size_t size) PRL_MUST_USE;
void prl_mem_free(void *block);
// Copies with a terminating zero; NULL in gives NULL out.
char *prl_mem_strdup(const char *text) PRL_MUST_USE;
char *prl_mem_strndup(const char *text, size_t len) PRL_MUST_USE;
void *prl_mem_dup(const void *data, size_t size) PRL_MUST_USE;

// Blocks now allocated by any thread; the unit runner compares it before and after each test.
int64_t prl_mem_live_count(void);

// Tests: the n-th allocation from now on this thread fails (1 = the next), then all succeed
// again. 0 switches the plan off. prl_mem_fail_hit tells whether it has fired.
void prl_mem_fail_after(uint64_t n);
int prl_mem_fail_hit(void);

// Debug builds: between forbid(1) and forbid(0) an allocation on this thread aborts. Marks the
// real-time media path. Nests.
void prl_mem_forbid(int on);

#endif
