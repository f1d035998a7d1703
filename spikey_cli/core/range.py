"""Range coding of codes under the density that was predicted: close to the ideal length, ADC and all.

The way of a code: `symbols` makes a symbol of it, and finds the part that it takes; `interval` narrows the thread's
interval to that part, and writes words. `listed` and `wide` are the kernels for the two kinds of grids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from . import large_alphabet, small_alphabet
from .converter import Bins
from .density import MIXTURE, QUANTILE
from .interval import FULL, SPARE_WORDS, close
from .kernel import kernel
from .lanes import Lanes
from .packed import code_widths
from .symbols import LARGE, MAX_SMALL_ALPHABET, edge_rows, kinds_of

_MAX_SYMBOL_BITS = 23  # MARGIN of 2**24 is 22 bits, and a hundredth is lost where the width is cut down to steps
_MAX_REST_BITS = 25


class RangeState(NamedTuple):
    """What the kernels of both directions take."""

    channel: np.ndarray
    length: np.ndarray
    """Of each lane."""
    first_lane: np.ndarray
    """The first lane of each thread, then the number of lanes."""
    size: np.ndarray
    width: np.ndarray
    kind: np.ndarray
    """Of each thread's grid: codes, bits that hold any code, and the kind; see `symbols`."""
    edges: np.ndarray
    near: np.ndarray
    mixture: np.ndarray
    quantile: np.ndarray
    """Tables of `symbols`, `listed` and `density`."""
    words: np.ndarray
    """The streams of all threads, uint32."""
    interval: np.ndarray
    """Of each thread: low end (in a decoder, offset), width, next word; uint64 of shape (threads, 3)."""
    end: np.ndarray
    """The word behind each stream; of no use to an encoder."""
    part: np.ndarray
    """An encoder's: the part that each lane's code takes, first and size; int32 of shape (2, lanes)."""
    turn_lane: np.ndarray
    turn_channel: np.ndarray
    turn_aim: np.ndarray
    turn_guess: np.ndarray
    """A decoder's: lanes that it decodes together, their threads, and what is known of their codes."""

    @classmethod
    def of(cls, lanes: Lanes, bins: Bins, words: np.ndarray, first: np.ndarray, end: np.ndarray) -> RangeState:
        """State of lanes on these bins, at the `first` word of each stream."""
        interval = np.zeros((lanes.n_channels, 3), dtype=np.uint64)
        interval[:, 1] = FULL
        interval[:, 2] = first
        edges = edge_rows(bins)
        return cls(
            lanes.channel,
            lanes.length,
            lanes.first_of_channels(),
            bins.size,
            code_widths(bins.size),
            kinds_of(bins),
            edges,
            small_alphabet.codes_near(edges),
            MIXTURE,
            QUANTILE,
            words,
            interval,
            end,
            np.zeros((2, lanes.count), dtype=np.int32),
            np.zeros(small_alphabet.AT_ONCE, dtype=np.uint64),
            np.zeros(small_alphabet.AT_ONCE, dtype=np.uint64),
            np.zeros(small_alphabet.AT_ONCE, dtype=np.int64),
            np.zeros(small_alphabet.AT_ONCE, dtype=np.int64),
        )


@njit
def _behind_listed(kinds, of, stop):
    """The first thread from `of` on that is not listed, or `stop`."""
    while of < stop and kinds[of] != LARGE:
        of += 1
    return of


@njit
def encode_lanes(state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes):
    """Write the codes of the lanes from `first` to `stop`; see `spikey_cli.core.coders`."""
    if first == stop:
        return
    of, stop_channel = np.int64(state.channel[first]), np.int64(state.channel[stop - 1]) + 1
    while of < stop_channel:
        behind = _behind_listed(state.kind, of, stop_channel)
        if behind > of:
            small_alphabet.encode_channels(state, step, of, behind, predicted_mean, log2_scale, outlier_weight, codes)
        else:
            large_alphabet.encode_channel_lanes(state, step, of, predicted_mean, log2_scale, outlier_weight, codes)
            behind += 1
        of = behind


