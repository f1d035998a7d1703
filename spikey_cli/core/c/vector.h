/* Vectors of eight int32, for whatever instruction set this file is compiled for. The plain forms are complete; those
 * with intrinsics give the same results faster. */

#ifndef SPIKEY_VECTOR_H
#define SPIKEY_VECTOR_H

#include <stdint.h>
#include <string.h>

#include "internal.h"

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#endif

typedef int32_t vec __attribute__((vector_size(32), may_alias));
typedef uint32_t uvec __attribute__((vector_size(32), may_alias));
typedef int32_t vec_unaligned __attribute__((vector_size(32), may_alias, aligned(4)));

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const int32_t *from) { return *(const vec *)from; } /* 32-byte aligned */
INLINE vec load_any(const int32_t *from) { return *(const vec_unaligned *)from; }
INLINE void store(int32_t *to, vec x) { *(vec *)to = x; }
INLINE vec splat(int32_t x) { return (vec){x, x, x, x, x, x, x, x}; }
INLINE vec choose(vec mask, vec a, vec b) { return (mask & a) | (~mask & b); }

#ifdef SPIKEY_AVX2

#define M(x) ((__m256i)(x))

INLINE vec is_above(vec a, vec b) { return a > b; }
INLINE vec smallest(vec a, vec b) { return (vec)_mm256_min_epi32(M(a), M(b)); }
INLINE vec largest(vec a, vec b) { return (vec)_mm256_max_epi32(M(a), M(b)); }

/* The low 32 bits of (a * b + round) >> shift, where the product has 64 bits; 0 < shift < 32. */
INLINE vec product(vec a, vec b, int64_t round, int shift) {
    __m256i even = _mm256_mul_epi32(M(a), M(b));
    __m256i odd = _mm256_mul_epi32(_mm256_srli_epi64(M(a), 32), _mm256_srli_epi64(M(b), 32));
    if (round) {
        even = _mm256_add_epi64(even, _mm256_set1_epi64x(round));
        odd = _mm256_add_epi64(odd, _mm256_set1_epi64x(round));
    }
    return (vec)_mm256_blend_epi32(_mm256_srli_epi64(even, shift), _mm256_slli_epi64(odd, 32 - shift), 0xAA);
}

/* The same of unsigned numbers, without rounding. */
INLINE vec unsigned_product(vec a, vec b, int shift) {
    __m256i even = _mm256_mul_epu32(M(a), M(b));
    __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(M(a), 32), _mm256_srli_epi64(M(b), 32));
    return (vec)_mm256_blend_epi32(_mm256_srli_epi64(even, shift), _mm256_slli_epi64(odd, 32 - shift), 0xAA);
}

/* Of each element, the product of the low halves plus that of the high ones, as int16. */
INLINE vec multiply_add(vec a, vec b) { return (vec)_mm256_madd_epi16(M(a), M(b)); }

INLINE vec shift_right(vec a, vec by) { return (vec)_mm256_srlv_epi32(M(a), M(by)); } /* unsigned, by 0..31 */

INLINE vec lookup_16(const int32_t *table, vec index) { /* index 0..15 */
    __m256 low = _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(M(load_any(table)), M(index)));
    __m256 high = _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(M(load_any(table + 8)), M(index)));
    return (vec)_mm256_castps_si256(_mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(M(index), 28))));
}

INLINE int any(vec mask) { return !_mm256_testz_si256(M(mask), M(mask)); }

#else

/* Halves of vectors: what processors without vectors of 32 bytes have. */
typedef int32_t half __attribute__((vector_size(16), may_alias));
typedef union {
    vec all;
    half part[2];
} halves;

INLINE vec is_above(vec a, vec b) {
    halves x = {a}, y = {b};
    x.part[0] = x.part[0] > y.part[0];
    x.part[1] = x.part[1] > y.part[1];
    return x.all;
}

#ifdef __aarch64__ /* GCC and clang find the instructions for the other plain forms themselves */
typedef union {
    vec all;
    int32x4_t words[2];
    int16x8_t shorts[2];
} neon;

INLINE vec smallest(vec a, vec b) {
    neon x = {a}, y = {b};
    x.words[0] = vminq_s32(x.words[0], y.words[0]);
    x.words[1] = vminq_s32(x.words[1], y.words[1]);
    return x.all;
}
INLINE vec largest(vec a, vec b) {
    neon x = {a}, y = {b};
    x.words[0] = vmaxq_s32(x.words[0], y.words[0]);
    x.words[1] = vmaxq_s32(x.words[1], y.words[1]);
    return x.all;
}
#elif defined(__wasm_simd128__)
typedef union {
    vec all;
    v128_t half[2];
} wasm;

