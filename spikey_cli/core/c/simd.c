/* Which instruction sets this machine has. */

#include <string.h>

#include "internal.h"
#include "simd.h"

static int has(const spikey_kernels *kernels) {
#if defined(__x86_64__)
    if (kernels == &spikey_kernels_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    if (kernels == &spikey_kernels_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("bmi2");
#endif
    return kernels == &spikey_kernels_base;
}

static const spikey_kernels *const all[] = {
#if defined(__x86_64__)
    &spikey_kernels_avx512,
    &spikey_kernels_avx2,
#endif
    &spikey_kernels_base,
};

const spikey_kernels *spikey_kernels_of(const char *name) {
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (has(all[i]) && (!name || strcmp(name, all[i]->name) == 0)) return all[i];
    return 0;
}

const char *spikey_simd_name(int i) {
    for (size_t at = 0; at < sizeof all / sizeof all[0]; at++)
        if (has(all[at]) && i-- == 0) return all[at]->name;
    return 0;
}
