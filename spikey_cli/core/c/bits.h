/* Bits in 64-bit words, most significant first. A cursor counts bits from the start of the array. */

#ifndef SPIKEY_BITS_H
#define SPIKEY_BITS_H

#include <stdint.h>

enum { SPIKEY_SPARE_WORDS = 2 }; /* words behind a stream's last bit that are written and read, too: zeros */

/* Write the low `n` bits (1..64) of `value`, whose higher bits are zero. The bits of the word from the cursor on are zero;
 * the next word becomes what remains. */
static inline void put_bits(uint64_t *words, int64_t cursor, uint64_t value, int n) {
    int64_t word = cursor >> 6;
    int offset = (int)(cursor & 63);
    value <<= 64 - n;
    words[word] |= value >> offset;
    words[word + 1] = value << 1 << (63 - offset); /* two shifts: one by 64 is undefined */
}

/* The 64 bits from `cursor` on. */
static inline uint64_t peek_bits(const uint64_t *words, int64_t cursor) {
    int64_t word = cursor >> 6;
    int offset = (int)(cursor & 63);
    return words[word] << offset | words[word + 1] >> 1 >> (63 - offset);
}

/* The number of zero bits above the highest one of `x`, which is not 0. */
static inline int leading_zeros(uint64_t x) { return __builtin_clzll(x); }

#endif
