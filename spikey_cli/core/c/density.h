/* The density of a code around its prediction, as parts of 2**24, and what the range coder makes of a code:
 *
 *     small alphabet   a symbol is a code
 *     large alphabet   a symbol is the place of the code, less its low bits, among 4096 around the predicted mean;
 *                      symbol 0: the code is further off, and follows in `width` bits
 */

#ifndef SPIKEY_DENSITY_H
#define SPIKEY_DENSITY_H

#include "internal.h"

enum { SPIKEY_MAX_LOW_BITS = 24, SPIKEY_LARGE_HALF = SPIKEY_MAX_SMALL / 2 };

/* How the symbols of a lane are spread over 0..2**24. */
typedef struct {
    int32_t symbols; /* number of symbols: 1..4096 */
    int32_t mean;    /* predicted, in 1/64 symbols */
    int32_t inverse; /* spread */
    int32_t scale;   /* entry of the tables */
    int32_t first;   /* what a code less its low bits is above its symbol; 0 in a small alphabet */
    int low_bits;
    int is_large;
    const int32_t *edges; /* of a profile; NULL: equal bins */
    const int32_t (*mixture)[2];
} symbol_frame;

static inline symbol_frame frame_of(const spikey_tables *tables, int32_t size, const int32_t *edges,
                                    int32_t predicted_mean, int32_t log2_scale, int32_t outlier_weight) {
    symbol_frame frame = {size, predicted_mean, 0, 0, 0, 0, size > SPIKEY_MAX_SMALL, edges, 0};
    if (frame.is_large) {
        frame.low_bits = (int)least(greatest((log2_scale >> 4) - 5, 0), SPIKEY_MAX_LOW_BITS);
        frame.mean = predicted_mean >> frame.low_bits;
        frame.symbols = SPIKEY_MAX_SMALL;
        frame.first = ((frame.mean + 32) >> 6) - SPIKEY_LARGE_HALF;
        frame.edges = 0;
    }
    frame.scale = scale_index_of((int64_t)log2_scale - (frame.low_bits << 4));
    frame.inverse = tables->inverse_scale[frame.scale];
    frame.mixture = tables->mixture[outlier_row(outlier_weight)];
    return frame;
}

/* 2**24 F at `distance` (1/64 symbols) from the mean; never falls as it grows. */
static inline int32_t distribution(int64_t distance, int32_t inverse, const int32_t (*mixture)[2]) {
    int64_t at = (distance * inverse >> 16) + (SPIKEY_MIXTURE_ZERO << 8);
    if (at <= 0) return 0;
    if (at >= SPIKEY_MIXTURE_ZERO << 9) return SPIKEY_WHOLE;
    const int32_t *entry = mixture[at >> 8];
    return entry[0] + (entry[1] * (int32_t)(at & 255) >> 8);
}

/* Cumulative frequency, of 2**24, below `symbol` (any). */
static inline int32_t cumulative(const symbol_frame *frame, int32_t symbol) {
    if (symbol <= 0) return 0;
    if (symbol >= frame->symbols) return SPIKEY_WHOLE;
    int32_t edge = frame->edges ? frame->edges[symbol] : (frame->first + symbol) * 64 - 32;
    int64_t mass = distribution((int64_t)edge - frame->mean, frame->inverse, frame->mixture);
    return (int32_t)(mass * (SPIKEY_WHOLE - SPIKEY_MARGIN * frame->symbols) >> 24) + SPIKEY_MARGIN * symbol;
}

/* The symbol of a code (0..size-1). */
static inline int32_t symbol_of(const symbol_frame *frame, int32_t code) {
    if (!frame->is_large) return code;
    int32_t symbol = (code >> frame->low_bits) - frame->first;
    return symbol < 1 || symbol >= SPIKEY_MAX_SMALL ? 0 : symbol;
}

/* The symbol whose part holds `aim`; the search begins at `symbol`, widens and halves. */
static inline int32_t search(const symbol_frame *frame, int32_t aim, int32_t symbol, int32_t *below_, int32_t *above_) {
    int32_t behind = symbol + 1, reach = 1;
    int32_t below = cumulative(frame, symbol), above = cumulative(frame, behind);
    while (below > aim) {
        behind = symbol, above = below;
        symbol = symbol > reach ? symbol - reach : 0;
        reach *= 2;
        below = cumulative(frame, symbol);
    }
    for (reach = 1; above <= aim; reach *= 2) {
        symbol = behind, below = above;
        behind = behind + reach < frame->symbols ? behind + reach : frame->symbols;
        above = cumulative(frame, behind);
    }
    while (behind - symbol > 1) {
        int32_t half = (symbol + behind) >> 1, between = cumulative(frame, half);
        if (between <= aim)
            symbol = half, below = between;
        else
            behind = half, above = between;
    }
    *below_ = below, *above_ = above;
    return symbol;
}

#endif
