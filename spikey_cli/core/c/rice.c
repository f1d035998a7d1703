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
    int32_t masses[SPIKEY_ORDERED];
    uint8_t order[SPIKEY_ORDERED];
    row->origin = origin_of(middle, coder->edges, size);
    for (int rank = 0; rank < SPIKEY_ORDERED; rank++) {
        int32_t code = code_from_rank(rank, row->origin, size);
        int32_t mass = distribution((int64_t)coder->edges[code + 1] - middle, inverse, mixture) -
                       distribution((int64_t)coder->edges[code] - middle, inverse, mixture);
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

enum { LANES_AHEAD = 16 };

/* Ask for the row of a lane that is coded some lanes later: the table is larger than a cache. Inlined by force, because
 * GCC removes calls of functions that do nothing but prefetch. */
__attribute__((always_inline)) static inline void fetch_row(const spikey_coder *coder, const spikey_state *state,
                                                            int64_t lane, int64_t stop_lane) {
    if (!coder->n_cells || lane >= stop_lane) return;
    int64_t i = state->position_of[lane];
    __builtin_prefetch(&coder->rows[row_at(coder, state->predicted_mean[i], state->log2_scale[i])]);
}

void spikey_rice_encode(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop,
                        const int32_t *codes) {
    const int32_t *position_of = state->position_of, *length = state->length;
    const int32_t *predicted_mean = state->predicted_mean, *log2_scale = state->log2_scale;
    const int64_t step = state->step, stop_lane = coder->first_lane[stop];
    uint64_t *words = coder->bit_words;
    for (int64_t k = 0; k < LANES_AHEAD; k++) fetch_row(coder, state, coder->first_lane[first] + k, stop_lane);
    for (int64_t stream = first; stream < stop; stream++) {
        const int32_t size = coder->size[stream];
        const int profiled = coder->profiled[stream], width = coder->width[stream];
        const int64_t end = coder->first_lane[stream + 1];
        int64_t cursor = coder->cursor[stream];
        for (int64_t lane = coder->first_lane[stream]; lane < end; lane++) {
            int64_t i = position_of[lane];
            fetch_row(coder, state, lane + LANES_AHEAD, stop_lane);
            if (length[i] <= step) continue;
            int32_t mean = predicted_mean[i], scale = log2_scale[i], rank;
            if (profiled) {
                const rank_row *row = row_of(coder, row_at(coder, mean, scale));
                rank = rank_from_code(codes[i], row->origin, size);
                if (rank < SPIKEY_ORDERED) rank = row->place[rank];
            } else {
                rank = rank_from_code(codes[i], origin_of(mean, 0, size), size);
            }
            cursor = put_rank(words, cursor, rank, rice_parameter(scale), width);
        }
        coder->cursor[stream] = cursor;
    }
}

void spikey_rice_decode(spikey_coder *coder, const spikey_state *state, int64_t first, int64_t stop, int32_t *codes) {
    const int32_t *position_of = state->position_of, *length = state->length;
    const int32_t *predicted_mean = state->predicted_mean, *log2_scale = state->log2_scale;
    const int64_t step = state->step, stop_lane = coder->first_lane[stop];
    const uint64_t *words = coder->bit_words;
    for (int64_t k = 0; k < LANES_AHEAD; k++) fetch_row(coder, state, coder->first_lane[first] + k, stop_lane);
    for (int64_t stream = first; stream < stop; stream++) {
        const int32_t size = coder->size[stream];
        const int profiled = coder->profiled[stream], width = coder->width[stream];
        const int64_t end = coder->end_bit[stream], end_lane = coder->first_lane[stream + 1];
        int64_t cursor = coder->cursor[stream];
        for (int64_t lane = coder->first_lane[stream]; lane < end_lane; lane++) {
            int64_t i = position_of[lane];
            fetch_row(coder, state, lane + LANES_AHEAD, stop_lane);
            if (length[i] <= step) continue;
            int32_t mean = predicted_mean[i], scale = log2_scale[i], rank;
            codes[i] = 0;
            if (cursor >= end) {
                cursor = end + 1;
                continue;
            }
            cursor += get_rank(peek_bits(words, cursor), rice_parameter(scale), width, &rank);
            if (rank >= size) {
                cursor = end + 1;
                continue;
            }
            if (profiled) {
                const rank_row *row = row_of(coder, row_at(coder, mean, scale));
                if (rank < SPIKEY_ORDERED) rank = row->place[rank];
                codes[i] = code_from_rank(rank, row->origin, size);
            } else {
                codes[i] = code_from_rank(rank, origin_of(mean, 0, size), size);
            }
        }
        coder->cursor[stream] = cursor;
    }
}
