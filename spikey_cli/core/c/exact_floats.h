/* Floating-point arithmetic that gives the same bits everywhere: each operation rounds once, to the nearest number of
 * its type, and subnormal numbers are numbers. The compiler must keep to that, and the thread must be set to it. */

#ifndef SPIKEY_EXACT_FLOATS_H
#define SPIKEY_EXACT_FLOATS_H

#include <float.h>
#include <stdint.h>

#if FLT_EVAL_METHOD != 0
#error "Spikey needs sums and products in the type of their operands: compile for SSE2, not for x87"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__)
#error "Spikey needs exact floating-point arithmetic: compile without -ffast-math and -Ofast"
#endif

/* Whether the compiler makes one rounding of a product and a sum, as -ffp-contract=off forbids. */
static inline int spikey_floats_fuse(void) {
    volatile float a = 1 + 0x1p-13f, b = -1 - 0x1p-12f; /* a * a + b is 2**-26 */
    volatile double c = 1 + 0x1p-30, d = -1 - 0x1p-29;  /* c * c + d is 2**-60 */
    return a * a + b != 0 || c * c + d != 0;
}

/* What the arithmetic of a thread is set to. Where that is one register, it is accessed here: fenv.h takes longer, and
 * in glibc before 2.23 it does not end flushing to zero. */
#if defined(__x86_64__)

typedef uint32_t spikey_float_mode;

static inline void spikey_end_exact(spikey_float_mode before) { __asm__ volatile("ldmxcsr %0" : : "m"(before) : "memory"); }

static inline spikey_float_mode spikey_begin_exact(void) {
    spikey_float_mode before;
    __asm__ volatile("stmxcsr %0" : "=m"(before) : : "memory");
    spikey_end_exact(0x1F80); /* to nearest, no flushing, no traps */
    return before;
}

#elif defined(__aarch64__)

typedef uint64_t spikey_float_mode;

static inline void spikey_end_exact(spikey_float_mode before) { __asm__ volatile("msr fpcr, %0" : : "r"(before) : "memory"); }

static inline spikey_float_mode spikey_begin_exact(void) {
    spikey_float_mode before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before) : : "memory");
    spikey_end_exact(0);
    return before;
}

#else

#include <fenv.h>

typedef fenv_t spikey_float_mode;

static inline void spikey_end_exact(spikey_float_mode before) { fesetenv(&before); }

static inline spikey_float_mode spikey_begin_exact(void) {
    spikey_float_mode before;
    fegetenv(&before);
    fesetenv(FE_DFL_ENV);
    return before;
}

#endif

#endif
