"""extract: ranges of channels as arrays, WAV files and folders of WAV files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from support.recordings import n1_samples, neural, wav_bytes

import spikey_cli
from spikey_cli.api import recording
from spikey_cli.codec import block_plan
from spikey_cli.errors import ArchiveError, InputError

FRAMES, RATE = 9000, 10_000


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    """The columns are a.wav, b.wav, and the three channels of wide.wav."""
    return n1_samples(neural(np.random.default_rng(5), FRAMES, 5))


@pytest.fixture(scope="module")
def archive(tmp_path_factory, samples) -> Path:
    """Four files in blocks of at most 1500 frames; norate.npy has the first two columns and no sampling rate."""
    folder = tmp_path_factory.mktemp("extract")
    files = {"a.wav": samples[:, 0], "b.wav": samples[:, 1], "wide.wav": samples[:, 2:]}
    for name, columns in files.items():
        (folder / name).write_bytes(wav_bytes(columns, rate=RATE))
    np.save(folder / "norate.npy", np.ascontiguousarray(samples[:, :2]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_plan, "BLOCK_SAMPLES", 6000)
        patch.setattr(block_plan, "PART_FRAMES", 1500)
        patch.setattr(block_plan, "WIDE_FRAMES", 500)
        spikey_cli.compress([folder / name for name in (*files, "norate.npy")], folder / "out.spk")
    assert spikey_cli.info(folder / "out.spk")["blocks"] > 3
    return folder / "out.spk"


def extracted(archive: Path, **options) -> np.ndarray:
    """The array that extract writes to an open file."""
    file = io.BytesIO()
    result = spikey_cli.extract(archive, file, **options)
    array = np.load(io.BytesIO(file.getvalue()))
    assert (result.paths, result.shapes) == ((), (array.shape,))
    return array


def test_channels_in_the_requested_order(tmp_path, archive, samples):
    names = ["wide.wav:2", "a.wav", "wide.wav"]
    result = spikey_cli.extract(archive, tmp_path / "piece.npy", channels=names, seconds=(0.25, 0.5))
    assert (result.paths, result.shapes) == ((tmp_path / "piece.npy",), ((2500, 4),))
    array = np.load(tmp_path / "piece.npy")
    assert array.dtype == np.int16
    np.testing.assert_array_equal(array, samples[2500:5000, [4, 0, 2, 3]])


@pytest.mark.parametrize(
    ("frames", "seconds", "expected"),
    [
        (None, None, slice(None)),
        ((17, 18), None, slice(17, 18)),
        ((8000, None), None, slice(8000, None)),
        ((None, 1_000_000), None, slice(None)),
        (None, (None, 0.1), slice(0, 1000)),
        (None, (0.12344, 0.12356), slice(1234, 1236)),
    ],
)
def test_ranges_in_frames_and_seconds(archive, samples, frames, seconds, expected):
    array = extracted(archive, channels=["b.wav"], frames=frames, seconds=seconds)
    np.testing.assert_array_equal(array, samples[expected, 1:2])


_BOUND = st.none() | st.integers(0, FRAMES + 5)


@given(first=_BOUND, stop=_BOUND, names=st.lists(st.sampled_from(["a.wav", "b.wav", "wide.wav:1"]), max_size=3))
def test_any_range_is_that_of_the_array(archive, samples, first, stop, names):
    columns = list(dict.fromkeys({"a.wav": 0, "b.wav": 1, "wide.wav:1": 3}[name] for name in names)) or [2, 3, 4]
    expected = samples[first:stop][:, columns]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "_MIN_PIECE_SAMPLES", 2000)
        patch.setattr(recording, "_MAX_PIECE_SAMPLES", 3700)
        if expected.size:
            array = extracted(archive, channels=names or ["wide.wav"], frames=(first, stop))
            np.testing.assert_array_equal(array, expected)
        else:
            with pytest.raises(InputError, match="no samples"):
                extracted(archive, channels=names or ["wide.wav"], frames=(first, stop))


def test_progress(archive):
    reports = []
    spikey_cli.extract(archive, io.BytesIO(), channels=["a.wav"], progress=lambda *report: reports.append(report))
    assert reports[-1] == (2 * FRAMES, 2 * FRAMES)


class TestWav:
    def test_channels_of_several_files(self, tmp_path, archive, samples):
        path = tmp_path / "piece.WAV"
        spikey_cli.extract(archive, path, channels=["b.wav", "wide.wav:0"], seconds=(0.4, None))
        assert path.read_bytes() == wav_bytes(samples[4000:, [1, 2]], rate=RATE)

    @pytest.mark.parametrize(("sample_bytes", "dtype"), [(1, np.uint8), (3, np.int32)])
    def test_other_widths(self, tmp_path, random, sample_bytes, dtype):
        scale, offset = (1, 0) if sample_bytes == 1 else (65_793, -(2**23))
        samples = random.integers(0, 256, (3000, 2)) * scale + offset
        (tmp_path / "w.wav").write_bytes(wav_bytes(samples, sample_bytes, 1000))
        spikey_cli.compress([tmp_path / "w.wav"], tmp_path / "out.spk")
        array = extracted(tmp_path / "out.spk", seconds=(1, 2))
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, samples[1000:2000])
        spikey_cli.extract(tmp_path / "out.spk", tmp_path / "piece.wav", seconds=(1, 2))
        written = (tmp_path / "piece.wav").read_bytes()
        expected = wav_bytes(samples[1000:2000], sample_bytes, 1000)
        assert written[written.index(b"data") + 8 :] == expected[expected.index(b"data") + 8 :]

    def test_without_a_rate_there_is_no_wav(self, tmp_path, archive):
        with pytest.raises(InputError, match=r"rate, and the recording's is unknown; extract to an \.npy file"):
            spikey_cli.extract(archive, tmp_path / "a.wav", channels=["norate.npy"])


class TestFolder:
    def test_one_wav_per_source_file(self, tmp_path, archive, samples):
        reports = []
        result = spikey_cli.extract(
            archive,
            f"{tmp_path}/new/",
            channels=["a.wav", "wide.wav:2", "wide.wav:0"],
            frames=(100, 2100),
            progress=lambda *report: reports.append(report),
        )
        assert result.paths == (tmp_path / "new" / "a.wav", tmp_path / "new" / "wide.wav")
        assert result.shapes == ((2000, 1), (2000, 2))
        assert result.paths[0].read_bytes() == wav_bytes(samples[100:2100, 0], rate=RATE)
        assert result.paths[1].read_bytes() == wav_bytes(samples[100:2100, [4, 2]], rate=RATE)
        assert reports[-1] == (2 * 3 * 2000, 2 * 3 * 2000)

    def test_an_existing_folder_needs_no_separator(self, tmp_path, archive):
        assert spikey_cli.extract(archive, tmp_path, channels=["b.wav"]).paths == (tmp_path / "b.wav",)
        with pytest.raises(InputError, match="exists already"):
            spikey_cli.extract(archive, tmp_path, channels=["b.wav"])
        spikey_cli.extract(archive, tmp_path, channels=["b.wav"], force=True)

    def test_other_files_get_the_suffix_wav(self, tmp_path, samples):
        samples.tofile(tmp_path / "run.bin")
        source = spikey_cli.FileSource(tmp_path / "run.bin", raw=spikey_cli.RawFormat(5, RATE))
        spikey_cli.compress([source], tmp_path / "out.spk")
        (path,) = spikey_cli.extract(tmp_path / "out.spk", f"{tmp_path}/out/", seconds=(0.5, 0.6)).paths
        assert path.name == "run.bin.wav"
        piece, rate = soundfile.read(path, dtype="int16")
        assert rate == RATE
        np.testing.assert_array_equal(piece, samples[5000:6000])

    def test_files_shorter_than_the_range_are_left_out(self, tmp_path, samples):
        (tmp_path / "long.wav").write_bytes(wav_bytes(samples[:, 0], rate=RATE))
        (tmp_path / "short.wav").write_bytes(wav_bytes(samples[:500, 0], rate=RATE))
        spikey_cli.compress([tmp_path / "long.wav", tmp_path / "short.wav"], tmp_path / "out.spk")
        result = spikey_cli.extract(tmp_path / "out.spk", f"{tmp_path}/out/", seconds=(0.1, None))
        assert [path.name for path in result.paths] == ["long.wav"]
        with pytest.raises(InputError, match="holds no samples of the chosen channels") as caught:
            spikey_cli.extract(tmp_path / "out.spk", f"{tmp_path}/none/", seconds=(99, None))
        assert caught.value.parameter == "seconds"
        assert not (tmp_path / "none").exists()

    def test_two_files_of_one_name_are_refused(self, tmp_path, samples):
        np.save(tmp_path / "rec.npy", np.ascontiguousarray(samples[:, :2]))
        (tmp_path / "rec.npy.wav").write_bytes(wav_bytes(samples[:, 0], rate=RATE))
        inputs = [spikey_cli.FileSource(tmp_path / name, sample_rate=RATE) for name in ("rec.npy", "rec.npy.wav")]
        spikey_cli.compress(inputs, tmp_path / "a.spk")
        with pytest.raises(InputError, match=r"two files would be extracted as rec\.npy\.wav") as caught:
            spikey_cli.extract(tmp_path / "a.spk", f"{tmp_path}/out/")
        assert caught.value.parameter == "channels"
        assert not (tmp_path / "out").exists()
        spikey_cli.extract(tmp_path / "a.spk", f"{tmp_path}/out/", channels=["rec.npy"])

    def test_without_a_rate_there_is_no_wav(self, tmp_path, archive):
        with pytest.raises(InputError, match=r"norate\.npy: a WAV file states a sampling rate"):
            spikey_cli.extract(archive, f"{tmp_path}/out/", channels=["norate.npy:0"])
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seconds", [(0.1, None), (None, 0.1)])
@pytest.mark.parametrize("target", ["a.npy", "folder/"])
def test_seconds_need_a_rate(tmp_path, archive, seconds, target):
    with pytest.raises(InputError, match="its sampling rate is unknown") as caught:
        spikey_cli.extract(archive, f"{tmp_path}/{target}", channels=["norate.npy"], seconds=seconds)
    assert caught.value.parameter == "frames"


def test_frames_need_no_rate(archive, samples):
    array = extracted(archive, channels=["norate.npy"], frames=(8000, None))
    np.testing.assert_array_equal(array, samples[8000:, :2])


@pytest.mark.parametrize(
    ("options", "reason", "parameter"),
    [
        ({"channels": ["c.wav"]}, "holds no channel 'c.wav'", "channels"),
        ({}, "differ in length, rate or type", "channels"),
        ({"channels": ["a.wav"], "seconds": (3, None)}, "its channels have 9,000 at 10,000 Hz", "seconds"),
        ({"channels": ["norate.npy"], "frames": (9000, None)}, "have 9,000 at an unknown rate", "frames"),
        ({"channels": ["a.wav"], "frames": (5, 5)}, "between frame 5 and frame 5", "frames"),
        ({"channels": ["a.wav"], "seconds": (-1, None)}, "between second -1", "seconds"),
    ],
)
def test_errors_name_the_parameter(tmp_path, archive, options, reason, parameter):
    with pytest.raises(InputError, match=reason) as caught:
        spikey_cli.extract(archive, tmp_path / "a.npy", **options)
    assert caught.value.parameter == parameter
    assert list(tmp_path.iterdir()) == []


def test_both_units_are_refused(tmp_path, archive):
    with pytest.raises(ValueError, match="not both"):
        spikey_cli.extract(archive, tmp_path / "a.npy", seconds=(1, 2), frames=(None, 3))


def test_a_name_is_no_list_of_names(tmp_path, archive):
    with pytest.raises(TypeError, match=r"channels are a list of names: pass \['a\.wav'\]"):
        spikey_cli.extract(archive, tmp_path / "out.npy", channels="a.wav")
    with pytest.raises(TypeError, match=r"channels are a list of names: pass \['a\.wav'\]"):
        spikey_cli.open(archive, "a.wav")
    with pytest.raises(TypeError, match=r"files are a list of names: pass \['a\.wav'\]"):
        spikey_cli.decompress(archive, tmp_path / "out", files="a.wav")
    assert list(tmp_path.iterdir()) == []


def test_other_targets_are_refused(tmp_path, archive):
    with pytest.raises(InputError, match=r"give it the suffix \.npy or \.wav"):
        spikey_cli.extract(archive, tmp_path / "a.txt")


def test_an_existing_file_is_kept_unless_forced(tmp_path, archive, samples):
    path = tmp_path / "a.npy"
    path.write_text("precious")
    with pytest.raises(InputError, match="exists already"):
        spikey_cli.extract(archive, path, channels=["a.wav"])
    assert path.read_text() == "precious"
    spikey_cli.extract(archive, path, channels=["a.wav"], force=True)
    np.testing.assert_array_equal(np.load(path), samples[:, :1])


@pytest.mark.parametrize("target", ["a.wav", "folder/"])
def test_damage_leaves_no_file(tmp_path, archive, target):
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 16
    (tmp_path / "out.spk").write_bytes(data)
    with pytest.raises(ArchiveError, match="does not match its checksum"):
        spikey_cli.extract(
            tmp_path / "out.spk", f"{tmp_path}/{target}", channels=["a.wav", "b.wav", "wide.wav"], workers=1
        )
    assert all(path.read_bytes()[:4] == b"RIFF" for path in tmp_path.rglob("*.wav"))
    assert not list(tmp_path.rglob("*.part"))
