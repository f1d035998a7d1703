"""Lanes: threads cut into segments that walk forward together.

A thread of n codes in a block of `steps` steps becomes ceil(n / steps) lanes. They follow one another in the thread,
and their lengths differ by one at most, the longer ones first:

    thread 0   |--- lane 0 ---|--- lane 1 ---|-- lane 2 --|
    thread 1   |------- lane 3 -------|
    step         0 1 2 3 ...

At step t, sample t of every lane that is longer than t is coded. A lane depends on nothing before its own start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .kernel import kernel


@dataclass(frozen=True)
class Lanes:
    """Where each lane lies in the flat array that holds the codes of a group of threads, thread after thread.

    All arrays have shape (lanes,), in thread order: `channel` int32 indexes the group's threads, `start` int64 the flat
    array, `length` int32 counts samples.
    """

    channel: np.ndarray
    start: np.ndarray
    length: np.ndarray
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
        """The first lane of each thread, then the number of lanes: int64 of shape (threads + 1,)."""
        return np.searchsorted(self.channel, np.arange(self.n_channels + 1))

    def samples_of_channels(self) -> np.ndarray:
        """Samples of each thread, int64 of shape (threads,)."""
        samples = np.zeros(self.n_channels, dtype=np.int64)
        np.add.at(samples, self.channel, self.length)
        return samples


def cut(channel_lengths: Sequence[int], steps: int) -> Lanes:
    """Cut threads of the given lengths (samples, each >= 1) into lanes of at most `steps` samples."""
    lengths = np.asarray(channel_lengths, dtype=np.int64)
    count = -(-lengths // steps)
    channel = np.repeat(np.arange(lengths.size, dtype=np.int32), count)
    rank_in_channel = np.arange(channel.size) - np.repeat(np.cumsum(count) - count, count)
    base, longer = np.divmod(lengths, count)
    length = base[channel] + (rank_in_channel < longer[channel])
    start = np.cumsum(length) - length
    return Lanes(channel, start, length.astype(np.int32), lengths.size)


_LANES_AT_ONCE = 16
"""Lanes that are copied side by side: a row of so many is as long as a line of the cache."""


@kernel
def gather(codes, start, length, first_step, tile):
    """Copy steps `first_step`... of every lane from the flat `codes` into `tile`, int32 of shape (steps, lanes)."""
    for first in range(0, tile.shape[1], _LANES_AT_ONCE):
        stop = min(first + _LANES_AT_ONCE, tile.shape[1])
        for i in range(tile.shape[0]):
            for lane in range(first, stop):
                if first_step + i < length[lane]:
                    tile[i, lane] = codes[start[lane] + first_step + i]


@kernel
def scatter(codes, start, length, first_step, tile):
    """The reverse of `gather`: copy `tile` to its places in the flat `codes`."""
    for lane in range(tile.shape[1]):
        at = start[lane] + first_step
        for i in range(min(tile.shape[0], length[lane] - first_step)):
            codes[at + i] = tile[i, lane]
