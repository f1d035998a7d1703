"""Huffman codes of ranks from a binomial prior, as a baseline to compare with.

Differences of codes are nearly normal, and so is the binomial distribution of n fair coins. The prior of a rank, at a
distance i of the code from the predicted mean, is for a log2 variance b

    C(n, n/2 + i) with n = 4 * 2**b,     whose variance is 2**b

up to MAX_DEVIATIONS standard deviations; all ranks beyond share one more symbol. The mean rank of a channel selects
its codebook. A channel's stream:

    1 byte     s: the low bits of each rank that are packed apart, if ranks are large
    1 byte     number of code lengths, L; then for each length, 1 to L, a uvarint: the number of codes of that length
    uvarint    number of ranks beyond the prior; then these ranks, packed (see `packed`)
    packed     low s bits of all ranks, if s is not 0
    bits       canonical codes of rank >> s, the last symbol for those beyond the prior; zeros fill the last byte

Codes are assigned in the order of the ranks, shortest first. A channel's ranks are in order of time: the encoder
collects the ranks of all its samples before it codes them, and the decoder decodes all of them before the first step.

References
----------
D. A. Huffman, "A method for the construction of minimum-redundancy codes", Proc. IRE 40, 1952.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

import numpy as np
from bitarray import bitarray
from bitarray.util import canonical_decode, canonical_huffman

from ..errors import ArchiveError
from .converter import Bins
from .lanes import Lanes
from .packed import code_width, pack_codes, packed_bytes, unpack_codes
from .stream_coder import RANKS, coder_of, intact_streams
from .varint import get_uvarint, put_uvarint

MAX_LOG2_VARIANCE = 10
"""Largest log2 variance that has a codebook, for a deviation of 32 codes; above it low bits are packed apart."""

MAX_DEVIATIONS = 6
MAX_LENGTH = 31
MAX_SYMBOLS = 2 * MAX_DEVIATIONS * 32 + 2
_ONE = 1 << 60
_BEYOND_WEIGHT = _ONE >> 12
_MIN_WEIGHT = _ONE >> 20  # added to the weight of each rank, so that no code is longer than MAX_LENGTH


@lru_cache
def code_counts(log2_variance: int) -> tuple[int, ...]:
    """Return the number of codes of each length, from 1 on, in a codebook (0..MAX_LOG2_VARIANCE)."""
    half = 2 << log2_variance
    weights = [_ONE]
    weight = _ONE
    for i in range(min(half, MAX_DEVIATIONS * round(2 ** (log2_variance / 2)))):
        weight = weight * (half - i) // (half + i + 1)
        weights += [weight + _MIN_WEIGHT] * 2
    _, count, _ = canonical_huffman(dict(enumerate([*weights, _BEYOND_WEIGHT])))
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


def _codebook_for(ranks: np.ndarray) -> tuple[int, int]:
    """Log2 variance and low bits to pack apart, from the mean rank: about sqrt(8 / pi) deviations less a half."""
    total, n = int(ranks.sum(dtype=np.int64)), max(1, ranks.size)
    # variance = pi / 8 * (mean + 1/2)**2, here times 64, rounded to the nearest power of two
    variance = 64 * 11 * (2 * total + n) ** 2 // (28 * 4 * n * n)
    log2_variance = max(0, ((2 * variance * variance).bit_length() - 13) // 2)
    shift = max(0, (log2_variance - MAX_LOG2_VARIANCE + 1) // 2)
    return log2_variance - 2 * shift, shift


class HuffmanEncoder:
    """Writes the codes of a group of lanes; see `spikey_cli.core.coders` for the contract."""

    fills_codes = False

    def __init__(self, lanes: Lanes, bins: Bins) -> None:
        self.core = coder_of(RANKS, lanes, bins)
        self._sizes = bins.size.tolist()

    def finish(self) -> list[bytes]:
        """Return the stream of each channel."""
        ranks = (np.frombuffer(self.core.ranks(i), dtype=np.int32) for i in range(len(self._sizes)))
        return [pack_ranks(own, size) for own, size in zip(ranks, self._sizes, strict=True)]


class HuffmanDecoder:
    """Reads what `HuffmanEncoder` wrote; see `spikey_cli.core.coders` for the contract."""

    fills_codes = True

    def __init__(self, lanes: Lanes, bins: Bins, streams: Sequence[bytes]) -> None:
        self.core = coder_of(RANKS, lanes, bins, decodes=True)
        self._n_streams = lanes.n_channels
        n_ranks = lanes.samples_of_channels() - np.diff(lanes.first_of_channels())
        for channel, (stream, n, size) in enumerate(zip(streams, n_ranks.tolist(), bins.size.tolist(), strict=True)):
            self.core.set_ranks(channel, unpack_ranks(stream, n, size))

    def finish(self) -> np.ndarray:
        """Return for each channel whether its stream was intact, as bool of shape (channels,)."""
        return intact_streams(self.core, self._n_streams)


def pack_ranks(ranks: np.ndarray, size: int) -> bytes:
    """Return the stream of a channel's ranks, int32 in 0..size-1."""
    log2_variance, shift = _codebook_for(ranks)
    counts = code_counts(log2_variance)
    beyond = sum(counts) - 1
    symbols = np.minimum(ranks >> shift, beyond)
    ranks_beyond = ranks[symbols == beyond]
    out = bytearray([shift, len(counts)])
    for count in counts:
        put_uvarint(out, count)
    put_uvarint(out, ranks_beyond.size)
    out += pack_codes(ranks_beyond, size)
    if shift:
        out += pack_codes(ranks & ((1 << shift) - 1), 1 << shift)
    bits = bitarray()
    bits.encode(dict(enumerate(_codes(counts))), symbols.tolist())
    return bytes(out) + bits.tobytes()


