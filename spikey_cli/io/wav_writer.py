"""New WAV files with a plain header, written piece by piece."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import InputError
from ..system.signals import hold
from .layout import SampleType

_SUBTYPES = {
    SampleType.UINT8: "PCM_U8",
    SampleType.INT16: "PCM_16",
    SampleType.INT24: "PCM_24",
    SampleType.INT32: "PCM_32",
    SampleType.FLOAT32: "FLOAT",
    SampleType.FLOAT64: "DOUBLE",
}

# limits of libsndfile and of the size fields of a WAV file
_MAX_RATE = 2**31 - 1
_MAX_CHANNELS = 1024
_MAX_DATA_BYTES = 2**32 - 2**16


@dataclass(frozen=True)
class WavFormat:
    """The sample format of a new WAV file."""

    sample_rate: int
    """Frames per second; 0 if unknown."""
    channels: int
    sample_type: SampleType

    def fault(self, n_frames: int) -> str:
        """Return why no WAV file can hold `n_frames` frames in this format, or an empty string."""
        if not self.sample_rate:
            return "a WAV file states a sampling rate, and the recording's is unknown"
        if self.sample_rate > _MAX_RATE:
            return f"a WAV file has a rate of {_MAX_RATE:,} Hz at most, not {self.sample_rate:,}"
        if self.channels > _MAX_CHANNELS:
            return f"a WAV file is written with {_MAX_CHANNELS:,} channels at most, not {self.channels:,}"
        if self.sample_type not in _SUBTYPES:
            return f"a WAV file does not hold samples of type {self.sample_type}"
        if n_frames * self.channels * self.sample_type.bytes > _MAX_DATA_BYTES:
            return "a WAV file holds 4 GiB at most"
        return ""


def write_wav(file: BinaryIO, path: Path, wav_format: WavFormat, pieces: Iterable[np.ndarray]) -> None:
    """Write samples to a WAV file.

    Parameters
    ----------
    file : binary file
        Open for writing, seekable, empty.
    path : Path
        How errors name the file.
    wav_format : WavFormat
    pieces : iterable of ndarray, shape (frames, channels)
        Consecutive pieces of `wav_format.sample_type.dtype`.

    Raises
    ------
    InputError
        libsndfile cannot write the samples.
    """
    import soundfile

    pending = _PendingWrites()
    try:
        with hold():
            wav = soundfile.SoundFile(
                pending,
                "w",
                wav_format.sample_rate,
                wav_format.channels,
                _SUBTYPES[wav_format.sample_type],
                format="WAV",
            )
        for samples in pieces:
            with hold():
                wav.write(_left_aligned(samples, wav_format.sample_type))
            pending.write_to(file)
        with hold():
            wav.close()
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: libsndfile cannot write it: {error}") from error
    pending.write_to(file)


class _PendingWrites:
    """Collects the writes of libsndfile's callbacks: an exception raised within them would be lost."""

    def __init__(self) -> None:
        self._pieces: list[tuple[int, bytes]] = []
        self._at = 0
        self._end = 0

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        return self._at

    def write(self, data: bytes) -> int:
        self._pieces.append((self._at, data))
        self._at += len(data)
        self._end = max(self._end, self._at)
        return len(data)

    def write_to(self, file: BinaryIO) -> None:
        """Write everything collected so far."""
        for at, data in self._pieces:
            if file.tell() != at:
                file.seek(at)
            file.write(data)
        self._pieces.clear()


def _left_aligned(samples: np.ndarray, sample_type: SampleType) -> np.ndarray:
    """Convert samples to int16 or int32 whose most significant bits they are: libsndfile stores those bits."""
    if sample_type == SampleType.UINT8:
        return (samples.astype(np.int16) - 128) << 8
    return samples << 8 if sample_type == SampleType.INT24 else samples
