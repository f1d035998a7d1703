"""How the bytes of a WAV file lie.

A file is split in three, and head + data + tail is the file, always; nothing is synthesised anew.

    head   "RIFF" size32 "WAVE"             or "RF64", "BW64"; the size is not trusted
           "ds64" size32 riff64 data64 ..   RF64 and BW64: the data's size where 32 bits cannot hold it
           "fmt " size32 tag16 channels16 rate32 byterate32 align16 bits16 [extension]
           any others, each padded to an even size: LIST, bext, JUNK, cue ..
           "data" size32
    data   frame 0, frame 1 ..              a frame is one sample of each channel, little endian
    tail   an incomplete frame, padding, later chunks, anything else

What else a WAV may hold (float, A-law, ADPCM, 32 bits, a head or tail of uncommon length) is not for the predictor:
`parse` says None, and the caller keeps the file as it is.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from .layout import MAX_HEADER_BYTES, MAX_TRAILER_BYTES, SAMPLE_BYTES, Layout

MAX_CHUNKS = 1000
"""Chunks looked at on the way to the samples: hostile files have millions of empty ones."""

_PCM = 0x0001
_EXTENSIBLE = 0xFFFE
_PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
_FMT = struct.Struct("<HHIIHH")
_GUID_AT = 24
_SIZE_IN_DS64 = 0xFFFFFFFF


class _Chunk(NamedTuple):
    name: bytes
    start: int
    """Where its content begins, in bytes from the start of the file."""
    stated: int
    """Bytes of content, as its header says; the file may end before."""


class _Format(NamedTuple):
    sample_rate: int
    channels: int
    sample_bytes: int


def parse(file: BinaryIO, size: int) -> Layout | None:
    """Find the samples of a file of `size` bytes, reading its chunk headers, head and tail only.

    Returns None where it is no WAV whose samples the predictor can take. Raises OSError where it cannot be read.
    """
    found = _find_samples(file, size)
    return _layout(file, size, *found) if found else None


class WavStart(NamedTuple):
    """The beginning of a WAV that comes through a pipe."""

    header: bytes
    """All bytes before the first sample."""
    sample_rate: int
    channels: int
    sample_bytes: int
    data_bytes: int | None
    """Bytes of samples; None where its writer did not know, and they go on to the end."""


def parse_start(data: bytes) -> WavStart | None:
    """What the first bytes of a WAV tell; None where its samples have not begun in them, or cannot be predicted."""
    found = _find_samples(io.BytesIO(data), len(data))
    if found is None or found[1] > MAX_HEADER_BYTES:
        return None
    sample_format, start, stated = found
    unknown = stated is None or stated in (0, _SIZE_IN_DS64)
    return WavStart(data[:start], *sample_format, None if unknown else stated)


def _find_samples(file: BinaryIO, size: int) -> tuple[_Format, int, int | None] | None:
    """The format of a WAV, where its samples begin, and how many bytes of them it states; None: no such WAV."""
    opening = _read(file, 0, 12, size)
    form = opening[:4]
    if form not in (b"RIFF", b"RF64", b"BW64") or opening[8:] != b"WAVE":
        return None
    sample_format: _Format | None = None
    size_in_ds64: int | None = None
    for chunk in _chunks(file, 12, size):
        if chunk.start > MAX_HEADER_BYTES:
            return None
        if chunk.name == b"ds64" and form != b"RIFF":
            content = _read(file, chunk.start, min(chunk.stated, 16), size)
            if len(content) == 16:
                size_in_ds64 = int.from_bytes(content[8:], "little")
        elif chunk.name == b"fmt ":
            sample_format = _parse_format(_read(file, chunk.start, min(chunk.stated, 40), size))
            if sample_format is None:
                return None
        elif chunk.name == b"data":
            if sample_format is None:
                return None
            return sample_format, chunk.start, size_in_ds64 if chunk.stated == _SIZE_IN_DS64 else chunk.stated
    return None


def _parse_format(content: bytes) -> _Format | None:
    if len(content) < _FMT.size:
        return None
    tag, channels, sample_rate, _, frame_bytes, bits = _FMT.unpack_from(content)
    if tag not in (_PCM, _EXTENSIBLE) or (tag == _EXTENSIBLE and content[_GUID_AT:] != _PCM_GUID):
        return None
    # the bytes a frame, not the bits, say how samples lie: 12 bits come in 2 bytes, or 24 in 4
    if channels == 0 or frame_bytes % channels or frame_bytes // channels not in SAMPLE_BYTES:
        return None
    sample_bytes = frame_bytes // channels
    if not 0 < bits <= 8 * sample_bytes:
        return None
    return _Format(sample_rate, channels, sample_bytes)


def _layout(file: BinaryIO, size: int, sample_format: _Format, start: int, stated: int | None) -> Layout | None:
    """The layout of samples that begin at `start`, `stated` bytes of them; None: the file does not say how many."""
    available = size - start
    # a writer that streamed, or was cut off, has left 0 for the size, too
    if stated is None or stated > available or (stated == 0 and not _is_chain(file, start, size)):
        stated = available
    n_frames = stated // (sample_format.channels * sample_format.sample_bytes)
    end = start + n_frames * sample_format.channels * sample_format.sample_bytes
    if start > MAX_HEADER_BYTES or size - end > MAX_TRAILER_BYTES:
        return None
    header, trailer = _read(file, 0, start, size), _read(file, end, size - end, size)
    if len(header) + len(trailer) != size - (end - start):
        return None
    return Layout(header, trailer, *sample_format, n_frames)


def _is_chain(file: BinaryIO, at: int, size: int) -> bool:
    """Whether chunks, or nothing, fill the file from `at` to its end."""
    for chunk in _chunks(file, at, size):
        if chunk.start + chunk.stated > size or not all(0x20 <= byte < 0x7F for byte in chunk.name):
            return False
        at = chunk.start + chunk.stated + chunk.stated % 2
    return at >= size


def _chunks(file: BinaryIO, at: int, size: int) -> Iterator[_Chunk]:
    """The chunks from `at` on, at most MAX_CHUNKS; the last may reach past the end of the file."""
    for _ in range(MAX_CHUNKS):
        header = _read(file, at, 8, size)
        if len(header) < 8:
            return
        chunk = _Chunk(header[:4], at + 8, int.from_bytes(header[4:], "little"))
        yield chunk
        at = chunk.start + chunk.stated + chunk.stated % 2


def _read(file: BinaryIO, at: int, count: int, size: int) -> bytes:
    """Up to `count` bytes from `at`: fewer where the file, of `size` bytes, ends before."""
    if at >= size:
        return b""
    file.seek(at)
    return file.read(min(count, size - at))
