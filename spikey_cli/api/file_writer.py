"""Writes one restored file: its bytes in order, its checksum, and which frames are lost.

A file is restored completely or not at all. In salvage mode, zero fill stands for the frames that are lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from ..codec.blocks import RestoredPart
from ..container.archive import ArchiveReader, FileDigest
from ..container.directory import FileEntry
from ..errors import SpikeyError
from ..io.layout import Bytes, zero_fill

_FILL_FRAMES = 1 << 16
_FILL_BYTES = 1 << 20


class Target(Protocol):
    """Receives the bytes of a restored file."""

    def append(self, *pieces: Bytes) -> None:
        """Take the next bytes."""

    def commit(self, *pieces: Bytes) -> None:
        """Take the last bytes and finish: the checksum of all is correct."""

    def discard(self) -> None:
        """Delete what was written, unless it was committed."""


@dataclass(frozen=True)
class LostFrames:
    """Consecutive frames that could not be salvaged, and are filled with zeros.

    The zero of one-byte samples, which are unsigned, is 128.

    Attributes
    ----------
    file : str
        Name of the file in the archive.
    channels : tuple of int
        Channels of the file that are lost; (0,) for a file stored verbatim, whose frames are its bytes.
    first_frame, stop_frame : int
        The range; `stop_frame` is exclusive. Frames of a file of records are its records.
    sample_rate : int
        Frames per second; 0 if unknown, and for a file of records.

    Examples
    --------
    >>> print(spikey_cli.LostFrames("left.wav", (0,), 19531, 39062, 19531))
    left.wav: frames 19531 to 39062 (1.0000 s to 2.0000 s) of channel 0 are lost
    """

    file: str
    channels: tuple[int, ...]
    first_frame: int
    stop_frame: int
    sample_rate: int

    def __str__(self) -> str:
        frames = f"frames {self.first_frame} to {self.stop_frame}"
        if self.sample_rate:
            frames += f" ({self.first_frame / self.sample_rate:.4f} s to {self.stop_frame / self.sample_rate:.4f} s)"
        return f"{self.file}: {frames} of channel {', '.join(map(str, self.channels))} are lost"


def join_lost(lost: Iterable[LostFrames]) -> list[LostFrames]:
    """Join ranges of the same channels that follow one another."""
    joined: list[LostFrames] = []
    for item in lost:
        last = joined[-1] if joined else None
        if last and (last.file, last.channels, last.stop_frame) == (item.file, item.channels, item.first_frame):
            joined[-1] = LostFrames(item.file, item.channels, last.first_frame, item.stop_frame, item.sample_rate)
        else:
            joined.append(item)
    return joined


class FileWriter:
    """Passes a file's bytes to its target, and checks them.

    Parameters
    ----------
    entry : FileEntry
    reader : ArchiveReader
        For error messages.
    crc : int or None
        The checksum of the whole file, if known.
    salvage : bool
        Fill lost frames with zeros instead of raising.
    """

    __slots__ = (
        "_crc", "_header", "_n_frames", "_reader", "_salvage", "_target", "_total", "digest", "entry", "failure", "lost"
    )  # fmt: skip

    def __init__(self, entry: FileEntry, reader: ArchiveReader, crc: int | None, *, salvage: bool) -> None:
        self.entry = entry
        self.digest = FileDigest()
        self.failure: SpikeyError | None = None
        self.lost: list[LostFrames] = []
        self._reader = reader
        self._crc = crc
        self._salvage = salvage
        self._n_frames = 0
        records = entry.records
        self._total = records.n_records if records else entry.frames
        """Frames of the file; a file of records is written record by record."""
        self._header = b""
        self._target: Target | None = None

    @property
    def is_complete(self) -> bool:
        """Whether nothing failed and nothing is lost."""
        return self.failure is None and not self.lost

    def begin(self, open_target: Callable[[str], Target | None]) -> None:
        """Open the target by the file's name. The header bytes are written with the first part."""
        self._target = open_target(self.entry.name)
        self._header = self.entry.header
        if not self._total:
            self._write(b"", 0)

    def add(self, restored: RestoredPart) -> None:
        """Write the next part. Raises ArchiveError if it is damaged, unless in salvage mode."""
        part, lost = restored.part, restored.lost
        if self._salvage:
            self._fill_to(part.first_frame)
        if lost:
            stop_frame = part.first_frame + part.n_frames
            if not self._salvage:
                what = f"a stream of frames {part.first_frame} to {stop_frame} does not match its checksum"
                raise self._reader.damaged(what, self.entry.name)
            self.lost.append(self._lost_frames(lost, part.first_frame, stop_frame))
        self._write(restored.data, part.n_frames)

    def end(self) -> None:
        """Finish after the last part: in salvage mode, fill the missing frames."""
        if self._salvage:
            self._fill_to(self._total)

    def attempt(self, step: Callable[[], None]) -> None:
        """Call `step` unless an earlier one failed; record its failure."""
        if self.failure is None:
            try:
                step()
            except SpikeyError as error:
                self.fail(error)

    def fail(self, error: SpikeyError) -> None:
        """Record a failure, and delete what was written."""
        self.failure = self.failure or error
        self.discard()

    def discard(self) -> None:
        """Delete what was written, unless the file is complete."""
        if self._target:
            self._target.discard()

    def _fill_to(self, stop_frame: int) -> None:
        """Write zeros up to a frame, if there is a gap."""
        records = self.entry.records
        if self._n_frames < stop_frame:
            channels = sum(records.n_channels) if records else self.entry.channels
            self.lost.append(self._lost_frames(range(max(channels, 1)), self._n_frames, stop_frame))
        while records and self._n_frames < stop_frame:
            at_once = max(1, _FILL_BYTES // records.record_bytes)
            count = min(at_once, stop_frame - self._n_frames)
            self._write(records.zeros(self._n_frames, count), count)
        while self._n_frames < stop_frame:
            frames = min(_FILL_FRAMES, stop_frame - self._n_frames)
            sample_type = self.entry.layout.sample_type if self.entry.layout else 0
            self._write(zero_fill(frames * self.entry.frame_bytes, sample_type), frames)

    def _lost_frames(self, channels: Iterable[int], first_frame: int, stop_frame: int) -> LostFrames:
        sample_rate = self.entry.layout.sample_rate if self.entry.layout else 0
        return LostFrames(self.entry.name, tuple(channels), first_frame, stop_frame, sample_rate)

    def _write(self, data: Bytes, frames: int) -> None:
        self._n_frames += frames
        is_end = self._n_frames == self._total
        trailer = self.entry.trailer if is_end else b""
        pieces = [piece for piece in (self._header, data, trailer) if piece]
        self._header = b""
        for piece in pieces:
            self.digest.update(piece)
        if is_end and not self.lost and self._crc is not None and self.digest.crc != self._crc:
            raise self._reader.damaged("what was decoded does not match the file's checksum", self.entry.name)
        if self._target:
            (self._target.commit if is_end else self._target.append)(*pieces)
