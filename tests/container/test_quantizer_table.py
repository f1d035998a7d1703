"""Quantizers as bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.container.quantizer_table import pack_quantizer, unpack_quantizer
from spikey_cli.core.quantizer import MAX_PALETTE
from spikey_cli.core.varint import put_uvarint, zigzag
from spikey_cli.errors import ArchiveError
from spikey_cli.io.layout import sample_range


def packed(kind: int, *numbers: int) -> bytes:
    out = bytearray([kind])
    for n in numbers:
        put_uvarint(out, n)
    return bytes(out)


@pytest.mark.parametrize(
    ("buf", "sample_bytes", "reason"),
    [
        (b"", 2, "no quantizer"),
        (packed(4), 2, "kind 4"),
        (packed(0), 4, "samples of 4 bytes"),
        (packed(1), 3, "kind 1"),
        (packed(2, zigzag(0), 0, 5), 2, "beyond"),
        (packed(2, zigzag(0), 2, 0), 2, "beyond"),
        (packed(2, zigzag(-32769), 2, 1), 2, "beyond"),
        (packed(2, zigzag(32767), 1, 2), 2, "beyond"),
        (packed(2, zigzag(0), 2**62, 1), 2, "beyond"),
        (packed(2, zigzag(0), 2**62, 2**62), 3, "beyond"),
        (packed(2, zigzag(0), 12), 2, "cut short"),
        (packed(3, 0, 0), 2, "0 values"),
        (packed(3, MAX_PALETTE + 1, 0), 2, "4097 values"),
        (packed(3, 3, zigzag(5), 0), 2, "cut short"),
        (packed(3, 2, zigzag(32767), 0), 2, "beyond"),
        (packed(3, 2, zigzag(-1), 0), 1, "beyond"),
        (packed(3, 2, zigzag(0), 2**63 - 1), 3, "beyond"),
    ],
)
def test_invalid_quantizers_are_refused(buf: bytes, sample_bytes: int, reason: str) -> None:
    with pytest.raises(ArchiveError, match=reason):
        unpack_quantizer(buf, sample_bytes)


LATTICE, COPY = (5, 5, 2, zigzag(0), 9), (6, 0, zigzag(0), 0)


@pytest.mark.parametrize(
    ("channels", "reason"),
    [
        ([(5, 2, 2, 0, 9)], "out of range"),
        ([(5, 5, 0, 0, 9)], "out of range"),
        ([(5, 4096 * 2, 2, 0, 9)], "out of range"),
        ([(5, (1 << 20) + 2, (1 << 20) + 1, 0, 9)], "out of range"),
        ([(5, 5, 2, 0, 0)], "out of range"),
        ([(5, 5, 2, 1 << 48, 9)], "out of range"),
        ([(5, (4096 << 20) - 1, 1 << 20, (1 << 47) - 1, 1 << 24)], "beyond its samples"),
        ([(5, 5, 2, 0, 1 << 24)], "beyond its samples"),
        ([(5, 5, 2, zigzag(-2 * 32_770), 9)], "beyond its samples"),
        ([(5, 5, 2, zigzag(2 * 32_760), 9)], "beyond its samples"),
        ([COPY], "cannot be a copy"),
        ([LATTICE, (6, 1, 0, 0)], "cannot be a copy"),
        ([LATTICE, COPY, (6, 1, 0, 0)], "cannot be a copy"),
        ([LATTICE, (6, 0, 0, 2)], "cannot be a copy"),
        ([LATTICE, (6, 0, 1 << 27, 0)], "cannot be a copy"),
        ([LATTICE, (4,)], "kind 4"),
        ([LATTICE], "no quantizer"),
    ],
)
def test_invalid_quantizers_by_channel_are_refused(channels, reason):
    table = packed(4) + b"".join(packed(*numbers) for numbers in channels)
    with pytest.raises(ArchiveError, match=reason):
        unpack_quantizer(table, 2, max(2, len(channels)))


def test_quantizers_by_channel_come_back():
    table = packed(4) + packed(*LATTICE) + packed(0) + packed(*COPY) + packed(6, 1, zigzag(-7), 1)
    quantizer, used = unpack_quantizer(table + b"more", 2, 4)
    assert used == len(table)
    assert [quantizer.of_channel(i).kind for i in range(4)] == ["lattice", "identity", "copy", "copy"]
    assert pack_quantizer(quantizer) == table


@given(
    st.one_of(
        st.binary(max_size=40),
        st.builds(packed, st.integers(0, 4), *[st.integers(0, 40000)] * 4),
        st.builds(lambda kind, numbers: packed(kind, *numbers), st.integers(2, 3), st.lists(st.integers(0, 300))),
    ),
    st.integers(0, 4),
)
def test_any_bytes_are_a_quantizer_or_refused(buf: bytes, sample_bytes: int) -> None:
    try:
        quantizer, size = unpack_quantizer(buf, sample_bytes)
    except ArchiveError:
        return
    assert pack_quantizer(quantizer) == buf[:size], (
        f"{buf[:size].hex()} was read as a quantizer that packs as {pack_quantizer(quantizer).hex()}"
    )
    low, high = sample_range(sample_bytes)
    ends = quantizer.to_samples(np.array([0, quantizer.size - 1], np.int32), np.int32)
    assert low <= ends[0] <= ends[1] <= high, f"values {ends} are not of {sample_bytes} bytes"
    np.testing.assert_array_equal(quantizer.to_codes(ends), [0, quantizer.size - 1], "codes of the ends")
