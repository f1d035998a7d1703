"""Range coding of codes under the density that was predicted: close to the ideal length, ADC and all.

A symbol that takes the part first..first + size of 2**24 narrows the interval low..low + range of 64 bits:

    low += (range >> 24) * first        range = (range >> 24) * size
    while range < 2**32:                the top 32 bits of low are written, and both move up by 32 bits

A carry out of low goes into the words written before. At the end 32 bits more fix a number within the interval.

    grids of up to 4096 codes    a symbol is a code
    larger grids                 a symbol is the place of the code, less its `low_bits`, among 4096 around the centre;
                                 symbol 0: the code is further off, and follows in `width` bits; then its low bits

where low_bits = max(0, scale // 16 - 5), so that symbols are about a thirtieth of a standard deviation wide at least.
Bits that are not predicted are symbols of equal size.

Source: G. N. N. Martin, "Range encoding: an algorithm for removing redundancy from a digitised message", 1979.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ..adc import NO_TABLE, Bins
from ..kernel import kernel
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
_MAX_SYMBOL_BITS = 23  # MARGIN of 2**24 is 22 bits, and a hundredth is lost where range is cut down to steps
_MAX_REST_BITS = 25


class RangeState(NamedTuple):
    """What the kernels of both directions take. Of each lane: thread, length; of each thread: size, width, profiled and
    what stands below; the bins' edges, the tables of `density`, the words of all streams.
    """

    thread: np.ndarray
    length: np.ndarray
    size: np.ndarray
    width: np.ndarray
    profiled: np.ndarray
    edges: np.ndarray
    code_near: np.ndarray
    """On the profile, the code whose bin holds the value that code c would have among equal bins."""
    no_edges: np.ndarray
    mixture: np.ndarray
    quantile: np.ndarray
    words: np.ndarray
    interval: np.ndarray
    """Of each thread: low end (in a decoder, how far the stream's number is above it), range, next word; uint64."""
    end: np.ndarray
    """The word behind each stream; of no use to an encoder."""

    @classmethod
    def of(cls, lanes: Lanes, bins: Bins, words: np.ndarray, first: np.ndarray, end: np.ndarray) -> RangeState:
        """State of lanes on these bins, at the `first` word of each stream."""
        interval = np.zeros((lanes.n_threads, 3), dtype=np.uint64)
        interval[:, 1] = 2**64 - 1
        interval[:, 2] = first
        return cls(
            lanes.thread,
            lanes.length,
            bins.size,
            code_widths(bins.size),
            bins.profiled,
            bins.edges,
            np.searchsorted(bins.edges, np.arange(bins.values.size) << 6, "right") - 1,
            NO_TABLE,
            MIXTURE,
            QUANTILE,
            words,
            interval,
            end,
        )


@njit(inline="always")
def _frame(centre, scale, size):
    """How codes of a grid of `size` become symbols.

    Returns (low bits that stand apart, place of the symbols' scale in the tables, centre in 1/64 symbols, number of
    symbols, what a code less its low bits is above its symbol).
    """
    low_bits = np.int64(0) if size <= LISTED else max(np.int64(0), (np.int64(scale) >> 4) - 5)
    place = np.uint64(min(max(scale - (low_bits << 4), MIN_SCALE), MAX_SCALE) - MIN_SCALE)
    middle = np.int64(centre) >> low_bits
    if size <= LISTED:
        return low_bits, place, middle, size, np.int64(0)
    return low_bits, place, middle, np.int64(LISTED), ((middle + 32) >> 6) - _HALF


@njit(inline="always")
def _cumulative(symbol, symbols, origin, centre, inverse_spread, likely, edges, mixture):
    """Cumulative frequency, of 2**24, below `symbol` (0..symbols)."""
    if symbol <= 0:
        return np.int64(0)
    if symbol >= symbols:
        return np.int64(1 << TOTAL_BITS)
    edge = np.int64(edges[np.uint64(symbol)]) if edges.size else ((origin + symbol) << 6) - 32
    mass = distribution(edge - centre, inverse_spread, likely, mixture)
    return (mass * ((1 << TOTAL_BITS) - MARGIN * symbols) >> TOTAL_BITS) + MARGIN * symbol


@njit(inline="always")
def part_of(code, centre, scale, tail, size, edges, mixture):
    """The part of 2**24 that `code` takes: (first, behind its last, its symbol, low bits that stand apart)."""
    low_bits, place, middle, symbols, origin = _frame(centre, scale, size)
    inverse = INVERSE_SPREAD[place]
    likely = np.uint64(min(max(tail, 0), TAIL_FULL))
    symbol = (code >> low_bits) - origin
    if size > LISTED and (symbol < 1 or symbol >= LISTED):
        symbol = np.int64(0)
    below = _cumulative(symbol, symbols, origin, middle, inverse, likely, edges, mixture)
    above = _cumulative(symbol + 1, symbols, origin, middle, inverse, likely, edges, mixture)
    return below, above, symbol, low_bits


@njit(inline="always")
def _carry(words, at):
    """Add one to the number that ends in word `at`. It never runs out of the stream: low was below 2**64 in all."""
    while words[at] == np.uint32(0xFFFFFFFF):
        words[at] = np.uint32(0)
        at -= 1
    words[at] += np.uint32(1)


@njit(inline="always")
def _encode(words, interval, of, first, size, bits):
    """Narrow the interval of thread `of` to first..first + size of 2**bits."""
    step = interval[of, 1] >> np.uint64(bits)
    low = interval[of, 0] + step * np.uint64(first)
    if low < interval[of, 0]:
        _carry(words, np.int64(interval[of, 2]) - 1)
    width = step * np.uint64(size)
    while width < np.uint64(1 << 32):
        words[interval[of, 2]] = np.uint32(low >> np.uint64(32))
        interval[of, 2] += np.uint64(1)
        low <<= np.uint64(32)
        width <<= np.uint64(32)
    interval[of, 0] = low
    interval[of, 1] = width


@njit(inline="always")
def _target(interval, of, bits):
    """Where the number of thread `of` lies in its interval, of 2**bits."""
    return min(np.int64(interval[of, 0] // (interval[of, 1] >> np.uint64(bits))), (1 << bits) - 1)


@njit(inline="always")
def _advance(words, end, interval, of, first, size, bits):
    """Narrow the interval as the encoder did."""
    step = interval[of, 1] >> np.uint64(bits)
    offset = interval[of, 0] - step * np.uint64(first)
    width = step * np.uint64(size)
    while width < np.uint64(1 << 32):
        at = interval[of, 2]
        word = np.uint64(words[at]) if at < np.uint64(end[of]) else np.uint64(0)
        offset = offset << np.uint64(32) | word
        width <<= np.uint64(32)
        interval[of, 2] += np.uint64(1)
    interval[of, 0] = offset
    interval[of, 1] = width


@njit
def encode_lanes(state, step, first, stop, centre, scale, tail, codes):
    """Write the codes of the lanes from `first` to `stop`; see `spikey_cli.coders`."""
    thread, length, sizes, widths, profiled, profile, _, no_edges, mixture, _, words, interval, _ = state
    for lane in range(np.uint64(first), np.uint64(stop)):
        if length[lane] <= step:
            continue
        of = np.uint64(thread[lane])
        size, width = sizes[of], widths[of]
        edges = profile if profiled[of] else no_edges
        code = np.int64(codes[lane])
        below, above, symbol, low_bits = part_of(code, centre[lane], scale[lane], tail[lane], size, edges, mixture)
        _encode(words, interval, of, below, above - below, TOTAL_BITS)
        if size > LISTED:
            if symbol == 0:
                _encode(words, interval, of, code, 1, width)
            elif low_bits:
                _encode(words, interval, of, code & ((1 << low_bits) - 1), 1, low_bits)


@njit
def decode_lanes(state, step, first, stop, centre, scale, tail, codes):
    """Fill in the codes of the lanes from `first` to `stop`; see `spikey_cli.coders`."""
    thread, length, sizes, widths, profiled, profile, code_near, no_edges, mixture, quantiles, words, interval, end = (
        state
    )
    for lane in range(np.uint64(first), np.uint64(stop)):
        if length[lane] <= step:
            continue
        of = np.uint64(thread[lane])
        size, width = sizes[of], widths[of]
        edges = profile if profiled[of] else no_edges
        low_bits, place, middle, symbols, origin = _frame(centre[lane], scale[lane], size)
        inverse = INVERSE_SPREAD[place]
        likely = np.uint64(min(max(tail[lane], 0), TAIL_FULL))
        target = _target(interval, of, TOTAL_BITS)
        # the symbol whose part holds the target: look near the quantile, widen, halve
        quantile = np.int64(quantiles[likely, np.uint64(target) >> np.uint64(TOTAL_BITS - QUANTILE_BITS)])
        near = ((middle + (quantile * SPREAD[place] >> 16) + 32) >> 6) - origin
        if profiled[of]:
            near = np.int64(code_near[np.uint64(min(max(near, 0), code_near.size - 1))])
        symbol = min(max(near, 0), symbols - 1)
        below = _cumulative(symbol, symbols, origin, middle, inverse, likely, edges, mixture)
        behind, reach = symbol + 1, np.int64(1)
        while below > target:
            behind = symbol
            symbol = max(symbol - reach, 0)
            reach <<= 1
            below = _cumulative(symbol, symbols, origin, middle, inverse, likely, edges, mixture)
        above = _cumulative(behind, symbols, origin, middle, inverse, likely, edges, mixture)
        reach = np.int64(1)
        while above <= target:
            symbol, below = behind, above
            behind = min(behind + reach, symbols)
            reach <<= 1
            above = _cumulative(behind, symbols, origin, middle, inverse, likely, edges, mixture)
        while behind - symbol > 1:
            half = (symbol + behind) >> 1
            between = _cumulative(half, symbols, origin, middle, inverse, likely, edges, mixture)
            if between <= target:
                symbol, below = half, between
            else:
                behind, above = half, between
        _advance(words, end, interval, of, below, above - below, TOTAL_BITS)
        code = symbol
        if size > LISTED:
            if symbol == 0:
                code = _target(interval, of, width)
                _advance(words, end, interval, of, code, 1, width)
            else:
                code = (origin + symbol) << low_bits
                if low_bits:
                    rest = _target(interval, of, low_bits)
                    _advance(words, end, interval, of, rest, 1, low_bits)
                    code |= rest
            if code < 0 or code >= size:
                code = np.int64(0)  # damage: go on with some code, and be found out at the end
                interval[of, 2] = np.uint64(1 << 62)
        codes[lane] = code


@kernel
def _end(state):
    # a range is at least 2**32, so the number with the next higher top half, or low's own, lies within the interval
    words, interval = state.words, state.interval
    for of in range(interval.shape[0]):
        if interval[of, 0] & np.uint64(0xFFFFFFFF):
            low = interval[of, 0] + np.uint64(0xFFFFFFFF)
            if low < interval[of, 0]:
                _carry(words, np.int64(interval[of, 2]) - 1)
            interval[of, 0] = low
        words[interval[of, 2]] = np.uint32(interval[of, 0] >> np.uint64(32))
        interval[of, 2] += np.uint64(1)


class RangeEncoder:
    """Writes the codes of a group of lanes; see `spikey_cli.coders` for the contract."""

    def __init__(self, lanes: Lanes, bins: Bins) -> None:
        bits = np.where(bins.size <= LISTED, _MAX_SYMBOL_BITS, _MAX_SYMBOL_BITS + _MAX_REST_BITS)
        words = lanes.samples_of_threads() * bits // 32 + _SPARE_WORDS
        self._first = np.cumsum(words) - words
        buffer = np.zeros(int(words.sum()), dtype=np.uint32)
        self.state = RangeState.of(lanes, bins, buffer, self._first, self._first)

    def finish(self) -> list[bytes]:
        """The finished stream of every thread."""
        _end(self.state)
        return [
            self.state.words[int(first) : int(last)].astype(">u4").tobytes()
            for first, last in zip(self._first, self.state.interval[:, 2], strict=True)
        ]


class RangeDecoder:
    """Reads what `RangeEncoder` wrote, in the same walk."""

    def __init__(self, lanes: Lanes, bins: Bins, streams: list[bytes]) -> None:
        self._whole_words = np.array([len(stream) % 4 == 0 and len(stream) > 0 for stream in streams])
        lengths = np.array([len(stream) // 4 for stream in streams])
        end = np.cumsum(lengths)
        first = end - lengths
        joined = b"".join(stream[: len(stream) // 4 * 4] for stream in streams)
        words = np.frombuffer(joined, dtype=">u4").astype(np.uint32)
        self.state = RangeState.of(lanes, bins, words, first + 2, end)
        for of in range(lanes.n_threads):
            start = words[first[of] : end[of]][:2].astype(object)
            self.state.interval[of, 0] = sum(int(word) << (32 - 32 * i) for i, word in enumerate(start))

    def finish(self) -> np.ndarray:
        """Which threads' streams were used up exactly, as bool of shape (threads,)."""
        # the decoder is always one word further than the encoder was
        return self._whole_words & (self.state.interval[:, 2] == (self.state.end + 1).astype(np.uint64))
