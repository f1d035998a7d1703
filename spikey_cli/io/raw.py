"""Raw files: interleaved samples without a header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from ..errors import InputError
from .layout import MAX_CHANNELS, MAX_RATE, MAX_TRAILER_BYTES, SAMPLE_BYTES, Layout

SUFFIXES = (".bin", ".dat", ".raw")


@dataclass(frozen=True)
class RawFormat:
    """The format of interleaved, little-endian samples in a file or pipe without a header.

    Parameters
    ----------
    channels : int
        1 to 65535.
    sample_rate : int
        Frames per second, 1 to 2**32 - 1; 0 if unknown.
    sample_bytes : int, optional
        Bytes per sample: 1 (unsigned), 2 or 3 (signed).

    Raises
    ------
    InputError
        A number is out of range.

    Examples
    --------
    >>> spikey_cli.RawFormat(channels=385, sample_rate=30_000)
    RawFormat(channels=385, sample_rate=30000, sample_bytes=2)
    """

    channels: int
    sample_rate: int
    sample_bytes: int = 2

    def __post_init__(self) -> None:
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise InputError(f"a recording has 1 to {MAX_CHANNELS} channels, not {self.channels}", parameter="raw")
        if not 0 <= self.sample_rate <= MAX_RATE:
            raise InputError(f"a recording has up to {MAX_RATE} Hz, not {self.sample_rate}", parameter="raw")
        if self.sample_bytes not in SAMPLE_BYTES:
            raise InputError(f"a sample has 1, 2 or 3 bytes, not {self.sample_bytes}", parameter="raw")

    def layout(self, file: BinaryIO, size: int) -> Layout | None:
        """Return the layout of a file of `size` bytes in this format; an incomplete last frame is its trailer.

        Returns None if that frame is longer than a trailer may be.
        """
        n_frames, incomplete = divmod(size, self.channels * self.sample_bytes)
        if incomplete > MAX_TRAILER_BYTES:
            return None
        file.seek(size - incomplete)
        return Layout(b"", file.read(incomplete), self.sample_rate, self.channels, self.sample_bytes, n_frames)
