"""Rank table: near codes in order of likelihood, for a converter whose bins are not equal.

A wide bin two codes away can be likelier than a narrow one next to the predicted mean. On the converter's profile the
first ORDERED ranks of distance (see `ranks`) are therefore put in order of the mass of their bins, likeliest first. The
order is computed for the middle of the mean's cell, half a code wide, and for a deviation in steps of half an octave.
The table has one row for each pair of these, filled in at first use. Ties keep the order of distance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .density import INVERSE_SCALE, MIN_LOG2_SCALE, MIXTURE, distribution
from .ranks import code_from_rank, nearest_and_side

ORDERED = 64
"""Ranks that are put in order; a profiled quantizer has more codes."""

CELL_SHIFT = 5  # from 1/64 codes to cells
CLASS_SHIFT = 3  # from 1/16 octaves to classes
MIN_CLASS, MAX_CLASS = 1, 11  # deviations of 1.5 to 49 codes
_OUTLIER_WEIGHT = 12


class RankTable(NamedTuple):
    """Rows of the rank table of one profile; not shared between workers."""

    known: np.ndarray
    """Which rows are filled in, bool of shape (rows,)."""
    order: np.ndarray
    """Rank of distance of the i-th likeliest code, uint8 of shape (rows, ORDERED)."""
    inverse: np.ndarray
    """Inverse permutation of each row of `order`."""
    mixture: np.ndarray

    @classmethod
    def of(cls, edges: np.ndarray) -> RankTable:
        """Return the empty table of the profile with these edges; it has no rows if there are no edges."""
        cells = max(0, edges.size - 1) << 6 >> CELL_SHIFT
        rows = cells * (MAX_CLASS - MIN_CLASS + 1)
        shape = (rows, ORDERED)
        return cls(np.zeros(rows, np.bool_), np.zeros(shape, np.uint8), np.zeros(shape, np.uint8), MIXTURE)


@njit(inline="always")
def cell_middle(predicted_mean):
    """Middle of the cell of a predicted mean, in 1/64 codes."""
    return (np.int64(predicted_mean) >> CELL_SHIFT << CELL_SHIFT) + (1 << CELL_SHIFT - 1)


@njit(inline="always")
def row_of(predicted_mean, log2_scale, cells):
    """Row for a scale and a predicted mean between the values of the first and the last code."""
    group = min(max(np.int64(log2_scale) >> CLASS_SHIFT, MIN_CLASS), MAX_CLASS)
    return np.uint64((group - MIN_CLASS) * cells + min(max(np.int64(predicted_mean) >> CELL_SHIFT, 0), cells - 1))


@njit
def fill_row(row, order, inverse, mixture, edges, values):
    """Fill in a row: the order of codes by mass."""
    cells = values.size << 6 >> CELL_SHIFT
    group, cell = row // cells + MIN_CLASS, row % cells
    predicted_mean = cell_middle(cell << CELL_SHIFT)
    inverse_scale = INVERSE_SCALE[(group << CLASS_SHIFT) + (1 << CLASS_SHIFT - 1) - MIN_LOG2_SCALE]
    nearest, upwards = nearest_and_side(predicted_mean, True, edges, values)
    masses = np.empty(ORDERED, dtype=np.int64)
    for rank in range(ORDERED):
        code = code_from_rank(rank, nearest, upwards, values.size)
        above = distribution(edges[code + 1] - predicted_mean, inverse_scale, _OUTLIER_WEIGHT, mixture)
        mass = above - distribution(edges[code] - predicted_mean, inverse_scale, _OUTLIER_WEIGHT, mixture)
        # insertion sort: a later rank goes after those of equal mass
        i = rank
        while i > 0 and masses[i - 1] < mass:
            masses[i] = masses[i - 1]
            order[row, i] = order[row, i - 1]
            i -= 1
        masses[i] = mass
        order[row, i] = rank
    for i in range(ORDERED):
        inverse[row, order[row, i]] = i
