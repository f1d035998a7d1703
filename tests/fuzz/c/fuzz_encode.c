/* Fuzzing of the chunk encoder: an input is an array, with its type, shape and order, and a coder; what is encoded comes back.
 *
 * Memory is allocated as long as the library is told, so that AddressSanitizer sees every access beyond. */

#include <stdlib.h>
#include <string.h>

#include "spikey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *const TYPES[] = {"|u1", "|i1", "<i2", ">i2", "<u2", ">u2", "<i4", ">u4", "<u4", "<i8", ">u8", "<f4"};
static const char *const CODERS[] = {0, "rice", "range"}, *const PRESETS[] = {0, "fast", "best", "default"};

/* How bytes become items: as they are; or as sums of small steps, with a factor, which more channels are made of. */
static void fill(uint8_t *items, size_t n, size_t size, size_t channels, const uint8_t *data, size_t n_data, int how) {
    int64_t value[64] = {0};
    const int64_t factor = how & 4 ? data[0] % 80 : 1;
    for (size_t i = 0; i < n; i++) {
        size_t channel = i % channels % 64;
        uint64_t item = 0;
        if (how & 1) {
            value[channel] += (int8_t)data[i % n_data] / (how & 2 ? 16 : 1);
            item = (uint64_t)(value[how & 8 ? channel / 2 : channel] * factor);
        }
        for (size_t b = 0; b < size; b++) items[i * size + b] = how & 1 ? (uint8_t)(item >> 8 * b) : data[(i * size + b) % n_data];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n < 8) return 0;
    spikey_array array = {.is_fortran = data[0] & 1, .n_dimensions = 1 + (data[0] >> 1 & 1)};
    spikey_encoding encoding = {CODERS[data[0] >> 2 & 3 ? (data[0] >> 2 & 3) - 1 : 0], PRESETS[data[0] >> 4 & 3]};
    memcpy(array.type, TYPES[data[1] % 12], 4);
    const size_t size = (size_t)(array.type[2] - '0');
    size_t items = (size_t)(data[2] | (data[3] & 15) << 8) * (array.n_dimensions > 1 ? 1 : 2), channels = 1;
    if (array.n_dimensions > 1) channels = 1 + data[4] % 40;
    array.shape[0] = (int64_t)(items / channels);
    array.shape[1] = (int64_t)channels;
    if (array.n_dimensions > 1 && data[0] >> 6) {
        array.n_dimensions = 3;
        array.shape[2] = array.shape[1], array.shape[1] = data[0] >> 6, array.shape[0] /= array.shape[1];
        channels *= (size_t)array.shape[1];
    }
    items = (size_t)array.shape[0] * channels;
    array.bytes = (int64_t)(items * size);
    uint8_t *memory = malloc(items * size + !items);
    if (!memory) abort();
    fill(memory, items, size, channels, data + 6, n - 6, data[5]);

    const char *reason = 0;
    size_t room = spikey_bound(&array), length = 0, again = 0;
    uint8_t *chunk = malloc(room + !room);
    if (!chunk) abort();
    int error = spikey_encode(memory, &array, &encoding, chunk, room, &length, &reason);
    if ((error != SPIKEY_OK) != (reason != 0)) abort();
    if (error && error != SPIKEY_UNSUPPORTED) abort();
    if (!error) {
        spikey_array back;
        uint8_t *decoded = malloc(items * size + !items), *shorter = malloc(length - 1);
        if (!decoded || !shorter) abort();
        if (spikey_encode(memory, &array, &encoding, shorter, length - 1, &again, &reason) != SPIKEY_ROOM_TOO_SMALL) abort();
        if (again != length || spikey_describe(chunk, length, 0, &back, &reason)) abort();
        if (strcmp(back.type, array.type) || back.n_dimensions != array.n_dimensions || back.shape[0] != array.shape[0] ||
            (back.n_dimensions > 1 && back.shape[1] != array.shape[1]) || back.shape[2] != array.shape[2] || back.bytes != array.bytes)
            abort();
        if (back.is_fortran != array.is_fortran && array.shape[0] > 1 && channels > 1) abort();
        if (spikey_decode(chunk, length, 0, decoded, items * size, &reason) || memcmp(decoded, memory, items * size)) abort();
        free(decoded), free(shorter);
    }
    free(memory), free(chunk);
    return 0;
}
