"""Where the samples are in the bytes of a file.

A file is split into three parts. Their concatenation is the file, byte for byte:

    header    bytes before the samples: the header of a WAV or NPY file; empty for raw samples
    data      frame 0, frame 1, ...; a frame is one sample of each channel, little endian
    trailer   bytes after the last complete frame: an incomplete frame, padding, later chunks

Integers of 1, 2 and 3 bytes are coded as they are. Samples of other types are computed from integers that are coded in
their place (see `core.scaling`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np

from ..errors import InputError

MAX_HEADER_BYTES = 64 << 10
MAX_TRAILER_BYTES = 64 << 10

MAX_CHANNELS = 2**16 - 1
MAX_RATE = 2**32 - 1

Bytes = bytes | bytearray | memoryview

SAMPLE_BYTES = (1, 2, 3)
"""Widths in bytes of the integers that are coded as they are."""


class SampleType(IntEnum):
    """Type of a sample in a file; the numbers stand in archives.

    Types 1 to 3 are integers of as many bytes, which are coded as they are.
    """

    UINT8 = 1
    INT16 = 2
    INT24 = 3
    INT32 = 4
    FLOAT32 = 5
    FLOAT64 = 6
    UINT16 = 7
    UINT32 = 8
    INT64 = 9

    def __str__(self) -> str:
        return self.name.lower()

    @property
    def bytes(self) -> int:
        """Bytes per sample in a file."""
        return 3 if self is SampleType.INT24 else self.dtype.itemsize

    @property
    def dtype(self) -> np.dtype:
        """Dtype of samples in memory; int32 for INT24."""
        return _DTYPES[self]

    @property
    def is_scaled(self) -> bool:
        """Whether samples are computed from the integers that are coded, instead of being these integers."""
        return self not in SAMPLE_BYTES

    @classmethod
    def of(cls, dtype: np.dtype) -> SampleType | None:
        """Return the type of an array's samples, of any byte order, or None."""
        return _TYPES.get(np.dtype(dtype).newbyteorder("="))

    @classmethod
    def named(cls, name: str) -> SampleType | None:
        """Return the type of this name, such as "float32", or None."""
        return cls.__members__.get(name.upper()) if name == name.lower() else None


_DTYPES: dict[SampleType, np.dtype] = {
    each: np.dtype(np.int32 if each is SampleType.INT24 else each.name.lower()) for each in SampleType
}
_TYPES = {dtype: each for each, dtype in _DTYPES.items() if each is not SampleType.INT24}
_RANGES = {1: (0, 0xFF), 2: (-0x8000, 0x7FFF), 3: (-0x800000, 0x7FFFFF)}


@dataclass(frozen=True)
class Layout:
    """The layout of a file: `header`, then `n_frames` frames, then `trailer`."""

    header: bytes
    """Bytes before the first sample; at most MAX_HEADER_BYTES."""
    trailer: bytes
    """Bytes after the last complete frame; at most MAX_TRAILER_BYTES."""
    sample_rate: int
    """Frames per second as the file states it, 0 to 2**32 - 1; 0 if unknown."""
    channels: int
    """1 to 65535."""
    sample_type: SampleType
    n_frames: int

    def __post_init__(self) -> None:
        if len(self.header) > MAX_HEADER_BYTES or len(self.trailer) > MAX_TRAILER_BYTES:
            raise ValueError(f"{len(self.header)} bytes of header or {len(self.trailer)} of trailer are too many")
        object.__setattr__(self, "sample_type", SampleType(self.sample_type))

    def __str__(self) -> str:
        samples = f"{self.channels} x {self.n_frames:,} samples"
        return f"{samples}, {self.sample_type}, {self.sample_rate:,} Hz"

    @property
    def sample_bytes(self) -> int:
        """Bytes per sample."""
        return self.sample_type.bytes

    @property
    def data_offset(self) -> int:
        """Offset of the first sample in the file, in bytes."""
        return len(self.header)

    @cached_property
    def frame_bytes(self) -> int:
        """Bytes per frame."""
        return self.channels * self.sample_bytes

    @property
    def file_bytes(self) -> int:
        """Size of the file in bytes."""
        return len(self.header) + self.n_frames * self.frame_bytes + len(self.trailer)


