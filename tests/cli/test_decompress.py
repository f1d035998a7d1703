"""`spikey decompress`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from support.command import run

import spikey_cli
from spikey_cli.system import signals


def test_single_files(tmp_path, archive, wavs):
    assert "1 file" in run("decompress", "--file", wavs[1].name, archive, tmp_path / "back")
    assert {path.name: path.read_bytes() for path in (tmp_path / "back").iterdir()} == {
        wavs[1].name: wavs[1].read_bytes()
    }


def test_a_name_that_is_not_there(tmp_path, archive):
    printed = run("decompress", "--file", "thread1.wv", archive, tmp_path / "back", status=1)
    assert "out.spk: holds no file 'thread1.wv'; did you mean 'thread1.wav'? (--file; see" in printed


def test_files_that_exist_are_kept_without_force(tmp_path, archive, wavs):
    (tmp_path / wavs[0].name).write_text("precious")
    printed = run("decompress", archive, tmp_path, status=1)
    assert f"{wavs[0].name}: exists already" in printed
    assert "--force" in printed
    assert (tmp_path / wavs[0].name).read_text() == "precious"
    assert (tmp_path / wavs[1].name).read_bytes() == wavs[1].read_bytes()
    run("decompress", "-f", archive, tmp_path)
    assert (tmp_path / wavs[0].name).read_bytes() == wavs[0].read_bytes()


def test_a_file_where_a_folder_should_be_is_reported_once(archive, wavs):
    printed = run("decompress", archive, wavs[0], status=1)
    assert printed.count(f"{wavs[0].name}: cannot make the folder: File exists") == 1


@pytest.mark.parametrize("files", [[], ["--file", "thread0.wav"]])
def test_what_is_intact_is_salvaged(tmp_path, damaged, files):
    printed = run("decompress", "--keep-going", *files, damaged, tmp_path / "back", status=1)
    assert "with gaps" in printed
    assert "lost" in printed
    report = json.loads((tmp_path / "back" / "out.spk.lost.json").read_text())
    assert report["lost"][0]["file"].startswith("thread")
    assert not files or {path.name for path in (tmp_path / "back").glob("*.wav")} == {"thread0.wav"}


def test_damage_names_the_option_that_salvages(tmp_path, damaged):
    printed = run("decompress", damaged, tmp_path / "back", status=1)
    assert "is damaged" in printed
    assert "--keep-going" in printed


def test_a_folder_in_which_nothing_is_restored_is_removed(tmp_path, random):
    """So that the next try does not stumble over it."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a.txt").write_bytes(random.bytes(900))
    spk = tmp_path / "b.spk"
    run("compress", "-r", tmp_path / "in", spk)
    data = bytearray(spk.read_bytes())
    data[len(data) // 2] ^= 1
    spk.write_bytes(data)
    assert "is damaged" in run("decompress", spk, status=1)
    assert not (tmp_path / "b").exists()
    (tmp_path / "mine").mkdir()
    assert "is damaged" in run("decompress", spk, tmp_path / "mine", status=1)
    assert (tmp_path / "mine").exists(), "it was there before"
    run("decompress", "--keep-going", spk, status=1)
    assert (tmp_path / "b" / "deep" / "a.txt").exists()


def test_a_folder_is_removed_after_an_interruption(tmp_path, archive, monkeypatch):
    def interrupt(*arguments, **options):
        raise signals.Interrupted(2)

    monkeypatch.setattr("spikey_cli.api.decompress.restore_block", interrupt)
    with pytest.raises(signals.Interrupted):
        spikey_cli.decompress(archive, tmp_path / "back", workers=1)
    assert not (tmp_path / "back").exists()


def test_stdin_is_restored_to_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in (["-", "back/"], ["-o", "back/", "-"]):
        assert "stdin is restored to a file, and back/ is a folder" in run("decompress", *words, status=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_archives_are_not_read_from_pipes(tmp_path, archive, live):
    spikey = [sys.executable, "-m", "spikey_cli"]
    piped = subprocess.run(
        [*spikey, "decompress", "-", tmp_path / "x"], input=archive.read_bytes(), capture_output=True
    )
    assert piped.returncode == 1
    assert b"stdin: is an archive of files, which is not read from a pipe; write it to a file" in piped.stderr
    for command, path in (("info", archive), ("test", archive), ("test", live)):
        words = [*spikey, command, "/dev/stdin"]
        named = subprocess.run(words, input=path.read_bytes(), capture_output=True)
        expected = b"spikey: /dev/stdin: cannot read: Illegal seek; copy it to a file, and name that\n"
        assert (named.returncode, named.stderr) == (1, expected)


@pytest.mark.parametrize("options", [["--threads", "2"], ["--file", "live.raw"]])
@pytest.mark.parametrize("target", ["back", "-"])
def test_options_without_effect_on_live_streams_are_refused(tmp_path, monkeypatch, live, options, target):
    monkeypatch.chdir(tmp_path)
    assert f"leave out {options[0]}" in run("decompress", *options, live, target, status=2)
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_a_new_one_beside_the_archive_is_made(tmp_path, archive, live, wavs):
    for made, of in (("in/out.spk", archive), ("in/live.spks", live), ("in/copy", archive)):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / made).write_bytes(of.read_bytes())
        run("decompress", tmp_path / made)
    for folder in ("out", "copy.restored"):
        assert (tmp_path / "in" / folder / wavs[0].name).read_bytes() == wavs[0].read_bytes()
    assert (tmp_path / "in" / "live" / "live.raw").stat().st_size == 2000


def test_a_folder_that_exists_is_never_the_default(tmp_path, archive, wavs):
    """It may be the recording that the archive was made of."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out.spk").write_bytes(archive.read_bytes())
    for options in ([], ["--force"]):
        printed = run("decompress", *options, tmp_path / "out.spk", status=1)
        assert f"{tmp_path / 'out'}: exists already; name the folder to restore out.spk to (--out)" in printed
    assert list((tmp_path / "out").iterdir()) == []
    run("decompress", tmp_path / "out.spk", "-o", tmp_path / "out")
    assert (tmp_path / "out" / wavs[0].name).read_bytes() == wavs[0].read_bytes()


def test_arguments_that_contradict_each_other(tmp_path, archive):
    assert "`spikey extract` writes samples to stdout" in run("decompress", archive, "-", status=2)
    assert "the folder is given twice" in run("decompress", archive, tmp_path / "a", "-o", tmp_path / "b", status=2)
