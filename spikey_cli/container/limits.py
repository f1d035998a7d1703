"""What an archive may demand of a reader before the reader refuses it.

A few bytes of a hostile archive can claim any number of samples. `Limits` bounds the memory and the work:

    memory       directory, files and channels, samples of a block, coding state of the lanes that are decoded together
    expansion    bytes restored, and time spent decoding, for each byte of the archive

Time is estimated (see `codec.cost`), not measured, so that every machine refuses the same archives.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import LimitError

SAMPLE_MEMORY = 16
"""Upper bound of the bytes of memory that decoding one sample of a block takes."""
SAMPLES_PER_BYTE = 8
"""Samples of a block that every byte of the archive allows, whatever the memory limit."""
FREE_BYTES = 16 << 20
"""Restored bytes that every archive is allowed."""
FREE_TIME, FREE_TIME_BYTES = 4_000_000_000, 4096
"""Nanoseconds of decoding that every archive is allowed, and the archive size in bytes that they cover."""
TIME_PER_BYTE = 2_000_000
"""Nanoseconds of decoding allowed for each further byte: silence can have thousands of samples a byte, and a network
tens of thousands of multiply-adds a sample.
"""


@dataclass(frozen=True)
class Limits:
    """Bounds on the memory and work that reading an archive may take.

    Parameters
    ----------
    memory : int, default 64 MiB
        Bytes of memory that decoding may use beyond what the program itself needs. Large archives may use more: 8
        samples a block for each byte of the archive.
    expansion : int, default 8192
        Restored bytes allowed for each byte of the archive; 16 MiB are always allowed. The estimated decoding time
        allowed scales with it.

    Examples
    --------
    >>> import spikey_cli
    >>> generous = spikey_cli.Limits(memory=1 << 30, expansion=1 << 20)
    """

    memory: int = 64 << 20
    expansion: int = 8192

    def block_samples(self, archive_bytes: int) -> int:
        """Maximum samples of a block; one frame is always allowed."""
        return max(self.memory // SAMPLE_MEMORY, SAMPLES_PER_BYTE * archive_bytes)

    @property
    def group_bytes(self) -> int:
        """Maximum size of the coding state of lanes that depend on each other."""
        return self.memory // 2

    def lanes(self, lane_bytes: int) -> int:
        """Maximum lanes that are decoded together, unless they depend on each other, if each takes `lane_bytes`."""
        return max(1, self.memory // 3 // max(1, lane_bytes))

    @property
    def directory_bytes(self) -> int:
        """Maximum size of the inflated directory."""
        return self.memory // 8

    @property
    def entries(self) -> int:
        """Maximum number of files, and of channels; each takes about a kilobyte of memory."""
        return self.memory // 1024

    def restored_bytes(self, archive_bytes: int) -> int:
        """Maximum bytes that an archive of `archive_bytes` may restore to."""
        return max(FREE_BYTES, self.expansion * archive_bytes)

    def decoding_time(self, archive_bytes: int) -> float:
        """Maximum nanoseconds, as `codec.cost` estimates them, for decoding an archive of `archive_bytes`."""
        scale = self.expansion / DEFAULT_EXPANSION
        return scale * (FREE_TIME + TIME_PER_BYTE * max(0, archive_bytes - FREE_TIME_BYTES))


DEFAULT_EXPANSION = Limits.expansion
DEFAULT_LIMITS = Limits()
NO_LIMITS = Limits(memory=1 << 50, expansion=1 << 50)
"""For archives that the caller trusts, such as one that was just written."""


def beyond_memory(what: str) -> LimitError:
    """The error for an archive that `what` puts beyond `Limits.memory`; the message starts with `what`."""
    return LimitError(f"{what}, which exceeds the memory limit; if you trust it, raise the limit", parameter="memory")
