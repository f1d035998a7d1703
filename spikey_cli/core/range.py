"""Range coding of codes under the predicted density, close to the ideal length.

`symbols` maps a code to a symbol and finds the part of 2**24 that it takes; `interval` narrows the channel's interval
to that part and writes words. `small_alphabet` and `large_alphabet` are the kernels for the two kinds of quantizers.
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

_MAX_SYMBOL_BITS = 23  # MARGIN of 2**24 is 22 bits; rounding the width down to a multiple loses about a hundredth more
_MAX_LOW_BITS = 25


class RangeEncoderState(NamedTuple):
    """What `encode_lanes` takes."""

    # of each lane
    channel: np.ndarray
    length: np.ndarray
    first_lane: np.ndarray
    """The first lane of each channel, then the number of lanes."""
    # of each channel: number of codes, bits that hold any code, kind of alphabet (see `symbols`)
    size: np.ndarray
    width: np.ndarray
    kind: np.ndarray
    # tables of `symbols` and `density`
    edges: np.ndarray
    mixture: np.ndarray
    words: np.ndarray
    """The streams of all channels, uint32."""
    interval: np.ndarray
    """Of each channel: low end, width, next word; uint64 of shape (channels, 3)."""
    part: np.ndarray
    """The part that each lane's code takes: first and size, int32 of shape (2, lanes)."""


class RangeDecoderState(NamedTuple):
    """What `decode_lanes` takes; those fields that `RangeEncoderState` has too mean the same."""

    channel: np.ndarray
    length: np.ndarray
    first_lane: np.ndarray
    size: np.ndarray
    width: np.ndarray
    kind: np.ndarray
    edges: np.ndarray
    mixture: np.ndarray
    # tables for the search of a symbol
    near: np.ndarray
    quantile: np.ndarray
    words: np.ndarray
    interval: np.ndarray
    """Of each channel: offset, width, next word; uint64 of shape (channels, 3)."""
    end: np.ndarray
    """The word after each stream."""
    # lanes that are decoded together: lane, channel, target of the search, where it starts
    turn_lane: np.ndarray
    turn_channel: np.ndarray
    turn_target: np.ndarray
    turn_guess: np.ndarray


def _shared_fields(lanes: Lanes, bins: Bins) -> dict[str, np.ndarray]:
    """The fields of both states that depend on lanes and bins alone."""
    return {
        "channel": lanes.channel,
        "length": lanes.length,
        "first_lane": lanes.first_of_channels(),
        "size": bins.size,
        "width": code_widths(bins.size),
        "kind": kinds_of(bins),
        "edges": edge_rows(bins),
        "mixture": MIXTURE,
        "interval": np.zeros((lanes.n_channels, 3), dtype=np.uint64),
    }


@njit
def _stop_of_small(kinds, channel, stop):
    """The first channel from `channel` on that has a large alphabet, or `stop`."""
    while channel < stop and kinds[channel] != LARGE:
        channel += 1
    return channel


@njit
def encode_lanes(state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes):
    """Write the codes of the lanes `first` to `stop` - 1; see `spikey_cli.core.coders`."""
    if first == stop:
        return
    channel, stop_channel = np.int64(state.channel[first]), np.int64(state.channel[stop - 1]) + 1
    while channel < stop_channel:
        after = _stop_of_small(state.kind, channel, stop_channel)
        if after > channel:
            small_alphabet.encode_channels(
                state, step, channel, after, predicted_mean, log2_scale, outlier_weight, codes
            )
        else:
            large_alphabet.encode_channel(state, step, channel, predicted_mean, log2_scale, outlier_weight, codes)
            after += 1
        channel = after


@njit
def decode_lanes(state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes):
    """Fill in the codes of the lanes `first` to `stop` - 1; see `spikey_cli.core.coders`."""
    if first == stop:
        return
    channel, stop_channel = np.int64(state.channel[first]), np.int64(state.channel[stop - 1]) + 1
    while channel < stop_channel:
        after = _stop_of_small(state.kind, channel, min(channel + small_alphabet.AT_ONCE, stop_channel))
        if after > channel:
            small_alphabet.decode_channels(
                state, step, channel, after, predicted_mean, log2_scale, outlier_weight, codes
            )
        else:
            large_alphabet.decode_channel(state, step, channel, predicted_mean, log2_scale, outlier_weight, codes)
            after += 1
        channel = after


@kernel
def _open_encoder(interval, first):
    for channel in range(interval.shape[0]):
        interval[channel, 0], interval[channel, 1], interval[channel, 2] = 0, FULL, first[channel]


