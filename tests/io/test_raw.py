"""Raw samples: interleaved, without a header."""

from __future__ import annotations

import io

import numpy as np
import pytest

import spikey_cli
from spikey_cli.errors import InputError
from spikey_cli.io.layout import SampleType
from spikey_cli.io.raw import RawFormat


@pytest.mark.parametrize("numbers", [(0, 1, 2), (65_536, 1, 2), (1, 2**32, 2), (1, -1, 2)])
def test_impossible_formats_are_refused(numbers):
    with pytest.raises(InputError, match="has") as caught:
        RawFormat(*numbers)
    assert caught.value.parameter == "raw"


@pytest.mark.parametrize("sample_type", [0, 10, "int25", "INT16", ""])
def test_unknown_types_are_refused(sample_type):
    with pytest.raises(InputError, match="choose one of uint8, int16") as caught:
        RawFormat(1, 1, sample_type)
    assert caught.value.parameter == "raw"


def test_types_have_names():
    assert RawFormat(1, 1, "float32") == RawFormat(1, 1, SampleType.FLOAT32) == RawFormat(1, 1, 5)
    assert RawFormat(1, 1).sample_type is SampleType.INT16


def test_an_incomplete_frame_is_the_trailer():
    layout = RawFormat(3, 1000).layout(io.BytesIO(bytes(12) + b"abcd"), 16)
    assert (layout.n_frames, layout.header, layout.trailer) == (2, b"", b"abcd")


def test_an_incomplete_frame_longer_than_a_trailer_may_be_is_not_parsed():
    size = 65_535 * 3 + (64 << 10) + 1
    assert RawFormat(65_535, 1000, 3).layout(io.BytesIO(bytes(size)), size) is None


@pytest.mark.parametrize("incomplete", [b"", b"123"])
def test_raw_samples_are_predicted_and_restored(tmp_path, samples, incomplete):
    data = samples.tobytes() + incomplete
    (tmp_path / "run.BIN").write_bytes(data)
    source = spikey_cli.FileSource(tmp_path / "run.BIN", raw=RawFormat(4, 30_000))
    result = spikey_cli.compress([source], tmp_path / "a.spk")
    assert result.ratio > 3, f"ratio {result.ratio}: they were not predicted"
    with spikey_cli.open(tmp_path / "a.spk") as recording:
        np.testing.assert_array_equal(recording[:], samples)
        assert recording.sample_rate == 30_000
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out")
    assert (tmp_path / "out" / "run.BIN").read_bytes() == data
