/* What the files that are compiled once for each instruction set share. V(name) is the name of this set's function. */

#ifndef SPIKEY_VECTOR_INTERNAL_H
#define SPIKEY_VECTOR_INTERNAL_H

#include "internal.h"
#include "vector.h"

#ifndef SPIKEY_SIMD
#define SPIKEY_SIMD base
#endif
#define V_JOINED(name, set) spikey_##name##_##set
#define V_NAME(name, set) V_JOINED(name, set)
#define V(name) V_NAME(name, SPIKEY_SIMD)

/* 2**(23 - scale / 16), rounded down, for entries 0..319 of the tables of scales. */
INLINE vec inverse_scale_of(vec scale_index) {
    return shift_right(lookup_16(spikey_root_16, scale_index & splat(15)), (vec)((uvec)scale_index >> 4) + splat(3));
}

/* (x * 2**(16 + scale / 16) + 2**21) >> 22, the power rounded down, for entries 0..319 of the tables of scales. From
 * 2**31 on the power is a multiple of 2 or 4, which `x`, of at most 2**28, takes over. */
INLINE vec scale_by(vec x, vec scale_index, int64_t round) {
    vec m = splat(320) - scale_index, shift = (vec)((uvec)m >> 4) - splat(2);
    vec root = shift_right(lookup_16(spikey_root_16, m & splat(15)), largest(shift, splat(0)));
    vec more = largest(-shift, splat(0));
    return product(x + (x & is_above(more, splat(0))) + ((x + x) & is_above(more, splat(1))), root, round, 22);
}

/* The entry of a scale in the tables. */
INLINE vec scale_index_vec(vec log2_scale) {
    return smallest(largest(log2_scale, splat(SPIKEY_MIN_LOG2_SCALE)), splat(SPIKEY_MAX_LOG2_SCALE)) -
           splat(SPIKEY_MIN_LOG2_SCALE);
}

void V(evaluate)(spikey_state *state);
void V(begin)(spikey_state *state, int naive);
void V(take_means)(spikey_state *state, int64_t pass);
void V(predict_means)(spikey_state *state, int64_t first_pass, int64_t stop_pass);
void V(advance)(spikey_state *state, int64_t pass, const int32_t *codes);
void V(update)(spikey_state *state);
void V(range_parts)(spikey_coder *coder, const spikey_state *state, const int32_t *codes);
int64_t V(range_decode)(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, int32_t *codes);

#endif
