"""One file on its way back from an archive: its bytes in order, its checksum, and what of it is lost.

A file is restored whole, or not at all. Where it is salvaged, silence stands for what is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from ..codec.blocks import RestoredPart
from ..container.archive import ArchiveReader, FileDigest
from ..container.directory import FileEntry
from ..errors import ArchiveError, SpikeyError
from ..io.layout import Bytes, zero_fill

_SILENCE_FRAMES = 1 << 16


class Target(Protocol):
    """What a file's bytes go to, in their order."""

    def append(self, data: Bytes) -> None:
        """Take the next bytes."""

    def commit(self) -> None:
        """They were all, and right."""

    def discard(self) -> None:
        """No more will come; there is nothing to keep, unless it was committed."""


@dataclass(frozen=True)
class Lost:
    """A stretch of a file that could not be restored: silence stands in its place."""

    file: str
    channels: tuple[int, ...]
    """Of a file kept verbatim there is but one, 0, and a frame is a byte."""
    first_frame: int
    stop_frame: int
    sample_rate: int
    """Frames a second; 0 where nothing tells."""

    def __str__(self) -> str:
        frames = f"frames {self.first_frame} to {self.stop_frame}"
        if self.sample_rate:
            frames += f" ({self.first_frame / self.sample_rate:.4f} s to {self.stop_frame / self.sample_rate:.4f} s)"
        return f"{self.file}: {frames} of channel {', '.join(map(str, self.channels))} are lost"


def joined(lost: Iterable[Lost]) -> list[Lost]:
    """The same, with stretches of the same channels that follow one another as one."""
    found: list[Lost] = []
    for one in lost:
        before = found[-1] if found else None
        if before and (before.file, before.channels, before.stop_frame) == (one.file, one.channels, one.first_frame):
            found[-1] = Lost(one.file, one.channels, before.first_frame, one.stop_frame, one.sample_rate)
        else:
            found.append(one)
    return found


class FileWriter:
    """One file: its bytes go through the digest, and to the target where there is one."""

    def __init__(self, entry: FileEntry, reader: ArchiveReader, crc: int | None, *, keep_going: bool) -> None:
        """`crc` is the checksum of the whole file, where it is known. With `keep_going` the file is salvaged."""
        self.entry = entry
        self.digest = FileDigest()
        self.failure: SpikeyError | None = None
        self.lost: list[Lost] = []
        self._reader = reader
        self._crc = crc
        self._keep_going = keep_going
        self._reached = 0
        self._target: Target | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing failed, and nothing is lost."""
        return self.failure is None and not self.lost

    def begin(self, target: Target | None) -> None:
        """Take the head, and write to `target` from now on."""
        self._target = target
        self._add(self.entry.layout.header if self.entry.layout else b"", 0)

    def add(self, restored: RestoredPart) -> None:
        """Take the next part. Raises ArchiveError where it is damaged."""
        part, lost = restored.part, restored.lost
        if self._keep_going:
            self._be_silent(part.first_frame)
        if lost:
            end = part.first_frame + part.n_frames
            if not self._keep_going:
                raise self._damaged(f"a stream of frames {part.first_frame} to {end} does not match its checksum")
            self.lost.append(self._lost(lost, part.first_frame, end))
        self._add(restored.data, part.n_frames)

    def end(self) -> None:
        """No more parts come: in a salvaged file the rest is lost."""
        if self._keep_going:
            self._be_silent(self.entry.frames)

    def _be_silent(self, stop_frame: int) -> None:
        """Silence up to a frame, if there is a gap."""
        if self._reached < stop_frame:
            self.lost.append(self._lost(range(self.entry.channels), self._reached, stop_frame))
        while self._reached < stop_frame:
            frames = min(_SILENCE_FRAMES, stop_frame - self._reached)
            width = self.entry.layout.sample_bytes if self.entry.layout else 0
            self._add(zero_fill(frames * self.entry.frame_bytes, width), frames)

    def _lost(self, channels: Iterable[int], first_frame: int, stop_frame: int) -> Lost:
        rate = self.entry.layout.sample_rate if self.entry.layout else 0
        return Lost(self.entry.name, tuple(channels), first_frame, stop_frame, rate)

    def _add(self, data: Bytes, frames: int) -> None:
        self._reached += frames
        is_end = self._reached == self.entry.frames
        if is_end and self.entry.layout and self.entry.layout.trailer:
            data = b"".join((data, self.entry.layout.trailer))
        self.digest.update(data)
        if self._target and data:
            self._target.append(data)
        if is_end:
            if not self.lost and self._crc is not None and self.digest.crc != self._crc:
                raise self._damaged("what was decoded does not match the file's checksum")
            if self._target:
                self._target.commit()

    def _damaged(self, what: str) -> ArchiveError:
        return ArchiveError(f"{self._reader.path}: {self.entry.name} is damaged: {what}; {self._reader.remedy}")

    def attempt(self, step: Callable[[], None]) -> None:
        """Take a step unless an earlier one failed; keep the failure, and nothing of the file."""
        if self.failure is None:
            try:
                step()
            except SpikeyError as error:
                self.fail(error)

    def fail(self, error: SpikeyError) -> None:
        """Give the file up."""
        self.failure = self.failure or error
        self.discard()

    def discard(self) -> None:
        """Keep nothing of it, unless it came to its end."""
        if self._target:
            self._target.discard()
