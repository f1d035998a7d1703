"""Writing of a table: numbers, columns and bytes, most of them compressed.

compressed fields (see `packing`)
the low bits of wide columns, column after column, in whole bytes: they would not become smaller
bytes that are not compressed
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np

from ..core.varint import put_uvarint
from .packing import pack

Field = int | bytes | list[int]
"""A number, written as a uvarint; bytes; or a column of numbers."""

MAX_LOW_BITS = 32


def field_bytes(field: Field) -> bytes:
    """Serialise a field; of a column the first bytes of all numbers as uvarints, then the second bytes of those that
    have one, and so on.
    """
    out = bytearray()
    if isinstance(field, bytes):
        return field
    if isinstance(field, int):
        put_uvarint(out, field)
        return bytes(out)
    left = np.array(field, np.int64)
    if left.size and left.min() < 0:
        raise ValueError(f"a column holds {left.min()}, and its numbers are 0 or more")
    while left.size:
        has_more = left > 0x7F
        out += (left & 0x7F | has_more << np.int64(7)).astype(np.uint8).tobytes()
        left = left[has_more] >> 7
    return bytes(out)


def low_bits(numbers: Iterable[int], count: int) -> bytes:
    """Return the low bits of all numbers, so many of each, most significant bit first."""
    column = np.array(list(numbers), np.int64)
    return np.packbits((column[:, None] >> np.arange(count)[::-1] & 1).astype(np.uint8)).tobytes()


class TableWriter:
    """Collects the fields of a table, for `TableReader` to read in the same order."""

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self.tail: list[bytes] = []
        """What is not compressed."""

    def number(self, number: int) -> None:
        """Append a uvarint."""
        self.fields.append(int(number))

    def column(self, numbers: Iterable[int]) -> None:
        """Append numbers of equal meaning, whose number the reader knows."""
        self.fields.append([int(number) for number in numbers])

    def wide_column(self, numbers: Iterable[int]) -> None:
        """Append a column of numbers that are large and differ: their low bits are noise, and not compressed."""
        column = [int(number) for number in numbers]
        size = (sum(column) // max(len(column), 1)).bit_length()
        ways = sorted({0, *(min(max(size + more, 0), MAX_LOW_BITS) for more in (-4, -3, -2, -1, 0))})
        n_low = min(ways, key=lambda n: (n * len(column) + 7) // 8 + len(zlib.compress(_high(column, n), 9)))
        self.number(n_low)
        self.column(number >> n_low for number in column)
        self.tail.append(low_bits(column, n_low))

    def data(self, data: bytes) -> None:
        """Append bytes, whose number the reader knows."""
        self.fields.append(data)

    def packed(self, *, may_use_lzma: bool = True) -> bytes:
        """Return the table."""
        fields = [field_bytes(field) for field in self.fields]
        return pack(fields, may_use_lzma=may_use_lzma) + b"".join(self.tail)


def _high(column: list[int], n_low: int) -> bytes:
    return field_bytes([number >> n_low for number in column])
