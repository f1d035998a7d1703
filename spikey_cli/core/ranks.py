"""Ranks: how far down the list of near codes the true one is.

Around a predicted mean, the code whose bin holds it has rank 0, its neighbours have ranks 1 and 2, and so on outwards
on alternate sides, first on the side of the bin in which the mean lies. After one side has reached the end of the code
range, the ranks go on along the other side:

    mean 5.3, codes 0..9        code   0  1  2  3  4  5  6  7  8  9
                                rank   9  8  6  4  2  0  1  3  5  7

Every rank below the quantizer's size is used exactly once.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .converter import nearest_code, value_of


@njit
def nearest_and_side(predicted_mean, profiled, edges, values):
    """Where ranks around `predicted_mean` (1/64 codes) start: the code whose bin holds it; whether upwards first."""
    nearest = nearest_code(predicted_mean, profiled, edges)
    return nearest, predicted_mean >= value_of(nearest, profiled, values)


@njit(inline="always")
def rank_from_code(code, nearest, upwards, size):
    """Rank of `code` (0..size-1) around `nearest` (0..size-1); codes above it come first if `upwards`."""
    distance = code - nearest
    reach = min(nearest, size - 1 - nearest)
    if distance > reach or -distance > reach:
        return reach + abs(distance)
    return 2 * abs(distance) - np.int64((distance > 0) == upwards and distance != 0)


@njit(inline="always")
def code_from_rank(rank, nearest, upwards, size):
    """Code with a rank 0..size-1; the inverse of `rank_from_code`."""
    reach = min(nearest, size - 1 - nearest)
    if rank > 2 * reach:
        return nearest + (rank - reach) if nearest == reach else nearest - (rank - reach)
    distance = (rank + 1) >> 1
    return nearest + distance if (rank & 1 == 1) == upwards else nearest - distance
