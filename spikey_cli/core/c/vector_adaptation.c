/* Adaptation: least squares that learn on the way how a sample follows from what is known before it.
 *
 *     row          what a prediction is made of, in codes: the channel's last differences and its level, the network's
 *                  difference and its last errors, differences and levels of referenced channels, ...; see adaptation.c
 *     prediction   sum of weight * term, added to the last value
 *     learning     sums of weighted products of terms, over all lanes of a channel; now and then the weights become the
 *                  solution of the regularised normal equations (solver.c)
 *     scale        log2 of the predicted deviation: a mix of slow means of squared errors and of the network's scale,
 *                  whose shares follow the gradient of the code length
 *
 * Every operation is one of IEEE 754 on float32 in the order written: + - * / are rounded alike on every machine. Sums
 * over terms have eight partial sums, by position modulo 8; sums over samples are in the order of steps, then lanes. */

#include <math.h>

#include "float32.h"
#include "vector_internal.h"

typedef float fvec __attribute__((vector_size(32), may_alias));

INLINE fvec load_float(const float *from) { return *(const fvec *)(const void *)from; }
INLINE void store_float(float *to, fvec x) { *(fvec *)(void *)to = x; }
INLINE fvec floats(float x) { return (fvec){x, x, x, x, x, x, x, x}; }
INLINE fvec float_of(vec x) { return __builtin_convertvector(x, fvec); }
INLINE vec whole_of(fvec x) { return __builtin_convertvector(x, vec); } /* rounded towards zero */

/* As at_most and at_least in float32.h. */
#ifdef SPIKEY_AVX2
INLINE fvec lesser(fvec a, fvec b) { return (fvec)_mm256_min_ps((__m256)a, (__m256)b); }
INLINE fvec greater(fvec a, fvec b) { return (fvec)_mm256_max_ps((__m256)a, (__m256)b); }
#else
INLINE fvec lesser(fvec a, fvec b) { return (fvec)choose((vec)(a < b), (vec)a, (vec)b); }
INLINE fvec greater(fvec a, fvec b) { return (fvec)choose((vec)(a > b), (vec)a, (vec)b); }
#endif
INLINE fvec within(fvec x, float low, float high) { return greater(lesser(x, floats(high)), floats(low)); }

INLINE fvec log2_of(fvec x) { /* log2_about */
    vec bits = (vec)x;
    fvec m = (fvec)((bits & splat(0x7FFFFF)) | splat(0x3F800000)) - floats(1.0f);
    return float_of((bits >> 23) - splat(127)) + m * (floats(1.34375f) - floats(0.34375f) * m);
}

INLINE fvec exp2_of(fvec x) { /* exp2_about */
    vec whole = whole_of(x + floats(128.0f)) - splat(128);
    fvec m = x - float_of(whole);
    return (fvec)((whole + splat(127)) << 23) * (floats(1.0f) + m * (floats(0.65625f) + floats(0.34375f) * m));
}

/* Eight floats at from[index], where the mask is set; elsewhere 0. */
INLINE fvec gather(const float *from, const int32_t *index, const int32_t *mask) {
#ifdef SPIKEY_AVX2
    fvec x = (fvec)_mm256_i32gather_ps(from, M(load(index)), 4);
#else
    fvec x;
    for (int k = 0; k < LANES; k++) x[k] = from[index[k]];
#endif
    return (fvec)((vec)x & load(mask));
}

/* Add the products of some blocks of a row with their weights to eight partial sums; fills in the blocks. */
INLINE fvec add_blocks(fvec sum, const spikey_solver *solver, const float *recent, float *row, int first, int stop) {
    for (int b = first; b < stop; b++) {
        fvec terms = gather(recent, solver->terms + b * LANES, solver->mask + b * LANES);
        store_float(row + b * LANES, terms);
        sum += load_float(solver->weights + b * LANES) * terms;
    }
    return sum;
}

/* Before the first pass: the rows and, as eight partial sums, the predictions as far as they are known. */
INLINE void predict_from_past(spikey_state *state) {
    for (int64_t channel = 0; channel < state->n_channels; channel++) {
        const spikey_solver *solver = &state->solvers[channel];
        int64_t n_lanes = state->first_lane[channel + 1] - state->first_lane[channel], stride = state->stride[channel];
        const float *recent = state->recent + state->recent_at;
        float *row = solver->rows + solver->n_rows * solver->blocks * LANES;
        int64_t i = state->position[channel];
        for (int64_t rank = 0; rank < n_lanes; rank++, i += stride) {
            if (solver->lag) {
                int64_t at = (state->step - solver->lag) & (solver->past_length - 1);
                const float *past = state->past + solver->past + 2 * (rank * solver->past_length + at);
                *history_of(state, i, SPIKEY_LAGGED_DIFFERENCE, 0) = past[0];
                *history_of(state, i, SPIKEY_LAGGED_LEVEL, 0) = past[1];
            }
            store_float(state->partial + LANES * i, add_blocks(floats(0), solver, recent, row, 0, solver->past_blocks));
            row += solver->blocks * LANES;
            recent += stride * SPIKEY_RECORD;
        }
    }
}

