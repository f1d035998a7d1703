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

enum { TABLE_OUTLIER_WEIGHT = 12 };

int64_t spikey_rank_rows(int64_t size) {
    return (size * 64 >> SPIKEY_CELL_SHIFT) * (SPIKEY_MAX_RANK_CLASS - SPIKEY_MIN_RANK_CLASS + 1);
}

void spikey_fill_rank_row(const spikey_coder *coder, int64_t at) {
    const spikey_tables *tables = coder->tables;
    rank_row *row = &coder->rows[at];
    const int32_t group = SPIKEY_MIN_RANK_CLASS + (int32_t)(at / coder->n_cells);
    const int32_t middle = (int32_t)(at % coder->n_cells << SPIKEY_CELL_SHIFT) + (1 << (SPIKEY_CELL_SHIFT - 1));
    int32_t size = (int32_t)coder->n_edges - 1;
    int32_t inverse = tables->inverse_scale[(2 * group + 1) * (1 << (SPIKEY_RANK_CLASS_SHIFT - 1)) - SPIKEY_MIN_LOG2_SCALE];
    const int32_t(*mixture)[2] = tables->mixture[TABLE_OUTLIER_WEIGHT];
    int32_t code[SPIKEY_ORDERED], below[SPIKEY_ORDERED + 1], masses[SPIKEY_ORDERED], lowest = size;
    uint8_t order[SPIKEY_ORDERED];
    const rank_origin origin = origin_of(middle, coder->edges, size);
    coder->origins[at % coder->n_cells] = origin;
    for (int rank = 0; rank < SPIKEY_ORDERED; rank++) {
        code[rank] = code_from_rank(rank, origin, size);
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
}
