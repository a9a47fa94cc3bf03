// mem.c -- see mem.h. A thin shell around the C library's heap: it counts, and it can fail on
// purpose, which is how the tests reach every error path.
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static atomic_llong live_count; // shared by all threads; tests look at it when threads are joined
static _Thread_local uint64_t fail_countdown;
static _Thread_local int fail_hit;
static _Thread_local int forbid_depth;

static int must_fail(void)
{
    PRL_DCHECK(forbid_depth == 0);
    if (fail_countdown == 0)
        return 0;
    fail_countdown--;
    if (fail_countdown > 0)
        return 0;
    fail_hit = 1;
    return 1;
}

static void *counted(void *block)
{
    if (block)
        atomic_fetch_add_explicit(&live_count, 1, memory_order_relaxed);
    return block;
}

void *prl_mem_alloc(size_t size)
{
    return must_fail() ? NULL : counted(malloc(size ? size : 1));
}

void *prl_mem_zalloc(size_t size)
{
    return must_fail() ? NULL : counted(calloc(1, size ? size : 1));
}

void *prl_mem_array(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return prl_mem_zalloc(bytes);
}

void *prl_mem_alloc_aligned(size_t alignment, size_t size)
{
    return must_fail() ? NULL : counted(aligned_alloc(alignment, size));
}

void *prl_mem_realloc(void *old, size_t size)
{
    if (must_fail())
        return NULL;
    void *block = realloc(old, size ? size : 1);
    return old ? block : counted(block);
}

void prl_mem_free(void *block)
{
    if (!block)
        return;
    atomic_fetch_sub_explicit(&live_count, 1, memory_order_relaxed);
    free(block);
}

char *prl_mem_strdup(const char *text)
{
    return text ? prl_mem_strndup(text, strlen(text)) : NULL;
}

char *prl_mem_strndup(const char *text, size_t len)
{
    char *copy = prl_mem_alloc(len + 1);
    if (!copy)
        return NULL;
    if (len > 0)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

void *prl_mem_dup(const void *data, size_t size)
{
    void *copy = prl_mem_alloc(size);
    if (copy && size > 0)
        memcpy(copy, data, size);
    return copy;
}

int64_t prl_mem_live_count(void)
{
    return atomic_load_explicit(&live_count, memory_order_relaxed);
}

void prl_mem_fail_after(uint64_t n)
{
    fail_countdown = n;
    fail_hit = 0;
}

int prl_mem_fail_hit(void)
{
    return fail_hit;
}

void prl_mem_forbid(int on)
{
    forbid_depth += on ? 1 : -1;
    PRL_DCHECK(forbid_depth >= 0);
}
