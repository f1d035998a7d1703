"""Quantizers: the values of each kind (docs/format.md, *Quantizer*)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


def identity(sample_bytes: int) -> range:
    """Return all values of samples of 1, 2 or 3 bytes: one byte is unsigned, more are two's complement."""
    size = 256**sample_bytes
    return range(size) if sample_bytes == 1 else range(-size // 2, size // 2)


def n1() -> list[int]:
    """Return the 1024 values of ten bits that were scaled to sixteen and truncated towards zero."""
    scaled = [65535 * i - 1023 * 32768 for i in range(1024)]
    return [x // 1023 if x >= 0 else -(-x // 1023) for x in scaled]


def step(offset: int, size_of_step: int, size: int) -> range:
    """Return `size` values from `offset` on."""
    return range(offset, offset + size_of_step * size, size_of_step)


def palette(first: int, gaps: Sequence[int]) -> list[int]:
    """Return any ascending values; a gap is the number of integers between two of them."""
    return list(accumulate((gap + 1 for gap in gaps), initial=first))


def to_codes(samples: Sequence[int], values: Sequence[int]) -> list[int]:
    """Return the index of each sample in `values`. Raises ValueError if it is none of them."""
    codes = [bisect_left(values, sample) for sample in samples]
    if any(code == len(values) or values[code] != sample for code, sample in zip(codes, samples, strict=True)):
        raise ValueError("a sample is none of the values")
    return codes


def to_samples(codes: Sequence[int], values: Sequence[int]) -> list[int]:
    """Return the value of each code. Raises ValueError if it is not below the number of values."""
    if not all(0 <= code < len(values) for code in codes):
        raise ValueError("a code is out of range")
    return [values[code] for code in codes]
