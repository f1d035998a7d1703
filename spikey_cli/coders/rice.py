"""Rice codes of ranks, with the parameter k read off the predicted scale: nothing is sent for it.

    rank r, q = r >> k < 24      q zeros, a one, the low k bits of r
    rank r, q >= 24              24 zeros, then r in `width` bits, where 2**width is the first power >= the grid's size

so a code takes 48 bits at the most. A thread's stream holds its codes step by step, at each step lane by lane, with
nothing between them; zeros fill the last byte.

Source: R. F. Rice, "Some practical universal noiseless coding techniques", JPL 79-22, 1979.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ..adc import Bins, nearest_code, value_of
from ..gain import OCTAVE
from ..lanes import Lanes
from .bits import SPARE_WORDS, peek_bits, put_bits, stream_from_words, words_from_streams
from .ranks import code_from_rank, rank_from_code
from .raw import code_widths

ESCAPE_ZEROS = 24
MAX_CODE_BITS = 48
K_OFFSET = 12
"""Sixteenths of an octave added to the scale before it is cut down to k; measured on the training recordings."""
MAX_K = 24


@njit(inline="always")
def rice_parameter(scale):
    """Rice parameter k (0..24) for a predicted scale, log2 codes in 1/16 octaves."""
    return min(max((scale + K_OFFSET) // OCTAVE, 0), MAX_K)


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


@njit(nogil=True, cache=True)
def _encode_step(step, first_lane, stop, thread, length, size, width, profiled, edges, values, centre, scale, codes, words, cursor):
    for lane in range(first_lane, stop):
        if length[lane] > step:
            of = thread[lane]
            nearest = nearest_code(np.int64(centre[lane]), profiled[of], edges)
            upwards = centre[lane] >= value_of(nearest, profiled[of], values)
            rank = rank_from_code(np.int64(codes[lane]), nearest, upwards, size[of])
            cursor[of] = put_rank(words, cursor[of], rank, rice_parameter(scale[lane]), width[of])


@njit(nogil=True, cache=True)
def _decode_step(step, first_lane, stop, thread, length, size, width, profiled, edges, values, centre, scale, codes, words, cursor, end):
    for lane in range(first_lane, stop):
        if length[lane] > step:
            of = thread[lane]
            if cursor[of] >= end[of]:
                codes[lane] = 0
                cursor[of] = end[of] + 1
                continue
            rank, cursor[of] = get_rank(words, cursor[of], rice_parameter(scale[lane]), width[of])
            if rank >= size[of]:
                codes[lane] = 0
                cursor[of] = end[of] + 1
                continue
            nearest = nearest_code(np.int64(centre[lane]), profiled[of], edges)
            upwards = centre[lane] >= value_of(nearest, profiled[of], values)
            codes[lane] = code_from_rank(rank, nearest, upwards, size[of])


class RiceEncoder:
    """Writes the codes of a group of lanes; see `spikey_cli.coders` for the contract."""

    def __init__(self, lanes: Lanes, bins: Bins) -> None:
        words = lanes.samples_of_threads() * MAX_CODE_BITS // 64 + SPARE_WORDS
        self._first = (np.cumsum(words) - words) * 64
        self._cursor = self._first.copy()
        self._words = np.zeros(int(words.sum()), dtype=np.uint64)
        self._fixed = _fixed(lanes, bins)

    def step(
        self, step: int, first: int, stop: int, centre: np.ndarray, scale: np.ndarray, tail: np.ndarray, codes: np.ndarray
    ) -> None:
        """Write `codes` (int32, one a lane) of lanes `first` to `stop`, as far as they are longer than `step`."""
        _encode_step(step, first, stop, *self._fixed, centre, scale, codes, self._words, self._cursor)

    def finish(self) -> list[bytes]:
        """The finished stream of every thread."""
        return [
            stream_from_words(self._words, int(first), int(cursor))
            for first, cursor in zip(self._first, self._cursor, strict=True)
        ]


class RiceDecoder:
    """Reads what `RiceEncoder` wrote, in the same walk."""

    def __init__(self, lanes: Lanes, bins: Bins, streams: list[bytes]) -> None:
        self._words, self._cursor, self._end = words_from_streams(streams)
        self._fixed = _fixed(lanes, bins)

    def step(
        self, step: int, first: int, stop: int, centre: np.ndarray, scale: np.ndarray, tail: np.ndarray, codes: np.ndarray
    ) -> None:
        """Fill `codes` (int32, one a lane) for lanes `first` to `stop`, as far as they are longer than `step`."""
        _decode_step(step, first, stop, *self._fixed, centre, scale, codes, self._words, self._cursor, self._end)

    def finish(self) -> np.ndarray:
        """Which threads' streams were used up exactly, as bool of shape (threads,)."""
        left = self._end - self._cursor
        return (left >= 0) & (left < 8)


def _fixed(lanes: Lanes, bins: Bins) -> tuple[np.ndarray, ...]:
    """What the kernels of both directions take that stays the same from step to step."""
    return (lanes.thread, lanes.length, bins.size, code_widths(bins.size), bins.profiled, bins.edges, bins.values)
