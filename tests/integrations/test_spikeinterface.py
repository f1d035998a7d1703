"""Archives as recordings of SpikeInterface, and recordings of SpikeInterface as archives."""

from __future__ import annotations

import doctest
import json
import pickle
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.recordings import n1_samples, neural, write_session

import spikey_cli
from spikey_cli.codec import block_plan
from spikey_cli.errors import ArchiveError, InputError, MissingPackageError
from spikey_cli.io.layout import MAX_HEADER_BYTES
from spikey_cli.io.source import ArraySource, BytesSource

pytest.importorskip("spikeinterface")

import spikeinterface.core as si
from spikeinterface.preprocessing import common_reference, scale
from support.spikeinterface_recordings import CHANNELS, RATE, assert_same, generated
from support.web_server import WebServer

from spikey_cli.integrations.spikeinterface import SpikeyRecordingExtractor, read_spikey, write_spikey

PIECE_FRAMES = 4000
"""Greatest number of frames of a block in these tests, so that small archives have several blocks."""


@pytest.fixture(scope="module")
def recording() -> Any:
    return generated((0.5,))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, recording: Any) -> Path:
    """Archive of the recording, in several blocks."""
    path = tmp_path_factory.mktemp("spikeinterface") / "a.spk"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_plan, "PART_FRAMES", PIECE_FRAMES)
        write_spikey(recording, path)
    return path


def test_traces_and_metadata_are_restored(archive: Path, recording: Any) -> None:
    assert_same(read_spikey(archive), recording)
    scaled = [r.get_traces(0, 100, 200, return_in_uV=True) for r in (read_spikey(archive), recording)]
    np.testing.assert_array_equal(*scaled)


def test_an_archive_at_a_url(archive: Path, recording: Any, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    with WebServer(archive.parent) as server:
        remote = read_spikey(f"{server.url}/{archive.name}")
        assert_same(remote, recording)
        remote.dump_to_json(tmp_path / "a.json")
        assert_same(si.load(tmp_path / "a.json"), recording)
        assert server.sent < 2 * archive.stat().st_size, "blocks that were read are kept"


@pytest.mark.parametrize("dtype", ["uint16", ">i2", "uint8", "int32", ">f4", "float64"])
def test_dtypes(tmp_path: Path, dtype: str) -> None:
    traces = np.random.default_rng(3).integers(0, 255, (3000, 4)).astype(dtype)
    traces[:4, 0] = [0, 255, 0, 255] if dtype == "uint8" else np.array([0, 1, 32767, 32768]).astype(dtype)
    if dtype == "uint16":
        traces[5, 1] = 65535
    write_spikey(si.NumpyRecording(traces, RATE), tmp_path / "a.spk")
    restored = read_spikey(tmp_path / "a.spk")
    assert restored.get_dtype() == np.dtype(dtype).newbyteorder("=")
    assert restored.get_traces().dtype == restored.get_dtype()
    np.testing.assert_array_equal(restored.get_traces(), traces)


def test_uint16_is_as_small_as_int16(tmp_path: Path, recording: Any) -> None:
    sizes = []
    for i, r in enumerate((recording, generated((0.5,), "uint16"))):
        sizes.append(write_spikey(r, tmp_path / f"{i}.spk").archive_bytes)
        assert_same(read_spikey(tmp_path / f"{i}.spk"), r)
    assert abs(sizes[0] - sizes[1]) < sizes[0] / 100


def test_segments(tmp_path: Path) -> None:
    recording = generated((0.2, 0.1, 0.2))
    recording.set_times(np.arange(recording.get_num_samples(1)) / RATE * 1.0001 + 17, 1)
    recording.segments[2]._t_start = 31.25
    assert write_spikey(recording, tmp_path / "a.spk").warnings == ()
    assert_same(read_spikey(tmp_path / "a.spk"), recording)
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "recording.json",
        "segment0.npy",
        "segment1.npy",
        "segment2.npy",
        "times1.npy",
    ]
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "segment1.npy"), recording.get_traces(1))
    metadata = json.loads((tmp_path / "out" / "recording.json").read_text("utf-8"))
    assert metadata["sampling_frequency"] == RATE
    assert metadata["segments"][1:] == [
        {"file": "segment1.npy", "t_start": None, "times": "times1.npy"},
        {"file": "segment2.npy", "t_start": 31.25, "times": None},
    ]


