"""Lanes: segments of channels that are coded side by side.

A channel of n codes in a block of `steps` steps is cut into ceil(n / steps) lanes. The lanes follow one another in the
channel; their lengths differ by at most one, the longer ones first:

    channel 0   |--- lane 0 ---|--- lane 1 ---|-- lane 2 --|
    channel 1   |------- lane 3 -------|
    step          0 1 2 3 ...

Step t codes sample t of every lane that is longer than t. A lane does not depend on samples before its start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Lanes:
    """Position of each lane in the flat array that holds the codes of a group of channels, channel after channel.

    The arrays have shape (lanes,), in the order of channels.
    """

    channel: np.ndarray
    """Index of the lane's channel in the group, int32."""
    start: np.ndarray
    """Position of its first sample in the flat array, int64."""
    length: np.ndarray
    """Its number of samples, int32."""
    n_channels: int

    @property
    def count(self) -> int:
        """Number of lanes."""
        return self.channel.size

    @cached_property
    def steps(self) -> int:
        """Length of the longest lane, in samples."""
        return int(self.length.max(initial=0))

    def first_of_channels(self) -> np.ndarray:
        """Return the first lane of each channel, then the number of lanes: int64 of shape (channels + 1,)."""
        return np.searchsorted(self.channel, np.arange(self.n_channels + 1))

    def samples_of_channels(self) -> np.ndarray:
        """Return the number of samples of each channel, int64 of shape (channels,)."""
        samples = np.zeros(self.n_channels, dtype=np.int64)
        np.add.at(samples, self.channel, self.length)
        return samples


def cut(channel_lengths: Sequence[int], steps: int) -> Lanes:
    """Cut channels of these lengths (samples, each >= 1) into lanes of at most `steps` samples."""
    lengths = np.asarray(channel_lengths, dtype=np.int64)
    count = -(-lengths // steps)
    channel = np.repeat(np.arange(lengths.size, dtype=np.int32), count)
    rank_in_channel = np.arange(channel.size) - np.repeat(np.cumsum(count) - count, count)
    base, longer = np.divmod(lengths, count)
    length = base[channel] + (rank_in_channel < longer[channel])
    start = np.cumsum(length) - length
    return Lanes(channel, start, length.astype(np.int32), lengths.size)
