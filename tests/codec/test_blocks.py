"""Methods of streams: exactly those that docs/format.md allows for a kind of file or channel are decoded."""

from __future__ import annotations

import lzma
import zlib
from pathlib import Path

import numpy as np
import pytest
from support.archive_builder import Content
from support.paths import GOLDEN
from support.recordings import n1_samples, neural, wav_bytes

import spikey_cli

METHODS = (*range(11), 77, 127, 128, 255)
TEXT = b"spikes and more spikes, " * 50


def archive(path: Path, data: bytes, name: str = "a.wav") -> Content:
    """An archive of one file, taken apart."""
    spikey_cli.compress([spikey_cli.BytesSource(data, name)], path)
    return Content.of(path)


def fails(path: Path, content: Content, method: int, stream: bytes, channel: int = 0) -> bool:
    """Whether an archive with another stream of a channel, and correct checksums of all streams, is refused."""
    changed = content.copy()
    part = changed.blocks[0][2][0]
    part[channel] = method, stream
    path.write_bytes(changed.parts().pack())
    try:
        spikey_cli.verify(path)
    except spikey_cli.ArchiveError as error:
        return "is damaged" in str(error)
    return False


def test_stored_bytes(tmp_path):
    content = archive(tmp_path / "a.spk", b"short", "note.txt")
    assert content.blocks[0][2] == [[(2, b"short")]]
    refused = [method for method in METHODS if fails(tmp_path / "b.spk", content, method, b"short")]
    assert refused == [method for method in METHODS if method != 2]


@pytest.mark.parametrize(
    ("stream", "is_refused"),
    [
        (lzma.compress(TEXT, check=lzma.CHECK_NONE), False),
        (lzma.compress(TEXT, check=lzma.CHECK_NONE, preset=0), False),
        (lzma.compress(TEXT, check=lzma.CHECK_CRC32), True),
        (lzma.compress(TEXT, check=lzma.CHECK_CRC64), True),
        (lzma.compress(TEXT, check=lzma.CHECK_SHA256), True),
        (lzma.compress(TEXT, format=lzma.FORMAT_ALONE), True),
        (lzma.compress(TEXT[:9], check=lzma.CHECK_NONE) + lzma.compress(TEXT[9:], check=lzma.CHECK_NONE), True),
        (lzma.compress(TEXT, check=lzma.CHECK_NONE) + bytes(4), True),
        (lzma.compress(TEXT, check=lzma.CHECK_NONE)[:-1], True),
    ],
    ids=["plain", "another preset", "CRC-32", "CRC-64", "SHA-256", "LZMA alone", "two streams", "padding", "cut"],
)
def test_one_xz_stream_without_a_check(tmp_path, stream, is_refused):
    content = archive(tmp_path / "a.spk", TEXT, "note.txt")
    assert content.blocks[0][2][0][0][0] == 3
    assert fails(tmp_path / "b.spk", content, 3, stream) == is_refused


def test_methods_of_channels(tmp_path, random):
    channels = n1_samples(neural(random, 3000, 2)).astype(np.int16)
    channels = np.column_stack([channels, random.integers(-30_000, 30_000, 3000), np.full(3000, 7)])
    content = archive(tmp_path / "a.spk", wav_bytes(channels))
    streams = content.blocks[0][2][0]
    assert [method for method, _ in streams] == [1, 1, 0, 0]
    assert streams[3][1] == b""
    for channel, (own, stream) in enumerate(streams):
        refused = [method for method in METHODS if fails(tmp_path / "b.spk", content, method, stream, channel)]
        assert refused == [method for method in METHODS if method != own], channel


def test_a_single_code_has_no_coded_stream(tmp_path, random):
    content = archive(tmp_path / "a.spk", wav_bytes(np.column_stack([random.integers(0, 9, 3000), np.full(3000, 7)])))
    assert content.blocks[0][2][0][1] == (0, b"")
    for method, stream in ((0, b"\0"), (1, b"\x80"), (1, bytes(8)), (1, b"\x60" + bytes(999))):
        assert fails(tmp_path / "b.spk", content, method, stream, 1)


def test_methods_of_lattices(tmp_path):
    content = Content.of(GOLDEN / "rice-grids.spk")
    channel, (own, stream) = next((i, each) for i, each in enumerate(content.blocks[0][2][0]) if each[0] == 6)
    assert not fails(tmp_path / "b.spk", content, own, stream, channel)
    refused = [method for method in METHODS if fails(tmp_path / "b.spk", content, method, stream, channel)]
    assert refused == [method for method in METHODS if method != 6]
    for within in (2, 3, 4, 6, 77):
        assert fails(tmp_path / "b.spk", content, 6, bytes([within]) + stream[1:], channel)


def test_escaped_streams_without_escaped_samples(tmp_path):
    """Methods 4, 5 and 7 are those of channels with a scaling, and hold a run at least."""
    content = archive(tmp_path / "a.spk", wav_bytes((np.arange(3000) % 77 * 0.5).astype(np.float32), 4))
    assert content.directory.files[0].scaling
    ((own, stream),) = content.blocks[0][2][0]
    none = zlib.compressobj(wbits=-15)
    empty = none.compress(b"") + none.flush()
    assert not fails(tmp_path / "b.spk", content, own, stream)
    assert fails(tmp_path / "b.spk", content, own + 4, bytes([len(empty)]) + empty + stream)
    assert fails(tmp_path / "b.spk", content, own + 4, stream)
