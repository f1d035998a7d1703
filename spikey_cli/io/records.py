"""Files of records: how samples and other bytes alternate in a file.

    header    bytes before the first record
    records   record 0, record 1, ...; all have the same fields, one after another
    gaps      bytes between two records, such as the header of a later packet; few
    trailer   bytes after the last record

A field holds either numbers that are kept as they are, such as time stamps and counters, or samples of a group of
channels that have the same type and the same number of samples in each record:

    interleaved            sample 0 of each channel, sample 1 of each channel, ...
    channel by channel     all samples of the first channel, all samples of the next, ...

The kept numbers of all records, and the samples of each group, are coded apart. A group is an ordinary recording: its
`Layout` has neither header nor trailer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from .layout import MAX_CHANNELS, Bytes, Layout, SampleType, zero_fill

MAX_RECORD_BYTES = 1 << 23
"""Largest record: a block holds at least one."""

MAX_FIELDS = 1 << 16
MAX_GAPS = 1 << 10
MAX_GROUPS = 1 << 10
MAX_HEADER_BYTES = MAX_TRAILER_BYTES = 1 << 20
"""Largest header, and trailer, of a file of records."""
MAX_GAP_BYTES = 1 << 10

FLOAT64 = 9
"""Type of kept numbers of eight bytes that are float64; other types are integers of as many bytes."""
KEPT_TYPES = (1, 2, 4, 8, FLOAT64)


class Field(NamedTuple):
    """Consecutive bytes of each record."""

    number: int
    """Kept numbers, or channels."""
    group: int = -1
    """Index of the channels' group; -1 for kept numbers."""
    kept_type: int = 1
    """Bytes of a kept number, or FLOAT64."""
    by_channel: bool = False
    """Whether samples are stored channel by channel, instead of interleaved."""

    @property
    def kept_bytes(self) -> int:
        """Bytes of the kept numbers; 0 for samples."""
        return 0 if self.group >= 0 else self.number * min(self.kept_type, 8)


class Group(NamedTuple):
    """Channels with the same type and rate."""

    sample_type: SampleType
    sample_rate: int
    """Samples per second, whole; 0 if unknown."""
    samples: int
    """Samples of each channel in a record."""
    is_big_endian: bool = False
    is_offset_binary: bool = False
    """Whether the most significant bit is inverted: unsigned samples, of which the middle of the range is zero."""


@dataclass(frozen=True)
class KeptNumbers:
    """The kept numbers of one record, in order: (type, count) of each field."""

    fields: tuple[tuple[int, int], ...]

    @cached_property  # of up to 65,536 fields, and asked for at each part
    def bytes(self) -> int:
        """Bytes of all numbers."""
        return sum(min(kept_type, 8) * count for kept_type, count in self.fields)


