/* Writing of bytes into memory that grows. A writer without memory stays as it is, so that its caller may check once. */

#ifndef SPIKEY_WRITER_H
#define SPIKEY_WRITER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"

typedef struct {
    uint8_t *bytes; /* the caller frees them */
    int64_t n, room;
    int failed; /* whether there was no memory */
} spikey_writer;

/* `n` more bytes, to be filled in; NULL if there is no memory. */
static inline uint8_t *put_room(spikey_writer *out, int64_t n) {
    if (out->failed) return 0;
    if (n > out->room - out->n || !out->bytes) {
        int64_t room = out->room / 2 * 3 > out->n + n ? out->room / 2 * 3 : out->n + n + 64;
        uint8_t *bytes = realloc(out->bytes, (size_t)room);
        if (!bytes) {
            out->failed = 1;
            return 0;
        }
        out->bytes = bytes;
        out->room = room;
    }
    out->n += n;
    return out->bytes + out->n - n;
}

static inline void put_bytes(spikey_writer *out, const void *bytes, int64_t n) {
    uint8_t *to = put_room(out, n);
    if (to && n) memcpy(to, bytes, (size_t)n);
}

/* A number of `size` bytes, little-endian. */
static inline void put_number(spikey_writer *out, uint64_t number, int size) {
    uint8_t *to = put_room(out, size);
    if (to) put_little(to, number, size);
}

static inline void put_uvarint(spikey_writer *out, uint64_t number) {
    for (; number > 127; number >>= 7) put_number(out, (number & 127) | 128, 1);
    put_number(out, number, 1);
}

static inline uint64_t zigzag(int64_t n) { return n < 0 ? 2 * ~(uint64_t)n + 1 : 2 * (uint64_t)n; }

#endif