void V(begin)(spikey_state *state, int naive) {
    const int64_t n = state->n_positions;
    const int32_t *outputs = state->outputs;
    for (int64_t i = 0; i < n; i += LANES) {
        fvec net_scale = load_float(state->gain_scale + i), term = floats(0);
        vec weight = splat(SPIKEY_NAIVE_OUTLIER_WEIGHT);
        if (!naive) {
            term = float_of(load(outputs + i)) * load_float(state->output_factor + i);
            term = within(term, -SPIKEY_MAX_SIZE, SPIKEY_MAX_SIZE);
            net_scale += float_of(load(outputs + n + i)) * floats(1.0f / 16);
            weight = smallest(largest(load(outputs + 2 * n + i), splat(0)), splat(SPIKEY_OUTLIER_WEIGHTS - 1));
        }
        store_float(state->net_term + i, term);
        for (int lane = 0; lane < LANES; lane++) *history_of(state, i + lane, SPIKEY_NETWORK, 0) = term[lane];
        store_float(state->net_scale + i, net_scale);
        store(state->outlier_weight + i, weight);
        fvec scale = load_float(state->share + SPIKEY_TRACKS * n + i);
        for (int k = 0; k < SPIKEY_TRACKS; k++) {
            fvec track = floats(0.5f) * log2_of(load_float(state->variance + k * n + i));
            if (k == SPIKEY_TRACKS - 1) track += net_scale;
            store_float(state->track + k * n + i, track);
            scale += load_float(state->share + k * n + i) * track;
        }
        scale = within(scale, SPIKEY_LOWEST_SCALE, SPIKEY_HIGHEST_SCALE);
        store_float(state->scale + i, scale);
        store(state->log2_scale + i, whole_of(scale * floats(16.0f) + floats(1024.5f)) - splat(1024));
    }
    predict_from_past(state);
}

void V(predict_means)(spikey_state *state, int64_t pass) {
    for (int64_t channel = state->pass_channel[pass]; channel < state->pass_channel[pass + 1]; channel++) {
        const spikey_solver *solver = &state->solvers[channel];
        int64_t n_lanes = state->first_lane[channel + 1] - state->first_lane[channel], stride = state->stride[channel];
        const float *recent = state->recent + state->recent_at;
        float *row = solver->rows + solver->n_rows * solver->blocks * LANES;
        int64_t i = state->position[channel];
        for (int64_t rank = 0; rank < n_lanes; rank++, i += stride) {
            if (solver->n_before) {
                int64_t slot = solver->sum_slot + rank;
                *history_of(state, i, SPIKEY_MEAN_DIFFERENCE, 0) = state->sum_differences[slot] * solver->share;
                *history_of(state, i, SPIKEY_MEAN_LEVEL, 0) = state->sum_levels[slot] * solver->share;
            }
            fvec sum = load_float(state->partial + LANES * i);
            sum = add_blocks(sum, solver, recent, row, solver->past_blocks, solver->blocks);
            float p = ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
            int64_t mean = state->last[i] + (int64_t)(p * 64.0f);
            state->predicted_mean[i] = (int32_t)least(greatest(mean, state->lowest[i]), state->highest[i]);
            row += solver->blocks * LANES;
            recent += stride * SPIKEY_RECORD;
        }
    }
}

/* What later passes see of a pass's values: differences, and their sums over all channels so far. */
void V(advance)(spikey_state *state, int64_t pass, const int32_t *codes) {
    for (int64_t channel = state->pass_channel[pass]; channel < state->pass_channel[pass + 1]; channel++) {
        const spikey_solver *solver = &state->solvers[channel];
        int64_t n_lanes = state->first_lane[channel + 1] - state->first_lane[channel];
        const int32_t *values = state->profiled[channel] ? state->values : 0;
        for (int64_t rank = 0; rank < n_lanes; rank++) {
            int64_t i = state->position[channel] + rank * state->stride[channel];
            float difference = (float)(value_of(codes[i], values) - state->last[i]) * (1.0f / 64);
            *history_of(state, i, SPIKEY_DIFFERENCE, 0) = difference;
            *history_of(state, i, SPIKEY_ERROR, 0) = difference - state->net_term[i];
            if (solver->in_group) {
                state->sum_differences[solver->sum_slot + rank] += difference;
                state->sum_levels[solver->sum_slot + rank] += *history_of(state, i, SPIKEY_LEVEL, 0);
            }
        }
    }
}

