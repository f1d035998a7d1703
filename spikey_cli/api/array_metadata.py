"""How to rebuild an array from the samples that were coded.

Samples are coded frame after frame, little endian. An integer array is converted to samples of 8 or 16 bits if its
values span at most 65,536. Other integers and floats are samples as they are. The metadata is JSON:

    {"dtype": "<u2", "order": "C", "offset": 32768}
                     the array is the samples plus `offset`, as `dtype`, in this memory order
    {.., "transposed": true}
                     the samples are those of the array's transpose: its second axis is time
    {.., "shape": [30000, 32], "fill": 0}
                     the samples are the array's first frames and channels; all other elements are `fill`, or floats
                     with these bits
    {.., "shape": [50, 4, 1000], "fill": 0}
                     the samples are all elements of the array, whose matrices (of its last two axes) follow one another
                     in time, and are transposed if it says so

The form with fewer samples is for chunks at the edge of an array, which libraries pad with a fill value. That value is
usually not one of the recording's quantized values, and coding it among the samples would take more bytes than the
metadata.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass

import numpy as np

from ..io.axes import as_matrices, is_transposed
from ..io.layout import SampleType

UINT16_OFFSET = 1 << 15
"""Offset of uint16 arrays: with it subtracted they fit int16."""

_SPAN = 1 << 16
_MIN_PADDED_FRAMES = 64  # fewer equal frames may be part of the recording, and are not worth metadata
_DTYPE = re.compile(r"[<>][iu][248]|[<>]f[48]|\|[iu]1")
_KEYS = {"dtype", "order", "offset"}
_PADDED = {"shape", "fill"}


@dataclass(frozen=True)
class ArrayMetadata:
    """How to rebuild an array from samples."""

    dtype: np.dtype
    order: str
    """Memory order of the array: "C" or "F"."""
    offset: int
    """The array's values minus the samples."""
    transposed: bool = False
    """Whether the array is of shape (channels, time)."""
    shape: tuple[int, ...] = ()
    """Shape of the array; () is that of the samples, or of their transpose."""
    fill: int = 0
    """Value of the elements beyond the samples; of floats, their bits as an unsigned integer."""

    def pack(self) -> bytes:
        """Return the metadata as JSON."""
        fields = asdict(self) | {"dtype": self.dtype.str}
        if not self.transposed:
            del fields["transposed"]
        if not self.shape:
            del fields["shape"], fields["fill"]
        return json.dumps(fields).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> ArrayMetadata:
        """Parse what `pack` returned. Raises ValueError if it is malformed."""
        try:
            fields = json.loads(packed)
            if not isinstance(fields, dict) or fields.keys() - {"transposed"} not in (_KEYS, _KEYS | _PADDED):
                raise ValueError("it has other keys")
            if not _DTYPE.fullmatch(fields["dtype"]) or fields["order"] not in ("C", "F"):
                raise ValueError(f"it has the dtype {fields['dtype']!r} and order {fields['order']!r}")
            if fields.get("transposed", True) is not True:
                raise ValueError(f"it has {fields['transposed']!r} for transposed")
            metadata = cls(**fields | {"dtype": np.dtype(fields["dtype"]), "shape": tuple(fields.get("shape", ()))})
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"malformed array metadata: {error}") from error
        if any(type(number) is not int for number in (metadata.offset, metadata.fill, *metadata.shape)):
            raise ValueError(f"malformed array metadata: {fields}")
        return metadata

    def array_bytes(self, sample_shape: tuple[int, ...]) -> int:
        """Return the size in bytes of the array that is rebuilt from samples of this shape."""
        return math.prod(self.shape or sample_shape) * self.dtype.itemsize

    def rebuild(self, samples: np.ndarray) -> np.ndarray:
        """Rebuild the array.

        Parameters
        ----------
        samples : ndarray
            int16 or uint8; or little endian and of the array's dtype, with an offset of 0.

        Raises
        ------
        ValueError
            The samples do not fit this metadata.
        """
        is_whole = samples.dtype == self.dtype.newbyteorder("<") and not self.offset
        if not is_whole and (samples.dtype not in (np.int16, np.uint8) or self.dtype.kind == "f"):
            raise ValueError(f"samples are int16 or uint8, not {samples.dtype}")
        if self.transposed and samples.ndim < 2:
            raise ValueError(f"an array of channels does not hold samples of shape {samples.shape}")
        if len(self.shape) > 2:
            samples = self._all_samples(samples)
        elif self.transposed:
            samples = samples.T
        shape = self.shape or samples.shape
        if len(shape) != samples.ndim or any(n < m for n, m in zip(shape, samples.shape, strict=True)):
            raise ValueError(f"an array of shape {shape} does not hold samples of shape {samples.shape}")
        limits = np.iinfo(_bits_dtype(self.dtype))
        if not limits.min <= self.fill <= limits.max or not limits.min <= self.offset <= limits.max:
            raise ValueError(f"{self.dtype} does not hold {self.fill} or {self.offset}")
        array = np.empty(shape, self.dtype, order="F" if self.order == "F" else "C")
        corner = array[tuple(map(slice, samples.shape))]
        if corner.size < array.size:
            array.view(_bits_dtype(self.dtype))[...] = self.fill
        corner[...] = samples
        if self.offset:
            corner += self.dtype.type(self.offset)  # wraps around, as the subtraction did
        return array

    def _all_samples(self, samples: np.ndarray) -> np.ndarray:
        """Return the samples in the shape of an array of more than two dimensions."""
        *leading, rows, columns = self.shape
        fits = samples.ndim == 2 and self.order == "C" and min(self.shape) > 0 and math.prod(self.shape) == samples.size
        if not fits or (self.transposed and rows != samples.shape[1]):
            raise ValueError(f"an array of shape {self.shape} does not hold samples of shape {samples.shape}")
        return (
            samples.reshape(*leading, columns, rows).swapaxes(-1, -2)
            if self.transposed
            else samples.reshape(self.shape)
        )


