"""Scan of a source: one input is read once before it is encoded.

The scan finds the layout of its bytes, the quantizer of its samples, and the residuals by which channels that were
recorded together are found. The source is read again to encode it; a source that has changed in between is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from ..core.quantizer import IDENTITY, Quantizer, QuantizerSearch, SampleFormat
from ..core.residual import EXCERPT_SAMPLES, residuals
from ..errors import InputError, system_fault
from ..io.formats import find_layout
from ..io.layout import Layout, samples_from_bytes
from ..io.source import FileSource, Source, Status

_CHUNK_BYTES = 8 << 20
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
        return SampleFormat.of(self.layout, self.quantizer)

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
        """Return the codes of the bytes of some frames; see `SampleFormat.codes`.

        Raises
        ------
        SourceChangedError
            If the scan did not find one of the samples' values.
        """
        assert self.format is not None
        try:
            return self.format.codes(frames)
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
        quantizer, excerpt = IDENTITY, np.zeros((0, layout.channels if layout else 0), dtype=np.int16)
        if layout is not None:
            search = QuantizerSearch(layout.sample_bytes)
            frames_at_once = max(1, _CHUNK_BYTES // layout.frame_bytes)
            for first in range(0, layout.n_frames, frames_at_once):
                count = min(frames_at_once, layout.n_frames - first) * layout.frame_bytes
                data = read_at(file, layout.data_offset + first * layout.frame_bytes, count)
                if len(data) != count:
                    raise InputError(f"{source}: {_CHANGED}")
                samples = samples_from_bytes(data, layout.channels, layout.sample_bytes)
                search.add(samples)
                if first == 0:
                    excerpt = samples[:EXCERPT_SAMPLES]
            quantizer = search.quantizer()
    return ScannedSource(source, source.name, status, layout, quantizer, residuals(excerpt))
