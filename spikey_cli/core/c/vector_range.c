/* Range coding in vectors: the parts of eight lanes, and eight decoders side by side; see density.h and range.h.
 *
 * All distances from a predicted mean are below 2**19: small alphabets have 4096 codes and an edge lies at most 64 codes
 * from its place; a large one's symbols are 2048 on either side of the mean. So distance * inverse spread >> 16 is below
 * 2**30. */

#include "density.h"
#include "range.h"
#include "vector_internal.h"

enum { BITS = 24, NEAR_BITS = 3, ROW = 2 * SPIKEY_MIXTURE_ZERO + 1 };

/* How the symbols of eight lanes are spread; see symbol_frame. */
typedef struct {
    vec symbols, mean, inverse, scale, first, low_bits, row, place_row;
} frames;

INLINE frames frames_of(vec predicted_mean, vec log2_scale, vec outlier_weight, vec symbols, int is_large) {
    frames f = {symbols, predicted_mean, splat(0), splat(0), splat(0), splat(0), splat(0), splat(0)};
    if (is_large) {
        f.symbols = splat(SPIKEY_MAX_SMALL);
        f.low_bits = smallest(largest((log2_scale >> 4) - splat(5), splat(0)), splat(SPIKEY_MAX_LOW_BITS));
        f.mean = predicted_mean >> f.low_bits;
        f.first = ((f.mean + splat(32)) >> 6) - splat(SPIKEY_LARGE_HALF);
        log2_scale -= (vec)((uvec)f.low_bits << 4);
    }
    f.scale = scale_index_vec(log2_scale);
    f.inverse = inverse_scale_of(f.scale);
    vec row = smallest(largest(outlier_weight, splat(0)), splat(SPIKEY_OUTLIER_WEIGHTS - 1));
    f.row = row * splat(ROW);
    f.place_row = row * splat(SPIKEY_QUANTILES + 1);
    return f;
}

/* Cumulative frequencies below symbols whose lower edges these are. */
INLINE vec cumulatives(const spikey_tables *tables, const frames *f, vec symbol, vec edge) {
    vec z = product(edge - f->mean, f->inverse, 0, 16);
    vec at = clip_vec(z, SPIKEY_MIXTURE_ZERO << 8) + splat(SPIKEY_MIXTURE_ZERO << 8);
    vec below, more;
    lookup_two(&tables->mixture[0][0][0], f->row + (at >> 8), 2, &below, &more);
    vec mass = below + ((more * (at & splat(255))) >> 8);
    vec result = unsigned_product(mass, splat(SPIKEY_WHOLE) - (vec)((uvec)f->symbols << 2), 24);
    result += (vec)((uvec)symbol << 2);
    result &= symbol > splat(0);
    return choose(symbol >= f->symbols, splat(SPIKEY_WHOLE), result);
}

/* Lower edges of symbols (0..symbols) and of the next ones. */
INLINE void edges_of(const int32_t *edges, const frames *f, vec symbol, int kind, vec *lower, vec *upper) {
    if (kind == SPIKEY_PROFILED) {
        lookup_two(edges, symbol, 1, lower, upper);
    } else {
        *lower = (vec)((uvec)(f->first + symbol) << 6) - splat(32);
        *upper = *lower + splat(64);
    }
}

INLINE void parts_of_group(spikey_coder *coder, const spikey_state *state, const vector_group *group,
                           const int32_t *codes, int kind) {
    for (int64_t i = group->position; i < group->position + LANES * (int64_t)group->rows; i += LANES) {
        frames f = frames_of(load(state->predicted_mean + i), load(state->log2_scale + i),
                             load(state->outlier_weight + i), load(state->symbols + i), kind == SPIKEY_LARGE);
        vec code = load(codes + i), symbol = code, lower, upper;
        if (kind == SPIKEY_LARGE) {
            symbol = (code >> f.low_bits) - f.first;
            symbol &= (symbol > splat(0)) & (symbol < splat(SPIKEY_MAX_SMALL));
            vec bits = choose(symbol == splat(0), load(state->widths + i), f.low_bits);
            store(coder->rest_bits + i, bits);
            store(coder->rest + i, code & ((vec)((uvec)splat(1) << (uvec)bits) - splat(1)));
        }
        edges_of(coder->edges, &f, symbol, kind, &lower, &upper);
        vec below = cumulatives(coder->tables, &f, symbol, lower);
        vec above = cumulatives(coder->tables, &f, symbol + splat(1), upper);
        store(coder->below + i, below);
        store(coder->part + i, above - below);
    }
}

