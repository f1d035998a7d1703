"""Where the samples are in the bytes of a file.

A file is split into three parts. Their concatenation is the file, byte for byte:

    header    bytes before the samples: the header of a WAV or NPY file; empty for raw samples
    data      frame 0, frame 1, ...; a frame is one sample of each channel, little endian
    trailer   bytes after the last complete frame: an incomplete frame, padding, later chunks

One-byte samples are unsigned; two- and three-byte samples are signed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAX_HEADER_BYTES = 64 << 10
MAX_TRAILER_BYTES = 64 << 10

MAX_CHANNELS = 2**16 - 1
MAX_RATE = 2**32 - 1

Bytes = bytes | bytearray | memoryview

SAMPLE_BYTES = (1, 2, 3)
"""Supported widths of a sample, in bytes."""

_DTYPES: dict[int, np.dtype] = {1: np.dtype(np.uint8), 2: np.dtype(np.int16), 3: np.dtype(np.int32)}
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
    sample_bytes: int
    """Bytes per sample: 1, 2 or 3."""
    n_frames: int

    def __post_init__(self) -> None:
        if len(self.header) > MAX_HEADER_BYTES or len(self.trailer) > MAX_TRAILER_BYTES:
            raise ValueError(f"{len(self.header)} bytes of header or {len(self.trailer)} of trailer are too many")
        if self.sample_bytes not in SAMPLE_BYTES:
            raise ValueError(f"a sample has 1, 2 or 3 bytes, not {self.sample_bytes}")

    def __str__(self) -> str:
        samples = f"{self.channels} x {self.n_frames:,} samples"
        return f"{samples}, {8 * self.sample_bytes} bit, {self.sample_rate:,} Hz"

    @property
    def data_offset(self) -> int:
        """Offset of the first sample in the file, in bytes."""
        return len(self.header)

    @property
    def frame_bytes(self) -> int:
        """Bytes per frame."""
        return self.channels * self.sample_bytes

    @property
    def file_bytes(self) -> int:
        """Size of the file in bytes."""
        return len(self.header) + self.n_frames * self.frame_bytes + len(self.trailer)


def whole_rate(rate: float) -> int:
    """Round a sampling rate to whole Hz, as archives store it; 0 (unknown) if that changes it by over 0.1 %."""
    return round(rate) if abs(round(rate) - rate) * 1000 <= rate else 0


def sample_dtype(sample_bytes: int) -> np.dtype:
    """Return the dtype of 1-, 2- or 3-byte samples in memory: uint8, int16 or int32."""
    return _DTYPES[sample_bytes]


def sample_range(sample_bytes: int) -> tuple[int, int]:
    """Return the lowest and the highest value of 1-, 2- or 3-byte samples."""
    return _RANGES[sample_bytes]


def zero_sample(sample_bytes: int) -> int:
    """Return the value of a zero-filled sample: 128, the middle of the range, for unsigned bytes; otherwise 0."""
    return 128 if sample_bytes == 1 else 0


def zero_fill(count: int, sample_bytes: int) -> bytes:
    """Return `count` bytes of zero-filled samples; `sample_bytes` is 0 for a file without samples."""
    return bytes([zero_sample(sample_bytes)]) * count


def samples_from_bytes(data: Bytes, channels: int, sample_bytes: int) -> np.ndarray:
    """Convert the bytes of complete frames to samples.

    Parameters
    ----------
    data : bytes-like
        Complete frames, little endian.
    channels : int
    sample_bytes : int
        1, 2 or 3.

    Returns
    -------
    ndarray of `sample_dtype`, shape (frames, channels)
        A view of `data` for one- and two-byte samples on a little-endian machine.

    Raises
    ------
    ValueError
        `data` does not consist of complete frames.
    """
    if sample_bytes < 3:
        dtype = sample_dtype(sample_bytes)
        return np.frombuffer(data, dtype.newbyteorder("<")).reshape(-1, channels).astype(dtype, copy=False)
    packed = np.frombuffer(data, np.uint8).reshape(-1, channels, 3)
    padded = np.zeros((*packed.shape[:2], 4), np.uint8)
    # the sample goes into the upper three bytes, so that shifting it down extends its sign
    for i in range(3):
        padded[:, :, i + 1] = packed[:, :, i]
    samples = padded.view("<i4")[:, :, 0]
    samples >>= 8
    return samples.astype(np.int32, copy=False)


def samples_to_bytes(samples: np.ndarray, sample_bytes: int) -> bytes:
    """Convert samples to bytes, little endian: the inverse of `samples_from_bytes`.

    Parameters
    ----------
    samples : ndarray of `sample_dtype`, any shape
        Values within `sample_range`.
    sample_bytes : int
        1, 2 or 3.

    Raises
    ------
    ValueError
        `samples` has another dtype.
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
