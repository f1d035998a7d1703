"""A chunk of an array as bytes, and back: what codecs of Zarr and its kin hand over, all of it in memory.

A chunk is an archive like any other:

    chunk.npy    the array, or the samples that the predictor takes of it
    chunk.json   where these are not the array: its form (see `form`)

Integers of one or two dimensions, (time,) or (time, channel), are predicted wherever their values span 65,536 at most.
Whatever else there is, is packed as it stands.
"""

from __future__ import annotations

import io
import math

import numpy as np

from ..codec.scan import scan
from ..container.archive import ArchiveReader
from ..container.limits import NO_LIMITS
from ..core.coders import CODERS
from ..errors import ArchiveError, LimitError, SelfTestError
from ..io.layout import Bytes, Layout
from ..io.npy import FAULTS, is_predictable, parse_header
from ..io.source import ArraySource, BytesSource, Source
from ..model.predictor import Predictor, default_predictor
from ..system.workers import Workers
from .array_metadata import ArrayMetadata, samples_of
from .compress import write_archive
from .decompress import restore

MAX_CHUNK_BYTES = 2**31 - 1
"""Bytes of an array in a chunk, at most: what Zarr's codecs take."""

_ARRAY, _FORM = "chunk.npy", "chunk.json"
_MOST_BYTES_MORE = 1 << 16  # header of chunk.npy, and chunk.json
_MOST_HEADER_BYTES = 1 << 20  # thousands of fields
_REMEDY = "restore it from a copy"


def encode_chunk(
    array: np.ndarray, *, coder: str = "range", predictor: Predictor | None = None, peers: bool = True
) -> bytes:
    """An array as bytes that `decode_chunk` makes the same array of, with its dtype, shape and order in memory.

    Args:
        array: (time,) or (time, channel) of integers; anything else takes more room.
        coder: name of one of `spikey_cli.core.coders.CODERS`.
        predictor: the network to predict with; by default the one that comes with the package.
        peers: predict channels from each other.

    Raises ValueError where the array is of Python objects or larger than MAX_CHUNK_BYTES, or there is no such coder.
    """
    if coder not in CODERS:
        raise ValueError(f"no coder is called {coder!r}; there are {', '.join(CODERS)}")
    if array.dtype.hasobject:
        raise ValueError(f"an array of {array.dtype} holds Python objects, which are not its bytes")
    if array.nbytes > MAX_CHUNK_BYTES:
        raise ValueError(f"an array of {array.nbytes} bytes is no chunk: {MAX_CHUNK_BYTES} are the most")
    sources = [scan(source) for source in _origins(array)]
    if not any(source.layout for source in sources):
        predictor = None  # and no model is needed to read it
    elif predictor is None:
        predictor = default_predictor()
    while True:
        out = io.BytesIO()
        try:
            write_archive(sources, out, CODERS[coder], predictor, peers, False, Workers(None, 1), None)
            return out.getvalue()
        except SelfTestError:
            predictor = None  # what it wrote could be read on no other machine: naive deltas can


def _origins(array: np.ndarray) -> list[Source]:
    """The files that hold an array."""
    found = samples_of(array)
    if found is not None:
        samples, form = found
        sources: list[Source] = [ArraySource(samples, _ARRAY)]
        return sources + ([BytesSource(form.pack(), _FORM)] if form else [])
    if is_predictable(array.shape, array.dtype) and array.flags.c_contiguous:
        return [ArraySource(array, _ARRAY)]  # it is empty
    saved = io.BytesIO()
    np.save(saved, array, allow_pickle=False)
    return [BytesSource(saved.getvalue(), _ARRAY)]


class _Memory:
    """What a file's bytes go to: `out`, but for so many bytes of head."""

    def __init__(self, out: np.ndarray, head_bytes: int) -> None:
        self._out = out
        self._at = -head_bytes

    def append(self, data: Bytes) -> None:
        skipped = min(max(-self._at, 0), len(data))
        self._at += skipped
        rest = np.frombuffer(data, np.uint8, offset=skipped)
        self._out[self._at : self._at + rest.size] = rest
        self._at += rest.size

    def commit(self) -> None:
        """All is there."""

    def discard(self) -> None:
        """Nothing to clear up."""


