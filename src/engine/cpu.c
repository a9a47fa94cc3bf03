// cpu.c -- see cpu.h.
#include "engine/cpu.h"

#include <stdio.h>

#define BIT(feature) (UINT32_C(1) << (feature))

uint32_t prl_cpu_features(void)
{
    __builtin_cpu_init();
    uint32_t has = 0;
    has |= __builtin_cpu_supports("avx2") ? BIT(PRL_CPU_AVX2) : 0;
    has |= __builtin_cpu_supports("fma") ? BIT(PRL_CPU_FMA) : 0;
    has |= __builtin_cpu_supports("bmi2") ? BIT(PRL_CPU_BMI2) : 0;
    has |= __builtin_cpu_supports("avx512f") ? BIT(PRL_CPU_AVX512F) : 0;
    has |= __builtin_cpu_supports("avx512cd") ? BIT(PRL_CPU_AVX512CD) : 0;
    has |= __builtin_cpu_supports("avx512bw") ? BIT(PRL_CPU_AVX512BW) : 0;
    has |= __builtin_cpu_supports("avx512dq") ? BIT(PRL_CPU_AVX512DQ) : 0;
    has |= __builtin_cpu_supports("avx512vl") ? BIT(PRL_CPU_AVX512VL) : 0;
    has |= __builtin_cpu_supports("avx512vbmi") ? BIT(PRL_CPU_AVX512VBMI) : 0;
    has |= __builtin_cpu_supports("avx512vnni") ? BIT(PRL_CPU_AVX512VNNI) : 0;
    return has;
}

uint32_t prl_cpu_needed(void)
{
#ifdef PRL_CPU_WIDE
    return BIT(PRL_CPU_FEATURES) - 1;
#else
    return BIT(PRL_CPU_AVX2) | BIT(PRL_CPU_FMA) | BIT(PRL_CPU_BMI2);
#endif
}

const char *prl_cpu_lacks(uint32_t has, uint32_t needed)
{
    static const char *const names[PRL_CPU_FEATURES] = {
        "avx2",     "fma",      "bmi2",     "avx512f",    "avx512cd",
        "avx512bw", "avx512dq", "avx512vl", "avx512vbmi", "avx512_vnni"};
    for (int i = 0; i < PRL_CPU_FEATURES; i++)
        if (needed & ~has & BIT(i))
            return names[i];
    return NULL;
}

bool prl_cpu_suits(const char *module, char *why, size_t why_size)
{
    const char *lacks = prl_cpu_lacks(prl_cpu_features(), prl_cpu_needed());
    if (lacks)
        (void)snprintf(why, why_size,
                       "%s was built for processors with %s, which this one has not; build parley "
                       "here, or with PARLEY_CPU=avx2 where it was built",
                       module, lacks);
    return !lacks;
}
