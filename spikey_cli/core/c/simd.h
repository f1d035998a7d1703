/* What each instruction set has: its kernels, and whether they were compiled with fused multiply-adds. */

#ifndef SPIKEY_SIMD_H
#define SPIKEY_SIMD_H

#include "internal.h"

#define SPIKEY_SET(set)                               \
    extern const spikey_kernels spikey_kernels_##set; \
    int spikey_floats_fuse_##set(void);

#if defined(__x86_64__)
SPIKEY_SET(avx512)
SPIKEY_SET(avx2)
SPIKEY_SET(base)
#elif defined(__aarch64__)
SPIKEY_SET(neon)
#else
SPIKEY_SET(base)
#endif

#endif
