"""Symbols of the range coder, and the part of 2**24 that each takes under the predicted density.

    small alphabet, up to 4096 codes    the symbol is the code
    large alphabet                      the symbol is the position of the code, without its `low_bits` low bits, among
                                        4096 around the mean; the low bits follow. Symbol 0: the code is further away
                                        and follows in `width` bits

low_bits = log2_scale // 16 - 5, clipped to 0..MAX_LOW_BITS, so a symbol is at least about a thirtieth of a standard
deviation wide. Bits that are not predicted are coded as symbols of equal size. The edges of the bins (see `converter`)
of small alphabets are in two rows, one for equal bins and one for the profile.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .converter import CODE_UNITS, Bins
from .density import (
    INVERSE_SCALE,
    MARGIN,
    MAX_LOG2_SCALE,
    MAX_OUTLIER_WEIGHT,
    MIN_LOG2_SCALE,
    TOTAL_BITS,
    distribution,
)

MAX_SMALL_ALPHABET = 4096
"""Largest number of symbols; a quantizer of no more codes has one symbol for each code."""

LARGE, EQUAL, PROFILED = -1, 0, 1
"""Kinds of alphabets; EQUAL and PROFILED, the small ones, are the rows of their edges."""

MAX_LOW_BITS = 24
"""Most low bits that are coded apart: a code has no more, whatever scale a model gives."""

_HALF = MAX_SMALL_ALPHABET >> 1
_WHOLE = 1 << TOTAL_BITS


def kinds_of(bins: Bins) -> np.ndarray:
    """Return the kind of each channel's alphabet, int64."""
    return np.where(bins.size > MAX_SMALL_ALPHABET, LARGE, np.where(bins.profiled, PROFILED, EQUAL))


def edge_rows(bins: Bins) -> np.ndarray:
    """Return the edges of equal bins and of the profile, in 1/64 codes.

    The result is int32 of shape (2, MAX_SMALL_ALPHABET + 1); both rows increase.
    """
    rows = np.empty((2, MAX_SMALL_ALPHABET + 1), dtype=np.int32)
    rows[:] = np.arange(MAX_SMALL_ALPHABET + 1) * CODE_UNITS - CODE_UNITS // 2
    rows[PROFILED, : bins.edges.size] = bins.edges
    return rows


@njit(inline="always")
def scale_index_of(log2_scale):
    """Index of a log2 scale in the tables of `density`."""
    return np.uint64(min(max(np.int64(log2_scale), MIN_LOG2_SCALE), MAX_LOG2_SCALE) - MIN_LOG2_SCALE)


@njit(inline="always")
def outlier_row(outlier_weight):
    """Row of an outlier weight in the tables of `density`."""
    return np.uint64(min(max(np.int64(outlier_weight), 0), MAX_OUTLIER_WEIGHT))


@njit(inline="always")
def frame(predicted_mean, log2_scale, size):
    """How `size` codes are mapped to symbols.

    Returns (low bits that are coded apart, index of the symbols' scale in the tables, mean in 1/64 symbols, number of
    symbols, what a code without its low bits exceeds its symbol by).
    """
    if size <= MAX_SMALL_ALPHABET:
        return np.int64(0), scale_index_of(log2_scale), np.int64(predicted_mean), size, np.int64(0)
    low_bits = min(max(np.int64(0), (np.int64(log2_scale) >> 4) - 5), MAX_LOW_BITS)
    mean = np.int64(predicted_mean) >> low_bits
    return (
        low_bits,
        scale_index_of(log2_scale - (low_bits << 4)),
        mean,
        np.int64(MAX_SMALL_ALPHABET),
        ((mean + 32) >> 6) - _HALF,
    )


@njit(inline="always")
def cumulative(symbol, symbols, origin, kind, edges, predicted_mean, inverse, outlier, mixture):
    """Cumulative frequency, of 2**24, below `symbol` (0..symbols)."""
    if symbol <= 0:
        return np.int64(0)
    if symbol >= symbols:
        return np.int64(_WHOLE)
    edge = np.int64(edges[np.uint64(kind), np.uint64(symbol)]) if kind >= 0 else ((origin + symbol) << 6) - 32
    mass = distribution(edge - predicted_mean, inverse, outlier, mixture)
    return (mass * (_WHOLE - MARGIN * symbols) >> TOTAL_BITS) + MARGIN * symbol


@njit(inline="always")
def part_of(code, predicted_mean, log2_scale, outlier_weight, size, kind, edges, mixture):
    """The part of 2**24 that `code` takes: (first, end, its symbol, low bits that are coded apart)."""
    low_bits, scale_index, mean, symbols, origin = frame(predicted_mean, log2_scale, size)
    inverse, outlier = INVERSE_SCALE[scale_index], outlier_row(outlier_weight)
    symbol = (code >> low_bits) - origin
    if kind < 0 and (symbol < 1 or symbol >= MAX_SMALL_ALPHABET):
        symbol = np.int64(0)
    below = cumulative(symbol, symbols, origin, kind, edges, mean, inverse, outlier, mixture)
    above = cumulative(symbol + 1, symbols, origin, kind, edges, mean, inverse, outlier, mixture)
    return below, above, symbol, low_bits


@njit
def search(target, symbol, below, above, symbols, origin, kind, edges, predicted_mean, inverse, outlier, mixture):
    """The symbol whose part holds `target`: (symbol, first, end).

    The search starts at `symbol`, whose part is below..above, doubles its step until it has passed the target, and then
    bisects.
    """
    after, reach = symbol + 1, np.int64(1)
    while below > target:
        after, above = symbol, below
        symbol = max(symbol - reach, 0)
        reach <<= 1
        below = cumulative(symbol, symbols, origin, kind, edges, predicted_mean, inverse, outlier, mixture)
    reach = np.int64(1)
    while above <= target:
        symbol, below = after, above
        after = min(after + reach, symbols)
        reach <<= 1
        above = cumulative(after, symbols, origin, kind, edges, predicted_mean, inverse, outlier, mixture)
    while after - symbol > 1:
        half = (symbol + after) >> 1
        between = cumulative(half, symbols, origin, kind, edges, predicted_mean, inverse, outlier, mixture)
        if between <= target:
            symbol, below = half, between
        else:
            after, above = half, between
    return symbol, below, above
