/* The interval of a range coder.
 *
 * A symbol that takes the part first..first + part of 2**bits narrows the interval low..low + width of 64 bits:
 *
 *     low += (width >> bits) * first      width = (width >> bits) * part
 *     while width < 2**32                 the top 32 bits of low are written, and both move up by 32 bits
 *
 * A carry out of low goes into the words written before. A part is at least 2**-25 of the interval, so one word is
 * enough each time. Whether there is one depends on the data, and processors guess it badly: so both directions always
 * touch a word, and shift by 32 bits or none.
 *
 * G. N. N. Martin, "Range encoding: an algorithm for removing redundancy from a digitised message", 1979. */

#ifndef SPIKEY_RANGE_H
#define SPIKEY_RANGE_H

#include "internal.h"

typedef struct {
    uint64_t low, width; /* in a decoder, `low` is the offset of its number */
    int32_t at, end;     /* the next word; the one behind the last, which is 0 */
} spikey_interval;

static inline spikey_interval interval_of(const spikey_coder *coder, int64_t stream) {
    spikey_interval interval = {coder->low[stream], coder->range_width[stream], coder->at[stream], coder->end[stream]};
    return interval;
}

static inline void set_interval(spikey_coder *coder, int64_t stream, spikey_interval interval) {
    coder->low[stream] = interval.low;
    coder->range_width[stream] = interval.width;
    coder->at[stream] = interval.at;
    coder->end[stream] = interval.end;
}

/* Add one to the number that ends in word `at`. It never runs out of the stream: low was below 2**64 in all. */
static inline void carry(uint32_t *words, int32_t at) {
    while (words[at] == UINT32_MAX) words[at--] = 0;
    words[at]++;
}

/* Narrow an encoder's interval to first..first + part of 2**bits. */
static inline __attribute__((always_inline)) void narrow(spikey_interval *interval, uint32_t *words, int32_t first, int32_t part, int bits) {
    uint64_t step = interval->width >> bits;
    uint64_t low = interval->low + step * (uint64_t)first;
    if (low < interval->low) carry(words, interval->at - 1);
    uint64_t width = step * (uint64_t)part;
    words[interval->at] = (uint32_t)(low >> 32);
    int full = width >> 32 == 0, shift = full << 5;
    interval->low = low << shift;
    interval->width = width << shift;
    interval->at += full;
}

/* Where a decoder's number lies in its interval, of 2**bits; a damaged one may lie behind it. */
static inline int32_t target(const spikey_interval *interval, int bits) {
    uint64_t quotient = interval->low / (interval->width >> bits), most = ((uint64_t)1 << bits) - 1;
    return (int32_t)(quotient < most ? quotient : most);
}

/* Narrow a decoder's interval as the encoder did. What stands at the end and behind it reads as 0. */
static inline void follow(spikey_interval *interval, const uint32_t *words, int32_t first, int32_t part, int bits) {
    uint64_t step = interval->width >> bits;
    uint64_t offset = interval->low - step * (uint64_t)first;
    uint64_t width = step * (uint64_t)part;
    uint64_t word = interval->at < interval->end ? words[interval->at] : 0;
    int full = width >> 32 == 0, shift = full << 5;
    interval->low = offset << shift | (word & (0 - (uint64_t)full));
    interval->width = width << shift;
    if (interval->at < SPIKEY_LOST) interval->at += full;
}

/* The code of a symbol of a large alphabet, after what follows it: its low bits, or the code as it is. Damage gives some
 * code of the alphabet, and is found out at the end. */
static inline int32_t finish_symbol(spikey_interval *interval, const uint32_t *words, int32_t symbol, int32_t first,
                                    int low_bits, int width, int32_t size) {
    int64_t code;
    if (symbol == 0) {
        code = target(interval, width);
        follow(interval, words, (int32_t)code, 1, width);
    } else {
        code = (int64_t)(first + symbol) * ((int64_t)1 << low_bits);
        if (low_bits) {
            int32_t rest = target(interval, low_bits);
            follow(interval, words, rest, 1, low_bits);
            code += rest;
        }
    }
    if (code >= 0 && code < size) return (int32_t)code;
    interval->at = SPIKEY_LOST;
    return 0;
}

#endif
