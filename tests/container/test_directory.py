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
        "clock$.bin",
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
        "x" * 256,
        "a/" + "é" * 128,
        "a/" * 64 + "a",
        "/".join(["x" * 99] * 41),
    ],
)
def test_unsafe_names_are_refused(name):
    assert name_fault(name)


@pytest.mark.parametrize(
    "name", ["a.wav", "deep/er/a.wav", "ünï.wav", ".hidden", "com.wav", "a b.wav", "com\u0663", "x" * 255]
)
def test_safe_names_are_accepted(name):
    assert name_fault(name) is None
