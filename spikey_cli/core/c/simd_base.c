/* The vector files for any machine of this kind; those of aarch64 all have NEON. */

#if defined(__aarch64__)
#define SPIKEY_SIMD neon
#else
#define SPIKEY_SIMD base
#endif
#include "simd.inc"
