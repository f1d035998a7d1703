"""Low bits of a channel: of floats whose integer is the upper bits of the mantissa, those below.

uvarint size, then as many bytes: for each sample, what its bits are more than those of k * gain, in w bits, the most
significant first; then zeros up to whole bytes

float32    w = 23 - floor(log2 n), where n = k, or ~k if k is below 0; w = 0 if n = 0
float64    w = 52 - floor(log2 n)

They are stored as they are: filters mix all samples into them.
"""

from __future__ import annotations

import numpy as np

from ..errors import DamageError
from ..io.layout import SampleType
from . import _core
from .varint import get_uvarint, put_uvarint


def low_bits_of(samples: np.ndarray, upper: np.ndarray, is_escaped: np.ndarray | None) -> np.ndarray:
    """Return the low bits of samples as uint64, given those of their integers; 0 of escaped ones."""
    bits = f"u{samples.itemsize}"
    low = samples.view(bits) - upper.view(bits)
    if is_escaped is not None:
        low[is_escaped] = 0
    return low.astype(np.uint64)


def pack_low_bits(low_bits: np.ndarray, integers: np.ndarray, sample_type: SampleType) -> bytes:
    """Serialise the low bits of samples with these integers."""
    packed = _core.pack_low_bits(np.require(integers, np.int32, ["C"]), sample_type, low_bits)
    out = bytearray()
    put_uvarint(out, len(packed))
    return bytes(out) + packed


def split_low_bits(stream: bytes) -> tuple[bytes, int]:
    """Return the low bits at the beginning of a stream, as they are stored, and the number of bytes they take there.

    Raises
    ------
    DamageError
        They are cut short.
    """
    size, at = get_uvarint(stream, 0)
    if size > len(stream) - at:
        raise DamageError("the low bits are cut short")
    return stream[at : at + size], at + size


def unpack_low_bits(packed: bytes, integers: np.ndarray, sample_type: SampleType) -> np.ndarray | None:
    """Return the low bits of samples with these integers, as uint64; None if there are more or fewer."""
    low = np.empty(integers.size, np.uint64)
    is_whole = _core.unpack_low_bits(packed, np.require(integers, np.int32, ["C"]), sample_type, low)
    return low if is_whole else None
