"""What the command says, and how it exits, where something is wrong."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.command import run
from support.recordings import write_session


def test_equal_names_are_an_error(tmp_path, random, session):
    other = write_session(tmp_path / "other", random, 1)
    printed = run("compress", session[0], other[0], tmp_path / "out.spk", status=1)
    assert "has the same name 'thread0.wav'" in printed


def test_a_file_that_is_named_twice_goes_in_once(tmp_path, session):
    printed = run("compress", session[0], session[0], tmp_path / "out.spk", status=1)
    assert f"{session[0]}: is named twice; name it once" in printed
    assert "1 file" in run("test", tmp_path / "out.spk")


@pytest.mark.parametrize("file_first", [True, False])
def test_a_file_and_a_folder_of_one_name_are_an_error(tmp_path, random, session, file_first):
    """As no folder can hold both: the one that comes first is kept."""
    (tmp_path / "rec" / "a").mkdir(parents=True)
    (tmp_path / "rec" / "a" / "b.wav").write_bytes(session[0].read_bytes())
    (tmp_path / "A").write_bytes(b"some")
    inputs = [tmp_path / "A", tmp_path / "rec"] if file_first else [tmp_path / "rec", tmp_path / "A"]
    printed = run("compress", "-r", *inputs, tmp_path / "out.spk", status=1)
    one, other = ("a/b.wav", "A") if file_first else ("A", "a/b.wav")
    assert f"is here too, and of {one!r} and {other!r} one is the other's folder; rename one of them" in printed
    run("decompress", tmp_path / "out.spk", tmp_path / "back")
    back = [path.relative_to(tmp_path / "back").as_posix() for path in (tmp_path / "back").rglob("*") if path.is_file()]
    assert back == [other]


def test_an_archive_named_like_a_recording_is_a_slip(tmp_path, session):
    assert "would be the archive" in run("compress", "-f", *session, status=2)
    assert session[1].read_bytes()[:4] == b"RIFF"


def test_usage_errors_exit_2(tmp_path, session):
    run("compress", "--coder", "magic", session[0], tmp_path / "out.spk", status=2)
    run("compress", "--threads", "0", session[0], tmp_path / "out.spk", status=2)
    run("compress", status=2)
    run("melt", status=2)
    run("compress", *session, tmp_path / "out.spk")
    run("decompress", "--start", "2", "--stop", "1", tmp_path / "out.spk", tmp_path / "back", status=2)


def test_damage_exits_1_and_names_the_file(tmp_path, session):
    run("compress", *session, tmp_path / "out.spk")
    data = bytearray((tmp_path / "out.spk").read_bytes())
    data[len(data) // 2] ^= 16
    (tmp_path / "out.spk").write_bytes(data)
    printed = run("test", tmp_path / "out.spk", status=1)
    assert "is damaged" in printed
    assert "restore the archive from a copy" in printed


def test_a_full_disk_leaves_nothing(tmp_path, session, monkeypatch):
    from spikey_cli.container import archive

    def full(self, *pieces):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.ArchiveWriter, "_write", full)
    assert "out.spk: cannot write: No space left" in run("compress", *session, tmp_path / "out.spk", status=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


def test_what_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "some.yaml").write_text("window: 16")
    printed = run("train", tmp_path / "some.yaml", "name", "--data", tmp_path, status=1)
    assert "training needs torch: pip install 'spikey-cli[train]'" in printed


def test_an_archive_alone_is_an_archive_of_nothing(session):
    assert f"{session[0]} would be the archive; name it last" in run("compress", session[0], status=2)


def test_a_name_that_is_not_there(tmp_path, session):
    run("compress", *session, tmp_path / "out.spk")
    printed = run("decompress", "--thread", "thread1.wv", tmp_path / "out.spk", tmp_path / "back", status=1)
    assert "out.spk: holds no channel 'thread1.wv'; did you mean 'thread1.wav'?" in printed
    absent = tmp_path / "absent" / "out.spk"
    assert f"there is no folder {tmp_path / 'absent'}: make it" in run("compress", *session, absent, status=1)
    assert f"there is no folder {tmp_path / 'absent'}: make it" in run("info", absent, status=1)


def test_a_file_where_a_folder_should_be_is_told_once(tmp_path, session):
    run("compress", *session, tmp_path / "out.spk")
    printed = run("decompress", tmp_path / "out.spk", session[0], status=1)
    assert printed.count("thread0.wav: cannot make the folder: File exists; something else goes by that name") == 1


def test_what_is_no_archive_is_named(tmp_path, session):
    for command in (["info"], ["test"], ["decompress"]):
        back = [tmp_path / "back"] if command == ["decompress"] else []
        assert "thread0.wav: not a Spikey archive of files" in run(*command, session[0], *back, status=1)


def test_a_model_that_is_none(tmp_path, session):
    printed = run("compress", "--model", session[0], *session, tmp_path / "out.spk", status=1)
    assert "thread0.wav: not an ONNX model" in printed
    assert "name a predictor that `spikey train` froze, or a shipped one" in printed


def test_a_picture_that_cannot_be_written_is_not_measured_for(tmp_path, session, monkeypatch):
    from spikey_cli.analysis import survey

    monkeypatch.setattr(survey, "survey", None)
    (tmp_path / "old.png").write_bytes(b"old")
    printed = run("topology", "--plot", tmp_path / "old.png", *session, status=1)
    assert "old.png: exists already; give --force to replace it" in printed
    printed = run("topology", "-f", "--plot", session[0], *session, status=2)
    assert "give it the ending .png" in printed, "a recording is not to be drawn over"
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install 'spikey-cli[plot]'" in run("topology", "--plot", tmp_path / "p.png", *session, status=1)
    assert not (tmp_path / "p.png").exists()


def test_memory_that_is_not_there(tmp_path, session, monkeypatch):
    from spikey_cli.api import compress as compressor

    def exhausted(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(compressor, "write_archive", exhausted)
    assert "spikey: out of memory; try again with --threads 1" in run(
        "compress", *session, tmp_path / "out.spk", status=1
    )


@pytest.mark.skipif(sys.platform == "win32", reason="has no /dev/full")
def test_output_that_cannot_be_written(tmp_path, session):
    run("compress", *session, tmp_path / "out.spk")
    spikey = [sys.executable, "-m", "spikey_cli", "info", "--json", tmp_path / "out.spk"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(spikey, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("spikey: stdin or stdout: cannot read or write: No space left on device; free some")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(spikey, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, ""), "whoever reads it has had enough: as in `spikey info | head`"


@pytest.mark.parametrize("name", ["b.wav", "b.npy", "b.bin", "b.nwb"])
def test_no_recording_is_replaced_by_an_archive(session, tmp_path, name):
    (tmp_path / name).write_bytes(b"a recording")
    assert "would be the archive" in run("compress", "-f", *session, tmp_path / name, status=2)
    assert (tmp_path / name).read_bytes() == b"a recording"


def test_an_archive_does_not_go_into_its_successor(session, tmp_path):
    old = session[0].parent / "old.spk"
    run("compress", *session, old)
    first = old.read_bytes()
    assert "does not go into it" in run("compress", "-f", "-r", session[0].parent, old)
    assert old.read_bytes() == first


def test_a_host_without_a_port_is_named(session, tmp_path):
    out = tmp_path / "out.spk"
    assert "give HOST:PORT, as in --dask somewhere:8786" in run(
        "compress", "--dask", "somewhere", *session, out, status=2
    )
