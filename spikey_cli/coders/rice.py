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

from ..gain import OCTAVE
from ..lanes import Lanes
from .bits import SPARE_WORDS, peek_bits, put_bits, stream_from_words, words_from_streams
from .ranks import code_from_rank, rank_from_code
from .raw import code_width

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
def _encode_step(step, thread, length, size, width, centre, scale, codes, words, cursor):
    for lane in range(thread.size):
        if length[lane] > step:
            of = thread[lane]
            rank = rank_from_code(np.int64(codes[lane]), np.int64(centre[lane]), size[of])
            cursor[of] = put_rank(words, cursor[of], rank, rice_parameter(scale[lane]), width[of])


@njit(nogil=True, cache=True)
def _decode_step(step, thread, length, size, width, centre, scale, codes, words, cursor, end):
    for lane in range(thread.size):
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
            codes[lane] = code_from_rank(rank, np.int64(centre[lane]), size[of])


def code_widths(sizes: np.ndarray) -> np.ndarray:
    """Bits that hold any code of grids of the given sizes, int64 of the same shape."""
    return np.array([code_width(int(size)) for size in sizes], dtype=np.int64)


class RiceEncoder:
    """Writes the codes of a group of lanes; see `spikey_cli.coders` for the contract."""

    def __init__(self, lanes: Lanes, sizes: np.ndarray) -> None:
        self._lanes = lanes
        self._size = sizes
        self._width = code_widths(self._size)
        samples = np.bincount(lanes.thread, weights=lanes.length, minlength=lanes.n_threads).astype(np.int64)
        words = samples * MAX_CODE_BITS // 64 + SPARE_WORDS
        self._first = (np.cumsum(words) - words) * 64
        self._cursor = self._first.copy()
        self._words = np.zeros(int(words.sum()), dtype=np.uint64)

    def step(self, step: int, centre: np.ndarray, scale: np.ndarray, codes: np.ndarray) -> None:
        """Write `codes` (int32, one a lane) of the lanes that are longer than `step`."""
        lanes = self._lanes
        _encode_step(
            step, lanes.thread, lanes.length, self._size, self._width, centre, scale, codes, self._words, self._cursor
        )

    def finish(self) -> list[bytes]:
        """The finished stream of every thread."""
        return [
            stream_from_words(self._words, int(first), int(cursor))
            for first, cursor in zip(self._first, self._cursor, strict=True)
        ]


class RiceDecoder:
    """Reads what `RiceEncoder` wrote, in the same walk."""

    def __init__(self, lanes: Lanes, sizes: np.ndarray, streams: list[bytes]) -> None:
        self._lanes = lanes
        self._size = sizes
        self._width = code_widths(self._size)
        self._words, self._cursor, self._end = words_from_streams(streams)

    def step(self, step: int, centre: np.ndarray, scale: np.ndarray, codes: np.ndarray) -> None:
        """Fill `codes` (int32, one a lane) for the lanes that are longer than `step`."""
        lanes = self._lanes
        _decode_step(
            step,
            lanes.thread,
            lanes.length,
            self._size,
            self._width,
            centre,
            scale,
            codes,
            self._words,
            self._cursor,
            self._end,
        )

    def finish(self) -> np.ndarray:
        """Which threads' streams were used up exactly, as bool of shape (threads,)."""
        left = self._end - self._cursor
        return (left >= 0) & (left < 8)
