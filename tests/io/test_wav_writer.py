"""New WAV files: what they can hold, and that libsndfile writes it."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from support.recordings import wav_bytes

from spikey_cli.io.layout import SampleType
from spikey_cli.io.wav_writer import WavFormat, write_wav


@pytest.mark.parametrize(
    ("wav_format", "frames", "reason"),
    [
        (WavFormat(0, 1, SampleType.INT16), 1, "states a sampling rate"),
        (WavFormat(2**31, 1, SampleType.INT16), 1, "a rate of 2,147,483,647 Hz at most"),
        (WavFormat(1, 1025, SampleType.INT16), 1, "1,024 channels at most, not 1,025"),
        (WavFormat(1, 1024, SampleType.INT16), 2**21, "4 GiB at most"),
        (WavFormat(1, 1, SampleType.INT64), 1, "does not hold samples of type int64"),
    ],
)
def test_faults(wav_format, frames, reason):
    assert reason in wav_format.fault(frames)


def test_the_largest_formats_are_written(tmp_path):
    for wav_format in (WavFormat(2**31 - 1, 1, SampleType.INT16), WavFormat(1, 1024, SampleType.INT16)):
        assert not wav_format.fault(3)
        with (tmp_path / "a.wav").open("wb") as file:
            write_wav(file, tmp_path / "a.wav", wav_format, [np.ones((3, wav_format.channels), np.int16)])
        samples, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
        assert (rate, samples.sum()) == (wav_format.sample_rate, 3 * wav_format.channels)


@pytest.mark.parametrize(
    ("sample_bytes", "dtype", "low"), [(1, np.uint8, 0), (2, np.int16, -(2**15)), (3, np.int32, -(2**23))]
)
def test_samples_of_all_widths_are_written_piece_by_piece(tmp_path, random, sample_bytes, dtype, low):
    samples = (random.integers(0, 2 ** (8 * sample_bytes), (50, 2)) + low).astype(dtype)
    with (tmp_path / "a.wav").open("wb") as file:
        write_wav(file, tmp_path / "a.wav", WavFormat(1000, 2, SampleType(sample_bytes)), [samples[:20], samples[20:]])
    written, expected = (tmp_path / "a.wav").read_bytes(), wav_bytes(samples, sample_bytes, 1000)
    assert written[written.index(b"data") :] == expected[expected.index(b"data") :]


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_samples_of_other_types_are_written(tmp_path, random, dtype):
    samples = (random.normal(0, 1, (50, 2)) * (2**28 if dtype == np.int32 else 3)).astype(dtype)
    sample_type = SampleType.of(np.dtype(dtype))
    with (tmp_path / "a.wav").open("wb") as file:
        write_wav(file, tmp_path / "a.wav", WavFormat(1000, 2, sample_type), [samples[:20], samples[20:]])
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a.wav", dtype=np.dtype(dtype).name)[0], samples)
