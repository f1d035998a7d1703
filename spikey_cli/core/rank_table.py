"""Orders: near codes by how likely they are, where a converter's bins are not equal.

A wide bin two codes off may be likelier than a narrow one next to the centre. So on the converter's profile the first
ORDERED ranks of distance (see `ranks`) are put in order of their bins' mass, likeliest first. The order is that for the
middle of the centre's cell, half a code wide, and for a deviation in steps of half an octave: one row of a table
for each of both, filled in when it is first needed. Ties keep the order of distance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .density import INVERSE_SPREAD, MIN_LOG2_SCALE, MIXTURE, distribution
from .ranks import code_from_rank, origin

ORDERED = 64
"""Ranks that are put in order; a profiled grid has more codes."""

CELL_SHIFT = 5  # from 1/64 codes to cells
CLASS_SHIFT = 3  # from 1/16 octaves to classes
MIN_CLASS, MAX_CLASS = 1, 11  # deviations of 1.5 to 49 codes
_TAIL = 12


class RankTable(NamedTuple):
    """The rows of one profile, that of grids of `edges.size - 1` codes; one worker's."""

    known: np.ndarray
    """Which rows are filled in, bool of shape (rows,)."""
    order: np.ndarray
    """The i-th likeliest code's rank of distance, uint8 of shape (rows, ORDERED)."""
    inverse: np.ndarray
    """The reverse of `order`."""
    mixture: np.ndarray

    @classmethod
    def of(cls, edges: np.ndarray) -> RankTable:
        """No row filled in yet, of the profile with these edges; no rows where it has none."""
        cells = max(0, edges.size - 1) << 6 >> CELL_SHIFT
        rows = cells * (MAX_CLASS - MIN_CLASS + 1)
        shape = (rows, ORDERED)
        return cls(np.zeros(rows, np.bool_), np.zeros(shape, np.uint8), np.zeros(shape, np.uint8), MIXTURE)


@njit(inline="always")
def cell_middle(predicted_mean):
    """The middle of a centre's cell, in 1/64 codes."""
    return (np.int64(predicted_mean) >> CELL_SHIFT << CELL_SHIFT) + (1 << CELL_SHIFT - 1)


@njit(inline="always")
def row_of(predicted_mean, log2_scale, cells):
    """The row for a centre, between the values of the first and the last code, and a scale."""
    group = min(max(np.int64(log2_scale) >> CLASS_SHIFT, MIN_CLASS), MAX_CLASS)
    return np.uint64((group - MIN_CLASS) * cells + min(max(np.int64(predicted_mean) >> CELL_SHIFT, 0), cells - 1))


@njit
def fill_row(row, order, inverse, mixture, edges, values):
    """Fill in a row: the order of codes by their mass."""
    cells = values.size << 6 >> CELL_SHIFT
    group, cell = row // cells + MIN_CLASS, row % cells
    predicted_mean = cell_middle(cell << CELL_SHIFT)
    inverse_spread = INVERSE_SPREAD[(group << CLASS_SHIFT) + (1 << CLASS_SHIFT - 1) - MIN_LOG2_SCALE]
    nearest, upwards = origin(predicted_mean, True, edges, values)
    masses = np.empty(ORDERED, dtype=np.int64)
    for rank in range(ORDERED):
        code = code_from_rank(rank, nearest, upwards, values.size)
        above = distribution(edges[code + 1] - predicted_mean, inverse_spread, _TAIL, mixture)
        mass = above - distribution(edges[code] - predicted_mean, inverse_spread, _TAIL, mixture)
        # insertion: later ranks go behind those of equal mass
        i = rank
        while i > 0 and masses[i - 1] < mass:
            masses[i] = masses[i - 1]
            order[row, i] = order[row, i - 1]
            i -= 1
        masses[i] = mass
        order[row, i] = rank
    for i in range(ORDERED):
        inverse[row, order[row, i]] = i
