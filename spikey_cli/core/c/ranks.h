/* Ranks of codes around a predicted mean: 0 for the code whose bin holds it, then its neighbours in turn, first on the
 * side of the mean; past one end of the grid the other side counts on alone. */

#ifndef SPIKEY_RANKS_H
#define SPIKEY_RANKS_H

#include <stdint.h>

/* Where ranks start: the nearest code, and whether the code above it has rank 1. */
typedef struct {
    int32_t nearest;
    int upwards;
} rank_origin;

/* The code whose bin holds `value`, which lies between the values of the first and the last code. `edges` is NULL for
 * equal bins, else it has `size + 1` ascending entries. */
static inline rank_origin origin_of(int32_t value, const int32_t *edges, int32_t size) {
    int32_t code = (value + 32) >> 6;
    int32_t middle = (int32_t)((uint32_t)code << 6);
    if (edges) {
        code = code < 0 ? 0 : code > size - 1 ? size - 1 : code;
        while (code > 0 && edges[code] > value) code--;
        while (code < size - 1 && edges[code + 1] <= value) code++;
        middle = (edges[code] + edges[code + 1]) >> 1;
    }
    rank_origin origin = {code, value >= middle};
    return origin;
}

/* Rank of `code`; both it and the origin are in 0..size-1. */
static inline int32_t rank_from_code(int32_t code, rank_origin origin, int32_t size) {
    int32_t distance = code - origin.nearest, far = distance < 0 ? -distance : distance;
    int32_t reach = origin.nearest < size - 1 - origin.nearest ? origin.nearest : size - 1 - origin.nearest;
    int32_t in_turn = 2 * far - ((far > 0) & ((distance > 0) == origin.upwards)); /* & and not &&: nothing to foresee */
    return far > reach ? reach + far : in_turn;
}

/* The code of `rank`; both it and the origin are in 0..size-1. */
static inline int32_t code_from_rank(int32_t rank, rank_origin origin, int32_t size) {
    int32_t nearest = origin.nearest;
    int32_t reach = nearest < size - 1 - nearest ? nearest : size - 1 - nearest;
    if (rank > 2 * reach) return nearest == reach ? nearest + (rank - reach) : nearest - (rank - reach);
    int32_t distance = (rank + 1) >> 1, down = (rank & 1) ^ origin.upwards; /* no branch: the side cannot be foreseen */
    return nearest + (distance ^ -down) + down;
}

#endif
