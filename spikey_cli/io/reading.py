"""Bounded reading of headers, for the modules of formats."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .layout import MAX_CHANNELS, Layout, SampleType
from .layout import MAX_HEADER_BYTES as MAX_PLAIN_HEADER
from .layout import MAX_TRAILER_BYTES as MAX_PLAIN_TRAILER
from .records import MAX_HEADER_BYTES, MAX_TRAILER_BYTES, Field, Group, RecordLayout

FAULTS = (ValueError, LookupError, struct.error, OverflowError, ArithmeticError)
"""Exceptions that a malformed header may cause while it is read; the file is then no file of the format."""


class ChannelInfo(NamedTuple):
    """What a file's header says of a channel."""

    name: str
    stream: str
    """What the channel belongs to, such as "amplifier"; empty if the format makes no difference."""
    sample_rate: float
    """Hz, exact; 0 if unknown."""
    unit: str = ""
    gain: float | None = None
    """Units for each step of a sample: the signal is sample * gain + offset, in `unit`. None if it is not known."""
    offset: float = 0.0

    @property
    def microvolts(self) -> tuple[float, float] | None:
        """Gain and offset in microvolts, or None if the unit is none of voltage."""
        scale = _MICROVOLTS.get(self.unit)
        return None if scale is None or not self.gain else (self.gain * scale, self.offset * scale)


_MICROVOLTS = {"uV": 1.0, "mV": 1e3, "V": 1e6, "nV": 1e-3}


def unit_name(text: str) -> str:
    """Return the name of a unit in ASCII: the sign for micro becomes u."""
    name = text.replace("µ", "u").replace("μ", "u").strip()
    return next((known for known in _MICROVOLTS if known.lower() == name.lower()), name)


def positive_number(text: str) -> float:
    """Return a number that a header states as text, such as a rate or a gain; 0 for anything else."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) and 0 < number < 1e9 else 0.0


class Cursor:
    """Reads a header from front to back; raises ValueError at its end."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        if count < 0 or count > len(self.data) - self.at:
            raise ValueError("the header is cut off")
        self.at += count
        return self.data[self.at - count : self.at]

    def unpack(self, layout: str) -> tuple[Any, ...]:
        """Return the next numbers, little endian."""
        return struct.unpack(f"<{layout}", self.take(struct.calcsize(f"<{layout}")))

    def number(self, layout: str) -> Any:
        """Return the next number."""
        return self.unpack(layout)[0]


def read(file: BinaryIO, at: int, count: int, size: int) -> bytes:
    """Read up to `count` bytes at offset `at` of a file of `size` bytes."""
    if not 0 <= at < size:
        return b""
    file.seek(at)
    return file.read(min(count, size - at))


def numbers(rows: np.ndarray, at: int, layout: str) -> np.ndarray:
    """Return the numbers at byte `at` of each row, of a NumPy type; `rows` are uint8 of shape (rows, bytes)."""
    dtype = np.dtype(layout)
    if rows.shape[1] < at + dtype.itemsize:
        raise ValueError("a row is cut off")
    return np.ascontiguousarray(rows[:, at : at + dtype.itemsize]).view(dtype)[:, 0]


def record_layout(
    file: BinaryIO, size: int, header: int, fields: Sequence[Field], groups: Sequence[Group]
) -> RecordLayout | None:
    """Return the layout of records that fill a file from offset `header` on; an incomplete record is the trailer.

    Returns None if the file has no whole record, or the numbers exceed the limits of an archive.
    """
    if header > min(size, MAX_HEADER_BYTES):
        return None
    try:
        one = RecordLayout(b"", b"", 1, tuple(groups), tuple(fields))
        n_records, rest = divmod(size - header, one.record_bytes)
        if rest > MAX_TRAILER_BYTES:
            return None
        data = read(file, 0, header, size), read(file, size - rest, rest, size)
        return RecordLayout(*data, n_records, tuple(groups), tuple(fields))
    except ValueError:
        return None


def frame_layout(
    file: BinaryIO,
    size: int,
    packets: Sequence[tuple[int, int]],
    channels: int,
    sample_rate: int,
    sample_type: SampleType = SampleType.INT16,
) -> Layout | RecordLayout | None:
    """Return the layout of interleaved samples, little endian.

    Parameters
    ----------
    file : binary file
    size : int
        Its size in bytes.
    packets : sequence of (int, int)
        Offset and number of frames of each run of frames, in order; none is empty. What is between them are gaps.
    channels, sample_rate : int
    sample_type : SampleType, optional

    Returns
    -------
    Layout, RecordLayout or None
        A `Layout` if the frames follow one another. None if the numbers exceed the limits of an archive.
    """
    if not packets or not 1 <= channels <= MAX_CHANNELS:
        return None
    frame_bytes = sample_type.bytes * channels
    starts = [at for at, _ in packets]
    stops = [at + n_frames * frame_bytes for at, n_frames in packets]
    n_frames = sum(n for _, n in packets)
    if starts[0] > MAX_HEADER_BYTES or not 0 <= size - stops[-1] <= MAX_TRAILER_BYTES:
        return None
    header, trailer = read(file, 0, starts[0], size), read(file, stops[-1], size, size)
    is_plain = len(header) <= MAX_PLAIN_HEADER and len(trailer) <= MAX_PLAIN_TRAILER
    if len(packets) == 1 and is_plain:
        return Layout(header, trailer, sample_rate, channels, sample_type, n_frames)
    gaps, frames = [], 0
    for (_, n), stop, start in zip(packets, stops, starts[1:], strict=False):
        frames += n
        if start < stop:
            return None
        if start > stop:
            gaps.append((frames, read(file, stop, start - stop, size)))
    try:
        group = Group(sample_type, sample_rate, 1)
        return RecordLayout(header, trailer, n_frames, (group,), (Field(channels, 0),), tuple(gaps))
    except ValueError:
        return None
