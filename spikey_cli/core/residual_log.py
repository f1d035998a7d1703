"""Residual log: what was predicted of each sample, and what its true code costs under that prediction.

The core fills the log in on request while it codes, so it holds the predictions that an archive is written with.
For every sample but the first of each lane:

    mass                part of 2**24 that the symbol takes under the predicted density, as the coder `range` uses it
    raw_bits            bits coded apart from the symbol (0 for quantizers of up to 4096 codes)
    residual            value minus the predicted mean, in 1/64 codes
    corrected           the same in 1/UNIT of the predicted scale, clipped to 16 bits
    normalised_error    value minus the network's own mean, in 1/UNIT of the network's scale, clipped to 16 bits; 0
                        while its window is not full

The ideal length of a code is 24 - log2(mass) + raw_bits bits.

References
----------
C. E. Shannon, "A mathematical theory of communication", Bell System Technical Journal 27, 1948.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .lanes import Lanes

UNIT = 256
"""A normalised error of one predicted scale."""


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


class ResidualLog:
    """Log of a group of lanes."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        n_samples = int(lanes.length.sum(dtype=np.int64))
        dtypes = (np.int32, np.uint8, np.int32, np.int16, np.int16)
        self.arrays = tuple(np.zeros(n_samples, dtype=dtype) for dtype in dtypes)
        """The fields of `ChannelLog` after `step`, of all lanes, for the core to fill in."""

    def channels(self) -> list[ChannelLog]:
        """Return the log of each channel."""
        lanes = self._lanes
        step = (np.arange(self.arrays[0].size) - np.repeat(lanes.start, lanes.length)).astype(np.int32)
        recorded = (step, *self.arrays)
        ends = np.cumsum(lanes.samples_of_channels())
        return [ChannelLog(*(array[a:b] for array in recorded)) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
