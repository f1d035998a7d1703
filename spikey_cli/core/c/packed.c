/* Codes as they are: each in as many bits as any code of the grid needs. */

#include "bits.h"
#include "internal.h"

int spikey_code_width(int32_t size) {
    return size <= 2 ? 1 : 64 - leading_zeros((uint64_t)(size - 1));
}

void spikey_pack(const int32_t *codes, int64_t n, int width, uint8_t *stream) {
    uint64_t window = 0;
    int held = 0;
    for (int64_t i = 0; i < n; i++) {
        window = window << width | ((uint64_t)(uint32_t)codes[i] & (((uint64_t)1 << width) - 1));
        for (held += width; held >= 8; held -= 8) *stream++ = (uint8_t)(window >> (held - 8));
    }
    if (held) *stream = (uint8_t)(window << (8 - held));
}

int spikey_unpack(const uint8_t *stream, int64_t n, int width, int32_t size, int32_t *codes) {
    uint64_t window = 0;
    int held = 0, astray = 0;
    for (int64_t i = 0; i < n; i++) {
        for (; held < width; held += 8) window = window << 8 | *stream++;
        held -= width;
        codes[i] = (int32_t)(window >> held & (((uint64_t)1 << width) - 1));
        astray |= codes[i] >= size;
    }
    return !astray;
}