def unpack_ranks(stream: bytes, n: int, size: int) -> np.ndarray | None:
    """Return the `n` ranks in a stream, int32 in 0..size-1; None if it does not hold exactly these."""
    try:
        return _unpack(stream, n, size)
    except (ArchiveError, ValueError, IndexError):
        return None  # it ends too early, or holds bits that are no code


def _unpack(stream: bytes, n: int, size: int) -> np.ndarray | None:
    shift, n_lengths = stream[0], stream[1]
    position = 2
    counts = []
    for _ in range(n_lengths):
        count, position = get_uvarint(stream, position)
        counts.append(count)
    n_symbols = sum(counts)
    if shift > code_width(size) or n_lengths > MAX_LENGTH or not 1 <= n_symbols <= MAX_SYMBOLS:
        return None
    n_beyond, position = get_uvarint(stream, position)
    if n_beyond > n:
        return None
    end = position + packed_bytes(n_beyond, size)
    ranks_beyond = unpack_codes(stream[position:end], n_beyond, size)
    if n > 8 * len(stream):  # a code takes at least one bit
        return None
    low: np.ndarray | None = np.zeros(1, dtype=np.int32)
    if shift:
        position, end = end, end + packed_bytes(n, 1 << shift)
        low = unpack_codes(stream[position:end], n, 1 << shift)
    if ranks_beyond is None or low is None:
        return None
    bits = bitarray()
    bits.frombytes(stream[end:])
    decoded = canonical_decode(bits, [0, *counts], range(n_symbols))
    symbols = np.fromiter(islice(decoded, n), dtype=np.int32, count=n)
    lengths = np.repeat(np.arange(1, n_lengths + 1, dtype=np.uint8), counts)
    used = int(lengths[symbols].sum(dtype=np.int64))
    if (used + 7) // 8 != len(stream) - end or bits[used:].any():
        return None
    is_beyond = symbols == n_symbols - 1
    if int(is_beyond.sum()) != n_beyond or int(symbols.max(initial=0, where=~is_beyond)) << shift >= size:
        return None
    ranks = symbols
    ranks <<= shift
    ranks |= low
    ranks[is_beyond] = ranks_beyond
    return ranks if int(ranks.max(initial=0)) < size else None
