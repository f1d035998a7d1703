"""Rewrites an HDF5 file, such as one of NWB, with its samples compressed by the filter of `hdf5_filter`, or without it.

Everything else is copied as it is (`hdf5_copy`). Chunks are coded by worker threads instead of the filter. The copy is
opened again and compared with the source before it gets its name.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..api.chunk import encode_chunk
from ..codec.presets import DEFAULT_PRESET
from ..errors import InputError, MissingPackageError
from ..io.source import FileSource
from ..model.predictor import default_predictor
from ..system import signals
from ..system.progress import Progress
from ..system.whole_file import WholeFile
from ..system.workers import Workers, open_workers

try:
    import h5py
    from h5py import h5d, h5f, h5p, h5t, h5z
except ImportError as error:
    raise MissingPackageError("HDF5 files are repacked with h5py: pip install h5py") from error

from .hdf5 import candidates
from .hdf5_copy import Copy, address
from .hdf5_filter import FILTER, Spikey
from .hdf5_storage import FAULTS, READABLE, Storage

CHUNK_CHANNELS, CHUNK_BYTES = 64, 1 << 22
"""Most channels and bytes of a chunk that this module writes."""
_CACHE_BYTES = 1 << 27


@dataclass(frozen=True)
class Repacked:
    """What `repack` wrote.

    Attributes
    ----------
    datasets : dict of str to (int, int)
        For each dataset that was written anew, its bytes in the source and in the copy.
    bytes : tuple of int
        Bytes of the source and of the copy.
    """

    datasets: dict[str, tuple[int, int]]
    bytes: tuple[int, int]


def repack(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    datasets: Sequence[str] = (),
    undo: bool = False,
    coder: str = "range",
    preset: str = DEFAULT_PRESET,
    workers: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Repacked:
    """Copy an HDF5 file, with the samples in it compressed by the filter.

    Groups, attributes, links, references and all other datasets are copied as they are. The copy is compared with the
    source, dataset by dataset, before it gets its name.

    Parameters
    ----------
    source, target : path-like
    datasets : sequence of str, optional
        Paths of the datasets to compress: integers or floats. By default the data of each ``ElectricalSeries`` of NWB.
    undo : bool, optional
        Write datasets that are compressed with Spikey without a filter; by default all.
    coder, preset : str, optional
        As in `Spikey`.
    workers : int, optional
        Number of threads; the default is one for each processor.
    force : bool, optional
        Overwrite `target`.
    progress : callable, optional

    Returns
    -------
    Repacked

    Raises
    ------
    InputError
        The source cannot be read, or has no such dataset; or the target cannot be written.

    Examples
    --------
    >>> import h5py
    >>> traces = np.random.default_rng(0).normal(0, 20, (60000, 4)).astype("int16")  # (time, channel)
    >>> with h5py.File("traces.h5", "w") as file:
    ...     file["probe/traces"] = traces
    >>> from spikey_cli.integrations.hdf5_repack import repack
    >>> result = repack("traces.h5", "small.h5", datasets=["probe/traces"])
    >>> result.bytes[1] < 0.5 * result.bytes[0]
    True
    >>> with h5py.File("small.h5") as file:
    ...     np.array_equal(file["probe/traces"], traces)
    True
    """
    file = FileSource(Path(source))
    before = file.status()
    options = Spikey(coder, preset)
    whole = WholeFile(Path(target), force=force)
    try:
        with _opened(file) as original, open_workers(workers) as pool:
            chosen = _chosen(original, file, datasets, undo)
            writer = _Writer(file, options, undo, pool, sum(2 * data.nbytes for data in chosen.values()), progress)
            try:
                with _created(whole.temporary, original) as made:
                    Copy(original, made, {*chosen}).make(writer.write)
                with h5py.File(whole.temporary, "r") as made:
                    Copy(original, made, {*chosen}).check(writer.compare)
                    sizes = {
                        data.name: (data.id.get_storage_size(), made[data.name].id.get_storage_size())
                        for data in chosen.values()
                    }
            except FAULTS as error:
                raise InputError(f"{file}: cannot be copied to {target}: {error}; {READABLE}, and the disk") from error
            user_block = original.userblock_size
        _copy_user_block(file, user_block, whole.temporary)
        if file.status() != before:
            raise InputError(f"{file}: changed while it was copied; try again when no other program writes to it")
        whole.commit()
    finally:
        whole.discard()
    return Repacked(sizes, (before.size, Path(target).stat().st_size))


def _opened(file: FileSource) -> Any:
    """Open an HDF5 file. Raises InputError."""
    file.open().close()  # names the system's reason, where HDF5 has its own words
    try:
        return h5py.File(file.path, "r", rdcc_nbytes=_CACHE_BYTES)
    except FAULTS as error:
        raise InputError(f"{file}: cannot be read as HDF5: {error}; {READABLE}") from error


def _created(path: Path, original: Any) -> Any:
    """Create an HDF5 file with the properties of another."""
    properties, of_root = original.id.get_create_plist(), original["/"].id.get_create_plist()
    properties.set_link_creation_order(of_root.get_link_creation_order())
    properties.set_attr_creation_order(of_root.get_attr_creation_order())
    return h5py.File(h5f.create(os.fsencode(path), h5f.ACC_TRUNC, properties))


class _Writer:
    """Writes datasets with or without the filter, and compares them."""

    def __init__(
        self,
        file: FileSource,
        options: Spikey,
        undo: bool,
        workers: Workers,
        total: int,
        progress: Progress | None,
    ) -> None:
        self._file, self._options, self._undo, self._workers = file, options, undo, workers
        self._predictor = default_predictor()
        self._done, self._total, self._progress = 0, total, progress

    def write(self, item: Any, group: Any, name: bytes, link: Any) -> Any:
        """Write a dataset anew, see `hdf5_copy.Write`."""
        properties = self._properties(item)
        made = h5d.create(group, name, item.get_type().copy(), item.get_space(), properties, link)
        if self._undo:
            for first, frames in self._slabs(item):
                h5py.Dataset(made)[first : first + len(frames)] = frames
        else:
            fill = np.zeros((), item.dtype)
            properties.get_fill_value(fill)
            for where, mask, data in self._workers.in_turn(
                self._coded, self._chunks(item, properties.get_chunk(), fill)
            ):
                made.write_direct_chunk(where, data, mask)
        return made

    def compare(self, item: Any, copy: Any) -> bool:
        """Read a dataset and its copy, see `hdf5_copy.Compare`."""
        data = h5py.Dataset(copy)
        return all(
            frames.tobytes() == data[first : first + len(frames)].tobytes() for first, frames in self._slabs(item)
        )

    def _properties(self, item: Any) -> Any:
        """Return the properties of a dataset that is written anew."""
        old, new = item.get_create_plist(), h5p.create(h5p.DATASET_CREATE)
        new.set_attr_creation_order(old.get_attr_creation_order())
        new.set_obj_track_times(old.get_obj_track_times())
        if old.fill_value_defined() == h5d.FILL_VALUE_USER_DEFINED:
            fill = np.zeros((), item.dtype)
            old.get_fill_value(fill)
            new.set_fill_value(fill)
        if not self._undo:
            new.set_chunk(chunk_shape(item.shape, item.dtype.itemsize))
            new.set_filter(FILTER, h5z.FLAG_OPTIONAL, self._options["compression_opts"])
        elif item.get_space().get_simple_extent_dims(maxdims=True) != item.shape:
            new.set_chunk(old.get_chunk())  # HDF5 extends no others
        return new

    def _slabs(self, item: Any) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the frames of a dataset and the number of the first, so many at a time that chunks are read once."""
        step = chunk_shape(item.shape, item.dtype.itemsize)[0]
        storage = Storage(h5py.Dataset(item), str(self._file))
        for first in range(0, item.shape[0], step):
            signals.check()
            frames = storage.read(first, min(first + step, item.shape[0]))
            yield first, frames
            self._done += frames.nbytes
            if self._progress:
                self._progress(self._done, self._total)

    def _chunks(self, item: Any, shape: tuple[int, ...], fill: Any) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
        """Yield the chunks of a dataset, those at the edges filled up, with their positions."""
        for first, frames in self._slabs(item):
            for column in range(0, frames.shape[1], shape[1]) if len(shape) == 2 else (None,):
                piece = frames if column is None else frames[:, column : column + shape[1]]
                chunk = np.full(shape, fill, item.dtype)
                chunk[tuple(map(slice, piece.shape))] = piece
                yield (first,) if column is None else (first, column), chunk

    def _coded(self, task: tuple[tuple[int, ...], np.ndarray]) -> tuple[tuple[int, ...], int, bytes]:
        """Return the position, the filter mask and the bytes of a chunk: coded, or as it is if that is not smaller."""
        where, chunk = task
        coder, preset = self._options.coder, self._options.preset
        data = encode_chunk(chunk, coder=coder, preset=preset, predictor=self._predictor)
        return (where, 0, data) if len(data) < chunk.nbytes else (where, 1, chunk.tobytes())


