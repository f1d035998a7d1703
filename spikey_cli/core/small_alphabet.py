"""Range coding on listed grids, of up to 4096 codes: the kernels of both directions; see `symbols` and `interval`.

A processor looks some three hundred instructions ahead, about two lanes. So what need not wait for the symbol before is
done apart from what must: an encoder finds the parts of all lanes first, and a decoder, which must know a thread's code
to find where the next one begins, takes a lane of each of several threads at a time.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit

from .density import INVERSE_SPREAD, QUANTILE_BITS, SPREAD, TOTAL_BITS
from .interval import follow, narrow, target
from .symbols import MAX_SMALL_ALPHABET, cumulative, outlier_row, scale_index_of, search

AT_ONCE = 8
"""Threads that a decoder takes at a time."""

_NEAR_BITS = 3  # a decoder's first guess is listed for every 2**-3 codes
_NEAR = MAX_SMALL_ALPHABET << _NEAR_BITS


def codes_near(edges: np.ndarray) -> np.ndarray:
    """By value >> 3, the code whose bin holds it, for each row of `edges`: int16 of shape (rows, 8 * LISTED)."""
    return _codes_near(edges.dtype, edges.shape, edges.tobytes())


@lru_cache(maxsize=4)
def _codes_near(dtype: np.dtype, shape: tuple[int, ...], edges: bytes) -> np.ndarray:
    # there are as many sets of edges as models, and what is coded may be short
    rows = np.frombuffer(edges, dtype).reshape(shape)
    values = (np.arange(_NEAR) << (6 - _NEAR_BITS)) + (1 << (5 - _NEAR_BITS))
    codes = [np.searchsorted(row, values, "right") - 1 for row in rows]
    return np.clip(codes, 0, MAX_SMALL_ALPHABET - 1).astype(np.int16)


@njit
def encode_channels(state, step, first_channel, stop_channel, predicted_mean, log2_scale, outlier_weight, codes):
    """Write the codes of the lanes of some threads, those that are longer than `step`."""
    first_lane, length, sizes, kinds, part = state.first_lane, state.length, state.size, state.kind, state.part
    edges, mixture, words, interval = state.edges, state.mixture, state.words, state.interval
    for of in range(first_channel, stop_channel):
        first, stop = np.uint64(first_lane[of]), np.uint64(first_lane[of + 1])
        size, kind = sizes[of], kinds[of]
        for lane in range(first, stop):
            code, middle = np.int64(codes[lane]), np.int64(predicted_mean[lane])
            inverse, likely = INVERSE_SPREAD[scale_index_of(log2_scale[lane])], outlier_row(outlier_weight[lane])
            below = cumulative(code, size, 0, kind, edges, middle, inverse, likely, mixture)
            above = cumulative(code + 1, size, 0, kind, edges, middle, inverse, likely, mixture)
            part[0, lane] = below
            part[1, lane] = above - below
        low, width, at = interval[of, 0], interval[of, 1], interval[of, 2]
        for lane in range(first, stop):
            if length[lane] > step:
                low, width, at = narrow(words, low, width, at, part[0, lane], part[1, lane], TOTAL_BITS)
        interval[of, 0], interval[of, 1], interval[of, 2] = low, width, at


@njit
def decode_channels(state, step, first_channel, stop_channel, predicted_mean, log2_scale, outlier_weight, codes):
    """Fill in the codes of the lanes of up to AT_ONCE threads, those that are longer than `step`."""
    first_lane, length = state.first_lane, state.length
    lanes, channels, aims, guesses = state.turn_lane, state.turn_channel, state.turn_aim, state.turn_guess
    sizes, kinds, edges, near, mixture = state.size, state.kind, state.edges, state.near, state.mixture
    quantiles, words, interval, end = state.quantile, state.words, state.interval, state.end
    most = np.int64(0)
    for of in range(first_channel, stop_channel):
        most = max(most, first_lane[of + 1] - first_lane[of])
    for rank in range(most):
        n = np.uint64(0)
        for of in range(first_channel, stop_channel):
            lane = first_lane[of] + rank
            if lane < first_lane[of + 1] and length[np.uint64(lane)] > step:
                lanes[n], channels[n] = lane, of
                n += np.uint64(1)
        for i in range(n):
            lane, of = lanes[i], channels[i]
            aim = target(interval[of, 0], interval[of, 1], TOTAL_BITS)
            likely = outlier_row(outlier_weight[lane])
            away = np.int64(quantiles[likely, np.uint64(aim) >> np.uint64(TOTAL_BITS - QUANTILE_BITS)])
            value = np.int64(predicted_mean[lane]) + (away * SPREAD[scale_index_of(log2_scale[lane])] >> 16)
            place = np.uint64(min(max(value >> (6 - _NEAR_BITS), 0), _NEAR - 1))
            aims[i] = aim
            guesses[i] = min(np.int64(near[np.uint64(kinds[of]), place]), sizes[of] - 1)
        for i in range(n):
            lane, of = lanes[i], channels[i]
            size, kind, aim, code = sizes[of], kinds[of], aims[i], guesses[i]
            middle, likely = np.int64(predicted_mean[lane]), outlier_row(outlier_weight[lane])
            inverse = INVERSE_SPREAD[scale_index_of(log2_scale[lane])]
            below = cumulative(code, size, 0, kind, edges, middle, inverse, likely, mixture)
            above = cumulative(code + 1, size, 0, kind, edges, middle, inverse, likely, mixture)
            if below > aim or above <= aim:
                code, below, above = search(
                    aim, code, below, above, size, 0, kind, edges, middle, inverse, likely, mixture
                )
            codes[lane] = code
            interval[of, 0], interval[of, 1], interval[of, 2] = follow(
                words, end[of], interval[of, 0], interval[of, 1], interval[of, 2], below, above - below, TOTAL_BITS
            )
