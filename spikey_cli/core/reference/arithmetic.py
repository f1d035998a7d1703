"""Conventions of docs/format.md: bits, uvarint, zigzag, clip; and exact powers of two with fractional exponents."""

from __future__ import annotations

from math import isqrt


class Damage(Exception):  # noqa: N818 (it is a verdict on a stream)
    """A decoder must refuse the stream."""


def clip(x: int, limit: int) -> int:
    """Return `x`, at least -`limit` and at most `limit`."""
    return min(max(x, -limit), limit)


def zigzag(n: int) -> int:
    """Map 0, -1, 1, -2, 2, ... to 0, 1, 2, 3, 4, ..."""
    return 2 * n if n >= 0 else -2 * n - 1


def unzigzag(n: int) -> int:
    """Map 0, 1, 2, 3, 4, ... to 0, -1, 1, -2, 2, ..."""
    return -(n + 1) // 2 if n % 2 else n // 2


def width_of(size: int) -> int:
    """Bits of a code of a quantizer with `size` codes (*Definitions*)."""
    return max(1, (size - 1).bit_length())


def rounded_power(numerator: int, denominator: int) -> int:
    """Return 2 ** (numerator / denominator) rounded to an integer; the denominator is 1, 2, 4, 8 or 16."""
    twice = 1 << numerator + denominator  # (2 * 2 ** (numerator / denominator)) ** denominator
    for _ in range(denominator.bit_length() - 1):
        twice = isqrt(twice)
    return (twice + 1) // 2


def shifted(number: int, octaves: int) -> int:
    """Return number * 2 ** octaves, rounded down."""
    return number << octaves if octaves >= 0 else number >> -octaves


def bits_of(number: int, width: int) -> str:
    """Return `number` in `width` bits, as characters 0 and 1."""
    return format(number, f"0{width}b") if width else ""


def bytes_from_bits(bits: str) -> bytes:
    """Return the bytes that hold `bits`; zeros fill the last one."""
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def uvarint(n: int) -> bytes:
    """Return `n` as unsigned LEB128."""
    return bytes([n]) if n < 128 else bytes([n % 128 + 128]) + uvarint(n // 128)


class Reader:
    """Reads bits of bytes, most significant first. Raises Damage after the last one."""

    def __init__(self, data: bytes) -> None:
        self.string = "".join(bits_of(byte, 8) for byte in data)
        self.position = 0

    def bits(self, width: int) -> int:
        """Read a number of `width` bits."""
        first, self.position = self.position, self.position + width
        if self.position > len(self.string):
            raise Damage("the stream ends too early")
        return int(self.string[first : self.position] or "0", 2)

    def uvarint(self) -> int:
        """Read a number of at most nine bytes, in its shortest form."""
        number = 0
        for i in range(9):
            byte = self.bits(8)
            number += byte % 128 << 7 * i
            if byte < 128:
                if byte == 0 and i > 0:
                    raise Damage("a number is not in its shortest form")
                return number
        raise Damage("a number is too long")

    def align(self) -> None:
        """Skip the bits up to the next byte."""
        self.position += -self.position % 8

    def take(self, size: int) -> bytes:
        """Read so many bytes, at the beginning of a byte."""
        return self.bits(8 * size).to_bytes(size, "big")

    def rest(self) -> bytes:
        """Return the bytes after the last one of which a bit was read."""
        self.align()
        return bytes_from_bits(self.string[self.position :])

    def end(self) -> None:
        """Raise Damage if a whole byte is left."""
        if len(self.string) - self.position >= 8:
            raise Damage("the stream is longer than its contents")