def test_one_channel_without_metadata(tmp_path: Path) -> None:
    bare = si.NumpyRecording(np.arange(-50, 50, dtype=np.int16)[:, None], 0.5)
    write_spikey(bare, tmp_path / "a.spk")
    assert_same(read_spikey(tmp_path / "a.spk"), bare)


def test_selected_channels_and_frames(tmp_path: Path, archive: Path, recording: Any) -> None:
    chosen = recording.select_channels(["AP5", "AP2"]).frame_slice(100, 4000)
    write_spikey(chosen, tmp_path / "a.spk")
    assert_same(read_spikey(tmp_path / "a.spk"), chosen)


@pytest.mark.parametrize("channel_ids", [None, ["AP1"], ["AP2", "AP3", "AP4"], ["AP6", "AP0"]])
@pytest.mark.parametrize("frames", [(0, 10), (3990, 8010), (14_999, None), (7, 7), (None, None)])
def test_ranges_of_traces(
    archive: Path, recording: Any, frames: tuple[int | None, int | None], channel_ids: list[str] | None
) -> None:
    read = read_spikey(archive).get_traces(0, *frames, channel_ids=channel_ids)
    np.testing.assert_array_equal(read, recording.get_traces(0, *frames, channel_ids=channel_ids))
    read[:] = 0  # the array belongs to the caller


def test_ranges_decode_only_needed_blocks_and_channels(archive: Path, decoded: list[int]) -> None:
    restored = read_spikey(archive)
    assert decoded == [], "opening decoded samples"
    restored.get_traces(0, 10, 20)
    assert decoded == [CHANNELS]
    restored.get_traces(0, 5000, 5010, channel_ids=restored.channel_ids[:1])
    assert decoded == [CHANNELS, CHANNELS], "one block, whose channels refer to each other"


