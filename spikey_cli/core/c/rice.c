/* Rice codes of ranks, with the parameter k read off the predicted scale.
 *
 *     rank r, q = r >> k < 24      q zeros, a one, the low k bits of r
 *     rank r, q >= 24              24 zeros, then r in `width` bits
 *
 * On the converter's profile the first 64 ranks are put in the order of their bins' mass first, likeliest first, for
 * the middle of the predicted mean's cell and the class of the scale: a row of a table, filled in when it is needed.
 *
 * R. F. Rice, "Some practical universal noiseless coding techniques", JPL 79-22, 1979. */

#include "rice.h"

#include "density.h"
#include "ranks.h"

enum { CELL_SHIFT = 5, CLASS_SHIFT = 3, MIN_CLASS = 1, MAX_CLASS = 11, TABLE_OUTLIER_WEIGHT = 12 };

int64_t spikey_rank_rows(int64_t size) { return (size * 64 >> CELL_SHIFT) * (MAX_CLASS - MIN_CLASS + 1); }

static int32_t cell_middle(int32_t predicted_mean) {
    return (int32_t)((uint32_t)predicted_mean & ~((1u << CELL_SHIFT) - 1)) + (1 << (CELL_SHIFT - 1));
}

static void fill_row(spikey_coder *coder, rank_row *row, int32_t group, int32_t middle) {
    const spikey_tables *tables = coder->tables;
    int32_t size = (int32_t)coder->n_edges - 1;
    int32_t inverse = tables->inverse_scale[group * (1 << CLASS_SHIFT) + (1 << (CLASS_SHIFT - 1)) -
                                             SPIKEY_MIN_LOG2_SCALE];
    const int32_t(*mixture)[2] = tables->mixture[TABLE_OUTLIER_WEIGHT];
    int32_t code[SPIKEY_ORDERED], below[SPIKEY_ORDERED + 1], masses[SPIKEY_ORDERED], lowest = size;
    uint8_t order[SPIKEY_ORDERED];
    row->origin = origin_of(middle, coder->edges, size);
    for (int rank = 0; rank < SPIKEY_ORDERED; rank++) {
        code[rank] = code_from_rank(rank, row->origin, size);
        lowest = code[rank] < lowest ? code[rank] : lowest;
    }
    for (int i = 0; i <= SPIKEY_ORDERED; i++) /* the codes are neighbours */
        below[i] = distribution((int64_t)coder->edges[lowest + i] - middle, inverse, mixture);
    for (int rank = 0; rank < SPIKEY_ORDERED; rank++) {
        int32_t mass = below[code[rank] - lowest + 1] - below[code[rank] - lowest];
        int i = rank;
        for (; i > 0 && masses[i - 1] < mass; i--) { /* later ranks go behind those of equal mass */
            masses[i] = masses[i - 1];
            order[i] = order[i - 1];
        }
        masses[i] = mass;
        order[i] = (uint8_t)rank;
    }
    for (int i = 0; i < SPIKEY_ORDERED; i++)
        if (coder->decodes)
            row->place[i] = order[i];
        else
            row->place[order[i]] = (uint8_t)i;
    row->is_known = 1;
}

/* The row for a predicted mean, between the values of the first and the last code, and a scale. */
static inline int64_t row_at(const spikey_coder *coder, int32_t predicted_mean, int32_t log2_scale) {
    int64_t group = least(greatest(log2_scale >> CLASS_SHIFT, MIN_CLASS), MAX_CLASS);
    int64_t cell = least(greatest(predicted_mean >> CELL_SHIFT, 0), coder->n_cells - 1);
    return (group - MIN_CLASS) * coder->n_cells + cell;
}

static inline const rank_row *row_of(spikey_coder *coder, int64_t at) {
    rank_row *row = &coder->rows[at];
    if (!row->is_known) {
        int32_t middle = cell_middle((int32_t)(at % coder->n_cells) << CELL_SHIFT);
        fill_row(coder, row, MIN_CLASS + (int32_t)(at / coder->n_cells), middle);
    }
    return row;
}

enum { LANES_AHEAD = 16 }; /* a power of two */

/* The row of a lane, which is asked for some lanes before it is used: the table is larger than a cache. Inlined by force,
 * because GCC removes calls of functions that do nothing but prefetch. */
