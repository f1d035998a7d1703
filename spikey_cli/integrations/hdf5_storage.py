"""Reads frames of HDF5 datasets whose samples are in other files, and never accepts samples that HDF5 makes up.

HDF5 returns the fill value, without an error, for samples of a virtual dataset whose source it cannot open or does not
find, and zeros for those that an external raw file is too short for. So virtual datasets are resolved here, down to
datasets that hold their samples themselves. The fill value stands only for chunks that were never written, and for
elements that no source was mapped to.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from ..errors import InputError
from ..system.names import path_of_name

_MAX_DEPTH, _MAX_PIECES = 8, 1 << 16
"""Most virtual datasets one within another, and most pieces of a virtual dataset: it may refer to itself."""
FAULTS = (OSError, RuntimeError, ValueError, LookupError, TypeError)
"""Errors of h5py for damaged files and for types that NumPy does not have."""

READABLE = "check that the file is complete and that its compression filters are installed (pip install hdf5plugin)"
_RESTORE = "restore that file"
_COPY = "copy the dataset into one file, and compress that"


class _Piece(NamedTuple):
    """A part of a virtual dataset, and where its samples are."""

    where: tuple[slice, ...]
    file: str
    """As the virtual dataset names it."""
    dataset: str
    taken: tuple[slice, ...] | None
    """None is all of the source."""


class Storage:
    """An open dataset whose frames are read. Errors are InputErrors that start with `called`."""

    def __init__(self, data: Any, called: str, depth: int = 0) -> None:
        self._data = data
        self._called = called
        self._depth = depth
        self._pieces = self._mapped() if data.is_virtual else []

    def check(self) -> set[str]:
        """Check that all samples are there, without reading them; return the files that hold some.

        Raises
        ------
        InputError
            Samples are missing; the error names the file.
        """
        files = {self._data.file.filename}  # a link may have led to another file than the caller's
        self._visit(files, 0)
        return files

    def read(self, first: int, stop: int) -> np.ndarray:
        """Return frames `first` to `stop`. Raises InputError as `check` does."""
        data = self._data
        if not data.is_virtual:
            return self._stored(slice(first, stop))
        frames = np.full((stop - first, *data.shape[1:]), data.fillvalue, data.dtype)
        for piece in self._pieces:
            rows = piece.where[0]
            inside = range(*rows.indices(data.shape[0]))
            a, b = (-(-(edge - inside.start) // inside.step) for edge in (first, stop))
            a, b = max(a, 0), min(b, len(inside))
            if a >= b:
                continue
            with self._source(piece) as (source, taken):
                samples = source._take(_subset(taken, a, b) if len(inside) > 1 else taken)
            begin = inside[a] - first
            target = frames[(slice(begin, inside[b - 1] - first + 1, inside.step), *piece.where[1:])]
            target[...] = samples.reshape(target.shape)
        return frames

    def _take(self, key: tuple[slice, ...]) -> np.ndarray:
        """Return the elements of one slice for each axis."""
        if not self._data.is_virtual:
            return self._stored(key)
        rows = range(*key[0].indices(self._data.shape[0]))
        return self.read(rows[0], rows[-1] + 1)[(slice(None, None, rows.step), *key[1:])]

    def _stored(self, key: slice | tuple[slice, ...]) -> np.ndarray:
        self._external_files()
        try:
            return self._data[key]
        except FAULTS as error:
            raise self._fault(f"cannot be read as HDF5: {error}; {READABLE}") from error

    def _visit(self, files: set[str], n_pieces: int) -> int:
        files.update(self._external_files())
        for piece in self._pieces:
            n_pieces += 1
            if n_pieces > _MAX_PIECES:
                raise self._fault(f"is a virtual dataset of more than {_MAX_PIECES:,} pieces; {_COPY}")
            with self._source(piece) as (source, _):
                files.add(source._data.file.filename)
                n_pieces = source._visit(files, n_pieces)
        return n_pieces

    def _external_files(self) -> list[str]:
        """Return the external raw files of the dataset, which are as long as they must be."""
        files = []
        missing = math.prod(self._data.shape) * self._data.dtype.itemsize
        prefix = os.fsdecode(self._data.id.get_access_plist().get_efile_prefix()) if self._data.external else ""
        for name, offset, size in self._data.external or []:
            path = os.path.join(prefix, path_of_name(name))
            count = min(size, missing)
            try:
                there = os.stat(path).st_size
            except OSError:
                raise self._fault(f"refers to samples in {path}, which is missing; {_RESTORE}") from None
            if there < offset + count:
                raise self._fault(
                    f"refers to {count:,} bytes of samples at {offset:,} in {path}, which has {there:,} bytes; "
                    f"{_RESTORE}"
                )
            missing -= count
            files.append(path)
        if files and missing:
            raise self._fault(f"refers to external files that lack {missing:,} bytes of samples; {_COPY}")
        return files

    def _mapped(self) -> list[_Piece]:
        if self._depth == _MAX_DEPTH:
            raise self._fault(f"is the last of more than {_MAX_DEPTH} virtual datasets one within another; {_COPY}")
        pieces = []
        for where, file, dataset, taken in self._data.virtual_sources():
            file, dataset = self._plain(file), self._plain(dataset)
            is_all = taken.get_select_type() == h5py.h5s.SEL_ALL
            pieces.append(_Piece(self._slices(where), file, dataset, None if is_all else self._slices(taken)))
        return pieces

    def _plain(self, name: str) -> str:
        plain = name.replace("%%", "")
        if "%b" in plain:
            raise self._fault(
                f"refers to samples in {name}, which stands for any number of sources, so that missing ones are not "
                f"noticed; {_COPY}"
            )
        return name.replace("%%", "%")

    def _slices(self, space: Any) -> tuple[slice, ...]:
        """Return a selection as one slice for each axis."""
        if space.get_select_type() == h5py.h5s.SEL_ALL:
            return tuple(slice(0, n, 1) for n in space.shape)
        if space.get_select_type() != h5py.h5s.SEL_HYPERSLABS or not space.is_regular_hyperslab():
            raise self._fault(f"maps samples in an irregular pattern; {_COPY}")
        slices = []
        for start, stride, count, block in zip(*space.get_regular_hyperslab(), strict=True):
            if h5py.h5s.UNLIMITED in (count, block):
                raise self._fault(
                    f"maps a source without a stated end, so that missing samples are not noticed; {_COPY}"
                )
            if block > 1 and count > 1 and stride != block:
                raise self._fault(f"maps samples in an irregular pattern; {_COPY}")
            step, n = (1, count * block) if block > 1 else (stride, count)
            slices.append(slice(start, start + (n - 1) * step + 1, step))
        return tuple(slices)

    @contextmanager
    def _source(self, piece: _Piece) -> Iterator[tuple[Storage, tuple[slice, ...]]]:
        """Open the source of a piece, and check that it has all that is mapped."""
        with self._open(piece.file) as file:
            data = file.get(piece.dataset)
            place = f"{file.filename}: {piece.dataset}"
            if not isinstance(data, h5py.Dataset):
                raise self._fault(f"refers to samples in {place}, and that file has no such dataset; {_RESTORE}")
            taken = tuple(slice(0, n, 1) for n in data.shape) if piece.taken is None else piece.taken
            is_within = len(taken) == data.ndim and all(s.stop <= n for s, n in zip(taken, data.shape, strict=True))
            if not is_within or _sides(taken) != _sides(piece.where):
                raise self._fault(
                    f"refers to samples of shape {_shape(piece.where)} in {place}, which has the shape {data.shape}; "
                    f"{_RESTORE}"
                )
            if not np.can_cast(data.dtype, self._data.dtype):
                raise self._fault(
                    f"refers to samples in {place}, which are {data.dtype} and may not fit {self._data.dtype}; {_COPY}"
                )
            yield Storage(data, self._called, self._depth + 1), taken

    @contextmanager
    def _open(self, name: str) -> Iterator[Any]:
        """Open the file that HDF5 takes for this name."""
        own, name = self._data.file, path_of_name(name)
        if name == ".":
            yield own
            return
        path = Path(own.filename)
        prefixes = os.environ.get("HDF5_VDS_PREFIX", "").replace("${ORIGIN}", str(path.parent)).split(":")
        folders = [*filter(None, prefixes), str(path.parent), "", str(path.resolve().parent)]
        places = [name] if os.path.isabs(name) else []
        places += [os.path.join(folder, os.path.basename(name) if os.path.isabs(name) else name) for folder in folders]
        there = [place for place in places if os.path.exists(place)]
        if not there:
            raise self._fault(f"refers to samples in {name}, which is missing; {_RESTORE}")
        reason: OSError | None = None
        for place in there:
            try:
                file = h5py.File(place, "r")
            except OSError as error:
                reason = reason or error
                continue
            with file:
                yield file
            return
        raise self._fault(f"refers to samples in {there[0]}, which cannot be read as HDF5: {reason}; {_RESTORE}")

    def _fault(self, reason: str) -> InputError:
        name = self._data.name if not self._depth else f"{self._data.file.filename}: {self._data.name}"
        return InputError(f"{self._called}: {name} {reason}")


def _shape(slices: tuple[slice, ...]) -> tuple[int, ...]:
    return tuple(len(range(s.start, s.stop, s.step)) for s in slices)


def _sides(slices: tuple[slice, ...]) -> list[int]:
    """Return the lengths of a selection along the axes on which it has any."""
    return [n for n in _shape(slices) if n != 1]


def _subset(taken: tuple[slice, ...], first: int, stop: int) -> tuple[slice, ...]:
    """Return elements `first` to `stop` along the first axis that has more than one."""
    axis = next(i for i, n in enumerate(_shape(taken)) if n != 1)
    s = taken[axis]
    part = slice(s.start + first * s.step, s.start + (stop - 1) * s.step + 1, s.step)
    return *taken[:axis], part, *taken[axis + 1 :]
