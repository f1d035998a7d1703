"""Scan of a source: one input is read once before it is encoded.

The scan finds the layout of its bytes, the quantizer of its samples, and the residuals by which channels that were
recorded together are found. The source is read again to encode it; a source that has changed in between is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from ..core.channel_quantizers import ByChannel, ChannelSearch
from ..core.quantizer import IDENTITY, Quantizer, QuantizerSearch, SampleFormat
from ..core.residual import EXCERPT_SAMPLES, residuals
from ..core.scaling import FileScaling
from ..errors import InputError, system_fault
from ..io.formats import find_layout
from ..io.layout import Layout, sample_dtype, samples_from_bytes
from ..io.source import ArraySource, FileSource, Source, Status
from .scaling_search import MAX_ESCAPED, find_file_scaling

_CHUNK_BYTES = 8 << 20
_EXCERPT_PIECES, _EXCERPT_SAMPLES = 8, 1 << 18
"""Pieces, and samples in all of them, in which the scaling of a file is searched."""
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
    residuals: tuple[np.ndarray, ...]
    """Residuals of each channel; see `core.residual`."""
    scaling: FileScaling | None = None
    """How samples are computed from the quantizer's values; None if they are these values."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.status.size

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
        data_offset = self.layout.data_offset if self.layout else 0
        return self._read_bytes(data_offset + first * self.frame_bytes, count * self.frame_bytes)

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
        survey: _Survey | None = None
        scaling: FileScaling | None = None
        if layout is not None and not layout.sample_type.is_scaled:
            survey = _survey(file, source, layout, None)
        elif layout is not None:
            found = _find_scaling(file, source, layout)
            if found is None and isinstance(source, ArraySource):
                raise UnscaledError(
                    f"{source}: its samples are no integers times a gain; round them, or pass verbatim=True to store "
                    "them with little gain"
                )
            if found is None:
                layout = None
            else:
                scaling, survey = found
    if survey is None or layout is None:
        return ScannedSource(source, source.name, status, None, IDENTITY, (), None)
    quantizer, excerpt = survey.by_channel.quantizer(survey.search.quantizer(), layout.channels), survey.excerpt
    if isinstance(quantizer, ByChannel):
        excerpt = quantizer.coded(excerpt)
    return ScannedSource(source, source.name, status, layout, quantizer, residuals(excerpt), scaling)


class UnscaledError(InputError):
    """The samples of an array are not computed from integers in a way that is known."""


class _Survey(NamedTuple):
    """What one pass over the samples of a file finds."""

    search: QuantizerSearch
    by_channel: ChannelSearch
    excerpt: np.ndarray
    """The first integers, of shape (frames, channels)."""
    n_escaped: int = 0
    """Runs of escaped samples."""
    escaped: tuple[np.ndarray, ...] = ()
    """Some finite ones of them, of each channel."""


def _chunks(file: BinaryIO, source: Source, layout: Layout) -> Iterator[np.ndarray]:
    """Yield all samples, in pieces of shape (frames, channels)."""
    frames_at_once = max(1, _CHUNK_BYTES // layout.frame_bytes)
    for first in range(0, layout.n_frames, frames_at_once):
        yield _read_samples(file, source, layout, first, min(frames_at_once, layout.n_frames - first))


def _read_samples(file: BinaryIO, source: Source, layout: Layout, first: int, count: int) -> np.ndarray:
    data = read_at(file, layout.data_offset + first * layout.frame_bytes, count * layout.frame_bytes)
    if len(data) != count * layout.frame_bytes:
        raise InputError(f"{source}: {_CHANGED}")
    return samples_from_bytes(data, layout.channels, layout.sample_type)


def _survey(file: BinaryIO, source: Source, layout: Layout, scaling: FileScaling | None) -> _Survey:
    integer_bytes = scaling.integer_bytes if scaling else int(layout.sample_type)
    search, excerpt = QuantizerSearch(integer_bytes), np.zeros((0, layout.channels), sample_dtype(integer_bytes))
    by_channel = ChannelSearch(integer_bytes)
    n_escaped, escaped = 0, [np.zeros(0, layout.sample_type.dtype)] * layout.channels if scaling else []
    for number, samples in enumerate(_chunks(file, source, layout)):
        integers = samples
        if scaling:
            integers, escapes = scaling.to_integers(samples)
            for channel, each in enumerate(escapes):
                if each:
                    n_escaped += each.first.size
                    escaped[channel] = np.append(escaped[channel], each.sample)[:_MAX_ESCAPED_KEPT]
        search.add(integers)
        by_channel.add(integers)
        if number == 0:
            excerpt = integers[:EXCERPT_SAMPLES]
    return _Survey(search, by_channel, excerpt, n_escaped, tuple(each[np.isfinite(each)] for each in escaped))


def _find_scaling(file: BinaryIO, source: Source, layout: Layout) -> tuple[FileScaling, _Survey] | None:
    """Find the scaling of a file's samples, and survey its integers.

    It is searched in an excerpt. If samples elsewhere turn out not to fit, they are added to it, some times.
    """
    n_pieces = min(_EXCERPT_PIECES, max(1, layout.n_frames))
    frames = min(layout.n_frames // n_pieces, max(1, _EXCERPT_SAMPLES // n_pieces // layout.channels))
    edges = [(layout.n_frames - frames) * i // max(1, n_pieces - 1) for i in range(n_pieces)]
    pieces = [_read_samples(file, source, layout, first, frames) for first in edges]
    excerpt = list(np.concatenate(pieces).T)
    is_series = isinstance(source, FileSource) and layout.channels == 1 and layout.n_frames > 1
    if is_series and (excerpt[0][1:] > excerpt[0][:-1]).all():
        return None  # times, not a recording
    best: tuple[FileScaling, _Survey] | None = None
    for _ in range(_ROUNDS):
        scaling = find_file_scaling(excerpt, layout.sample_type)
        if scaling is None or (best and scaling == best[0]):
            break
        survey = _survey(file, source, layout, scaling)
        if best is None or survey.n_escaped < best[1].n_escaped:
            best = scaling, survey
        if not any(each.size for each in survey.escaped):
            break
        excerpt = [np.concatenate(pair) for pair in zip(excerpt, survey.escaped, strict=True)]
    if best and best[1].n_escaped > MAX_ESCAPED * layout.n_frames * layout.channels:
        return None
    return best
