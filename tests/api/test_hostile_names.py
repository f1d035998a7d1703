"""Archives whose file names would write outside the target folder, collide, or follow links."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.archive_builder import Content, deflated, directory_tokens, joined
from support.recordings import write_session

import spikey_cli
from spikey_cli.errors import ArchiveError, InputError


def _archive(tmp_path: Path, *names: str | bytes) -> Path:
    """An archive whose files have these names, valid or not."""
    source = tmp_path / "in"
    source.mkdir()
    for i in range(len(names)):
        (source / f"{i}").write_bytes(b"content %d" % i)
    path = tmp_path / "names.spk"
    spikey_cli.compress([source], path, recursive=True)
    content = Content.of(path)
    tokens = directory_tokens(content.directory)
    for i, name in enumerate(names):
        new = name.encode() if isinstance(name, str) else name
        at = tokens.index(content.directory.files[i].name.encode())
        tokens[at - 1 : at + 1] = [len(new), new]
    built = content.parts()
    built.directory = deflated(joined(tokens))
    path.write_bytes(built.pack())
    return path


@pytest.mark.parametrize("name", ["../up", "/abs", "a/../../up", "nul", "a\\..\\up", b"\xff\xfe", "", "a\0b"])
def test_an_archive_with_an_unsafe_name_restores_nothing(name, tmp_path):
    path = _archive(tmp_path, "fine", name)
    before = sorted(tmp_path.rglob("*"))
    for run in (spikey_cli.decompress, spikey_cli.extract):
        with pytest.raises(ArchiveError, match=r"name"):
            run(path, f"{tmp_path / 'back'}/")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("names", [("a.wav", "A.WAV"), ("straße", "STRASSE"), ("x/y", "X/Y"), ("same", "same")])
def test_names_that_differ_only_in_case_are_refused(names, tmp_path):
    with pytest.raises(ArchiveError, match="the same name"):
        spikey_cli.decompress(_archive(tmp_path, *names), tmp_path / "back")
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a/b/c/d", "A/B"), ("x/STRASSE", "x/straße/y")])
def test_a_name_that_is_both_file_and_folder_is_refused(names, tmp_path):
    with pytest.raises(ArchiveError, match="the same name as the folder of another file"):
        spikey_cli.decompress(_archive(tmp_path, *names), tmp_path / "back")
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("names", [("a", "a.b/c"), ("a/b", "a b"), ("a/bc", "a/b"), ("a-/b", "a")])
def test_names_with_a_common_beginning_are_restored(names, tmp_path):
    spikey_cli.decompress(_archive(tmp_path, *names), tmp_path / "back")
    assert all((tmp_path / "back" / name).is_file() for name in names)


def test_a_name_too_long_for_the_file_system(tmp_path):
    path = _archive(tmp_path, "x" * 3000, "y/" * 1900 + "y")
    result = spikey_cli.decompress(path, tmp_path / "back", skip_failing=True)
    assert [type(failure) for failure in result.failures] == [InputError, InputError]
    assert not (tmp_path / "back" / "y").exists()


def test_existing_files_are_not_overwritten(tmp_path):
    path = _archive(tmp_path, "one", "two")
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "two").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        spikey_cli.decompress(path, tmp_path / "back")
    assert (tmp_path / "back" / "two").read_text() == "mine"


def test_links_are_not_followed(tmp_path):
    """Neither out of the target folder nor in the place of a file."""
    path = _archive(tmp_path, "sub/deep/one", "two")
    back, elsewhere = tmp_path / "back", tmp_path / "elsewhere"
    back.mkdir()
    elsewhere.mkdir()
    (back / "sub").symlink_to(elsewhere)
    (back / "two").symlink_to(elsewhere / "two")
    with pytest.raises(InputError, match=r"leads out of|exists already"):
        spikey_cli.decompress(path, back)
    assert not list(elsewhere.iterdir())
    result = spikey_cli.decompress(path, back, force=True, skip_failing=True)
    assert result.files == 1
    assert not list(elsewhere.iterdir()), "the target of the link was written"
    assert not (back / "two").is_symlink()
    (back / "loop").symlink_to(back / "loop")
    with pytest.raises(InputError):
        spikey_cli.decompress(path, back / "loop")


def test_links_are_not_followed_by_extraction(tmp_path, random):
    write_session(tmp_path / "in" / "sub" / "deep", random, 1)
    spikey_cli.compress([tmp_path / "in"], tmp_path / "out.spk", recursive=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="leads out of"):
        spikey_cli.extract(tmp_path / "out.spk", tmp_path / "back")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_archive_builder_reproduces_an_archive(tmp_path):
    path = _archive(tmp_path, "0", "1")
    assert Content.of(path).parts().pack() == path.read_bytes()
