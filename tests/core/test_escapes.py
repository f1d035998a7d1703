"""Escaped samples: packed and put back, bit for bit; no bytes harm the reader."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikey_cli.core.escapes import Escapes, filled, pack_escapes, unpack_escapes
from spikey_cli.errors import DamageError


@given(
    st.sampled_from(["u4", "u8"]).flatmap(
        lambda dtype: hnp.arrays(dtype, st.integers(1, 60), elements=st.integers(0, 2))
    ),
    st.data(),
)
def test_escapes_come_back(bits: np.ndarray, data: st.DataObject) -> None:
    nan = 0x7FF00001 if bits.itemsize == 4 else 0x7FF0000000000001  # a NaN that signals
    samples = (bits + nan * (bits > 0).astype(bits.dtype)).view(f"f{bits.itemsize}")
    is_escaped = data.draw(hnp.arrays(bool, samples.size).filter(np.any))
    escapes = Escapes.at(np.flatnonzero(is_escaped), samples)
    packed = pack_escapes(escapes)
    again, used = unpack_escapes(packed + b"more", samples.size, samples.dtype)
    assert used == len(packed)
    first = data.draw(st.integers(0, samples.size))
    stop = data.draw(st.integers(first, samples.size))
    for each in (escapes, again):
        column = np.zeros((stop - first, 2), samples.dtype)[:, 1]
        each.put_into(column, first)
        expected = np.where(is_escaped, samples.view(bits.dtype), 0)[first:stop]
        np.testing.assert_array_equal(column.view(bits.dtype), expected)


def test_a_long_run_takes_few_bytes() -> None:
    samples = np.full(1_000_000, np.nan, np.float32)
    assert len(pack_escapes(Escapes.at(np.arange(10, 999_000), samples))) < 20


def listed(*numbers: int, sample: bytes = bytes(4), more: bytes = b"") -> bytes:
    data = struct.pack(f"<{len(numbers)}I", *numbers) + sample
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(data) + deflate.flush() + more
    return bytes([len(packed)]) + packed


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"\x05",
        b"\x02\xff\xff",
        b"\x01" + zlib.compress(b"", wbits=-15)[:1],
        listed(),
        listed(sample=b""),
        listed(0, 0),
        listed(0, 11),
        listed(10, 1),
        listed(2**32 - 1, 2**32 - 1),
        listed(0, 1, sample=bytes(5)),
        listed(0, 1, more=b"more"),
        listed(0, 5, 0, 1, 0, 1, sample=bytes(12))[:-1],
        listed(*[0] * 22, *[1] * 22, sample=bytes(88)),
    ],
)
def test_malformed_escapes_are_refused(stream: bytes) -> None:
    assert unpack_escapes(listed(0, 10), 10, np.dtype(np.float32))[0].length.tolist() == [10]
    with pytest.raises(DamageError):
        unpack_escapes(stream, 10, np.dtype(np.float32))


@given(st.binary(max_size=60))
def test_any_bytes_are_escapes_or_refused(stream: bytes) -> None:
    try:
        escapes, used = unpack_escapes(stream, 10, np.dtype(np.float64))
    except DamageError:
        return
    assert used <= len(stream)
    escapes.put_into(np.zeros(10), 0)


def test_filled_repeats_the_last() -> None:
    escaped = np.array([True, True, False, False, True, False, True])
    assert filled(np.arange(7), escaped).tolist() == [2, 2, 2, 3, 3, 5, 5]
    assert filled(np.arange(3), np.ones(3, bool)).tolist() == [0, 0, 0]
