"""Range coding with small alphabets, of up to 4096 codes: kernels of both directions; see `symbols` and `interval`.

A processor looks about three hundred instructions ahead, which is about two lanes. Work that does not depend on the
symbol before is therefore separated from work that does: an encoder finds the parts of all lanes first; a decoder,
which has to know a channel's code to find the next one, takes one lane of each of several channels at a time.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit

from .density import INVERSE_SCALE, QUANTILE_BITS, SCALE, TOTAL_BITS
from .interval import follow, narrow, target
from .symbols import MAX_SMALL_ALPHABET, cumulative, outlier_row, scale_index_of, search

AT_ONCE = 8
"""Channels that a decoder takes at a time."""

_NEAR_BITS = 3  # a decoder's first guess is tabulated every 2**-3 codes
_NEAR = MAX_SMALL_ALPHABET << _NEAR_BITS


def codes_near(edges: np.ndarray) -> np.ndarray:
    """Return by value >> 3 the code whose bin holds it, for each row of `edges`.

    The result is int16 of shape (rows, 8 * MAX_SMALL_ALPHABET).
    """
    return _codes_near(edges.dtype, edges.shape, edges.tobytes())


@lru_cache(maxsize=4)
def _codes_near(dtype: np.dtype, shape: tuple[int, ...], edges: bytes) -> np.ndarray:
    # cached, since what is coded may be short, and there are only as many sets of edges as models
    rows = np.frombuffer(edges, dtype).reshape(shape)
    values = (np.arange(_NEAR) << (6 - _NEAR_BITS)) + (1 << (5 - _NEAR_BITS))
    codes = [np.searchsorted(row, values, "right") - 1 for row in rows]
    return np.clip(codes, 0, MAX_SMALL_ALPHABET - 1).astype(np.int16)


@njit
def encode_channels(state, step, first_channel, stop_channel, predicted_mean, log2_scale, outlier_weight, codes):
    """Write the codes of the lanes of some channels that are longer than `step`."""
    first_lane, length, sizes, kinds, part = state.first_lane, state.length, state.size, state.kind, state.part
    edges, mixture, words, interval = state.edges, state.mixture, state.words, state.interval
    for channel in range(first_channel, stop_channel):
        first, stop = np.uint64(first_lane[channel]), np.uint64(first_lane[channel + 1])
        size, kind = sizes[channel], kinds[channel]
        for lane in range(first, stop):
            code, mean = np.int64(codes[lane]), np.int64(predicted_mean[lane])
            inverse, outlier = INVERSE_SCALE[scale_index_of(log2_scale[lane])], outlier_row(outlier_weight[lane])
            below = cumulative(code, size, 0, kind, edges, mean, inverse, outlier, mixture)
            above = cumulative(code + 1, size, 0, kind, edges, mean, inverse, outlier, mixture)
            part[0, lane] = below
            part[1, lane] = above - below
        low, width, at = interval[channel, 0], interval[channel, 1], interval[channel, 2]
        for lane in range(first, stop):
            if length[lane] > step:
                low, width, at = narrow(words, low, width, at, part[0, lane], part[1, lane], TOTAL_BITS)
        interval[channel, 0], interval[channel, 1], interval[channel, 2] = low, width, at


@njit
def decode_channels(state, step, first_channel, stop_channel, predicted_mean, log2_scale, outlier_weight, codes):
    """Fill in the codes of the lanes of up to AT_ONCE channels that are longer than `step`."""
    first_lane, length = state.first_lane, state.length
    lanes, channels, targets, guesses = state.turn_lane, state.turn_channel, state.turn_target, state.turn_guess
    sizes, kinds, edges, near, mixture = state.size, state.kind, state.edges, state.near, state.mixture
    quantiles, words, interval, end = state.quantile, state.words, state.interval, state.end
    most = np.int64(0)
    for channel in range(first_channel, stop_channel):
        most = max(most, first_lane[channel + 1] - first_lane[channel])
    for rank in range(most):
        n = np.uint64(0)
        for channel in range(first_channel, stop_channel):
            lane = first_lane[channel] + rank
            if lane < first_lane[channel + 1] and length[np.uint64(lane)] > step:
                lanes[n], channels[n] = lane, channel
                n += np.uint64(1)
        for i in range(n):
            lane, channel = lanes[i], channels[i]
            goal = target(interval[channel, 0], interval[channel, 1], TOTAL_BITS)
            outlier = outlier_row(outlier_weight[lane])
            distance = np.int64(quantiles[outlier, np.uint64(goal) >> np.uint64(TOTAL_BITS - QUANTILE_BITS)])
            value = np.int64(predicted_mean[lane]) + (distance * SCALE[scale_index_of(log2_scale[lane])] >> 16)
            cell = np.uint64(min(max(value >> (6 - _NEAR_BITS), 0), _NEAR - 1))
            targets[i] = goal
            guesses[i] = min(np.int64(near[np.uint64(kinds[channel]), cell]), sizes[channel] - 1)
        for i in range(n):
            lane, channel = lanes[i], channels[i]
            size, kind, goal, code = sizes[channel], kinds[channel], targets[i], guesses[i]
            mean, outlier = np.int64(predicted_mean[lane]), outlier_row(outlier_weight[lane])
            inverse = INVERSE_SCALE[scale_index_of(log2_scale[lane])]
            below = cumulative(code, size, 0, kind, edges, mean, inverse, outlier, mixture)
            above = cumulative(code + 1, size, 0, kind, edges, mean, inverse, outlier, mixture)
            if below > goal or above <= goal:
                code, below, above = search(
                    goal, code, below, above, size, 0, kind, edges, mean, inverse, outlier, mixture
                )
            codes[lane] = code
            interval[channel, 0], interval[channel, 1], interval[channel, 2] = follow(
                words,
                end[channel],
                interval[channel, 0],
                interval[channel, 1],
                interval[channel, 2],
                below,
                above - below,
                TOTAL_BITS,
            )
