/* The kernels of each instruction set. */

#ifndef SPIKEY_SIMD_H
#define SPIKEY_SIMD_H

#include "internal.h"

extern const spikey_kernels spikey_kernels_base;
#if defined(__x86_64__)
extern const spikey_kernels spikey_kernels_avx2, spikey_kernels_avx512;
#endif

#endif