void V(range_parts)(spikey_coder *coder, const spikey_state *state, int64_t pass, const int32_t *codes) {
    for (int64_t g = state->pass_group[pass]; g < state->pass_group[pass + 1]; g++) {
        const vector_group *group = &state->groups[g];
        switch (group->kind) {
        case SPIKEY_EQUAL: parts_of_group(coder, state, group, codes, SPIKEY_EQUAL); break;
        case SPIKEY_PROFILED: parts_of_group(coder, state, group, codes, SPIKEY_PROFILED); break;
        case SPIKEY_LARGE: parts_of_group(coder, state, group, codes, SPIKEY_LARGE); break;
        default: spikey_range_parts(coder, state, group, codes);
        }
    }
}

#ifdef SPIKEY_AVX2

typedef struct {
    __m256i a, b; /* streams 0..3 and 4..7 */
} wide;

INLINE wide widen(vec x) { /* of unsigned numbers */
    wide w = {_mm256_cvtepu32_epi64(_mm256_castsi256_si128(M(x))),
              _mm256_cvtepu32_epi64(_mm256_extracti128_si256(M(x), 1))};
    return w;
}

INLINE wide widen_mask(vec x) {
    wide w = {_mm256_cvtepi32_epi64(_mm256_castsi256_si128(M(x))),
              _mm256_cvtepi32_epi64(_mm256_extracti128_si256(M(x), 1))};
    return w;
}

INLINE vec low_halves(wide x) {
    __m256 s = _mm256_shuffle_ps(_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b), 0x88);
    return (vec)_mm256_permute4x64_epi64(_mm256_castps_si256(s), 0xD8);
}

INLINE vec high_halves(wide x) {
    __m256 s = _mm256_shuffle_ps(_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b), 0xDD);
    return (vec)_mm256_permute4x64_epi64(_mm256_castps_si256(s), 0xD8);
}

/* step * factor, where step has 40 bits and the factor 24. */
INLINE __m256i times(__m256i step, __m256i factor) {
    __m256i low = _mm256_mul_epu32(step, factor), high = _mm256_mul_epu32(_mm256_srli_epi64(step, 32), factor);
    return _mm256_add_epi64(low, _mm256_slli_epi64(high, 32));
}

INLINE wide times_wide(wide step, wide factor) {
    wide w = {times(step.a, factor.a), times(step.b, factor.b)};
    return w;
}

INLINE __m256d double_of(__m256i x) { /* of an unsigned number of 64 bits, rounded */
    __m256i high = _mm256_or_si256(_mm256_srli_epi64(x, 32), _mm256_castpd_si256(_mm256_set1_pd(0x1p84)));
    __m256i low = _mm256_blend_epi32(_mm256_castpd_si256(_mm256_set1_pd(0x1p52)), x, 0x55);
    __m256d top = _mm256_sub_pd(_mm256_castsi256_pd(high), _mm256_set1_pd(0x1p84 + 0x1p52));
    return _mm256_add_pd(top, _mm256_castsi256_pd(low));
}

INLINE __m128i quotient(__m256i number, __m256i step) { /* within one of the floor, or 2**24 if it is above */
    __m256d q = _mm256_div_pd(double_of(number), double_of(step));
    return _mm256_cvttpd_epi32(_mm256_min_pd(q, _mm256_set1_pd(0x1p24)));
}

/* Where eight numbers lie in their intervals, of 2**24. */
INLINE vec targets(wide offset, wide step) {
    vec aim = (vec)_mm256_inserti128_si256(_mm256_castsi128_si256(quotient(offset.a, step.a)),
                                           quotient(offset.b, step.b), 1);
    vec most = aim >= splat(SPIKEY_WHOLE - 1);
    wide product_ = times_wide(step, widen(aim));
    wide rest = {_mm256_sub_epi64(offset.a, product_.a), _mm256_sub_epi64(offset.b, product_.b)};
    /* one too many: the rest is below 0; one too few: it is not below the step. Both fit in 42 bits. */
    vec under = high_halves(rest) >> 31;
    wide enough = {_mm256_cmpgt_epi64(step.a, rest.a), _mm256_cmpgt_epi64(step.b, rest.b)};
    vec right = aim + under + splat(1) + low_halves(enough);
    return smallest(choose(most & (under == splat(0)), splat(SPIKEY_WHOLE - 1), right), splat(SPIKEY_WHOLE - 1));
}

INLINE wide blend(wide mask, wide yes, wide no) {
    wide w = {_mm256_blendv_epi8(no.a, yes.a, mask.a), _mm256_blendv_epi8(no.b, yes.b, mask.b)};
    return w;
}

