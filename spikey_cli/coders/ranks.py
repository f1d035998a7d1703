"""Ranks: how far down the list of likely codes the true one stands.

Around a centre in 1/64 codes, the nearest code has rank 0, the next nearest rank 1, and so on outwards in turn, first
on the side where the centre's fraction lies; where one side reaches the end of the grid, the rest counts on along the
other side:

    centre 5.3, codes 0..9      code   0  1  2  3  4  5  6  7  8  9
                                rank   9  8  6  4  2  0  1  3  5  7

So every rank below the grid's size is used, and none twice.
"""

from __future__ import annotations

import numpy as np
from numba import njit

CENTRE_SHIFT = 6
"""A centre of 64 is one code."""


@njit(inline="always")
def rank_from_code(code, centre, size):
    """Rank of `code` (0..size-1) under `centre` (0..64 * (size - 1), in 1/64 codes)."""
    nearest = (centre + 32) >> CENTRE_SHIFT
    distance = code - nearest
    upwards = centre >= nearest << CENTRE_SHIFT
    reach = min(nearest, size - 1 - nearest)
    if distance > reach or -distance > reach:
        return reach + abs(distance)
    return 2 * abs(distance) - np.int64((distance > 0) == upwards and distance != 0)


@njit(inline="always")
def code_from_rank(rank, centre, size):
    """The reverse of `rank_from_code`, for ranks 0..size-1."""
    nearest = (centre + 32) >> CENTRE_SHIFT
    upwards = centre >= nearest << CENTRE_SHIFT
    reach = min(nearest, size - 1 - nearest)
    if rank > 2 * reach:
        return nearest + (rank - reach) if nearest == reach else nearest - (rank - reach)
    distance = (rank + 1) >> 1
    return nearest + distance if (rank & 1 == 1) == upwards else nearest - distance
