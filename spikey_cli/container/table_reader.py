"""Reading a table of numbers and bytes from front to back, nothing of which is believed beyond the table's size."""

from __future__ import annotations

from ..core.varint import get_uvarint
from ..errors import ArchiveError


class Cursor:
    """Reads a table from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, limit: int, what: str) -> int:
        """The next number, 0 to `limit`. This and all below raise ArchiveError, with `what` is wrong."""
        value, self._at = get_uvarint(self._data, self._at)
        if value > limit:
            raise ArchiveError(f"{what} is {value}, and {limit} is the most there can be")
        return value

    def count(self, what: str) -> int:
        """A number of things that take a byte each at least, so that no count is believed beyond the table's size."""
        return self.number(len(self._data) - self._at, what)

    def take(self, n: int, what: str) -> bytes:
        """The next `n` bytes."""
        if n > len(self._data) - self._at:
            raise ArchiveError(f"{what} runs past the end of its table")
        self._at += n
        return self._data[self._at - n : self._at]

    def rest(self) -> memoryview:
        """All that is left, which stays to be read."""
        return memoryview(self._data)[self._at :]

    def end(self, what: str) -> None:
        """Make sure that nothing is left."""
        if self._at != len(self._data):
            raise ArchiveError(f"{what} has {len(self._data) - self._at} bytes too many")
