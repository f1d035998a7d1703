"""Raw files: interleaved samples without a header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from ..errors import InputError
from .layout import MAX_CHANNELS, MAX_RATE, MAX_TRAILER_BYTES, Layout, SampleType

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
    sample_type : SampleType or str, optional
        "int16" or another name of a `SampleType`, or its number.

    Raises
    ------
    InputError
        A number is out of range, or not whole.

    Examples
    --------
    >>> spikey_cli.RawFormat(channels=385, sample_rate=30_000)
    RawFormat(channels=385, sample_rate=30000, sample_type=<SampleType.INT16: 2>)
    """

    channels: int
    sample_rate: int
    sample_type: SampleType = SampleType.INT16

    def __post_init__(self) -> None:
        if not 1 <= self.channels <= MAX_CHANNELS or self.channels % 1:
            raise InputError(f"a recording has 1 to {MAX_CHANNELS} channels, not {self.channels}", parameter="raw")
        if not 0 <= self.sample_rate <= MAX_RATE or self.sample_rate % 1:
            raise InputError(f"a recording has whole Hz, up to {MAX_RATE}, not {self.sample_rate}", parameter="raw")
        stated: object = self.sample_type
        try:
            sample_type = SampleType.named(stated) if isinstance(stated, str) else SampleType(self.sample_type)
        except ValueError:
            sample_type = None
        if sample_type is None:
            names = ", ".join(map(str, SampleType))
            raise InputError(f"there are no samples of type {stated}; choose one of {names}", parameter="raw")
        object.__setattr__(self, "channels", int(self.channels))
        object.__setattr__(self, "sample_rate", int(self.sample_rate))
        object.__setattr__(self, "sample_type", sample_type)

    def layout(self, file: BinaryIO, size: int) -> Layout | None:
        """Return the layout of a file of `size` bytes in this format; an incomplete last frame is its trailer.

        Returns None if that frame is longer than a trailer may be.
        """
        n_frames, incomplete = divmod(size, self.channels * self.sample_type.bytes)
        if incomplete > MAX_TRAILER_BYTES:
            return None
        file.seek(size - incomplete)
        return Layout(b"", file.read(incomplete), self.sample_rate, self.channels, self.sample_type, n_frames)
