"""Bytes and samples of all widths, and layouts of files."""

from __future__ import annotations

import numpy as np
import pytest

from spikey_cli.io.layout import (
    Layout,
    SampleType,
    sample_dtype,
    sample_range,
    samples_from_bytes,
    samples_to_bytes,
    whole_rate,
    zero_fill,
)


@pytest.mark.parametrize(
    ("sample_bytes", "data", "values"),
    [
        (1, b"\x00\x7f\x80\xff", [0, 127, 128, 255]),
        (2, b"\x01\x00\xff\x7f\x00\x80\xff\xff", [1, 32767, -32768, -1]),
        (3, b"\x01\x02\x00\xff\xff\x7f\x00\x00\x80\xff\xff\xff", [513, 8388607, -8388608, -1]),
    ],
)
def test_bytes_and_samples_are_converted(sample_bytes: int, data: bytes, values: list[int]) -> None:
    for view in (data, bytearray(data), memoryview(data)):
        samples = samples_from_bytes(view, 2, sample_bytes)
        assert samples.dtype == sample_dtype(sample_bytes), f"samples are {samples.dtype}"
        np.testing.assert_array_equal(samples, np.reshape(values, (2, 2)), f"samples of {sample_bytes} bytes")
        assert samples_to_bytes(samples, sample_bytes) == data, "other bytes were restored"
    assert (
        samples_to_bytes(samples[:, :1], sample_bytes) == data[:sample_bytes] + data[2 * sample_bytes :][:sample_bytes]
    ), "bytes of strided samples"
    low, high = sample_range(sample_bytes)
    assert (low, high) == (min(*values, low), max(*values, high)), f"samples are outside {low}..{high}"


def test_other_shapes_and_dtypes_are_refused() -> None:
    with pytest.raises(ValueError, match="not int32"):
        samples_to_bytes(np.zeros((2, 2), np.int32), 2)
    for sample_bytes in (1, 2, 3):
        with pytest.raises(ValueError, match=r"reshape|multiple"):
            samples_from_bytes(bytes(3 * sample_bytes), 2, sample_bytes)
    with pytest.raises(KeyError):
        sample_range(4)
    for number in (0, 10):
        with pytest.raises(ValueError, match="is not a valid SampleType"):
            Layout(b"", b"", 1000, 1, number, 0)


@pytest.mark.parametrize("sample_type", SampleType)
def test_types_have_a_name_and_a_dtype(sample_type):
    assert SampleType.named(str(sample_type)) is sample_type
    is_24_bit = sample_type is SampleType.INT24
    assert sample_type.bytes == (3 if is_24_bit else sample_type.dtype.itemsize)
    assert SampleType.of(sample_type.dtype.newbyteorder(">")) is (SampleType.INT32 if is_24_bit else sample_type)
    assert sample_type.is_scaled == (sample_type > 3)
    data = bytes(range(1, 1 + 6 * sample_type.bytes))
    assert samples_to_bytes(samples_from_bytes(data, 2, sample_type), sample_type) == data


def test_other_names_and_dtypes_are_no_types():
    assert SampleType.named("INT16") is SampleType.named("float16") is None
    assert SampleType.of(np.dtype(np.int8)) is SampleType.of(np.dtype(np.float16)) is None


def test_the_parts_of_a_layout_are_the_file():
    layout = Layout(b"header", b"end", 30_000, channels=4, sample_type=SampleType.INT16, n_frames=10)
    assert (layout.data_offset, layout.frame_bytes, layout.file_bytes) == (6, 8, 6 + 80 + 3)
    assert str(layout) == "4 x 10 samples, int16, 30,000 Hz"


def test_zero_fill_is_the_middle_of_the_range():
    for sample_bytes in (1, 2, 3):
        samples = samples_from_bytes(zero_fill(6, sample_bytes), 1, sample_bytes)
        low, high = sample_range(sample_bytes)
        assert (samples == (low + high + 1) // 2).all()


@pytest.mark.parametrize(
    ("rate", "whole"), [(30_000.083871, 30_000), (2500.0, 2500), (0.3, 0), (1000.9, 1001), (999.5, 1000), (9.98, 0)]
)
def test_rates_are_rounded_unless_that_changes_them(rate, whole):
    assert whole_rate(rate) == whole
