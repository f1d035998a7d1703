"""Lanes of a channel and their headers (docs/format.md, *Lanes*)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from . import ranks, rice
from .arithmetic import Damage, Reader, bits_of, bytes_from_bits, unzigzag, width_of, zigzag
from .gain import MAX_GAIN


def lengths_of_lanes(n_codes: int, steps: int) -> list[int]:
    """Return the length of each lane of a channel in a block of `steps` steps."""
    n_lanes = -(-n_codes // steps)
    return [n_codes // n_lanes + (i < n_codes % n_lanes) for i in range(n_lanes)]


def cut(codes: Sequence[int], steps: int) -> list[list[int]]:
    """Return the codes of each lane of a channel."""
    lanes, first = [], 0
    for length in lengths_of_lanes(len(codes), steps):
        lanes.append(list(codes[first : first + length]))
        first += length
    return lanes


def encode_headers(gains: Sequence[int], initial_codes: Sequence[int], size: int) -> bytes:
    """Return the headers of a channel's lanes; its quantizer has `size` codes."""
    width = width_of(size)
    bits = bits_of(gains[0], 8) + bits_of(initial_codes[0], width)
    lanes = list(zip(gains, initial_codes, strict=True))
    for (gain_before, code_before), (gain, code) in pairwise(lanes):
        bits += rice.encode_rank(zigzag(gain - gain_before), 1, 9)
        bits += rice.encode_rank(ranks.rank_of(code, code_before, True, size), rice.parameter(2 * gain - 16), width)
    return bytes_from_bits(bits)


def decode_headers(reader: Reader, n_lanes: int, size: int) -> tuple[list[int], list[int]]:
    """Return the gain and the initial code of each lane."""
    width = width_of(size)
    gains, codes = [reader.bits(8)], [reader.bits(width)]
    for i in range(n_lanes):
        if i > 0:
            gains.append(gains[-1] + unzigzag(rice.decode_rank(reader, 1, 9)))
            rank = rice.decode_rank(reader, rice.parameter(2 * gains[-1] - 16), width)
            codes.append(ranks.code_of(rank, codes[-1], True, size))
        if not 0 <= gains[-1] <= MAX_GAIN or codes[-1] >= size:
            raise Damage("a gain or an initial code is out of range")
    reader.align()
    return gains, codes