@njit
def decode_lanes(state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes):
    """Fill in the codes of the lanes from `first` to `stop`; see `spikey_cli.core.coders`."""
    if first == stop:
        return
    of, stop_channel = np.int64(state.channel[first]), np.int64(state.channel[stop - 1]) + 1
    while of < stop_channel:
        behind = _behind_listed(state.kind, of, min(of + small_alphabet.AT_ONCE, stop_channel))
        if behind > of:
            small_alphabet.decode_channels(state, step, of, behind, predicted_mean, log2_scale, outlier_weight, codes)
        else:
            large_alphabet.decode_channel_lanes(state, step, of, predicted_mean, log2_scale, outlier_weight, codes)
            behind += 1
        of = behind


@kernel
def _reset(state, first):
    interval = state.interval
    for of in range(interval.shape[0]):
        interval[of, 0], interval[of, 1], interval[of, 2] = 0, FULL, first[of]


@kernel
def _open(state, first):
    interval, words, end = state.interval, state.words, state.end
    for of in range(interval.shape[0]):
        offset = np.uint64(0)
        for i in range(2):
            word = np.uint64(words[first[of] + i]) if first[of] + i < end[of] else np.uint64(0)
            offset = offset << np.uint64(32) | word
        interval[of, 0], interval[of, 1], interval[of, 2] = offset, FULL, first[of] + 2


@kernel
def _end(state):
    interval = state.interval
    for of in range(interval.shape[0]):
        interval[of, 2] = close(state.words, interval[of, 0], interval[of, 2])


class RangeEncoder:
    """Writes the codes of a group of lanes; see `spikey_cli.core.coders` for the contract."""

    fills_codes = False

    def __init__(self, lanes: Lanes, bins: Bins, n_steps: int | None = None) -> None:
        """For all steps of the lanes, or for as many as `n_steps`, if they are endless."""
        self._bits = np.where(bins.size <= MAX_SMALL_ALPHABET, _MAX_SYMBOL_BITS, _MAX_SYMBOL_BITS + _MAX_REST_BITS)
        self._lanes_of_channels = np.diff(lanes.first_of_channels())
        self._n_steps = n_steps
        samples = lanes.samples_of_channels() if n_steps is None else self._lanes_of_channels * n_steps
        self._first, buffer = self._room(samples)
        self.state = RangeState.of(lanes, bins, buffer, self._first, self._first)

    def _room(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where each thread's words begin, and room for all words of so many samples of each."""
        words = samples * self._bits // 32 + SPARE_WORDS
        return np.cumsum(words) - words, np.zeros(int(words.sum()), dtype=np.uint32)

    def restart(self, n_steps: int) -> None:
        """Begin new streams, for as many as `n_steps` more steps of each lane."""
        if n_steps != self._n_steps:
            self._n_steps = n_steps
            self._first, buffer = self._room(self._lanes_of_channels * n_steps)
            self.state = self.state._replace(words=buffer)
        _reset(self.state, self._first)

    def finish(self) -> list[bytes]:
        """The finished stream of every thread."""
        _end(self.state)
        return [
            self.state.words[int(first) : int(last)].astype(">u4").tobytes()
            for first, last in zip(self._first, self.state.interval[:, 2], strict=True)
        ]


class RangeDecoder:
    """Reads what `RangeEncoder` wrote, in the same walk."""

    fills_codes = True

    def __init__(self, lanes: Lanes, bins: Bins, streams: Sequence[bytes]) -> None:
        none = np.zeros(lanes.n_channels, dtype=np.int64)
        self.state = RangeState.of(lanes, bins, np.zeros(1, dtype=np.uint32), none, none)
        self.restart(streams)

    def restart(self, streams: Sequence[bytes]) -> None:
        """Begin with new streams, one a thread."""
        self._whole_words = np.array([len(stream) % 4 == 0 and len(stream) > 0 for stream in streams])
        lengths = np.array([len(stream) // 4 for stream in streams])
        end = np.cumsum(lengths)
        joined = b"".join(stream[: len(stream) // 4 * 4] for stream in streams)
        words = np.frombuffer(joined + bytes(4), dtype=">u4").astype(np.uint32)
        self.state = self.state._replace(words=words, end=end)
        _open(self.state, end - lengths)

    def finish(self) -> np.ndarray:
        """Which threads' streams were used up exactly, as bool of shape (threads,)."""
        # the decoder is always one word further than the encoder was
        return self._whole_words & (self.state.interval[:, 2] == (self.state.end + 1).astype(np.uint64))
