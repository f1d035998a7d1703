"""Archives as recordings of SpikeInterface, and the other way round."""

from __future__ import annotations

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

from spikey_cli.integrations.spikeinterface import SpikeyRecordingExtractor, read_spikey, write_spikey

PIECE_FRAMES = 4000
"""Frames of a block in these archives, at most: several blocks take little time."""


@pytest.fixture(scope="module")
def recording() -> Any:
    return generated((0.5,))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, recording: Any) -> Path:
    """What `write_spikey` makes of it, in several blocks."""
    path = tmp_path_factory.mktemp("spikeinterface") / "a.spk"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_plan, "PART_FRAMES", PIECE_FRAMES)
        write_spikey(recording, path)
    return path


def test_all_that_is_known_comes_back(archive: Path, recording: Any) -> None:
    assert_same(read_spikey(archive), recording)
    scaled = [r.get_traces(0, 100, 200, return_in_uV=True) for r in (read_spikey(archive), recording)]
    np.testing.assert_array_equal(*scaled)


@pytest.mark.parametrize("dtype", ["uint16", ">i2", "uint8"])
def test_other_dtypes_come_back(tmp_path: Path, dtype: str) -> None:
    traces = np.random.default_rng(3).integers(0, 255, (3000, 4)).astype(dtype)
    traces[:4, 0] = [0, 255, 0, 255] if dtype == "uint8" else np.array([0, 1, 32767, 32768]).astype(dtype)
    if dtype == "uint16":
        traces[5, 1] = 65535
    write_spikey(si.NumpyRecording(traces, RATE), tmp_path / "a.spk")
    back = read_spikey(tmp_path / "a.spk")
    assert back.get_dtype() == np.dtype(dtype).newbyteorder("=")
    assert back.get_traces().dtype == back.get_dtype()
    np.testing.assert_array_equal(back.get_traces(), traces)


def test_uint16_about_the_middle_takes_no_more_room_than_int16(tmp_path: Path, recording: Any) -> None:
    sizes = []
    for i, r in enumerate((recording, generated((0.5,), "uint16"))):
        sizes.append(write_spikey(r, tmp_path / f"{i}.spk").archive_bytes)
        assert_same(read_spikey(tmp_path / f"{i}.spk"), r)
    assert abs(sizes[0] - sizes[1]) < sizes[0] / 100


def test_segments_come_back(tmp_path: Path) -> None:
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
    told = json.loads((tmp_path / "out" / "recording.json").read_text("utf-8"))
    assert told["sampling_frequency"] == RATE
    assert told["segments"][1:] == [
        {"file": "segment1.npy", "t_start": None, "times": "times1.npy"},
        {"file": "segment2.npy", "t_start": 31.25, "times": None},
    ]


def test_one_channel_and_nothing_known(tmp_path: Path) -> None:
    bare = si.NumpyRecording(np.arange(-50, 50, dtype=np.int16)[:, None], 0.5)
    write_spikey(bare, tmp_path / "a.spk")
    assert_same(read_spikey(tmp_path / "a.spk"), bare)


def test_what_was_selected_comes_back(tmp_path: Path, archive: Path, recording: Any) -> None:
    chosen = recording.select_channels(["AP5", "AP2"]).frame_slice(100, 4000)
    write_spikey(chosen, tmp_path / "a.spk")
    assert_same(read_spikey(tmp_path / "a.spk"), chosen)


@pytest.mark.parametrize("channel_ids", [None, ["AP1"], ["AP2", "AP3", "AP4"], ["AP6", "AP0"]])
@pytest.mark.parametrize("frames", [(0, 10), (3990, 8010), (14_999, None), (7, 7), (None, None)])
def test_ranges_are_those_of_the_recording(
    archive: Path, recording: Any, frames: tuple[int | None, int | None], channel_ids: list[str] | None
) -> None:
    read = read_spikey(archive).get_traces(0, *frames, channel_ids=channel_ids)
    np.testing.assert_array_equal(read, recording.get_traces(0, *frames, channel_ids=channel_ids))
    read[:] = 0  # it is the caller's own


