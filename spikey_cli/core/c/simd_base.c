/* The vector files for any machine of this kind. */

#define SPIKEY_SIMD base
#include "simd.inc"
