"""Ranks under bzip2, to compare with: a general compressor behind the same prediction.

The bytes of a thread's ranks, plane by plane (all lowest bytes, then the next ones), as one bzip2 stream.
"""

from __future__ import annotations

import bz2

import numpy as np

from .packed import code_width
from .residual import ResidualDecoder, ResidualEncoder

_LEVEL = 9


def _planes(size: int) -> int:
    return (code_width(size) + 7) // 8


class Bzip2Encoder(ResidualEncoder):
    """Writes the codes of a group of lanes; see `spikey_cli.core.coders` for the contract."""

    @staticmethod
    def pack(ranks: np.ndarray, size: int) -> bytes:
        """A bzip2 stream of a thread's ranks."""
        planes = ranks.astype("<i4").view(np.uint8).reshape(-1, 4).T[: _planes(size)]
        return bz2.compress(planes.tobytes(), _LEVEL)


class Bzip2Decoder(ResidualDecoder):
    """Reads what `Bzip2Encoder` wrote, in the same walk."""

    @staticmethod
    def unpack(stream: bytes, n: int, size: int) -> np.ndarray | None:
        """The reverse of `Bzip2Encoder.pack`; never inflates to more than the ranks take."""
        n_planes = _planes(size)
        inflate = bz2.BZ2Decompressor()
        try:
            data = inflate.decompress(stream, n * n_planes + 1)
        except (OSError, ValueError):
            return None
        if not inflate.eof or inflate.unused_data or len(data) != n * n_planes:
            return None
        ranks = np.zeros(n, dtype="<i4")
        planes = ranks.view(np.uint8).reshape(-1, 4)
        for plane in range(n_planes):
            planes[:, plane] = np.frombuffer(data, np.uint8, n, plane * n)
        ranks = ranks.astype(np.int32, copy=False)
        return ranks if int(ranks.max(initial=0)) < size else None
