"""The form of an array: what is to be told beside the samples that the predictor takes of it.

The predictor takes samples of 8 and 16 bits, frame after frame. An array of integers gives them where its values span
65,536 at most. What the samples do not tell stands in JSON:

    {"dtype": "<u2", "order": "C", "offset": 32768}
                     the array is the samples, plus `offset`, as `dtype`, in that order in memory
    {.., "shape": [30000, 32], "fill": 0}
                     the samples are its first frames and channels; all else is `fill`

Chunks at the edge of an array are filled up. A fill value is on no converter's grid: among the samples it would cost
more than itself.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass

import numpy as np

MIDDLE = 1 << 15
"""What is taken of unsigned integers of 16 bits, for them to be signed."""

_SPAN = 2 * MIDDLE
_LEAST_FRAMES = 64  # fewer that are equal may be a recording's own, and are not worth a form
_DTYPE = re.compile(r"[<>][iu][248]|\|[iu]1")
_KEYS = {"dtype", "order", "offset"}, {"dtype", "order", "offset", "shape", "fill"}


@dataclass(frozen=True)
class ArrayMetadata:
    """How an array of integers, of one or two dimensions, comes of samples."""

    dtype: np.dtype
    order: str
    """In memory: "C", frame after frame, or "F", channel after channel."""
    offset: int
    """What the array's values are more than the samples."""
    shape: tuple[int, ...] = ()
    """Of the array; (): that of the samples."""
    fill: int = 0
    """The value of all that lies beyond the samples."""

    def pack(self) -> bytes:
        """The form as JSON."""
        told = asdict(self) | {"dtype": self.dtype.str}
        if not self.shape:
            del told["shape"], told["fill"]
        return json.dumps(told).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> ArrayMetadata:
        """The reverse of `pack`. Raises ValueError where it makes no sense."""
        try:
            told = json.loads(packed)
            if not isinstance(told, dict) or told.keys() not in _KEYS:
                raise ValueError("it has other keys")
            if not _DTYPE.fullmatch(told["dtype"]) or told["order"] not in ("C", "F"):
                raise ValueError(f"it is of {told['dtype']!r} in order {told['order']!r}")
            form = cls(**told | {"dtype": np.dtype(told["dtype"]), "shape": tuple(told.get("shape", ()))})
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"no form of an array: {error}") from error
        if any(type(number) is not int for number in (form.offset, form.fill, *form.shape)):
            raise ValueError(f"no form of an array: {told}")
        return form

    def array_bytes(self, sample_shape: tuple[int, ...]) -> int:
        """Bytes of the array that comes of samples of this shape."""
        return math.prod(self.shape or sample_shape) * self.dtype.itemsize

    def array_of(self, samples: np.ndarray) -> np.ndarray:
        """The array, of samples int16 or uint8. Raises ValueError where they do not fit."""
        if samples.dtype not in (np.int16, np.uint8):
            raise ValueError(f"samples are of one or two bytes, and these are {samples.dtype}")
        shape = self.shape or samples.shape
        if len(shape) != samples.ndim or any(n < m for n, m in zip(shape, samples.shape, strict=True)):
            raise ValueError(f"an array of shape {shape} does not hold samples of shape {samples.shape}")
        bits = np.iinfo(self.dtype)
        if not bits.min <= self.fill <= bits.max or not bits.min <= self.offset <= bits.max:
            raise ValueError(f"{self.dtype} does not hold {self.fill} or {self.offset}")
        array = np.empty(shape, self.dtype, order="F" if self.order == "F" else "C")
        corner = array[tuple(map(slice, samples.shape))]
        if corner.size < array.size:
            array[...] = self.fill
        corner[...] = samples
        if self.offset:
            corner += self.dtype.type(self.offset)  # wraps around, as it did
        return array


def samples_of(array: np.ndarray) -> tuple[np.ndarray, ArrayMetadata | None] | None:
    """Samples, int16 or uint8 in C order, that an array is made of, and its form where they do not tell it.

    None where it has no values, is not of integers of one or two dimensions, or these span more than 65,536.
    """
    if array.ndim not in (1, 2) or array.dtype.kind not in "iu" or not array.size:
        return None
    corner = _without_filling(array)
    offset = _offset(corner)
    if offset is None:
        return None
    if offset:
        samples = lowered(corner, offset)
    else:
        is_byte = array.dtype.itemsize == 1 and array.dtype.kind == "u"
        samples = corner if is_byte else corner.astype(np.int16, copy=False)
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    form = None
    if corner.shape != array.shape:
        form = ArrayMetadata(array.dtype, order, offset, array.shape, int(array.flat[-1]))
    elif samples.dtype != array.dtype or order == "F":
        form = ArrayMetadata(array.dtype, order, offset)
    return np.ascontiguousarray(samples), form


def lowered(array: np.ndarray, offset: int) -> np.ndarray:
    """Integers less `offset`, int16, which then they fit into."""
    # wraps around in the array's own width, and is right again in 16 bits
    return (array - array.dtype.type(offset)).astype(np.int16)


def _without_filling(array: np.ndarray) -> np.ndarray:
    """The array without its last frames and channels, where these are all of one value."""
    fill = array.flat[-1]
    last_frames = array[-_LEAST_FRAMES:]
    is_filled_up = len(array) > _LEAST_FRAMES and bool((last_frames == fill).all())
    if not is_filled_up and (array.ndim == 1 or not (array[:, -1] == fill).all()):
        return array
    differs = array != fill
    frames = _last(differs.any(axis=1) if array.ndim == 2 else differs) if is_filled_up else len(array)
    return array[:frames] if array.ndim == 1 else array[:frames, : _last(differs.any(axis=0))]


def _last(flags: np.ndarray) -> int:
    """Up to the last one that is set, at least 1."""
    found = np.flatnonzero(flags)
    return int(found[-1]) + 1 if found.size else 1


def _offset(array: np.ndarray) -> int | None:
    """What is to be taken from integers for them to fit into 16 bits; None where nothing helps."""
    bits = np.iinfo(array.dtype)
    low, high = bits.min, bits.max
    if high - low >= _SPAN:
        low, high = int(array.min()), int(array.max())
    if low >= -MIDDLE and high < MIDDLE:
        return 0
    # unsigned ones of 16 bits always by the middle, lest chunks of one recording differ
    middle = MIDDLE if low >= 0 and high < _SPAN else (low + high + 1) // 2
    return middle if high - low < _SPAN else None
