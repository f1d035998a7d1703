"""An array in memory as bytes and back, for the chunk codecs of Zarr and similar libraries.

A chunk is an archive with these files:

    chunk.npy    the array, or the samples that the predictor takes instead
    chunk.json   how to rebuild the array from the samples (see `array_metadata`), if they are not the array

Arrays of shape (time,), (time, channel) or (channel, time), or of more dimensions in C order, are predicted if they
hold integers, or floats that are integers times a gain (see `core.scaling`); `io.axes` finds out which axis is time.
All other arrays are kept: their bytes are deflated.

The core decodes chunks (`core/c/chunk.c`), as other languages do. A chunk of a model that it does not have, or whose
fields have names beyond Latin-1, is read as the archive that it is.
"""

from __future__ import annotations

import ast
import io
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.lib import format as npy_format

from ..codec.coding_state import CodingState
from ..codec.presets import DEFAULT_PRESET, Preset, find_preset
from ..codec.scan import ScannedSource, UnscaledError, scan
from ..container.archive import FROM_COPY, ArchiveReader
from ..container.limits import DEFAULT_LIMITS, Limits
from ..core import _core
from ..core.coders import CORE_CODERS, Coder, find_coder
from ..core.quantizer import IDENTITY
from ..errors import ArchiveError, DamageError, InputError, LimitError, SelfTestError
from ..io.layout import Bytes
from ..io.npy import FAULTS, is_predictable, parse_header
from ..io.records import FLOAT64, KEPT_TYPES, MAX_RECORD_BYTES, Field, RecordLayout
from ..io.source import ArraySource, BytesSource
from ..model.predictor import Predictor, default_predictor
from ..system.workers import Workers
from .array_metadata import ArrayMetadata, to_samples
from .compress import write_archive
from .decompress import restore

MAX_CHUNK_BYTES = 2**31 - 1
"""Largest array in a chunk, in bytes: the limit of Zarr's codecs."""

_CHUNK = "a chunk"  # in error messages
_ARRAY, _METADATA = "chunk.npy", "chunk.json"
_MAX_OVERHEAD = 1 << 16  # header of chunk.npy, and chunk.json
_MAX_NPY_HEADER = 1 << 20  # a structured dtype may have thousands of fields
_ANY = 1 << 60
# errors of the core, see `core/c/spikey.h`
_DAMAGED, _UNSUPPORTED, _TOO_LARGE = -11, -12, -13
_LIMITS = {-14: "memory", -15: "expansion"}


def encode_chunk(
    array: np.ndarray,
    *,
    coder: str = "range",
    predictor: Predictor | None = None,
    peers: bool = True,
    preset: str = DEFAULT_PRESET,
) -> bytes:
    """Encode an array with its dtype, shape and memory order.

    Parameters
    ----------
    array : ndarray
        Samples of shape (time,), (time, channel) or (channel, time), or matrices of these one after another.
    coder, predictor, peers, preset : optional
        As in `Encoding`, but the coder is not the preset's.

    Returns
    -------
    bytes

    Raises
    ------
    TypeError
        The array holds Python objects.
    ValueError
        It has more than MAX_CHUNK_BYTES, or there is no such coder or preset.
    InputError
        It changed while it was encoded.
    """
    entropy_coder, effort = find_coder(coder), find_preset(preset)
    if array.dtype.hasobject:
        raise TypeError(f"an array of {array.dtype} holds Python objects, which cannot be stored; convert them")
    if array.nbytes > MAX_CHUNK_BYTES:
        raise ValueError(f"an array of {array.nbytes} bytes is too large: a chunk has {MAX_CHUNK_BYTES} at most")
    if peers and coder in CORE_CODERS and array.ndim and array.dtype.kind in "iu":
        data = _encode_integers(array, coder, preset, predictor)
        if data is not None:
            return data
    return _encode_archive(array, entropy_coder, effort, predictor, peers=peers)


def _encode_integers(array: np.ndarray, coder: str, preset: str, predictor: Predictor | None) -> bytes | None:
    """Encode an array of integers in the core; None if it has not the predictor, or the integers span too much."""
    default = default_predictor()
    if predictor and predictor.digest != default.digest:
        return None
    try:
        CodingState.test(default)
    except SelfTestError:
        return None
    is_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    flat = (array if is_fortran else np.ascontiguousarray(array)).reshape(-1, order="F" if is_fortran else "C")
    memory = flat.view(np.uint8)
    error, reason, data = _core.encode_chunk(memory, array.dtype.str, is_fortran, array.shape, coder, preset)
    if error and error != _UNSUPPORTED:
        raise InputError(f"{_CHUNK}: {reason}")
    return data


