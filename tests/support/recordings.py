"""Generated recordings and WAV bytes."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np


def wav_bytes(
    samples: np.ndarray, sample_bytes: int = 2, rate: int = 19531, header: bytes = b"", trailer: bytes = b""
) -> bytes:
    """A plain WAV of samples (frames,) or (frames, channels); `header` and `trailer` are chunks around the data.

    With a `sample_bytes` of 4, int32, float32 and float64 are written as they are.
    """
    samples = samples[:, None] if samples.ndim == 1 else samples
    is_float = sample_bytes == 4 and samples.dtype.kind == "f"
    if sample_bytes == 4:
        sample_bytes, data = samples.dtype.itemsize, samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    elif sample_bytes == 3:
        data = samples.astype("<i4").reshape(-1, 1).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    else:
        data = samples.astype({1: "u1", 2: "<i2"}[sample_bytes]).tobytes()
    channels = samples.shape[1]
    frame = channels * sample_bytes
    fmt = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 3 if is_float else 1, channels, rate, rate * frame, frame, 8 * sample_bytes
    )
    body = b"WAVE" + fmt + header + struct.pack("<4sI", b"data", len(data)) + data + trailer
    return b"RIFF" + struct.pack("<I", len(body)) + body


def npy_bytes(array: np.ndarray) -> bytes:
    """The bytes of an NPY file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def neural(random: np.random.Generator, frames: int, channels: int = 1, amplitude: float = 6.0) -> np.ndarray:
    """Coloured noise with spikes, as 10-bit codes 0..1023: int32 of shape (frames, channels)."""
    noise = random.normal(size=(frames + 64, channels)).astype(np.float64)
    shared = random.normal(size=(frames + 64, 1))
    noise = noise + 0.6 * shared
    kernel = np.exp(-np.arange(12) / 4.0)
    coloured = np.apply_along_axis(lambda x: np.convolve(x, kernel)[32 : 32 + frames], 0, noise) * amplitude
    for channel in range(channels):
        for at in random.integers(0, max(1, frames - 20), size=frames // 2000):
            spike = -80 * np.exp(-np.arange(20) / 4.0) * np.cos(np.arange(20) / 3.0)
            coloured[at : at + 20, channel] += spike[: frames - at]
    return np.clip(np.round(coloured + 500), 0, 1023).astype(np.int32)


def band_passed(random: np.random.Generator, frames: int, scale: float) -> np.ndarray:
    """Noise that a steep filter passed, both ways, as it does with recordings: int16 of shape (frames,)."""
    low, high, size = 0.02, 0.33, frames + 512  # a share of the sample rate
    frequency = np.fft.rfftfreq(size)[1:]
    width = frequency * (high - low)
    gain = 1 / (1 + ((frequency**2 - low * high) / width) ** 20)  # Butterworth, of order 10
    filtered = np.fft.irfft(np.fft.rfft(random.normal(size=size)) * np.concatenate([[0], gain]), size)
    return np.rint(scale * filtered[:frames] / filtered.std()).astype(np.int16)


def n1_samples(codes: np.ndarray) -> np.ndarray:
    """The int16 samples that the N1 quantizer has for codes 0..1023."""
    scaled = codes.astype(np.int64) * 65535 - 32768 * 1023
    return (np.sign(scaled) * (np.abs(scaled) // 1023)).astype(np.int16)


def recorded(random: np.random.Generator, frames: int, channels: int) -> np.ndarray:
    """`neural` as samples of the N1 quantizer: int16 of shape (frames, channels), contiguous."""
    return np.ascontiguousarray(n1_samples(neural(random, frames, channels)))


def write_session(folder: Path, random: np.random.Generator, n_files: int = 2, frames: int = 4000) -> list[Path]:
    """Write `n_files` mono WAV files recorded together and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    codes = neural(random, frames, n_files)
    paths = []
    for i in range(n_files):
        path = folder / f"thread{i}.wav"
        path.write_bytes(wav_bytes(n1_samples(codes[:, i])))
        paths.append(path)
    return paths
