"""Rice codes of ranks, with a parameter k that follows from the predicted scale: nothing is sent for it.

    rank r, q = r >> k < 24      q zeros, a one, the low k bits of r
    rank r, q >= 24              24 zeros, then r in `width` bits; 2**width is the first power >= the quantizer's size

A code therefore takes at most 48 bits. A channel's stream holds its codes step by step and, within a step, lane by
lane, with nothing between them; zeros fill the last byte.

References
----------
R. F. Rice, "Some practical universal noiseless coding techniques", JPL 79-22, 1979.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from .bits import SPARE_WORDS, peek_bits, put_bits, stream_from_words, words_from_streams
from .converter import Bins
from .gain import OCTAVE
from .lanes import Lanes
from .packed import code_widths
from .rank_table import CELL_SHIFT, ORDERED, RankTable, cell_middle, fill_row, row_of
from .ranks import code_from_rank, nearest_and_side, rank_from_code

ESCAPE_ZEROS = 24
MAX_CODE_BITS = 48
K_OFFSET = 8
"""Sixteenths of an octave added to the scale before it is rounded down to k; measured on the training recordings."""
MAX_K = 24


@njit(inline="always")
def rice_parameter(log2_scale):
    """Rice parameter k (0..24) for a predicted scale, log2 codes in 1/16 octaves."""
    return min(max((log2_scale + K_OFFSET) // OCTAVE, 0), MAX_K)


@njit(inline="always")
def put_rank(words, cursor, rank, k, width):
    """Write `rank` at bit `cursor`; return the cursor after it."""
    quotient = rank >> k
    if quotient >= ESCAPE_ZEROS:
        put_bits(words, cursor + ESCAPE_ZEROS, np.uint64(rank), width)
        return cursor + ESCAPE_ZEROS + width
    n = quotient + 1 + k
    put_bits(words, cursor, np.uint64((1 << k) | (rank & ((1 << k) - 1))), n)
    return cursor + n


@njit(inline="always")
def get_rank(words, cursor, k, width):
    """Read a rank at bit `cursor`: (rank, cursor after it). Reads at most 64 + 24 bits."""
    window = peek_bits(words, cursor)
    quotient = 0
    while quotient < ESCAPE_ZEROS and window >> np.uint64(63) == 0:
        window <<= np.uint64(1)
        quotient += 1
    if quotient == ESCAPE_ZEROS:
        return np.int64(window >> np.uint64(64 - width)), cursor + ESCAPE_ZEROS + width
    # the one is now the window's top bit: read it with the k bits after it, then take it off
    low = np.int64(window >> np.uint64(63 - k)) - (1 << k)
    return (quotient << k) + low, cursor + quotient + 1 + k


@njit
def encode_lanes(state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes):
    """Write the codes of the lanes `first` to `stop` - 1; see `spikey_cli.core.coders`."""
    channels, length, sizes, width, profiled, edges, values, rank_tables, words, cursor = state
    known, order, inverse, mixture = rank_tables
    cells = values.size << 6 >> CELL_SHIFT
    for lane in range(np.uint64(first), np.uint64(stop)):
        if length[lane] > step:
            channel = np.uint64(channels[lane])
            on_profile = profiled[channel]
            mean = cell_middle(predicted_mean[lane]) if on_profile else np.int64(predicted_mean[lane])
            nearest, upwards = nearest_and_side(mean, on_profile, edges, values)
            rank = rank_from_code(np.int64(codes[lane]), nearest, upwards, sizes[channel])
            if on_profile and rank < ORDERED:
                row = row_of(predicted_mean[lane], log2_scale[lane], cells)
                if not known[row]:
                    fill_row(np.int64(row), order, inverse, mixture, edges, values)
                    known[row] = True
                rank = np.int64(inverse[row, np.uint64(rank)])
            cursor[channel] = put_rank(words, cursor[channel], rank, rice_parameter(log2_scale[lane]), width[channel])


@njit
def decode_lanes(state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes):
    """Fill in the codes of the lanes `first` to `stop` - 1; see `spikey_cli.core.coders`."""
    channels, length, sizes, width, profiled, edges, values, rank_tables, words, cursor, end = state
    known, order, inverse, mixture = rank_tables
    cells = values.size << 6 >> CELL_SHIFT
    for lane in range(np.uint64(first), np.uint64(stop)):
        if length[lane] > step:
            channel = np.uint64(channels[lane])
            codes[lane] = 0
            if cursor[channel] >= end[channel]:
                cursor[channel] = end[channel] + 1
                continue
            rank, cursor[channel] = get_rank(words, cursor[channel], rice_parameter(log2_scale[lane]), width[channel])
            if rank >= sizes[channel]:
                cursor[channel] = end[channel] + 1
                continue
            on_profile = profiled[channel]
            mean = cell_middle(predicted_mean[lane]) if on_profile else np.int64(predicted_mean[lane])
            nearest, upwards = nearest_and_side(mean, on_profile, edges, values)
            if on_profile and rank < ORDERED:
                row = row_of(predicted_mean[lane], log2_scale[lane], cells)
                if not known[row]:
                    fill_row(np.int64(row), order, inverse, mixture, edges, values)
                    known[row] = True
                rank = np.int64(order[row, np.uint64(rank)])
            codes[lane] = code_from_rank(rank, nearest, upwards, sizes[channel])


class RiceEncoderState(NamedTuple):
    """What `encode_lanes` takes."""

    # of each lane
    channel: np.ndarray
    length: np.ndarray
    # of each channel
    size: np.ndarray
    width: np.ndarray
    profiled: np.ndarray
    # tables
    edges: np.ndarray
    values: np.ndarray
    rank_tables: RankTable
    words: np.ndarray
    """The streams of all channels, uint64."""
    cursor: np.ndarray
    """The next bit of each stream."""


class RiceDecoderState(NamedTuple):
    """What `decode_lanes` takes; the fields of `RiceEncoderState`, and `end`."""

    channel: np.ndarray
    length: np.ndarray
    size: np.ndarray
    width: np.ndarray
    profiled: np.ndarray
    edges: np.ndarray
    values: np.ndarray
    rank_tables: RankTable
    words: np.ndarray
    cursor: np.ndarray
    end: np.ndarray
    """The bit after each stream."""


def _shared_fields(lanes: Lanes, bins: Bins) -> dict[str, Any]:
    """The fields of both states that depend on lanes and bins alone."""
    return {
        "channel": lanes.channel,
        "length": lanes.length,
        "size": bins.size,
        "width": code_widths(bins.size),
        "profiled": bins.profiled,
        "edges": bins.edges,
        "values": bins.values,
        "rank_tables": RankTable.of(bins.edges),
    }


class RiceEncoder:
    """Writes the codes of a group of lanes; see `spikey_cli.core.coders` for the contract."""

    fills_codes = False

    def __init__(self, lanes: Lanes, bins: Bins) -> None:
        words = lanes.samples_of_channels() * MAX_CODE_BITS // 64 + SPARE_WORDS
        self._first = (np.cumsum(words) - words) * 64
        buffer = np.zeros(int(words.sum()), dtype=np.uint64)
        self.state = RiceEncoderState(**_shared_fields(lanes, bins), words=buffer, cursor=self._first.copy())

    def finish(self) -> list[bytes]:
        """Return the stream of each channel."""
        return [
            stream_from_words(self.state.words, int(first), int(cursor))
            for first, cursor in zip(self._first, self.state.cursor, strict=True)
        ]


class RiceDecoder:
    """Reads what `RiceEncoder` wrote; see `spikey_cli.core.coders` for the contract."""

    fills_codes = True

    def __init__(self, lanes: Lanes, bins: Bins, streams: list[bytes]) -> None:
        words, first, end = words_from_streams(streams)
        self.state = RiceDecoderState(**_shared_fields(lanes, bins), words=words, cursor=first, end=end)

    def finish(self) -> np.ndarray:
        """Return for each channel whether its stream was used up exactly, as bool of shape (channels,)."""
        left = self.state.end - self.state.cursor
        return (left >= 0) & (left < 8)
