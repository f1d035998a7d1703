"""Times of frames, as the files of an archive state them: runs of evenly spaced frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath

import numpy as np

from ..codec.decoder import Decoder
from ..container.archive import ArchiveReader
from ..io import intan
from ..io.formats import record_times
from ..io.reading import numbers
from .channels import sidecar_of
from .read_bytes import read_kept

MAX_RUNS = 1 << 20
"""Most runs of a file, which bounds memory; with more jumps of time, those by the fewest frames are left out."""
TOLERANCE = 0.25
"""Frames by which a time may differ from the one that the file states, for the rounding of its numbers."""


class Times:
    """The time of each frame in seconds, indexed like an array of float64.

    Within a run, frames are evenly spaced. A frame that would be later than the next run is at the start of that.

    Parameters
    ----------
    n_frames : int
    sample_rate : float
        Hz, exact.
    first : ndarray of int64, shape (runs,)
        The first frame of each run, ascending from 0.
    seconds : ndarray of float64, shape (runs,)
        Its time.
    """

    ndim = 1
    dtype = np.dtype(np.float64)

    def __init__(self, n_frames: int, sample_rate: float, first: np.ndarray, seconds: np.ndarray) -> None:
        self.shape = (n_frames,)
        self.sample_rate = sample_rate
        self.first = first
        self.seconds = seconds
        following = np.append(seconds[1:], np.inf)
        self._latest = np.where(following >= seconds, following, np.inf)  # a clock may also be set back

    @property
    def is_regular(self) -> bool:
        """Whether all frames are evenly spaced."""
        return len(self.first) == 1

    def agrees_with(self, other: Times) -> bool:
        """Return whether another file of the same number of frames states the same times."""
        return (
            self.shape == other.shape
            and np.array_equal(self.first, other.first)
            and bool((np.abs(self.seconds - other.seconds) * self.sample_rate <= TOLERANCE).all())
        )

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: object) -> np.ndarray:
        if isinstance(key, slice):
            return self._at(np.arange(*key.indices(len(self))))
        frames = np.asarray(key)
        frames = np.flatnonzero(frames) if frames.dtype == bool else frames
        if frames.size and not (-len(self) <= frames.min() and frames.max() < len(self)):
            raise IndexError(f"there are {len(self)} frames")
        return self._at(np.where(frames < 0, frames + len(self), frames))

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("times are computed on each access; pass copy=None")
        return np.asarray(self[:], dtype=dtype)

    def _at(self, frames: np.ndarray) -> np.ndarray:
        run = np.searchsorted(self.first, frames, side="right") - 1
        return np.minimum(self.seconds[run] + (frames - self.first[run]) / self.sample_rate, self._latest[run])


def times_of(reader: ArchiveReader, entry: int, sample_rate: float) -> Times | None:
    """Return the times of the frames of a file or of one of its groups, if the file states them.

    Parameters
    ----------
    reader : ArchiveReader
    entry : int
        The file or group in the directory.
    sample_rate : float
        Hz, exact.

    Returns
    -------
    Times or None
        If the times of the first and the last record fit the rate, those in between are not read.

    Raises
    ------
    ArchiveError
        Numbers that are needed are damaged.
    """
    files = reader.directory.files
    file, layout = reader.directory.members[entry].start, files[entry].layout
    if layout is None or not sample_rate > 0:
        return None
    records, header = files[file].records, files[file].header
    if (clock := _intan_clock(reader, file)) is not None:
        return _times_of_records(
            reader, clock, 1, layout.n_frames, sample_rate, lambda rows: numbers(rows, 0, "<i4") / sample_rate
        )
    if not header:
        return None
    if records is None or not records.kept.bytes:
        gaps = _times_of_gaps(header, records.gaps if records else ())
        return _join(layout.n_frames, sample_rate, [gaps])
    samples = records.groups[entry - file - 1].samples
    return _times_of_records(
        reader, file, samples, layout.n_frames, sample_rate, lambda rows: record_times(header, rows)
    )


def _intan_clock(reader: ArchiveReader, file: int) -> int | None:
    """The file of the time stamps of a raw file that Intan's software wrote, if the archive has it."""
    entry = reader.directory.files[file]
    numbers_of = {each.name: i for i, each in enumerate(reader.directory.files) if each.is_file}
    sidecar = sidecar_of(numbers_of, entry.name)
    if entry.header or sidecar is None or not reader.directory.files[sidecar].name.endswith(intan.HEADER_FILES):
        return None
    clock = numbers_of.get(str(PurePosixPath(entry.name).parent / intan.TIME_FILE))
    records = None if clock is None else reader.directory.files[clock].records
    has_one_each = records and not records.groups and records.kept.bytes == 4 and records.n_records == entry.frames
    return clock if has_one_each else None


def _times_of_records(
    reader: ArchiveReader,
    file: int,
    samples: int,
    n_frames: int,
    sample_rate: float,
    times: Callable[[np.ndarray], np.ndarray | None],
) -> Times | None:
    """Read the times that kept numbers of records state, each of which has so many samples of a channel."""
    records = reader.directory.files[file].records
    assert records is not None
    width, last = records.kept.bytes, records.n_records - 1

    def read(first: int, stop: int) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        for at, data in read_kept(Decoder.without_samples(reader), file, first, stop):
            rows = np.frombuffer(data, np.uint8).reshape(-1, width)[max(first - at, 0) : stop - at]
            begin = max(first, at)
            yield samples * np.arange(begin, begin + len(rows), dtype=np.int64), times(rows)

    ends = _join(n_frames, sample_rate, [*read(0, 1), *read(last, last + 1)])
    return ends if ends is None or ends.is_regular else _join(n_frames, sample_rate, read(0, last + 1))


def _times_of_gaps(header: bytes, gaps: Sequence[tuple[int, bytes]]) -> tuple[np.ndarray, np.ndarray | None]:
    """The frames before which there is a gap, and their times by the last bytes of the gaps."""
    before = [header, *(data for _, data in gaps)]
    width = min(map(len, before))
    rows = np.frombuffer(b"".join(data[len(data) - width :] for data in before), np.uint8).reshape(-1, width)
    return np.array([0, *(record for record, _ in gaps)], np.int64), record_times(header, rows)


def _join(n_frames: int, sample_rate: float, pieces: Iterable[tuple[np.ndarray, np.ndarray | None]]) -> Times | None:
    """Join frames whose times are stated to runs; None if a time is missing."""
    first, seconds, late = (np.zeros(0, dtype) for dtype in (np.int64, np.float64, np.float64))
    width = TOLERANCE
    for frames, stated in pieces:
        if stated is None:
            return None
        start = seconds[0] if seconds.size else stated[0]
        behind = (stated - start) * sample_rate - frames  # frames by which a clock that is even would be ahead
        begins = np.diff(np.rint(behind / width), prepend=np.rint(late[-1] / width) if late.size else np.nan) != 0
        if begins.any():
            first, seconds = np.append(first, frames[begins]), np.append(seconds, stated[begins])
            late = np.append(late, behind[begins])
        while len(first) > MAX_RUNS:
            width *= 2
            begins = np.diff(np.rint(late / width), prepend=np.nan) != 0
            first, seconds, late = first[begins], seconds[begins], late[begins]
    return Times(n_frames, sample_rate, first, seconds) if first.size else None
