"""A chunk of an array as bytes, and back: what codecs of Zarr and its kin hand over, all of it in memory.

A chunk is an archive like any other, of one file, `chunk.npy`, that holds the array. The predictor takes samples of 8
and 16 bits in C order; where the array is another way, `chunk.npy` holds what it takes, and a second file tells the
rest:

    chunk.json   {"dtype": "<u2", "order": "C", "offset": 32768}
                 the array is chunk.npy, plus `offset`, as `dtype`, in that order in memory

Integers of one or two dimensions, (time,) or (time, channel), are predicted wherever their values span 65,536 at most.
Whatever else there is, is packed as it stands.
"""

from __future__ import annotations

import io
import json
import math

import numpy as np

from .archive import ArchiveReader
from .coders import CODERS
from .compressor import write_archive
from .decompressor import restore
from .errors import ArchiveError, LimitError, SelfTestError
from .layout import Bytes
from .limits import NO_LIMITS
from .npy import is_predictable, parse_header
from .origin import ArrayOrigin, BytesOrigin, Origin
from .predictor import Predictor, default_predictor
from .source import look_through
from .workers import Workers

MAX_CHUNK_BYTES = 2**31 - 1
"""Bytes of an array in a chunk, at most: what Zarr's codecs take."""

_ARRAY, _FORM = "chunk.npy", "chunk.json"
_MOST_BYTES_MORE = 1 << 16  # header of chunk.npy, and chunk.json
_SPAN = 1 << 16
_REMEDY = "restore it from a copy"


def encode_chunk(
    array: np.ndarray, *, coder: str = "range", predictor: Predictor | None = None, peers: bool = True
) -> bytes:
    """An array as bytes that `decode_chunk` makes the same array of, with its dtype, shape and order in memory.

    Args:
        array: (time,) or (time, channel) of integers; anything else takes more room.
        coder: name of one of `spikey_cli.coders.CODERS`.
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
    sources = [look_through(origin) for origin in _origins(array)]
    if CODERS[coder].encoder is None or not any(source.layout for source in sources):
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


def _origins(array: np.ndarray) -> list[Origin]:
    """The files that hold an array."""
    is_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    offset = _offset(array) if array.ndim in (1, 2) and array.dtype.kind in "iu" and array.size else None
    if offset is None:
        if is_predictable(array.shape, array.dtype) and not is_fortran:
            return [ArrayOrigin(array, _ARRAY)]  # it is empty
        saved = io.BytesIO()
        np.save(saved, array, allow_pickle=False)
        return [BytesOrigin(saved.getvalue(), _ARRAY)]
    if offset:
        # wraps around in the array's own width, and is right again in 16 bits
        samples = (array - array.dtype.type(offset)).astype(np.int16)
    else:
        samples = array if array.dtype.itemsize == 1 and array.dtype.kind == "u" else array.astype(np.int16, copy=False)
    origins: list[Origin] = [ArrayOrigin(np.ascontiguousarray(samples), _ARRAY)]
    if samples.dtype != array.dtype or is_fortran:
        form = {"dtype": array.dtype.str, "order": "F" if is_fortran else "C", "offset": offset}
        origins.append(BytesOrigin(json.dumps(form).encode(), _FORM))
    return origins


def _offset(array: np.ndarray) -> int | None:
    """What is to be taken from integers for them to fit into 16 bits; None where nothing helps."""
    bits = np.iinfo(array.dtype)
    low, high = bits.min, bits.max
    if high - low >= _SPAN:
        low, high = int(array.min()), int(array.max())
    if low >= -(_SPAN // 2) and high < _SPAN // 2:
        return 0
    # unsigned ones of 16 bits always by the middle, lest chunks of one recording differ
    middle = _SPAN // 2 if low >= 0 and high < _SPAN else (low + high + 1) // 2
    return middle if high - low < _SPAN else None


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
    lies in memory, new memory is returned.

    Raises ArchiveError where the bytes are damaged, or no chunk, and ModelError where the model that they were written
    with is not installed.
    """
    with ArchiveReader(io.BytesIO(data), NO_LIMITS, called="a chunk", remedy=_REMEDY) as reader:
        sizes = {file.name: file.size for file in reader.directory.files}
        if _ARRAY not in sizes or not sizes.keys() <= {_ARRAY, _FORM}:
            raise ArchiveError(
                f"a chunk: is an archive of {', '.join(sizes)}, not of an array; use `spikey decompress`"
            )
        # signed samples of one byte are stored as two
        if sum(sizes.values()) > most_bytes * (1 + (_FORM in sizes)) + _MOST_BYTES_MORE:
            raise LimitError(f"a chunk: claims to hold more than the {most_bytes} bytes that it may; {_REMEDY}")
        layout = next(file.layout for file in reader.directory.files if file.name == _ARRAY)
        files = {name: np.empty(size, np.uint8) for name, size in sizes.items() if name == _FORM or layout is None}
        targets = {name: _Memory(memory, 0) for name, memory in files.items()}
        if layout is not None:
            array = _room(layout.head, out if _FORM not in sizes else None)
            targets[_ARRAY] = _Memory(array.reshape(-1).view(np.uint8), len(layout.head))
        done = restore(reader, targets.__getitem__, 1)
    if done.failures:
        raise done.failures[0]
    if layout is None:
        array = np.load(io.BytesIO(files[_ARRAY].tobytes()), allow_pickle=False)
    return _as_it_was(array, files[_FORM].tobytes()) if _FORM in files else array


def _room(head: bytes, out: np.ndarray | None) -> np.ndarray:
    """An array, in C order, for the samples that follow `head`: `out` where they fit."""
    found = parse_header(head)
    if found is None:
        raise ArchiveError(f"a chunk: does not tell the shape of its array; {_REMEDY}")
    _, shape, dtype, _ = found
    size = math.prod(shape) * dtype.itemsize
    if out is not None and out.nbytes == size and out.flags.c_contiguous and out.flags.writeable:
        return out.reshape(-1).view(np.uint8).view(dtype).reshape(shape)
    return np.empty(shape, dtype)


def _as_it_was(samples: np.ndarray, form: bytes) -> np.ndarray:
    try:
        told = json.loads(form)
        dtype, order, offset = np.dtype(told["dtype"]), told["order"], int(told["offset"])
        if dtype.kind not in "iu" or order not in ("C", "F") or samples.dtype.kind not in "iu":
            raise ValueError(f"no array of integers: {told}")
        array = (
            samples.astype(dtype)
            if offset == 0
            else (samples.astype(dtype) + dtype.type(offset)).astype(dtype, copy=False)
        )
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ArchiveError(f"a chunk: what it tells of its array makes no sense, {error}; {_REMEDY}") from error
    return np.asfortranarray(array) if order == "F" else array
