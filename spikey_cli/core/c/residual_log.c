/* The residual log: what was predicted of each sample, and what the true code costs under it.
 *
 *     mass               part of 2**24 that the code's symbol takes
 *     raw_bits           bits that stand apart from the symbol
 *     residual           value less the predicted mean, in 1/64 codes
 *     corrected          the same, 256 to one predicted spread, clipped to 16 bits
 *     normalised_error   value less the network's mean, 256 to one of its spreads, clipped; 0 in naive steps */

#include "density.h"
#include "float32.h"

static int16_t in_scales(int64_t away, int32_t inverse) {
    return (int16_t)clip(multiply(away, inverse) >> 21, INT16_MAX);
}

void spikey_record(const spikey_state *state, int64_t pass, const int32_t *codes, int naive) {
    const spikey_tables *tables = state->tables;
    const spikey_log *log = &state->log;
    for (int64_t channel = state->pass_channel[pass]; channel < state->pass_channel[pass + 1]; channel++) {
        const int32_t *edges = state->profiled[channel] ? state->edges : 0;
        int32_t size = state->size[channel];
        for (int64_t lane = state->first_lane[channel]; lane < state->first_lane[channel + 1]; lane++) {
            int64_t i = state->position_of[lane], at = state->start[lane] + state->step;
            if (state->length[i] <= state->step) continue;
            int32_t mean = state->predicted_mean[i], scale = state->log2_scale[i], code = codes[i];
            symbol_frame frame = frame_of(tables, size, edges, mean, scale, state->outlier_weight[i]);
            int32_t symbol = symbol_of(&frame, code);
            log->mass[at] = cumulative(&frame, symbol + 1) - cumulative(&frame, symbol);
            if (frame.is_large) log->raw_bits[at] = (uint8_t)(symbol == 0 ? spikey_code_width(size) : frame.low_bits);
            int64_t value = value_of(code, edges ? state->values : 0), before = state->last[i];
            log->residual[at] = (int32_t)(value - mean);
            log->corrected[at] = in_scales(value - mean, tables->inverse_scale[scale_index_of(scale)]);
            if (naive) continue;
            float z = normalised((float)(value - before) * 0.015625f - state->net_term[i], state->net_scale[i]);
            log->normalised_error[at] = (int16_t)at_least(at_most(z, INT16_MAX), -INT16_MAX);
        }
    }
}
