// test_mem.c -- the allocator's counters and its failure plan.
#include <string.h>

#include "base/mem.h"
#include "tests/unit.h"

PRL_TEST(mem_counts_live_blocks)
{
    int64_t before = prl_mem_live_count();
    void *a = prl_mem_alloc(10);
    void *b = prl_mem_array(3, 8);
    char *c = prl_mem_strdup("text");
    EXPECT_INT(prl_mem_live_count() - before, 3);
    a = prl_mem_realloc(a, 1000);
    EXPECT_INT(prl_mem_live_count() - before, 3);
    EXPECT_TEXT(c, "text");
    prl_mem_free(a);
    prl_mem_free(b);
    prl_mem_free(c);
    prl_mem_free(NULL);
    EXPECT_INT(prl_mem_live_count() - before, 0);
}

PRL_TEST(mem_fails_on_purpose_once)
{
    prl_mem_fail_after(2);
    void *a = prl_mem_alloc(1);
    void *b = prl_mem_alloc(1);
    void *c = prl_mem_alloc(1);
    EXPECT(a != NULL);
    EXPECT(b == NULL);
    EXPECT(c != NULL);
    EXPECT(prl_mem_fail_hit());
    prl_mem_free(a);
    prl_mem_free(c);
}

PRL_TEST(mem_refuses_overflowing_array)
{
    volatile size_t huge = SIZE_MAX / 2;
    EXPECT(prl_mem_array(huge, 4) == NULL);
}
