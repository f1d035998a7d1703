"""Names of files that a directory may hold."""

from __future__ import annotations

import pytest

from spikey_cli.container.directory import name_fault


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../up",
        "a/../b",
        "a//b",
        "./a",
        "a\\b",
        "C:",
        "c:/x",
        "nul",
        "COM1.wav",
        "a\0b",
        "end.",
        "end ",
        "a/",
        "con",
        "Con.wav",
        "aux .txt",
        "COM¹",
        "lpt³.wav",
        "CONIN$",
        "conout$.txt",
        "d:evil",
        "\\\\server\\share",
        "\\\\?\\C:\\x",
        "a/nul/b",
        "a:stream",
        "x\x1f",
        "a/ ",
        "...",
        "a/.. ",
        "//a",
        "~/../a",
        "a\x00.wav",
    ],
)
def test_unsafe_names_are_refused(name):
    assert name_fault(name)


@pytest.mark.parametrize("name", ["a.wav", "deep/er/a.wav", "ünï.wav", ".hidden", "com.wav", "a b.wav"])
def test_safe_names_are_accepted(name):
    assert name_fault(name) is None
