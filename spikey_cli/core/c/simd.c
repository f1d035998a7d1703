/* Which instruction sets this machine has. */

#include <string.h>

#include "internal.h"
#include "simd.h"

#if defined(__x86_64__)

#include <cpuid.h>

/* CPUID and XGETBV themselves: __builtin_cpu_supports needs a run-time library that not every compiler brings. */
static int has_avx2(int with_512) {
    unsigned a, b, c, d, xcr0, unused;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
    __asm__("xgetbv" : "=a"(xcr0), "=d"(unused) : "c"(0)); /* which registers the system saves */
    const unsigned saved = with_512 ? 0xE6 : 0x06;
    if ((xcr0 & saved) != saved || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    const unsigned avx2 = 1u << 3 | 1u << 5 | 1u << 8;                  /* BMI1, AVX2, BMI2 */
    const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  /* F, DQ, BW, VL */
    return (b & avx2) == avx2 && (!with_512 || ((b & avx512) == avx512 && (c & 1u << 11))); /* VNNI */
}

#endif

static int has(const spikey_kernels *kernels) {
#if defined(__x86_64__)
    if (kernels == &spikey_kernels_avx2) return has_avx2(0);
    if (kernels == &spikey_kernels_avx512) return has_avx2(1);
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
