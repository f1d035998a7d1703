"""Limits: what an archive may ask of a reader before it is refused.

An archive may come from anywhere, and a few bytes of it can claim any number of samples. What a reader sets aside, and
how long it goes on, is bounded by what is named here, unless a user who trusts an archive raises it.

    memory       directory, files and threads, samples of a block, what a walk knows of its lanes
    expansion    bytes restored, and the time that decoding takes, for each byte of the archive

Time is not measured: it is reckoned (see `effort`), so that the same archive is refused everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import LimitError

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

    def lanes(self, lane_bytes: int) -> int:
        """Lanes that are walked together, at most, where each takes so many bytes."""
        return max(1, self.memory // 3 // lane_bytes)

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

    def decoding_time(self, archive_bytes: int) -> float:
        """Nanoseconds that decoding an archive of so many bytes may take."""
        each = self.expansion / DEFAULT_EXPANSION
        return each * (FREE_TIME + TIME_A_BYTE * max(0, archive_bytes - FREE_TIME_BYTES))


FREE_BYTES = 16 << 20
SAMPLES_A_BYTE = 8
DEFAULT_EXPANSION = Limits.expansion
FREE_TIME, FREE_TIME_BYTES = 800_000_000, 4096
"""Nanoseconds that the smallest archives may take, and how small those are."""
TIME_A_BYTE = 2_000_000
"""Nanoseconds for each byte beyond: silence may have thousands of samples a byte, and a network tens of thousands of
multiply-adds a sample."""

DEFAULT_LIMITS = Limits()
NO_LIMITS = Limits(memory=1 << 50, expansion=1 << 50)
"""For an archive that this program wrote itself, just now: silence may be ten thousand times smaller than it was."""


def beyond_memory(what: str) -> LimitError:
    """The refusal of an archive that asks for more memory than `Limits.memory` grants it, because of `what` it has."""
    return LimitError(f"{what}, more than its limit of memory allows; if you trust it, raise that with --memory")
