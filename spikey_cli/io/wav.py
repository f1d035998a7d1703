"""WAV files.

    header   "RIFF" size32 "WAVE"             or "RF64", "BW64"; the size is not trusted
             "ds64" size32 riff64 data64 ..   RF64 and BW64 only: the size of the data if it exceeds 32 bits
             "fmt " size32 tag16 channels16 rate32 byterate32 align16 bits16 [extension]
             any other chunks, each padded to an even size: LIST, bext, JUNK, cue, ...
             "data" size32
    data     frame 0, frame 1, ...            a frame is one sample of each channel, little endian
    trailer  an incomplete frame, padding, later chunks, anything else

Samples are integers of 8 to 32 bits, or floats of 32 or 64. `parse` returns None for other contents (A-law, ADPCM, a
header or trailer of uncommon length); such files are stored verbatim.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from .layout import MAX_HEADER_BYTES, MAX_TRAILER_BYTES, Layout, SampleType
from .reading import read

MAGIC = (b"RIFF", b"RF64", b"BW64")

MAX_CHUNKS = 1000
"""Most chunks that are read before the samples: a hostile file can hold millions of empty ones."""

_PCM = 0x0001
_FLOAT = 0x0003
_EXTENSIBLE = 0xFFFE
_GUID = bytes.fromhex("000000001000800000aa00389b71")
"""The end of the format in an extensible header, after the two bytes of the tag."""
_TYPES = {
    (_PCM, 1): SampleType.UINT8,
    (_PCM, 2): SampleType.INT16,
    (_PCM, 3): SampleType.INT24,
    (_PCM, 4): SampleType.INT32,
    (_FLOAT, 4): SampleType.FLOAT32,
    (_FLOAT, 8): SampleType.FLOAT64,
}
"""Sample types by tag and bytes a sample."""
_FMT = struct.Struct("<HHIIHH")
_TAG_AT = 24
_SIZE_IN_DS64 = 0xFFFFFFFF


class _Chunk(NamedTuple):
    name: bytes
    start: int
    """Offset of its content in the file, in bytes."""
    stated: int
    """Length of its content in bytes as stated; the file may end before."""


class _Format(NamedTuple):
    sample_rate: int
    channels: int
    sample_type: SampleType


def parse(file: BinaryIO, size: int) -> Layout | None:
    """Find the samples of a WAV file; only the chunk headers, the header and the trailer are read.

    Parameters
    ----------
    file : binary file
        Open for reading, seekable.
    size : int
        Its size in bytes.

    Returns
    -------
    Layout or None
        None if it is not a WAV file, or has no samples that the predictor accepts.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    samples = _find_samples(file, size)
    return _layout(file, size, *samples) if samples else None


class WavStart(NamedTuple):
    """The header of a WAV that is read from a pipe."""

    header: bytes
    """All bytes before the first sample."""
    sample_rate: int
    channels: int
    sample_type: SampleType
    data_bytes: int | None
    """Length of the samples in bytes; None if it was unknown when the header was written: they last to the end."""


def parse_start(data: bytes) -> WavStart | None:
    """Parse the header of a WAV from its first bytes.

    Returns None if the header is incomplete, or the samples cannot be predicted.
    """
    samples = _find_samples(io.BytesIO(data), len(data))
    if samples is None or samples[1] > MAX_HEADER_BYTES:
        return None
    sample_format, start, stated = samples
    is_unknown = stated is None or stated in (0, _SIZE_IN_DS64)
    return WavStart(data[:start], *sample_format, None if is_unknown else stated)


def _find_samples(file: BinaryIO, size: int) -> tuple[_Format, int, int | None] | None:
    """Return the sample format, the offset of the samples and their stated length in bytes, or None."""
    opening = read(file, 0, 12, size)
    container = opening[:4]
    if container not in MAGIC or opening[8:] != b"WAVE":
        return None
    sample_format: _Format | None = None
    size_in_ds64: int | None = None
    for chunk in _chunks(file, 12, size):
        if chunk.start > MAX_HEADER_BYTES:
            return None
        if chunk.name == b"ds64" and container != b"RIFF":
            content = read(file, chunk.start, min(chunk.stated, 16), size)
            if len(content) == 16:
                size_in_ds64 = int.from_bytes(content[8:], "little")
        elif chunk.name == b"fmt ":
            sample_format = _parse_format(read(file, chunk.start, min(chunk.stated, 40), size))
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
    if tag == _EXTENSIBLE and content[_TAG_AT + 2 :] == _GUID:
        tag = int.from_bytes(content[_TAG_AT : _TAG_AT + 2], "little")
    # the bytes per frame, not the bits, give the width: 12 bits are stored in 2 bytes, and 24 may be stored in 4
    if channels == 0 or frame_bytes % channels:
        return None
    sample_type = _TYPES.get((tag, frame_bytes // channels))
    if sample_type is None or not 0 < bits <= 8 * sample_type.bytes:
        return None
    return _Format(sample_rate, channels, sample_type)


def _layout(file: BinaryIO, size: int, sample_format: _Format, start: int, stated: int | None) -> Layout | None:
    """Return the layout of samples at offset `start`, of `stated` bytes; None stands for an unknown length."""
    available = size - start
    # a program that streamed the file, or was killed, may have left the size at 0
    if stated is None or stated > available or (stated == 0 and not _is_chain(file, start, size)):
        stated = available
    frame_bytes = sample_format.channels * sample_format.sample_type.bytes
    n_frames = stated // frame_bytes
    end = start + n_frames * frame_bytes
    if start > MAX_HEADER_BYTES or size - end > MAX_TRAILER_BYTES:
        return None
    header, trailer = read(file, 0, start, size), read(file, end, size - end, size)
    if len(header) + len(trailer) != size - (end - start):
        return None
    return Layout(header, trailer, *sample_format, n_frames)


def _is_chain(file: BinaryIO, at: int, size: int) -> bool:
    """Return whether the file consists of chunks from offset `at` to its end."""
    for chunk in _chunks(file, at, size):
        if chunk.start + chunk.stated > size or not all(0x20 <= byte < 0x7F for byte in chunk.name):
            return False
        at = chunk.start + chunk.stated + chunk.stated % 2
    return at >= size


def _chunks(file: BinaryIO, at: int, size: int) -> Iterator[_Chunk]:
    """Yield up to MAX_CHUNKS chunks from offset `at`; the last may extend past the end of the file."""
    for _ in range(MAX_CHUNKS):
        header = read(file, at, 8, size)
        if len(header) < 8:
            return
        chunk = _Chunk(header[:4], at + 8, int.from_bytes(header[4:], "little"))
        yield chunk
        at = chunk.start + chunk.stated + chunk.stated % 2
