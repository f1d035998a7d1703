"""While files are written, another user puts a link in the place of a folder, at any call to the system."""

from __future__ import annotations

import builtins
import itertools
import os
from pathlib import Path

import pytest
from support.recordings import write_session

import spikey_cli
from spikey_cli.errors import InputError
from spikey_cli.system.whole_file import WholeFile, folder_below

CALLS = ("link", "lstat", "mkdir", "open", "replace", "stat")


class Attacker:
    """Replaces `folder` by a link to `elsewhere` just before the n-th call, and puts it back before the next one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, elsewhere: Path, at: int, lasting: bool) -> None:
        self._folder, self._elsewhere = folder, elsewhere
        self._aside = folder.with_name("aside")
        self._at, self._lasting = at, lasting
        self._calls, self._acts = 0, False
        monkeypatch.setattr(builtins, "open", self._wrapped(open))
        for name in CALLS:
            monkeypatch.setattr(os, name, self._wrapped(getattr(os, name)))

    def _wrapped(self, call):
        def wrapper(*arguments, **options):
            if not self._acts:
                self._acts = True
                self._calls += 1
                if self._calls == self._at:
                    self._swap()
                elif self._calls == self._at + 1 and not self._lasting:
                    self.undo()
                self._acts = False
            return call(*arguments, **options)

        return wrapper

    def _swap(self) -> None:
        if self._folder.exists():
            os.rename(self._folder, self._aside)
        if self._folder.parent.exists():
            os.symlink(self._elsewhere, self._folder)

    def undo(self) -> None:
        if self._folder.is_symlink():
            os.unlink(self._folder)
        if self._aside.exists():
            os.rename(self._aside, self._folder)

    @property
    def is_done(self) -> bool:
        """Whether there was no n-th call."""
        return self._calls < self._at


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("command", ["decompress", "extract"])
def test_nothing_is_written_elsewhere(tmp_path, random, monkeypatch, command, lasting):
    write_session(tmp_path / "in" / "sub" / "deep", random, 1, 600)
    spikey_cli.compress([tmp_path / "in"], tmp_path / "a.spk", recursive=True)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    (name,) = [path.relative_to(tmp_path / "in") for path in (tmp_path / "in").rglob("*.wav")]
    refused = 0
    for at in itertools.count(1):
        root = tmp_path / f"back{at}"
        error = None
        with monkeypatch.context() as patch:
            attacker = Attacker(patch, root / "sub", elsewhere, at, lasting)
            try:
                getattr(spikey_cli, command)(tmp_path / "a.spk", f"{root}/", workers=1)
            except InputError as caught:
                error = caught
        attacker.undo()
        if error:
            refused += 1
            assert str(root) in str(error)
        else:
            assert (root / name).exists()
        assert [path for path in elsewhere.rglob("*") if path.is_file()] == [], f"call {at}"
        if attacker.is_done:
            break
    print(f"{command}: {at - 1} calls, {refused} refused")
    assert refused > 2


def test_an_appended_file_is_not_reached_through_a_link(tmp_path):
    (tmp_path / "victim").write_bytes(b"mine")
    file = WholeFile(tmp_path / "a", force=False)
    file.temporary.unlink()
    file.temporary.symlink_to(tmp_path / "victim")
    with pytest.raises(InputError, match="a: cannot write"):
        file.append(b"more")
    file.discard()
    assert (tmp_path / "victim").read_bytes() == b"mine"


def test_a_folder_that_was_replaced_is_refused(tmp_path):
    file = WholeFile.below(tmp_path, "sub/a", force=False)
    (tmp_path / "sub").rename(tmp_path / "other")
    (tmp_path / "sub").mkdir()
    with pytest.raises(InputError, match=r"sub/a: cannot write: its folder was replaced .*; try again"):
        file.append(b"more")
    assert list((tmp_path / "sub").iterdir()) == []


def test_links_that_stay_below_the_folder_are_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert os.path.samefile(folder_below(tmp_path, "link/deep").path, tmp_path / "real" / "deep")
    WholeFile.below(tmp_path, "link/deep/a", force=False).commit(b"some")
    assert (tmp_path / "real" / "deep" / "a").read_bytes() == b"some"


def test_other_names_of_a_file_keep_their_contents(tmp_path, random):
    """Hard links: compressed from, restored over, and removed."""
    (source,) = write_session(tmp_path / "in", random, 1, 600)
    data = source.read_bytes()
    os.link(source, tmp_path / "in" / "other.wav")
    spikey_cli.compress([tmp_path / "in"], tmp_path / "a.spk", recursive=True, workers=1)
    back = tmp_path / "back"
    back.mkdir()
    (tmp_path / "kept").write_bytes(b"mine")
    os.link(tmp_path / "kept", back / "other.wav")
    assert spikey_cli.decompress(tmp_path / "a.spk", back, force=True, workers=1).files == 2
    assert (tmp_path / "kept").read_bytes() == b"mine"
    assert {path.read_bytes() for path in back.iterdir()} == {data}
    os.link(source, tmp_path / "b.spk")
    with pytest.raises(InputError):
        spikey_cli.compress([source], tmp_path / "b.spk", force=True, workers=1)
    assert source.read_bytes() == (tmp_path / "b.spk").read_bytes() == data
