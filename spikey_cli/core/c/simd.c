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

#define SET(set) {&spikey_kernels_##set, spikey_floats_fuse_##set}

static const struct {
    const spikey_kernels *kernels;
    int (*floats_fuse)(void);
} sets[] = {
#if defined(__x86_64__)
    SET(avx512), SET(avx2), SET(base),
#elif defined(__aarch64__)
    SET(neon),
#else
    SET(base),
#endif
};

enum { N_SETS = sizeof sets / sizeof sets[0] };

static int has(const spikey_kernels *kernels) {
#if defined(__x86_64__)
    if (kernels == &spikey_kernels_avx2) return has_avx2(0);
    if (kernels == &spikey_kernels_avx512) return has_avx2(1);
#endif
    (void)kernels;
    return 1;
}

const spikey_kernels *spikey_kernels_of(const char *name) {
    for (int i = 0; i < N_SETS; i++)
        if (has(sets[i].kernels) && (!name || strcmp(name, sets[i].kernels->name) == 0)) return sets[i].kernels;
    return 0;
}

const char *spikey_simd_name(int i) {
    for (int at = 0; at < N_SETS; at++)
        if (has(sets[at].kernels) && i-- == 0) return sets[at].kernels->name;
    return 0;
}

int spikey_is_exact(void) {
    spikey_float_mode before = spikey_begin_exact();
    int fuse = spikey_floats_fuse();
    for (int i = 0; i < N_SETS; i++) fuse |= has(sets[i].kernels) && sets[i].floats_fuse();
    spikey_end_exact(before);
    return !fuse;
}
