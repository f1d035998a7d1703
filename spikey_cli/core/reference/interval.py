"""The range coder's interval (docs/format.md, *Coder 2*; G. N. N. Martin, "Range encoding", 1979)."""

from __future__ import annotations

from collections.abc import Callable

from .arithmetic import Damage


class IntervalEncoder:
    """Narrows an interval symbol by symbol. `low` is one number of any length, so that carries need no care."""

    def __init__(self) -> None:
        self.low, self.range, self.words = 0, 2**64 - 1, 1

    def encode(self, first: int, size: int, bits: int) -> None:
        """Narrow to the symbol that owns first..first + size of 2**bits."""
        unit = self.range >> bits
        self.low, self.range = self.low + unit * first, unit * size
        while self.range < 2**32:
            self.low, self.range, self.words = self.low << 32, self.range << 32, self.words + 1

    def finish(self) -> bytes:
        """Return the words: the smallest multiple of 2**32 that is not below `low`."""
        return (-(-self.low // 2**32)).to_bytes(4 * self.words, "big")


class IntervalDecoder:
    """Follows the encoder. `offset` is the stream's number minus its `low`, in 64 bits."""

    def __init__(self, stream: bytes) -> None:
        if len(stream) % 4 or not stream:
            raise Damage("the stream is not a whole number of words")
        self.words = [int.from_bytes(stream[i : i + 4], "big") for i in range(0, len(stream), 4)]
        self.offset, self.range, self.words_read = 0, 2**64 - 1, 0
        self._shift_in(2)

    def _shift_in(self, count: int) -> None:
        for _ in range(count):
            word = self.words[self.words_read] if self.words_read < len(self.words) else 0
            self.offset, self.words_read = (self.offset << 32 | word) % 2**64, self.words_read + 1

    def decode(self, bits: int, count: int, below: Callable[[int], int]) -> int:
        """Return the next of `count` symbols; symbol i owns below(i)..below(i + 1) of 2**bits."""
        unit = self.range >> bits
        target = min(self.offset // unit, 2**bits - 1)
        symbol, after = 0, count  # below(symbol) <= target < below(after)
        while after - symbol > 1:
            middle = (symbol + after) // 2
            symbol, after = (middle, after) if below(middle) <= target else (symbol, middle)
        self.offset, self.range = self.offset - unit * below(symbol), unit * (below(symbol + 1) - below(symbol))
        while self.range < 2**32:
            self.range <<= 32
            self._shift_in(1)
        return symbol

    def finish(self) -> None:
        """Raise Damage if not exactly one word more was read than the stream has."""
        if self.words_read != len(self.words) + 1:
            raise Damage("the stream has more or fewer words than its codes take")