def stated_rate(rate: float, what: object) -> int:
    """Return the rate that a caller states for `what`, in whole Hz. Raises InputError if archives cannot store it."""
    if not 0 <= rate <= MAX_RATE or rate % 1:
        raise InputError(
            f"{what}: a rate of {rate} Hz cannot be stored; pass whole Hz, {MAX_RATE} at most", parameter="sample_rate"
        )
    return int(rate)


def whole_rate(rate: float) -> int:
    """Round a sampling rate to whole Hz, as archives store it; 0 (unknown) if that changes it by over 0.1 %."""
    return round(rate) if abs(round(rate) - rate) * 1000 <= rate else 0


def sample_dtype(sample_type: int) -> np.dtype:
    """Return the dtype of samples of a type in memory, such as int32 for integers of 24 bits."""
    return SampleType(sample_type).dtype


def sample_range(sample_bytes: int) -> tuple[int, int]:
    """Return the lowest and the highest value of integers of 1 (unsigned), 2 or 3 bytes."""
    return _RANGES[sample_bytes]


def zero_sample(sample_type: int) -> int:
    """Return the value of a zero-filled sample: 128, the middle of the range, for unsigned bytes; otherwise 0."""
    return 128 if sample_type == SampleType.UINT8 else 0


def zero_fill(count: int, sample_type: int) -> bytes:
    """Return `count` bytes of zero-filled samples; `sample_type` is 0 for a file without samples."""
    return bytes([zero_sample(sample_type)]) * count


def samples_from_bytes(data: Bytes, channels: int, sample_type: int) -> np.ndarray:
    """Convert the bytes of complete frames to samples.

    Parameters
    ----------
    data : bytes-like
        Complete frames, little endian.
    channels : int
    sample_type : SampleType

    Returns
    -------
    ndarray of `sample_dtype`, shape (frames, channels)
        A view of `data` on a little-endian machine, unless samples have three bytes.

    Raises
    ------
    ValueError
        `data` does not consist of complete frames.
    """
    dtype = sample_dtype(sample_type)
    if sample_type != SampleType.INT24:
        return np.frombuffer(data, dtype.newbyteorder("<")).reshape(-1, channels).astype(dtype, copy=False)
    packed = np.frombuffer(data, np.uint8).reshape(-1, channels, 3)
    padded = np.zeros((*packed.shape[:2], 4), np.uint8)
    # the sample goes into the upper three bytes, so that shifting it down extends its sign
    for i in range(3):
        padded[:, :, i + 1] = packed[:, :, i]
    samples = padded.view("<i4")[:, :, 0]
    samples >>= 8
    return samples.astype(np.int32, copy=False)


def samples_to_bytes(samples: np.ndarray, sample_type: int) -> bytes:
    """Convert samples to bytes, little endian: the inverse of `samples_from_bytes`.

    Parameters
    ----------
    samples : ndarray of `sample_dtype`, any shape
        Integers of 24 bits are within `sample_range`.
    sample_type : SampleType

    Raises
    ------
    ValueError
        `samples` has another dtype.
    """
    dtype = sample_dtype(sample_type)
    if samples.dtype != dtype:
        raise ValueError(f"samples of type {SampleType(sample_type)} are {dtype}, not {samples.dtype}")
    data = np.ascontiguousarray(samples, dtype.newbyteorder("<"))
    if sample_type != SampleType.INT24:
        return data.tobytes()
    padded = data.view(np.uint8).reshape(-1, 4)
    packed = np.empty((padded.shape[0], 3), np.uint8)
    for i in range(3):
        packed[:, i] = padded[:, i]
    return packed.tobytes()
