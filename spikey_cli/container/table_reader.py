"""Bounds-checked reading of a table of numbers and bytes."""

from __future__ import annotations

from ..core.varint import get_uvarint
from ..errors import DamageError


class TableReader:
    """Reads a table from front to back. `what` names the field in the ArchiveError that each method may raise."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, limit: int, what: str) -> int:
        """Read a uvarint of at most `limit`."""
        value, self._at = get_uvarint(self._data, self._at)
        if value > limit:
            raise DamageError(f"{what} is {value}, above the maximum of {limit}")
        return value

    def count(self, what: str) -> int:
        """Read the number of items that follow; each takes at least one byte, so the table's size bounds it."""
        return self.number(len(self._data) - self._at, what)

    def take(self, n: int, what: str) -> bytes:
        """Read `n` bytes."""
        if n > len(self._data) - self._at:
            raise DamageError(f"{what} runs past the end of its table")
        self._at += n
        return self._data[self._at - n : self._at]

    def crc(self) -> int:
        """Read a CRC-32."""
        return int.from_bytes(self.take(4, "a checksum"), "little")

    def rest(self) -> memoryview:
        """Return all unread bytes without consuming them."""
        return memoryview(self._data)[self._at :]

    def end(self, what: str) -> None:
        """Check that no bytes are left."""
        if self._at != len(self._data):
            raise DamageError(f"{what} has {len(self._data) - self._at} extra bytes")
