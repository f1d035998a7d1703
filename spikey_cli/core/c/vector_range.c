/* Range coding in vectors: the parts of eight lanes, and eight decoders side by side; see density.h and range.h.
 *
 * All distances from a predicted mean are below 2**19: small alphabets have 4096 codes and an edge lies at most 64 codes
 * from its place; a large one's symbols are 2048 on either side of the mean. So distance * inverse spread >> 16 is below
 * 2**30. */

#include "density.h"
#include "range.h"
#include "vector_internal.h"

enum { BITS = 24, NEAR_BITS = 3, SMALL_BITS = 12, ROW = 2 * SPIKEY_MIXTURE_ZERO + 1 };

/* How the symbols of eight lanes are spread; see symbol_frame. */
typedef struct {
    vec symbols, mean, inverse, scale, first, low_bits, row, place_row;
} frames;

/* `large` has the lanes of a large alphabet, if `some` may be. */
INLINE frames frames_of(vec predicted_mean, vec log2_scale, vec outlier_weight, vec symbols, vec large, int some) {
    frames f = {symbols, predicted_mean, splat(0), splat(0), splat(0), splat(0), splat(0), splat(0)};
    if (some) {
        f.low_bits = smallest(largest((log2_scale >> 4) - splat(5), splat(0)), splat(SPIKEY_MAX_LOW_BITS)) & large;
        f.mean = predicted_mean >> f.low_bits;
        f.first = (((f.mean + splat(32)) >> 6) - splat(SPIKEY_LARGE_HALF)) & large;
        log2_scale -= (vec)((uvec)f.low_bits << 4);
    }
    f.scale = scale_index_vec(log2_scale);
    f.inverse = inverse_scale_of(f.scale);
    vec row = smallest(largest(outlier_weight, splat(0)), splat(SPIKEY_OUTLIER_WEIGHTS - 1));
    f.row = row * splat(ROW);
    f.place_row = row * splat(SPIKEY_QUANTILES);
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
    result &= is_above(symbol, splat(0));
    return choose(is_above(f->symbols, symbol), result, splat(SPIKEY_WHOLE));
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
        vec width = load(state->widths + i), large = is_above(width, splat(SMALL_BITS));
        frames f = frames_of(load(state->predicted_mean + i), load(state->log2_scale + i),
                             load(state->outlier_weight + i), load(state->symbols + i), large, kind == SPIKEY_LARGE);
        vec code = load(codes + i), symbol = code, lower, upper;
        if (kind == SPIKEY_LARGE) {
            symbol = (code >> f.low_bits) - f.first;
            symbol &= is_above(symbol, splat(0)) & is_above(splat(SPIKEY_MAX_SMALL), symbol);
            vec bits = choose(is_above(symbol, splat(0)), f.low_bits, width);
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

void V(range_parts)(spikey_coder *coder, const spikey_state *state, const int32_t *codes) {
    for (int64_t g = 0; g < state->n_groups; g++) {
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

INLINE __m128i quotient(__m256i number, __m256i step) {
    __m256d q = _mm256_div_pd(double_of(number), double_of(step));
    return _mm256_cvttpd_epi32(_mm256_min_pd(q, _mm256_set1_pd(0x1p24 - 1)));
}

/* About where eight numbers lie in their intervals, of 2**24: 0..2**24 - 1. */
INLINE vec targets(wide offset, wide step) {
    return (vec)_mm256_inserti128_si256(_mm256_castsi128_si256(quotient(offset.a, step.a)),
                                        quotient(offset.b, step.b), 1);
}

INLINE __m256i is_less(__m256i a, __m256i b) { /* of unsigned numbers */
    __m256i sign = _mm256_set1_epi64x(INT64_MIN);
    return _mm256_cmpgt_epi64(_mm256_xor_si256(b, sign), _mm256_xor_si256(a, sign));
}

INLINE vec is_less_wide(wide a, wide b) {
    wide w = {is_less(a.a, b.a), is_less(a.b, b.b)};
    return low_halves(w);
}

INLINE wide minus(wide a, wide b) {
    wide w = {_mm256_sub_epi64(a.a, b.a), _mm256_sub_epi64(a.b, b.b)};
    return w;
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

/* About where the symbols are whose parts hold `aim`, and their edges. */
INLINE vec guesses(const spikey_coder *coder, const frames *f, vec aim, int kind, vec *lower, vec *upper) {
    enum { FINE = BITS - SPIKEY_QUANTILE_BITS };
    vec place, more, symbol;
    lookup_two(&coder->tables->place[0][0][0], f->place_row + (aim >> FINE), 2, &place, &more);
    vec part = (aim & splat((1 << FINE) - 1)) >> 6;
    vec value = f->mean + scale_by(place + (multiply_add(more, part) >> 8), f->scale, 0);
    if (kind == SPIKEY_PROFILED) { /* the table has the edges beside the code: no need to wait for it */
        vec near = smallest(largest(value >> (6 - NEAR_BITS), splat(0)), splat(coder->n_near - 1));
        symbol = lookup_short(coder->near, near);
        lookup_two(coder->near_edges, near, 2, lower, upper);
        return symbol;
    }
    symbol = ((value + splat(32)) >> 6) - f->first;
    symbol = smallest(largest(symbol, splat(0)), f->symbols - splat(1));
    edges_of(coder->edges, f, symbol, kind, lower, upper);
    return symbol;
}

/* The plain search for the lanes whose symbols are still off. */
static void search_far(const spikey_coder *coder, const frames *f, wide offset, wide step, vec off, int kind,
                       vec *symbol, vec *below, vec *above) {
    uint64_t offsets[LANES], steps[LANES];
    store_wide(offsets, offset), store_wide(steps, step);
    for (int k = 0; k < LANES; k++) {
        if (!off[k]) continue;
        symbol_frame frame = {f->symbols[k], f->mean[k], f->inverse[k], f->scale[k], f->first[k], f->low_bits[k],
                              kind == SPIKEY_LARGE, kind == SPIKEY_PROFILED ? coder->edges : 0,
                              (const int32_t(*)[2])(const void *)coder->tables->mixture + f->row[k]};
        uint64_t aim = offsets[k] / steps[k];
        int32_t first, behind;
        (*symbol)[k] = search(&frame, aim < SPIKEY_WHOLE ? (int32_t)aim : SPIKEY_WHOLE - 1, (*symbol)[k], &first,
                              &behind);
        (*below)[k] = first, (*above)[k] = behind;
    }
}

/* Symbols of eight streams of one kind; `on` has those that code. Their intervals are narrowed, but not refilled. */
INLINE vec decode_symbols(spikey_coder *coder, const frames *f, vec on, int kind, wide *offset, wide *width) {
    wide step = {_mm256_srli_epi64(width->a, BITS), _mm256_srli_epi64(width->b, BITS)}, left, part;
    vec lower, upper, symbol = guesses(coder, f, targets(*offset, step), kind, &lower, &upper);
    vec below = cumulatives(coder->tables, f, symbol, lower);
    vec above = cumulatives(coder->tables, f, symbol + splat(1), upper);
    for (int tries = 0;; tries++) {
        /* a symbol is right if the number lies in its part; behind the interval, where only damage leads, the last is */
        wide moved = times_wide(step, widen(below));
        left = minus(*offset, moved), part = times_wide(step, widen(above - below));
        vec down = is_less_wide(*offset, moved) & on;
        vec up = ~(is_less_wide(left, part) | down) & (above < splat(SPIKEY_WHOLE)) & on;
        if (!any(down | up)) break;
        if (tries == 6) {
            search_far(coder, f, *offset, step, down | up, kind, &symbol, &below, &above);
            moved = times_wide(step, widen(below));
            left = minus(*offset, moved), part = times_wide(step, widen(above - below));
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
    wide mask = widen_mask(on);
    *offset = blend(mask, left, *offset);
    *width = blend(mask, part, *width);
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

/* Up to eight streams that take turns, and where their lanes stand. */
typedef struct {
    decoders d;
    vec position, stride, count, size;
    int64_t first, n;
    int32_t most; /* lanes of a stream */
    int side_by_side;
} batch;

/* Low bits of symbols, and what the interval becomes; as target and follow in range.h. */
INLINE vec decode_low_bits(const spikey_coder *coder, vec bits, vec on, decoders *d) {
    const vec most = (vec)((uvec)splat(1) << (uvec)bits) - splat(1);
    const wide by = widen(bits), step = {_mm256_srlv_epi64(d->width.a, by.a), _mm256_srlv_epi64(d->width.b, by.b)};
    vec rest = smallest(targets(d->offset, step), most);
    for (;;) { /* a quotient of rounded numbers is at most one off */
        const wide moved = times_wide(step, widen(rest)), left = minus(d->offset, moved);
        const vec down = is_less_wide(d->offset, moved) & on;
        const vec up = ~(is_less_wide(left, step) | down) & is_above(most, rest) & on;
        if (!any(down | up)) {
            const wide mask = widen_mask(on);
            d->offset = blend(mask, left, d->offset), d->width = blend(mask, step, d->width);
            refill(d, coder->words, on);
            return rest & on;
        }
        rest += down - up;
    }
}

/* The codes of symbols of a large alphabet, after what follows them. If one is followed by a code as it is, or is damaged,
 * that is read one lane after another. */
static vec finish_large(const spikey_coder *coder, const frames *f, vec on, batch *b, vec symbol) {
    const vec plain = f->first + symbol, most = (b->size - splat(1)) >> f->low_bits;
    on &= is_above(b->size, splat(SPIKEY_MAX_SMALL));
    if (!any((~is_above(symbol, splat(0)) | is_above(splat(0), plain) | is_above(plain, most)) & on)) {
        const vec followed = is_above(f->low_bits, splat(0)) & on;
        if (!any(followed)) return plain;
        const vec code = (vec)((uvec)plain << (uvec)f->low_bits) + decode_low_bits(coder, f->low_bits, followed, &b->d);
        const vec lost = ~is_above(b->size, code) & on;
        b->d.at = choose(lost, splat(SPIKEY_LOST), b->d.at);
        return code & ~lost;
    }
    uint64_t offset[LANES], width[LANES];
    store_wide(offset, b->d.offset), store_wide(width, b->d.width);
    for (int k = 0; k < LANES; k++) {
        if (!on[k]) continue;
        spikey_interval interval = {offset[k], width[k], b->d.at[k], b->d.end[k]};
        symbol[k] = finish_symbol(&interval, coder->words, symbol[k], f->first[k], f->low_bits[k],
                                  coder->width[b->first + k], b->size[k]);
        offset[k] = interval.low, width[k] = interval.width, b->d.at[k] = interval.at;
    }
    b->d.offset = load_wide(offset), b->d.width = load_wide(width);
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

INLINE void begin_batch(const spikey_coder *coder, int64_t first, int64_t n, batch *b) {
    b->most = 0;
    b->position = splat((int32_t)coder->stream_position[first]);
    b->stride = b->count = splat(0), b->size = splat(1);
    for (int64_t k = 0; k < n; k++) {
        b->position[k] = (int32_t)coder->stream_position[first + k];
        b->stride[k] = (int32_t)coder->stream_stride[first + k];
        b->count[k] = (int32_t)(coder->first_lane[first + k + 1] - coder->first_lane[first + k]);
        b->size[k] = coder->size[first + k];
        b->most = b->count[k] > b->most ? b->count[k] : b->most;
    }
    b->first = first, b->n = n;
    b->side_by_side = is_side_by_side(coder, first, n);
    b->d.offset = load_wide(coder->low + first), b->d.width = load_wide(coder->range_width + first);
    b->d.at = load_any(coder->at + first), b->d.end = load_any(coder->end + first);
}

INLINE void end_batch(spikey_coder *coder, const batch *b) {
    uint64_t offset[LANES], width[LANES];
    store_wide(offset, b->d.offset), store_wide(width, b->d.width);
    for (int64_t k = 0; k < b->n; k++) {
        coder->low[b->first + k] = offset[k], coder->range_width[b->first + k] = width[k];
        coder->at[b->first + k] = b->d.at[k];
    }
}

INLINE void decode_rank(spikey_coder *coder, const spikey_state *state, batch *b, int32_t rank, int all_run,
                        int32_t *codes, int kind) {
    vec on = b->count > splat(rank), mean, scale, weight;
    vec where = choose(on, b->position, splat((int32_t)coder->stream_position[b->first]));
    if (!all_run) on &= lookup(state->length, where) > splat((int32_t)state->step);
    if (b->side_by_side) {
        mean = load(state->predicted_mean + b->position[0]);
        scale = load(state->log2_scale + b->position[0]);
        weight = load(state->outlier_weight + b->position[0]);
    } else {
        mean = lookup(state->predicted_mean, where);
        scale = lookup(state->log2_scale, where);
        weight = lookup(state->outlier_weight, where);
    }
    vec symbols = smallest(b->size, splat(SPIKEY_MAX_SMALL)), large = is_above(b->size, symbols);
    frames f = frames_of(mean, scale, weight, symbols, large, kind == SPIKEY_LARGE);
    vec code = decode_symbols(coder, &f, on, kind, &b->d.offset, &b->d.width);
    refill(&b->d, coder->words, on);
    if (kind == SPIKEY_LARGE) code = finish_large(coder, &f, on, b, code);
    if (b->side_by_side) {
        int32_t *to = codes + b->position[0];
        store(to, choose(on, code, load(to)));
    } else {
        int32_t mask[LANES], to[LANES], found[LANES];
        memcpy(mask, &on, sizeof on), memcpy(to, &where, sizeof where), memcpy(found, &code, sizeof code);
        for (int64_t k = 0; k < b->n; k++)
            if (mask[k]) codes[to[k]] = found[k];
    }
    b->position += b->stride;
}

enum { MIN_STREAMS = 3 }; /* fewer are decoded faster one after another */
enum { MAX_BATCHES = 2 }; /* that are decoded in turns: one waits for memory and multiplications while the other computes */

INLINE void decode_streams(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t n, int32_t *codes,
                           int kind) {
    batch b[MAX_BATCHES];
    int n_batches = n > LANES ? 2 : 1, all_run = state->shortest > state->step;
    begin_batch(coder, first, n > LANES ? LANES : n, &b[0]);
    if (n_batches == 2) begin_batch(coder, first + LANES, n - LANES, &b[1]);
    const int32_t most = n_batches == 2 && b[1].most > b[0].most ? b[1].most : b[0].most;
    for (int32_t rank = 0; rank < most; rank++)
        for (int i = 0; i < n_batches; i++) /* one may have fewer lanes: nothing stands behind them */
            if (rank < b[i].most) decode_rank(coder, state, &b[i], rank, all_run, codes, kind);
    for (int i = 0; i < n_batches; i++) end_batch(coder, &b[i]);
}

int64_t V(range_decode)(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, int32_t *codes) {
    int kind = coder->stream_kind[first];
    int64_t n = 0;
    for (; first + n < stop && n < MAX_BATCHES * LANES && coder->stream_stride[first + n] != 0; n++) {
        if ((coder->stream_kind[first + n] == SPIKEY_PROFILED) != (kind == SPIKEY_PROFILED)) break;
        if (coder->stream_kind[first + n] == SPIKEY_LARGE) kind = SPIKEY_LARGE;
    }
    if (n < MIN_STREAMS) return 0;
    switch (kind) {
    case SPIKEY_EQUAL: decode_streams(coder, state, first, n, codes, SPIKEY_EQUAL); break;
    case SPIKEY_PROFILED: decode_streams(coder, state, first, n, codes, SPIKEY_PROFILED); break;
    default: decode_streams(coder, state, first, n, codes, SPIKEY_LARGE);
    }
    return n;
}

#else

int64_t V(range_decode)(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, int32_t *codes) {
    (void)coder, (void)state, (void)first, (void)stop, (void)codes;
    return 0;
}

#endif
