"""Range coding of codes under the density that was predicted: close to the ideal length, ADC and all.

A symbol that takes the part first..first + size of 2**24 narrows the interval low..low + range of 64 bits:

    low += (range >> 24) * first        range = (range >> 24) * size
    while range < 2**32:                the top 32 bits of low are written, and both move up by 32 bits

A carry out of low goes into the words written before. At the end 32 bits more fix a number within the interval.

    grids of up to 4096 codes    a symbol is a code
    larger grids                 a symbol is the place of the code, less its `low_bits`, among 4096 around the centre, or
                                 symbol 0: the code is further off, and follows in `width` bits; then come its low bits

where low_bits = max(0, scale // 16 - 5), so that a symbol's bins are about a thirtieth of a standard deviation at least.
Bits that are not predicted are symbols of equal size.

Source: G. N. N. Martin, "Range encoding: an algorithm for removing redundancy from a digitised message", 1979.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ..adc import NO_TABLE, Bins
from ..lanes import Lanes
from .density import (
    INVERSE_SPREAD,
    MARGIN,
    MAX_SCALE,
    MIN_SCALE,
    MIXTURE,
    QUANTILE,
    QUANTILE_BITS,
    SPREAD,
    TAIL_FULL,
    TOTAL_BITS,
    distribution,
)
from .raw import code_widths

LISTED = 4096
"""Symbols at most; a grid of no more codes has one for each."""

_HALF = LISTED >> 1
_SPARE_WORDS = 4
_MAX_SYMBOL_BITS = 22 + 24 + 24


@njit(inline="always")
def _low_bits(scale, size):
    return np.int64(0) if size <= LISTED else max(np.int64(0), (np.int64(scale) >> 4) - 5)


@njit(inline="always")
def _cumulative(symbol, symbols, origin, centre, inverse_spread, likely, edges, mixture):
    """Cumulative frequency, of 2**24, below `symbol` (0..symbols)."""
    if symbol <= 0:
        return np.int64(0)
    if symbol >= symbols:
        return np.int64(1 << TOTAL_BITS)
    edge = np.int64(edges[symbol]) if edges.size else ((origin + symbol) << 6) - 32
    mass = distribution(edge - centre, inverse_spread, likely, mixture)
    return (mass * ((1 << TOTAL_BITS) - MARGIN * symbols) >> TOTAL_BITS) + MARGIN * symbol


@njit(inline="always")
def _carry(words, at):
    """Add one to the number that ends in word `at`. It never runs out of the stream: low was below 2**64 in all."""
    while words[at] == np.uint32(0xFFFFFFFF):
        words[at] = np.uint32(0)
        at -= 1
    words[at] += np.uint32(1)


@njit(inline="always")
def _encode(state, of, first, size, bits, words):
    """Narrow the interval of thread `of` to first..first + size of 2**bits. `state`: low, range, next word."""
    step = state[of, 1] >> np.uint64(bits)
    low = state[of, 0] + step * np.uint64(first)
    if low < state[of, 0]:
        _carry(words, np.int64(state[of, 2]) - 1)
    width = step * np.uint64(size)
    while width < np.uint64(1 << 32):
        words[np.int64(state[of, 2])] = np.uint32(low >> np.uint64(32))
        state[of, 2] += np.uint64(1)
        low <<= np.uint64(32)
        width <<= np.uint64(32)
    state[of, 0] = low
    state[of, 1] = width


@njit(inline="always")
def _target(state, of, bits):
    """Where the number of thread `of` lies in its interval, of 2**bits. `state`: offset, range, next word."""
    return min(np.int64(state[of, 0] // (state[of, 1] >> np.uint64(bits))), (1 << bits) - 1)


@njit(inline="always")
def _advance(state, of, first, size, bits, words, end):
    """Narrow the interval as the encoder did."""
    step = state[of, 1] >> np.uint64(bits)
    offset = state[of, 0] - step * np.uint64(first)
    width = step * np.uint64(size)
    while width < np.uint64(1 << 32):
        at = np.int64(state[of, 2])
        word = np.uint64(words[at]) if at < end[of] else np.uint64(0)
        offset = offset << np.uint64(32) | word
        width <<= np.uint64(32)
        state[of, 2] += np.uint64(1)
    state[of, 0] = offset
    state[of, 1] = width


@njit(nogil=True, cache=True)
def _encode_step(step, first_lane, stop, thread, length, size, width, profiled, edges, centre, scale, tail, codes, tables, state, words):
    mixture, inverse_spreads, spreads, quantile, equal = tables
    for lane in range(first_lane, stop):
        if length[lane] <= step:
            continue
        of = thread[lane]
        code = np.int64(codes[lane])
        low_bits = _low_bits(scale[lane], size[of])
        place = min(max(scale[lane] - (low_bits << 4), MIN_SCALE), MAX_SCALE) - MIN_SCALE
        inverse_spread = inverse_spreads[place]
        likely = min(max(tail[lane], 0), TAIL_FULL)
        middle = np.int64(centre[lane]) >> low_bits
        own_edges = edges if profiled[of] else equal
        if size[of] <= LISTED:
            symbols, origin, symbol = size[of], np.int64(0), code
        else:
            symbols, origin = np.int64(LISTED), ((middle + 32) >> 6) - _HALF
            symbol = (code >> low_bits) - origin
            if symbol < 1 or symbol >= LISTED:
                symbol = np.int64(0)
        first = _cumulative(symbol, symbols, origin, middle, inverse_spread, likely, own_edges, mixture)
        last = _cumulative(symbol + 1, symbols, origin, middle, inverse_spread, likely, own_edges, mixture)
        _encode(state, of, first, last - first, TOTAL_BITS, words)
        if size[of] > LISTED:
            if symbol == 0:
                _encode(state, of, code, 1, width[of], words)
            elif low_bits:
                _encode(state, of, code & ((1 << low_bits) - 1), 1, low_bits, words)


@njit(nogil=True, cache=True)
def _decode_step(
    step, first_lane, stop, thread, length, size, width, profiled, edges, centre, scale, tail, codes, tables, code_near, state, words, end
):
    mixture, inverse_spreads, spreads, quantile, equal = tables
    for lane in range(first_lane, stop):
        if length[lane] <= step:
            continue
        of = thread[lane]
        low_bits = _low_bits(scale[lane], size[of])
        place = min(max(scale[lane] - (low_bits << 4), MIN_SCALE), MAX_SCALE) - MIN_SCALE
        inverse_spread = inverse_spreads[place]
        likely = min(max(tail[lane], 0), TAIL_FULL)
        middle = np.int64(centre[lane]) >> low_bits
        own_edges = edges if profiled[of] else equal
        if size[of] <= LISTED:
            symbols, origin = size[of], np.int64(0)
        else:
            symbols, origin = np.int64(LISTED), ((middle + 32) >> 6) - _HALF
        target = _target(state, of, TOTAL_BITS)
        # the symbol whose first..last holds the target: look near the quantile, widen, halve
        quantile_at = np.int64(quantile[likely, target >> (TOTAL_BITS - QUANTILE_BITS)])
        near = ((middle + (quantile_at * spreads[place] >> 16) + 32) >> 6) - origin
        if profiled[of]:
            near = np.int64(code_near[min(max(near, 0), code_near.size - 1)])
        below = min(max(near, 0), symbols - 1)
        first = _cumulative(below, symbols, origin, middle, inverse_spread, likely, own_edges, mixture)
        above, reach = below + 1, np.int64(1)
        while first > target:
            above = below
            below = max(below - reach, 0)
            reach <<= 1
            first = _cumulative(below, symbols, origin, middle, inverse_spread, likely, own_edges, mixture)
        last = _cumulative(above, symbols, origin, middle, inverse_spread, likely, own_edges, mixture)
        reach = np.int64(1)
        while last <= target:
            below, first = above, last
            above = min(above + reach, symbols)
            reach <<= 1
            last = _cumulative(above, symbols, origin, middle, inverse_spread, likely, own_edges, mixture)
        while above - below > 1:
            half = (below + above) >> 1
            between = _cumulative(half, symbols, origin, middle, inverse_spread, likely, own_edges, mixture)
            if between <= target:
                below, first = half, between
            else:
                above, last = half, between
        _advance(state, of, first, last - first, TOTAL_BITS, words, end)
        code = below
        if size[of] > LISTED:
            if below == 0:
                code = _target(state, of, width[of])
                _advance(state, of, code, 1, width[of], words, end)
            else:
                code = (origin + below) << low_bits
                if low_bits:
                    rest = _target(state, of, low_bits)
                    _advance(state, of, rest, 1, low_bits, words, end)
                    code |= rest
            if code < 0 or code >= size[of]:
                code = np.int64(0)  # damage: go on with some code, and be found out at the end
                state[of, 2] = np.uint64(1 << 62)
        codes[lane] = code


_TABLES = (MIXTURE, INVERSE_SPREAD, SPREAD, QUANTILE, NO_TABLE)


class RangeEncoder:
    """Writes the codes of a group of lanes; see `spikey_cli.coders` for the contract."""

    def __init__(self, lanes: Lanes, bins: Bins) -> None:
        self._fixed = _fixed(lanes, bins)
        words = lanes.samples_of_threads() * _MAX_SYMBOL_BITS // 32 + _SPARE_WORDS
        self._first = np.cumsum(words) - words
        self._state = np.zeros((lanes.n_threads, 3), dtype=np.uint64)
        self._state[:, 1] = 2**64 - 1
        self._state[:, 2] = self._first
        self._words = np.zeros(int(words.sum()), dtype=np.uint32)

    def step(
        self, step: int, first: int, stop: int, centre: np.ndarray, scale: np.ndarray, tail: np.ndarray, codes: np.ndarray
    ) -> None:
        """Write `codes` (int32, one a lane) of lanes `first` to `stop`, as far as they are longer than `step`."""
        _encode_step(step, first, stop, *self._fixed, centre, scale, tail, codes, _TABLES, self._state, self._words)

    def finish(self) -> list[bytes]:
        """The finished stream of every thread."""
        _encode_ends(self._state, self._words)
        return [
            self._words[int(first) : int(last)].astype(">u4").tobytes()
            for first, last in zip(self._first, self._state[:, 2], strict=True)
        ]


@njit(nogil=True, cache=True)
def _encode_ends(state, words):
    # a range is at least 2**32, so the number with the next higher top half, or low's own, lies within the interval
    for of in range(state.shape[0]):
        if state[of, 0] & np.uint64(0xFFFFFFFF):
            low = state[of, 0] + np.uint64(0xFFFFFFFF)
            if low < state[of, 0]:
                _carry(words, np.int64(state[of, 2]) - 1)
            state[of, 0] = low
        words[np.int64(state[of, 2])] = np.uint32(state[of, 0] >> np.uint64(32))
        state[of, 2] += np.uint64(1)


class RangeDecoder:
    """Reads what `RangeEncoder` wrote, in the same walk."""

    def __init__(self, lanes: Lanes, bins: Bins, streams: list[bytes]) -> None:
        self._fixed = _fixed(lanes, bins)
        # the code whose bin holds the value that code c would have among equal bins
        self._code_near = np.searchsorted(bins.edges, np.arange(bins.values.size) << 6, "right") - 1
        self._whole_words = np.array([len(stream) % 4 == 0 and len(stream) > 0 for stream in streams])
        lengths = np.array([len(stream) // 4 for stream in streams])
        first = np.cumsum(lengths) - lengths
        self._end = first + lengths
        joined = b"".join(stream[: len(stream) // 4 * 4] for stream in streams)
        self._words = np.frombuffer(joined, dtype=">u4").astype(np.uint32)
        self._state = np.zeros((lanes.n_threads, 3), dtype=np.uint64)
        self._state[:, 1] = 2**64 - 1
        for of in range(lanes.n_threads):
            start = self._words[first[of] : self._end[of]][:2].astype(object)
            self._state[of, 0] = sum(int(word) << (32 - 32 * i) for i, word in enumerate(start))
        self._state[:, 2] = first + 2

    def step(
        self, step: int, first: int, stop: int, centre: np.ndarray, scale: np.ndarray, tail: np.ndarray, codes: np.ndarray
    ) -> None:
        """Fill `codes` (int32, one a lane) for lanes `first` to `stop`, as far as they are longer than `step`."""
        _decode_step(
            step, first, stop, *self._fixed, centre, scale, tail, codes, _TABLES, self._code_near, self._state, self._words, self._end
        )

    def finish(self) -> np.ndarray:
        """Which threads' streams were used up exactly, as bool of shape (threads,)."""
        # the decoder is always one word further than the encoder was
        return self._whole_words & (self._state[:, 2] == (self._end + 1).astype(np.uint64))


def _fixed(lanes: Lanes, bins: Bins) -> tuple[np.ndarray, ...]:
    """What the kernels of both directions take that stays the same from step to step."""
    return (lanes.thread, lanes.length, bins.size, code_widths(bins.size), bins.profiled, bins.edges)
