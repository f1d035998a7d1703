"""Huffman codes of ranks, prebuilt from a binomial prior: to compare with.

Differences of codes are nearly normal, and so is the binomial distribution of n fair coins. For spread index b the
prior of a rank, a distance i of the code from its centre, is

    C(n, n/2 + i) with n = 4 * 2**b,     so of variance 2**b

up to SIGMAS of these, and all that lies further off shares one more symbol. Each thread gets the code that its mean
rank asks for. A thread's stream:

    1 byte     s: the low bits of each rank that stand apart, where ranks are large
    1 byte     number of code lengths, L; then of each length, 1 to L, a uvarint: how many codes have it
    uvarint    number of ranks that are further off; then these, packed (see `packed`)
    packed     low s bits of all ranks, where s is not 0
    bits       canonical codes of rank >> s, the last symbol for those further off; zeros up to the next byte

Codes are handed out in the order of the ranks, shortest first.

Source: D. A. Huffman, "A method for the construction of minimum-redundancy codes", Proc. IRE 40, 1952.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import numpy as np
from bitarray import bitarray
from bitarray.util import canonical_decode, canonical_huffman
from numba import njit

from ..errors import ArchiveError
from .converter import Bins
from .lanes import Lanes
from .packed import code_width, pack_codes, packed_bytes, unpack_codes
from .ranks import code_from_rank, origin, rank_from_code
from .varint import get_uvarint, put_uvarint

MAX_SPREAD = 10
"""Largest spread index that has a codebook, for a deviation of 32 codes; above it low bits stand apart."""

SIGMAS = 6
MAX_LENGTH = 31
MAX_SYMBOLS = 2 * SIGMAS * 32 + 2
_ONE = 1 << 60
_FURTHER = _ONE >> 12  # the weight of all that is further off
_LEAST = _ONE >> 20  # a weight that each rank has at least, so that no code grows longer than MAX_LENGTH


@lru_cache
def code_counts(spread: int) -> tuple[int, ...]:
    """How many codes of each length, from 1 on, the codebook of a spread index (0..MAX_SPREAD) has."""
    half = 2 << spread
    weights = [_ONE]
    weight = _ONE
    for i in range(min(half, SIGMAS * round(2 ** (spread / 2)))):
        weight = weight * (half - i) // (half + i + 1)
        weights += [weight + _LEAST] * 2
    _, count, _ = canonical_huffman(dict(enumerate([*weights, _FURTHER])))
    return tuple(count[1:])


def _codes(counts: tuple[int, ...]) -> list[bitarray]:
    """Canonical codes, shortest first."""
    codes = []
    code = 0
    for length, count in enumerate(counts, 1):
        code <<= 1
        for _ in range(count):
            codes.append(bitarray(format(code, f"0{length}b")))
            code += 1
    return codes


def _spread_of(ranks: np.ndarray) -> tuple[int, int]:
    """Spread index and low bits that stand apart, by the mean rank: nearly sqrt(8 / pi) deviations, less a half."""
    total, n = int(ranks.sum(dtype=np.int64)), max(1, ranks.size)
    # variance = pi / 8 * (mean + 1/2)**2, here times 64; 2**spread is the variance, to the nearest power
    variance = 64 * 11 * (2 * total + n) ** 2 // (28 * 4 * n * n)
    spread = max(0, ((2 * variance * variance).bit_length() - 13) // 2)
    shift = max(0, (spread - MAX_SPREAD + 1) // 2)
    return spread - 2 * shift, shift


class HuffmanState(NamedTuple):
    """What the kernels of both directions take. Of each lane: thread, length, place of its first rank; of each thread:
    size, profiled, whether it is damaged; the bins' edges and values; the ranks of all samples.
    """

    channel: np.ndarray
    length: np.ndarray
    start: np.ndarray
    size: np.ndarray
    profiled: np.ndarray
    edges: np.ndarray
    values: np.ndarray
    ranks: np.ndarray
    damaged: np.ndarray


@njit
def encode_lanes(state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes):
    """Collect the ranks of the lanes from `first` to `stop`; see `spikey_cli.core.coders`."""
    channel, length, start, size, profiled, edges, values, ranks, _ = state
    for lane in range(first, stop):
        if length[lane] > step:
            of = channel[lane]
            nearest, upwards = origin(np.int64(predicted_mean[lane]), profiled[of], edges, values)
            rank = rank_from_code(np.int64(codes[lane]), nearest, upwards, size[of])
            ranks[start[lane] + step - 1] = rank


@njit
def decode_lanes(state, step, first, stop, predicted_mean, log2_scale, outlier_weight, codes):
    """Fill in the codes of the lanes from `first` to `stop`; see `spikey_cli.core.coders`."""
    channel, length, start, size, profiled, edges, values, ranks, damaged = state
    for lane in range(first, stop):
        if length[lane] > step:
            of = channel[lane]
            nearest, upwards = origin(np.int64(predicted_mean[lane]), profiled[of], edges, values)
            rank = np.int64(ranks[start[lane] + step - 1])
            if rank < 0 or rank >= size[of]:
                rank = np.int64(0)
                damaged[of] = True
            codes[lane] = code_from_rank(rank, nearest, upwards, size[of])


def _state(lanes: Lanes, bins: Bins) -> tuple[HuffmanState, np.ndarray]:
    """State of lanes on these bins, and where each thread's ranks begin and end: one for each but its lanes' first."""
    ends = np.cumsum(lanes.length - 1, dtype=np.int64)
    state = HuffmanState(
        lanes.channel,
        lanes.length,
        ends - lanes.length + 1,
        bins.size,
        bins.profiled,
        bins.edges,
        bins.values,
        np.zeros(int(ends[-1]), dtype=np.int32),
        np.zeros(lanes.n_channels, dtype=np.bool_),
    )
    return state, np.concatenate([[0], ends])[lanes.first_of_channels()]


class HuffmanEncoder:
    """Writes the codes of a group of lanes; see `spikey_cli.core.coders` for the contract."""

    fills_codes = False

    def __init__(self, lanes: Lanes, bins: Bins) -> None:
        self.state, self._ends = _state(lanes, bins)

    def finish(self) -> list[bytes]:
        """The finished stream of every thread."""
        return [
            self.pack(self.state.ranks[a:b], int(size))
            for a, b, size in zip(self._ends[:-1], self._ends[1:], self.state.size, strict=True)
        ]

    @staticmethod
    def pack(ranks: np.ndarray, size: int) -> bytes:
        """A thread's ranks in the codes of the spread that they have."""
        spread, shift = _spread_of(ranks)
        counts = code_counts(spread)
        further = sum(counts) - 1
        symbols = np.minimum(ranks >> shift, further)
        far = ranks[symbols == further]
        out = bytearray([shift, len(counts)])
        for count in counts:
            put_uvarint(out, count)
        put_uvarint(out, far.size)
        out += pack_codes(far, size)
        if shift:
            out += pack_codes(ranks & ((1 << shift) - 1), 1 << shift)
        bits = bitarray()
        bits.encode(dict(enumerate(_codes(counts))), symbols.tolist())
        return bytes(out) + bits.tobytes()


