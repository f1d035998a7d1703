"""An archive as an array: samples by threads, of which only what is asked for is decoded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from types import TracebackType

import numpy as np

from .archive import ArchiveReader
from .codec import Decoder
from .compressor import open_workers
from .errors import ArchiveError, InputError
from .tables import FileEntry
from .wav import sample_dtype


def thread_names(files: Sequence[FileEntry]) -> dict[str, tuple[int, int]]:
    """(file, channel) of every thread by its name, in the order of the topology.

    A mono file's thread has the file's name; those of others have `:0`, `:1`, ... behind it.
    """
    names = {}
    for i, file in enumerate(files):
        if file.layout:
            for channel in range(file.channels):
                names[file.name if file.channels == 1 else f"{file.name}:{channel}"] = (i, channel)
    return names


class Recording:
    """Threads of an archive that share length, rate and width, as a read-only array of shape (samples, threads).

    Index it as a NumPy array: `recording[t0:t1, channels]` decodes the blocks and threads that it needs, no others.
    Use it as a context manager, or `close` it. Not safe for use from several threads of execution at once.
    """

    ndim = 2

    def __init__(
        self,
        path: str | os.PathLike[str],
        threads: Sequence[str] | None = None,
        *,
        workers: int | None = 1,
    ) -> None:
        """Open the archive at `path`, and take from it `threads`, by name; all of them by default.

        Raises ArchiveError where the archive is damaged, ModelError where its model is not installed, and InputError
        where a name is unknown or the threads differ in length, rate or width.
        """
        self._reader = ArchiveReader(path)
        try:
            files = self._reader.directory.files
            known = thread_names(files)
            chosen = tuple(known) if threads is None else tuple(threads)
            unknown = [name for name in chosen if name not in known]
            if unknown:
                raise InputError(f"{path}: holds no thread {unknown[0]!r}; `spikey info` lists its threads")
            self.threads: tuple[str, ...] = chosen
            """Names, in the order of the columns."""
            self._places = [known[name] for name in chosen]
            layouts = [layout for i, _ in self._places if (layout := files[i].layout)]
            kinds = {(layout.n_frames, layout.sample_rate, layout.sample_bytes) for layout in layouts}
            if len(kinds) != 1:
                raise InputError(
                    f"{path}: its threads differ in length, rate or width, and make no array; "
                    "name threads that agree, as in spikey_cli.open(path, threads=[...])"
                    if kinds
                    else f"{path}: holds no threads, only files kept verbatim; restore them with `spikey decompress`"
                )
            ((samples, rate, width),) = kinds
            self.shape: tuple[int, int] = (samples, len(chosen))
            """(samples, threads)."""
            self.dtype: np.dtype = sample_dtype(width)
            """uint8, int16, or int32 for 24-bit samples."""
            self.sample_rate: int = rate
            """Samples a second of each thread."""
            self._open_workers = open_workers(workers)
            self._decoder = Decoder.of(self._reader, self._open_workers.__enter__())
        except BaseException:
            self._reader.close()
            raise

    def __len__(self) -> int:
        return self.shape[0]

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the archive."""
        self._open_workers.__exit__(None, None, None)
        self._reader.close()

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("samples are decoded anew: there is no array to share")
        return np.asarray(self[:], dtype=dtype)

    def __getitem__(self, key: object) -> np.ndarray:
        """Samples at `[time]` or `[time, thread]`: integers, slices, lists of integers, booleans, or Ellipsis.

        Raises IndexError as NumPy does, and ArchiveError where what is needed is damaged.
        """
        time, thread = _two_axes(key)
        columns = np.arange(self.shape[1])[thread]
        if isinstance(time, slice):
            first, stop, stride = time.indices(self.shape[0])
            rows = range(first, stop, stride)
            low, high = (min(rows), max(rows) + 1) if rows else (0, 0)
            return self._read(low, high, columns)[_shifted(rows, low)]
        rows = np.arange(self.shape[0])[time]
        low, high = (int(rows.min()), int(rows.max()) + 1) if rows.size else (0, 0)
        return self._read(low, high, columns)[rows - low]

    def _read(self, first: int, stop: int, columns: np.ndarray) -> np.ndarray:
        """Samples `first` to `stop` of the threads `columns`, whose shape follows the first axis of the result."""
        flat = np.atleast_1d(columns)
        samples = np.empty((stop - first, flat.size), dtype=self.dtype)
        for at, part in self.stretches(first, stop, flat.tolist()):
            samples[at - first : at - first + len(part)] = part
        return samples.reshape((stop - first, *columns.shape))

    def stretches(self, first: int, stop: int, columns: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Samples `first` to `stop` of some columns, a stretch at a time: (its first sample, [samples, columns]).

        Stretches come in the order of time, and hold at most a block's samples.
        """
        places = [self._places[column] for column in columns]
        channels: dict[int, list[int]] = {}
        for file, channel in dict.fromkeys(places):
            channels.setdefault(file, []).append(channel)
        pending: dict[tuple[int, int], dict[tuple[int, int], np.ndarray]] = {}
        files = self._reader.directory.files
        for b, block in enumerate(self._reader.index.blocks):
            wanted = {
                part.file: channels[part.file]
                for part in block.parts
                if part.file in channels and part.first_frame < stop and part.first_frame + part.n_frames > first
            }
            if not wanted:
                continue
            for decoded in self._decoder.decode_block(b, wanted):
                part = decoded.part
                samples = decoded.samples(files[part.file], wanted[part.file])
                if samples is None:
                    raise ArchiveError(
                        f"{self._reader.path}: {files[part.file].name} is damaged at samples {part.first_frame} to "
                        f"{part.first_frame + part.n_frames}; restore the archive from a copy"
                    )
                stretch = pending.setdefault((part.first_frame, part.n_frames), {})
                for channel, column in zip(wanted[part.file], samples.T, strict=True):
                    stretch[part.file, channel] = column
                if len(stretch) == len(set(places)):
                    del pending[part.first_frame, part.n_frames]
                    low, high = max(first, part.first_frame), min(stop, part.first_frame + part.n_frames)
                    at = slice(low - part.first_frame, high - part.first_frame)
                    yield low, np.stack([stretch[place][at] for place in places], axis=1)


def _two_axes(key: object) -> tuple[object, object]:
    keys = key if isinstance(key, tuple) else (key,)
    keys = tuple(slice(None) if k is Ellipsis else k for k in keys)
    if len(keys) > 2:
        raise IndexError(f"a recording has two axes, samples and threads; {len(keys)} were indexed")
    time, thread = (*keys, slice(None))[:2] if keys else (slice(None), slice(None))
    return time, thread
