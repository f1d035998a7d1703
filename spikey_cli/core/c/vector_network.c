/* The network in int16 multiply-adds over int32 sums, 16 lanes at a time; exact by the bounds that network.c proved. */

#include "vector_internal.h"

/* For 16 lanes, the pairs of int16 of two rows. The lanes may be in any order that `in_order` undoes. */
INLINE void pairs_of(const int16_t *a, const int16_t *b, vec *x, vec *y) {
#ifdef SPIKEY_AVX2
    __m256i p = _mm256_load_si256((const __m256i *)(const void *)a);
    __m256i q = _mm256_load_si256((const __m256i *)(const void *)b);
    *x = (vec)_mm256_unpacklo_epi16(p, q);
    *y = (vec)_mm256_unpackhi_epi16(p, q);
#elif defined(__wasm_simd128__)
    vec *const pairs[] = {x, y};
    for (int i = 0; i < 2; i++) {
        const v128_t p = wasm_v128_load(a + LANES * i), q = wasm_v128_load(b + LANES * i);
        const v128_t low = wasm_i16x8_shuffle(p, q, 0, 8, 1, 9, 2, 10, 3, 11);
        const v128_t high = wasm_i16x8_shuffle(p, q, 4, 12, 5, 13, 6, 14, 7, 15);
        *pairs[i] = (wasm){.half = {low, high}}.all;
    }
#else
    for (int i = 0; i < LANES; i++) {
        (*x)[i] = (int32_t)((uint32_t)(uint16_t)a[i] | (uint32_t)(uint16_t)b[i] << 16);
        (*y)[i] = (int32_t)((uint32_t)(uint16_t)a[i + 8] | (uint32_t)(uint16_t)b[i + 8] << 16);
    }
#endif
}

INLINE void in_order(vec *x, vec *y) {
#ifdef SPIKEY_AVX2
    __m256i low = _mm256_permute2x128_si256(M(*x), M(*y), 0x20), high = _mm256_permute2x128_si256(M(*x), M(*y), 0x31);
    *x = (vec)low, *y = (vec)high;
#else
    (void)x, (void)y;
#endif
}

/* Four rows of one layer for two vectors of lanes: pairs of inputs x[2 k] and x[2 k + 1]. */
#ifdef SPIKEY_AVX512
INLINE void four_rows(const int32_t *pairs, int64_t n_pairs, const int32_t *bias, const int32_t *shift, int32_t low,
                      int32_t high, const vec *x, vec y[8]) {
    __m512i a[4], limit_low = _mm512_set1_epi32(low), limit_high = _mm512_set1_epi32(high);
    for (int r = 0; r < 4; r++) a[r] = _mm512_set1_epi32(bias[r]);
    for (int64_t k = 0; k < n_pairs; k++, pairs += 4) {
        __m512i p = _mm512_loadu_si512(&x[2 * k]);
        for (int r = 0; r < 4; r++) a[r] = _mm512_dpwssd_epi32(a[r], p, _mm512_set1_epi32(pairs[r]));
    }
    for (int r = 0; r < 4; r++) {
        __m512i z = _mm512_sra_epi32(a[r], _mm_cvtsi32_si128(shift[r]));
        _mm512_storeu_si512(&y[2 * r], _mm512_min_epi32(_mm512_max_epi32(z, limit_low), limit_high));
    }
}
#else
INLINE void four_rows(const int32_t *pairs, int64_t n_pairs, const int32_t *bias, const int32_t *shift, int32_t low,
                      int32_t high, const vec *x, vec y[8]) {
    vec a0 = splat(bias[0]), a1 = splat(bias[1]), a2 = splat(bias[2]), a3 = splat(bias[3]);
    vec b0 = a0, b1 = a1, b2 = a2, b3 = a3;
    for (int64_t k = 0; k < n_pairs; k++, pairs += 4) {
        vec p = x[2 * k], q = x[2 * k + 1], w;
        w = splat(pairs[0]), a0 += multiply_add(p, w), b0 += multiply_add(q, w);
        w = splat(pairs[1]), a1 += multiply_add(p, w), b1 += multiply_add(q, w);
        w = splat(pairs[2]), a2 += multiply_add(p, w), b2 += multiply_add(q, w);
        w = splat(pairs[3]), a3 += multiply_add(p, w), b3 += multiply_add(q, w);
    }
    vec least_ = splat(low), most = splat(high);
#define FINISH(a, r) smallest(largest(a >> shift[r], least_), most)
    y[0] = FINISH(a0, 0), y[1] = FINISH(b0, 0), y[2] = FINISH(a1, 1), y[3] = FINISH(b1, 1);
    y[4] = FINISH(a2, 2), y[5] = FINISH(b2, 2), y[6] = FINISH(a3, 3), y[7] = FINISH(b3, 3);
#undef FINISH
}
#endif

INLINE vec pair_up(vec low, vec high) { return (low & splat(0xFFFF)) | (vec)((uvec)high << 16); }

/* One layer: pairs of its outputs from pairs of its inputs, two vectors each; or, for the last, the outputs of its
 * first four rows. */
static void layer_of(const spikey_network *network, int layer, const int32_t *pairs, const int32_t *bias,
                     const int32_t *shift, const vec *x, vec *y, int is_last) {
    int64_t rows = is_last ? 4 : network->size[2 * layer], n_pairs = (network->size[2 * layer + 1] + 1) / 2;
    for (int64_t r = 0; r < rows; r += 4, pairs += 4 * n_pairs, y += 4) {
        vec four[8];
        four_rows(pairs, n_pairs, bias + r, shift + r, network->integer_low[layer], network->integer_high[layer], x,
                  four);
        if (is_last) {
            memcpy(y, four, sizeof four);
        } else {
            y[0] = pair_up(four[0], four[2]), y[1] = pair_up(four[1], four[3]);
            y[2] = pair_up(four[4], four[6]), y[3] = pair_up(four[5], four[7]);
        }
    }
}

void V(evaluate)(spikey_state *state) {
    const spikey_network *network = state->network;
    int64_t window = network->window, n = state->n_positions, mask = state->n_history - 1;
    vec *first = (vec *)(void *)state->scratch, *second = first + window + 2;
    for (int64_t at = 0; at < n; at += 2 * LANES) {
        for (int64_t k = 0; k < window; k += 2) {
            const int16_t *a = state->history + ((state->step - window + k) & mask) * n + at;
            const int16_t *b = state->history + ((state->step - window + k + 1) & mask) * n + at;
            pairs_of(a, b, &first[k], &first[k + 1]); /* an odd window's last weight of a pair is 0 */
        }
        const int32_t *pairs = network->pairs, *bias = network->integer_bias, *shift = network->shift;
        vec *x = first, *y = second, *third = second + network->widest + 8;
        for (int layer = 0; layer < network->n_layers; layer++) {
            int64_t rows = network->size[2 * layer];
            layer_of(network, layer, pairs, bias, shift, x, y, layer + 1 == network->n_layers);
            x = y, y = x == second ? third : second;
            pairs += rows * ((network->size[2 * layer + 1] + 1) / 2), bias += rows, shift += rows;
        }
        for (int r = 0; r < 3; r++) {
            in_order(&x[2 * r], &x[2 * r + 1]);
            store(state->outputs + r * n + at, x[2 * r]);
            store(state->outputs + r * n + at + LANES, x[2 * r + 1]);
        }
    }
}
