/* Gains: how loud a lane is, in eighths of an octave. */

#include "bits.h"
#include "internal.h"

int spikey_gain_of(const spikey_tables *tables, int64_t mean_square) {
    int low = 0, high = SPIKEY_MAX_GAIN;
    while (low < high) {
        int middle = (low + high) >> 1;
        if (tables->gain_step[middle] <= mean_square >> 4) /* 16 of them are a 256th of a squared code */
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint64_t square_at(const int32_t *codes, const int32_t *values, int64_t i) {
    const int64_t difference = values ? values[codes[i]] - values[codes[i - 1]] : codes[i] - codes[i - 1];
    return (uint64_t)(difference * difference);
}

/* What squares are cut off at, so that a few jumps do not outweigh all else: 512 times the power of two that a sixteenth of
 * them reaches, which is a squared code at least. */
static uint64_t cap_of(const int32_t *codes, int64_t n, const int32_t *values) {
    const int64_t every = n < 1 << 12 ? 1 : 16;
    const int fewest = values ? 13 : 1; /* bits of a squared code */
    int64_t count[65] = {0}, left = (n - 1) / every / 16;
    int bits = 64;
    for (int64_t i = every; i < n; i += every) {
        const uint64_t square = square_at(codes, values, i);
        count[square ? 64 - leading_zeros(square) : 0]++;
    }
    while (bits > fewest && (left -= count[bits]) >= 0) bits--;
    return bits + 9 < 64 ? (uint64_t)1 << (bits + 9) : UINT64_MAX;
}

/* The mean square difference of a lane, rounded down; `values` is NULL for equal bins. `at_once` squares of differences
 * add up to less than 2**64. The sum, below 2**91, is kept in two parts: high * 2**32 + low. */
static int64_t mean_square_of(const int32_t *codes, int64_t n, const int32_t *values, int64_t at_once) {
    uint64_t high = 0, low = 0;
    if (n < 2) return 0;
    const uint64_t cap = cap_of(codes, n, values);
    for (int64_t first = 1; first < n; first += at_once) {
        int64_t stop = n - first > at_once ? first + at_once : n;
        uint64_t sum = 0;
        for (int64_t i = first; i < stop; i++) {
            const uint64_t square = square_at(codes, values, i);
            sum += square < cap ? square : cap;
        }
        if (!values) { /* in 1/64 codes */
            high += sum >> 20;
            low += (sum & 0xFFFFF) << 12;
        } else {
            high += sum >> 32;
            low += sum & 0xFFFFFFFF;
        }
        high += low >> 32, low &= 0xFFFFFFFF;
    }
    uint64_t divisor = (uint64_t)(n - 1);
    return (int64_t)(((high / divisor) << 32) + ((high % divisor << 32 | low) / divisor));
}

int spikey_lane_gains(const spikey_tables *tables, const int32_t *codes, int64_t n_codes, const int64_t *start,
                      const int32_t *length, const int32_t *channel, int64_t n_lanes, const int64_t *size,
                      const uint8_t *profiled, int64_t n_channels, const int32_t *values, int64_t n_values,
                      uint8_t *gains) {
    if (n_values > SPIKEY_MAX_SMALL) return SPIKEY_BAD_ARGUMENT;
    for (int64_t i = 0; i < n_values; i++) /* squares of greater differences would not fit */
        if (values[i] < 64 * i - SPIKEY_MAX_DRIFT || values[i] > 64 * i + SPIKEY_MAX_DRIFT) return SPIKEY_BAD_ARGUMENT;
    for (int64_t lane = 0; lane < n_lanes; lane++) {
        int64_t n = length[lane], own = channel[lane];
        if (own < 0 || own >= n_channels || n < 1 || start[lane] < 0 || start[lane] > n_codes - n ||
            size[own] < 1 || size[own] > SPIKEY_MAX_SIZE || (profiled[own] && size[own] > n_values))
            return SPIKEY_BAD_ARGUMENT;
        const int32_t *first = codes + start[lane];
        uint32_t most = (uint32_t)size[own] - 1, astray = 0;
        for (int64_t i = 0; i < n; i++) astray |= (uint32_t)first[i] > most;
        if (astray) return SPIKEY_BAD_CODE;
        int64_t at_once = (int64_t)1 << (63 - 2 * (spikey_code_width((int32_t)size[own]) + (profiled[own] ? 7 : 0)));
        int64_t mean_square = mean_square_of(first, n, profiled[own] ? values : 0, at_once);
        gains[lane] = (uint8_t)spikey_gain_of(tables, mean_square);
    }
    return SPIKEY_OK;
}