#define WASM_HALVES(name, of_halves)                                  \
    INLINE vec name(vec a, vec b) {                                   \
        wasm x = {a}, y = {b};                                        \
        x.half[0] = of_halves(x.half[0], y.half[0]);                  \
        x.half[1] = of_halves(x.half[1], y.half[1]);                  \
        return x.all;                                                 \
    }
WASM_HALVES(smallest, wasm_i32x4_min)
WASM_HALVES(largest, wasm_i32x4_max)
WASM_HALVES(multiply_add, wasm_i32x4_dot_i16x8)
#else
INLINE vec smallest(vec a, vec b) { return choose(is_above(b, a), a, b); }
INLINE vec largest(vec a, vec b) { return choose(is_above(a, b), a, b); }
#endif

#ifdef __wasm_simd128__
INLINE v128_t half_product(v128_t a, v128_t b, int64_t round, int shift) {
    v128_t low = wasm_i64x2_add(wasm_i64x2_extmul_low_i32x4(a, b), wasm_i64x2_splat(round));
    v128_t high = wasm_i64x2_add(wasm_i64x2_extmul_high_i32x4(a, b), wasm_i64x2_splat(round));
    return wasm_i32x4_shuffle(wasm_u64x2_shr(low, (uint32_t)shift), wasm_u64x2_shr(high, (uint32_t)shift), 0, 2, 4, 6);
}
INLINE vec product(vec a, vec b, int64_t round, int shift) {
    wasm x = {a}, y = {b};
    x.half[0] = half_product(x.half[0], y.half[0], round, shift);
    x.half[1] = half_product(x.half[1], y.half[1], round, shift);
    return x.all;
}
INLINE v128_t half_unsigned_product(v128_t a, v128_t b, int shift) {
    v128_t low = wasm_u64x2_extmul_low_u32x4(a, b), high = wasm_u64x2_extmul_high_u32x4(a, b);
    return wasm_i32x4_shuffle(wasm_u64x2_shr(low, (uint32_t)shift), wasm_u64x2_shr(high, (uint32_t)shift), 0, 2, 4, 6);
}
INLINE vec unsigned_product(vec a, vec b, int shift) {
    wasm x = {a}, y = {b};
    x.half[0] = half_unsigned_product(x.half[0], y.half[0], shift);
    x.half[1] = half_unsigned_product(x.half[1], y.half[1], shift);
    return x.all;
}
#else
INLINE vec product(vec a, vec b, int64_t round, int shift) {
    vec result;
    for (int i = 0; i < LANES; i++) result[i] = (int32_t)(((int64_t)a[i] * b[i] + round) >> shift);
    return result;
}

INLINE vec unsigned_product(vec a, vec b, int shift) {
    vec result;
    for (int i = 0; i < LANES; i++) result[i] = (int32_t)((uint64_t)(uint32_t)a[i] * (uint32_t)b[i] >> shift);
    return result;
}
#endif

#ifdef __SSE2__
INLINE vec multiply_add(vec a, vec b) {
    union {
        vec all;
        __m128i half[2];
    } x = {a}, y = {b};
    x.half[0] = _mm_madd_epi16(x.half[0], y.half[0]);
    x.half[1] = _mm_madd_epi16(x.half[1], y.half[1]);
    return x.all;
}
#elif defined(__aarch64__)
INLINE int32x4_t add_products(int16x8_t a, int16x8_t b) {
    return vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b));
}
INLINE vec multiply_add(vec a, vec b) {
    neon x = {a}, y = {b};
    x.words[0] = add_products(x.shorts[0], y.shorts[0]);
    x.words[1] = add_products(x.shorts[1], y.shorts[1]);
    return x.all;
}
#elif !defined(__wasm_simd128__)
INLINE vec multiply_add(vec a, vec b) {
    vec low = ((vec)((uvec)a << 16) >> 16) * ((vec)((uvec)b << 16) >> 16);
    return low + (a >> 16) * (b >> 16);
}
#endif

INLINE vec shift_right(vec a, vec by) { return (vec)((uvec)a >> (uvec)by); }

INLINE vec lookup_16(const int32_t *table, vec index) {
    vec result;
    for (int i = 0; i < LANES; i++) result[i] = table[index[i]];
    return result;
}

