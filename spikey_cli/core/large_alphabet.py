"""Range coding with large alphabets, of more than 4096 codes: kernels of both directions; see `symbols`, `interval`."""

from __future__ import annotations

import numpy as np
from numba import njit

from .density import INVERSE_SCALE, QUANTILE_BITS, SCALE, TOTAL_BITS
from .interval import follow, narrow, target
from .symbols import LARGE, cumulative, frame, outlier_row, part_of, search

DAMAGED = np.uint64(1 << 62)
"""Next word of a damaged stream: beyond any stream's end, so `finish` finds that it was not used up exactly."""


@njit
def encode_channel(state, step, channel, predicted_mean, log2_scale, outlier_weight, codes):
    """Write the codes of the lanes of `channel` that are longer than `step`."""
    length, edges, mixture, words, interval = state.length, state.edges, state.mixture, state.words, state.interval
    size, code_bits = state.size[channel], state.width[channel]
    low, width, at = interval[channel, 0], interval[channel, 1], interval[channel, 2]
    for lane in range(np.uint64(state.first_lane[channel]), np.uint64(state.first_lane[channel + 1])):
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
    interval[channel, 0], interval[channel, 1], interval[channel, 2] = low, width, at


@njit
def decode_channel(state, step, channel, predicted_mean, log2_scale, outlier_weight, codes):
    """Fill in the codes of the lanes of `channel` that are longer than `step`."""
    length, edges, mixture, quantiles = state.length, state.edges, state.mixture, state.quantile
    words, interval = state.words, state.interval
    size, code_bits, end = state.size[channel], state.width[channel], state.end[channel]
    offset, width, at = interval[channel, 0], interval[channel, 1], interval[channel, 2]
    for lane in range(np.uint64(state.first_lane[channel]), np.uint64(state.first_lane[channel + 1])):
        if length[lane] <= step:
            continue
        low_bits, scale_index, mean, symbols, origin = frame(predicted_mean[lane], log2_scale[lane], size)
        inverse, outlier = INVERSE_SCALE[scale_index], outlier_row(outlier_weight[lane])
        goal = target(offset, width, TOTAL_BITS)
        distance = np.int64(quantiles[outlier, np.uint64(goal) >> np.uint64(TOTAL_BITS - QUANTILE_BITS)])
        symbol = ((mean + (distance * SCALE[scale_index] >> 16) + 32) >> 6) - origin
        symbol = min(max(symbol, 0), symbols - 1)
        below = cumulative(symbol, symbols, origin, LARGE, edges, mean, inverse, outlier, mixture)
        above = cumulative(symbol + 1, symbols, origin, LARGE, edges, mean, inverse, outlier, mixture)
        symbol, below, above = search(
            goal, symbol, below, above, symbols, origin, LARGE, edges, mean, inverse, outlier, mixture
        )
        offset, width, at = follow(words, end, offset, width, at, below, above - below, TOTAL_BITS)
        if symbol == 0:
            code = target(offset, width, code_bits)
            offset, width, at = follow(words, end, offset, width, at, code, 1, code_bits)
        else:
            code = (origin + symbol) << low_bits
            if low_bits:
                low = target(offset, width, low_bits)
                offset, width, at = follow(words, end, offset, width, at, low, 1, low_bits)
                code |= low
        if code < 0 or code >= size:
            code, at = np.int64(0), DAMAGED  # damage: go on with some code; `finish` reports it
        codes[lane] = code
    interval[channel, 0], interval[channel, 1], interval[channel, 2] = offset, width, at