def to_samples(array: np.ndarray) -> tuple[np.ndarray, ArrayMetadata | None] | None:
    """Convert an array to samples that the predictor takes.

    Parameters
    ----------
    array : ndarray

    Returns
    -------
    samples : ndarray, little endian, C order
        int16 or uint8 if the values fit.
    metadata : ArrayMetadata or None
        None if the samples equal the array.

    Returns None instead if the array is empty, has no dtype of samples, or has no dimensions, or more than two in
    Fortran order.
    """
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    if not array.ndim or not array.size or not _DTYPE.fullmatch(array.dtype.str) or (array.ndim > 2 and order == "F"):
        return None
    shape, (transposed, array) = array.shape, _as_frames(array)
    corner = _without_padding(array) if len(shape) < 3 else array
    offset = None if array.dtype.kind == "f" else _offset(corner)
    if offset is None:
        if SampleType.of(array.dtype) is None:
            return None
        offset, samples = 0, corner.astype(array.dtype.newbyteorder("<"), copy=False)
    elif offset:
        samples = subtract_offset(corner, offset)
    else:
        is_uint8 = array.dtype.itemsize == 1 and array.dtype.kind == "u"
        samples = corner if is_uint8 else corner.astype(np.int16, copy=False)
    metadata = None
    if len(shape) > 2:
        metadata = ArrayMetadata(array.dtype, order, offset, transposed, shape)
    elif corner.shape != array.shape:
        fill = int(array[-1:].view(_bits_dtype(array.dtype)).flat[-1])
        metadata = ArrayMetadata(array.dtype, order, offset, transposed, shape, fill)
    elif samples.dtype != array.dtype or order == "F" or transposed:
        metadata = ArrayMetadata(array.dtype, order, offset, transposed)
    return np.ascontiguousarray(samples), metadata


def _as_frames(array: np.ndarray) -> tuple[bool, np.ndarray]:
    """Return whether the last axis is time, and the array of shape (time,) or (time, channel)."""
    if array.ndim < 2:
        return False, array
    depth, rows, columns = as_matrices(array.shape)
    matrices = array.reshape(depth, rows, columns)
    if not is_transposed((rows, columns), matrices[depth // 2].__getitem__):
        return False, array if array.ndim == 2 else array.reshape(-1, columns)
    return True, array.T if array.ndim == 2 else matrices.swapaxes(1, 2).reshape(-1, rows)


def subtract_offset(array: np.ndarray, offset: int) -> np.ndarray:
    """Return an integer array minus `offset` as int16, which its values then fit."""
    # the subtraction may wrap around in the array's width; the low 16 bits are correct regardless
    return (array - array.dtype.type(offset)).astype(np.int16)


def _without_padding(array: np.ndarray) -> np.ndarray:
    """Return the array without its last frames and channels, if these are all of one value."""
    array, original = array.view(_bits_dtype(array.dtype)), array
    fill = array.flat[-1]
    is_padded = len(array) > _MIN_PADDED_FRAMES and bool((array[-_MIN_PADDED_FRAMES:] == fill).all())
    if not is_padded and (array.ndim == 1 or not (array[:, -1] == fill).all()):
        return original
    differs = array != fill
    frames = _stop(differs.any(axis=1) if array.ndim == 2 else differs) if is_padded else len(array)
    return original[:frames] if array.ndim == 1 else original[:frames, : _stop(differs.any(axis=0))]


def _bits_dtype(dtype: np.dtype) -> np.dtype:
    """Return the dtype itself, or that of the bits of floats."""
    return dtype if dtype.kind != "f" else np.dtype(f"u{dtype.itemsize}").newbyteorder(dtype.byteorder)


def _stop(flags: np.ndarray) -> int:
    """Return one past the index of the last flag that is set, at least 1."""
    indices = np.flatnonzero(flags)
    return int(indices[-1]) + 1 if indices.size else 1


def _offset(array: np.ndarray) -> int | None:
    """Return what to subtract from integers so that they fit 16 bits; None if they span too much."""
    limits = np.iinfo(array.dtype)
    low, high = limits.min, limits.max
    if high - low >= _SPAN:
        low, high = int(array.min()), int(array.max())
    if low >= -UINT16_OFFSET and high < UINT16_OFFSET:
        return 0
    # the same offset for all unsigned 16-bit values, so that chunks of one recording do not differ in it
    middle = UINT16_OFFSET if low >= 0 and high < _SPAN else (low + high + 1) // 2
    return middle if high - low < _SPAN else None
