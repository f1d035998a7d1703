"""Scan of a source: one input is read once before it is encoded.

The scan finds the layout of its bytes, the quantizer of its samples, and the residuals by which channels that were
recorded together are found. The source is read again to encode it; a source that has changed in between is an error.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from ..container.quantizer_table import pack_quantizer
from ..container.scaling_table import pack_scaling
from ..core.channel_quantizers import ByChannel, ChannelSearch
from ..core.quantizer import IDENTITY, Quantizer, QuantizerSearch, SampleFormat, identity
from ..core.residual import EXCERPT_SAMPLES, residuals
from ..core.scaling import FileScaling, Scaling, ScalingKind
from ..errors import InputError, system_fault
from ..io.formats import find_layout
from ..io.layout import Layout, sample_dtype, samples_from_bytes
from ..io.records import RecordLayout
from ..io.source import ArraySource, FileSource, Source, Status
from ..topology.discovery import Residual
from .scaling_search import MAX_ESCAPED, find_file_scaling

_CHUNK_BYTES = 8 << 20
_EXCERPT_PIECES, _EXCERPT_SAMPLES = 8, 1 << 18
"""Pieces, and samples in all of them, in which the scaling of a file is searched."""
_END_BYTES = 4096
"""Bytes that header and trailer of a file may always take; of long files, a share of the samples' bytes."""
_MIN_TABLE_BYTES = 128
"""Bytes that a quantizer or a scaling may always take; of long files, a share of the samples' bytes."""
_ROUNDS = 3
"""Searches for the scaling of a file."""
_MAX_ESCAPED_KEPT = 1 << 12
_CHANGED = "changed while it was read; compress it again when nothing writes to it"


