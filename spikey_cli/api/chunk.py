"""An array in memory as bytes and back, for the chunk codecs of Zarr and similar libraries.

A chunk is an archive with these files:

    chunk.npy    the array, or the samples that the predictor takes instead
    chunk.json   how to rebuild the array from the samples (see `array_metadata`), if they are not the array

Arrays of shape (time,) or (time, channel) are predicted if they hold integers, or floats that are integers times a gain
(see `core.scaling`). All other arrays are stored verbatim.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np

from ..codec.presets import DEFAULT_PRESET, find_preset
from ..codec.scan import UnscaledError, scan
from ..container.archive import FROM_COPY, ArchiveReader
from ..container.limits import DEFAULT_LIMITS, Limits
from ..core.coders import find_coder
from ..errors import ArchiveError, DamageError, LimitError, SelfTestError
from ..io.layout import Bytes, Layout, SampleType
from ..io.npy import FAULTS, is_predictable, parse_header
from ..io.source import ArraySource, BytesSource, Source
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
        Samples of shape (time,) or (time, channel); other arrays compress less.
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
    """
    entropy_coder, effort = find_coder(coder), find_preset(preset)
    if array.dtype.hasobject:
        raise TypeError(f"an array of {array.dtype} holds Python objects, which cannot be stored; convert them")
    if array.nbytes > MAX_CHUNK_BYTES:
        raise ValueError(f"an array of {array.nbytes} bytes is too large: a chunk has {MAX_CHUNK_BYTES} at most")
    try:
        sources = [scan(source) for source in _sources(array)]
    except UnscaledError:
        sources = [scan(_verbatim(array))]
    # without samples no model is needed, neither here nor for reading
    has_samples = any(source.layout for source in sources)
    predictor = (predictor or default_predictor()) if has_samples else None
    while True:
        file = io.BytesIO()
        try:
            write_archive(
                sources, file, entropy_coder, predictor, Workers(None, 1), preset=effort, peers=peers, embed_model=False
            )
            return file.getvalue()
        except SelfTestError:
            predictor = None  # no other machine could read what it predicted


def _sources(array: np.ndarray) -> list[Source]:
    """Return the files of a chunk."""
    converted = to_samples(array)
    if converted is not None:
        samples, metadata = converted
        sources: list[Source] = [ArraySource(samples, _ARRAY)]
        return sources + ([BytesSource(metadata.pack(), _METADATA)] if metadata else [])
    if is_predictable(array.shape, array.dtype) and array.flags.c_contiguous:
        return [ArraySource(array, _ARRAY)]  # an empty array
    return [_verbatim(array)]


def _verbatim(array: np.ndarray) -> Source:
    if is_predictable(array.shape, array.dtype) and array.flags.c_contiguous:
        return ArraySource(array, _ARRAY, verbatim=True)
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return BytesSource(file.getvalue(), _ARRAY)


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
    """A target of `restore` in memory: the bytes of a file without its first `skipped` bytes."""

    def __init__(self, memory: np.ndarray, skipped: int) -> None:
        self._memory = memory
        self._at = -skipped

    def append(self, *pieces: Bytes) -> None:
        for data in pieces:
            skipped = min(max(-self._at, 0), len(data))
            self._at += skipped
            rest = np.frombuffer(data, np.uint8, offset=skipped)
            self._memory[self._at : self._at + rest.size] = rest
            self._at += rest.size

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
    if max_bytes is None:
        max_bytes = MAX_CHUNK_BYTES
    else:
        limits = _ExpectedLimits(limits.memory, limits.expansion, max_bytes)
    with ArchiveReader(io.BytesIO(data), limits, called=_CHUNK, remedy=FROM_COPY) as reader:
        sizes = {entry.name: entry.size for entry in reader.directory.files}
        if _ARRAY not in sizes or not sizes.keys() <= {_ARRAY, _METADATA}:
            raise ArchiveError(f"a chunk: is an archive of {', '.join(sizes)}, not of an array; decompress it instead")
        if sum(sizes.values()) > max_bytes * (1 + (_METADATA in sizes)) + _MAX_OVERHEAD:
            raise _too_large(max_bytes)
        layout = next(entry.layout for entry in reader.directory.files if entry.name == _ARRAY)
        files = {name: np.empty(size, np.uint8) for name, size in sizes.items() if name == _METADATA or layout is None}
        targets = {name: _MemoryTarget(memory, 0) for name, memory in files.items()}
        if layout is not None:
            array = _allocate(layout, None if _METADATA in sizes else out)
            targets[_ARRAY] = _MemoryTarget(array.reshape(-1).view(np.uint8), len(layout.header))
        restored = restore(reader, targets.__getitem__, 1)
    if restored.failures:
        raise restored.failures[0]
    if layout is None:
        array = _load(files[_ARRAY])
    return _rebuild(array, files[_METADATA].tobytes(), max_bytes) if _METADATA in files else array


def _allocate(layout: Layout, out: np.ndarray | None) -> np.ndarray:
    """Return an array in C order for the samples of a chunk: `out` if they fit."""
    fields = parse_header(layout.header)
    if fields is None:
        raise _damaged("it has no header that states the shape of its array")
    _, shape, dtype, is_fortran = fields
    # the archive states the number of samples: the header must agree with it before its shape is trusted
    stated = (shape[0], shape[1] if len(shape) == 2 else 1) if shape and is_predictable(shape, dtype) else None
    if (
        stated != (layout.n_frames, layout.channels)
        or SampleType.of(dtype) != layout.sample_type
        or fields.length != len(layout.header)
    ):
        raise _damaged(f"it states an array of {dtype} and shape {shape}, which its samples do not match")
    if is_fortran or layout.trailer:
        raise _damaged("it holds more than an array in C order")
    size = math.prod(shape) * dtype.itemsize
    if out is not None and out.nbytes == size and out.flags.c_contiguous and out.flags.writeable:
        return out.reshape(-1).view(np.uint8).view(dtype).reshape(shape)
    return np.empty(shape, dtype)


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