class HuffmanDecoder:
    """Reads what `HuffmanEncoder` wrote, in the same walk."""

    fills_codes = True

    def __init__(self, lanes: Lanes, bins: Bins, streams: list[bytes]) -> None:
        self.state, ends = _state(lanes, bins)
        for channel, (a, b, size) in enumerate(zip(ends[:-1], ends[1:], bins.size, strict=True)):
            ranks = self.unpack(streams[channel], int(b - a), int(size))
            if ranks is None:
                self.state.damaged[channel] = True
            else:
                self.state.ranks[a:b] = ranks

    def finish(self) -> np.ndarray:
        """Which threads' streams were whole, as bool of shape (threads,)."""
        return ~self.state.damaged

    @staticmethod
    def unpack(stream: bytes, n: int, size: int) -> np.ndarray | None:
        """The reverse of `HuffmanEncoder.pack`."""
        try:
            return _unpack(stream, n, size)
        except (ArchiveError, ValueError, IndexError):
            return None  # it ends too early, or holds bits that are no code


def _unpack(stream: bytes, n: int, size: int) -> np.ndarray | None:
    shift, n_lengths = stream[0], stream[1]
    at = 2
    counts = []
    for _ in range(n_lengths):
        count, at = get_uvarint(stream, at)
        counts.append(count)
    n_symbols = sum(counts)
    if shift > code_width(size) or n_lengths > MAX_LENGTH or not 1 <= n_symbols <= MAX_SYMBOLS:
        return None
    n_far, at = get_uvarint(stream, at)
    if n_far > n:
        return None
    end = at + packed_bytes(n_far, size)
    far = unpack_codes(stream[at:end], n_far, size)
    if n > 8 * len(stream):  # a code takes a bit at least
        return None
    low: np.ndarray | None = np.zeros(1, dtype=np.int32)
    if shift:
        at, end = end, end + packed_bytes(n, 1 << shift)
        low = unpack_codes(stream[at:end], n, 1 << shift)
    if far is None or low is None:
        return None
    bits = bitarray()
    bits.frombytes(stream[end:])
    decoded = canonical_decode(bits, [0, *counts], range(n_symbols))
    symbols = np.fromiter(islice(decoded, n), dtype=np.int32, count=n)
    lengths = np.repeat(np.arange(1, n_lengths + 1, dtype=np.uint8), counts)
    used = int(lengths[symbols].sum(dtype=np.int64))
    if (used + 7) // 8 != len(stream) - end or bits[used:].any():
        return None
    is_far = symbols == n_symbols - 1
    if int(is_far.sum()) != n_far or int(symbols.max(initial=0, where=~is_far)) << shift >= size:
        return None
    ranks = symbols
    ranks <<= shift
    ranks |= low
    ranks[is_far] = far
    return ranks if int(ranks.max(initial=0)) < size else None
