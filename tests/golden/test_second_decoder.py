"""docs/format.md is complete: a decoder written from it alone restores the golden archives, and refuses the others."""

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
from support.paths import GOLDEN, ROOT
from support.second_decoder import DICTIONARY, REFUSALS

LISTED: dict[str, dict[str, dict[str, str]]] = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
ONNX = [*ROOT.glob("models/*.onnx"), GOLDEN / "parts.onnx"]
MODELS = [path.read_bytes() for path in ONNX]
QUICK = {"range-blocks.spk", "range-lanes.spk", "range-gaps.spk", "huffman-widths.spk"}
"""Archives that the default tier decodes."""


def digests(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in LISTED["archives"]]
)
def test_golden_archives_decode(name):
    assert digests(second_decoder.decode((GOLDEN / name).read_bytes(), MODELS)) == LISTED["archives"][name]


@pytest.mark.parametrize("name", LISTED["refused"])
def test_refused_archives(name):
    with pytest.raises(REFUSALS):
        second_decoder.decode((GOLDEN / name).read_bytes(), MODELS)


@pytest.mark.slow
def test_the_command_restores_files_with_an_embedded_model(tmp_path):
    name = "rice-layouts.spk"
    subprocess.run([sys.executable, second_decoder.__file__, str(GOLDEN / name), str(tmp_path)], check=True)
    files = {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert digests(files) == LISTED["archives"][name]


def test_a_missing_model_is_refused():
    with pytest.raises(REFUSALS, match="the model is missing whose SHA-256 begins with"):
        second_decoder.decode((GOLDEN / "rice-session.spk").read_bytes(), [])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["range-blocks.spk", "rice-layouts.spk"])
def test_changed_bytes_are_refused(name):
    archive = (GOLDEN / name).read_bytes()
    for at in {*range(40), *range(40, len(archive), 97), *range(len(archive) - 56, len(archive))}:
        changed = bytearray(archive)
        changed[at] ^= 1 << at % 8
        with pytest.raises(REFUSALS):
            second_decoder.decode(bytes(changed), MODELS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["huffman-probe.spk", "range-blocks.spk", "rice-layouts.spk"])
def test_damage_that_no_checksum_detects(name, monkeypatch):
    """With valid checksums, damage is refused, or changes only a checksum or a name."""
    monkeypatch.setattr(second_decoder.zlib, "crc32", lambda data: ANY)
    archive = (GOLDEN / name).read_bytes()
    for at in range(29, len(archive), len(archive) // 8):
        changed = bytearray(archive)
        changed[at] ^= 255
        with contextlib.suppress(*REFUSALS):
            files = second_decoder.decode(bytes(changed), MODELS)
            assert [*digests(files).values()] == [*LISTED["archives"][name].values()]


LETTERS = bytes([2, 194, 1, 1, 3])
"""The quantizer of a, b and c: offset 97, step 1."""


def packed(table: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    return b"\0" + deflater.compress(table) + deflater.flush()


def by_hand(name="a", stream=b"abc", part=(0, 0, 3), quantizer=b"") -> bytes:
    """An archive of one file of three bytes: stored, or packed if there is a quantizer."""
    encoded = name.encode("utf-8", "surrogateescape")
    # no model, type of a sample, 2 * 3 frames without low bits; of samples the rate, a channel, no header or trailer
    table = bytes([0, 1, 0, 6, 8, 1, 0, 0]) + quantizer + bytes([0, 0, 0]) if quantizer else bytes([0, 0, 0, 6, 0, 0])
    directory = packed(bytes([1, 0, len(encoded)]) + encoded[::-1]) + packed(table)
    header = b"\x89SPK\r\n\x1a\n\1\2\2\0" + bytes(8) + struct.pack("<II", len(directory), zlib.crc32(directory))
    digest = hashlib.sha256(hashlib.sha256(b"abc").digest()).digest()
    header += (identity := hashlib.sha256(header + digest).digest()[:8])
    header += struct.pack("<I", zlib.crc32(header))
    method, steps = (0, 1) if quantizer else (2, 0)
    file, first, frames = part
    table = packed(bytes([steps, 1, 2 * file, first, frames, 0, method, 0, len(stream)]))
    table += struct.pack("<I", zlib.crc32(stream))
    block = b"SPKB" + identity + struct.pack("<2I", 0, len(table))
    block += struct.pack("<I", zlib.crc32(table + block)) + table + stream
    index = packed(bytes([1, 0, len(block), 1, 2 * file, first, frames])) + struct.pack("<I", zlib.crc32(b"abc"))
    body = header + directory + block + index + directory + header
    trailer = digest + struct.pack("<QII", len(body) + 56, len(index), zlib.crc32(index))
    return body + trailer + struct.pack("<I", zlib.crc32(trailer)) + b"SPKE"


def test_an_archive_by_hand():
    assert second_decoder.decode(by_hand(), []) == {"a": b"abc"}
    assert second_decoder.decode(by_hand(stream=bytes([0b00011000]), quantizer=LETTERS), []) == {"a": b"abc"}


def test_truncated_and_extended_archives_are_refused():
    archive = by_hand()
    for wrong in (*(archive[:size] for size in range(0, len(archive), 7)), archive + b"\0", archive[1:], archive[:-1]):
        with pytest.raises(REFUSALS):
            second_decoder.decode(wrong, MODELS)


UNSAFE = '/a a/ a//b . .. ../a a/../b a\\b c:a a* a? a" <a a> a| a. a./b con NUL.txt a/com1 lpt9.wav AUX.tar.gz \udcff'


@pytest.mark.parametrize("name", ["", "a ", "a\n", "aux .txt", *UNSAFE.split(" ")])
def test_unsafe_names_are_refused(name):
    with pytest.raises(REFUSALS, match="safe name"):
        second_decoder.decode(by_hand(name), [])


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"stream": b"abd"}, "damaged"),
        ({"stream": b"ab"}, "early"),
        ({"stream": b"abcd"}, "longer"),
        ({"stream": b"ab", "part": (0, 0, 2)}, "the last part of a is missing"),
        ({"stream": b"bc", "part": (0, 1, 2)}, "missing, or out of order"),
        ({"part": (1, 0, 3)}, "a part is out of range"),
        ({"quantizer": LETTERS, "stream": bytes([0b00011100])}, "index out of range"),
        ({"quantizer": LETTERS, "stream": bytes([0b00011000, 0])}, "longer"),
        ({"quantizer": LETTERS, "stream": b""}, "early"),
        ({"quantizer": bytes([2, 194, 1, 0, 3]), "stream": bytes([0b00011000])}, "must not be zero"),
        ({"quantizer": bytes([2, 194, 1, 80, 3]), "stream": bytes([0b00011000])}, "too big"),
        ({"quantizer": bytes([1]), "stream": bytes(4)}, "negative"),
        ({"quantizer": bytes([5]), "stream": b"abc"}, "kind 5"),
    ],
)
def test_what_must_be_refused(changes, fault):
    with pytest.raises(REFUSALS, match=fault):
        second_decoder.decode(by_hand(**changes), [])