def decode_chunk(
    data: bytes | bytearray | memoryview, out: np.ndarray | None = None, *, most_bytes: int = MAX_CHUNK_BYTES
) -> np.ndarray:
    """The array that `encode_chunk` made the bytes of; in `out`, where that is C-contiguous and has as many bytes.

    `out` may have any dtype and shape: its memory is taken. Where it does not fit, or the array was not stored as it
    lies in memory, new memory is returned. Where an error is raised, `out` may hold some of the samples.

    Raises:
        ArchiveError: the bytes are damaged, or no chunk.
        LimitError: the array would have more than `most_bytes`. It is refused before it takes that memory.
        ModelError: the model that they were written with is not installed.
    """
    with ArchiveReader(io.BytesIO(data), NO_LIMITS, called="a chunk", remedy=_REMEDY) as reader:
        sizes = {file.name: file.size for file in reader.directory.files}
        if _ARRAY not in sizes or not sizes.keys() <= {_ARRAY, _FORM}:
            raise ArchiveError(
                f"a chunk: is an archive of {', '.join(sizes)}, not of an array; use `spikey decompress`"
            )
        # signed samples of one byte are stored as two
        if sum(sizes.values()) > most_bytes * (1 + (_FORM in sizes)) + _MOST_BYTES_MORE:
            raise _too_large(most_bytes)
        layout = next(file.layout for file in reader.directory.files if file.name == _ARRAY)
        files = {name: np.empty(size, np.uint8) for name, size in sizes.items() if name == _FORM or layout is None}
        targets = {name: _Memory(memory, 0) for name, memory in files.items()}
        if layout is not None:
            array = _room(layout, out if _FORM not in sizes else None)
            targets[_ARRAY] = _Memory(array.reshape(-1).view(np.uint8), len(layout.header))
        done = restore(reader, targets.__getitem__, 1)
    if done.failures:
        raise done.failures[0]
    if layout is None:
        array = _loaded(files[_ARRAY])
    return _as_it_was(array, files[_FORM].tobytes(), most_bytes) if _FORM in files else array


def _room(layout: Layout, out: np.ndarray | None) -> np.ndarray:
    """An array, in C order, for the samples of a chunk: `out` where they fit."""
    found = parse_header(layout.header)
    samples = (layout.n_frames, layout.channels)
    if found is None:
        raise ArchiveError(f"a chunk: does not tell the shape of its array; {_REMEDY}")
    head_bytes, shape, dtype, is_fortran = found
    # the archive knows how many samples there are: what the head says besides must agree before it is believed
    told = (shape[0], shape[1] if len(shape) == 2 else 1) if shape and is_predictable(shape, dtype) else None
    if told != samples or dtype.itemsize != layout.sample_bytes or head_bytes != len(layout.header):
        raise ArchiveError(f"a chunk: tells of an array of {dtype} and shape {shape}, which it has not; {_REMEDY}")
    if is_fortran or layout.trailer:
        raise ArchiveError(f"a chunk: holds more than an array in C order; {_REMEDY}")
    size = math.prod(shape) * dtype.itemsize
    if out is not None and out.nbytes == size and out.flags.c_contiguous and out.flags.writeable:
        return out.reshape(-1).view(np.uint8).view(dtype).reshape(shape)
    return np.empty(shape, dtype)


def _loaded(file: np.ndarray) -> np.ndarray:
    """The array of a NumPy file, uint8."""
    try:
        return np.load(io.BytesIO(file.data), allow_pickle=False, max_header_size=_MOST_HEADER_BYTES)
    except FAULTS as error:
        raise ArchiveError(f"a chunk: chunk.npy is no file of NumPy, {error}; {_REMEDY}") from error


def _as_it_was(samples: np.ndarray, packed: bytes, most_bytes: int) -> np.ndarray:
    try:
        form = ArrayMetadata.unpack(packed)
        if form.array_bytes(samples.shape) > most_bytes:
            raise _too_large(most_bytes)
        return form.array_of(samples)
    except ValueError as error:
        raise ArchiveError(f"a chunk: what it tells of its array makes no sense, {error}; {_REMEDY}") from error


def _too_large(most_bytes: int) -> LimitError:
    return LimitError(f"a chunk: claims to hold more than the {most_bytes} bytes that it may; {_REMEDY}")