@kernel
def _open_decoder(interval, words, first, end):
    for channel in range(interval.shape[0]):
        offset = np.uint64(0)
        for i in range(2):
            word = np.uint64(words[first[channel] + i]) if first[channel] + i < end[channel] else np.uint64(0)
            offset = offset << np.uint64(32) | word
        interval[channel, 0], interval[channel, 1], interval[channel, 2] = offset, FULL, first[channel] + 2


@kernel
def _close_encoder(interval, words):
    for channel in range(interval.shape[0]):
        interval[channel, 2] = close(words, interval[channel, 0], interval[channel, 2])


class RangeEncoder:
    """Writes the codes of a group of lanes; see `spikey_cli.core.coders` for the contract.

    Parameters
    ----------
    lanes : Lanes
    bins : Bins
    n_steps : int, optional
        Steps to make room for, if the lanes are endless; by default all steps of the lanes.
    """

    fills_codes = False

    def __init__(self, lanes: Lanes, bins: Bins, n_steps: int | None = None) -> None:
        self._bits = np.where(bins.size <= MAX_SMALL_ALPHABET, _MAX_SYMBOL_BITS, _MAX_SYMBOL_BITS + _MAX_LOW_BITS)
        self._lanes_of_channels = np.diff(lanes.first_of_channels())
        self._n_steps = n_steps
        samples = lanes.samples_of_channels() if n_steps is None else self._lanes_of_channels * n_steps
        self._first, buffer = self._allocate(samples)
        part = np.zeros((2, lanes.count), dtype=np.int32)
        self.state = RangeEncoderState(**_shared_fields(lanes, bins), words=buffer, part=part)
        _open_encoder(self.state.interval, self._first)

    def _allocate(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First word of each channel, and room for the words of `samples` of each."""
        words = samples * self._bits // 32 + SPARE_WORDS
        return np.cumsum(words) - words, np.zeros(int(words.sum()), dtype=np.uint32)

    def restart(self, n_steps: int) -> None:
        """Begin new streams for `n_steps` more steps of each lane."""
        if n_steps != self._n_steps:
            self._n_steps = n_steps
            self._first, buffer = self._allocate(self._lanes_of_channels * n_steps)
            self.state = self.state._replace(words=buffer)
        _open_encoder(self.state.interval, self._first)

    def finish(self) -> list[bytes]:
        """Return the stream of each channel."""
        _close_encoder(self.state.interval, self.state.words)
        return [
            self.state.words[int(first) : int(last)].astype(">u4").tobytes()
            for first, last in zip(self._first, self.state.interval[:, 2], strict=True)
        ]


class RangeDecoder:
    """Reads what `RangeEncoder` wrote; see `spikey_cli.core.coders` for the contract."""

    fills_codes = True

    def __init__(self, lanes: Lanes, bins: Bins, streams: Sequence[bytes]) -> None:
        fields = _shared_fields(lanes, bins)
        self.state = RangeDecoderState(
            **fields,
            near=small_alphabet.codes_near(fields["edges"]),
            quantile=QUANTILE,
            words=np.zeros(1, dtype=np.uint32),
            end=np.zeros(lanes.n_channels, dtype=np.int64),
            turn_lane=np.zeros(small_alphabet.AT_ONCE, dtype=np.uint64),
            turn_channel=np.zeros(small_alphabet.AT_ONCE, dtype=np.uint64),
            turn_target=np.zeros(small_alphabet.AT_ONCE, dtype=np.int64),
            turn_guess=np.zeros(small_alphabet.AT_ONCE, dtype=np.int64),
        )
        self.restart(streams)

    def restart(self, streams: Sequence[bytes]) -> None:
        """Begin with new streams, one for each channel."""
        self._has_whole_words = np.array([len(stream) % 4 == 0 and len(stream) > 0 for stream in streams])
        lengths = np.array([len(stream) // 4 for stream in streams])
        end = np.cumsum(lengths)
        joined = b"".join(stream[: len(stream) // 4 * 4] for stream in streams)
        words = np.frombuffer(joined + bytes(4), dtype=">u4").astype(np.uint32)
        self.state = self.state._replace(words=words, end=end)
        _open_decoder(self.state.interval, words, end - lengths, end)

    def finish(self) -> np.ndarray:
        """Return for each channel whether its stream was used up exactly, as bool of shape (channels,)."""
        # the decoder is always one word further than the encoder was
        return self._has_whole_words & (self.state.interval[:, 2] == (self.state.end + 1).astype(np.uint64))
