"""Times of frames, as the files of an archive state them: runs of evenly spaced frames."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from ..codec.decoder import Decoder
from ..container.archive import ArchiveReader
from ..container.directory import FileEntry
from ..io import intan
from ..io.formats import record_times
from ..io.reading import numbers
from .channels import sidecar_of
from .read_bytes import read_kept

MAX_RUNS = 1 << 18
"""Most runs of all files, which bounds memory; with more jumps of time, those by the fewest frames are left out."""
_RECORDS_AT_ONCE = 1 << 16
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


class _Clock(NamedTuple):
    """Kept numbers that state times."""

    file: int
    """The file of records that keeps them."""
    samples: int
    """Frames from one record to the next."""
    times: Callable[[np.ndarray], np.ndarray | None]
    """Rows of the numbers of some records to times in seconds, if all are stated."""


def times_of(reader: ArchiveReader, entries: Sequence[int], sample_rate: float) -> list[Times | None]:
    """Return the times of the frames of files and groups, as far as the files state them.

    Parameters
    ----------
    reader : ArchiveReader
    entries : sequence of int
        Files and groups in the directory.
    sample_rate : float
        Hz, exact; that of all of them.

    Returns
    -------
    list of Times or None
        Of each entry. If the times of the first and the last record fit the rate, those in between are not read.

    Raises
    ------
    ArchiveError
        Numbers that are needed are damaged.
    """
    files = reader.directory.files
    found: dict[int, Times | None] = {}
    clocks: dict[int, _Clock] = {}
    alike: dict[tuple[int, int, int], dict[int, _Clock]] = {}
    names = {each.name: i for i, each in enumerate(files) if each.is_file}
    for entry in entries if sample_rate > 0 else ():
        file, layout = reader.directory.members[entry].start, files[entry].layout
        if layout is None or not layout.n_frames:
            continue
        clock = _clock_of(reader, names, entry, sample_rate)
        if clock is not None:
            records = files[clock.file].records
            assert records is not None
            clocks[entry] = clock
            alike.setdefault((records.n_records, records.kept.bytes, clock.samples), {})[clock.file] = clock
        elif files[file].header:
            runs = _Runs(sample_rate, MAX_RUNS)
            runs.add(*_times_of_gaps(files[file]))
            found[entry] = runs.times(layout.n_frames)
    read: dict[tuple[int, int], _Runs] = {}
    for (n_records, _, samples), group in alike.items():
        most = MAX_RUNS // len(clocks)
        each = _read_runs(reader, group, n_records, sample_rate, most)
        read |= {(file, samples): runs for file, runs in each.items()}
    found |= {entry: read[clock.file, clock.samples].times(files[entry].frames) for entry, clock in clocks.items()}
    return [found.get(entry) for entry in entries]


def _clock_of(reader: ArchiveReader, names: Mapping[str, int], entry: int, sample_rate: float) -> _Clock | None:
    """The numbers that state the times of a file or group, if they are kept ones."""
    files = reader.directory.files
    file = reader.directory.members[entry].start
    records, header = files[file].records, files[file].header
    if records is not None and records.groups and records.kept.bytes:
        return _Clock(file, records.groups[entry - file - 1].samples, partial(record_times, header))
    clock = _intan_clock(reader, names, file)
    return None if clock is None else _Clock(clock, 1, lambda rows: numbers(rows, 0, "<i4") / sample_rate)


def _intan_clock(reader: ArchiveReader, names: Mapping[str, int], file: int) -> int | None:
    """The file of the time stamps of a raw file that Intan's software wrote, if the archive has it."""
    entry = reader.directory.files[file]
    if entry.header or not entry.name.endswith(".dat"):
        return None
    sidecar = sidecar_of(names, entry.name)
    if sidecar is None or not reader.directory.files[sidecar].name.endswith(intan.HEADER_FILES):
        return None
    clock = names.get(str(PurePosixPath(entry.name).parent / intan.TIME_FILE))
    records = None if clock is None else reader.directory.files[clock].records
    has_one_each = records and not records.groups and records.kept.bytes == 4 and records.n_records == entry.frames
    return clock if has_one_each else None


def _read_runs(
    reader: ArchiveReader, clocks: Mapping[int, _Clock], n_records: int, sample_rate: float, max_runs: int
) -> dict[int, _Runs]:
    """Return the runs of each file of `clocks`, which have as many records and as many bytes in each."""
    (width,) = {reader.directory.files[file].unit for file in clocks}

    def read(files: Collection[int], ranges: Sequence[tuple[int, int]]) -> dict[int, _Runs]:
        runs = {file: _Runs(sample_rate, max_runs) for file in files}
        for first, stop in ranges if runs else ():
            for file, at, data in read_kept(Decoder.without_samples(reader), files, first, stop):
                rows = np.frombuffer(data, np.uint8).reshape(-1, width)[max(first - at, 0) : stop - at]
                for begin in range(0, len(rows), _RECORDS_AT_ONCE):
                    some = rows[begin : begin + _RECORDS_AT_ONCE]
                    records = max(first, at) + begin + np.arange(len(some), dtype=np.int64)
                    runs[file].add(clocks[file].samples * records, clocks[file].times(some))
        return runs

    ends = read(clocks, [(0, 1), (n_records - 1, n_records)])
    return ends | read([file for file, runs in ends.items() if runs.are_uneven], [(0, n_records)])


def _times_of_gaps(entry: FileEntry) -> tuple[np.ndarray, np.ndarray | None]:
    """The frames before which there is a gap, and their times by the last bytes of the gaps."""
    gaps = entry.records.gaps if entry.records else ()
    before = [entry.header, *(data for _, data in gaps)]
    width = min(map(len, before))
    rows = np.frombuffer(b"".join(data[len(data) - width :] for data in before), np.uint8).reshape(-1, width)
    return np.array([0, *(record for record, _ in gaps)], np.int64), record_times(entry.header, rows)


class _Runs:
    """Collects the runs of frames whose times are stated, in order."""

    def __init__(self, sample_rate: float, max_runs: int) -> None:
        self._rate = sample_rate
        self._max_runs = max_runs
        self._first, self._seconds, self._late = (np.zeros(0, dtype) for dtype in (np.int64, np.float64, np.float64))
        self._width = TOLERANCE
        self._is_missing = False

    @property
    def are_uneven(self) -> bool:
        return len(self._first) > 1 and not self._is_missing

    def add(self, frames: np.ndarray, seconds: np.ndarray | None) -> None:
        """Add some frames, and their times; None if one is not stated."""
        if seconds is None or self._is_missing:
            self._is_missing = True
            return
        start = self._seconds[0] if self._seconds.size else seconds[0]
        late = (seconds - start) * self._rate - frames  # frames by which they are later than in an even recording
        before = np.rint(self._late[-1] / self._width) if self._late.size else np.nan
        begins = np.diff(np.rint(late / self._width), prepend=before) != 0
        if begins.any():
            self._first = np.append(self._first, frames[begins])
            self._seconds, self._late = np.append(self._seconds, seconds[begins]), np.append(self._late, late[begins])
        while len(self._first) > max(self._max_runs, 2):
            self._width *= 2
            begins = np.diff(np.rint(self._late / self._width), prepend=np.nan) != 0
            self._first, self._seconds, self._late = (each[begins] for each in (self._first, self._seconds, self._late))

    def times(self, n_frames: int) -> Times | None:
        if self._is_missing or not self._first.size:
            return None
        return Times(n_frames, self._rate, self._first, self._seconds)
