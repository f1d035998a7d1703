"""Files appear complete or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from support.paths import ROOT

from spikey_cli.errors import InputError
from spikey_cli.system.whole_file import WholeFile, begun, is_temporary, write_whole


def test_a_file_appears_when_it_is_committed(tmp_path):
    file = WholeFile(tmp_path / "a", force=False)
    file.append(b"some")
    file.append(b" bytes")
    assert [is_temporary(path) for path in tmp_path.iterdir()] == [True]
    file.commit()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"some bytes"


def test_a_discarded_file_does_not_reappear(tmp_path):
    file = WholeFile(tmp_path / "a", force=False)
    file.append(b"some")
    file.discard()
    with pytest.raises(InputError, match="a: cannot write: No such file"):
        file.append(b"more")
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_the_process_discards_unfinished_files(tmp_path):
    code = (
        "import pathlib; from spikey_cli.system.whole_file import WholeFile; WholeFile(pathlib.Path('a'), force=False)"
    )
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env=os.environ | {"PYTHONPATH": path})
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept_unless_forced(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(InputError, match="a: exists already") as caught:
        WholeFile(tmp_path / "a", force=False)
    assert caught.value.parameter == "force"
    write_whole(tmp_path / "a", b"new", force=True)
    assert (tmp_path / "a").read_text() == "new"


def test_a_file_that_appears_before_the_commit_is_kept(tmp_path):
    file = WholeFile(tmp_path / "a", force=False)
    (tmp_path / "a").write_text("another program's")
    with pytest.raises(InputError, match="exists already"):
        file.commit()
    assert file.keep() == file.temporary
    assert (tmp_path / "a").read_text() == "another program's"
    assert file.temporary.exists()


def test_a_file_that_appears_during_the_commit_is_kept(tmp_path, monkeypatch):
    def link(*arguments, **options):
        (tmp_path / "a").write_text("another program's")
        return original(*arguments, **options)

    original = os.link
    file = WholeFile(tmp_path / "a", force=False)
    monkeypatch.setattr(os, "link", link)
    with pytest.raises(InputError, match="exists already"):
        file.commit(b"own")
    file.discard()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "another program's")]


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_file_systems_without_links(tmp_path, monkeypatch, number):
    def link(*arguments, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)
    write_whole(tmp_path / "a", b"some", force=False)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"some")]


def test_an_incomplete_file_can_be_kept(tmp_path):
    file = WholeFile(tmp_path / "a", force=False)
    file.append(b"some")
    assert file.keep() == tmp_path / "a"
    assert (tmp_path / "a").read_bytes() == b"some"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_folders_and_pipes_are_not_overwritten(tmp_path):
    with pytest.raises(InputError, match="is a folder; name a file"):
        WholeFile(tmp_path, force=True)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InputError, match="fifo: is a device or a pipe"):
        WholeFile(tmp_path / "fifo", force=True)
    assert (tmp_path / "fifo").is_fifo()


def test_an_error_while_the_contents_are_computed_leaves_no_file(tmp_path):
    with pytest.raises(ZeroDivisionError), begun(tmp_path / "a", force=False):
        _ = 1 // 0
    assert list(tmp_path.iterdir()) == []


def test_a_long_name_has_a_temporary_name_of_bounded_length(tmp_path):
    file = WholeFile(tmp_path / ("x" * 250), force=False)
    assert len(file.temporary.name) < 70
    file.commit()
