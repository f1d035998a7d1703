"""WAV bytes to frames of samples and back, with every byte kept.

A file is split in three, and head + data + tail is the file, always; nothing is synthesised anew.

    head   "RIFF" size32 "WAVE"             or "RF64", "BW64"; the size is not trusted
           "ds64" size32 riff64 data64 ..   RF64 and BW64: the data's size where 32 bits cannot hold it
           "fmt " size32 tag16 channels16 rate32 byterate32 align16 bits16 [extension]
           any others, each padded to an even size: LIST, bext, JUNK, cue ..
           "data" size32
    data   frame 0, frame 1 ..              a frame is one sample of each channel, little endian
    tail   an incomplete frame, padding, later chunks, anything else

Samples of one byte are unsigned, those of two and three bytes signed. What else a WAV may hold (float, A-law, ADPCM, 32
bits, a head or tail of uncommon length) is not for the predictor: `parse` says None, and the caller keeps the file as
it is.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import numpy as np

from .errors import InputError

MAX_HEAD_BYTES = 64 << 10
MAX_TAIL_BYTES = 64 << 10
MAX_CHUNKS = 1000
"""Chunks looked at on the way to the samples: hostile files have millions of empty ones."""

_DTYPES: dict[int, np.dtype] = {1: np.dtype(np.uint8), 2: np.dtype(np.int16), 3: np.dtype(np.int32)}
_RANGES = {1: (0, 0xFF), 2: (-0x8000, 0x7FFF), 3: (-0x800000, 0x7FFFFF)}

SAMPLE_BYTES = (1, 2, 3)
"""Bytes a sample may have."""

_PCM = 0x0001
_EXTENSIBLE = 0xFFFE
_PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
_FMT = struct.Struct("<HHIIHH")
_GUID_AT = 24
_SIZE_IN_DS64 = 0xFFFFFFFF


@dataclass(frozen=True)
class WavLayout:
    """How the bytes of a WAV file lie: `head`, then `n_frames` frames, then `tail`."""

    head: bytes
    """All bytes before the first sample; at most MAX_HEAD_BYTES."""
    tail: bytes
    """All bytes after the last whole frame; at most MAX_TAIL_BYTES."""
    sample_rate: int
    """Frames a second, as the file states it: 0 to 2**32 - 1."""
    channels: int
    """Threads, 1 to 65535."""
    sample_bytes: int
    """Bytes a sample: 1, 2 or 3."""
    n_frames: int

    @property
    def data_offset(self) -> int:
        """Bytes before the first sample."""
        return len(self.head)

    @property
    def frame_bytes(self) -> int:
        """Bytes a frame."""
        return self.channels * self.sample_bytes

    @property
    def file_bytes(self) -> int:
        """Bytes of the whole file."""
        return len(self.head) + self.n_frames * self.frame_bytes + len(self.tail)


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


def parse(file: BinaryIO, size: int) -> WavLayout | None:
    """Find the samples of a file of `size` bytes, reading its chunk headers, head and tail only.

    Returns None where it is no WAV whose samples the predictor can take. Raises InputError where it cannot be read.
    """
    try:
        return _parse(file, size)
    except OSError as error:
        name = getattr(file, "name", "input")
        raise InputError(f"{name}: cannot read: {error.strerror or error}; check the disk and try again") from error


def _parse(file: BinaryIO, size: int) -> WavLayout | None:
    found = _find_samples(file, size)
    return _layout(file, size, *found) if found else None


class WavStart(NamedTuple):
    """The beginning of a WAV that comes through a pipe."""

    head: bytes
    """All bytes before the first sample."""
    sample_rate: int
    channels: int
    sample_bytes: int
    data_bytes: int | None
    """Bytes of samples; None where its writer did not know, and they go on to the end."""


def parse_start(data: bytes) -> WavStart | None:
    """What the first bytes of a WAV tell; None where its samples have not begun in them, or cannot be predicted."""
    found = _find_samples(io.BytesIO(data), len(data))
    if found is None or found[1] > MAX_HEAD_BYTES:
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
        if chunk.start > MAX_HEAD_BYTES:
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


def _layout(file: BinaryIO, size: int, sample_format: _Format, start: int, stated: int | None) -> WavLayout | None:
    """The layout of samples that begin at `start`, `stated` bytes of them; None: the file does not say how many."""
    available = size - start
    # a writer that streamed, or was cut off, has left 0 for the size, too
    if stated is None or stated > available or (stated == 0 and not _is_chain(file, start, size)):
        stated = available
    n_frames = stated // (sample_format.channels * sample_format.sample_bytes)
    end = start + n_frames * sample_format.channels * sample_format.sample_bytes
    if start > MAX_HEAD_BYTES or size - end > MAX_TAIL_BYTES:
        return None
    head, tail = _read(file, 0, start, size), _read(file, end, size - end, size)
    if len(head) + len(tail) != size - (end - start):
        return None
    return WavLayout(head, tail, *sample_format, n_frames)


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


def sample_dtype(sample_bytes: int) -> np.dtype:
    """The dtype that samples of 1, 2 or 3 bytes have in memory: uint8, int16 or int32. Raises KeyError for others."""
    return _DTYPES[sample_bytes]


def sample_range(sample_bytes: int) -> tuple[int, int]:
    """The lowest and the highest value that a sample of 1, 2 or 3 bytes can have. Raises KeyError for others."""
    return _RANGES[sample_bytes]


def silent_sample(sample_bytes: int) -> int:
    """The sample that is silence: the middle of those of one byte, which are unsigned."""
    return 128 if sample_bytes == 1 else 0


def silence(count: int, sample_bytes: int) -> bytes:
    """So many bytes of silent samples; zeros where there are no samples, and their width is 0."""
    return bytes([silent_sample(sample_bytes)]) * count


def samples_from_bytes(data: bytes | bytearray | memoryview, channels: int, sample_bytes: int) -> np.ndarray:
    """The samples of whole frames, of shape (frames, channels) and `sample_dtype`.

    One and two bytes a sample give a view of `data`, where the machine is little endian. Raises ValueError where `data`
    is no whole number of frames.
    """
    if sample_bytes < 3:
        dtype = sample_dtype(sample_bytes)
        return np.frombuffer(data, dtype.newbyteorder("<")).reshape(-1, channels).astype(dtype, copy=False)
    packed = np.frombuffer(data, np.uint8).reshape(-1, channels, 3)
    padded = np.zeros((*packed.shape[:2], 4), np.uint8)
    # the sample in the upper three bytes: shifting it down extends its sign
    for i in range(3):
        padded[:, :, i + 1] = packed[:, :, i]
    samples = padded.view("<i4")[:, :, 0]
    samples >>= 8
    return samples.astype(np.int32, copy=False)


def samples_to_bytes(samples: np.ndarray, sample_bytes: int) -> bytes:
    """The reverse of `samples_from_bytes`: samples of `sample_dtype`, within `sample_range`, of any shape.

    Raises ValueError where their dtype is another.
    """
    dtype = sample_dtype(sample_bytes)
    if samples.dtype != dtype:
        raise ValueError(f"samples of {sample_bytes} bytes are {dtype}, not {samples.dtype}")
    data = np.ascontiguousarray(samples, dtype.newbyteorder("<"))
    if sample_bytes < 3:
        return data.tobytes()
    padded = data.view(np.uint8).reshape(-1, 4)
    packed = np.empty((padded.shape[0], 3), np.uint8)
    for i in range(3):
        packed[:, i] = padded[:, i]
    return packed.tobytes()
