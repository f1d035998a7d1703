"""Bounds-checked reading of a table of numbers and bytes."""

from __future__ import annotations

import numpy as np

from ..core.varint import get_uvarint
from ..errors import DamageError
from .table_writer import MAX_LOW_BITS

_MAX_BYTES = 9  # of a number


class TableReader:
    """Reads a table from front to back. `what` names the field in the ArchiveError that each method may raise.

    Parameters
    ----------
    data : bytes
        The unpacked fields.
    tail : bytes
        What follows the compressed fields.
    """

    def __init__(self, data: bytes, tail: bytes = b"") -> None:
        self._data = data
        self._at = 0
        self.tail = tail

    def number(self, limit: int, what: str) -> int:
        """Read a uvarint of at most `limit`."""
        value, self._at = get_uvarint(self._data, self._at)
        if value > limit:
            raise DamageError(f"{what} is {value}, above the maximum of {limit}")
        return value

    def count(self, what: str) -> int:
        """Read the number of items that follow; each takes at least one byte, so the table's size bounds it."""
        return self.number(len(self._data) - self._at, what)

    def column(self, count: int, limit: int, what: str) -> np.ndarray:
        """Read a column of `count` numbers of at most `limit`: int64 of shape (count,)."""
        if count > len(self._data) - self._at:
            raise DamageError(f"{what} runs past the end of its table")
        numbers = np.zeros(count, np.int64)
        left, shift = np.arange(count), 0
        while left.size:
            if shift == 7 * _MAX_BYTES:
                raise DamageError(f"{what} has too many bytes")
            plane = np.frombuffer(self.take(left.size, what), np.uint8).astype(np.int64)
            if shift and not plane.all():
                raise DamageError(f"{what} is not in its shortest form")
            numbers[left] |= (plane & 0x7F) << shift
            left, shift = left[plane > 0x7F], shift + 7
        if count and numbers.max() > limit:
            raise DamageError(f"{what} is {numbers.max()}, above the maximum of {limit}")
        return numbers

    def wide_column(self, count: int, limit: int, what: str) -> np.ndarray:
        """Read a wide column of `count` numbers of at most `limit`: int64 of shape (count,)."""
        n_low = self.number(MAX_LOW_BITS, f"the low bits of {what}")
        numbers = self.column(count, limit >> n_low, what)
        n_bytes = (count * n_low + 7) // 8
        if n_bytes > len(self.tail):
            raise DamageError(f"{what} runs past the end of its table")
        bits = np.unpackbits(np.frombuffer(self.tail, np.uint8, n_bytes))
        self.tail = self.tail[n_bytes:]
        if bits[count * n_low :].any():
            raise DamageError(f"{what} has bits after its end")
        for i in range(n_low):
            numbers = numbers << 1 | bits[i : count * n_low : n_low]
        if count and numbers.max() > limit:
            raise DamageError(f"{what} is {numbers.max()}, above the maximum of {limit}")
        return numbers

    def take(self, n: int, what: str) -> bytes:
        """Read `n` bytes."""
        if n > len(self._data) - self._at:
            raise DamageError(f"{what} runs past the end of its table")
        self._at += n
        return self._data[self._at - n : self._at]

    def rest(self) -> memoryview:
        """Return all unread bytes without consuming them."""
        return memoryview(self._data)[self._at :]

    def end(self, what: str) -> None:
        """Check that no fields are left."""
        if self._at != len(self._data):
            raise DamageError(f"{what} has {len(self._data) - self._at} extra bytes")
