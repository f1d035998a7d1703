"""Archives that are opened by the process that reads."""

from __future__ import annotations

import multiprocessing
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recordings import n1_samples, neural

import spikey_cli
from spikey_cli.codec import decoder
from spikey_cli.container.limits import Limits
from spikey_cli.errors import ArchiveError, LimitError, ModelError
from spikey_cli.integrations import lazy_recording
from spikey_cli.integrations.lazy_recording import ArchivedVector, LazyRecording, read_file
from spikey_cli.io.source import ArraySource, BytesSource

TIMES = np.arange(100_000) / 3
"""More bytes than one part of a verbatim file."""


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return np.ascontiguousarray(n1_samples(neural(np.random.default_rng(2), 3000, 2)))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, samples: np.ndarray) -> Path:
    path = tmp_path_factory.mktemp("opened") / "a.spk"
    sources = [
        ArraySource(samples, "a.npy", 30_000),
        ArraySource(TIMES, "times.npy", verbatim=True),
        ArraySource(np.zeros((2, 2)), "square.npy", verbatim=True),
        BytesSource(b"text", "a.txt"),
    ]
    spikey_cli.compress(sources, path)
    return path


def test_a_recording_can_be_pickled(archive: Path, samples: np.ndarray) -> None:
    lazy = LazyRecording(archive, ["a.npy:1"], 1)
    np.testing.assert_array_equal(lazy.blocks.read(5, 9), samples[5:9, 1:])
    copy = pickle.loads(pickle.dumps(lazy))
    np.testing.assert_array_equal(copy.blocks.read(5, 9), samples[5:9, 1:])


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
def test_a_forked_process_opens_the_archive_anew(archive: Path, samples: np.ndarray) -> None:
    lazy = LazyRecording(archive, None, 1)
    own = lazy.blocks.recording

    def child(connection) -> None:  # type: ignore[no-untyped-def]
        connection.send((lazy.blocks.recording is own, lazy.blocks.read(0, 10)))

    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=child, args=(there,))
    process.start()
    is_own, read = here.recv()
    process.join()
    assert process.exitcode == 0
    assert not is_own
    np.testing.assert_array_equal(read, samples[:10])
    assert lazy.blocks.recording is own


def test_verbatim_files_are_read(archive: Path) -> None:
    assert read_file(archive, "a.txt") == b"text"
    assert read_file(archive, "a.txt", 1, 3) == b"ex"
    assert read_file(archive, "b.txt") is None
    assert read_file(archive, "a.npy") is None, "it is not verbatim"


def test_verbatim_files_are_read_without_the_model(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise ModelError("it is not here")

    monkeypatch.setattr(decoder, "predictor_with_digest", missing)
    with pytest.raises(ModelError):
        _ = LazyRecording(archive, None, 1).blocks
    assert read_file(archive, "a.txt") == b"text"


def test_a_file_larger_than_the_memory_limit_is_refused(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        lazy_recording, "ArchiveReader", partial(lazy_recording.ArchiveReader, limits=Limits(memory=1 << 19))
    )
    with pytest.raises(LimitError, match=r"times.npy has 800128 bytes; 524288 is the most"):
        read_file(archive, "times.npy")


@given(key=st.slices(len(TIMES)) | st.integers(-len(TIMES), len(TIMES) - 1) | st.lists(st.integers(0, 9), max_size=3))
def test_a_vector_is_indexed_like_an_array(archive: Path, key: slice | int | list[int]) -> None:
    vector = ArchivedVector(archive, "times.npy")
    assert (len(vector), vector.shape, vector.dtype) == (len(TIMES), TIMES.shape, TIMES.dtype)
    index = np.array(key, int) if isinstance(key, list) else key
    np.testing.assert_array_equal(vector[index], TIMES[index])


def test_a_vector_converts_to_an_array(archive: Path) -> None:
    vector = pickle.loads(pickle.dumps(ArchivedVector(archive, "times.npy")))
    np.testing.assert_array_equal(np.asarray(vector), TIMES)
    with pytest.raises(IndexError):
        vector[len(TIMES)]
    with pytest.raises(ValueError, match="always copies"):
        np.asarray(vector, copy=False)


def test_only_the_needed_part_is_decoded(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from spikey_cli.codec import blocks

    vector = ArchivedVector(archive, "times.npy")
    sizes: list[int] = []
    unpack = blocks._unpack_verbatim
    monkeypatch.setattr(
        blocks, "_unpack_verbatim", lambda m, d, size, kept: sizes.append(size) or unpack(m, d, size, kept)
    )
    assert vector[-1] == TIMES[-1]
    assert sum(sizes) < TIMES.nbytes / 2


@pytest.mark.parametrize(
    ("name", "fault"), [("square.npy", "not a vector"), ("a.txt", "not a vector"), ("b.npy", "is missing")]
)
def test_other_files_are_not_vectors(archive: Path, name: str, fault: str) -> None:
    with pytest.raises(ArchiveError, match=fault):
        ArchivedVector(archive, name)


def test_damaged_bytes_are_detected(archive: Path, tmp_path: Path) -> None:
    data = bytearray(archive.read_bytes())
    at = data.index(b"text", data.index(b"text") if data.count(b"text") > 1 else 0)
    data[at] ^= 1
    (tmp_path / "a.spk").write_bytes(data)
    with pytest.raises(ArchiveError, match=r"a.txt is damaged: .* checksum"):
        read_file(tmp_path / "a.spk", "a.txt")