INLINE int any(vec mask) {
#ifdef __wasm_simd128__
    wasm x = {mask};
    return wasm_v128_any_true(wasm_v128_or(x.half[0], x.half[1]));
#else
    int32_t all = 0;
    for (int i = 0; i < LANES; i++) all |= mask[i];
    return all != 0;
#endif
}

#endif

INLINE vec clip_vec(vec x, int32_t limit) { return smallest(largest(x, splat(-limit)), splat(limit)); }

/* table[index[i]]: eight loads; a gather is no faster on most processors. */
INLINE vec lookup(const int32_t *table, vec index) {
#ifdef SPIKEY_AVX2
    uint64_t i01 = (uint64_t)_mm256_extract_epi64(M(index), 0), i23 = (uint64_t)_mm256_extract_epi64(M(index), 1);
    uint64_t i45 = (uint64_t)_mm256_extract_epi64(M(index), 2), i67 = (uint64_t)_mm256_extract_epi64(M(index), 3);
    __m128i a = _mm_cvtsi32_si128(table[(uint32_t)i01]), b = _mm_cvtsi32_si128(table[(uint32_t)i45]);
    a = _mm_insert_epi32(a, table[i01 >> 32], 1);
    a = _mm_insert_epi32(a, table[(uint32_t)i23], 2);
    a = _mm_insert_epi32(a, table[i23 >> 32], 3);
    b = _mm_insert_epi32(b, table[i45 >> 32], 1);
    b = _mm_insert_epi32(b, table[(uint32_t)i67], 2);
    b = _mm_insert_epi32(b, table[i67 >> 32], 3);
    return (vec)_mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
#else
    vec result;
    for (int i = 0; i < LANES; i++) result[i] = table[(uint32_t)index[i]];
    return result;
#endif
}

/* table[index[i]], none below 0, of a table with an entry to spare. */
INLINE vec lookup_short(const int16_t *table, vec index) {
    vec result;
    for (int i = 0; i < LANES; i++) result[i] = table[(uint32_t)index[i]];
    return result;
}

/* table[at[i]] and table[at[i] + 1], where `at` is `index` times `unit` (1 or 2). */
INLINE void lookup_two(const int32_t *table, vec index, int unit, vec *first, vec *second) {
#ifdef SPIKEY_AVX2
    uint64_t i01 = (uint64_t)_mm256_extract_epi64(M(index), 0), i23 = (uint64_t)_mm256_extract_epi64(M(index), 1);
    uint64_t i45 = (uint64_t)_mm256_extract_epi64(M(index), 2), i67 = (uint64_t)_mm256_extract_epi64(M(index), 3);
#define PAIR(i) _mm_loadl_epi64((const __m128i *)(const void *)(table + (size_t)(i) * (size_t)unit))
    __m128i a = _mm_unpacklo_epi32(PAIR((uint32_t)i01), PAIR(i01 >> 32));
    __m128i b = _mm_unpacklo_epi32(PAIR((uint32_t)i23), PAIR(i23 >> 32));
    __m128i c = _mm_unpacklo_epi32(PAIR((uint32_t)i45), PAIR(i45 >> 32));
    __m128i d = _mm_unpacklo_epi32(PAIR((uint32_t)i67), PAIR(i67 >> 32));
#undef PAIR
    *first = (vec)_mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi64(a, b)), _mm_unpacklo_epi64(c, d), 1);
    *second = (vec)_mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpackhi_epi64(a, b)), _mm_unpackhi_epi64(c, d), 1);
#else
    for (int i = 0; i < LANES; i++) {
        const int32_t *pair = table + (size_t)(uint32_t)index[i] * (size_t)unit;
        (*first)[i] = pair[0];
        (*second)[i] = pair[1];
    }
#endif
}

/* The sum of all elements, in each of them. */
INLINE vec sum_of(vec x) {
#ifdef SPIKEY_AVX2
    __m256i y = _mm256_add_epi32(M(x), _mm256_permute2x128_si256(M(x), M(x), 1));
    y = _mm256_add_epi32(y, _mm256_shuffle_epi32(y, 0x4E));
    return (vec)_mm256_add_epi32(y, _mm256_shuffle_epi32(y, 0xB1));
#else
    int32_t sum = 0;
    for (int i = 0; i < LANES; i++) sum += x[i];
    return splat(sum);
#endif
}

#endif
