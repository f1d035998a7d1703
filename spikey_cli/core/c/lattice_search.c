/* Lattices. */

#include "encoder.h"

int spikey_find_lattice(const int32_t *integers, int64_t n, int has_palette, spikey_channel *lattice) {
    (void)integers, (void)n, (void)has_palette, (void)lattice;
    return 0;
}

int spikey_fit_lattice(spikey_channel *lattice, int32_t low, int32_t high) {
    (void)lattice, (void)low, (void)high;
    return 0;
}
