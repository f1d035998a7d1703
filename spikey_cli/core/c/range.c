/* Range coding of codes under the predicted density: the plain loops; see density.h and range.h. */

#include "range.h"

#include "density.h"

enum { BITS = 24, NEAR_BITS = 3 };

#define LOST ((int64_t)1 << 62) /* the next word of a damaged stream: so far off that it cannot be used up exactly */

static symbol_frame frame_at(const spikey_coder *coder, const spikey_state *state, int64_t stream, int64_t i) {
    return frame_of(coder->tables, coder->size[stream], coder->profiled[stream] ? coder->edges : 0,
                    state->predicted_mean[i], state->log2_scale[i], state->outlier_weight[i]);
}

void spikey_range_encode(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop,
                         const int32_t *codes) {
    uint32_t *words = coder->words;
    for (int64_t stream = first; stream < stop; stream++) {
        int64_t first_lane = coder->first_lane[stream], stop_lane = coder->first_lane[stream + 1];
        /* what need not wait for the symbol before is done apart from what must */
        for (int64_t lane = first_lane; lane < stop_lane; lane++) {
            int64_t i = state->position_of[lane];
            symbol_frame frame = frame_at(coder, state, stream, i);
            int32_t symbol = symbol_of(&frame, codes[i]);
            coder->below[lane] = cumulative(&frame, symbol);
            coder->part[lane] = cumulative(&frame, symbol + 1) - coder->below[lane];
        }
        spikey_interval interval = coder->interval[stream];
        for (int64_t lane = first_lane; lane < stop_lane; lane++) {
            int64_t i = state->position_of[lane];
            if (state->length[i] <= state->step) continue;
            narrow(&interval, words, coder->below[lane], coder->part[lane], BITS);
            if (coder->size[stream] <= SPIKEY_MAX_SMALL) continue;
            symbol_frame frame = frame_at(coder, state, stream, i);
            if (symbol_of(&frame, codes[i]) == 0)
                narrow(&interval, words, codes[i], 1, coder->width[stream]);
            else if (frame.low_bits)
                narrow(&interval, words, codes[i] & ((1 << frame.low_bits) - 1), 1, frame.low_bits);
        }
        coder->interval[stream] = interval;
    }
}

/* The symbol whose part holds `aim`; the search begins at `symbol`, widens and halves. */
static int32_t search(const symbol_frame *frame, int32_t aim, int32_t symbol, int32_t *below_, int32_t *above_) {
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

/* About where the code is whose part holds `aim`: where the search begins has no effect on where it ends. */
static int32_t guess(const spikey_coder *coder, const symbol_frame *frame, int32_t aim, int32_t outlier_weight) {
    int64_t away = coder->tables->quantile[outlier_row(outlier_weight)][aim >> (BITS - SPIKEY_QUANTILE_BITS)];
    int64_t value = frame->mean + (away * coder->tables->spread[frame->scale] >> 16);
    int64_t symbol = ((value + 32) >> 6) - frame->first;
    if (frame->edges)
        symbol = coder->near[least(greatest(value >> (6 - NEAR_BITS), 0), (SPIKEY_MAX_SMALL << NEAR_BITS) - 1)];
    return (int32_t)least(greatest(symbol, 0), frame->symbols - 1);
}

void spikey_range_decode(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, int32_t *codes) {
    const uint32_t *words = coder->words;
    for (int64_t stream = first; stream < stop; stream++) {
        spikey_interval interval = coder->interval[stream];
        for (int64_t lane = coder->first_lane[stream]; lane < coder->first_lane[stream + 1]; lane++) {
            int64_t i = state->position_of[lane];
            if (state->length[i] <= state->step) continue;
            symbol_frame frame = frame_at(coder, state, stream, i);
            int32_t below, above, aim = target(&interval, BITS);
            int32_t symbol = guess(coder, &frame, aim, state->outlier_weight[i]);
            symbol = search(&frame, aim, symbol, &below, &above);
            follow(&interval, words, below, above - below, BITS);
            int32_t code = symbol;
            if (frame.is_large && symbol == 0) {
                code = target(&interval, coder->width[stream]);
                follow(&interval, words, code, 1, coder->width[stream]);
            } else if (frame.is_large) {
                int64_t whole = (int64_t)(frame.first + symbol) * ((int64_t)1 << frame.low_bits);
                if (frame.low_bits) {
                    int32_t rest = target(&interval, frame.low_bits);
                    follow(&interval, words, rest, 1, frame.low_bits);
                    whole += rest;
                }
                code = whole < 0 || whole >= coder->size[stream] ? -1 : (int32_t)whole;
            }
            if (code < 0 || code >= coder->size[stream]) {
                code = 0; /* damage: go on with some code, and be found out at the end */
                interval.at = LOST;
            }
            codes[i] = code;
        }
        coder->interval[stream] = interval;
    }
}
