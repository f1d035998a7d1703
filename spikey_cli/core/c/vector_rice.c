/* Rice codes (rice.c): what a code depends on is found for eight lanes at a time, its bits are written and read one lane
 * after another. */

#include "rice.h"
#include "vector_internal.h"

enum { LANES_AT_A_TIME = 64 };

INLINE vec between(vec x, int32_t low, int32_t high) { return smallest(largest(x, splat(low)), splat(high)); }

/* Ranks of codes on equal bins, as origin_of and rank_from_code in ranks.h. */
INLINE vec ranks_of(vec code, vec predicted_mean, vec highest) {
    vec nearest = (predicted_mean + splat(32)) >> 6, upwards = predicted_mean >= (vec)((uvec)nearest << 6);
    vec distance = code - nearest, far = largest(distance, -distance);
    vec reach = smallest(nearest, (highest >> 6) - nearest);
    vec in_turn = far + far + ((far > splat(0)) & ~((distance > splat(0)) ^ upwards)); /* a mask is -1 */
    return choose(far > reach, reach + far, in_turn);
}

/* Rice parameters, as rice_parameter in rice.h, rows of the table and, of an encoder, ranks on equal bins: of the lanes of
 * some streams, and of others that share vectors with them. */
INLINE void prepare(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, const int32_t *codes) {
    const int64_t lane = coder->first_lane[first], last_lane = coder->first_lane[stop] - 1;
    const vector_group *last = &state->groups[state->group_of[state->channel_of[last_lane]]];
    int64_t i = state->groups[state->group_of[state->channel_of[lane]]].position;
    for (; i < last->position + LANES * (int64_t)last->rows; i += LANES) {
        vec mean = load(state->predicted_mean + i), scale = load(state->log2_scale + i);
        store(coder->parameter + i, between((smallest(scale, splat(16 * SPIKEY_MAX_K)) + splat(8)) >> 4, 0, SPIKEY_MAX_K));
        if (!coder->decodes) store(coder->rank + i, ranks_of(load(codes + i), mean, load(state->highest + i)));
        if (!coder->n_cells) continue;
        vec rank_class = between(scale >> SPIKEY_RANK_CLASS_SHIFT, SPIKEY_MIN_RANK_CLASS, SPIKEY_MAX_RANK_CLASS);
        vec cell = between(mean >> SPIKEY_CELL_SHIFT, 0, (int32_t)coder->n_cells - 1);
        store(coder->cell + i, cell);
        store(coder->row_at + i, (rank_class - splat(SPIKEY_MIN_RANK_CLASS)) * splat((int32_t)coder->n_cells) + cell);
    }
}

/* Ask for the rows of some lanes, for the table is larger than a cache; returns the stream behind theirs. */
INLINE int64_t fetch_rows(const spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop) {
    int64_t next = first + 1;
    while (next < stop && coder->first_lane[next + 1] - coder->first_lane[first] <= LANES_AT_A_TIME) next++;
    for (int64_t lane = coder->first_lane[first]; coder->n_cells && lane < coder->first_lane[next]; lane++)
        __builtin_prefetch(&coder->rows[coder->row_at[state->position_of[lane]]]);
    return next;
}

/* The row of a lane. Two ranks that have the same place are those of a row that is not known yet. */
INLINE const rank_row *row_of(const spikey_coder *coder, int64_t i) {
    const rank_row *row = &coder->rows[coder->row_at[i]];
    if (__builtin_expect(row->place[0] == row->place[1], 0)) spikey_fill_rank_row(coder, coder->row_at[i]);
    return row;
}

INLINE void encode_stream(spikey_coder *coder, const spikey_state *state, int64_t stream, const int32_t *codes) {
    const int some_end = state->step >= state->shortest;
    const int32_t size = coder->size[stream], width = coder->width[stream];
    const int profiled = coder->profiled[stream];
    int64_t cursor = coder->cursor[stream];
    for (int64_t lane = coder->first_lane[stream]; lane < coder->first_lane[stream + 1]; lane++) {
        const int64_t i = state->position_of[lane];
        if (some_end && state->length[i] <= state->step) continue;
        int32_t rank = coder->rank[i];
        if (profiled) {
            const rank_row *row = row_of(coder, i);
            rank = rank_from_code(codes[i], coder->origins[coder->cell[i]], size);
            if (rank < SPIKEY_ORDERED) rank = row->place[rank];
        }
        cursor = put_rank(coder->bit_words, cursor, rank, coder->parameter[i], width);
    }
    coder->cursor[stream] = cursor;
}

void V(rice_encode)(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, const int32_t *codes) {
    prepare(coder, state, first, stop, codes);
    while (first < stop)
        for (int64_t next = fetch_rows(coder, state, first, stop); first < next; first++)
            encode_stream(coder, state, first, codes);
}

INLINE void decode_stream(spikey_coder *coder, const spikey_state *state, int64_t stream, int32_t *codes) {
    const int some_end = state->step >= state->shortest;
    const int32_t size = coder->size[stream], width = coder->width[stream];
    const int profiled = coder->profiled[stream];
    const int64_t end = coder->end_bit[stream];
    int64_t cursor = coder->cursor[stream];
    for (int64_t lane = coder->first_lane[stream]; lane < coder->first_lane[stream + 1]; lane++) {
        const int64_t i = state->position_of[lane];
        if (some_end && state->length[i] <= state->step) continue;
        int32_t rank = size;
        if (cursor < end) cursor += get_rank(peek_bits(coder->bit_words, cursor), coder->parameter[i], width, &rank);
        if (rank >= size) {
            codes[i] = 0;
            cursor = end + 1;
        } else if (profiled) {
            const rank_row *row = row_of(coder, i);
            if (rank < SPIKEY_ORDERED) rank = row->place[rank];
            codes[i] = code_from_rank(rank, coder->origins[coder->cell[i]], size);
        } else {
            codes[i] = code_from_rank(rank, origin_of(state->predicted_mean[i], 0, size), size);
        }
    }
    coder->cursor[stream] = cursor;
}

void V(rice_decode)(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, int32_t *codes) {
    prepare(coder, state, first, stop, codes);
    while (first < stop)
        for (int64_t next = fetch_rows(coder, state, first, stop); first < next; first++)
            decode_stream(coder, state, first, codes);
}
