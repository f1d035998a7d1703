"""Scalings in a directory: they come back, and no bytes harm the reader."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikey_cli.container.scaling_table import pack_scaling, unpack_scaling
from spikey_cli.container.table_reader import TableReader
from spikey_cli.core.scaling import FileScaling, Scaling, ScalingKind
from spikey_cli.errors import ArchiveError, DamageError
from spikey_cli.io.layout import Layout, SampleType


def layout(sample_type: SampleType, channels: int = 3) -> Layout:
    return Layout(b"", b"", 1000, channels, sample_type, 10)


def unpacked(data: bytes, sample_type: SampleType = SampleType.FLOAT32) -> FileScaling:
    table = TableReader(data)
    scaling = unpack_scaling(table, layout(sample_type))
    table.end("the scaling")
    return scaling


@pytest.mark.parametrize(
    "scaling",
    [
        FileScaling(SampleType.FLOAT32, 2, (Scaling(ScalingKind.MULTIPLY, 0.195),) * 3),
        FileScaling(SampleType.FLOAT64, 3, tuple(Scaling(ScalingKind(i), 0.5, -0.25) for i in (1, 5, 8))),
        FileScaling(SampleType.INT64, 3, (Scaling(base=-(2**62) + 1, step=2**62 - 1),) * 3),
    ],
)
def test_scalings_come_back(scaling: FileScaling) -> None:
    again = unpacked(pack_scaling(scaling), scaling.sample_type)
    assert again == scaling
    assert pack_scaling(again) == pack_scaling(scaling)


def test_zeros_keep_their_sign() -> None:
    for offset in (0.0, -0.0):
        scaling = FileScaling(SampleType.FLOAT32, 2, (Scaling(ScalingKind.MULTIPLY, 1.0, offset),) * 3)
        assert np.signbit(unpacked(pack_scaling(scaling)).channels[0].offset) == np.signbit(offset)


def real(kind: int, gain: float, offset: float = 0.0, integer_bytes: int = 2, count: int = 1) -> bytes:
    return bytes([integer_bytes, count]) + (bytes([kind]) + struct.pack("<dd", gain, offset)) * count


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\2",
        real(1, 0.0),
        real(1, np.nan),
        real(1, np.inf),
        real(1, 2.0**-61),
        real(2, 1.0, np.nan),
        real(2, 1.0, -np.inf),
        real(2, 1.0, 1e300),
        real(6, 0.1),
        real(7, 1.0, 0.1),
        real(4, 1.0, 0.0),
        real(5, 2.0**40, 2.0**-40),
        real(0, 1.0),
        real(12, 1.0),
        real(11, 3.0),
        real(11, -1.0),
        real(11, 1.0, 1.0),
        real(11, 2.0**101),
        real(1, 1.0, integer_bytes=1),
        real(1, 1.0, integer_bytes=4),
        real(1, 1.0, count=0),
        real(1, 1.0, count=2),
        real(1, 1.0, count=4),
        real(1, 1.0)[:-1],
        real(1, 1.0) + b"\0",
    ],
)
def test_malformed_scalings_are_refused(data: bytes) -> None:
    assert unpacked(real(1, 1.0)).channels == (Scaling(ScalingKind.MULTIPLY, 1.0, 0.0),) * 3
    with pytest.raises(DamageError):
        unpacked(data)


@pytest.mark.parametrize("data", [b"\2\1\0\0\0", b"\2\1\0\0" + b"\xff" * 8 + b"\x7f", real(1, 1.0)])
def test_malformed_scalings_of_integers_are_refused(data: bytes) -> None:
    assert unpacked(b"\2\1\0\5\7", SampleType.INT32).channels[0] == Scaling(base=-3, step=7)
    with pytest.raises(DamageError):
        unpacked(data, SampleType.INT32)


@given(st.binary(max_size=60), st.sampled_from([each for each in SampleType if each.is_scaled]))
def test_any_bytes_are_a_scaling_or_refused(data: bytes, sample_type: SampleType) -> None:
    try:
        scaling = unpack_scaling(TableReader(data), layout(sample_type))
    except ArchiveError:
        return
    codes = np.array([-(2**23), -1, 0, 1, 2**23 - 1])
    for each in scaling.channels:
        assert each.to_samples(codes, sample_type).dtype == sample_type.dtype
