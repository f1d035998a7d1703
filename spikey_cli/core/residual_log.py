"""Residual log: what was predicted of each sample, and what its true code costs under that prediction.

`coding_step` fills the log in on request while it codes, so it holds the predictions that an archive is written with.
For every sample but the first of each lane:

    mass                part of 2**24 that the symbol takes under the predicted density, as the coder `range` uses it
    raw_bits            bits coded apart from the symbol (0 for quantizers of up to 4096 codes)
    residual            value minus the predicted mean, in 1/64 codes
    corrected           the same in 1/UNIT of the predicted scale (see `adaptation`), clipped to 16 bits
    normalised_error    value minus the network's own mean, in 1/UNIT of the network's scale, clipped to 16 bits; 0 in
                        naive deltas

The ideal length of a code is 24 - log2(mass) + raw_bits bits.

References
----------
C. E. Shannon, "A mathematical theory of communication", Bell System Technical Journal 27, 1948.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .converter import Bins, value_of
from .density import INVERSE_SCALE, MAX_LOG2_SCALE, MIN_LOG2_SCALE, MIXTURE
from .lanes import Lanes, cut
from .packed import code_widths
from .symbols import LARGE, PROFILED, edge_rows, kinds_of, part_of

_LIMIT = 32767


class ResidualLogState(NamedTuple):
    """Arrays of a residual log as kernels take them."""

    # of each lane
    channel: np.ndarray
    length: np.ndarray
    start: np.ndarray
    # of each channel
    size: np.ndarray
    width: np.ndarray
    kind: np.ndarray
    # tables
    edges: np.ndarray
    values: np.ndarray
    mixture: np.ndarray
    # of each sample, flat
    mass: np.ndarray
    raw_bits: np.ndarray
    residual: np.ndarray
    corrected: np.ndarray
    normalised_error: np.ndarray


@njit(inline="always")
def _in_scales(distance, log2_scale):
    """A distance in 1/64 codes, in 1/UNIT of this scale."""
    scale_index = np.uint64(min(max(np.int64(log2_scale), MIN_LOG2_SCALE), MAX_LOG2_SCALE) - MIN_LOG2_SCALE)
    return min(max(distance * INVERSE_SCALE[scale_index] >> 21, -_LIMIT), _LIMIT)


@njit
def record_lanes(state, step, first, stop, naive, adaptive, codes):
    """Record `step` of the lanes `first` to `stop` - 1; `adaptive` is an `AdaptiveState` after `predict`."""
    channels, length, start, sizes, widths, kinds, edges, values, mixture = state[:9]
    mass, raw_bits, residual, corrected, normalised_error = state[9:]
    predicted_mean, log2_scale, outlier_weight = adaptive.predicted_mean, adaptive.log2_scale, adaptive.outlier_weight
    network_mean, scale_index = adaptive.network_mean, adaptive.scale_index
    for lane in range(np.uint64(first), np.uint64(stop)):
        if length[lane] <= step:
            continue
        channel = np.uint64(channels[lane])
        sample = start[lane] + step
        code = np.int64(codes[lane])
        size, kind = sizes[channel], kinds[channel]
        below, above, symbol, low_bits = part_of(
            code, predicted_mean[lane], log2_scale[lane], outlier_weight[lane], size, kind, edges, mixture
        )
        mass[sample] = above - below
        if kind == LARGE:
            raw_bits[sample] = widths[channel] if symbol == 0 else low_bits
        value = value_of(code, kind == PROFILED, values)
        residual[sample] = value - predicted_mean[lane]
        corrected[sample] = _in_scales(value - predicted_mean[lane], log2_scale[lane])
        if not naive:
            normalised_error[sample] = _in_scales(value - network_mean[lane], scale_index[lane] + MIN_LOG2_SCALE)


class ChannelLog(NamedTuple):
    """Log of one channel: arrays of shape (samples,); all but `step` are 0 at the first sample of a lane."""

    step: np.ndarray
    """Position of each sample in its lane, int32; the network predicts those after its window."""
    mass: np.ndarray
    """int32"""
    raw_bits: np.ndarray
    """uint8"""
    residual: np.ndarray
    """int32, in 1/64 codes."""
    corrected: np.ndarray
    """int16, in 1/UNIT of the predicted scale."""
    normalised_error: np.ndarray
    """int16, in 1/UNIT of the network's scale."""

    def bits(self) -> float:
        """Ideal length in bits of all codes but the first of each lane."""
        coded = self.mass > 0
        return float(np.sum(24 - np.log2(self.mass[coded])) + np.sum(self.raw_bits, dtype=np.int64))


def _state(lanes: Lanes, bins: Bins, n_samples: int) -> ResidualLogState:
    return ResidualLogState(
        channel=lanes.channel,
        length=lanes.length,
        start=lanes.start,
        size=bins.size,
        width=code_widths(bins.size),
        kind=kinds_of(bins),
        edges=edge_rows(bins),
        values=bins.values,
        mixture=MIXTURE,
        mass=np.zeros(n_samples, dtype=np.int32),
        raw_bits=np.zeros(n_samples, dtype=np.uint8),
        residual=np.zeros(n_samples, dtype=np.int32),
        corrected=np.zeros(n_samples, dtype=np.int16),
        normalised_error=np.zeros(n_samples, dtype=np.int16),
    )


class ResidualLog:
    """Log of a group of lanes."""

    def __init__(self, lanes: Lanes, bins: Bins) -> None:
        self._lanes = lanes
        self.state = _state(lanes, bins, int(lanes.length.sum(dtype=np.int64)))
        """Arrays for `coding_step.take_steps` to fill in."""

    def channels(self) -> list[ChannelLog]:
        """Return the log of each channel."""
        lanes = self._lanes
        step = (np.arange(self.state.mass.size) - np.repeat(lanes.start, lanes.length)).astype(np.int32)
        recorded = (step, *self.state[9:])
        ends = np.cumsum(lanes.samples_of_channels())
        return [ChannelLog(*(array[a:b] for array in recorded)) for a, b in zip([0, *ends[:-1]], ends, strict=True)]


NO_LOG = _state(cut([], 1), Bins.of([], None), 0)
"""Stands for no log: nothing is recorded."""
