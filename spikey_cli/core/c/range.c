/* Range coding of codes under the predicted density: the plain loops; see density.h and range.h. */

#include "range.h"

#include "density.h"

enum { BITS = 24, NEAR_BITS = 3 };

static symbol_frame frame_at(const spikey_coder *coder, const spikey_state *state, int32_t size, int profiled, int64_t i) {
    return frame_of(coder->tables, size, profiled ? coder->edges : 0, state->predicted_mean[i], state->log2_scale[i], state->outlier_weight[i]);
}

/* The parts that the code at a position takes; and if its alphabet is large, what follows: its low bits, or all of it. */
static void set_parts(spikey_coder *coder, const spikey_state *state, int32_t size, int profiled, int64_t i,
                      int32_t code) {
    symbol_frame frame = frame_at(coder, state, size, profiled, i);
    int32_t symbol = symbol_of(&frame, code);
    coder->below[i] = cumulative(&frame, symbol);
    coder->part[i] = cumulative(&frame, symbol + 1) - coder->below[i];
    coder->rest_bits[i] = frame.is_large && symbol == 0 ? spikey_code_width(size) : frame.low_bits;
    coder->rest[i] = code & ((1 << coder->rest_bits[i]) - 1);
}

/* Narrow the intervals of up to STREAMS streams by the parts of their lanes. Lanes of several streams take turns: a
 * stream's next lane must wait for the one before. */
enum { STREAMS = 8 };

static void narrow_streams(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop) {
    uint32_t *words = coder->words;
    spikey_interval interval[STREAMS];
    int64_t most = 0, n = stop - first;
    for (int64_t k = 0; k < n; k++) {
        interval[k] = interval_of(coder, first + k);
        most = greatest(most, coder->first_lane[first + k + 1] - coder->first_lane[first + k]);
    }
    for (int64_t rank = 0; rank < most; rank++)
        for (int64_t k = 0; k < n; k++) {
            int64_t lane = coder->first_lane[first + k] + rank;
            if (lane >= coder->first_lane[first + k + 1]) continue;
            int64_t i = state->position_of[lane];
            if (state->length[i] <= state->step) continue;
            narrow(&interval[k], words, coder->below[i], coder->part[i], BITS);
            if (coder->size[first + k] > SPIKEY_MAX_SMALL && coder->rest_bits[i])
                narrow(&interval[k], words, coder->rest[i], 1, coder->rest_bits[i]);
        }
    for (int64_t k = 0; k < n; k++) set_interval(coder, first + k, interval[k]);
}

void spikey_range_parts(spikey_coder *coder, const spikey_state *state, const vector_group *group,
                        const int32_t *codes) {
    for (int64_t channel = group->first_channel; channel < group->first_channel + group->n_channels; channel++)
        for (int64_t lane = state->first_lane[channel]; lane < state->first_lane[channel + 1]; lane++) {
            int64_t i = state->position_of[lane];
            set_parts(coder, state, state->size[channel], state->profiled[channel], i, codes[i]);
        }
}

void spikey_range_encode(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop,
                         const int32_t *codes) {
    /* what need not wait for the symbol before is done apart from what must */
    if (state->vectors)
        state->kernels->range_parts(coder, state, codes);
    else
        for (int64_t stream = first; stream < stop; stream++)
            for (int64_t lane = coder->first_lane[stream]; lane < coder->first_lane[stream + 1]; lane++)
                set_parts(coder, state, coder->size[stream], coder->profiled[stream], state->position_of[lane],
                          codes[state->position_of[lane]]);
    for (; first < stop; first += STREAMS) narrow_streams(coder, state, first, least(first + STREAMS, stop));
}

/* About where the code is whose part holds `aim`: where the search begins has no effect on where it ends. */
static int32_t guess(const spikey_coder *coder, const symbol_frame *frame, int32_t aim, int32_t outlier_weight) {
    int64_t away = coder->tables->place[outlier_row(outlier_weight)][aim >> (BITS - SPIKEY_QUANTILE_BITS)][0];
    int64_t value = frame->mean + (away * coder->tables->scale[frame->scale] >> 22);
    int64_t symbol = ((value + 32) >> 6) - frame->first;
    if (frame->edges)
        symbol = coder->near[least(greatest(value >> (6 - NEAR_BITS), 0), coder->n_near - 1)];
    return (int32_t)least(greatest(symbol, 0), frame->symbols - 1);
}

static void decode_streams(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop,
                           int32_t *codes) {
    const uint32_t *words = coder->words;
    for (int64_t stream = first; stream < stop; stream++) {
        spikey_interval interval = interval_of(coder, stream);
        for (int64_t lane = coder->first_lane[stream]; lane < coder->first_lane[stream + 1]; lane++) {
            int64_t i = state->position_of[lane];
            if (state->length[i] <= state->step) continue;
            symbol_frame frame = frame_at(coder, state, coder->size[stream], coder->profiled[stream], i);
            int32_t below, above, aim = target(&interval, BITS);
            int32_t symbol = guess(coder, &frame, aim, state->outlier_weight[i]);
            symbol = search(&frame, aim, symbol, &below, &above);
            follow(&interval, words, below, above - below, BITS);
            codes[i] = symbol;
            if (frame.is_large)
                codes[i] = finish_symbol(&interval, words, symbol, frame.first, frame.low_bits, coder->width[stream],
                                         coder->size[stream]);
        }
        set_interval(coder, stream, interval);
    }
}

void spikey_range_decode(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, int32_t *codes) {
    while (first < stop) {
        int64_t n = state->vectors ? state->kernels->range_decode(coder, state, first, stop, codes) : 0;
        if (n == 0) {
            decode_streams(coder, state, first, first + 1, codes);
            n = 1;
        }
        first += n;
    }
}
