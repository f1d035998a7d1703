/* Adaptation: what the network's errors on a channel say about its next sample, learnt on the way.
 *
 *     normalised error   z = (value - the network's mean) / spread
 *     prediction         p = sum of weight * tap; the taps are the lane's DC term, its own last errors, and those of
 *                        the channels that it references, of this step and the steps before
 *     learning           weight += step size * sum over the channel's lanes of (z - p) * tap
 *
 * These are the plain loops, in 64 bits, for any gain, network and size; vector_adaptation.c has the same for proven
 * bounds. Here the lanes of a channel stand side by side. */

#include "internal.h"

enum { MEAN_SHIFT = 11, SQUARE_SHIFT = 7, RATE_SHIFT = 16, WEIGHT_LIMIT = (1 << 24) - 1 };
enum { PRIOR_STEPS = 3, POWER_SHIFT = 10, REGAIN = 64 };

void spikey_predict_naive(spikey_state *state, int64_t pass) {
    for (int64_t i = state->pass_position[pass]; i < state->pass_position[pass + 1]; i++) {
        state->predicted_mean[i] = state->last[i];
        state->log2_scale[i] = state->tables->log2_rms[state->gain[i]];
        state->outlier_weight[i] = SPIKEY_NAIVE_OUTLIER_WEIGHT;
    }
}

/* Row of the normalised errors of a step. */
static inline int32_t *errors_of(const spikey_state *state, int64_t step) {
    return state->ring + (step & (SPIKEY_RING - 1)) * (state->n_positions + LANES);
}

/* The taps of a lane's channel: for each of its own and of each of the `n_references` channels, where the rows of a
 * step stand. */
typedef struct {
    const int32_t *row[SPIKEY_TAPS];
    int n;
} tap_rows;

static tap_rows taps_of(const spikey_state *state, int64_t channel) {
    tap_rows taps;
    int64_t own = state->position[channel];
    taps.row[0] = state->dc + own;
    for (int lag = 1; lag <= SPIKEY_OWN_LAGS; lag++) taps.row[lag] = errors_of(state, state->step - lag) + own;
    taps.n = SPIKEY_OWN_TAPS;
    for (int j = 0; j < state->n_references[channel]; j++) {
        int64_t other = state->position[state->references[channel][j]];
        for (int lag = 0; lag < SPIKEY_PEER_LAGS; lag++)
            taps.row[taps.n++] = errors_of(state, state->step - lag) + other;
    }
    return taps;
}

static void predict_lanes(spikey_state *state, int64_t first, int64_t stop) {
    const spikey_tables *tables = state->tables;
    const int32_t *outputs = state->outputs;
    int64_t n = state->n_positions;
    for (int64_t i = first; i < stop; i++) {
        int gain = state->gain[i];
        int64_t last = state->last[i], own_scale = tables->log2_rms[gain] + (int64_t)outputs[n + i];
        int32_t scale = scale_index_of(own_scale);
        state->scale_index[i] = scale;
        state->network_mean[i] = last + ((outputs[i] * tables->output_factor[gain] + (1 << 15)) >> 16);
        int64_t away = last - state->mean_whole[i];
        state->dc[i] = (int32_t)clip(away * tables->inverse_scale[scale] >> 22, SPIKEY_LIMIT);
        state->log2_scale[i] = (int32_t)(own_scale + tables->scale_shift[state->slow_square[i] >> (SQUARE_SHIFT + 8)]);
        state->outlier_weight[i] = outputs[2 * n + i];
    }
}

void spikey_predict(spikey_state *state, int64_t pass) {
    int64_t first = state->pass_position[pass], stop = state->pass_position[pass + 1];
    predict_lanes(state, first, stop);
    for (int64_t channel = state->pass_channel[pass]; channel < state->pass_channel[pass + 1]; channel++) {
        int64_t n_lanes = state->first_lane[channel + 1] - state->first_lane[channel];
        int32_t *predicted = state->predicted + state->position[channel];
        tap_rows taps = taps_of(state, channel);
        for (int64_t i = 0; i < n_lanes; i++) predicted[i] = 0;
        for (int tap = 0; tap < taps.n; tap++) { /* all sums are below 2**31 */
            int32_t weight = state->weights[tap * state->n_weights + channel] >> 8;
            const int32_t *row = taps.row[tap];
            for (int64_t i = 0; i < n_lanes; i++) predicted[i] += weight * row[i];
        }
    }
    for (int64_t i = first; i < stop; i++) {
        int64_t p = clip(state->predicted[i] >> 12, SPIKEY_LIMIT << 4);
        state->predicted[i] = (int32_t)(p >> 4);
        int64_t mean = state->network_mean[i] +
                       ((p * state->tables->scale[state->scale_index[i]] + (1 << 21)) >> 22);
        state->predicted_mean[i] = (int32_t)least(greatest(mean, state->lowest[i]), state->highest[i]);
    }
}

