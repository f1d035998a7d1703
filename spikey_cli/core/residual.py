"""Ranks first, bits later: for coders whose streams do not depend on the predicted scale.

The encoder's walk collects the rank of every code around its centre (see `ranks`), and a whole thread's ranks are then
packed at once; the decoder unpacks them first, and its walk takes them. A thread's ranks are in the order of time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from numba import njit

from .converter import Bins
from .lanes import Lanes
from .ranks import code_from_rank, origin, rank_from_code


class ResidualState(NamedTuple):
    """What the kernels of both directions take. Of each lane: thread, length, place of its first rank; of each thread:
    size, profiled, whether it is damaged; the bins' edges and values; the ranks of all samples.
    """

    channel: np.ndarray
    length: np.ndarray
    start: np.ndarray
    size: np.ndarray
    profiled: np.ndarray
    edges: np.ndarray
    values: np.ndarray
    ranks: np.ndarray
    damaged: np.ndarray


@njit
def encode_lanes(state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes):
    """Collect the ranks of the lanes from `first` to `stop`; see `spikey_cli.core.coders`."""
    channel, length, start, size, profiled, edges, values, ranks, _ = state
    for lane in range(first, stop):
        if length[lane] > step:
            of = channel[lane]
            nearest, upwards = origin(np.int64(predicted_mean[lane]), profiled[of], edges, values)
            rank = rank_from_code(np.int64(codes[lane]), nearest, upwards, size[of])
            ranks[start[lane] + step - 1] = rank


@njit
def decode_lanes(state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes):
    """Fill in the codes of the lanes from `first` to `stop`; see `spikey_cli.core.coders`."""
    channel, length, start, size, profiled, edges, values, ranks, damaged = state
    for lane in range(first, stop):
        if length[lane] > step:
            of = channel[lane]
            nearest, upwards = origin(np.int64(predicted_mean[lane]), profiled[of], edges, values)
            rank = np.int64(ranks[start[lane] + step - 1])
            if rank < 0 or rank >= size[of]:
                rank = np.int64(0)
                damaged[of] = True
            codes[lane] = code_from_rank(rank, nearest, upwards, size[of])


def _state(lanes: Lanes, bins: Bins) -> tuple[ResidualState, np.ndarray]:
    """State of lanes on these bins, and where each thread's ranks begin and end: one for each but its lanes' first."""
    ends = np.cumsum(lanes.length - 1, dtype=np.int64)
    state = ResidualState(
        lanes.channel,
        lanes.length,
        ends - lanes.length + 1,
        bins.size,
        bins.profiled,
        bins.edges,
        bins.values,
        np.zeros(int(ends[-1]), dtype=np.int32),
        np.zeros(lanes.n_channels, dtype=np.bool_),
    )
    return state, np.concatenate([[0], ends])[lanes.first_of_channels()]


class ResidualEncoder(ABC):
    """Writes the codes of a group of lanes; see `spikey_cli.core.coders` for the contract."""

    fills_codes = False

    def __init__(self, lanes: Lanes, bins: Bins) -> None:
        self.state, self._ends = _state(lanes, bins)

    def finish(self) -> list[bytes]:
        """The finished stream of every thread."""
        return [
            self.pack(self.state.ranks[a:b], int(size))
            for a, b, size in zip(self._ends[:-1], self._ends[1:], self.state.size, strict=True)
        ]

    @staticmethod
    @abstractmethod
    def pack(ranks: np.ndarray, size: int) -> bytes:
        """Pack a thread's ranks, int32 in 0..size-1."""


class ResidualDecoder(ABC):
    """Reads what the encoder of the same coder wrote, in the same walk."""

    fills_codes = True

    def __init__(self, lanes: Lanes, bins: Bins, streams: list[bytes]) -> None:
        self.state, ends = _state(lanes, bins)
        for channel, (a, b, size) in enumerate(zip(ends[:-1], ends[1:], bins.size, strict=True)):
            ranks = self.unpack(streams[channel], int(b - a), int(size))
            if ranks is None:
                self.state.damaged[channel] = True
            else:
                self.state.ranks[a:b] = ranks

    def finish(self) -> np.ndarray:
        """Which threads' streams were whole, as bool of shape (threads,)."""
        return ~self.state.damaged

    @staticmethod
    @abstractmethod
    def unpack(stream: bytes, n: int, size: int) -> np.ndarray | None:
        """The reverse of `pack` for `n` ranks, int32 and not negative; None where `stream` holds no such ranks."""
