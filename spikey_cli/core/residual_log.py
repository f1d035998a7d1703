"""The ledger: what a walk predicted of each sample, and what the true code costs under it, noted instead of coded.

It takes the walk as an encoder does, so what it notes are the predictions that an archive is written with. Of every
sample but the first of each lane:

    mass         part of 2**24 that its symbol takes under the predicted density, as `--coder range` has it
    rest         bits that stand apart from the symbol (0 on grids of up to 4096 codes)
    residual     value less the corrected centre, in 1/64 codes
    corrected    the same, UNIT to one predicted spread, clipped to 16 bits
    innovation   value less the network's own centre, UNIT to one spread of the network's, clipped to 16 bits: what is
                 left before the thread's own errors and its peers correct it; 0 in naive deltas

so the ideal length of a code is 24 - log2(mass) + rest bits (C. E. Shannon, "A mathematical theory of communication",
1948).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .converter import Bins, value_of
from .density import INVERSE_SPREAD, MAX_LOG2_SCALE, MIN_LOG2_SCALE, MIXTURE
from .lanes import Lanes
from .packed import code_widths
from .symbols import LARGE, PROFILED, edge_rows, kinds_of, part_of

UNIT = 256
"""One spread in `corrected` and `normalised_error`."""

_LIMIT = 32767


class ResidualLogState(NamedTuple):
    """What the kernel takes. Of each lane: thread, length, start; of each thread: size, width, kind; the bins'
    edges and values, the table of `density`; and of all samples, flat, what is noted.
    """

    channel: np.ndarray
    length: np.ndarray
    start: np.ndarray
    size: np.ndarray
    width: np.ndarray
    kind: np.ndarray
    edges: np.ndarray
    values: np.ndarray
    mixture: np.ndarray
    mass: np.ndarray
    rest: np.ndarray
    residual: np.ndarray
    corrected: np.ndarray
    normalised_error: np.ndarray


@njit(inline="always")
def _in_spreads(away, log2_scale):
    """A distance in 1/64 codes, UNIT to one spread of this scale."""
    scale_index = np.uint64(min(max(np.int64(log2_scale), MIN_LOG2_SCALE), MAX_LOG2_SCALE) - MIN_LOG2_SCALE)
    return min(max(away * INVERSE_SPREAD[scale_index] >> 21, -_LIMIT), _LIMIT)


@njit
def record_lanes(state, step, first, stop, naive, adaptive, codes):
    """Record `step` of the lanes from `first` to `stop`; `adaptive` is an `AdaptiveState` after `predict`."""
    channel, length, start, sizes, widths, kinds, edges, values, mixture = state[:9]
    mass, rest, residual, corrected, normalised_error = state[9:]
    predicted_mean, log2_scale, outlier_weight = adaptive.predicted_mean, adaptive.log2_scale, adaptive.outlier_weight
    network_mean, scale_index = adaptive.network_mean, adaptive.scale_index
    for lane in range(np.uint64(first), np.uint64(stop)):
        if length[lane] <= step:
            continue
        of = np.uint64(channel[lane])
        at = start[lane] + step
        code = np.int64(codes[lane])
        size, kind = sizes[of], kinds[of]
        below, above, symbol, low_bits = part_of(
            code, predicted_mean[lane], log2_scale[lane], outlier_weight[lane], size, kind, edges, mixture
        )
        mass[at] = above - below
        if kind == LARGE:
            rest[at] = widths[of] if symbol == 0 else low_bits
        value = value_of(code, kind == PROFILED, values)
        residual[at] = value - predicted_mean[lane]
        corrected[at] = _in_spreads(value - predicted_mean[lane], log2_scale[lane])
        if not naive:
            normalised_error[at] = _in_spreads(value - network_mean[lane], scale_index[lane] + MIN_LOG2_SCALE)


class ChannelLog(NamedTuple):
    """What was noted of one thread: arrays of shape (samples,); all but `step` are 0 at the first sample of a lane."""

    step: np.ndarray
    """Place of each sample in its lane, int32: the network predicts those beyond its window."""
    mass: np.ndarray
    """int32"""
    rest: np.ndarray
    """uint8"""
    residual: np.ndarray
    """int32, 1/64 codes"""
    corrected: np.ndarray
    """int16, 1/UNIT predicted spreads"""
    normalised_error: np.ndarray
    """int16, 1/UNIT spreads of the network's"""

    def bits(self) -> float:
        """Ideal length of all codes but the lanes' first, in bits."""
        coded = self.mass > 0
        return float(np.sum(24 - np.log2(self.mass[coded])) + np.sum(self.rest, dtype=np.int64))


class ResidualLog:
    """Notes a walk, in the place of an encoder."""

    fills_codes = False

    def __init__(self, lanes: Lanes, bins: Bins) -> None:
        n = int(lanes.length.sum(dtype=np.int64))
        self._lanes = lanes
        self.state = ResidualLogState(
            lanes.channel,
            lanes.length,
            lanes.start,
            bins.size,
            code_widths(bins.size),
            kinds_of(bins),
            edge_rows(bins),
            bins.values,
            MIXTURE,
            np.zeros(n, dtype=np.int32),
            np.zeros(n, dtype=np.uint8),
            np.zeros(n, dtype=np.int32),
            np.zeros(n, dtype=np.int16),
            np.zeros(n, dtype=np.int16),
        )

    def pages(self) -> list[ChannelLog]:
        """What was noted of each thread."""
        step = (np.arange(self.state.mass.size) - np.repeat(self._lanes.start, self._lanes.length)).astype(np.int32)
        noted = (step, *self.state[9:])
        ends = np.cumsum(self._lanes.samples_of_channels())
        return [ChannelLog(*(array[a:b] for array in noted)) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
