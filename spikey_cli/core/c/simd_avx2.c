/* The vector files for AVX2. */

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2"))), apply_to = function)
#else
#pragma GCC target("avx2,bmi,bmi2")
#endif

#define SPIKEY_SIMD avx2
#define SPIKEY_AVX2
#include "simd.inc"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