/* Take in the values of a step: differences, the network's input, and levels. */
INLINE void observe(spikey_state *state, const int32_t *codes) {
    const int64_t n = state->n_positions, step = state->step;
    int16_t *history = state->history + (step & (state->n_history - 1)) * n;
    const fvec rate = floats(step + 2 < 1024 ? 1.0f / (float)(step + 2) : 1.0f / 1024), unit = floats(1.0f / 64);
    for (int64_t i = 0; i < n; i += LANES) {
        vec code = load(codes + i), value = (vec)((uvec)code << 6);
        if (state->n_edges) {
            vec mask = load(state->profile_mask + i);
            if (any(mask)) value = choose(mask, lookup(state->values, code & mask), value);
        }
        vec moved = value - load(state->last + i);
        store(state->moved + i, moved);
        store(state->last + i, value);
        store_float(state->difference + i, float_of(moved) * unit);
        store_float(state->error + i, float_of(value - load(state->predicted_mean + i)) * unit);
        fvec relative = float_of(value - load(state->origin + i)) * unit, mean = load_float(state->slow_mean + i);
        store_float(state->above_mean + i, relative - mean);
        mean += (relative - mean) * rate;
        store_float(state->slow_mean + i, mean);
        fvec level = relative - mean;
        for (int lane = 0; lane < LANES; lane++) *history_of(state, i + lane, SPIKEY_LEVEL, -1) = level[lane];
    }
    if (state->gains_follow) spikey_follow_gains(state);
    for (int64_t i = 0; i < n && state->window; i += LANES) {
        fvec x = float_of(load(state->moved + i)) * load_float(state->input_factor + i);
        vec input = whole_of(within(x, -SPIKEY_INPUT_LIMIT, SPIKEY_INPUT_LIMIT) + floats(1024.5f)) - splat(1024);
#ifdef SPIKEY_AVX2
        __m128i packed = _mm_packs_epi32(_mm256_castsi256_si128(M(input)), _mm256_extracti128_si256(M(input), 1));
        _mm_store_si128((__m128i *)(void *)(history + i), packed);
#else
        for (int lane = 0; lane < LANES; lane++) history[i + lane] = (int16_t)input[lane];
#endif
    }
}

/* What the errors of a step say about the scale: gradients of its mix, and slow means of squared errors. */
INLINE void follow_scale(spikey_state *state) {
    const int64_t n = state->n_positions;
    static const float rates[SPIKEY_TRACKS] = {1.0f / 8, 1.0f / 32, 1.0f / 128, 1.0f / 512, 1.0f / 512};
    const float eager = 1.0f / (float)(state->step + 3);
    for (int64_t i = 0; i < n; i += LANES) {
        fvec error = load_float(state->error + i), square = error * error, rounded = square + floats(0.02f);
        fvec inverse = exp2_of(-load_float(state->scale + i)), mean = floats(0);
        fvec surprise = lesser(rounded * (inverse * inverse), floats(9.0f)) - floats(1.0f);
        for (int k = 0; k < SPIKEY_TRACKS; k++) mean += load_float(state->track + k * n + i);
        mean *= floats(1.0f / SPIKEY_TRACKS);
        for (int k = 0; k < SPIKEY_TRACKS; k++)
            store_float(state->gradient + k * n + i, surprise * (load_float(state->track + k * n + i) - mean));
        store_float(state->gradient + SPIKEY_TRACKS * n + i, surprise);
        store_float(state->square + i, square);
        store_float(state->teaching_variance + i, load_float(state->variance + 2 * n + i) + floats(0.3f));
        inverse = exp2_of(-within(load_float(state->net_scale + i), -30.0f, 30.0f));
        for (int k = 0; k < SPIKEY_TRACKS; k++) {
            fvec variance = load_float(state->variance + k * n + i), seen = lesser(rounded, floats(100.0f) * variance);
            if (k == SPIKEY_TRACKS - 1) seen = lesser(square * (inverse * inverse) + floats(0.001f), floats(25.0f));
            variance += floats(eager > rates[k] ? eager : rates[k]) * (seen - variance);
            store_float(state->variance + k * n + i, variance);
        }
    }
}

