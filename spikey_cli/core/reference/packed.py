"""Packed streams (docs/format.md, *Block*, method 0): each code in `width` bits; a single code in none."""

from __future__ import annotations

from collections.abc import Sequence

from .arithmetic import Damage, Reader, bits_of, bytes_from_bits, width_of


def pack(codes: Sequence[int], size: int) -> bytes:
    """Return the packed stream of codes of a quantizer with `size` codes."""
    return bytes_from_bits("".join(bits_of(code, width_of(size)) for code in codes)) if size > 1 else b""


def unpack(stream: bytes, n_codes: int, size: int) -> list[int]:
    """Return the codes of a packed stream."""
    reader = Reader(stream)
    codes = [reader.bits(width_of(size)) if size > 1 else 0 for _ in range(n_codes)]
    reader.end()
    if any(code >= size for code in codes):
        raise Damage("a code is not one of the quantizer's")
    return codes