@dataclass(frozen=True)
class RecordLayout:
    """The layout of a file of records.

    Raises
    ------
    ValueError
        The numbers contradict each other or exceed the format's limits.
    """

    header: bytes
    trailer: bytes
    n_records: int
    groups: tuple[Group, ...]
    fields: tuple[Field, ...]
    gaps: tuple[tuple[int, bytes], ...] = ()
    """(number of the record that follows, bytes), in ascending order."""

    def __post_init__(self) -> None:
        if len(self.header) > MAX_HEADER_BYTES or len(self.trailer) > MAX_TRAILER_BYTES:
            raise ValueError(f"{len(self.header)} bytes of header or {len(self.trailer)} of trailer are too many")
        if len(self.fields) > MAX_FIELDS or len(self.groups) > MAX_GROUPS or len(self.gaps) > MAX_GAPS:
            raise ValueError("a record has too many fields or groups, or a file too many gaps")
        if any(field.number < 1 or field.group >= len(self.groups) for field in self.fields):
            raise ValueError("a field is empty, or of no group")
        if any(field.group < 0 and field.kept_type not in KEPT_TYPES for field in self.fields):
            raise ValueError("a kept number has an unknown type")
        if any(not 1 <= self.n_channels[i] <= MAX_CHANNELS or group.samples < 1 for i, group in enumerate(self.groups)):
            raise ValueError("a group has no samples, or too many channels")
        if not 1 <= self.record_bytes <= MAX_RECORD_BYTES or self.n_records < 1:
            raise ValueError(f"{self.n_records} records of {self.record_bytes} bytes cannot be stored")
        at = [record for record, _ in self.gaps]
        if at != sorted(set(at)) or (at and not 0 < at[0] <= at[-1] < self.n_records):
            raise ValueError("a gap is not between two records")
        if any(not 1 <= len(data) <= MAX_GAP_BYTES for _, data in self.gaps):
            raise ValueError("a gap is too long")

    def __str__(self) -> str:
        return f"{self.n_records:,} records; " + "; ".join(map(str, self.layouts))

    @cached_property
    def n_channels(self) -> tuple[int, ...]:
        """Number of channels of each group."""
        counts = [0] * len(self.groups)
        for field in self.fields:
            if field.group >= 0:
                counts[field.group] += field.number
        return tuple(counts)

    def _field_bytes(self, field: Field) -> int:
        if field.group < 0:
            return field.kept_bytes
        group = self.groups[field.group]
        return field.number * group.samples * group.sample_type.bytes

    @cached_property
    def record_bytes(self) -> int:
        """Bytes of a record."""
        return sum(map(self._field_bytes, self.fields))

    @cached_property
    def kept(self) -> KeptNumbers:
        """The kept numbers of a record."""
        return KeptNumbers(tuple((field.kept_type, field.number) for field in self.fields if field.group < 0))

    @cached_property
    def layouts(self) -> tuple[Layout, ...]:
        """The layout of each group's samples, as a recording of its own."""
        return tuple(
            Layout(b"", b"", group.sample_rate, self.n_channels[i], group.sample_type, self.n_records * group.samples)
            for i, group in enumerate(self.groups)
        )

    @cached_property
    def file_bytes(self) -> int:
        """Size of the file in bytes."""
        return self.offset(self.n_records) + len(self.trailer)

    @cached_property
    def _gap_records(self) -> list[int]:
        return [record for record, _ in self.gaps]

    @cached_property
    def _gap_bytes(self) -> list[int]:
        """Bytes of all gaps before each."""
        return list(accumulate((len(data) for _, data in self.gaps), initial=0))

    def offset(self, record: int) -> int:
        """Return the offset in the file of what belongs to a record: the gap before it, if any, and itself."""
        gaps = self._gap_bytes[bisect_left(self._gap_records, record)]
        return len(self.header) + record * self.record_bytes + gaps

    def _gaps_between(self, first: int, stop: int) -> Iterator[tuple[int, bytes]]:
        low, high = bisect_left(self._gap_records, first), bisect_left(self._gap_records, stop)
        return iter(self.gaps[low:high])

    def split(self, data: Bytes, first: int, n_records: int) -> list[bytes]:
        """Divide the bytes of records `first` to `first + n_records - 1`, with the gaps before them.

        Parameters
        ----------
        data : bytes-like
            The bytes from `offset(first)` to `offset(first + n_records)` of the file.
        first, n_records : int

        Returns
        -------
        list of bytes
            The kept numbers; then the frames of each group, in little endian.

        Raises
        ------
        ValueError
            A gap has other bytes than in the layout.
        """
        data = memoryview(data)
        pieces, at, previous = [], 0, first
        for record, gap in self._gaps_between(first, first + n_records):
            stop = at + (record - previous) * self.record_bytes
            pieces.append(data[at:stop])
            if data[stop : stop + len(gap)] != gap:
                raise ValueError("a gap has changed")
            at, previous = stop + len(gap), record
        whole = b"".join((*pieces, data[at:])) if pieces else data[at:]
        rows = np.frombuffer(whole, np.uint8).reshape(n_records, self.record_bytes)
        kept = np.empty((n_records, self.kept.bytes), np.uint8)
        frames = [self._empty_frames(i, n_records) for i in range(len(self.groups))]
        for field, piece, target in self._places(rows, kept, frames):
            target[...] = self._samples(field, piece) if field.group >= 0 else piece
        for i, group in enumerate(self.groups):
            _flip(group, frames[i])
        return [kept.tobytes(), *(each.tobytes() for each in frames)]

    def join(self, pieces: Sequence[Bytes], first: int, n_records: int) -> bytes:
        """Return the bytes of records, with the gaps before them; the inverse of `split`."""
        rows = np.empty((n_records, self.record_bytes), np.uint8)
        kept = np.frombuffer(pieces[0], np.uint8).reshape(n_records, self.kept.bytes)
        frames = []
        for i, group in enumerate(self.groups):
            own = self._empty_frames(i, n_records)
            own.reshape(-1).view(np.uint8)[:] = np.frombuffer(pieces[1 + i], np.uint8)
            _flip(group, own)
            frames.append(own)
        for field, piece, source in self._places(rows, kept, frames):
            if field.group >= 0:
                piece[...] = self._bytes(field, source)
            else:
                piece[...] = source
        data, joined, previous = rows.tobytes(), [], first
        for record, gap in self._gaps_between(first, first + n_records):
            joined += [data[(previous - first) * self.record_bytes : (record - first) * self.record_bytes], gap]
            previous = record
        return b"".join((*joined, data[(previous - first) * self.record_bytes :])) if joined else data

    def zeros(self, first: int, n_records: int) -> bytes:
        """Return the bytes of records of zeros, with the gaps before them: what stands for lost records."""
        frames = [zero_fill(n_records * group.samples * layout.frame_bytes, group.sample_type)
                  for group, layout in zip(self.groups, self.layouts, strict=True)]  # fmt: skip
        return self.join([bytes(n_records * self.kept.bytes), *frames], first, n_records)

    def _empty_frames(self, group: int, n_records: int) -> np.ndarray:
        """An array for the samples of a group, of shape (records, samples, channels), little endian."""
        own = self.groups[group]
        shape = (n_records, own.samples, self.n_channels[group])
        if own.sample_type == SampleType.INT24:
            return np.empty((*shape, 3), np.uint8)
        return np.empty(shape, own.sample_type.dtype.newbyteorder("<"))

    def _places(
        self, rows: np.ndarray, kept: np.ndarray, frames: Sequence[np.ndarray]
    ) -> Iterator[tuple[Field, np.ndarray, np.ndarray]]:
        """Yield each field, its bytes in the records, and its place in `kept` or in `frames`."""
        at = kept_at = 0
        channel = [0] * len(self.groups)
        for field in self.fields:
            size = self._field_bytes(field)
            piece = rows[:, at : at + size]
            at += size
            if field.group < 0:
                yield field, piece, kept[:, kept_at : kept_at + size]
                kept_at += size
            else:
                begin = channel[field.group]
                yield field, piece, frames[field.group][:, :, begin : begin + field.number]
                channel[field.group] += field.number

    def _samples(self, field: Field, piece: np.ndarray) -> np.ndarray:
        """The samples of a field as the array of `_empty_frames`, of its bytes."""
        group = self.groups[field.group]
        width = group.sample_type.bytes
        samples: np.ndarray
        shape = (field.number, group.samples) if field.by_channel else (group.samples, field.number)
        if width == 3:
            samples = piece.reshape(len(piece), *shape, 3)
            samples = samples[..., ::-1] if group.is_big_endian else samples
        else:
            dtype = group.sample_type.dtype.newbyteorder(">" if group.is_big_endian else "<")
            samples = np.ascontiguousarray(piece).view(dtype).reshape(len(piece), *shape)
        return samples.swapaxes(1, 2) if field.by_channel else samples

    def _bytes(self, field: Field, samples: np.ndarray) -> np.ndarray:
        """The inverse of `_samples`."""
        group = self.groups[field.group]
        if field.by_channel:
            samples = samples.swapaxes(1, 2)
        if group.sample_type == SampleType.INT24:
            contiguous = np.ascontiguousarray(samples[..., ::-1] if group.is_big_endian else samples)
        else:
            dtype = group.sample_type.dtype.newbyteorder(">" if group.is_big_endian else "<")
            contiguous = np.ascontiguousarray(samples, dtype)
        return contiguous.reshape(len(samples), -1).view(np.uint8)


def _flip(group: Group, frames: np.ndarray) -> None:
    """Invert the most significant bit of offset binary samples, in place."""
    if group.is_offset_binary:
        bytes_ = frames.reshape(-1).view(np.uint8)
        bytes_[group.sample_type.bytes - 1 :: group.sample_type.bytes] ^= 0x80
