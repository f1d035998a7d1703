"""Rice codes of ranks (docs/format.md, *Coder 1*; R. F. Rice, JPL 79-22, 1979)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from . import ranks
from .arithmetic import Reader, bits_of, bytes_from_bits, width_of
from .bins import Bins
from .density import distribution


class Prediction(NamedTuple):
    """Distribution under which a code is coded."""

    mean: int
    """In 1/64 codes."""
    log2_scale: int
    """Log2 of the expected deviation in codes, in sixteenths of an octave."""
    outlier_weight: int


def parameter(log2_scale: int) -> int:
    """k of a scale."""
    return min(max((log2_scale + 8) // 16, 0), 24)


def encode_rank(rank: int, k: int, width: int) -> str:
    """Return the Rice code of a rank."""
    if rank >> k < 24:
        return "0" * (rank >> k) + "1" + bits_of(rank % 2**k, k)
    return "0" * 24 + bits_of(rank, width)


def decode_rank(reader: Reader, k: int, width: int) -> int:
    """Read a rank."""
    for zeros in range(24):
        if reader.bits(1):
            return (zeros << k) + reader.bits(k)
    return reader.bits(width)


def cell_and_class(prediction: Prediction) -> tuple[int, int]:
    """m' and s': mean and scale for which the likelihood of a profile's codes is computed."""
    cell = min(max(prediction.mean >> 5, 0), 2047)
    return 32 * cell + 16, 8 * min(max(prediction.log2_scale >> 3, 1), 11) + 4


@lru_cache(maxsize=4096)
def most_likely(mean: int, log2_scale: int, edges: tuple[int, ...]) -> list[int]:
    """Return the 64 codes nearest to `mean`, likeliest first; equally likely ones in the order of their ranks."""
    bins = Bins(edges, True)
    codes = [ranks.code_of(rank, *ranks.around(mean, bins)) for rank in range(64)]

    def mass(code: int) -> int:
        below, above = (distribution(edge - mean, log2_scale, 12) for edge in edges[code : code + 2])
        return above - below

    return sorted(codes, key=mass, reverse=True)  # stable, also in reverse


def rank_of(code: int, prediction: Prediction, bins: Bins) -> int:
    """r: by distance, or with a profile by likelihood."""
    if not bins.profiled:
        return ranks.rank_of(code, *ranks.around(prediction.mean, bins))
    mean, log2_scale = cell_and_class(prediction)
    likely = most_likely(mean, log2_scale, tuple(bins.edges))
    return likely.index(code) if code in likely else ranks.rank_of(code, *ranks.around(mean, bins))


def code_of(rank: int, prediction: Prediction, bins: Bins) -> int:
    """Return the code with a rank; the inverse of `rank_of`."""
    if not bins.profiled:
        return ranks.code_of(rank, *ranks.around(prediction.mean, bins))
    mean, log2_scale = cell_and_class(prediction)
    if rank < 64:
        return most_likely(mean, log2_scale, tuple(bins.edges))[rank]
    return ranks.code_of(rank, *ranks.around(mean, bins))


class RiceEncoder:
    """Writes the codes of a channel."""

    def __init__(self, bins: Bins, lengths: list[int]) -> None:
        self.bins, self.string = bins, ""

    def encode(self, lane: int, code: int, prediction: Prediction) -> None:
        """Write the next code of a lane."""
        rank = rank_of(code, prediction, self.bins)
        self.string += encode_rank(rank, parameter(prediction.log2_scale), width_of(self.bins.size))

    def finish(self) -> bytes:
        """Return the stream."""
        return bytes_from_bits(self.string)


class RiceDecoder:
    """Reads the codes of a channel."""

    def __init__(self, bins: Bins, lengths: list[int], stream: bytes) -> None:
        self.bins, self.reader = bins, Reader(stream)

    def decode(self, lane: int, prediction: Prediction) -> int:
        """Read the next code of a lane."""
        rank = decode_rank(self.reader, parameter(prediction.log2_scale), width_of(self.bins.size))
        return code_of(rank, prediction, self.bins)

    def finish(self) -> None:
        """Raise Damage if the stream has an extra byte."""
        self.reader.end()
