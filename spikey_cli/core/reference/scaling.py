"""Scaling: samples computed from integers (docs/format.md, *Scaling*)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

TYPES = {4: "<i", 5: "<f", 6: "<d", 7: "<H", 8: "<I", 9: "<q"}
"""Scaled sample types, as `struct` writes them."""


def to_float32(x: float) -> float:
    """Round to float32. The result of one operation on float32 numbers is thus rounded as if it were rounded once."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", x))[0])
    except OverflowError:
        return float("inf") if x > 0 else float("-inf")


def integer_samples(integers: Sequence[int], base: int, step: int, sample_type: int) -> bytes:
    """Return the samples base + k * step of integers k, modulo the width of their type."""
    size = struct.calcsize(TYPES[sample_type])
    return b"".join(((base + k * step) % 256**size).to_bytes(size, "little") for k in integers)


def real_samples(integers: Sequence[int], kind: int, gain: float, offset: float, sample_type: int) -> bytes:
    """Return the samples of integers k, each operation rounded to float64, or to float32 in kinds 6 to 10."""
    rounded = to_float32 if 6 <= kind <= 10 else float
    samples = []
    for k in integers:
        if kind in (1, 6):
            x = rounded(rounded(k * gain) + offset)
        elif kind in (2, 7):
            x = rounded(rounded(k / gain) + offset)
        elif kind in (3, 8):
            x = rounded(rounded(k + offset) * gain)
        elif kind in (4, 9):
            x = rounded(rounded(k * gain) * offset)
        elif kind == 11:
            x = k * gain if k >= 0 else -(~k * gain)
        else:
            x = rounded(rounded(k * gain) / offset)
        samples.append(struct.pack(TYPES[sample_type], to_float32(x) if sample_type == 5 else x))
    return b"".join(samples)


def low_bits_width(k: int, sample_type: int) -> int:
    """Return how many low bits the sample of an integer has."""
    steps = k if k >= 0 else ~k
    return (23 if sample_type == 5 else 52) - (steps.bit_length() - 1) if steps else 0


def take_low_bits(stream: bytes, integers: Sequence[int], sample_type: int) -> list[int]:
    """Return the low bits of the samples of integers. Raise ValueError if the stream has more or fewer."""
    bits = "".join(f"{byte:08b}" for byte in stream)
    widths = [low_bits_width(k, sample_type) for k in integers]
    if len(stream) != -(-sum(widths) // 8) or "1" in bits[sum(widths) :]:
        raise ValueError("there are more low bits, or fewer")
    low, at = [], 0
    for width in widths:
        low.append(int(bits[at : at + width] or "0", 2))
        at += width
    return low
