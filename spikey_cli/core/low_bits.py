"""Low bits of a channel: of floats whose integer is the upper bits of the mantissa, those below.

For each sample, what its bits are more than those of k * gain, in w bits, the most significant first; then zeros up to
whole bytes.

float32    w = 23 - floor(log2 n), where n = k, or ~k if k is below 0; w = 0 if n = 0
float64    w = 52 - floor(log2 n)

They are stored as they are: filters mix all samples into them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ..io.layout import SampleType
from . import _core

STRIDE = 1 << 14
"""Samples from one whose low bits are found at once to the next."""


class LowBits(NamedTuple):
    """The low bits of a channel of a part. They stay packed: unpacked, they would take more memory than the samples."""

    packed: bytes
    sample_type: SampleType
    starts: tuple[int, ...]
    """Bits before those of each STRIDE-th sample."""

    @classmethod
    def of(cls, samples: np.ndarray, upper: np.ndarray, integers: np.ndarray, sample_type: SampleType) -> LowBits:
        """Return the low bits of samples, given those of their integers; escaped ones have the same bits in both."""
        bits = f"u{samples.itemsize}"
        low = (samples.view(bits) - upper.view(bits)).astype(np.uint64)
        packed = _core.pack_low_bits(integers, sample_type, low)
        pieces = (integers[first : first + STRIDE] for first in range(0, integers.size, STRIDE))
        return cls(packed, sample_type, _count(pieces, sample_type)[0])

    @classmethod
    def parse(cls, packed: bytes, pieces: Iterable[np.ndarray], sample_type: SampleType) -> LowBits | None:
        """Return the low bits of samples whose integers are these pieces of STRIDE; None if there are more or fewer."""
        starts, n_bits = _count(pieces, sample_type)
        unused = 8 * len(packed) - n_bits
        is_whole = 0 <= unused < 8 and not (unused and packed[-1] & ((1 << unused) - 1))
        return cls(packed, sample_type, starts) if is_whole else None

    def add_to(self, samples: np.ndarray, first: int, integers: np.ndarray) -> None:
        """Add the low bits to samples that their integers gave, from sample `first` on, a multiple of STRIDE."""
        low = np.empty(samples.size, np.uint64)
        _core.unpack_low_bits(self.packed, self.starts[first // STRIDE], integers, self.sample_type, low)
        bits = samples.view(f"u{samples.itemsize}")
        bits += low.astype(bits.dtype)


def _count(pieces: Iterable[np.ndarray], sample_type: SampleType) -> tuple[tuple[int, ...], int]:
    """Return the low bits before each piece of integers, and those of all."""
    *starts, n_bits = itertools.accumulate((_core.count_low_bits(each, sample_type) for each in pieces), initial=0)
    return tuple(starts), n_bits
