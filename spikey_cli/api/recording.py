"""An archive as an array: samples by threads, of which only what is asked for is decoded."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from types import TracebackType
from typing import Any

import numpy as np

from ..codec.blocks import Decoder, decode_block
from ..container.archive import ArchiveReader
from ..container.directory import channel_names
from ..container.limits import DEFAULT_LIMITS, Limits
from ..container.parts import Part
from ..errors import ArchiveError, InputError, unknown_name
from ..io.layout import sample_dtype
from ..model.predictor import Predictor
from ..system.workers import Workers, open_workers

_WANTED_AT_ONCE, _MOST_AT_ONCE = 1 << 23, 1 << 26
"""Samples of a stretch: so many that all workers have blocks to decode, and that memory has room for."""


class Recording:
    """Threads of an archive that share length, rate and width, as a read-only array of shape (samples, threads).

    Index it as a NumPy array: `recording[t0:t1, channels]` decodes the blocks and threads that it needs, no others.
    Use it as a context manager, or `close` it. Several threads of execution may read at once, and so may processes that
    were forked while none was reading, each of which decodes alone. Pickled, it is opened anew, by its path, where it
    is unpickled. `dask.array.from_array` takes it as it is.
    """

    ndim = 2

    def __init__(
        self,
        path: str | os.PathLike[str],
        channels: Sequence[str] | None = None,
        *,
        workers: int | None = 1,
        predictor: Predictor | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Open the archive at `path`, and take `channels` from it: names of threads, or of files for all their threads.

        By default all are taken. `predictor` is the network it was written with, where that did not come with the
        package; `limits` are what the archive may ask for.

        Raises ArchiveError where the archive is damaged, ModelError where its model is not installed, and InputError
        where a name is unknown or the threads differ in length, rate or width.
        """
        self._opened_with = (os.path.abspath(path), channels, workers, predictor, limits)
        self._reader = ArchiveReader(path, limits or DEFAULT_LIMITS)
        try:
            files = self._reader.directory.files
            places = find_channels(self._reader, channels)
            self.channel_names: tuple[str, ...] = tuple(places)
            """Names, in the order of the columns."""
            self._places = list(places.values())
            layouts = [layout for i, _ in self._places if (layout := files[i].layout)]
            kinds = {(layout.n_frames, layout.sample_rate, layout.sample_bytes) for layout in layouts}
            if len(kinds) != 1:
                raise InputError(
                    f"{path}: its threads differ in length, rate or width, and make no array; "
                    "name threads that agree, as in spikey_cli.open(path, threads=[...])"
                    if kinds
                    else f"{path}: holds no channels, only files kept verbatim; restore them with `spikey decompress`"
                )
            ((samples, rate, width),) = kinds
            self.shape: tuple[int, int] = (samples, len(places))
            """(samples, threads)."""
            self.dtype: np.dtype = sample_dtype(width)
            """uint8, int16, or int32 for 24-bit samples."""
            self.sample_rate: int = rate
            """Samples a second of each thread; 0 where nothing told it."""
            self.sample_bytes: int = width
            """Bytes a sample in the file that it is from: 1, 2 or 3."""
            self._decoder = Decoder.of(self._reader, predictor)
            self._open_workers = open_workers(workers)
            self._workers = self._open_workers.__enter__()
            self._process = os.getpid()
        except BaseException:
            self._reader.close()
            raise

    def __reduce__(self) -> tuple[Callable[..., Recording], tuple[object, ...]]:
        return _unpickled, self._opened_with

    def __dask_tokenize__(self) -> tuple[object, ...]:
        # the seal is a SHA-256 of all that the archive restores: the same name is of the same samples
        return type(self).__qualname__, self._opened_with[0], self._reader.content_digest.hex(), self.channel_names

    @cached_property
    def _parts(self) -> dict[int, list[Part]]:
        """The parts of each file that threads are from, in the order of time."""
        parts: dict[int, list[Part]] = {file: [] for file, _ in self._places}
        for block in self._reader.index.blocks:
            for part in block.parts:
                if part.file in parts:
                    parts[part.file].append(part)
        return parts

    @cached_property
    def edges(self) -> tuple[int, ...]:
        """Samples at which blocks begin, from 0 on, and their number: what is decoded at least lies between two."""
        begun = {part.first_frame for parts in self._parts.values() for part in parts}
        return (*sorted({0} | begun), self.shape[0])

    @property
    def chunks(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Stretches of time that are decoded each without the others, and all threads, as lengths along both axes.

        Dask joins as many of them as its chunks have room for, so that it decodes none twice. Where files are cut at
        different times, these are the stretches of the one with the fewest.
        """
        fewest = min(self._parts.values(), key=len)
        return tuple(part.n_frames for part in fewest) or (0,), (self.shape[1],)

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

    def stretches(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """Cut samples `first` to `stop` so that each piece is of bounded size, and hardly any chunk is decoded twice.

        Yields (first sample, stop) of each.
        """
        times, (width,) = self.chunks
        most = max(1, _MOST_AT_ONCE // width)
        at = first
        for end in [*(end for end in accumulate(times) if first < end < stop), stop]:
            while end - at > most:
                yield at, at + most
                at += most
            if end == stop or (end - at) * width >= _WANTED_AT_ONCE:
                yield at, end
                at = end

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("samples are decoded anew: there is no array to share")
        return np.asarray(self[:], dtype=dtype)

    def __getitem__(self, key: object) -> np.ndarray:
        """Samples at `[time]` or `[time, channel]`: integers, slices, lists of integers, booleans, or Ellipsis.

        Raises IndexError as NumPy does, ArchiveError where what is needed is damaged, and ValueError where it was
        closed.
        """
        time, channel = _two_axes(key)
        columns = np.arange(self.shape[1])[channel]  # type: ignore[call-overload]
        if isinstance(time, slice):
            rows = range(*time.indices(self.shape[0]))
            if not rows:
                return self._read(0, 0, columns)
            samples = self._read(min(rows), max(rows) + 1, columns)
            return samples[:: rows.step] if rows.step > 0 else samples[::-1][:: -rows.step]
        picked = np.arange(self.shape[0])[time]  # type: ignore[call-overload]
        if picked.size == 0:
            return self._read(0, 0, columns)[picked]
        low = int(picked.min())
        return self._read(low, int(picked.max()) + 1, columns)[picked - low]

    def _read(self, first: int, stop: int, columns: np.ndarray) -> np.ndarray:
        """Samples `first` to `stop` of the threads `columns`, whose shape follows the first axis of the result."""
        flat = columns.reshape(-1).tolist()
        samples = np.empty((stop - first, len(flat)), dtype=self.dtype)
        by_file: dict[int, dict[int, list[int]]] = {}
        for place, column in enumerate(flat):
            file, channel = self._places[column]
            by_file.setdefault(file, {}).setdefault(channel, []).append(place)
        channels = {file: tuple(places) for file, places in by_file.items()}
        # a forked process has its parent's pool, but none of the threads in it
        workers = self._workers if os.getpid() == self._process else Workers(None, 1)
        for file, at, piece in read_frames(self._decoder, workers, channels, first, stop):
            for channel, column in zip(channels[file], piece.T, strict=True):
                for place in by_file[file][channel]:
                    samples[at - first : at - first + column.size, place] = column
        return samples.reshape((stop - first, *columns.shape))


def _unpickled(path: str, channels: Sequence[str] | None, *options: Any) -> Recording:
    workers, predictor, limits = options
    recording = Recording(path, channels, workers=workers, predictor=predictor, limits=limits)
    weakref.finalize(recording, recording._reader.close)  # whoever is sent one knows of no file to close
    return recording


def find_channels(reader: ArchiveReader, names: Sequence[str] | None) -> dict[str, tuple[int, int]]:
    """(file, channel) of threads by their names, each once, in the order of `names`: of threads, or of files for all
    their threads; by default all. Raises InputError where a name is unknown.
    """
    files = reader.directory.files
    known = channel_names(files)
    if names is None:
        return known
    of_file: dict[str, list[str]] = {}
    for channel, (file, _) in known.items():
        of_file.setdefault(files[file].name, []).append(channel)
    chosen: dict[str, tuple[int, int]] = {}
    for name in names:
        if name not in known and name not in of_file:
            raise unknown_name(reader.path, "channel", name, known)
        chosen |= {channel: known[channel] for channel in ([name] if name in known else of_file[name])}
    return chosen


def read_frames(
    decoder: Decoder, workers: Workers, channels: Mapping[int, Sequence[int]], first: int, stop: int
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Frames `first` to `stop` of some channels of some WAV files, block by block.

    `channels` maps a file to its channels. Yields (file, first frame, samples [frames, channels of the file]), each
    file's in the order of time. Raises ArchiveError where what is needed is damaged.
    """
    reader = decoder.reader
    wanted: dict[int, dict[int, Sequence[int]]] = {}
    for b, block in enumerate(reader.index.blocks):
        here = [part.file for part in block.parts if part.file in channels and _overlap(part, first, stop)]
        if here:
            wanted[b] = {file: channels[file] for file in here}
    across, within = workers.for_blocks(len(wanted))
    fetched = (decoder.fetch_block(b, files, first, stop) for b, files in wanted.items())
    for pieces in decoder.decode_blocks(decode_block, fetched, across, within):
        for decoded in pieces:
            part, entry = decoded.part, reader.directory.files[decoded.part.file]
            assert entry.format is not None
            samples, damaged = decoded.samples(entry.format, channels[part.file])
            if damaged:
                raise ArchiveError(
                    f"{reader.path}: {entry.name} is damaged: a stream of frames {part.first_frame} to "
                    f"{part.first_frame + part.n_frames} does not match its checksum; "
                    "restore the archive from a copy"
                )
            low, high = max(first, part.first_frame), min(stop, part.first_frame + part.n_frames)
            yield part.file, low, samples[low - part.first_frame : high - part.first_frame]
            del samples
        del pieces, decoded  # not to be kept while the next block is decoded


def read_bytes(decoder: Decoder, file: int, first: int, stop: int) -> bytes:
    """Bytes `first` to `stop` of a file that is kept verbatim. Raises ArchiveError where they are damaged."""
    reader, one = decoder.reader, Workers(None, 1)
    wanted = [
        b
        for b, block in enumerate(reader.index.blocks)
        if any(part.file == file and _overlap(part, first, stop) for part in block.parts)
    ]
    data = bytearray()
    fetched = (decoder.fetch_block(b, {file}, first, stop) for b in wanted)
    for pieces in decoder.decode_blocks(decode_block, fetched, one, one):
        for decoded in pieces:
            if decoded.verbatim is None:
                raise ArchiveError(
                    f"{reader.path}: {reader.directory.files[file].name} is damaged: bytes of it do not match "
                    "their checksum; restore the archive from a copy"
                )
            at = decoded.part.first_frame
            data += decoded.verbatim[max(first - at, 0) : stop - at]
    return bytes(data)


def _overlap(part: Part, first: int, stop: int) -> bool:
    return part.first_frame < stop and part.first_frame + part.n_frames > first


def _two_axes(key: object) -> tuple[object, object]:
    keys = key if isinstance(key, tuple) else (key,)
    keys = tuple(slice(None) if k is Ellipsis else k for k in keys)
    if len(keys) > 2:
        raise IndexError(f"a recording has two axes, samples and threads; {len(keys)} were indexed")
    time, channel = (*keys, slice(None))[:2] if keys else (slice(None), slice(None))
    return time, channel