__attribute__((always_inline)) static inline int64_t fetch_row(const spikey_coder *coder, const spikey_state *state,
                                                               int64_t lane, int64_t stop_lane) {
    if (!coder->n_cells || lane >= stop_lane) return 0;
    int64_t i = state->position_of[lane], at = row_at(coder, state->predicted_mean[i], state->log2_scale[i]);
    __builtin_prefetch(&coder->rows[at]);
    return at;
}

void spikey_rice_encode(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop,
                        const int32_t *codes) {
    const int32_t *position_of = state->position_of, *length = state->length;
    const int32_t *predicted_mean = state->predicted_mean, *log2_scale = state->log2_scale;
    const int64_t step = state->step, stop_lane = coder->first_lane[stop];
    const int some_end = step >= state->shortest;
    uint64_t *words = coder->bit_words;
    int64_t rows[LANES_AHEAD], lane = coder->first_lane[first];
    for (int64_t k = lane; k < lane + LANES_AHEAD; k++) rows[k & (LANES_AHEAD - 1)] = fetch_row(coder, state, k, stop_lane);
    for (int64_t stream = first; stream < stop; stream++) {
        const int32_t size = coder->size[stream];
        const int profiled = coder->profiled[stream], width = coder->width[stream];
        const int64_t end = coder->first_lane[stream + 1];
        int64_t cursor = coder->cursor[stream];
        for (; lane < end; lane++) {
            const int64_t i = position_of[lane], at = rows[lane & (LANES_AHEAD - 1)];
            rows[lane & (LANES_AHEAD - 1)] = fetch_row(coder, state, lane + LANES_AHEAD, stop_lane);
            if (some_end && length[i] <= step) continue;
            int32_t rank;
            if (profiled) {
                const rank_row *row = row_of(coder, at);
                rank = rank_from_code(codes[i], row->origin, size);
                if (rank < SPIKEY_ORDERED) rank = row->place[rank];
            } else {
                rank = rank_from_code(codes[i], origin_of(predicted_mean[i], 0, size), size);
            }
            cursor = put_rank(words, cursor, rank, rice_parameter(log2_scale[i]), width);
        }
        coder->cursor[stream] = cursor;
    }
}

void spikey_rice_decode(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, int32_t *codes) {
    const int32_t *position_of = state->position_of, *length = state->length;
    const int32_t *predicted_mean = state->predicted_mean, *log2_scale = state->log2_scale;
    const int64_t step = state->step, stop_lane = coder->first_lane[stop];
    const int some_end = step >= state->shortest;
    const uint64_t *words = coder->bit_words;
    int64_t rows[LANES_AHEAD], lane = coder->first_lane[first];
    for (int64_t k = lane; k < lane + LANES_AHEAD; k++) rows[k & (LANES_AHEAD - 1)] = fetch_row(coder, state, k, stop_lane);
    for (int64_t stream = first; stream < stop; stream++) {
        const int32_t size = coder->size[stream];
        const int profiled = coder->profiled[stream], width = coder->width[stream];
        const int64_t end = coder->end_bit[stream], end_lane = coder->first_lane[stream + 1];
        int64_t cursor = coder->cursor[stream];
        for (; lane < end_lane; lane++) {
            const int64_t i = position_of[lane], at = rows[lane & (LANES_AHEAD - 1)];
            rows[lane & (LANES_AHEAD - 1)] = fetch_row(coder, state, lane + LANES_AHEAD, stop_lane);
            if (some_end && length[i] <= step) continue;
            int32_t rank = 0;
            if (cursor < end) cursor += get_rank(peek_bits(words, cursor), rice_parameter(log2_scale[i]), width, &rank);
            else rank = size;
            if (rank >= size) {
                codes[i] = 0;
                cursor = end + 1;
            } else if (profiled) {
                const rank_row *row = row_of(coder, at);
                if (rank < SPIKEY_ORDERED) rank = row->place[rank];
                codes[i] = code_from_rank(rank, row->origin, size);
            } else {
                codes[i] = code_from_rank(rank, origin_of(predicted_mean[i], 0, size), size);
            }
        }
        coder->cursor[stream] = cursor;
    }
}
