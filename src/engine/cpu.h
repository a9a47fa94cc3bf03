// cpu.h -- whether this processor has what the modules of engines were built for.
//
// Set-up builds ggml for the processor at hand (tools/cpu_level). A program that is copied to an older one
// would die of an illegal instruction there, so the loaders ask first.
//
// Threads:  any.
// Source:   Intel SDM volume 2, CPUID; the instruction sets are those that tools/setup gives to ggml.
#ifndef PRL_ENGINE_CPU_H
#define PRL_ENGINE_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum prl_cpu_feature {
    PRL_CPU_AVX2,
    PRL_CPU_FMA,
    PRL_CPU_BMI2,
    PRL_CPU_AVX512F,
    PRL_CPU_AVX512CD,
    PRL_CPU_AVX512BW,
    PRL_CPU_AVX512DQ,
    PRL_CPU_AVX512VL,
    PRL_CPU_AVX512VBMI,
    PRL_CPU_AVX512VNNI,
    PRL_CPU_FEATURES
};

// Bit 1 << feature for each one that this processor has and the system allows.
uint32_t prl_cpu_features(void);
// The features that the modules of this build need.
uint32_t prl_cpu_needed(void);
// The name of the first feature of `needed` that `has` lacks, as in /proc/cpuinfo; NULL when it lacks none.
const char *prl_cpu_lacks(uint32_t has, uint32_t needed);

// False, with a sentence in `why` that says what to do, when `module` (a path) would not run here.
bool prl_cpu_suits(const char *module, char *why, size_t why_size);

#endif
