"""Whole numbers of any length, least significant seven bits first (LEB128).

    byte   c ddddddd     c = 1: another byte follows; c = 0: this is the last
             bits 7i..7i+6 of the number, in the i-th byte

A number takes at most nine bytes, which hold 63 bits. Each number has one encoding: a last byte of zero after others is
refused. Signed numbers are mapped by `zigzag` first: 0, -1, 1, -2, 2 ... become 0, 1, 2, 3, 4 ...
"""

from __future__ import annotations

from ..errors import DamageError

MAX_UVARINT = (1 << 63) - 1
_MAX_BYTES = 9


def put_uvarint(out: bytearray, n: int) -> None:
    """Append `n`, 0 to MAX_UVARINT, to `out`. Raise ValueError outside that range."""
    if not 0 <= n <= MAX_UVARINT:
        raise ValueError(f"{n} is not in 0..{MAX_UVARINT}")
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)


def get_uvarint(data: bytes | bytearray | memoryview, position: int) -> tuple[int, int]:
    """Read the number at byte `position` >= 0.

    Returns
    -------
    value, position : int
        The number, and the position after it.

    Raises
    ------
    DamageError
        If the number is cut short, is longer than nine bytes, or is not in its shortest form.
    """
    value = 0
    for i, byte in enumerate(data[position : position + _MAX_BYTES]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            if byte == 0 and i > 0:
                raise DamageError(f"number at byte {position} is not in its shortest form")
            return value, position + i + 1
    reason = "is too long" if len(data) - position >= _MAX_BYTES else "is cut short"
    raise DamageError(f"number at byte {position} {reason}")


def zigzag(n: int) -> int:
    """Map an integer to a number >= 0; integers near 0 map to small numbers."""
    return 2 * n if n >= 0 else -2 * n - 1


def unzigzag(n: int) -> int:
    """Return the integer that `zigzag` maps to `n` >= 0."""
    return n >> 1 if n % 2 == 0 else -(n >> 1) - 1
