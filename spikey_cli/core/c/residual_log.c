/* The residual log: what was predicted of each sample, and what the true code costs under it, noted instead of coded.
 *
 *     mass               part of 2**24 that the code's symbol takes
 *     rest               bits that stand apart from the symbol
 *     residual           value less the predicted mean, in 1/64 codes
 *     corrected          the same, 256 to one predicted spread, clipped to 16 bits
 *     normalised_error   value less the network's mean, 256 to one of its spreads, clipped; 0 in naive steps */

#include "density.h"

static int16_t in_spreads(int64_t away, int32_t inverse) {
    return (int16_t)clip(multiply(away, inverse) >> 21, INT16_MAX);
}

void spikey_log_record(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop,
                       const int32_t *codes, int naive) {
    const spikey_tables *tables = state->tables;
    const spikey_log *log = &coder->log;
    for (int64_t stream = first; stream < stop; stream++) {
        const int32_t *edges = coder->profiled[stream] ? coder->edges : 0;
        for (int64_t lane = coder->first_lane[stream]; lane < coder->first_lane[stream + 1]; lane++) {
            int64_t i = state->position_of[lane], at = state->start[lane] + state->step;
            if (state->length[i] <= state->step) continue;
            int32_t mean = state->predicted_mean[i], scale = state->log2_scale[i], code = codes[i];
            symbol_frame frame = frame_of(tables, coder->size[stream], edges, mean, scale, state->outlier_weight[i]);
            int32_t symbol = symbol_of(&frame, code);
            log->mass[at] = cumulative(&frame, symbol + 1) - cumulative(&frame, symbol);
            if (frame.is_large) log->rest[at] = (uint8_t)(symbol == 0 ? coder->width[stream] : frame.low_bits);
            int64_t value = value_of(code, coder->profiled[stream] ? state->values : 0);
            log->residual[at] = (int32_t)(value - mean);
            log->corrected[at] = in_spreads(value - mean, tables->inverse_spread[scale_index_of(scale)]);
            if (naive) continue;
            int64_t away = value - (state->vectors ? state->mean32[i] : state->network_mean[i]);
            int32_t inverse = state->vectors ? state->inverse32[i] : tables->inverse_spread[state->scale_index[i]];
            log->normalised_error[at] = in_spreads(away, inverse);
        }
    }
}