/* Move the mix of each channel's scale along the sum of its lanes' gradients. */
INLINE void mix_scales(spikey_state *state) {
    const int64_t n = state->n_positions;
    const float rate = 0.0007f + 0.14f / (float)(state->step + 50);
    const vec step = splat((int32_t)state->step);
    for (int64_t g = 0; g < state->n_groups; g++) {
        const vector_group *group = &state->groups[g];
        int64_t first = group->position, stop = first + LANES * (int64_t)group->rows;
        fvec rates;
        memcpy(&rates, group->mix_limit, sizeof rates);
        rates = lesser(floats(rate), rates);
        for (int k = 0; k <= SPIKEY_TRACKS; k++) {
            const float *gradient = state->gradient + k * n;
            float *share = state->share + k * n;
            fvec sum = floats(0);
            for (int64_t i = first; i < stop; i += LANES) {
                fvec row = (fvec)((vec)load_float(gradient + i) & is_above(load(state->length + i), step));
                if (group->deep)
                    for (int lane = 0; lane < LANES; lane++) sum += floats(row[lane]);
                else
                    sum += row;
            }
            fvec moved = load_float(share + first) + rates * sum;
            for (int64_t i = first; i < stop; i += LANES) store_float(share + i, moved);
        }
    }
}

/* Add the rows that a channel holds to its sums of products. */
static void add_rows(spikey_solver *solver) {
    const int blocks = solver->blocks;
    for (int ib = 0; ib < blocks; ib++)
        for (int jb = 0; jb <= ib; jb++) {
            float *sums = solver->batch_sums + (ib * (ib + 1) / 2 + jb) * LANES * LANES;
            fvec sum[LANES];
            for (int k = 0; k < LANES; k++) sum[k] = load_float(sums + k * LANES);
            const float *row = solver->rows;
            for (int64_t r = 0; r < solver->n_rows; r++, row += blocks * LANES) {
                fvec x = load_float(row + jb * LANES), y = load_float(row + ib * LANES) * floats(solver->row_weight[r]);
                for (int k = 0; k < LANES; k++) sum[k] += floats(y[k]) * x;
            }
            for (int k = 0; k < LANES; k++) store_float(sums + k * LANES, sum[k]);
        }
    solver->n_rows = 0;
}

/* The power of two that is nearest to 1 / x on a logarithmic scale. */
INLINE float inverse_power(float x) {
    int32_t exponent = (float_to_bits(x * 1.41421354f) >> 23) - 127;
    return bits_to_float((127 - exponent) << 23);
}

/* Let a channel learn from the step's rows: samples weigh the less, the more is expected to be wrong with them. */
INLINE void learn(spikey_state *state, int64_t channel) {
    spikey_solver *solver = &state->solvers[channel];
    const int64_t n_lanes = state->first_lane[channel + 1] - state->first_lane[channel], step = state->step;
    const int64_t every = step < SPIKEY_EVERY_STEP ? 1 : solver->every;
    if (step % every == 0) {
        float *row = solver->rows + solver->n_rows * solver->blocks * LANES;
        for (int64_t rank = 0; rank < n_lanes; rank++, row += solver->blocks * LANES) {
            int64_t i = state->position[channel] + rank * state->stride[channel];
            float weight = 0, variance = state->teaching_variance[i], square = state->square[i];
            if (state->length[i] > step) {
                weight = inverse_power(variance) * (float)every;
                if (square > 9.0f * variance) weight *= 3.0f * sqrtf(variance / square);
            }
            row[solver->n_terms] = state->difference[i];
            solver->row_weight[solver->n_rows++] = weight;
        }
        if (solver->n_rows + n_lanes > solver->capacity) add_rows(solver);
    }
    if (step + 1 >= solver->due) {
        if (solver->n_rows) add_rows(solver);
        spikey_solve(state, channel);
    }
}

/* Let all lanes learn from a step. */
void V(update)(spikey_state *state, const int32_t *codes) {
    observe(state, codes);
    follow_scale(state);
    mix_scales(state);
    for (int64_t channel = 0; channel < state->n_channels; channel++) {
        const spikey_solver *solver = &state->solvers[channel];
        int64_t n_lanes = state->first_lane[channel + 1] - state->first_lane[channel];
        for (int64_t rank = 0; solver->lag && rank < n_lanes; rank++) {
            int64_t i = state->position[channel] + rank * state->stride[channel];
            int64_t at = rank * solver->past_length + (state->step & (solver->past_length - 1));
            state->past[solver->past + 2 * at] = state->difference[i];
            state->past[solver->past + 2 * at + 1] = state->above_mean[i];
        }
        learn(state, channel);
    }
}
