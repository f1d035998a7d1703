"""An archive as a read-only array, of which only the blocks and channels that are indexed are decoded."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from types import TracebackType
from typing import Any

import numpy as np

from ..codec.blocks import decode_block
from ..codec.decoder import Decoder
from ..container.archive import ArchiveReader
from ..container.directory import channel_names
from ..container.limits import DEFAULT_LIMITS, Limits
from ..container.parts import Part
from ..errors import InputError, unknown_name
from ..io.layout import SampleType
from ..io.reading import ChannelInfo
from ..model.predictor import Predictor
from ..system.remote import absolute, local_path
from ..system.workers import Workers, open_workers
from .channels import channel_aliases, channel_info

_MIN_PIECE_SAMPLES, _MAX_PIECE_SAMPLES = 1 << 23, 1 << 26
"""Samples of the pieces of `Recording.pieces`: enough blocks for all workers, and few enough for memory."""


class Recording:
    """Channels of an archive with equal length, sampling rate and sample type, as an array.

    ``recording[t0:t1, channels]`` decodes the blocks and channels it needs, and no others. `spikey_cli.open` is this
    class. Use it as a context manager, or call `close`.

    Several threads may read at once, and so may processes that were forked while no thread was reading. A pickled
    recording is opened again by its path where it is unpickled. `dask.array.from_array` accepts it.

    Parameters
    ----------
    path : path or URL
        An ``.spk`` file. Of a URL, such as ``https://host/a.spk`` or ``s3://bucket/a.spk``, only the ranges needed are
        read.
    channels : sequence of str, optional
        Names of the channels, which become the columns in this order; by default all. The name of a file stands for
        all its channels, and if the file names its channels and streams, so do ``FILE:LABEL`` and ``FILE:STREAM``.
    workers : int, optional
        Number of threads that decode; None or 0 is one per processor.
    predictor : Predictor, optional
        The network that the archive was written with, if it does not come with the package.
    limits : Limits, optional
        What the archive may ask for.

    Attributes
    ----------
    shape : tuple of int
        (samples, channels).
    ndim : int
        2.
    dtype : numpy.dtype
        That of the source file's samples; int32 for 24-bit samples.
    channel_names : tuple of str
        In the order of the columns.
    sample_rate : int
        Samples per second and channel; 0 if unknown.
    sample_type : SampleType
        Type of the samples in the source file.

    Raises
    ------
    ArchiveError
        The archive is damaged, or exceeds `limits`.
    ModelError
        The network that the archive was written with is not installed.
    InputError
        A name is unknown, or the channels differ in length, rate or type.

    Examples
    --------
    >>> _ = spikey_cli.compress(["left.wav", "right.wav"], "session.spk")
    >>> with spikey_cli.open("session.spk") as recording:
    ...     recording
    ...     recording[1000:2000, 0].shape
    <Recording 'session.spk': 2 channels x 60000 frames, int16, 19531 Hz>
    (1000,)
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
        self._arguments = (absolute(path), channels, workers, predictor, limits)
        self._reader = ArchiveReader(path, limits or DEFAULT_LIMITS)
        try:
            name, files = self._reader.path, self._reader.directory.files
            places = find_channels(self._reader, channels)
            self.channel_names: tuple[str, ...] = tuple(places)
            self._places = np.array(list(places.values()), dtype=np.intp).reshape(-1, 2)  # file, channel of it
            layouts = [layout for i, _ in places.values() if (layout := files[i].layout)]
            kinds = {(layout.n_frames, layout.sample_rate, layout.sample_type) for layout in layouts}
            if not kinds:
                raise InputError(f"{name}: holds no channels, only files stored verbatim; decompress it to get them")
            if len(kinds) > 1:
                streams = [name for name, several in channel_aliases(self._reader).items() if len(several) > 1]
                such_as = f", such as those of {streams[0]!r}" if streams else ""
                raise InputError(
                    f"{name}: its channels differ in length, rate or type, and make no array; choose channels that "
                    f"agree{such_as}",
                    parameter="channels",
                )
            ((n_frames, sample_rate, sample_type),) = kinds
            self.shape: tuple[int, int] = (n_frames, len(places))
            self.dtype: np.dtype = sample_type.dtype
            self.sample_rate: int = sample_rate
            self.sample_type: SampleType = sample_type
            self._decoder = Decoder.of(self._reader, predictor)
            self._workers_context = open_workers(workers)
            self._workers = self._workers_context.__enter__()
            self._process = os.getpid()
        except BaseException:
            self._reader.close()
            raise

    def __repr__(self) -> str:
        rate = f"{self.sample_rate} Hz" if self.sample_rate else "unknown rate"
        name = local_path(self._arguments[0]).name
        return f"<Recording {name!r}: {self.shape[1]} channels x {self.shape[0]} frames, {self.dtype}, {rate}>"

    def __reduce__(self) -> tuple[Callable[..., Recording], tuple[object, ...]]:
        return _open_again, self._arguments

    def __dask_tokenize__(self) -> tuple[object, ...]:
        # the digest covers everything that the archive restores, so it identifies the samples
        return type(self).__qualname__, self._arguments[0], self._reader.content_digest.hex(), self.channel_names

    @cached_property
    def channel_info(self) -> tuple[ChannelInfo | None, ...]:
        """What the archive says of each channel: label, stream, exact rate, unit, gain and offset."""
        known = channel_info(self._reader)
        return tuple(known.get((file, channel)) for file, channel in self._places.tolist())

    @property
    def exact_sample_rate(self) -> float:
        """Samples per second as the archived files state it, if they do; otherwise `sample_rate`."""
        rates = {info.sample_rate if info else 0.0 for info in self.channel_info}
        return rates.pop() or self.sample_rate if len(rates) == 1 else self.sample_rate

    @property
    def microvolts(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Gain and offset of each channel, float64, that make microvolts of samples; None if one is not known."""
        pairs = [pair for info in self.channel_info if info and (pair := info.microvolts)]
        if len(pairs) < len(self._places):
            return None
        gains, offsets = np.array(pairs).T
        return gains, offsets

    @cached_property
    def _parts(self) -> dict[int, list[Part]]:
        """The parts of each file that a channel belongs to, in the order of time."""
        parts: dict[int, list[Part]] = {file: [] for file in self._places[:, 0].tolist()}
        for block in self._reader.index.blocks:
            for part in block.parts:
                if part.file in parts:
                    parts[part.file].append(part)
        return parts

    @cached_property
    def edges(self) -> tuple[int, ...]:
        """Samples at which blocks begin, from 0, and the number of samples: a block is decoded as a whole."""
        first_frames = {part.first_frame for parts in self._parts.values() for part in parts}
        return (*sorted({0} | first_frames), self.shape[0])

    @property
    def chunks(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Lengths of independently decoded chunks along both axes, as in Dask.

        Dask joins them to chunks of its preferred size, so that no block is decoded twice. If files are cut at
        different times, these are the chunks of the file with the fewest.
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
        self._workers_context.__exit__(None, None, None)
        self._reader.close()

    def pieces(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """Cut samples `first` to `stop` into pieces of bounded size that mostly end where chunks do.

        Yields
        ------
        first, stop : int
            Of each piece.
        """
        chunk_lengths, (n_channels,) = self.chunks
        most = max(1, _MAX_PIECE_SAMPLES // n_channels)
        at = first
        for end in [*(end for end in accumulate(chunk_lengths) if first < end < stop), stop]:
            while end - at > most:
                yield at, at + most
                at += most
            if end == stop or (end - at) * n_channels >= _MIN_PIECE_SAMPLES:
                yield at, end
                at = end

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("samples are decoded on each access, so an array of them is always a copy")
        return np.asarray(self[:], dtype=dtype)

    def __getitem__(self, key: object) -> np.ndarray:
        """Decode samples at ``[time]`` or ``[time, channel]``.

        Each index may be an integer, a slice, a list of integers, a boolean mask or an Ellipsis. Two lists are applied
        to their axes independently, as by `numpy.ix_`.

        Raises
        ------
        IndexError
            As NumPy does.
        ArchiveError
            A block that is needed is damaged.
        ValueError
            The recording was closed.
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
        """Decode samples `first` to `stop` of `columns`; the shape of `columns` follows the first axis."""
        samples = np.empty((stop - first, columns.size), dtype=self.dtype)
        places = self._places[columns.reshape(-1)]
        columns_of: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # of `samples`, of a decoded piece, for each file
        channels: dict[int, tuple[int, ...]] = {}
        order = np.argsort(places[:, 0], kind="stable")
        files, starts = np.unique(places[order, 0], return_index=True)
        for file, ours in zip(files.tolist(), np.split(order, starts[1:]), strict=False):
            decoded, theirs = np.unique(places[ours, 1], return_inverse=True)
            columns_of[file], channels[file] = (ours, theirs), tuple(decoded.tolist())
        # a forked process inherits the pool, but not its threads
        workers = self._workers if os.getpid() == self._process else Workers(None, 1)
        for file, at, piece in read_frames(self._decoder, workers, channels, first, stop):
            ours, theirs = columns_of[file]
            samples[at - first : at - first + len(piece), ours] = piece[:, theirs]
        return samples.reshape((stop - first, *columns.shape))


def _open_again(path: str, channels: Sequence[str] | None, *options: Any) -> Recording:
    workers, predictor, limits = options
    recording = Recording(path, channels, workers=workers, predictor=predictor, limits=limits)
    weakref.finalize(recording, recording._reader.close)  # the receiver of a pickle does not know of a file to close
    return recording


def find_channels(reader: ArchiveReader, names: Sequence[str] | None) -> dict[str, tuple[int, int]]:
    """Return (file, channel of the file) of channels by their names.

    Parameters
    ----------
    reader : ArchiveReader
    names : sequence of str or None
        Names of channels, or of files or streams for all their channels; None is all.

    Returns
    -------
    dict of str to tuple
        In the order of `names`, each channel once.

    Raises
    ------
    InputError
        A name is unknown.
    """
    if isinstance(names, str):
        raise TypeError(f"channels are a list of names: pass [{names!r}]")
    files = reader.directory.files
    known = channel_names(files)
    if names is None:
        return known
    channels_of_file: dict[str, list[str]] = {}
    for channel, (file, _) in known.items():
        channels_of_file.setdefault(files[file].name, []).append(channel)
    if any(name not in known and name not in channels_of_file for name in names):
        channels_of_file = channel_aliases(reader) | channels_of_file
    chosen: dict[str, tuple[int, int]] = {}
    for name in names:
        if name not in known and name not in channels_of_file:
            raise unknown_name(reader.path, "channel", name, known)
        chosen |= {channel: known[channel] for channel in ([name] if name in known else channels_of_file[name])}
    return chosen


def choose_channels(reader: ArchiveReader, names: Sequence[str] | None) -> dict[int, list[int]]:
    """Return the chosen channels of each file; `names` as in `find_channels`."""
    chosen: dict[int, list[int]] = {}
    for file, channel in find_channels(reader, names).values():
        chosen.setdefault(file, []).append(channel)
    return chosen


def read_frames(
    decoder: Decoder, workers: Workers, channels: Mapping[int, Sequence[int]], first: int, stop: int
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Decode frames `first` to `stop` of channels of several files, block by block.

    Parameters
    ----------
    decoder : Decoder
    workers : Workers
    channels : mapping of int to sequence of int
        The channels of each file.
    first, stop : int

    Yields
    ------
    file : int
    at : int
        The first frame of `samples`.
    samples : ndarray, shape (frames, channels of the file)
        The pieces of a file come in the order of time.

    Raises
    ------
    ArchiveError
        A stream that is needed is damaged.
    """
    reader = decoder.reader
    wanted: dict[int, dict[int, Sequence[int]]] = {}
    for b, block in enumerate(reader.index.blocks):
        files = [part.file for part in block.parts if part.file in channels and part.overlaps(first, stop)]
        if files:
            wanted[b] = {file: channels[file] for file in files}
    across, within = workers.for_blocks(len(wanted))
    fetched = (decoder.fetch_block(b, files, first, stop) for b, files in wanted.items())
    for parts in decoder.decode_blocks(decode_block, fetched, across, within):
        for decoded in parts:
            part, entry = decoded.part, reader.directory.files[decoded.part.file]
            assert entry.format is not None
            samples, damaged = decoded.samples(entry.format, channels[part.file])
            if damaged:
                frames = f"{part.first_frame} to {part.first_frame + part.n_frames}"
                raise reader.damaged(f"a stream of frames {frames} does not match its checksum", entry.name)
            low, high = max(first, part.first_frame), min(stop, part.first_frame + part.n_frames)
            yield part.file, low, samples[low - part.first_frame : high - part.first_frame]
            del samples
        del parts, decoded  # frees the block before the next one is decoded


def _two_axes(key: object) -> tuple[object, object]:
    keys = key if isinstance(key, tuple) else (key,)
    keys = tuple(slice(None) if k is Ellipsis else k for k in keys)
    if len(keys) > 2:
        raise IndexError(f"a recording has two axes, samples and channels; {len(keys)} were indexed")
    time, channel = (*keys, slice(None))[:2] if keys else (slice(None), slice(None))
    return time, channel
