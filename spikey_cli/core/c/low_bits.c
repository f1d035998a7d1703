/* Low bits: of floating-point samples whose integer is only the upper bits of the mantissa, those below. */

#include "core.h"

/* Low bits of a sample of integer k; none of zeros, nor of integers that a damaged copy may have. */
static int width_of(int32_t k, spikey_scaled_type type) {
    const uint32_t steps = (uint32_t)(k < 0 ? ~k : k);
    return steps && steps < 1 << 23 ? (type == SPIKEY_SAMPLE_FLOAT32 ? 23 : 52) - (31 - __builtin_clz(steps)) : 0;
}

int64_t spikey_count_low_bits(const int32_t *integers, int64_t n, spikey_scaled_type type) {
    int64_t bits = 0;
    for (int64_t i = 0; i < n; i++) bits += width_of(integers[i], type);
    return bits;
}

void spikey_put_low_bits(const int32_t *integers, int64_t n, spikey_scaled_type type, const uint64_t *low, uint8_t *stream) {
    uint64_t window = 0;
    int held = 0;
    for (int64_t i = 0; i < n; i++) {
        const int width = width_of(integers[i], type);
        window = window << width | (low[i] & (((uint64_t)1 << width) - 1));
        for (held += width; held >= 8; held -= 8) *stream++ = (uint8_t)(window >> (held - 8));
    }
    if (held) *stream = (uint8_t)(window << (8 - held));
}

int spikey_take_low_bits(spikey_low_bits *in, const int32_t *integers, int64_t n, spikey_scaled_type type, uint64_t *low) {
    for (int64_t i = 0; i < n; i++) {
        const int width = width_of(integers[i], type);
        for (; in->held < width; in->held += 8) {
            if (in->at == in->end) return 0;
            in->window = in->window << 8 | *in->at++;
        }
        in->held -= width;
        low[i] = in->window >> in->held & (((uint64_t)1 << width) - 1);
    }
    return 1;
}

int spikey_ends_low_bits(const spikey_low_bits *in) {
    return in->at == in->end && in->held < 8 && !(in->window & (((uint64_t)1 << in->held) - 1));
}