void spikey_follow_gains(spikey_state *state, int64_t first, int64_t stop, const int32_t *codes) {
    int64_t count = state->step + PRIOR_STEPS;
    for (int64_t i = first; i < stop; i++) {
        int64_t difference = (int64_t)value_of(codes[i], state->on_profile[i] ? state->values : 0) - state->last[i];
        int64_t change = difference * difference - state->power[i];
        if (count < 1 << POWER_SHIFT)
            state->power[i] += change >= 0 ? change / count : -((count - 1 - change) / count);
        else
            state->power[i] += change >> POWER_SHIFT;
    }
    if (state->step <= REGAIN || state->step % REGAIN == 0)
        for (int64_t i = first; i < stop; i++) {
            int gain = spikey_gain_of(state->tables, state->power[i]);
            if (gain != state->gain[i]) spikey_set_gain(state, i, gain);
        }
}

void spikey_advance(spikey_state *state, int64_t pass, const int32_t *codes) {
    int64_t first = state->pass_position[pass], stop = state->pass_position[pass + 1];
    int16_t *differences = state->history + (state->step & (state->n_history - 1)) * state->n_positions;
    if (state->gains_follow) spikey_follow_gains(state, first, stop, codes);
    for (int64_t i = first; i < stop; i++) {
        int32_t value = value_of(codes[i], state->on_profile[i] ? state->values : 0);
        int64_t difference = (int64_t)value - state->last[i];
        int64_t x = (difference * state->tables->input_factor[state->gain[i]] + (1 << 29)) >> 30;
        differences[i] = (int16_t)clip(x, SPIKEY_INPUT_LIMIT);
        state->last[i] = value;
    }
}

void spikey_update(spikey_state *state, int64_t pass) {
    int64_t first = state->pass_position[pass], stop = state->pass_position[pass + 1];
    int32_t *now = errors_of(state, state->step);
    for (int64_t i = first; i < stop; i++) {
        int64_t last = state->last[i], away = last - state->network_mean[i];
        int64_t scaled = multiply(away, state->tables->inverse_scale[state->scale_index[i]]) >> 21;
        int32_t z = (int32_t)clip(scaled, SPIKEY_LIMIT);
        int32_t off = (int32_t)clip(z - state->predicted[i], SPIKEY_LIMIT);
        int64_t mean = last - state->mean_whole[i] + state->mean_rest[i];
        state->mean_whole[i] += (int32_t)(mean >> MEAN_SHIFT);
        state->mean_rest[i] = (int32_t)(mean & ((1 << MEAN_SHIFT) - 1));
        state->slow_square[i] += off * off - (state->slow_square[i] >> SQUARE_SHIFT);
        int teaches = state->length[i] > state->step; /* a lane that has ended does not */
        now[i] = teaches ? z : 0;
        state->error[i] = teaches ? (int32_t)clip(off, SPIKEY_ERROR_LIMIT) : 0;
    }
    int64_t decaying = ((int64_t)1 << 27) / (state->step + SPIKEY_EAGER_STEPS);
    for (int64_t channel = state->pass_channel[pass]; channel < state->pass_channel[pass + 1]; channel++) {
        int64_t n_lanes = state->first_lane[channel + 1] - state->first_lane[channel];
        const int32_t *error = state->error + state->position[channel];
        int64_t rate = greatest(state->constant_rate[channel], decaying / n_lanes);
        tap_rows taps = taps_of(state, channel);
        for (int tap = 0; tap < taps.n; tap++) {
            const int32_t *row = taps.row[tap];
            int32_t *weight = &state->weights[tap * state->n_weights + channel];
            int64_t slope = 0;
            for (int64_t i = 0; i < n_lanes; i++) slope += error[i] * row[i];
            *weight = (int32_t)clip(*weight + (slope * rate >> RATE_SHIFT), WEIGHT_LIMIT);
        }
    }
}
