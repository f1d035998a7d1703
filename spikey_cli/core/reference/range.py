"""Range coding of codes under the density (docs/format.md, *Coder 2*)."""

from __future__ import annotations

from collections.abc import Callable

from .arithmetic import Damage, Reader, uvarint, width_of
from .bins import Bins
from .density import distribution
from .interval import IntervalDecoder, IntervalEncoder
from .rice import Prediction

SMALL = 4096
"""Largest number of codes that are one symbol each; the number of symbols of larger quantizers."""


def shares_below(bins: Bins, prediction: Prediction) -> Callable[[int], int]:
    """Return the function from a code to the share of 2**24 below it; each code owns at least 4."""
    mean, log2_scale, outlier_weight = prediction

    def below(code: int) -> int:
        if code == 0:
            return 0
        if code == bins.size:
            return 2**24
        mass = distribution(bins.edges[code] - mean, log2_scale, outlier_weight)
        return (mass * (2**24 - 4 * bins.size) >> 24) + 4 * code

    return below


def high_symbols(prediction: Prediction) -> tuple[int, int, Callable[[int], int]]:
    """Return how a larger quantizer is split: low bits b, first code o' of the symbols, their shares."""
    mean, log2_scale, outlier_weight = prediction
    low_bits = min(max(0, (log2_scale >> 4) - 5), 24)
    middle = mean >> low_bits
    first = (middle + 32 >> 6) - SMALL // 2
    # the edges of the symbols are 64 (first + symbol) - 32: move the mean instead
    moved = Prediction(middle - 64 * first, log2_scale - 16 * low_bits, outlier_weight)
    return low_bits, first, shares_below(Bins.equal(SMALL), moved)


class RangeEncoder:
    """Writes the codes of a channel, whose lanes share a number, or have one each."""

    def __init__(self, bins: Bins, lengths: list[int], by_lane: bool = False) -> None:
        self.bins, self.n_lanes, self.by_lane = bins, len(lengths), by_lane
        self.numbers = [IntervalEncoder() for _ in (lengths if by_lane else [0])]

    def encode(self, lane: int, code: int, prediction: Prediction) -> None:
        """Write the next code of a lane."""
        self.interval = self.numbers[lane if self.by_lane else 0]
        if self.bins.size <= SMALL:
            self._symbol(code, shares_below(self.bins, prediction))
            return
        low_bits, first, below = high_symbols(prediction)
        symbol = (code >> low_bits) - first
        if 1 <= symbol < SMALL:
            self._symbol(symbol, below)
            self._equal(code % 2**low_bits, low_bits)
        else:
            self._symbol(0, below)
            self._equal(code, width_of(self.bins.size))

    def _symbol(self, symbol: int, below: Callable[[int], int]) -> None:
        self.interval.encode(below(symbol), below(symbol + 1) - below(symbol), 24)

    def _equal(self, number: int, bits: int) -> None:
        if bits:
            self.interval.encode(number, 1, bits)

    def finish(self) -> bytes:
        """Return the stream."""
        words = [number.finish() for number in self.numbers]
        start = bytes([self.by_lane]) if self.n_lanes > 1 else b""
        return start + b"".join(uvarint(len(own)) for own in words[:-1]) + b"".join(words)


class RangeDecoder:
    """Reads the codes of a channel. Raises Damage if its numbers are damaged."""

    def __init__(self, bins: Bins, lengths: list[int], stream: bytes) -> None:
        reader = Reader(stream)
        self.bins, self.by_lane = bins, reader.bits(8) if len(lengths) > 1 else 0
        if self.by_lane > 1:
            raise Damage("its lanes neither share a number nor have one each")
        sizes = [reader.uvarint() for _ in lengths[1:]] if self.by_lane else []
        words = [reader.take(size) for size in sizes] + [reader.rest()]
        self.numbers = [IntervalDecoder(own) for own in words]

    def decode(self, lane: int, prediction: Prediction) -> int:
        """Read the next code of a lane."""
        self.interval = self.numbers[lane if self.by_lane else 0]
        if self.bins.size <= SMALL:
            return self.interval.decode(24, self.bins.size, shares_below(self.bins, prediction))
        low_bits, first, below = high_symbols(prediction)
        symbol = self.interval.decode(24, SMALL, below)
        code = (symbol + first << low_bits) + self._equal(low_bits) if symbol else self._equal(width_of(self.bins.size))
        if not 0 <= code < self.bins.size:
            raise Damage("a code is not one of the quantizer's")
        return code

    def _equal(self, bits: int) -> int:
        return self.interval.decode(bits, 2**bits, lambda number: number) if bits else 0

    def finish(self) -> None:
        """Raise Damage if a number was not used up exactly."""
        for number in self.numbers:
            number.finish()
