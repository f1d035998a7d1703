/* Bounds-checked reading. A reader that has failed stays at its end and reads zeros, so that its caller may check once. */

#ifndef SPIKEY_READER_H
#define SPIKEY_READER_H

#include <stdint.h>

typedef struct {
    const uint8_t *at, *end;
    int failed;
} spikey_reader;

static inline spikey_reader reader_of(const uint8_t *bytes, int64_t n) {
    spikey_reader reader = {bytes, bytes + n, 0};
    return reader;
}

static inline int64_t left_in(const spikey_reader *in) { return in->end - in->at; }

/* The next `n` bytes; NULL if there are not as many. */
static inline const uint8_t *take(spikey_reader *in, uint64_t n) {
    if (in->failed || n > (uint64_t)left_in(in)) {
        in->failed = 1;
        in->at = in->end;
        return 0;
    }
    in->at += n;
    return in->at - n;
}

/* A number of at most 8 bytes, little-endian. */
static inline uint64_t take_number(spikey_reader *in, int n) {
    const uint8_t *bytes = take(in, (uint64_t)n);
    uint64_t number = 0;
    for (int i = 0; bytes && i < n; i++) number |= (uint64_t)bytes[i] << 8 * i;
    return number;
}

/* A uvarint of at most `most`. */
static inline uint64_t take_uvarint(spikey_reader *in, uint64_t most) {
    uint64_t number = 0;
    for (int shift = 0; shift < 63; shift += 7) {
        uint64_t byte = take_number(in, 1);
        number |= (byte & 127) << shift;
        if (in->failed || byte > 127) continue;
        if ((byte == 0 && shift) || number > most) break;
        return number;
    }
    in->failed = 1;
    in->at = in->end;
    return 0;
}

static inline int64_t unzigzag(uint64_t n) { return (int64_t)(n >> 1) ^ -(int64_t)(n & 1); }

static inline int64_t take_zigzag(spikey_reader *in, uint64_t most) { return unzigzag(take_uvarint(in, most)); }

/* Store the low `size` bytes, 1, 2, 4 or 8, little-endian. */
static inline void put_little(uint8_t *to, uint64_t number, int size) {
    for (int i = 0; i < size; i++) to[i] = (uint8_t)(number >> 8 * i);
}

static inline uint64_t get_little(const uint8_t *from, int size) {
    uint64_t number = 0;
    for (int i = 0; i < size; i++) number |= (uint64_t)from[i] << 8 * i;
    return number;
}

#endif