def chunk_shape(
    shape: tuple[int, ...], item_bytes: int, max_channels: int = CHUNK_CHANNELS, max_bytes: int = CHUNK_BYTES
) -> tuple[int, ...]:
    """Return the shape of the chunks of a dataset of one or two dimensions: the channels in equal groups."""
    channels = [-(-n // -(-n // max_channels)) for n in shape[1:]]
    return (min(shape[0], max_bytes // (item_bytes * math.prod(channels))), *channels)


def _chosen(file: Any, source: FileSource, names: Sequence[str], undo: bool) -> dict[int, Any]:
    """Return the datasets to write anew, by their addresses. Raises InputError if there are none."""
    found = [_named(file, source, name) for name in names] or (_filtered(file) if undo else _series(file))
    for data in found:
        if undo and not _has_filter(data):
            raise InputError(f"{source}: {data.name} is not compressed with Spikey; leave it out", parameter="dataset")
        is_number = data.dtype.kind in "iuf" and h5t.py_create(data.dtype) == data.id.get_type()
        if not is_number or data.ndim not in (1, 2) or not data.size:
            raise InputError(
                f"{source}: {data.name} is {data.dtype} of shape {data.shape}; a recording holds numbers of shape "
                "(frames,) or (frames, channels)",
                parameter="dataset",
            )
    if not found:
        reason = "no dataset that is compressed with Spikey" if undo else f"no ElectricalSeries; {candidates(file)}"
        raise InputError(f"{source}: has {reason}; name a dataset", parameter="dataset")
    return {address(data.id): data for data in found}


def _named(file: Any, source: FileSource, name: str) -> Any:
    data = file.get(name)
    if not isinstance(data, h5py.Dataset) or data.file.id != file.id:
        raise InputError(f"{source}: has no dataset {name!r}; {candidates(file)}", parameter="dataset")
    return data


def _series(file: Any) -> list[Any]:
    """Return the samples of each ElectricalSeries of NWB that are in this file."""
    found = []

    def visit(_: str, item: Any) -> None:
        kind = item.attrs.get("neurodata_type")
        kind = kind.decode(errors="replace") if isinstance(kind, bytes) else kind
        if kind == "ElectricalSeries" and isinstance(item.get("data", getlink=True), h5py.HardLink):
            data = item["data"]
            if data.shape and data.size and data.ndim <= 2 and data.dtype.kind in "iuf":
                found.append(data)

    file.visititems(visit)
    return found


def _filtered(file: Any) -> list[Any]:
    """Return the datasets that are compressed with Spikey."""
    found = []
    file.visititems(
        lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) and _has_filter(item) else None
    )
    return found


def _has_filter(data: Any) -> bool:
    properties = data.id.get_create_plist()
    return any(properties.get_filter(i)[0] == FILTER for i in range(properties.get_nfilters()))


def _copy_user_block(source: FileSource, n: int, target: Path) -> None:
    """Copy the bytes before an HDF5 file's own, such as those by which MATLAB knows its files."""
    if n:
        with source.open() as original, target.open("r+b") as copy:
            copy.write(original.read(n))
