/* Adaptation: least squares that learn on the way how a sample follows from what is known before it.
 *
 *     terms        what a prediction is made of, in codes: the channel's last differences and its level, the network's
 *                  difference and its last errors, differences and levels of referenced channels, ...; see adaptation.c
 *     prediction   sum of weight * term, added to the last value
 *     learning     sums of weighted products of terms, over all lanes of a channel; now and then the weights become the
 *                  solution of the regularised normal equations (vector_solver.c)
 *     scale        log2 of the predicted deviation: a mix of slow means of squared errors and of the network's scale,
 *                  whose shares follow the gradient of the code length
 *     jumps        differences far beyond what is usual, of samples that are missing or saturated, of stimuli: they are
 *                  taken in as the last value, and else count for nothing, so that what was learnt lasts
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

/* About log2 x, of normal numbers above 0: exponent and a parabola through the mantissa. */
INLINE fvec log2_of(fvec x) {
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

/* What the places of a group's terms are counted from, for a row of its lanes. */
INLINE const float *recent_of(const spikey_state *state, int row) {
    return state->recent + (state->recent_at + (int64_t)row * SPIKEY_RECORD) * LANES;
}

/* Term t of eight lanes. */
INLINE fvec term_of(const vector_group *group, const float *recent, int t) {
    int32_t place = group->place[t];
    if (__builtin_expect(place >= 0, 1)) return load_float(recent + place);
    return gather(recent, group->places + t * LANES, group->masks + t * LANES);
}

/* Groups that have channels of a pass. */
INLINE int64_t first_group(const spikey_state *state, int64_t pass) {
    return state->group_of[state->pass_channel[pass]];
}
INLINE int64_t stop_group(const spikey_state *state, int64_t pass) {
    return state->group_of[state->pass_channel[pass + 1] - 1] + 1;
}

/* Add weight * term of eight lanes to the sum, in eight parts. */
INLINE void add_terms(const vector_group *group, const float *recent, int first, int stop, fvec *sum) {
    for (; first < stop; first += LANES) {
        const int n = stop - first;
        const float *weights = group->weights + first * LANES;
#pragma GCC unroll 8
        for (int k = 0; k < LANES; k++) {
            if (k >= n) break;
            sum[k] += load_float(weights + k * LANES) * term_of(group, recent, first + k);
        }
    }
}

/* What the long lags find. */
INLINE void recall_past(spikey_state *state) {
    for (int64_t channel = 0; channel < state->n_channels; channel++) {
        const spikey_solver *solver = &state->solvers[channel];
        int64_t n_lanes = solver->n_lanes;
        const float *past = state->past + solver->past + 2 * ((state->step - solver->lag) & (solver->past_length - 1));
        for (int64_t rank = 0; solver->lag && rank < n_lanes; rank++, past += 2 * solver->past_length) {
            int64_t i = state->position[channel] + rank * state->stride[channel];
            *history_of(state, i, SPIKEY_LAGGED_DIFFERENCE, 0) = past[0];
            *history_of(state, i, SPIKEY_LAGGED_LEVEL, 0) = past[1];
        }
    }
}

/* Before the first pass: the terms and the parts of the predictions that are known. */
INLINE void predict_from_past(spikey_state *state) {
    if (state->has_lags) recall_past(state);
    for (int64_t g = 0; g < state->n_groups; g++) {
        const vector_group *group = &state->groups[g];
        float *partial = state->partial + LANES * group->position;
        for (int row = 0; row < group->rows; row++, partial += LANES * LANES) {
            fvec sum[LANES];
            for (int k = 0; k < LANES; k++) sum[k] = floats(0);
            add_terms(group, recent_of(state, row), 0, group->n_past, sum);
            for (int k = 0; k < LANES; k++) store_float(partial + k * LANES, sum[k]);
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
        store_float(history_of(state, i, SPIKEY_NETWORK, 0), term);
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

enum { FEW = 4 }; /* lanes of a vector of which one is taken by itself */

/* The channels of a pass among those side by side in a group: from `*first` on, as many as are returned. */
INLINE int64_t channels_in(const spikey_state *state, const vector_group *group, int64_t pass, int64_t *first) {
    *first = greatest(state->pass_channel[pass] - group->first_channel, 0);
    return least(state->pass_channel[pass + 1] - group->first_channel, group->n_channels) - *first;
}

/* The means over the channels of earlier passes, for the channels of a pass. */
void V(take_means)(spikey_state *state, int64_t pass) {
    for (int64_t g = first_group(state, pass); g < stop_group(state, pass); g++) {
        const vector_group *group = &state->groups[g];
        int64_t first, n = channels_in(state, group, pass, &first);
        for (int row = 0; group->has_means && row < group->rows; row++) {
            const int64_t i = group->position + LANES * (int64_t)row;
            const float *differences = state->sum_differences + LANES * row, *levels = state->sum_levels + LANES * row;
            float *difference = history_of(state, i, SPIKEY_MEAN_DIFFERENCE, 0);
            float *level = history_of(state, i, SPIKEY_MEAN_LEVEL, 0);
            if (group->at_once == 1) {
                store_float(difference, load_float(differences + group->sums[0]) * load_float(group->share));
                store_float(level, load_float(levels + group->sums[0]) * load_float(group->share));
                continue;
            }
            for (int64_t beside = 0; beside < LANES; beside += group->at_once)
                for (int64_t lane = beside + first; lane < beside + first + n; lane++) {
                    difference[lane] = differences[group->sums[lane]] * group->share[lane];
                    level[lane] = levels[group->sums[lane]] * group->share[lane];
                }
        }
    }
}

/* Predicted means of a vector of lanes. What is found for those of other passes is the same as in their own, or not used. */
INLINE void predict_lanes(spikey_state *state, const vector_group *group, int row) {
    const int64_t i = group->position + LANES * (int64_t)row;
    fvec sum[LANES];
    for (int k = 0; k < LANES; k++) sum[k] = load_float(state->partial + LANES * i + k * LANES);
    add_terms(group, recent_of(state, row), group->first_present, group->n_terms, sum);
    fvec p = ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
    vec last = load(state->last + i), moved = whole_of(within(p * floats(64.0f), -1.5e9f, 1.5e9f));
    moved = smallest(largest(moved, load(state->lowest + i) - last), load(state->highest + i) - last);
    store(state->predicted_mean + i, last + moved);
}

/* The same of one lane. */
static __attribute__((noinline)) void predict_lane(spikey_state *state, const vector_group *group, int row, int64_t lane) {
    const int64_t i = group->position + LANES * (int64_t)row + lane;
    const float *recent = recent_of(state, row), *partial = state->partial + LANES * (i - lane) + lane;
    float sum[LANES];
    for (int k = 0; k < LANES; k++) sum[k] = partial[k * LANES];
    for (int t = group->first_present; t < group->n_terms; t++) {
        const int64_t at = t * LANES + lane;
        sum[t & (LANES - 1)] += group->weights[at] * (group->masks[at] ? recent[group->places[at]] : 0.0f);
    }
    const float p = ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
    const int32_t last = state->last[i], moved = (int32_t)at_least(at_most(p * 64.0f, 1.5e9f), -1.5e9f);
    state->predicted_mean[i] = last + (int32_t)least(greatest(moved, state->lowest[i] - last), state->highest[i] - last);
}

/* Predicted means of the channels of some passes. A decoder takes one pass after another, each of few channels of a vector
 * if there are few in all: then one lane after another. */
void V(predict_means)(spikey_state *state, int64_t first_pass, int64_t stop_pass) {
    for (int64_t g = first_group(state, first_pass); g < stop_group(state, stop_pass - 1); g++) {
        const vector_group *group = &state->groups[g];
        int64_t first = 0, n = stop_pass - first_pass == 1 ? channels_in(state, group, first_pass, &first) : LANES;
        const int are_few = n * FEW <= group->at_once;
        for (int row = 0; row < group->rows; row++) {
            if (!are_few) predict_lanes(state, group, row);
            for (int64_t beside = 0; are_few && beside < LANES; beside += group->at_once)
                for (int64_t lane = beside + first; lane < beside + first + n; lane++) predict_lane(state, group, row, lane);
        }
    }
}

/* The values of codes, in 1/64 codes. */
INLINE vec values_of(const spikey_state *state, const int32_t *codes, int64_t i) {
    vec code = load(codes + i), value = (vec)((uvec)code << 6);
    if (state->n_edges) {
        vec mask = load(state->profile_mask + i);
        if (any(mask)) value = choose(mask, lookup(state->values, code & mask), value);
    }
    return value;
}

/* Add a channel to the sums of its joint group. */
INLINE void add_to_sums(spikey_state *state, int64_t channel) {
    const spikey_solver *solver = &state->solvers[channel];
    const vector_group *group = &state->groups[state->group_of[channel]];
    int64_t i = state->position[channel], k = solver->joint, stop = i + LANES * (int64_t)group->rows;
    float *differences = state->sum_differences, *levels = state->sum_levels;
    if (group->at_once == 1)
        for (; i < stop; i += LANES, k += LANES) {
            fvec difference = load_float(history_of(state, i, SPIKEY_DIFFERENCE, 0));
            fvec level = load_float(history_of(state, i, SPIKEY_LEVEL, 0));
            store_float(differences + k, load_float(differences + k) + difference);
            store_float(levels + k, load_float(levels + k) + level);
        }
    for (; i < stop; i += group->at_once, k += group->at_once) {
        differences[k] += *history_of(state, i, SPIKEY_DIFFERENCE, 0);
        levels[k] += *history_of(state, i, SPIKEY_LEVEL, 0);
    }
}

/* Whether differences are jumps. */
INLINE vec is_jump(const spikey_state *state, int64_t i, fvec difference) {
    return (vec)(difference * difference > floats(1024.0f) * load_float(state->usual + i));
}

/* What later passes see of a pass's values: differences, and their sums over all channels so far. */
void V(advance)(spikey_state *state, int64_t pass, const int32_t *codes) {
    for (int64_t g = first_group(state, pass); g < stop_group(state, pass); g++) {
        const vector_group *group = &state->groups[g];
        int64_t stop = group->position + LANES * (int64_t)group->rows;
        for (int64_t i = group->position; i < stop; i += LANES) {
            vec moved = values_of(state, codes, i) - load(state->last + i);
            fvec difference = float_of(moved) * floats(1.0f / 64);
            store(state->moved + i, moved);
            difference = (fvec)((vec)difference & ~is_jump(state, i, difference));
            store_float(history_of(state, i, SPIKEY_DIFFERENCE, 0), difference);
            store_float(history_of(state, i, SPIKEY_ERROR, 0), difference - load_float(state->net_term + i));
        }
    }
    for (int64_t channel = state->pass_channel[pass]; channel < state->pass_channel[pass + 1]; channel++)
        if (state->solvers[channel].in_group) add_to_sums(state, channel);
}

/* Take in the values of a step: errors, levels, and the network's input. At a jump, the level stays. */
INLINE void observe(spikey_state *state) {
    const int64_t n = state->n_positions, step = state->step;
    int16_t *history = state->history + (step & (state->n_history - 1)) * n;
    const fvec rate = floats(step + 2 < 1024 ? 1.0f / (float)(step + 2) : 1.0f / 1024), unit = floats(1.0f / 64);
    for (int64_t i = 0; i < n; i += LANES) {
        vec value = load(state->last + i) + load(state->moved + i);
        store(state->last + i, value);
        store_float(state->error + i, float_of(value - load(state->predicted_mean + i)) * unit);
        fvec difference = float_of(load(state->moved + i)) * unit, usual = load_float(state->usual + i);
        vec jumps = is_jump(state, i, difference);
        store(state->since + i, smallest(load(state->since + i) + splat(1), splat(SPIKEY_CALM)) & ~jumps);
        fvec seen = lesser(difference * difference + floats(0.3f), floats(100.0f) * usual);
        store_float(state->usual + i, usual + floats(1.0f / 128) * (seen - usual));
        fvec relative = float_of(value - load(state->origin + i)) * unit, mean = load_float(state->slow_mean + i);
        vec before = (vec)load_float(history_of(state, i, SPIKEY_LEVEL, 0));
        store_float(state->above_mean + i, (fvec)choose(jumps, before, (vec)(relative - mean)));
        mean = (fvec)choose(jumps, (vec)mean, (vec)(mean + (relative - mean) * rate));
        store_float(state->slow_mean + i, mean);
        store_float(history_of(state, i, SPIKEY_LEVEL, -1), (fvec)choose(jumps, before, (vec)(relative - mean)));
    }
    if (state->gains_follow) spikey_follow_gains(state);
    for (int64_t i = 0; i < n && state->window; i += LANES) {
        vec moved = load(state->moved + i) & is_above(load(state->since + i), splat(0));
        fvec x = float_of(moved) * load_float(state->input_factor + i);
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
        const vec calm = is_above(load(state->since + i), splat(0));
        surprise = (fvec)((vec)surprise & calm);
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
            fvec change = floats(eager > rates[k] ? eager : rates[k]) * (seen - variance);
            store_float(state->variance + k * n + i, variance + (fvec)((vec)change & calm));
        }
    }
}

#ifdef __wasm_simd128__

/* Add lanes to those of the first of as many channels (1, 2, 4 or 8) as stand side by side, in the order of lanes. */
INLINE fvec add_beside(fvec sum, fvec row, int at_once) {
    for (int first = 0; first < LANES; first += at_once) {
        wasm x = {(vec)row}, next = {.half = {x.half[1], x.half[0]}};
        sum += row;
        for (int i = 0; i < 2 && at_once < 4; i++) {
            const v128_t a = x.half[i], b = x.half[1 - i];
            next.half[i] = at_once == 1 ? wasm_i32x4_shuffle(a, b, 1, 2, 3, 4) : wasm_i32x4_shuffle(a, b, 2, 3, 4, 5);
        }
        row = (fvec)next.all;
    }
    return sum;
}

/* The first of so many lanes, again and again. */
INLINE fvec repeated(fvec x, int at_once) {
    if (at_once == LANES) return x;
    v128_t a = ((wasm){(vec)x}).half[0];
    if (at_once == 1) a = wasm_i32x4_shuffle(a, a, 0, 0, 0, 0);
    if (at_once == 2) a = wasm_i32x4_shuffle(a, a, 0, 1, 0, 1);
    return (fvec)((wasm){.half = {a, a}}).all;
}

#else

/* x[index[k]], index modulo 8. */
INLINE fvec permuted(fvec x, vec index) {
#ifdef SPIKEY_AVX2
    return (fvec)_mm256_permutevar8x32_ps((__m256)x, M(index));
#else
    fvec y;
    for (int k = 0; k < LANES; k++) y[k] = x[index[k] & (LANES - 1)];
    return y;
#endif
}

INLINE fvec add_beside(fvec sum, fvec row, int at_once) {
    const vec lanes = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int first = 0; first < LANES; first += at_once) sum += permuted(row, lanes + splat(first));
    return sum;
}

INLINE fvec repeated(fvec x, int at_once) {
    const vec lanes = {0, 1, 2, 3, 4, 5, 6, 7};
    return permuted(x, lanes & splat(at_once - 1));
}

#endif

/* Move the mix of each channel's scale along the sum of its lanes' gradients. */
INLINE void mix_scale(spikey_state *state, const vector_group *group, float rate, int at_once) {
    const int64_t n = state->n_positions, first = group->position, stop = first + LANES * (int64_t)group->rows;
    const vec step = splat((int32_t)state->step);
    const fvec rates = lesser(floats(rate), load_float(group->mix_limit));
    fvec sum[SPIKEY_TRACKS + 1];
    for (int k = 0; k <= SPIKEY_TRACKS; k++) sum[k] = floats(0);
    for (int64_t i = first; i < stop; i += LANES) {
        const vec goes_on = is_above(load(state->length + i), step);
        for (int k = 0; k <= SPIKEY_TRACKS; k++)
            sum[k] = add_beside(sum[k], (fvec)((vec)load_float(state->gradient + k * n + i) & goes_on), at_once);
    }
    for (int k = 0; k <= SPIKEY_TRACKS; k++) {
        float *share = state->share + k * n;
        const fvec moved = load_float(share + first) + rates * repeated(sum[k], at_once);
        for (int64_t i = first; i < stop; i += LANES) store_float(share + i, moved);
    }
}

INLINE void mix_scales(spikey_state *state) {
    const float rate = 0.0007f + 0.14f / (float)(state->step + 50);
    for (int64_t g = 0; g < state->n_groups; g++) switch (state->at_once) { /* constants, so that loops are unrolled */
        case 1: mix_scale(state, &state->groups[g], rate, 1); break;
        case 2: mix_scale(state, &state->groups[g], rate, 2); break;
        case 4: mix_scale(state, &state->groups[g], rate, 4); break;
        case 8: mix_scale(state, &state->groups[g], rate, 8); break;
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
                for (int k = 0; k < LANES; k++) sum[k] += y * floats(x[k]);
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

/* Rows become columns. */
INLINE void transpose(fvec *x) {
#ifdef SPIKEY_AVX2
    __m256 a[LANES], b[LANES];
    for (int k = 0; k < LANES; k += 2) {
        a[k] = _mm256_unpacklo_ps((__m256)x[k], (__m256)x[k + 1]);
        a[k + 1] = _mm256_unpackhi_ps((__m256)x[k], (__m256)x[k + 1]);
    }
    for (int k = 0; k < LANES; k += 4) {
        b[k] = _mm256_shuffle_ps(a[k], a[k + 2], 0x44);
        b[k + 1] = _mm256_shuffle_ps(a[k], a[k + 2], 0xEE);
        b[k + 2] = _mm256_shuffle_ps(a[k + 1], a[k + 3], 0x44);
        b[k + 3] = _mm256_shuffle_ps(a[k + 1], a[k + 3], 0xEE);
    }
    for (int k = 0; k < LANES / 2; k++) {
        x[k] = (fvec)_mm256_permute2f128_ps(b[k], b[k + 4], 0x20);
        x[k + 4] = (fvec)_mm256_permute2f128_ps(b[k], b[k + 4], 0x31);
    }
#else
    fvec y[LANES];
    for (int k = 0; k < LANES; k++)
        for (int j = 0; j < LANES; j++) y[j][k] = x[k][j];
    memcpy(x, y, sizeof y);
#endif
}

/* Steps from one that teaches to the next: a power of two. */
INLINE int64_t pace_of(const spikey_state *state, int64_t every) {
    return state->step < SPIKEY_EVERY_STEP ? 1 : every;
}

INLINE int teaches(const spikey_state *state, int64_t every, int64_t turn) {
    return ((state->step + turn) & (pace_of(state, every) - 1)) == 0;
}

/* Hand the terms of a vector of lanes to the channels that the step teaches, behind the rows that they hold. */
INLINE void deal_rows(const spikey_state *state, const vector_group *group, int row) {
    const float *recent = recent_of(state, row);
    const spikey_solver *solvers[LANES];
    float *rows[LANES];
    int64_t rank = row * LANES / group->at_once;
    for (int first = 0; first < LANES; first += group->at_once, rank++)
        for (int k = 0; k < group->at_once; k++) {
            const spikey_solver *solver = solvers[first + k] = &state->solvers[group->first_channel + k];
            int is_dealt = k < group->n_channels && rank < solver->n_lanes && teaches(state, solver->every, group->turn);
            rows[first + k] = is_dealt ? solver->rows + (solver->n_rows + rank) * solver->blocks * LANES : 0;
        }
    for (int first = 0; first < group->n_terms; first += LANES) {
        fvec x[LANES];
        for (int k = 0; k < LANES; k++)
            x[k] = first + k < group->n_terms ? term_of(group, recent, first + k) : floats(0);
        transpose(x);
        for (int lane = 0; lane < LANES; lane++) {
            if (!rows[lane]) continue;
            int n_past = LANES * solvers[lane]->past_blocks, n_terms = solvers[lane]->n_terms;
            int is_past = first < group->first_present, own = is_past ? first : first - group->first_present + n_past;
            if (own < (is_past && n_past < n_terms ? n_past : n_terms)) store_float(rows[lane] + own, x[lane]);
        }
    }
}

/* Let a channel learn from the step's rows: samples weigh the less, the more is expected to be wrong with them. */
INLINE void learn(spikey_state *state, const vector_group *group, int64_t channel) {
    spikey_solver *solver = &state->solvers[channel];
    const int64_t n_lanes = solver->n_lanes, step = state->step;
    if (teaches(state, solver->every, group->turn)) {
        const float pace = (float)pace_of(state, solver->every);
        for (int64_t rank = 0; rank < n_lanes; rank++) {
            int64_t i = state->position[channel] + rank * state->stride[channel];
            float weight = 0, variance = state->teaching_variance[i], square = state->square[i];
            if (state->length[i] > step && state->since[i] == SPIKEY_CALM) {
                weight = inverse_power(variance) * pace;
                if (square > 9.0f * variance) weight *= 3.0f * sqrtf(variance / square);
            }
            float *row = solver->rows + solver->n_rows * solver->blocks * LANES;
            row[solver->n_terms] = *history_of(state, i, SPIKEY_DIFFERENCE, 0);
            solver->row_weight[solver->n_rows++] = weight;
        }
        const int ends_batch = (step + group->turn) % SPIKEY_BATCH == 0;
        if (solver->n_rows >= solver->full || ends_batch) add_rows(solver), solver->full = solver->capacity;
        if (ends_batch) add_batch(solver); /* float32 would lose small products beside large sums */
    }
    if (step + 1 >= solver->due) {
        if (solver->n_rows) add_rows(solver);
        solve(state, channel);
        solver->full = solver->first_full;
    }
}

/* Keep what lanes with a long lag will need. */
INLINE void keep_past(spikey_state *state) {
    for (int64_t channel = 0; channel < state->n_channels; channel++) {
        const spikey_solver *solver = &state->solvers[channel];
        int64_t n_lanes = solver->n_lanes;
        float *past = state->past + solver->past + 2 * (state->step & (solver->past_length - 1));
        for (int64_t rank = 0; solver->lag && rank < n_lanes; rank++, past += 2 * solver->past_length) {
            int64_t i = state->position[channel] + rank * state->stride[channel];
            past[0] = *history_of(state, i, SPIKEY_DIFFERENCE, 0);
            past[1] = state->above_mean[i];
        }
    }
}

/* Let all lanes learn from a step. */
void V(update)(spikey_state *state) {
    observe(state);
    follow_scale(state);
    mix_scales(state);
    if (state->has_lags) keep_past(state);
    for (int64_t g = 0; g < state->n_groups; g++) {
        vector_group *group = &state->groups[g];
        const int64_t first = group->first_channel, stop = first + group->n_channels;
        const int is_taught = teaches(state, group->every, group->turn);
        if (!is_taught && state->step + 1 < group->due) continue;
        for (int row = 0; is_taught && row < group->rows; row++) deal_rows(state, group, row);
        group->due = INT64_MAX;
        for (int64_t channel = first; channel < stop; channel++) {
            learn(state, group, channel);
            group->due = least(group->due, state->solvers[channel].due);
        }
    }
}