def _encode_archive(
    array: np.ndarray, coder: Coder, preset: Preset, predictor: Predictor | None, *, peers: bool
) -> bytes:
    """Encode any array as the archive that a chunk is."""
    sources = _scanned(array)
    # without samples no model is needed, neither here nor for reading
    has_samples = any(source.layout for source in sources)
    predictor = (predictor or default_predictor()) if has_samples else None
    while True:
        file = io.BytesIO()
        try:
            write_archive(
                sources,
                file,
                coder,
                predictor,
                Workers(None, 1),
                preset=preset,
                peers=peers,
                embed_model=False,
                may_use_lzma=False,
            )
            return file.getvalue()
        except SelfTestError:
            predictor = None  # no other machine could read what it predicted


def _scanned(array: np.ndarray) -> list[ScannedSource]:
    """Return the files of a chunk."""
    converted = to_samples(array)
    try:
        if converted is not None:
            samples, metadata = converted
            scanned = [scan(ArraySource(samples, _ARRAY))]
            return scanned + ([scan(BytesSource(metadata.pack(), _METADATA))] if metadata else [])
        if is_predictable(array.shape, array.dtype) and array.flags.c_contiguous:
            return [scan(ArraySource(array, _ARRAY))]  # an empty array
    except UnscaledError:
        pass
    return [_kept(array)]


