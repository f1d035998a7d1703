"""docs/format.md suffices: a decoder written from it alone restores the golden archives, and refuses what it must."""

from __future__ import annotations

import contextlib
import hashlib
import json
import struct
import subprocess
import sys
import zlib
from unittest.mock import ANY

import pytest
from support import second_decoder
from support.paths import TESTS
from support.second_decoder import DICTIONARY, REFUSALS

GOLDEN = TESTS / "golden"
LISTING: dict[str, dict[str, str]] = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
REFUSED: dict[str, str] = json.loads((GOLDEN / "refused" / "refused.json").read_text(encoding="utf-8"))
ONNX = [*TESTS.parent.glob("models/*.onnx"), *GOLDEN.glob("models/*.onnx")]
MODELS = [path.read_bytes() for path in ONNX]


def digests(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if "edges" in name else pytest.mark.slow) for name in LISTING]
)
def test_golden_archives_decode(name):
    assert digests(second_decoder.decode((GOLDEN / name).read_bytes(), MODELS)) == LISTING[name]


@pytest.mark.parametrize("name", REFUSED)
def test_what_must_be_refused_is(name):
    with pytest.raises(REFUSALS):
        second_decoder.decode((GOLDEN / "refused" / name).read_bytes(), MODELS)


def test_an_embedded_model_suffices():
    name = "v3.1-range-edges.spk"
    assert digests(second_decoder.decode((GOLDEN / name).read_bytes(), [])) == LISTING[name]


@pytest.mark.parametrize("version", ["v2.0", "v3.0", "v3.1"])
def test_the_command_restores_files(tmp_path, version):
    name = f"{version}-rice-edges.spk"
    command = [sys.executable, second_decoder.__file__, str(GOLDEN / name), str(tmp_path), *map(str, ONNX)]
    subprocess.run(command, check=True)
    found = {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert digests(found) == LISTING[name]


@pytest.mark.parametrize("coder", ["raw", "huffman"])
def test_no_changed_byte_goes_unnoticed(coder):
    archive = (GOLDEN / f"v3.1-{coder}-edges.spk").read_bytes()
    for at in {*range(32), *range(32, len(archive), 97), *range(len(archive) - 68, len(archive))} - {9}:
        changed = bytearray(archive)
        changed[at] ^= 1 << at % 8
        with pytest.raises(REFUSALS):
            second_decoder.decode(bytes(changed), MODELS)


def test_an_archive_that_is_cut_off_or_grown_is_refused():
    archive = (GOLDEN / "v2.0-range-edges.spk").read_bytes()
    for wrong in (*(archive[:size] for size in range(0, len(archive), 13)), archive + b"\0", archive[1:], archive[:-1]):
        with pytest.raises(REFUSALS):
            second_decoder.decode(wrong, MODELS)


def test_an_archive_whose_model_is_missing_is_refused():
    with pytest.raises(REFUSALS, match="9f2d7863d43f8208"):
        second_decoder.decode((GOLDEN / "v2.0-rice-session.spk").read_bytes(), [])


@pytest.mark.slow
@pytest.mark.parametrize("coder", ["rice", "range", "huffman"])
def test_damage_that_no_checksum_tells_is_refused(coder, monkeypatch):
    monkeypatch.setattr(second_decoder.zlib, "crc32", lambda data: ANY)
    name = f"v2.0-{coder}-edges.spk"
    archive = (GOLDEN / name).read_bytes()
    for at in range(29, len(archive), len(archive) // 8):
        changed = bytearray(archive)
        changed[at] ^= 255
        with contextlib.suppress(*REFUSALS):  # else it was a checksum that changed, or a name
            files = second_decoder.decode(bytes(changed), MODELS)
            assert [*digests(files).values()] == [*LISTING[name].values()]


LETTERS = bytes([2, 194, 1, 1, 3])
"""The grid of a, b and c: 97 and steps of one."""


def by_hand(name="a", stream=b"abc", part=(0, 0, 3), quantizer=b"") -> bytes:
    """An archive of a file of three bytes, in one stored stream; or, where there is a grid, in one packed stream."""
    encoded = name.encode("utf-8", "surrogateescape")
    head = bytes([1, 8, 1, 3, 0, 0]) if quantizer else bytes([0, 3])  # a WAV without head and tail, or a verbatim file
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    directory = deflater.compress(bytes([1, len(encoded)]) + encoded + head + quantizer + (b"\0" if quantizer else b""))
    directory += deflater.flush()
    method, steps = (0, 1) if quantizer else (2, 0)
    table = bytes([steps, 1, *part, method, len(stream)]) + struct.pack("<I", zlib.crc32(stream))
    block = b"SPKB" + struct.pack("<II", len(table), len(stream))
    block += struct.pack("<I", zlib.crc32(block + table)) + table + stream
    index = bytes([1, len(block), 1, *part]) + struct.pack("<I", zlib.crc32(b"abc"))
    header = b"\x89SPK\r\n\x1a\n\2\0\0\0" + bytes(8) + struct.pack("<II", len(directory), zlib.crc32(directory))
    body = header + struct.pack("<I", zlib.crc32(header)) + directory + block + index
    digest = hashlib.sha256(hashlib.sha256(b"abc").digest()).digest()
    trailer = digest + struct.pack("<QII", len(body) + 56, len(index), zlib.crc32(index))
    return body + trailer + struct.pack("<I", zlib.crc32(trailer)) + b"SPKE"


def test_an_archive_by_hand_is_read():
    assert second_decoder.decode(by_hand(), []) == {"a": b"abc"}


UNSAFE = '/a a/ a//b . .. ../a a/../b a\\b c:a a* a? a" <a a> a| a. a./b con NUL.txt a/com1 lpt9.wav AUX.tar.gz \udcff'


@pytest.mark.parametrize("name", ["", "a ", "a\n", *UNSAFE.split(" ")])
def test_unsafe_names_are_refused(name):
    with pytest.raises(REFUSALS, match="safe name"):
        second_decoder.decode(by_hand(name), [])


def test_another_archive_by_hand_is_read():
    assert second_decoder.decode(by_hand(stream=bytes([0b00011000]), quantizer=LETTERS), []) == {"a": b"abc"}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"stream": b"abd"}, "damaged"),
        ({"stream": b"ab"}, "early"),
        ({"stream": b"abcd"}, "longer"),
        ({"stream": b"ab", "part": (0, 0, 2)}, "the last part of a is missing"),
        ({"stream": b"bc", "part": (0, 1, 2)}, "missing, or out of order"),
        ({"part": (1, 0, 3)}, "list index out of range"),
        ({"grid": LETTERS, "stream": bytes([0b00011100])}, "index out of range"),
        ({"grid": LETTERS, "stream": bytes([0b00011000, 0])}, "longer"),
        ({"grid": LETTERS, "stream": b""}, "early"),
        ({"grid": bytes([2, 194, 1, 0, 3]), "stream": bytes([0b00011000])}, "must not be zero"),
        ({"grid": bytes([2, 194, 1, 80, 3]), "stream": bytes([0b00011000])}, "too big"),
        ({"grid": bytes([1]), "stream": bytes(4)}, "negative"),
        ({"grid": bytes([4]), "stream": b"abc"}, "kind 4"),
    ],
)
def test_what_must_be_refused_is_refused(changes, fault):
    with pytest.raises(REFUSALS, match=fault):
        second_decoder.decode(by_hand(**changes), [])
