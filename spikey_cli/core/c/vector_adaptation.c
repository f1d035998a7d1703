/* Adaptation in vectors of eight lanes; the same numbers as in adaptation.c, in 32 bits.
 *
 * group.c has proven of every lane: gains of at most 144; network means within 2**31; at most 2700
 * lanes a channel. So these hold, which the code below relies on:
 *
 *     values                      |v| <= 2**30, and so do the slow means
 *     difference * input factor   clipped to 2**26 first: 2**26 * 2**32 >> 30 = 2**28, and still clipped to the limit,
 *                                 since 2**26 * 2**14 >> 30 = 2**10
 *     away * inverse spread       clipped to 2**24 (2**25) first: 2**24 * 2**27 >> 21 = 2**30, and still clipped, since
 *                                 2**24 * 2**7.06 >> 21 > 1023
 *     sums of weight * tap        17 * 2**16 * 2**10 < 2**31
 *     slopes                      2700 * 768 * 1023 < 2**31; times the rate and >> 16: below 2**23
 *
 * Taps are kept as pairs of int16 (2 t, t): of a weight w = 2 h + b, the pair (h, b) times a tap's pair is w t, and of an
 * error e the pair (0, e) times it is e t. */

#include "vector_internal.h"

enum { WEIGHT_LIMIT = (1 << 24) - 1 };

INLINE int32_t *errors_of(const spikey_state *state, int64_t step) {
    return state->ring + (step & (SPIKEY_RING - 1)) * (state->n_positions + LANES);
}

INLINE int32_t *others_of(const spikey_state *state, int64_t step, int j) {
    return state->other_errors + ((step & 3) * SPIKEY_REFERENCES + j) * state->n_positions;
}

INLINE vec tap_pair(vec t) { return ((t + t) & splat(0xFFFF)) | (vec)((uvec)t << 16); }

INLINE vec weight_pair(vec weight) { /* the upper bits, -65536..65535 */
    vec w = weight >> 8;
    return ((w >> 1) & splat(0xFFFF)) | (vec)((uvec)(w & splat(1)) << 16);
}

/* round(4 log2(mean square / 2**16)), of a mean square 128 + 256 i < 2**20. */
INLINE vec scale_shift_of(vec slow_square) {
    vec square = ((slow_square >> 15) << 8) + splat(128);
#ifdef SPIKEY_AVX2
    vec bits = (vec)_mm256_castps_si256(_mm256_cvtepi32_ps(M(square)));
#else
    vec bits;
    for (int i = 0; i < LANES; i++) {
        float x = (float)square[i];
        int32_t b;
        memcpy(&b, &x, sizeof b);
        bits[i] = b;
    }
#endif
    vec mantissa = bits & splat(0x7FFFFF);
    /* the mantissas of 2**(1/8), 2**(3/8), 2**(5/8), 2**(7/8), rounded up: ROOT_8 >> 7, less the leading one */
    return (((bits >> 23) - splat(127 + 16)) << 2) - is_above(mantissa, splat(9147842 - 8388608 - 1)) -
           is_above(mantissa, splat(10878679 - 8388608 - 1)) - is_above(mantissa, splat(12937003 - 8388608 - 1)) -
           is_above(mantissa, splat(15384775 - 8388608 - 1));
}

void V(predict)(spikey_state *state, int64_t pass) {
    int64_t n = state->n_positions, step = state->step;
    const int32_t *outputs = state->outputs;
    for (int64_t g = state->pass_group[pass]; g < state->pass_group[pass + 1]; g++) {
        const vector_group *group = &state->groups[g];
        int n_references = group->n_references;
        vec weight[SPIKEY_TAPS];
        const int32_t *taps[SPIKEY_TAPS];
        for (int k = 0; k < SPIKEY_OWN_TAPS + SPIKEY_PEER_LAGS * n_references; k++)
            weight[k] = weight_pair(load(state->group_weights + group->taps + k * LANES));
        for (int lag = 1; lag <= SPIKEY_OWN_LAGS; lag++) taps[lag] = errors_of(state, step - lag);
        for (int j = 0; j < n_references; j++)
            for (int lag = 0; lag < SPIKEY_PEER_LAGS; lag++)
                taps[SPIKEY_OWN_TAPS + SPIKEY_PEER_LAGS * j + lag] =
                    group->offset[j] ? errors_of(state, step - lag) + group->offset[j] : others_of(state, step - lag, j);
        for (int64_t i = group->position; i < group->position + LANES * (int64_t)group->rows; i += LANES) {
            vec last = load(state->last + i);
            vec own_scale = load(state->log2_rms + i) + load(outputs + n + i);
            vec scale = scale_index_vec(own_scale);
            vec mean = last + product(load(outputs + i), load(state->output_factor + i), 1 << 15, 16);
            vec inverse = inverse_scale_of(scale);
            vec away = clip_vec(last - load(state->mean_whole + i), 1 << 25);
            vec dc = tap_pair(clip_vec(product(away, inverse, 0, 22), SPIKEY_LIMIT));
            vec p = multiply_add(weight[0], dc);
            for (int k = 1; k < SPIKEY_OWN_TAPS; k++) p += multiply_add(weight[k], load(taps[k] + i));
            for (int j = 0; j < n_references; j++) {
                const int k = SPIKEY_OWN_TAPS + SPIKEY_PEER_LAGS * j;
                if (!group->offset[j])
                    store(others_of(state, step, j) + i, lookup(errors_of(state, step), load(state->other + j * n + i)));
                p += multiply_add(weight[k], load(taps[k] + i)) + multiply_add(weight[k + 1], load(taps[k + 1] + i)) +
                     multiply_add(weight[k + 2], load(taps[k + 2] + i));
            }
            p = clip_vec(p >> 12, SPIKEY_LIMIT << 4);
            vec predicted_mean = mean + scale_by(p, scale, 1 << 21);
            predicted_mean = smallest(largest(predicted_mean, load(state->lowest + i)), load(state->highest + i));
            store(state->mean32 + i, mean);
            store(state->inverse32 + i, inverse);
            store(state->dc + i, dc);
            store(state->predicted + i, p >> 4);
            store(state->predicted_mean + i, predicted_mean);
            store(state->log2_scale + i, own_scale + scale_shift_of(load(state->slow_square + i)));
            store(state->outlier_weight + i, load(outputs + 2 * n + i));
        }
    }
}