INLINE wide load_wide(const uint64_t *from) {
    wide w = {_mm256_loadu_si256((const __m256i *)(const void *)from),
              _mm256_loadu_si256((const __m256i *)(const void *)(from + 4))};
    return w;
}

INLINE void store_wide(uint64_t *to, wide x) {
    _mm256_storeu_si256((__m256i *)(void *)to, x.a);
    _mm256_storeu_si256((__m256i *)(void *)(to + 4), x.b);
}

/* About where the symbols are whose parts hold `aim`. */
INLINE vec guesses(const spikey_coder *coder, const frames *f, vec aim, int kind) {
    enum { FINE = BITS - SPIKEY_QUANTILE_BITS };
    vec place, next, symbol;
    lookup_two(&coder->tables->place[0][0], f->place_row + (aim >> FINE), 1, &place, &next);
    vec z = place + (((next - place) * ((aim & splat((1 << FINE) - 1)) >> 6)) >> 8);
    vec value = f->mean + scale_by(z, f->scale, 0);
    if (kind == SPIKEY_PROFILED) {
        vec near = smallest(largest(value >> (6 - NEAR_BITS), splat(0)), splat((SPIKEY_MAX_SMALL << NEAR_BITS) - 1));
        symbol = lookup_short(coder->near, near);
    } else {
        symbol = ((value + splat(32)) >> 6) - f->first;
    }
    return smallest(largest(symbol, splat(0)), f->symbols - splat(1));
}

/* The plain search for the lanes whose symbols are still off. */
static void search_far(const spikey_coder *coder, const frames *f, vec aim, vec off, int kind, vec *symbol, vec *below,
                       vec *above) {
    for (int k = 0; k < LANES; k++) {
        if (!off[k]) continue;
        symbol_frame frame = {f->symbols[k], f->mean[k], f->inverse[k], f->scale[k], f->first[k], f->low_bits[k],
                              kind == SPIKEY_LARGE, kind == SPIKEY_PROFILED ? coder->edges : 0,
                              (const int32_t(*)[2])(const void *)coder->tables->mixture + f->row[k]};
        int32_t first, behind;
        (*symbol)[k] = search(&frame, aim[k], (*symbol)[k], &first, &behind);
        (*below)[k] = first, (*above)[k] = behind;
    }
}

/* Symbols of eight streams of one kind; `on` has those that code. Their intervals are narrowed, but not refilled. */
INLINE vec decode_symbols(spikey_coder *coder, const frames *f, vec on, int kind, wide *offset, wide *width) {
    wide step = {_mm256_srli_epi64(width->a, BITS), _mm256_srli_epi64(width->b, BITS)};
    vec aim = targets(*offset, step);
    vec symbol = guesses(coder, f, aim, kind), lower, upper;
    edges_of(coder->edges, f, symbol, kind, &lower, &upper);
    vec below = cumulatives(coder->tables, f, symbol, lower);
    vec above = cumulatives(coder->tables, f, symbol + splat(1), upper);
    for (int tries = 0;; tries++) {
        vec down = (below > aim) & on, up = (above <= aim) & on, off = down | up;
        if (!any(off)) break;
        if (tries == 6) {
            search_far(coder, f, aim, off, kind, &symbol, &below, &above);
            break;
        }
        symbol += down - up;
        vec other = symbol - up; /* whose lower edge is not known yet: the next symbol going up, this one going down */
        edges_of(coder->edges, f, other, kind, &lower, &upper);
        vec found = cumulatives(coder->tables, f, other, lower);
        vec next_below = choose(up, above, choose(down, found, below));
        above = choose(down, below, choose(up, found, above));
        below = next_below;
    }
    wide mask = widen_mask(on), moved = times_wide(step, widen(below & on));
    offset->a = _mm256_sub_epi64(offset->a, moved.a), offset->b = _mm256_sub_epi64(offset->b, moved.b);
    *width = blend(mask, times_wide(step, widen(above - below)), *width);
    return symbol;
}

INLINE wide shift_words(wide x, wide mask) { /* by 32 bits where the mask is set */
    wide shifted = {_mm256_slli_epi64(x.a, 32), _mm256_slli_epi64(x.b, 32)};
    return blend(mask, shifted, x);
}

/* What is known of eight decoders at a time. */
typedef struct {
    wide offset, width;
    vec at, end;
} decoders;

/* Shift words in where an interval has become narrow. Behind each stream stands a zero. */
INLINE void refill(decoders *d, const uint32_t *words, vec on) {
    vec full = (high_halves(d->width) == splat(0)) & on;
    vec word = lookup((const int32_t *)(const void *)words, smallest(d->at, d->end)) & full;
    wide mask = widen_mask(full), fresh = widen(word);
    d->offset = shift_words(d->offset, mask);
    d->offset.a = _mm256_or_si256(d->offset.a, fresh.a), d->offset.b = _mm256_or_si256(d->offset.b, fresh.b);
    d->width = shift_words(d->width, mask);
    d->at = smallest(d->at - full, splat(SPIKEY_LOST));
}

