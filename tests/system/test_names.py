"""Names of files are UTF-8 in archives, whatever the locale of the machine that writes or reads them is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.recordings import wav_bytes

import spikey_cli
from spikey_cli.system.names import name_of_path, path_of_name

pytestmark = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="paths are Unicode here")

NAMES = ["größe µ.wav", "left.wav", "ordner/日本.wav"]


@pytest.fixture(scope="module")
def latin_locale(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("locales")
    program = shutil.which("localedef")
    made = program and subprocess.run(
        [program, "-i", "en_US", "-f", "ISO-8859-1", folder / "en_US"], capture_output=True, check=False
    )
    if not made or made.returncode:
        pytest.skip("localedef cannot make a locale with ISO-8859-1")
    return {"LOCPATH": str(folder), "LC_ALL": "en_US"}


@pytest.fixture(params=["C", pytest.param("ISO-8859-1", marks=pytest.mark.slow)])
def locale(request) -> dict[str, str]:
    if request.param == "C":
        return {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    return request.getfixturevalue("latin_locale")


def run_in(locale: dict[str, str], *arguments: str | Path, status: int = 0) -> bytes:
    spikey = [sys.executable, "-m", "spikey_cli", *map(str, arguments)]
    done = subprocess.run(spikey, capture_output=True, env=os.environ | locale, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path) -> Path:
    for i, name in enumerate(NAMES):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wav_bytes(np.arange(100 + i)))
    return tmp_path / "in"


def test_the_same_archive_in_every_locale(tmp_path, folder, locale):
    spikey_cli.compress([folder], tmp_path / "utf8.spk", recursive=True)
    run_in(locale, "compress", "-r", folder, tmp_path / "other.spk")
    assert (tmp_path / "other.spk").read_bytes() == (tmp_path / "utf8.spk").read_bytes()
    run_in(locale, "compress", folder / NAMES[0], tmp_path / "one.spk")
    assert [file["name"] for file in spikey_cli.info(tmp_path / "one.spk")["files"]] == [NAMES[0]]


def test_names_come_back_in_every_locale(tmp_path, folder, locale):
    spikey_cli.compress([folder], tmp_path / "a.spk", recursive=True)
    run_in(locale, "decompress", tmp_path / "a.spk", tmp_path / "back")
    for name in NAMES:
        assert (tmp_path / "back" / name).read_bytes() == (folder / name).read_bytes()
    run_in(locale, "extract", tmp_path / "a.spk", f"{tmp_path}/pieces/")
    assert {str(path.relative_to(tmp_path / "pieces")) for path in (tmp_path / "pieces").rglob("*.wav")} == set(NAMES)
    run_in(locale, "info", "--all", tmp_path / "a.spk")  # prints what its encoding lacks escaped
    run_in(locale, "extract", "--channel", NAMES[2], tmp_path / "a.spk", tmp_path / "one.npy")
    run_in(locale, "decompress", "--file", NAMES[2], tmp_path / "a.spk", tmp_path / "chosen")
    assert (tmp_path / "chosen" / NAMES[2]).exists()


def test_a_name_that_cannot_be_written_is_named_and_the_others_come_back(tmp_path, folder):
    spikey_cli.compress([folder], tmp_path / "a.spk", recursive=True)
    (tmp_path / "back" / NAMES[0]).mkdir(parents=True)
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    printed = run_in(locale, "decompress", "-f", tmp_path / "a.spk", tmp_path / "back", status=1)
    assert b"gr\\udcc3\\udcb6\\udcc3\\udc9fe" in printed
    assert b"is a folder" in printed
    for name in NAMES[1:]:
        assert (tmp_path / "back" / name).read_bytes() == (folder / name).read_bytes()


def test_a_name_that_is_not_utf8_is_refused_and_the_others_are_stored(tmp_path, folder):
    path = Path(os.fsdecode(os.fsencode(folder) + b"/gr\xf6\xdfe.wav"))
    path.write_bytes(wav_bytes(np.arange(9)))
    for locale in ({}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
        printed = run_in(locale, "compress", "-f", "-r", folder, tmp_path / "a.spk", status=1)
        assert b"gr\\udcf6\\udcdfe.wav' is not Unicode; rename it" in printed
        assert [file["name"] for file in spikey_cli.info(tmp_path / "a.spk")["files"]] == NAMES


def test_sidecars_in_folders_with_such_names(tmp_path, locale):
    """The stream's name in structure.oebin is that of its folder."""
    stream = tmp_path / "continuous" / "größe"
    stream.mkdir(parents=True)
    (stream / "continuous.dat").write_bytes(bytes(4000))
    text = '{"continuous": [{"folder_name": "größe/", "num_channels": 2, "sample_rate": 1000}]}'
    (tmp_path / "structure.oebin").write_text(text, encoding="utf-8")
    run_in(locale, "compress", stream / "continuous.dat", tmp_path / "a.spk")
    assert spikey_cli.info(tmp_path / "a.spk")["files"][0]["channels"] == 2


def test_paths_and_names():
    assert name_of_path(path_of_name("größe")) == "größe"
    assert os.fsencode(path_of_name("größe")) == b"gr\xc3\xb6\xc3\x9fe"
