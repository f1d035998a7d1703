"""Which files go into an archive, and under which names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from support.recordings import wav_bytes, write_session

import spikey_cli
from spikey_cli.api.inputs import find_sources, without_collisions
from spikey_cli.errors import InputError
from spikey_cli.io.raw import RawFormat
from spikey_cli.io.source import BytesSource, FileSource

needs_posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")


def names(archive: Path) -> list[str]:
    return sorted(str(file["name"]) for file in spikey_cli.info(archive)["files"])


@pytest.fixture
def folder(tmp_path: Path, random: np.random.Generator) -> Path:
    """A folder with one WAV file."""
    write_session(tmp_path / "in", random, 1, 500)
    return tmp_path / "in"


def compressed(inputs, archive: Path) -> list[str]:
    """The messages of the inputs that are left out; the archive holds the file of `folder` only."""
    result = spikey_cli.compress(inputs, archive, recursive=True, skip_failing=True)
    assert names(archive) == ["thread0.wav"]
    return [str(failure) for failure in result.failures]


def test_files_below_a_folder_are_named_by_their_path(tmp_path):
    for name in ("b.wav", "sub/a.wav", "sub/deep/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    sources = find_sources([tmp_path, tmp_path / "b.wav"], recursive=True)
    assert [source.name for source in sources] == ["b.wav", "sub/a.wav", "sub/deep/c.txt", "b.wav"]


def test_files_get_the_rate_and_raw_format(tmp_path):
    (tmp_path / "a.bin").touch()
    raw = RawFormat(4, 30_000)
    for inputs in ([tmp_path], [tmp_path / "a.bin"]):
        (source,) = find_sources(inputs, recursive=True, sample_rate=1000, raw=raw)
        assert source == FileSource(tmp_path / "a.bin", "a.bin", 1000, raw)


def test_sources_are_returned_as_they_are():
    source = BytesSource(b"1", "a")
    assert find_sources([source]) == [source]


def test_other_objects_are_refused():
    with pytest.raises(TypeError, match=r"ndarray is neither a path nor a source; wrap an array: ArraySource\("):
        find_sources([np.zeros(3, np.int16)])


def test_a_folder_needs_recursive(folder):
    with pytest.raises(InputError, match="in: is a folder; name files, or take its files recursively") as caught:
        find_sources([folder])
    assert caught.value.parameter == "recursive"


def test_an_empty_folder_leaves_the_others(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    (message,) = compressed([tmp_path / "empty", folder], tmp_path / "a.spk")
    assert message == f"{tmp_path / 'empty'}: holds no files; name a folder that does"
    with pytest.raises(InputError, match="holds no files"):
        spikey_cli.compress([tmp_path / "empty"], tmp_path / "b.spk", recursive=True, skip_failing=True)
    assert not (tmp_path / "b.spk").exists()


@needs_posix
def test_links_to_folders_are_not_followed(tmp_path, folder):
    (tmp_path / "session2").mkdir()
    (folder / "session2").symlink_to(tmp_path / "session2")
    (message,) = compressed([folder], tmp_path / "a.spk")
    assert message == f"{folder / 'session2'}: is a link to a folder, and not followed; name that folder too"
    with pytest.raises(InputError, match="is a link to a folder"):
        spikey_cli.compress([folder], tmp_path / "b.spk", recursive=True)


@needs_posix
def test_links_to_files_are_followed(tmp_path, folder):
    (folder / "linked.wav").symlink_to(folder / "thread0.wav")
    spikey_cli.compress([folder], tmp_path / "a.spk", recursive=True)
    assert names(tmp_path / "a.spk") == ["linked.wav", "thread0.wav"]


@needs_posix
def test_broken_links_and_pipes_leave_the_others(tmp_path, folder):
    (folder / "gone.wav").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "fifo")
    fifo, gone = sorted(compressed([folder], tmp_path / "a.spk"))
    assert fifo.startswith(f"{folder / 'fifo'}: is a pipe, a device or the like")
    assert gone.startswith(f"{folder / 'gone.wav'}: cannot read: No such file")


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_an_unreadable_folder_leaves_the_others(tmp_path, folder):
    (folder / "lost+found").mkdir(mode=0)
    (message,) = compressed([folder], tmp_path / "a.spk")
    assert "lost+found: cannot read the folder" in message


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems take Unicode only")
def test_a_name_that_is_not_unicode_leaves_the_others(tmp_path, folder):
    with open(os.fsencode(folder) + b"/elec\xe9.wav", "wb") as file:
        file.write(wav_bytes(np.zeros(9)))
    (message,) = compressed([folder], tmp_path / "a.spk")
    assert "rename it" in message


def test_temporary_files_are_skipped_and_that_of_a_live_stream_is_reported(tmp_path, folder):
    (folder / ".a.spk.00aa11bb.part").write_bytes(b"\x89SPK\r\n\x1a\nof an archive, which can be written again")
    (folder / ".b.spk.00aa11bb.part").write_bytes(b"\x89SPS\r\n\x1a\nof a recorder")
    (message,) = compressed([folder], tmp_path / "a.spk")
    assert message.startswith(f"{folder / '.b.spk.00aa11bb.part'}: is the rest of a live stream")


@needs_posix
def test_a_pipe_is_not_a_file(tmp_path):
    """As in `spikey compress <(command) out.spk`."""
    read_end, write_end = os.pipe()
    os.write(write_end, b"some bytes")
    os.close(write_end)
    with pytest.raises(InputError, match="is a pipe, a device or the like, and has no size"):
        spikey_cli.compress([f"/dev/fd/{read_end}"], tmp_path / "a.spk")
    os.close(read_end)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/proc/version"), reason="needs a file with more bytes than its size")
def test_a_file_with_more_bytes_than_its_size_is_refused(tmp_path):
    with pytest.raises(InputError, match="has a size of 0 and yet holds data"):
        spikey_cli.compress(["/proc/version"], tmp_path / "a.spk")
    (tmp_path / "empty").touch()
    assert spikey_cli.compress([tmp_path / "empty"], tmp_path / "a.spk").files == 1


def test_other_files_are_not_overwritten_by_an_archive(tmp_path, folder):
    meta = tmp_path / "run.meta"
    meta.write_text("typeThis=imec\n")
    with pytest.raises(InputError, match=r"run\.meta: exists and is not an archive"):
        spikey_cli.compress([folder / "thread0.wav"], meta, force=True)
    assert meta.read_text() == "typeThis=imec\n"


@pytest.mark.parametrize("old", [b"", b"\x89SPK\r\n\x1a\nan older archive", b"\x89SPS\r\n\x1a\na live stream"])
def test_archives_and_live_streams_are_overwritten_if_forced(tmp_path, folder, old):
    (tmp_path / "a.spk").write_bytes(old)
    with pytest.raises(InputError, match="exists already"):
        spikey_cli.compress([folder / "thread0.wav"], tmp_path / "a.spk")
    spikey_cli.compress([folder / "thread0.wav"], tmp_path / "a.spk", force=True)
    assert names(tmp_path / "a.spk") == ["thread0.wav"]


@needs_posix
def test_pipes_are_not_overwritten(tmp_path, folder):
    os.mkfifo(tmp_path / "fifo")
    for force in (False, True):
        with pytest.raises(InputError, match="fifo: is a device or a pipe, which is never overwritten"):
            spikey_cli.compress([folder / "thread0.wav"], tmp_path / "fifo", force=force)
    assert (tmp_path / "fifo").is_fifo()


def test_the_archive_is_not_an_input(tmp_path, folder):
    spikey_cli.compress([folder], tmp_path / "a.spk", recursive=True)
    before = (tmp_path / "a.spk").read_bytes()
    with pytest.raises(InputError, match="is an input and the archive at once"):
        spikey_cli.compress([folder / "thread0.wav", tmp_path / "a.spk"], tmp_path / "a.spk", force=True)
    assert (tmp_path / "a.spk").read_bytes() == before


def test_the_overwritten_archive_in_an_input_folder_is_left_out(folder):
    spikey_cli.compress([folder], folder / "a.spk", recursive=True)
    result = spikey_cli.compress([folder], folder / "a.spk", recursive=True, force=True)
    assert [str(warning) for warning in result.warnings] == [
        f"{folder / 'a.spk'}: is the archive that is replaced, and is not stored in itself"
    ]
    assert names(folder / "a.spk") == ["thread0.wav"]


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("a.wav", "a.wav", "is named twice"),
        ("a.wav", "A.WAV", "has the same name 'A.WAV' except for case"),
        ("caf\xe9", "Cafe\u0301", "has the same name"),
        ("a", "b/" * 64 + "b", "more than 64 parts; rename it"),
        ("a", "b" * 256, "a part of more than 255 bytes; rename it"),
        ("a", "A/b", "one is a file and the other's folder"),
        ("a/b/c", "a/B", "one is a file and the other's folder"),
        ("a", "../b", "rename it"),
    ],
)
def test_names_that_cannot_coexist(first, second, reason):
    failures = []
    sources = [BytesSource(b"", name) for name in (first, second)]
    assert without_collisions(sources, failures.append) == sources[:1]
    (failure,) = failures
    assert reason in str(failure)


@pytest.mark.parametrize(("first", "second"), [("a", "a.b/c"), ("a/b", "a b"), ("a/bc", "a/b")])
def test_names_that_can_coexist(first, second):
    sources = [BytesSource(b"", name) for name in (first, second)]
    assert without_collisions(sources, pytest.fail) == sources


def test_a_pattern_that_matched_nothing_is_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"\*\.dat: cannot read: No such file or directory; check the name"):
        spikey_cli.compress([tmp_path / "*.dat"], tmp_path / "out.spk")


def test_a_link_that_is_replaced_is_told(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav_bytes(np.arange(100)))
    spikey_cli.compress([tmp_path / "a.wav"], tmp_path / "old.spk")
    (tmp_path / "link.spk").symlink_to("old.spk")
    before = (tmp_path / "old.spk").read_bytes()
    (warning,) = spikey_cli.compress([tmp_path / "a.wav"], tmp_path / "link.spk", force=True).warnings
    assert "link.spk: was a link, which the archive replaces" in str(warning)
    assert not (tmp_path / "link.spk").is_symlink()
    assert (tmp_path / "old.spk").read_bytes() == before