/* Values of codes of one vector. */
INLINE vec values_at(const spikey_state *state, const vector_group *group, int64_t i, vec code) {
    vec value = (vec)((uvec)code << 6);
    if (group->n_profiled == 0) return value;
    vec mask = load(state->profile_mask + i);
    return choose(mask, lookup(state->values, code & mask), value);
}

void V(take_in)(spikey_state *state, int64_t pass, const int32_t *codes, int naive) {
    int64_t n = state->n_positions, step = state->step;
    int16_t *differences = state->history + (step & (state->n_history - 1)) * n;
    int32_t *now = errors_of(state, step);
    vec steps = splat((int32_t)step);
    int32_t decaying = (int32_t)(((int64_t)1 << 27) / (step + SPIKEY_EAGER_STEPS));
    if (state->gains_follow)
        spikey_follow_gains(state, state->pass_position[pass], state->pass_position[pass + 1], codes);
    for (int64_t g = state->pass_group[pass]; g < state->pass_group[pass + 1]; g++) {
        const vector_group *group = &state->groups[g];
        int n_references = group->n_references, n_taps = SPIKEY_OWN_TAPS + SPIKEY_PEER_LAGS * n_references;
        vec slope[SPIKEY_TAPS];
        const int32_t *taps[SPIKEY_TAPS];
        for (int k = 0; k < n_taps; k++) slope[k] = splat(0);
        for (int lag = 1; lag <= SPIKEY_OWN_LAGS; lag++) taps[lag] = errors_of(state, step - lag);
        for (int j = 0; j < n_references; j++)
            for (int lag = 0; lag < SPIKEY_PEER_LAGS; lag++)
                taps[SPIKEY_OWN_TAPS + SPIKEY_PEER_LAGS * j + lag] =
                    group->offset[j] ? errors_of(state, step - lag) + group->offset[j] : others_of(state, step - lag, j);
        for (int64_t i = group->position; i < group->position + LANES * (int64_t)group->rows; i += LANES) {
            vec value = values_at(state, group, i, load(codes + i)), last = load(state->last + i);
            store(state->last + i, value);
            if (state->window) {
                vec moved = clip_vec(value - last, 1 << 26) * load(state->input_unit + i);
                vec x = clip_vec(product(moved, load(state->input_factor + i), 1 << 29, 30), SPIKEY_INPUT_LIMIT);
#ifdef SPIKEY_AVX2
                __m128i packed = _mm_packs_epi32(_mm256_castsi256_si128(M(x)), _mm256_extracti128_si256(M(x), 1));
                _mm_store_si128((__m128i *)(void *)(differences + i), packed);
#else
                for (int lane = 0; lane < LANES; lane++) differences[i + lane] = (int16_t)x[lane];
#endif
            }
            if (naive) continue;
            vec away = clip_vec(value - load(state->mean32 + i), 1 << 24);
            vec z = clip_vec(product(away, load(state->inverse32 + i), 0, 21), SPIKEY_LIMIT);
            vec off = clip_vec(z - load(state->predicted + i), SPIKEY_LIMIT);
            vec whole = load(state->mean_whole + i), square = load(state->slow_square + i);
            vec mean = value - whole + load(state->mean_rest + i);
            store(state->mean_whole + i, whole + (mean >> 11));
            store(state->mean_rest + i, mean & splat((1 << 11) - 1));
            store(state->slow_square + i, square + multiply_add(off & splat(0xFFFF), off) - (square >> 7));
            vec teaches = is_above(load(state->length + i), steps); /* a lane that has ended does not */
            store(now + i, tap_pair(z & teaches));
            vec error = (vec)((uvec)(clip_vec(off, SPIKEY_ERROR_LIMIT) & teaches) << 16);
            slope[0] += multiply_add(error, load(state->dc + i));
            for (int k = 1; k < n_taps; k++) slope[k] += multiply_add(error, load(taps[k] + i));
        }
        if (naive) continue;
        int32_t rates[LANES] __attribute__((aligned(32)));
        for (int k = 0; k < LANES; k++) {
            int32_t lanes = state->lanes_of[g * LANES + k], constant = state->rates[g * LANES + k];
            /* most of the time the constant step size is the larger one, and nothing need be divided */
            rates[k] = decaying >= (constant + 1) * lanes ? decaying / lanes : constant;
        }
        vec rate = load(rates);
        for (int k = 0; k < n_taps; k++) {
            int32_t *weight = state->group_weights + group->taps + k * LANES;
            vec s = group->deep ? sum_of(slope[k]) : slope[k];
            store(weight, clip_vec(load(weight) + product(s, rate, 0, 16), WEIGHT_LIMIT));
        }
    }
}