/* What follows a symbol of a large alphabet: its low bits, or the code as it is; one lane after another. */
static vec finish_large(spikey_coder *coder, const frames *f, vec on, int64_t first, decoders *d, vec symbol) {
    uint64_t offset[LANES], width[LANES];
    store_wide(offset, d->offset), store_wide(width, d->width);
    for (int k = 0; k < LANES; k++) {
        if (!on[k]) continue;
        spikey_interval interval = {offset[k], width[k], d->at[k], d->end[k]};
        symbol[k] = finish_symbol(&interval, coder->words, symbol[k], f->first[k], f->low_bits[k],
                                  coder->width[first + k], coder->size[first + k]);
        offset[k] = interval.low, width[k] = interval.width, d->at[k] = interval.at;
    }
    d->offset = load_wide(offset), d->width = load_wide(width);
    return symbol;
}

INLINE int is_side_by_side(const spikey_coder *coder, int64_t first, int64_t n) {
    if (n < LANES || coder->stream_position[first] % LANES) return 0;
    for (int64_t k = 0; k < n; k++)
        if (coder->stream_stride[first + k] != LANES ||
            coder->stream_position[first + k] != coder->stream_position[first] + k)
            return 0;
    return 1;
}

INLINE void decode_streams(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t n, int32_t *codes,
                           int kind) {
    vec position = splat((int32_t)coder->stream_position[first]), stride = splat(0), count = splat(0), size = splat(1);
    int32_t most = 0;
    for (int64_t k = 0; k < n; k++) {
        position[k] = (int32_t)coder->stream_position[first + k];
        stride[k] = (int32_t)coder->stream_stride[first + k];
        count[k] = (int32_t)(coder->first_lane[first + k + 1] - coder->first_lane[first + k]);
        size[k] = coder->size[first + k];
        most = count[k] > most ? count[k] : most;
    }
    int side_by_side = is_side_by_side(coder, first, n), all_run = state->shortest > state->step;
    decoders d = {load_wide(coder->low + first), load_wide(coder->range_width + first),
                  load_any(coder->at + first), load_any(coder->end + first)};
    for (int32_t rank = 0; rank < most; rank++, position += stride) {
        vec on = count > splat(rank), mean, scale, weight;
        vec where = choose(on, position, splat((int32_t)coder->stream_position[first]));
        if (!all_run) on &= lookup(state->length, where) > splat((int32_t)state->step);
        if (side_by_side) {
            mean = load(state->predicted_mean + position[0]);
            scale = load(state->log2_scale + position[0]);
            weight = load(state->outlier_weight + position[0]);
        } else {
            mean = lookup(state->predicted_mean, where);
            scale = lookup(state->log2_scale, where);
            weight = lookup(state->outlier_weight, where);
        }
        frames f = frames_of(mean, scale, weight, size, kind == SPIKEY_LARGE);
        vec code = decode_symbols(coder, &f, on, kind, &d.offset, &d.width);
        refill(&d, coder->words, on);
        if (kind == SPIKEY_LARGE) code = finish_large(coder, &f, on, first, &d, code);
        if (side_by_side) {
            int32_t *to = codes + position[0];
            store(to, choose(on, code, load(to)));
        } else {
            for (int64_t k = 0; k < n; k++)
                if (on[k]) codes[where[k]] = code[k];
        }
    }
    store_wide(coder->low + first, d.offset), store_wide(coder->range_width + first, d.width);
    *(vec_unaligned *)(coder->at + first) = d.at;
}

int V(range_decode)(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, int32_t *codes) {
    int kind = coder->stream_kind[first];
    for (int64_t stream = first; stream < stop; stream++)
        if (coder->stream_kind[stream] != kind || coder->stream_stride[stream] == 0) return 0;
    switch (kind) {
    case SPIKEY_EQUAL: decode_streams(coder, state, first, stop - first, codes, SPIKEY_EQUAL); break;
    case SPIKEY_PROFILED: decode_streams(coder, state, first, stop - first, codes, SPIKEY_PROFILED); break;
    default: decode_streams(coder, state, first, stop - first, codes, SPIKEY_LARGE);
    }
    return 1;
}

#else

int V(range_decode)(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, int32_t *codes) {
    (void)coder, (void)state, (void)first, (void)stop, (void)codes;
    return 0;
}

#endif
