// test_cpu.c -- what a processor lacks is named, and this one suits what was built here.
#include <stdio.h>
#include <string.h>

#include "engine/cpu.h"
#include "tests/unit.h"

#define ALL ((UINT32_C(1) << PRL_CPU_FEATURES) - 1)

PRL_TEST(cpu_names_the_first_feature_that_is_missing)
{
    EXPECT(prl_cpu_lacks(ALL, ALL) == NULL);
    EXPECT(prl_cpu_lacks(0, 0) == NULL);
    for (uint32_t i = 0; i < PRL_CPU_FEATURES; i++) {
        uint32_t bit = UINT32_C(1) << i;
        const char *name = prl_cpu_lacks(ALL & ~bit, ALL);
        EXPECT(name != NULL && name[0] != '\0');
        EXPECT(prl_cpu_lacks(ALL & ~bit, ALL & ~bit) == NULL); // not needed, not missed
    }
    const uint32_t wide = UINT32_C(1) << PRL_CPU_AVX512VNNI;
    EXPECT_TEXT(prl_cpu_lacks(ALL & ~wide, ALL), "avx512_vnni");
    EXPECT_TEXT(prl_cpu_lacks(0, ALL), "avx2");
}

// The names are those of /proc/cpuinfo, so what the kernel says of this machine must agree.
PRL_TEST(cpu_agrees_with_the_kernel)
{
    static char line[16384];
    FILE *file = fopen("/proc/cpuinfo", "r");
    EXPECT(file != NULL);
    bool found = false;
    while (file && !found && fgets(line, sizeof(line), file))
        found = strncmp(line, "flags", 5) == 0;
    if (file)
        (void)fclose(file);
    EXPECT(found);
    uint32_t has = prl_cpu_features();
    for (uint32_t i = 0; found && i < PRL_CPU_FEATURES; i++) {
        uint32_t bit = UINT32_C(1) << i;
        char word[32];
        (void)snprintf(word, sizeof(word), " %s ", prl_cpu_lacks(ALL & ~bit, ALL));
        EXPECT((strstr(line, word) != NULL) == ((has & bit) != 0));
    }
    char why[256] = "";
    EXPECT(prl_cpu_suits("module.so", why, sizeof(why)));
    EXPECT_TEXT(why, "");
}
