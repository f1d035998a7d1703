"""Rice codes of ranks, with the parameter k read off the predicted scale: nothing is sent for it.

    rank r, q = r >> k < 24      q zeros, a one, the low k bits of r
    rank r, q >= 24              24 zeros, then r in `width` bits, where 2**width is the first power >= the grid's size

so a code takes 48 bits at the most. A thread's stream holds its codes step by step, at each step lane by lane, with
nothing between them; zeros fill the last byte.

Source: R. F. Rice, "Some practical universal noiseless coding techniques", JPL 79-22, 1979.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .bits import SPARE_WORDS, peek_bits, put_bits, stream_from_words, words_from_streams
from .converter import Bins
from .gain import OCTAVE
from .lanes import Lanes
from .packed import code_widths
from .rank_table import CELL_SHIFT, ORDERED, RankTable, cell_middle, fill_row, row_of
from .ranks import code_from_rank, origin, rank_from_code

ESCAPE_ZEROS = 24
MAX_CODE_BITS = 48
K_OFFSET = 8
"""Sixteenths of an octave added to the scale before it is cut down to k; measured on the training recordings."""
MAX_K = 24


@njit(inline="always")
def rice_parameter(log2_scale):
    """Rice parameter k (0..24) for a predicted scale, log2 codes in 1/16 octaves."""
    return min(max((log2_scale + K_OFFSET) // OCTAVE, 0), MAX_K)


@njit(inline="always")
def put_rank(words, cursor, rank, k, width):
    """Write `rank` at bit `cursor`; returns the cursor behind it."""
    quotient = rank >> k
    if quotient >= ESCAPE_ZEROS:
        put_bits(words, cursor + ESCAPE_ZEROS, np.uint64(rank), width)
        return cursor + ESCAPE_ZEROS + width
    n = quotient + 1 + k
    put_bits(words, cursor, np.uint64((1 << k) | (rank & ((1 << k) - 1))), n)
    return cursor + n


@njit(inline="always")
def get_rank(words, cursor, k, width):
    """Read a rank at bit `cursor`: (rank, cursor behind it). Looks at 64 + 24 bits at the most."""
    window = peek_bits(words, cursor)
    quotient = 0
    while quotient < ESCAPE_ZEROS and window >> np.uint64(63) == 0:
        window <<= np.uint64(1)
        quotient += 1
    if quotient == ESCAPE_ZEROS:
        return np.int64(window >> np.uint64(64 - width)), cursor + ESCAPE_ZEROS + width
    # the one is the window's top bit now: keep it with the k bits behind it, then take it off
    low = np.int64(window >> np.uint64(63 - k)) - (1 << k)
    return (quotient << k) + low, cursor + quotient + 1 + k


@njit
def encode_lanes(state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes):
    """Write the codes of the lanes from `first` to `stop`; see `spikey_cli.core.coders`."""
    channel, length, sizes, width, profiled, edges, values, rank_tables, words, cursor, _ = state
    known, order, inverse, mixture = rank_tables
    cells = values.size << 6 >> CELL_SHIFT
    for lane in range(np.uint64(first), np.uint64(stop)):
        if length[lane] > step:
            of = np.uint64(channel[lane])
            on_profile = profiled[of]
            middle = cell_middle(predicted_mean[lane]) if on_profile else np.int64(predicted_mean[lane])
            nearest, upwards = origin(middle, on_profile, edges, values)
            rank = rank_from_code(np.int64(codes[lane]), nearest, upwards, sizes[of])
            if on_profile and rank < ORDERED:
                row = row_of(predicted_mean[lane], log2_scale[lane], cells)
                if not known[row]:
                    fill_row(np.int64(row), order, inverse, mixture, edges, values)
                    known[row] = True
                rank = np.int64(inverse[row, np.uint64(rank)])
            cursor[of] = put_rank(words, cursor[of], rank, rice_parameter(log2_scale[lane]), width[of])


@njit
def decode_lanes(state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes):
    """Fill in the codes of the lanes from `first` to `stop`; see `spikey_cli.core.coders`."""
    channel, length, sizes, width, profiled, edges, values, rank_tables, words, cursor, end = state
    known, order, inverse, mixture = rank_tables
    cells = values.size << 6 >> CELL_SHIFT
    for lane in range(np.uint64(first), np.uint64(stop)):
        if length[lane] > step:
            of = np.uint64(channel[lane])
            codes[lane] = 0
            if cursor[of] >= end[of]:
                cursor[of] = end[of] + 1
                continue
            rank, cursor[of] = get_rank(words, cursor[of], rice_parameter(log2_scale[lane]), width[of])
            if rank >= sizes[of]:
                cursor[of] = end[of] + 1
                continue
            on_profile = profiled[of]
            middle = cell_middle(predicted_mean[lane]) if on_profile else np.int64(predicted_mean[lane])
            nearest, upwards = origin(middle, on_profile, edges, values)
            if on_profile and rank < ORDERED:
                row = row_of(predicted_mean[lane], log2_scale[lane], cells)
                if not known[row]:
                    fill_row(np.int64(row), order, inverse, mixture, edges, values)
                    known[row] = True
                rank = np.int64(order[row, np.uint64(rank)])
            codes[lane] = code_from_rank(rank, nearest, upwards, sizes[of])


class RiceState(NamedTuple):
    """What the kernels of both directions take. Of each lane: thread, length; of each thread the rest, but for the
    bins' edges and values and the words of all streams.
    """

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
    """The next bit of each stream."""
    end: np.ndarray
    """The bit behind each stream; of no use to an encoder."""

    @classmethod
    def of(cls, lanes: Lanes, bins: Bins, words: np.ndarray, cursor: np.ndarray, end: np.ndarray) -> RiceState:
        """State of lanes on these bins."""
        width = code_widths(bins.size)
        rank_tables = RankTable.of(bins.edges)
        return cls(
            lanes.channel,
            lanes.length,
            bins.size,
            width,
            bins.profiled,
            bins.edges,
            bins.values,
            rank_tables,
            words,
            cursor,
            end,
        )


class RiceEncoder:
    """Writes the codes of a group of lanes; see `spikey_cli.core.coders` for the contract."""

    fills_codes = False

    def __init__(self, lanes: Lanes, bins: Bins) -> None:
        words = lanes.samples_of_channels() * MAX_CODE_BITS // 64 + SPARE_WORDS
        self._first = (np.cumsum(words) - words) * 64
        buffer = np.zeros(int(words.sum()), dtype=np.uint64)
        self.state = RiceState.of(lanes, bins, buffer, self._first.copy(), self._first)

    def finish(self) -> list[bytes]:
        """The finished stream of every thread."""
        return [
            stream_from_words(self.state.words, int(first), int(cursor))
            for first, cursor in zip(self._first, self.state.cursor, strict=True)
        ]


class RiceDecoder:
    """Reads what `RiceEncoder` wrote, in the same walk."""

    fills_codes = True

    def __init__(self, lanes: Lanes, bins: Bins, streams: list[bytes]) -> None:
        self.state = RiceState.of(lanes, bins, *words_from_streams(streams))

    def finish(self) -> np.ndarray:
        """Which threads' streams were used up exactly, as bool of shape (threads,)."""
        left = self.state.end - self.state.cursor
        return (left >= 0) & (left < 8)
