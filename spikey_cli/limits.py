"""Limits: what an archive may ask of a reader before it is refused.

An archive may come from anywhere, and a few bytes of it can claim any number of samples. What a reader sets aside is
bounded by what is named here, unless a user who trusts an archive raises it.
"""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_MEMORY = 16
"""Bytes that decoding a sample of a block takes, at most, and what stands around it."""


@dataclass(frozen=True)
class Limits:
    """What a reader grants an archive."""

    memory: int = 64 << 20
    """Bytes that decoding may take beyond what the program needs itself, unless the archive is large."""
    expansion: int = 8192
    """Bytes restored for each byte of the archive, and FREE_BYTES in any case."""

    def block_samples(self, archive_bytes: int) -> int:
        """Samples of a block, at most, or one frame: more of them in an archive that is large itself."""
        return max(self.memory // SAMPLE_MEMORY, SAMPLES_A_BYTE * archive_bytes)

    @property
    def directory_bytes(self) -> int:
        """Size of an inflated directory, at most."""
        return self.memory // 8

    @property
    def entries(self) -> int:
        """Files of an archive, or threads, at most: what is known of each takes a kilobyte."""
        return self.memory // 1024

    def restored_bytes(self, archive_bytes: int) -> int:
        """Bytes that an archive of so many may be restored to."""
        return max(FREE_BYTES, self.expansion * archive_bytes)


FREE_BYTES = 16 << 20
SAMPLES_A_BYTE = 8

DEFAULT_LIMITS = Limits()