def _kept(array: np.ndarray) -> ScannedSource:
    """Return an array that is not predicted: a file of records, each of which is a number of the array."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    source = BytesSource(file.getvalue(), _ARRAY)
    scanned = ScannedSource(source, _ARRAY, source.status(), None, IDENTITY, ())
    if array.nbytes == 0 or array.itemsize > MAX_RECORD_BYTES:
        return scanned
    width = array.itemsize if array.itemsize in KEPT_TYPES else 1
    kept_type = FLOAT64 if array.dtype == "<f8" else width
    fields = (Field(array.itemsize // width, kept_type=kept_type),)
    header = source.data[: len(source.data) - array.nbytes]
    return scanned._replace(records=RecordLayout(header, b"", array.size, (), fields))


@dataclass(frozen=True)
class _ExpectedLimits(Limits):
    """Limits of a reader that has memory for an array of so many bytes anyway."""

    expected: int = 0

    def block_samples(self, archive_bytes: int) -> int:
        return max(super().block_samples(archive_bytes), self.expected)

    def restored_bytes(self, archive_bytes: int) -> int:
        # int8 arrays are coded as int16 samples
        return max(super().restored_bytes(archive_bytes), 2 * self.expected + _MAX_OVERHEAD)


class _MemoryTarget:
    """A target of `restore` in memory."""

    def __init__(self, memory: np.ndarray) -> None:
        self._memory = memory
        self._at = 0

    def append(self, *pieces: Bytes) -> None:
        for data in pieces:
            self._memory[self._at : self._at + len(data)] = np.frombuffer(data, np.uint8)
            self._at += len(data)

    def commit(self, *pieces: Bytes) -> None:
        self.append(*pieces)

    def discard(self) -> None:
        """Do nothing: there is no file to delete."""


def decode_chunk(
    data: bytes | bytearray | memoryview,
    out: np.ndarray | None = None,
    *,
    max_bytes: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> np.ndarray:
    """Decode what `encode_chunk` returned.

    Parameters
    ----------
    data : bytes-like
    out : ndarray, optional
        Memory to decode into, if it is C-contiguous and has as many bytes; its dtype and shape do not matter. If an
        error is raised, it may hold some of the samples.
    max_bytes : int, optional
        Refuse an array of more bytes before allocating them; one of so many is expected, and never too large for the
        size of `data`.
    limits : Limits, optional
        What the chunk may ask for, as of an archive.

    Returns
    -------
    ndarray
        A view of `out` if that could be used.

    Raises
    ------
    ArchiveError
        The data is damaged, or is not a chunk.
    LimitError
        The array has more than `max_bytes`, or the chunk exceeds `limits`.
    ModelError
        The network that it was encoded with is not installed.
    """
    most = MAX_CHUNK_BYTES if max_bytes is None else max_bytes
    bounds = [min(max(bound, 0), _ANY) for bound in (limits.memory, limits.expansion, most, max_bytes or 0)]
    error, reason, *described = _core.describe_chunk(data, *bounds)
    if error == _UNSUPPORTED:
        return _decode_archive(data, most, _ExpectedLimits(limits.memory, limits.expansion, max_bytes or 0))
    _check(error, reason, most)
    descr, is_fortran, shape, size = described
    dtype = _dtype(descr)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != size:
        raise _damaged(f"chunk.npy is malformed: it holds no array of {dtype} and shape {shape}")
    order: Literal["C", "F"] = "F" if is_fortran else "C"
    if out is None or out.nbytes != size or not out.flags.c_contiguous or not out.flags.writeable or is_fortran:
        out = np.empty(size, np.uint8)
    memory = out.reshape(-1).view(np.uint8) if size else np.empty(0, np.uint8)
    try:
        array = np.ndarray(shape, dtype, memory, order=order)
    except FAULTS as error:  # such as more dimensions than NumPy has
        raise _damaged(f"chunk.npy is malformed: {error}") from error
    _check(*_core.decode_chunk(data, *bounds, memory), most)
    return array


def _check(error: int, reason: str | None, max_bytes: int) -> None:
    """Raise what an error of the core stands for."""
    if error == _DAMAGED:
        raise _damaged(reason or "")
    if error == _TOO_LARGE:
        raise _too_large(max_bytes)
    if error in _LIMITS:
        raise LimitError(f"{_CHUNK}: {reason}; if you trust it, raise the limit", parameter=_LIMITS[error])
    if error:
        raise ArchiveError(f"{_CHUNK}: {reason}")


def _dtype(descr: str) -> np.dtype:
    """Return the dtype that the header of chunk.npy states: a name, or a list of fields."""
    try:
        return npy_format.descr_to_dtype(ast.literal_eval(descr)) if descr.startswith("[") else np.dtype(descr)
    except FAULTS as error:
        raise _damaged(f"chunk.npy is malformed: {error}") from error


def _decode_archive(data: bytes | bytearray | memoryview, max_bytes: int, limits: Limits) -> np.ndarray:
    """Decode a chunk that the core does not: of a model that is no chain or does not come with the package."""
    with ArchiveReader(io.BytesIO(data), limits, called=_CHUNK, remedy=FROM_COPY) as reader:
        sizes = {entry.name: entry.size for entry in reader.directory.files if entry.is_file}
        if _ARRAY not in sizes or not sizes.keys() <= {_ARRAY, _METADATA}:
            raise ArchiveError(f"a chunk: is an archive of {', '.join(sizes)}, not of an array; decompress it instead")
        if sum(sizes.values()) > max_bytes * (1 + (_METADATA in sizes)) + _MAX_OVERHEAD:
            raise _too_large(max_bytes)
        files = {name: np.empty(size, np.uint8) for name, size in sizes.items()}
        targets = {name: _MemoryTarget(memory) for name, memory in files.items()}
        restored = restore(reader, targets.__getitem__, 1)
    if restored.failures:
        raise restored.failures[0]
    array = _load(files[_ARRAY])
    return _rebuild(array, files[_METADATA].tobytes(), max_bytes) if _METADATA in files else array


def _load(file: np.ndarray) -> np.ndarray:
    """Load the array of an .npy file that is given as uint8."""
    fields = parse_header(file[:_MAX_NPY_HEADER].tobytes())
    if fields and math.prod(fields.shape) * fields.dtype.itemsize > file.size - fields.length:
        raise _damaged("chunk.npy states more values than it holds")  # before memory is asked for them
    try:
        return np.load(io.BytesIO(file.data), allow_pickle=False, max_header_size=_MAX_NPY_HEADER)
    except FAULTS as error:
        raise _damaged(f"chunk.npy is malformed: {error}") from error


def _rebuild(samples: np.ndarray, packed: bytes, max_bytes: int) -> np.ndarray:
    try:
        metadata = ArrayMetadata.unpack(packed)
        if metadata.array_bytes(samples.shape) > max_bytes:
            raise _too_large(max_bytes)
        return metadata.rebuild(samples)
    except ValueError as error:
        raise _damaged(f"chunk.json is malformed: {error}") from error


def _damaged(reason: str) -> DamageError:
    return DamageError(reason, path=_CHUNK, remedy=FROM_COPY)


def _too_large(max_bytes: int) -> LimitError:
    return LimitError(f"{_CHUNK}: has more than {max_bytes} bytes; if you trust it, raise max_bytes")
