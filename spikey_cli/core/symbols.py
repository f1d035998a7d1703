"""Symbols: what the range coder makes of a code, and the part of 2**24 that each takes under the predicted density.

    listed grids, of up to 4096 codes    a symbol is a code
    wide grids                           a symbol is the place of the code, less its `low_bits`, among 4096 around the
                                         centre; symbol 0: the code is further off, and follows in `width` bits; then
                                         its low bits

where low_bits = scale // 16 - 5, but 0 to MAX_LOW_BITS, so that symbols are about a thirtieth of a standard deviation
wide at least.
Bits that are not predicted are symbols of equal size. The parts are those of the bins (see `spikey_cli.adc`); edges of
listed grids stand in two rows, one for equal bins and one for the profile.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .converter import CODE_UNITS, Bins
from .density import (
    INVERSE_SPREAD,
    MARGIN,
    MAX_LOG2_SCALE,
    MAX_OUTLIER_WEIGHT,
    MIN_LOG2_SCALE,
    TOTAL_BITS,
    distribution,
)

MAX_SMALL_ALPHABET = 4096
"""Symbols at most; a grid of no more codes has one for each."""

LARGE, EQUAL, PROFILED = -1, 0, 1
"""Kinds of grids; those that are listed name the row that their edges stand in."""

MAX_LOW_BITS = 24
"""Low bits that stand apart, at most: a code has no more, whatever scale a model gives."""

_HALF = MAX_SMALL_ALPHABET >> 1
_WHOLE = 1 << TOTAL_BITS


def kinds_of(bins: Bins) -> np.ndarray:
    """Kind of each thread's grid, int64."""
    return np.where(bins.size > MAX_SMALL_ALPHABET, LARGE, np.where(bins.profiled, PROFILED, EQUAL))


def edge_rows(bins: Bins) -> np.ndarray:
    """Edges of equal bins and of the profile, int32 of shape (2, LISTED + 1), in 1/64 codes; both rows increase."""
    rows = np.empty((2, MAX_SMALL_ALPHABET + 1), dtype=np.int32)
    rows[:] = np.arange(MAX_SMALL_ALPHABET + 1) * CODE_UNITS - CODE_UNITS // 2
    rows[PROFILED, : bins.edges.size] = bins.edges
    return rows


@njit(inline="always")
def scale_index_of(log2_scale):
    """Place of a scale in the tables of `density`."""
    return np.uint64(min(max(np.int64(log2_scale), MIN_LOG2_SCALE), MAX_LOG2_SCALE) - MIN_LOG2_SCALE)


@njit(inline="always")
def outlier_row(outlier_weight):
    """Row of a tail in the tables of `density`."""
    return np.uint64(min(max(np.int64(outlier_weight), 0), MAX_OUTLIER_WEIGHT))


@njit(inline="always")
def frame(predicted_mean, log2_scale, size):
    """How codes of a grid of `size` become symbols.

    Returns (low bits that stand apart, place of the symbols' scale in the tables, centre in 1/64 symbols, number of
    symbols, what a code less its low bits is above its symbol).
    """
    if size <= MAX_SMALL_ALPHABET:
        return np.int64(0), scale_index_of(log2_scale), np.int64(predicted_mean), size, np.int64(0)
    low_bits = min(max(np.int64(0), (np.int64(log2_scale) >> 4) - 5), MAX_LOW_BITS)
    middle = np.int64(predicted_mean) >> low_bits
    return (
        low_bits,
        scale_index_of(log2_scale - (low_bits << 4)),
        middle,
        np.int64(MAX_SMALL_ALPHABET),
        ((middle + 32) >> 6) - _HALF,
    )


@njit(inline="always")
def cumulative(symbol, symbols, origin, kind, edges, predicted_mean, inverse, likely, mixture):
    """Cumulative frequency, of 2**24, below `symbol` (0..symbols)."""
    if symbol <= 0:
        return np.int64(0)
    if symbol >= symbols:
        return np.int64(_WHOLE)
    edge = np.int64(edges[np.uint64(kind), np.uint64(symbol)]) if kind >= 0 else ((origin + symbol) << 6) - 32
    mass = distribution(edge - predicted_mean, inverse, likely, mixture)
    return (mass * (_WHOLE - MARGIN * symbols) >> TOTAL_BITS) + MARGIN * symbol


@njit(inline="always")
def part_of(code, predicted_mean, log2_scale, outlier_weight, size, kind, edges, mixture):
    """The part of 2**24 that `code` takes: (first, behind its last, its symbol, low bits that stand apart)."""
    low_bits, scale_index, middle, symbols, origin = frame(predicted_mean, log2_scale, size)
    inverse, likely = INVERSE_SPREAD[scale_index], outlier_row(outlier_weight)
    symbol = (code >> low_bits) - origin
    if kind < 0 and (symbol < 1 or symbol >= MAX_SMALL_ALPHABET):
        symbol = np.int64(0)
    below = cumulative(symbol, symbols, origin, kind, edges, middle, inverse, likely, mixture)
    above = cumulative(symbol + 1, symbols, origin, kind, edges, middle, inverse, likely, mixture)
    return below, above, symbol, low_bits


@njit
def search(target, symbol, below, above, symbols, origin, kind, edges, predicted_mean, inverse, likely, mixture):
    """The symbol whose part holds `target`: (symbol, first, behind its last).

    The search begins at `symbol`, whose part is below..above, widens, and halves.
    """
    behind, reach = symbol + 1, np.int64(1)
    while below > target:
        behind, above = symbol, below
        symbol = max(symbol - reach, 0)
        reach <<= 1
        below = cumulative(symbol, symbols, origin, kind, edges, predicted_mean, inverse, likely, mixture)
    reach = np.int64(1)
    while above <= target:
        symbol, below = behind, above
        behind = min(behind + reach, symbols)
        reach <<= 1
        above = cumulative(behind, symbols, origin, kind, edges, predicted_mean, inverse, likely, mixture)
    while behind - symbol > 1:
        half = (symbol + behind) >> 1
        between = cumulative(half, symbols, origin, kind, edges, predicted_mean, inverse, likely, mixture)
        if between <= target:
            symbol, below = half, between
        else:
            behind, above = half, between
    return symbol, below, above
