/* Rice codes of ranks; see rice.c. */

#ifndef SPIKEY_RICE_H
#define SPIKEY_RICE_H

#include "bits.h"

enum { SPIKEY_ESCAPE_ZEROS = 24, SPIKEY_MAX_CODE_BITS = 48, SPIKEY_MAX_K = 24 };

/* Rows of the table of ranks: of each class of scales, one for each cell of predicted means. */
enum { SPIKEY_CELL_SHIFT = 5, SPIKEY_RANK_CLASS_SHIFT = 3, SPIKEY_MIN_RANK_CLASS = 1, SPIKEY_MAX_RANK_CLASS = 11 };

/* Rice parameter, 0..24, for a log2 scale. */
static inline int rice_parameter(int32_t log2_scale) {
    if (log2_scale > 16 * SPIKEY_MAX_K) return SPIKEY_MAX_K;
    int k = (log2_scale + 8) >> 4;
    return k < 0 ? 0 : k;
}

/* Write `rank` (0..2**width - 1, width 1..24) into zeroed words; returns the cursor behind it. */
static inline int64_t put_rank(uint64_t *words, int64_t cursor, int32_t rank, int k, int width) {
    int32_t quotient = rank >> k;
    if (quotient >= SPIKEY_ESCAPE_ZEROS) {
        put_bits(words, cursor + SPIKEY_ESCAPE_ZEROS, (uint64_t)rank, width);
        return cursor + SPIKEY_ESCAPE_ZEROS + width;
    }
    int n = quotient + 1 + k;
    put_bits(words, cursor, (uint64_t)(1 << k | (rank & ((1 << k) - 1))), n);
    return cursor + n;
}

/* Read a rank from the top of `window`, 64 bits of any kind; returns the bits that it took, 1..48. */
static inline int get_rank(uint64_t window, int k, int width, int32_t *rank) {
    int quotient = window >> (64 - SPIKEY_ESCAPE_ZEROS) ? leading_zeros(window) : SPIKEY_ESCAPE_ZEROS;
    window <<= quotient;
    if (quotient == SPIKEY_ESCAPE_ZEROS) {
        *rank = (int32_t)(window >> (64 - width));
        return SPIKEY_ESCAPE_ZEROS + width;
    }
    /* the one is the window's top bit: keep it with the k bits behind it, then take it off */
    *rank = (int32_t)(((uint32_t)quotient << k) + (uint32_t)(window >> (63 - k)) - ((uint32_t)1 << k));
    return quotient + 1 + k;
}

#endif
