"""Archives whose file names would write outside the target folder, collide, or follow links."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.archive_builder import Content, with_names
from support.command import run
from support.recordings import write_session
from support.resource_guard import calls_of

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
    built = Content.of(path).parts()
    built.directory = with_names(built.directory, [name.encode() if isinstance(name, str) else name for name in names])
    path.write_bytes(built.pack())
    return path


@pytest.mark.parametrize("name", ["../up", "/abs", "a/../../up", "nul", "a\\..\\up", b"\xff\xfe", "", "a\0b"])
def test_an_archive_with_an_unsafe_name_restores_nothing(name, tmp_path):
    path = _archive(tmp_path, "fine", name)
    before = sorted(tmp_path.rglob("*"))
    for restore in (spikey_cli.decompress, spikey_cli.extract):
        with pytest.raises(ArchiveError, match=r"name"):
            restore(path, f"{tmp_path / 'back'}/")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "names",
    [
        ("a.wav", "A.WAV"),
        ("straße", "STRASSE"),
        ("x/y", "X/Y"),
        ("same", "same"),
        ("µ.wav", "\u03bc.wav"),
        ("caf\xe9", "cafe\u0301"),
        ("CAF\xc9", "cafe\u0301"),
        ("\u1fb3", "\u03b1\u0345"),
        ("\uac00", "\u1100\u1161"),
        ("\u212b", "\xe5"),
    ],
)
def test_names_that_differ_only_in_case_or_normalisation_are_refused(names, tmp_path):
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


@pytest.mark.parametrize(
    "name", ["x" * 256, "é" * 128, "y/" * 64 + "y", "/".join(["x" * 99] * 41), "y/" * 390_000 + "y"]
)
def test_names_beyond_the_bounds_are_refused_before_any_work_on_them(name, tmp_path):
    path = _archive(tmp_path, "fine", name)
    for read in (spikey_cli.info, spikey_cli.verify):
        with pytest.raises(ArchiveError, match=r"name .* (above the maximum of 4096|more than (64 parts|255 bytes))"):
            read(path)

    def refuse() -> None:
        with pytest.raises(ArchiveError):
            spikey_cli.info(path)

    assert calls_of(refuse) < 3000


def test_the_longest_names_are_restored(tmp_path):
    names = ["x" * 255, "/".join(["y" * 50] * 64), "é" * 127]
    spikey_cli.decompress(_archive(tmp_path, *names), tmp_path / "b")
    assert all((tmp_path / "b" / name).is_file() for name in names)


def test_no_control_character_reaches_the_terminal(tmp_path):
    """Names may have them; `info`, the log, losses and errors print them escaped."""
    names = [f"a{chr(code)}b" for code in (0x7F, 0x80, 0x9B, 0x9F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))]
    path = _archive(tmp_path, *names)
    printed = [run("info", "--all", path), run("info", "--json", path), run("test", "-v", path)]
    data = bytearray(path.read_bytes())
    data[data.index(b"content 1")] ^= 1
    path.write_bytes(data)
    printed += [run("test", path, status=1), run("decompress", path, tmp_path / "back", status=1)]
    with pytest.raises(ArchiveError) as caught:
        spikey_cli.verify(path)
    printed.append(str(caught.value))
    assert all(text.replace("\n", "").isprintable() for text in printed)
    assert all(r"a\x9fb" in text for text in (printed[0], printed[2]))
    assert all(r"a\x80b" in text for text in printed[3:])
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == sorted({*names} - {names[1]})


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