def test_consecutive_ranges_decode_each_block_once(archive: Path, decoded: list[int]) -> None:
    restored = read_spikey(archive)
    n_frames = restored.get_num_samples()
    for first in range(0, n_frames, 1000):
        restored.get_traces(0, first, min(first + 1000, n_frames))
    assert decoded == [CHANNELS] * -(-n_frames // PIECE_FRAMES)


def test_pickle_and_dump(archive: Path, recording: Any, tmp_path: Path) -> None:
    restored = read_spikey(archive)
    assert_same(pickle.loads(pickle.dumps(restored)), recording)
    assert_same(si.load(restored.to_dict(recursive=True)), recording)
    restored.dump(tmp_path / "a.json")
    assert_same(si.load(tmp_path / "a.json"), recording)
    restored.dump(archive.parent / "b.json", relative_to=True)
    assert str(archive.parent) not in (archive.parent / "b.json").read_text()
    assert_same(si.load(archive.parent / "b.json", base_folder=archive.parent), recording)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*traces_cached_seg0.raw:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("engine", [{"pool_engine": "thread"}, {"pool_engine": "process", "mp_context": "spawn"}, {}])
def test_save_with_two_jobs(archive: Path, recording: Any, tmp_path: Path, engine: dict[str, str]) -> None:
    saved = read_spikey(archive).save(
        folder=tmp_path / "saved", n_jobs=2, chunk_size=1500, progress_bar=False, **engine
    )
    assert_same(saved, recording)


@pytest.mark.slow
def test_save_with_forked_jobs(archive: Path, recording: Any, tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("SpikeInterface forks under Linux only")
    restored = read_spikey(archive)
    jobs = {"n_jobs": 2, "pool_engine": "process", "mp_context": "fork", "chunk_size": 1500}
    assert_same(restored.save(folder=tmp_path / "saved", progress_bar=False, **jobs), recording)
    assert_same(restored, recording)


@pytest.mark.slow
def test_save_a_preprocessed_recording_with_two_jobs(archive: Path, recording: Any, tmp_path: Path) -> None:
    referenced = common_reference(read_spikey(archive))
    saved = referenced.save(folder=tmp_path / "f", n_jobs=2, pool_engine="process", chunk_size=3000, progress_bar=False)
    np.testing.assert_array_equal(saved.get_traces(), common_reference(recording).get_traces())


def test_archives_of_wav_files(tmp_path: Path, random: np.random.Generator) -> None:
    paths = write_session(tmp_path, random, 2, 3000)
    spikey_cli.compress(paths, tmp_path / "a.spk")
    restored = read_spikey(tmp_path / "a.spk")
    assert list(restored.channel_ids) == [path.name for path in paths]
    assert restored.sampling_frequency == 19531
    assert not restored.has_probe()
    with spikey_cli.open(tmp_path / "a.spk") as archived:
        np.testing.assert_array_equal(restored.get_traces(), archived[:])
    exact = read_spikey(tmp_path / "a.spk", sampling_frequency=19531.25)
    assert pickle.loads(pickle.dumps(exact)).sampling_frequency == 19531.25


def test_channels_must_be_selected_if_they_differ(tmp_path: Path, random: np.random.Generator) -> None:
    paths = [*write_session(tmp_path, random, 2, 3000)]
    paths += [write_session(tmp_path / "b", random, 1, 900)[0].rename(tmp_path / "short.wav")]
    spikey_cli.compress(paths, tmp_path / "a.spk")
    with pytest.raises(InputError, match="differ in length, rate or type"):
        read_spikey(tmp_path / "a.spk")
    restored = read_spikey(tmp_path / "a.spk", channels=["thread1.wav"])
    again = pickle.loads(pickle.dumps(restored))
    assert list(again.channel_ids) == ["thread1.wav"]
    assert again.get_num_samples() == 3000


def test_a_missing_sample_rate(tmp_path: Path) -> None:
    spikey_cli.compress([ArraySource(np.zeros((100, 2), np.int16), "a.npy")], tmp_path / "a.spk")
    with pytest.raises(InputError, match=r"a.spk: does not contain a sample rate; pass sampling_frequency="):
        read_spikey(tmp_path / "a.spk")
    assert read_spikey(tmp_path / "a.spk", sampling_frequency=1e4).get_duration() == pytest.approx(0.01)


def test_channels_of_write_spikey_are_selected_by_spikeinterface(archive: Path) -> None:
    with pytest.raises(InputError, match=r"select_channels"):
        read_spikey(archive, channels=["segment0.npy:0"])


def test_a_recording_is_read_in_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_plan, "PART_FRAMES", PIECE_FRAMES)
    monkeypatch.setattr("spikey_cli.codec.scan._CHUNK_BYTES", PIECE_FRAMES * 8)
    lengths: list[int] = []

    class Recording(si.NumpyRecording):
        def get_traces(self, segment_index: int, start: int, stop: int, **others: Any) -> np.ndarray:
            lengths.append(stop - start)
            return super().get_traces(segment_index, start, stop, **others)

    traces = np.ascontiguousarray(n1_samples(neural(np.random.default_rng(5), 20_000, 4)))
    write_spikey(Recording(traces, RATE), tmp_path / "a.spk", coder="range")  # so that none is tried
    header = lengths.pop(0)  # to find the file format
    assert header <= MAX_HEADER_BYTES // 8
    assert max(lengths) <= PIECE_FRAMES
    assert sum(lengths) == 2 * len(traces), "it was not read twice: to find the quantizer, and to encode"


@pytest.mark.parametrize("dtype", ["float16", "uint64", "int8"])
def test_unsupported_dtypes(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(InputError, match=rf"traces are {dtype}, .*astype\('int16', round=True\)"):
        write_spikey(si.NumpyRecording(np.zeros((10, 2), dtype), RATE), tmp_path / "a.spk")
    assert not (tmp_path / "a.spk").exists()


def test_scaled_integers_are_kept_as_floats(tmp_path: Path, recording: Any) -> None:
    scaled = scale(recording, 0.3)
    write_spikey(scaled, tmp_path / "a.spk")
    np.testing.assert_array_equal(read_spikey(tmp_path / "a.spk").get_traces(), scaled.get_traces())


def test_filtered_traces_are_kept_as_floats(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(2000, 2)).astype(np.float32)
    write_spikey(si.NumpyRecording([noise], RATE), tmp_path / "a.spk")
    np.testing.assert_array_equal(read_spikey(tmp_path / "a.spk").get_traces(), noise)


def test_rounding_as_the_error_suggests(tmp_path: Path) -> None:
    recurring = np.exp(np.random.default_rng(0).integers(0, 99, (2000, 2)) / 7).astype(np.float32)
    unscaled = si.NumpyRecording([recurring], 30_000)
    with pytest.raises(InputError, match="traces are float32 but no integers times a gain"):
        write_spikey(unscaled, tmp_path / "a.spk")
    rounded = scale(unscaled, 100).astype("int16", round=True)
    write_spikey(rounded, tmp_path / "a.spk")
    np.testing.assert_array_equal(read_spikey(tmp_path / "a.spk").get_traces(), rounded.get_traces())


def test_force_overwrites_an_archive(tmp_path: Path, recording: Any) -> None:
    write_spikey(recording, tmp_path / "a.spk", coder="rice")
    with pytest.raises(InputError, match="exists"):
        write_spikey(recording, tmp_path / "a.spk")
    write_spikey(
        recording,
        tmp_path / "a.spk",
        force=True,
        coder=spikey_cli.Encoding("range", peers=False),
        workers=1,
        verify=False,
    )
    assert spikey_cli.info(tmp_path / "a.spk")["coder"] == "range"


@pytest.mark.parametrize("gap", [False, True])
@pytest.mark.parametrize("made", ["slice", "reference of it", "slice and whole"])
def test_times_of_slices(tmp_path: Path, made: str, gap: bool) -> None:
    """A slice has no time vector; it returns the times of its parent."""
    whole = generated((0.3,))
    length = whole.get_num_samples()
    times = np.arange(length) / RATE if gap else np.cumsum(np.random.default_rng(1).uniform(3e-5, 4e-5, length))
    times[1999:] += 5  # the last frame of the slice
    whole.set_times(times, 0)
    cut = whole.frame_slice(0, 2000)
    recording = {
        "slice": cut,
        "reference of it": common_reference(cut, dtype="int16"),
        "slice and whole": si.append_recordings([whole, cut]),
    }[made]
    write_spikey(recording, tmp_path / "a.spk")
    restored = read_spikey(tmp_path / "a.spk")
    for i in range(recording.get_num_segments()):
        np.testing.assert_array_equal(restored.get_times(i), recording.get_times(i))


def test_even_times_are_not_stored(tmp_path: Path) -> None:
    late = generated((0.2,))
    late.shift_times(1.79e9)
    write_spikey(late.frame_slice(500, 3000), tmp_path / "a.spk")
    assert [file["name"] for file in spikey_cli.info(tmp_path / "a.spk")["files"]] == [
        "segment0.npy",
        "recording.json",
    ]
    restored = read_spikey(tmp_path / "a.spk")
    np.testing.assert_array_equal(restored.get_times(0), late.frame_slice(500, 3000).get_times(0))


def test_segments_are_not_read_concurrently(tmp_path: Path) -> None:
    """Readers may share a file between segments and seek in it."""
    traces = np.random.default_rng(2).integers(-99, 99, (2, 30_000, 2)).astype(np.int16)
    place = 0

    class Shared(si.BaseRecordingSegment):
        def __init__(self, number: int) -> None:
            super().__init__(sampling_frequency=RATE)
            self._number = number

        def get_num_samples(self) -> int:
            return traces.shape[1]

        def get_traces(self, start_frame: Any = None, end_frame: Any = None, channel_indices: Any = None) -> np.ndarray:
            nonlocal place
            place = self._number
            time.sleep(0.002)
            return traces[place][start_frame:end_frame, channel_indices if channel_indices is not None else slice(None)]

    shared = si.BaseRecording(RATE, ["a", "b"], "int16")
    for number in range(2):
        shared.add_recording_segment(Shared(number))
    write_spikey(shared, tmp_path / "a.spk", workers=4)
    restored = read_spikey(tmp_path / "a.spk")
    for number in range(2):
        np.testing.assert_array_equal(restored.get_traces(number), traces[number])


def test_metadata_that_json_cannot_represent(tmp_path: Path) -> None:
    odd = si.NumpyRecording(np.zeros((10, 2), np.int16), RATE)
    odd.set_property("notes", np.array([{"a": 1}, None], object))
    odd.set_property("long", np.zeros(2, np.longdouble))
    odd.annotate(thing=object(), fine=1, also=[1, {"a": np.float64(2), "b": np.arange(2)}], pair=(1, 2), keys={1: 2})
    with pytest.warns(UserWarning, match="not preserved") as warned:
        write_spikey(odd, tmp_path / "a.spk")
    (message,) = {str(one.message) for one in warned}
    assert message.endswith(
        f"property 'notes' (object), property 'long' ({np.dtype(np.longdouble)}), annotation 'thing' (object), "
        "annotation 'pair' (stored as [1, 2]), annotation 'keys' (stored as {'1': 2})"
    )
    restored = read_spikey(tmp_path / "a.spk")
    assert "notes" not in restored.get_property_keys()
    assert restored.get_annotation("fine") == 1


def stored_metadata(archive: Path, tmp_path: Path) -> dict[str, Any]:
    spikey_cli.decompress(archive, tmp_path / "stored", files=["recording.json"])
    return json.loads((tmp_path / "stored" / "recording.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"spikey_recording": 99}, "install a newer spikey-cli"),
        ({"dtype": "float32"}, "is invalid"),
        ({"dtype": "uint16"}, "is invalid"),
        ({"dtype": "uint8"}, "traces are uint8, but samples are int16"),
        ({"offset": 7}, "is invalid"),
        ({"segments": [{"file": "segment0.npy"}]}, "is invalid"),
        ({"segments": [{"file": "x.npy", "t_start": None, "times": None}]}, "holds no channel 'x.npy'"),
        ({"segments": [{"file": "segment0.npy", "t_start": None, "times": "t.npy"}]}, "t.npy is missing"),
        ({"channel_ids": {"dtype": "<i8", "values": [1, 2]}}, "2 channel ids, but 8 channels"),
        ({"channel_ids": {"dtype": "O", "values": [1]}}, "is invalid"),
        ({"channel_ids": {"dtype": "<f8", "values": [0.5] * 8}}, "is invalid"),
        ({"properties": {"gain_to_uV": {"dtype": "<f8", "values": [1.0]}}}, "is invalid"),
        ({"probegroup": {"probes": [{}]}}, "is invalid"),
        ({"annotations": [1]}, "is invalid"),
        ({"sampling_frequency": None}, "is invalid"),
        ({"sampling_frequency": 0}, "does not contain a sample rate"),
    ],
)
def test_invalid_metadata_are_refused(
    archive: Path, tmp_path: Path, recording: Any, change: dict[str, Any], fault: str
) -> None:
    metadata = json.dumps(stored_metadata(archive, tmp_path) | change).encode()
    sources = [ArraySource(recording.get_traces(), "segment0.npy", 30_000), BytesSource(metadata, "recording.json")]
    spikey_cli.compress(sources, tmp_path / "b.spk", verify=False, coder="range")
    with pytest.raises((ArchiveError, InputError), match=fault):
        read_spikey(tmp_path / "b.spk")


@pytest.mark.parametrize("text", [b"", b"no JSON", b"[1]", b'{"made by": "somebody else"}', b"\xff\xfe"])
def test_other_json_is_ignored(tmp_path: Path, text: bytes) -> None:
    samples = np.zeros((100, 2), np.int16)
    sources = [ArraySource(samples, "a.npy", 30_000), BytesSource(text, "recording.json")]
    spikey_cli.compress(sources, tmp_path / "a.spk")
    assert list(read_spikey(tmp_path / "a.spk").channel_ids) == ["a.npy:0", "a.npy:1"]


def test_files_are_closed(archive: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        restored = SpikeyRecordingExtractor(archive)
        restored.get_traces(0, 0, 10)
        del restored


def test_spikeinterface_is_missing() -> None:
    """In another process, which cannot import SpikeInterface."""
    code = "import sys; sys.modules['spikeinterface'] = None; import spikey_cli.integrations.spikeinterface"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert MissingPackageError.__name__ in done.stderr
    assert "pip install spikeinterface" in done.stderr


def test_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not doctest.testmod(sys.modules["spikey_cli.integrations.spikeinterface"]).failed
