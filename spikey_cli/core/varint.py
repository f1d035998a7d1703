"""Whole numbers of any length, least significant seven bits first (LEB128).

    byte   c ddddddd     c = 1: another byte follows; c = 0: this is the last
             bits 7i..7i+6 of the number, for the i-th byte

At most nine bytes, so 63 bits. Each number has one form: a last byte of zero, after others, is refused. Numbers that
may be negative are folded by `zigzag` first: 0, -1, 1, -2, 2 ... become 0, 1, 2, 3, 4 ...
"""

from __future__ import annotations

from ..errors import ArchiveError

MAX_UVARINT = (1 << 63) - 1
_MAX_BYTES = 9


def put_uvarint(out: bytearray, n: int) -> None:
    """Append `n`, 0 to MAX_UVARINT, to `out`. Raises ValueError outside that range."""
    if not 0 <= n <= MAX_UVARINT:
        raise ValueError(f"{n} is not in 0..{MAX_UVARINT}")
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)


def get_uvarint(buf: bytes | bytearray | memoryview, pos: int) -> tuple[int, int]:
    """Read the number at `pos` >= 0: its value and the position after it.

    Raises ArchiveError where it is cut short, longer than nine bytes, or not in its shortest form.
    """
    value = 0
    for i, byte in enumerate(buf[pos : pos + _MAX_BYTES]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            if byte == 0 and i > 0:
                raise ArchiveError(f"number at byte {pos} is not in its shortest form: the archive is damaged")
            return value, pos + i + 1
    reason = "is too long" if len(buf) - pos >= _MAX_BYTES else "is cut short"
    raise ArchiveError(f"number at byte {pos} {reason}: the archive is damaged")


def zigzag(n: int) -> int:
    """Fold a number of either sign into one >= 0, small for small."""
    return 2 * n if n >= 0 else -2 * n - 1


def unzigzag(n: int) -> int:
    """The reverse of `zigzag`, for `n` >= 0."""
    return n >> 1 if n % 2 == 0 else -(n >> 1) - 1
