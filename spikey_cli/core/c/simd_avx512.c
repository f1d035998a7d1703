/* The vector files for AVX-512 with VNNI. */

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), apply_to = function)
#else
#pragma GCC target("avx2,bmi,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#endif

#define SPIKEY_SIMD avx512
#define SPIKEY_AVX2
#define SPIKEY_AVX512
#include "simd.inc"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