class ScannedSource(NamedTuple):
    """A source and the results of its scan."""

    source: Source
    name: str
    """Name in the archive, with forward slashes."""
    status: Status
    layout: Layout | None
    """Layout of its samples; None if it has none that can be predicted, and is kept verbatim."""
    quantizer: Quantizer
    residuals: tuple[Residual, ...]
    """Residuals of each channel; see `core.residual`."""
    scaling: FileScaling | None = None
    """How samples are computed from the quantizer's values; None if they are these values."""
    records: RecordLayout | None = None
    """Layout of a file of records, which is kept numbers (this source) and groups (`members`)."""
    group: int = -1
    """Index of a group in its file of records; -1 for a file."""
    groups: tuple[ScannedSource, ...] = ()
    """Those of a file of records."""
    is_unscaled: bool = False
    """Whether it is kept verbatim because its samples are floats for which no scaling is stored."""

    @property
    def members(self) -> tuple[ScannedSource, ...]:
        """This source and its groups, in the order of the directory's entries."""
        return (self, *self.groups)

    @property
    def channels_of_file(self) -> int:
        """Number of channels of the whole file."""
        return sum(self.records.n_channels) if self.records else self.channels

    @property
    def first_channel(self) -> int:
        """Number, in the whole file, of the first channel of a group; 0 for a file."""
        return sum(self.records.n_channels[: self.group]) if self.records and self.group > 0 else 0

    @property
    def size(self) -> int:
        """Bytes; 0 for a group."""
        return self.status.size if self.group < 0 else 0

    @property
    def channels(self) -> int:
        """Number of channels; 0 if it is kept verbatim."""
        return self.layout.channels if self.layout else 0

    @property
    def frame_bytes(self) -> int:
        """Bytes per frame; a frame of a verbatim file is one byte."""
        return self.layout.frame_bytes if self.layout else 1

    @property
    def format(self) -> SampleFormat | None:
        """Sample format, or None if it is kept verbatim."""
        return SampleFormat.of(self.layout, self.quantizer, self.scaling)

    def _read_bytes(self, offset: int, count: int) -> bytes:
        try:
            with self.source.open() as file:
                data = read_at(file, offset, count)
        except InputError as error:
            raise SourceChangedError(self, str(error)) from error
        if len(data) != count:
            raise self.changed()
        return data

    def read_frames(self, first: int, count: int) -> bytes:
        """Return the bytes of `count` frames from frame `first` on. Raise SourceChangedError if they cannot be read."""
        if self.records is not None and self.group >= 0:
            samples = self.records.groups[self.group].samples
            begin = first // samples
            pieces = self.read_records(begin, -(-(first + count) // samples) - begin)[1]
            skipped = (first - begin * samples) * self.frame_bytes
            return pieces[1 + self.group][skipped : skipped + count * self.frame_bytes]
        data_offset = self.layout.data_offset if self.layout else 0
        return self._read_bytes(data_offset + first * self.frame_bytes, count * self.frame_bytes)

    def read_records(self, first: int, count: int) -> tuple[bytes, list[bytes]]:
        """Return the bytes of records, and what `RecordLayout.split` makes of them."""
        assert self.records is not None
        begin = self.records.offset(first)
        data = self._read_bytes(begin, self.records.offset(first + count) - begin)
        try:
            return data, self.records.split(data, first, count)
        except ValueError as error:
            raise self.changed() from error

    def codes(self, frames: bytes) -> np.ndarray:
        """Return the codes of the bytes of some frames, without escaped samples; see `SampleFormat.codes`.

        Raises
        ------
        SourceChangedError
            If the scan did not find one of the samples' values.
        """
        assert self.format is not None
        try:
            return self.format.codes(frames)[0]
        except InputError as error:
            raise self.changed() from error

    def check_unchanged(self) -> None:
        """Raise SourceChangedError if size or time of modification differ from those of the scan."""
        try:
            status = self.source.status()
        except InputError as error:
            raise SourceChangedError(self, str(error)) from error
        if status != self.status:
            raise self.changed()

    def changed(self) -> SourceChangedError:
        """Return the error for a source that has changed."""
        return SourceChangedError(self, f"{self.source}: {_CHANGED}")


class SourceChangedError(InputError):
    """A source has changed since its scan."""

    def __init__(self, source: ScannedSource, message: str) -> None:
        super().__init__(message)
        self.source = source


def read_at(file: BinaryIO, offset: int, count: int) -> bytes:
    """Read `count` bytes from `offset`, or fewer at the end of the file. Raise InputError if that fails."""
    try:
        file.seek(offset)
        return file.read(count)
    except OSError as error:
        raise InputError(system_fault(getattr(file, "name", "input"), "read", error)) from error


def scan(source: Path | Source) -> ScannedSource:
    """Scan an input before it is compressed: its layout, its quantizer and its residuals.

    Raises
    ------
    InputError
        The input cannot be read.
    """
    if isinstance(source, Path):
        source = FileSource(source)
    status = source.status()  # before it is opened, so that a file that takes its place is noticed
    with source.open() as file:
        if not status.size and read_at(file, 0, 1):
            raise InputError(f"{source}: has a size of 0 and yet holds data; copy it to a file, and compress that")
        try:
            layout = find_layout(file, status.size, source)
        except OSError as error:
            raise InputError(system_fault(source, "read", error)) from error
        verbatim = ScannedSource(source, source.name, status, None, IDENTITY, ())
        records = layout if isinstance(layout, RecordLayout) else None
        if isinstance(layout, Layout) and _has_long_ends(layout):
            return verbatim
        if isinstance(layout, Layout):
            layouts: Sequence[Layout] = (layout,)
            reader = _Frames(file, source, layout)
        elif records is not None:
            layouts = records.layouts
            reader = _RecordFrames(file, source, records)
        else:
            return verbatim
        surveys = _survey_all(reader, layouts)
        if None in surveys and isinstance(source, ArraySource):
            raise UnscaledError(
                f"{source}: its samples are no integers times a gain; round them, or pass verbatim=True to store "
                "them with little gain"
            )
    may_be_silent = _may_be_silent(layouts, surveys)
    first = 0 if records else -1
    found = [
        ScannedSource(source, source.name, status, layout, *survey.quantizer(may_be_silent), survey.scaling, records, i)
        for i, (layout, survey) in enumerate(zip(layouts, surveys, strict=True), first)
        if survey is not None
    ]
    if len(found) < len(layouts) or any(map(_has_long_scalings, found)):
        return verbatim._replace(is_unscaled=True)
    return verbatim._replace(records=records, groups=tuple(found)) if records else found[0]


def _may_be_silent(layouts: Sequence[Layout], surveys: Sequence[_Survey | None]) -> bool:
    """Return whether groups of constant channels may take nothing: if others make most of the file, it is no bomb."""
    if len(layouts) == 1:
        return False
    sizes = [layout.n_frames * layout.frame_bytes for layout in layouts]
    silent = [survey is not None and survey.is_silent for survey in surveys]
    return 2 * sum(size for size, is_silent in zip(sizes, silent, strict=True) if is_silent) <= sum(sizes)


def _has_long_ends(layout: Layout) -> bool:
    """Return whether header and trailer, which the directory holds twice, would make an archive much larger."""
    ends = layout.header + layout.trailer
    allowed = _END_BYTES + (layout.file_bytes - len(ends)) // 8
    return len(ends) > allowed and len(zlib.compress(ends)) > allowed


def _table_room(layout: Layout) -> int:
    """Return the bytes that the quantizer or the scaling of a file may take in the directory."""
    return max(_MIN_TABLE_BYTES, layout.n_frames * layout.frame_bytes // 16) // 2  # it stands twice


def _has_long_scalings(source: ScannedSource) -> bool:
    layout, scaling = source.layout, source.scaling
    if layout is None or scaling is None or isinstance(source.source, ArraySource):
        return False
    return len(pack_scaling(scaling)) > _table_room(layout)


class UnscaledError(InputError):
    """The samples of an array are not computed from integers in a way that is known."""


class _Frames:
    """The samples of a file, in pieces of bounded size."""

    def __init__(self, file: BinaryIO, source: Source, layout: Layout) -> None:
        self._file, self._source, self._layout = file, source, layout

    def read(self, group: int, first: int, count: int) -> np.ndarray:
        """Return samples of shape (frames, channels)."""
        layout = self._layout
        offset, size = layout.data_offset + first * layout.frame_bytes, count * layout.frame_bytes
        return samples_from_bytes(self._read(offset, size), layout.channels, layout.sample_type)

    def pieces(self) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield all samples of each group."""
        at_once = max(1, _CHUNK_BYTES // self._layout.frame_bytes)
        for first in range(0, self._layout.n_frames, at_once):
            yield (self.read(0, first, min(at_once, self._layout.n_frames - first)),)

    def _read(self, offset: int, count: int) -> bytes:
        data = read_at(self._file, offset, count)
        if len(data) != count:
            raise InputError(f"{self._source}: {_CHANGED}")
        return data


class _RecordFrames(_Frames):
    """The samples of the groups of a file of records."""

    def __init__(self, file: BinaryIO, source: Source, records: RecordLayout) -> None:
        self._file, self._source, self._records = file, source, records

    def read(self, group: int, first: int, count: int) -> np.ndarray:
        samples = self._records.groups[group].samples
        begin = first // samples
        read = self._read_records(begin, -(-(first + count) // samples) - begin)[group]
        return read[first - begin * samples :][:count]

    def pieces(self) -> Iterator[tuple[np.ndarray, ...]]:
        at_once = max(1, _CHUNK_BYTES // self._records.record_bytes)
        for first in range(0, self._records.n_records if self._records.groups else 0, at_once):
            yield self._read_records(first, min(at_once, self._records.n_records - first))

    def _read_records(self, first: int, count: int) -> tuple[np.ndarray, ...]:
        begin = self._records.offset(first)
        data = self._read(begin, self._records.offset(first + count) - begin)
        try:
            pieces = self._records.split(data, first, count)
        except ValueError as error:
            raise InputError(f"{self._source}: {_CHANGED}") from error
        return tuple(
            samples_from_bytes(piece, layout.channels, layout.sample_type)
            for piece, layout in zip(pieces[1:], self._records.layouts, strict=True)
        )


class _Survey:
    """What one pass over the samples of a group finds."""

    def __init__(self, layout: Layout, scaling: FileScaling | None) -> None:
        self._layout = layout
        self.scaling = scaling
        integer_bytes = scaling.integer_bytes if scaling else int(layout.sample_type)
        self._search = QuantizerSearch(integer_bytes)
        self._by_channel = ChannelSearch(integer_bytes, self._search)
        self._excerpt = np.zeros((0, layout.channels), sample_dtype(integer_bytes))
        """The first integers, of shape (frames, channels)."""
        self._has_no_gaps = scaling is not None and all(
            each.kind == ScalingKind.UPPER_BITS for each in scaling.channels
        )
        """Whether the integers are upper bits, which take all values."""
        self.n_escaped = 0
        """Runs of escaped samples."""
        self._escaped = [np.zeros(0, layout.sample_type.dtype)] * layout.channels if scaling else []

    def add(self, samples: np.ndarray) -> None:
        """Add the next samples, of shape (frames, channels)."""
        integers = samples
        if self.scaling:
            integers, beside = self.scaling.to_integers(samples)
            for channel, (escapes, _) in enumerate(beside):
                if not escapes:
                    continue
                self.n_escaped += escapes.first.size
                if self.scaling.channels[channel].kind != ScalingKind.UPPER_BITS:  # another gain would be no better
                    self._escaped[channel] = np.append(self._escaped[channel], escapes.sample)[:_MAX_ESCAPED_KEPT]
        if not self._has_no_gaps:
            self._search.add(integers)
            self._by_channel.add(integers)
        if len(self._excerpt) == 0:
            self._excerpt = integers[:EXCERPT_SAMPLES]

    @property
    def escaped(self) -> tuple[np.ndarray, ...]:
        """Some finite escaped samples of each channel."""
        return tuple(each[np.isfinite(each)] for each in self._escaped)

    @property
    def is_silent(self) -> bool:
        """Whether all channels are constant."""
        return not self._has_no_gaps and self._by_channel.is_silent(self._layout.channels)

    def quantizer(self, may_be_silent: bool = False) -> tuple[Quantizer, tuple[Residual, ...]]:
        """Return the quantizer, and the residuals of each channel."""
        all_values = identity(self.scaling.integer_bytes if self.scaling else int(self._layout.sample_type))
        if self._has_no_gaps:
            return all_values, residuals(self._excerpt)
        candidates = (
            each
            for whole in (self._search.quantizer(), all_values)
            for each in (
                self._by_channel.quantizer(whole, self._layout.channels, may_be_silent=may_be_silent),
                whole,
            )
        )
        room = _table_room(self._layout)
        quantizer = next((each for each in candidates if len(pack_quantizer(each)) <= room), all_values)
        excerpt = quantizer.coded(self._excerpt) if isinstance(quantizer, ByChannel) else self._excerpt
        return quantizer, residuals(excerpt)


def _survey_all(reader: _Frames, layouts: Sequence[Layout]) -> list[_Survey | None]:
    """Survey all groups; None for one whose samples are not computed from integers in a way that is known."""
    surveys: list[_Survey | None] = [None if each.sample_type.is_scaled else _Survey(each, None) for each in layouts]
    plain = [(i, survey) for i, survey in enumerate(surveys) if survey]
    for pieces in reader.pieces() if plain else ():
        for i, survey in plain:
            survey.add(pieces[i])
    for i, layout in enumerate(layouts):
        if layout.sample_type.is_scaled:
            surveys[i] = _find_scaling(reader, i, layout)
    return surveys


def _survey(pieces: Iterable[tuple[np.ndarray, ...]], group: int, layout: Layout, scaling: FileScaling) -> _Survey:
    survey = _Survey(layout, scaling)
    for piece in pieces:
        survey.add(piece[group])
    return survey


def _find_scaling(reader: _Frames, group: int, layout: Layout) -> _Survey | None:
    """Find the scaling of a group's samples, and survey its integers.

    It is searched in an excerpt. If samples elsewhere turn out not to fit, they are added to it, some times.
    """
    n_pieces = min(_EXCERPT_PIECES, max(1, layout.n_frames))
    frames = min(layout.n_frames // n_pieces, max(1, _EXCERPT_SAMPLES // n_pieces // layout.channels))
    edges = [(layout.n_frames - frames) * i // max(1, n_pieces - 1) for i in range(n_pieces)]
    excerpt = list(np.concatenate([reader.read(group, first, frames) for first in edges]).T)
    best: _Survey | None = None
    searched: dict[tuple[int, int], Scaling | None] = {}
    for _ in range(_ROUNDS):
        scaling = find_file_scaling(excerpt, layout.sample_type, layout.n_frames * layout.channels, searched)
        if scaling is None or (best and scaling == best.scaling):
            break
        survey = _survey(reader.pieces(), group, layout, scaling)
        if best is None or survey.n_escaped < best.n_escaped:
            best = survey
        if not any(each.size for each in survey.escaped):
            break
        excerpt = [np.concatenate(pair) for pair in zip(excerpt, survey.escaped, strict=True)]
    if best and best.n_escaped > MAX_ESCAPED * layout.n_frames * layout.channels:
        return None
    return best
