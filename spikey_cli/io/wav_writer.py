"""A new WAV file with a plain header, written a stretch at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import InputError
from ..system.signals import hold

_SUBTYPES = {1: "PCM_U8", 2: "PCM_16", 3: "PCM_24"}

_MAX_RATE = 2**31 - 1
_MAX_CHANNELS = 1024
_MAX_DATA_BYTES = 2**32 - 2**16
"""What libsndfile, and the sizes in a WAV, have room for."""


@dataclass(frozen=True)
class WavFormat:
    """What a WAV file is to hold."""

    sample_rate: int
    channels: int
    sample_bytes: int
    """1, 2 or 3."""

    def fault(self, n_frames: int) -> str:
        """Why no WAV can hold so many frames, or nothing."""
        if not self.sample_rate:
            return "a WAV tells a rate, and the recording does not"
        if self.sample_rate > _MAX_RATE:
            return f"a WAV has a rate of {_MAX_RATE:,} at most, not {self.sample_rate:,}"
        if self.channels > _MAX_CHANNELS:
            return f"a WAV is written with {_MAX_CHANNELS:,} channels at most, not {self.channels:,}"
        if n_frames * self.channels * self.sample_bytes > _MAX_DATA_BYTES:
            return "a WAV holds 4 GiB at most"
        return ""


def write_wav(file: BinaryIO, path: Path, form: WavFormat, pieces: Iterable[np.ndarray]) -> None:
    """Write samples [frames, channels], piece by piece, to a file that errors call `path`.

    Pieces are of `layout.sample_dtype` for these bytes a sample. Raises InputError where libsndfile cannot write them.
    """
    import soundfile

    pending = _Pending()
    try:
        with hold():
            wav = soundfile.SoundFile(
                pending, "w", form.sample_rate, form.channels, _SUBTYPES[form.sample_bytes], format="WAV"
            )
        for samples in pieces:
            with hold():
                wav.write(_as_soundfile_takes(samples, form.sample_bytes))
            pending.write_to(file)
        with hold():
            wav.close()
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: libsndfile cannot write it: {error}") from error
    pending.write_to(file)


class _Pending:
    """What libsndfile writes, until it can be written: of an error in its callbacks only a traceback would be left."""

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
        """Write all that is pending to where it belongs."""
        for at, data in self._pieces:
            if file.tell() != at:
                file.seek(at)
            file.write(data)
        self._pieces.clear()


def _as_soundfile_takes(samples: np.ndarray, sample_bytes: int) -> np.ndarray:
    """int16 or int32 that libsndfile narrows back to the same samples: it keeps the most significant bits."""
    if sample_bytes == 1:
        return (samples.astype(np.int16) - 128) << 8
    return samples << 8 if sample_bytes == 3 else samples
