"""Frames of samples in the bytes of a file, with every byte kept.

A file is split in three, and head + data + tail is the file, always; nothing is synthesised anew.

    head   what stands before the samples: the header of a WAV or NPY file; of raw samples nothing
    data   frame 0, frame 1 ..  a frame is one sample of each channel, little endian
    tail   an incomplete frame, and whatever else follows

Samples of one byte are unsigned, those of two and three bytes signed. `wav` and `npy` find the three in their files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from ..errors import InputError

MAX_HEADER_BYTES = 64 << 10
MAX_TRAILER_BYTES = 64 << 10

MAX_CHANNELS = 2**16 - 1
MAX_RATE = 2**32 - 1

Bytes = bytes | bytearray | memoryview
"""Bytes of a file, in whatever holds them."""

NPY_MAGIC = b"\x93NUMPY"

RAW_SUFFIXES = (".bin", ".dat", ".raw")
"""How the names of files end that hold interleaved samples without a header."""

HDF5_SUFFIXES = (".nwb", ".h5", ".hdf5")
"""How the names of files end that hold datasets, one of which may be a recording."""

_DTYPES: dict[int, np.dtype] = {1: np.dtype(np.uint8), 2: np.dtype(np.int16), 3: np.dtype(np.int32)}
_RANGES = {1: (0, 0xFF), 2: (-0x8000, 0x7FFF), 3: (-0x800000, 0x7FFFFF)}

SAMPLE_BYTES = (1, 2, 3)
"""Bytes a sample may have."""


@dataclass(frozen=True)
class Layout:
    """How the bytes of a file lie: `header`, then `n_frames` frames, then `trailer`."""

    header: bytes
    """All bytes before the first sample; at most MAX_HEAD_BYTES."""
    trailer: bytes
    """All bytes after the last whole frame; at most MAX_TAIL_BYTES."""
    sample_rate: int
    """Frames a second, as the file states it: 0 to 2**32 - 1."""
    channels: int
    """Threads, 1 to 65535."""
    sample_bytes: int
    """Bytes a sample: 1, 2 or 3."""
    n_frames: int

    def __str__(self) -> str:
        samples = f"{self.channels} x {self.n_frames:,} samples"
        return f"{self.kind}, {samples}, {8 * self.sample_bytes} bit, {self.sample_rate:,} Hz"

    @property
    def kind(self) -> str:
        """What the head is of: wav, npy, or raw where there is none."""
        if not self.header:
            return "raw"
        return "npy" if self.header.startswith(NPY_MAGIC) else "wav"

    @property
    def data_offset(self) -> int:
        """Bytes before the first sample."""
        return len(self.header)

    @property
    def frame_bytes(self) -> int:
        """Bytes a frame."""
        return self.channels * self.sample_bytes

    @property
    def file_bytes(self) -> int:
        """Bytes of the whole file."""
        return len(self.header) + self.n_frames * self.frame_bytes + len(self.trailer)


@dataclass(frozen=True)
class RawFormat:
    """Interleaved samples without a header, little endian. Raises InputError for numbers that no recording has."""

    channels: int
    """1 to 65535."""
    sample_rate: int
    """Frames a second, 1 to 2**32 - 1; 0 where it is not known."""
    sample_bytes: int = 2

    def __post_init__(self) -> None:
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise InputError(f"a recording has 1 to {MAX_CHANNELS} channels, not {self.channels}")
        if not 0 <= self.sample_rate <= MAX_RATE:
            raise InputError(f"a recording has up to {MAX_RATE} frames a second, not {self.sample_rate}")
        if self.sample_bytes not in SAMPLE_BYTES:
            raise InputError(f"a sample has 1, 2 or 3 bytes, not {self.sample_bytes}")

    def layout(self, file: BinaryIO, size: int) -> Layout | None:
        """The layout of a file of `size` bytes that holds such samples: an incomplete frame is its tail.

        None where that is longer than a tail may be. Raises OSError where it cannot be read.
        """
        n_frames, left = divmod(size, self.channels * self.sample_bytes)
        if left > MAX_TRAILER_BYTES:
            return None
        file.seek(size - left)
        return Layout(b"", file.read(left), self.sample_rate, self.channels, self.sample_bytes, n_frames)


def whole_rate(rate: float) -> int:
    """Frames a second as an archive tells them, in whole Hz: 0, unknown, where that would be another rate, by more than
    a thousandth.
    """
    return round(rate) if abs(round(rate) - rate) * 1000 <= rate else 0


def sample_dtype(sample_bytes: int) -> np.dtype:
    """The dtype that samples of 1, 2 or 3 bytes have in memory: uint8, int16 or int32. Raises KeyError for others."""
    return _DTYPES[sample_bytes]


def sample_range(sample_bytes: int) -> tuple[int, int]:
    """The lowest and the highest value that a sample of 1, 2 or 3 bytes can have. Raises KeyError for others."""
    return _RANGES[sample_bytes]


def zero_sample(sample_bytes: int) -> int:
    """The sample that is silence: the middle of those of one byte, which are unsigned."""
    return 128 if sample_bytes == 1 else 0


def zero_fill(count: int, sample_bytes: int) -> bytes:
    """So many bytes of silent samples; zeros where there are no samples, and their width is 0."""
    return bytes([zero_sample(sample_bytes)]) * count


def samples_from_bytes(data: Bytes, channels: int, sample_bytes: int) -> np.ndarray:
    """The samples of whole frames, of shape (frames, channels) and `sample_dtype`.

    One and two bytes a sample give a view of `data`, where the machine is little endian. Raises ValueError where `data`
    is no whole number of frames.
    """
    if sample_bytes < 3:
        dtype = sample_dtype(sample_bytes)
        return np.frombuffer(data, dtype.newbyteorder("<")).reshape(-1, channels).astype(dtype, copy=False)
    packed = np.frombuffer(data, np.uint8).reshape(-1, channels, 3)
    padded = np.zeros((*packed.shape[:2], 4), np.uint8)
    # the sample in the upper three bytes: shifting it down extends its sign
    for i in range(3):
        padded[:, :, i + 1] = packed[:, :, i]
    samples = padded.view("<i4")[:, :, 0]
    samples >>= 8
    return samples.astype(np.int32, copy=False)


def samples_to_bytes(samples: np.ndarray, sample_bytes: int) -> bytes:
    """The reverse of `samples_from_bytes`: samples of `sample_dtype`, within `sample_range`, of any shape.

    Raises ValueError where their dtype is another.
    """
    dtype = sample_dtype(sample_bytes)
    if samples.dtype != dtype:
        raise ValueError(f"samples of {sample_bytes} bytes are {dtype}, not {samples.dtype}")
    data = np.ascontiguousarray(samples, dtype.newbyteorder("<"))
    if sample_bytes < 3:
        return data.tobytes()
    padded = data.view(np.uint8).reshape(-1, 4)
    packed = np.empty((padded.shape[0], 3), np.uint8)
    for i in range(3):
        packed[:, i] = padded[:, i]
    return packed.tobytes()
