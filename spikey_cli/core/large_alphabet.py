"""Range coding on wide grids, of more than 4096 codes: the kernels of both directions; see `symbols` and `interval`."""

from __future__ import annotations

import numpy as np
from numba import njit

from .density import INVERSE_SPREAD, QUANTILE_BITS, SPREAD, TOTAL_BITS
from .interval import follow, narrow, target
from .symbols import LARGE, cumulative, frame, outlier_row, part_of, search

LOST = np.uint64(1 << 62)
"""The next word of a damaged stream: so far off that it cannot be used up exactly."""


@njit
def encode_channel_lanes(state, step, of, predicted_mean, log2_scale, outlier_weight, codes):
    """Write the codes of the lanes of thread `of` that are longer than `step`."""
    length, edges, mixture, words, interval = state.length, state.edges, state.mixture, state.words, state.interval
    size, code_bits = state.size[of], state.width[of]
    low, width, at = interval[of, 0], interval[of, 1], interval[of, 2]
    for lane in range(np.uint64(state.first_lane[of]), np.uint64(state.first_lane[of + 1])):
        if length[lane] <= step:
            continue
        code = np.int64(codes[lane])
        below, above, symbol, low_bits = part_of(
            code, predicted_mean[lane], log2_scale[lane], outlier_weight[lane], size, LARGE, edges, mixture
        )
        low, width, at = narrow(words, low, width, at, below, above - below, TOTAL_BITS)
        if symbol == 0:
            low, width, at = narrow(words, low, width, at, code, 1, code_bits)
        elif low_bits:
            low, width, at = narrow(words, low, width, at, code & ((1 << low_bits) - 1), 1, low_bits)
    interval[of, 0], interval[of, 1], interval[of, 2] = low, width, at


@njit
def decode_channel_lanes(state, step, of, predicted_mean, log2_scale, outlier_weight, codes):
    """Fill in the codes of the lanes of thread `of` that are longer than `step`."""
    length, edges, mixture, quantiles = state.length, state.edges, state.mixture, state.quantile
    words, interval = state.words, state.interval
    size, code_bits, end = state.size[of], state.width[of], state.end[of]
    offset, width, at = interval[of, 0], interval[of, 1], interval[of, 2]
    for lane in range(np.uint64(state.first_lane[of]), np.uint64(state.first_lane[of + 1])):
        if length[lane] <= step:
            continue
        low_bits, scale_index, middle, symbols, origin = frame(predicted_mean[lane], log2_scale[lane], size)
        inverse, likely = INVERSE_SPREAD[scale_index], outlier_row(outlier_weight[lane])
        aim = target(offset, width, TOTAL_BITS)
        away = np.int64(quantiles[likely, np.uint64(aim) >> np.uint64(TOTAL_BITS - QUANTILE_BITS)])
        symbol = ((middle + (away * SPREAD[scale_index] >> 16) + 32) >> 6) - origin
        symbol = min(max(symbol, 0), symbols - 1)
        below = cumulative(symbol, symbols, origin, LARGE, edges, middle, inverse, likely, mixture)
        above = cumulative(symbol + 1, symbols, origin, LARGE, edges, middle, inverse, likely, mixture)
        symbol, below, above = search(
            aim, symbol, below, above, symbols, origin, LARGE, edges, middle, inverse, likely, mixture
        )
        offset, width, at = follow(words, end, offset, width, at, below, above - below, TOTAL_BITS)
        if symbol == 0:
            code = target(offset, width, code_bits)
            offset, width, at = follow(words, end, offset, width, at, code, 1, code_bits)
        else:
            code = (origin + symbol) << low_bits
            if low_bits:
                rest = target(offset, width, low_bits)
                offset, width, at = follow(words, end, offset, width, at, rest, 1, low_bits)
                code |= rest
        if code < 0 or code >= size:
            code, at = np.int64(0), LOST  # damage: go on with some code, and be found out at the end
        codes[lane] = code
    interval[of, 0], interval[of, 1], interval[of, 2] = offset, width, at