def test_ranges_decode_only_what_they_need(archive: Path, decoded: list[int]) -> None:
    back = read_spikey(archive)
    assert decoded == [], "opening decodes no samples"
    back.get_traces(0, 10, 20)
    assert decoded == [CHANNELS]
    passes = [channel["coding_pass"] for channel in spikey_cli.info(archive)["channels"]]  # type: ignore[attr-defined]
    back.get_traces(0, 5000, 5010, channel_ids=[back.channel_ids[passes.index(0)]])
    assert decoded == [CHANNELS, 1], "a channel that leans on no other needs no other"


def test_reading_on_decodes_each_block_once(archive: Path, decoded: list[int]) -> None:
    back = read_spikey(archive)
    n_frames = back.get_num_samples()
    for first in range(0, n_frames, 1000):
        back.get_traces(0, first, min(first + 1000, n_frames))
    assert decoded == [CHANNELS] * -(-n_frames // PIECE_FRAMES)


def test_it_is_made_again_of_what_it_was_made_of(archive: Path, recording: Any, tmp_path: Path) -> None:
    back = read_spikey(archive)
    assert_same(pickle.loads(pickle.dumps(back)), recording)
    assert_same(si.load(back.to_dict(recursive=True)), recording)
    back.dump(tmp_path / "a.json")
    assert_same(si.load(tmp_path / "a.json"), recording)
    back.dump(archive.parent / "b.json", relative_to=True)
    assert str(archive.parent) not in (archive.parent / "b.json").read_text()
    assert_same(si.load(archive.parent / "b.json", base_folder=archive.parent), recording)


@pytest.mark.filterwarnings("ignore:.*traces_cached_seg0.raw:pytest.PytestUnraisableExceptionWarning")  # not ours
@pytest.mark.parametrize("engine", [{"pool_engine": "thread"}, {"pool_engine": "process", "mp_context": "spawn"}, {}])
def test_it_is_saved_by_two_jobs(archive: Path, recording: Any, tmp_path: Path, engine: dict[str, str]) -> None:
    saved = read_spikey(archive).save(
        folder=tmp_path / "saved", n_jobs=2, chunk_size=1500, progress_bar=False, **engine
    )
    assert_same(saved, recording)


def test_it_is_saved_by_forked_jobs(archive: Path, recording: Any, tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("SpikeInterface forks under Linux only")
    back = read_spikey(archive)
    jobs = {"n_jobs": 2, "pool_engine": "process", "mp_context": "fork", "chunk_size": 1500}
    assert_same(back.save(folder=tmp_path / "saved", progress_bar=False, **jobs), recording)
    assert_same(back, recording)


def test_what_is_computed_of_it_is_computed_by_two_jobs(archive: Path, recording: Any, tmp_path: Path) -> None:
    referenced = common_reference(read_spikey(archive))
    saved = referenced.save(folder=tmp_path / "f", n_jobs=2, pool_engine="process", chunk_size=3000, progress_bar=False)
    np.testing.assert_array_equal(saved.get_traces(), common_reference(recording).get_traces())


def test_other_archives_are_recordings_of_their_threads(tmp_path: Path, random: np.random.Generator) -> None:
    paths = write_session(tmp_path, random, 2, 3000)
    spikey_cli.compress(paths, tmp_path / "a.spk")
    back = read_spikey(tmp_path / "a.spk")
    assert list(back.channel_ids) == [path.name for path in paths]
    assert back.sampling_frequency == 19531
    assert not back.has_probe()
    with spikey_cli.open(tmp_path / "a.spk") as archived:
        np.testing.assert_array_equal(back.get_traces(), archived[:])
    exact = read_spikey(tmp_path / "a.spk", sampling_frequency=19531.25)
    assert pickle.loads(pickle.dumps(exact)).sampling_frequency == 19531.25


def test_threads_are_chosen_where_not_all_agree(tmp_path: Path, random: np.random.Generator) -> None:
    paths = [*write_session(tmp_path, random, 2, 3000)]
    paths += [write_session(tmp_path / "b", random, 1, 900)[0].rename(tmp_path / "short.wav")]
    spikey_cli.compress(paths, tmp_path / "a.spk")
    with pytest.raises(InputError, match=r"differ in length.*threads="):
        read_spikey(tmp_path / "a.spk")
    back = read_spikey(tmp_path / "a.spk", channels=["thread1.wav"])
    again = pickle.loads(pickle.dumps(back))
    assert list(again.channel_ids) == ["thread1.wav"]
    assert again.get_num_samples() == 3000


def test_no_rate_is_an_error_unless_it_is_given(tmp_path: Path) -> None:
    spikey_cli.compress([ArraySource(np.zeros((100, 2), np.int16), "a.npy")], tmp_path / "a.spk")
    with pytest.raises(InputError, match=r"a.spk: does not tell its sample rate; give sampling_frequency="):
        read_spikey(tmp_path / "a.spk")
    assert read_spikey(tmp_path / "a.spk", sampling_frequency=1e4).get_duration() == pytest.approx(0.01)


def test_channels_of_what_was_written_are_chosen_otherwise(archive: Path) -> None:
    with pytest.raises(InputError, match=r"select_channels"):
        read_spikey(archive, channels=["segment0.npy:0"])


def test_a_recording_is_read_a_stretch_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_plan, "PART_FRAMES", PIECE_FRAMES)
    monkeypatch.setattr("spikey_cli.codec.scan._CHUNK_BYTES", PIECE_FRAMES * 8)
    asked: list[int] = []

    class Watched(si.NumpyRecording):
        def get_traces(self, segment_index: int, start: int, stop: int, **others: Any) -> np.ndarray:
            asked.append(stop - start)
            return super().get_traces(segment_index, start, stop, **others)

    traces = np.ascontiguousarray(n1_samples(neural(np.random.default_rng(5), 20_000, 4)))
    write_spikey(Watched(traces, RATE), tmp_path / "a.spk")
    header = asked.pop(0)  # by which the file is known for what it is
    assert header <= MAX_HEADER_BYTES // 8
    assert max(asked) <= PIECE_FRAMES
    assert sum(asked) == 2 * len(traces), "it is read once to find its grid, and once to be coded"


@pytest.mark.parametrize("dtype", ["float32", "int32", "int8"])
def test_other_dtypes_are_refused(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(InputError, match=rf"traces are {dtype}, .*astype\('int16', round=True\)"):
        write_spikey(si.NumpyRecording(np.zeros((10, 2), dtype), RATE), tmp_path / "a.spk")
    assert not (tmp_path / "a.spk").exists()


def test_the_remedy_for_other_dtypes_helps(tmp_path: Path, recording: Any) -> None:
    with pytest.raises(InputError, match="float32"):
        write_spikey(scale(recording, 0.3), tmp_path / "a.spk")
    rounded = scale(recording, 0.3).astype("int16", round=True)
    write_spikey(rounded, tmp_path / "a.spk")
    np.testing.assert_array_equal(read_spikey(tmp_path / "a.spk").get_traces(), rounded.get_traces())


def test_an_archive_is_not_replaced_unless_it_is_said(tmp_path: Path, recording: Any) -> None:
    write_spikey(recording, tmp_path / "a.spk", coder="rice")
    with pytest.raises(InputError, match="exists"):
        write_spikey(recording, tmp_path / "a.spk")
    write_spikey(recording, tmp_path / "a.spk", force=True, coder="range", peers=False, workers=1, verify=False)
    assert spikey_cli.info(tmp_path / "a.spk")["coder"] == "range"


@pytest.mark.parametrize("gap", [False, True])
@pytest.mark.parametrize("made", ["slice", "reference of it", "slice and whole"])
def test_times_of_slices_come_back(tmp_path: Path, made: str, gap: bool) -> None:
    """Which have none of their own, but ask what they are slices of."""
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
    back = read_spikey(tmp_path / "a.spk")
    for i in range(recording.get_num_segments()):
        np.testing.assert_array_equal(back.get_times(i), recording.get_times(i))


def test_even_times_take_no_room(tmp_path: Path) -> None:
    late = generated((0.2,))
    late.shift_times(1.79e9)
    write_spikey(late.frame_slice(500, 3000), tmp_path / "a.spk")
    assert [file["name"] for file in spikey_cli.info(tmp_path / "a.spk")["files"]] == [
        "segment0.npy",
        "recording.json",
    ]
    back = read_spikey(tmp_path / "a.spk")
    np.testing.assert_array_equal(back.get_times(0), late.frame_slice(500, 3000).get_times(0))


def test_segments_that_share_what_is_open_are_read_one_at_a_time(tmp_path: Path) -> None:
    """As those of readers that seek in a file and read there."""
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
    back = read_spikey(tmp_path / "a.spk")
    for number in range(2):
        np.testing.assert_array_equal(back.get_traces(number), traces[number])


def test_what_can_be_no_json_is_left_out_and_named(tmp_path: Path) -> None:
    odd = si.NumpyRecording(np.zeros((10, 2), np.int16), RATE)
    odd.set_property("notes", np.array([{"a": 1}, None], object))
    odd.set_property("long", np.zeros(2, np.longdouble))
    odd.annotate(thing=object(), fine=1, also=[1, {"a": np.float64(2), "b": np.arange(2)}], pair=(1, 2), keys={1: 2})
    with pytest.warns(UserWarning, match="not kept") as told:
        write_spikey(odd, tmp_path / "a.spk")
    (message,) = {str(one.message) for one in told}
    assert message.endswith(
        f"property 'notes' (object), property 'long' ({np.dtype(np.longdouble)}), annotation 'thing' (object), "
        "annotation 'pair' (it will be [1, 2]), annotation 'keys' (it will be {'1': 2})"
    )
    back = read_spikey(tmp_path / "a.spk")
    assert "notes" not in back.get_property_keys()
    assert back.get_annotation("fine") == 1


def _told(archive: Path, tmp_path: Path) -> dict[str, Any]:
    spikey_cli.decompress(archive, tmp_path / "told", files=["recording.json"])
    return json.loads((tmp_path / "told" / "recording.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"spikey_recording": 99}, "install a newer spikey-cli"),
        ({"dtype": "float32"}, "makes no sense"),
        ({"dtype": "uint16"}, "makes no sense"),
        ({"dtype": "uint8"}, "traces of uint8, and samples of int16"),
        ({"offset": 7}, "makes no sense"),
        ({"segments": [{"file": "segment0.npy"}]}, "makes no sense"),
        ({"segments": [{"file": "x.npy", "t_start": None, "times": None}]}, "holds no channel 'x.npy'"),
        ({"segments": [{"file": "segment0.npy", "t_start": None, "times": "t.npy"}]}, "holds no t.npy"),
        ({"channel_ids": {"dtype": "<i8", "values": [1, 2]}}, "2 channels, and 8 threads"),
        ({"channel_ids": {"dtype": "O", "values": [1]}}, "makes no sense"),
        ({"channel_ids": {"dtype": "<f8", "values": [0.5] * 8}}, "makes no sense"),
        ({"properties": {"gain_to_uV": {"dtype": "<f8", "values": [1.0]}}}, "makes no sense"),
        ({"probegroup": {"probes": [{}]}}, "makes no sense"),
        ({"annotations": [1]}, "makes no sense"),
        ({"sampling_frequency": None}, "makes no sense"),
        ({"sampling_frequency": 0}, "does not tell its sample rate"),
    ],
)
def test_metadata_that_make_no_sense_are_refused(
    archive: Path, tmp_path: Path, recording: Any, change: dict[str, Any], fault: str
) -> None:
    told = json.dumps(_told(archive, tmp_path) | change).encode()
    sources = [ArraySource(recording.get_traces(), "segment0.npy", 30_000), BytesSource(told, "recording.json")]
    spikey_cli.compress(sources, tmp_path / "b.spk", verify=False, coder="range")
    with pytest.raises((ArchiveError, InputError), match=fault):
        read_spikey(tmp_path / "b.spk")


@pytest.mark.parametrize("text", [b"", b"no JSON", b"[1]", b'{"made by": "somebody else"}', b"\xff\xfe"])
def test_json_of_somebody_else_is_not_looked_at(tmp_path: Path, text: bytes) -> None:
    samples = np.zeros((100, 2), np.int16)
    sources = [ArraySource(samples, "a.npy", 30_000), BytesSource(text, "recording.json")]
    spikey_cli.compress(sources, tmp_path / "a.spk")
    assert list(read_spikey(tmp_path / "a.spk").channel_ids) == ["a.npy:0", "a.npy:1"]


def test_files_are_closed(archive: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        back = SpikeyRecordingExtractor(archive)
        back.get_traces(0, 0, 10)
        del back


def test_without_the_library_it_is_told_what_to_install() -> None:
    """In a process of its own, which finds no SpikeInterface."""
    code = "import sys; sys.modules['spikeinterface'] = None; import spikey_cli.integrations.spikeinterface"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert MissingPackageError.__name__ in done.stderr
    assert "pip install 'spikey-cli[spikeinterface]'" in done.stderr
