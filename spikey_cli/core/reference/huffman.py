"""Huffman codes of ranks (docs/format.md, *Coder 3*; D. A. Huffman, Proc. IRE 40, 1952)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from heapq import heapify, heappop, heappush
from itertools import islice

from . import packed, ranks
from .arithmetic import Damage, Reader, bits_of, bytes_from_bits, rounded_power, uvarint, width_of
from .bins import Bins
from .rice import Prediction


def canonical_codes(counts: Sequence[int]) -> list[str]:
    """Return the codes, as characters 0 and 1; `counts` has the number of codes of each length from 1 on."""
    codes: list[str] = []
    code = 0
    for length, count in enumerate(counts, 1):
        if count > 2**length:
            raise Damage("there are more codes of a length than numbers")
        codes += [bits_of(code + i, length) for i in range(count)]
        code = 2 * (code + count)
    return codes


def encode_ranks(rank_list: Sequence[int], size: int) -> bytes:
    """Return the stream of a channel's ranks; its quantizer has `size` codes."""
    log2_variance, h = choose(rank_list)
    counts = code_counts(log2_variance)
    codes, escape = canonical_codes(counts), sum(counts) - 1
    escaped = [rank for rank in rank_list if rank >> h >= escape]
    out = bytes([h, len(counts)]) + b"".join(map(uvarint, [*counts, len(escaped)])) + packed.pack(escaped, size)
    if h:
        out += packed.pack([rank % 2**h for rank in rank_list], 2**h)
    return out + bytes_from_bits("".join(codes[min(rank >> h, escape)] for rank in rank_list))


def decode_ranks(stream: bytes, n_ranks: int, size: int) -> list[int]:
    """Return the ranks of a stream."""
    reader = Reader(stream)
    h, longest = reader.bits(8), reader.bits(8)
    counts = [reader.uvarint() for _ in range(longest)]
    if h > width_of(size) or longest > 31 or not 1 <= sum(counts) <= 386:
        raise Damage("the code is not one that the format allows")
    n_escaped = reader.uvarint()
    if n_escaped > n_ranks:
        raise Damage("there are more escaped ranks than ranks")
    escaped = _packed(reader, n_escaped, width_of(size))
    low = _packed(reader, n_ranks, h)
    symbols = {code: symbol for symbol, code in enumerate(canonical_codes(counts))}
    found = []
    for low_bits in low:
        symbol = _symbol(reader, symbols, longest)
        found.append(symbol << h | low_bits if symbol < len(symbols) - 1 else escaped.pop(0) if escaped else size)
    if escaped or any(rank >= size for rank in found) or "1" in reader.string[reader.position :]:
        raise Damage("a rank is out of range, or the stream is longer than its ranks")
    reader.end()
    return found


def _packed(reader: Reader, count: int, width: int) -> list[int]:
    numbers = [reader.bits(width) for _ in range(count)]
    reader.align()
    return numbers


def _symbol(reader: Reader, symbols: dict[str, int], longest: int) -> int:
    code = ""
    for _ in range(longest):
        code += str(reader.bits(1))
        if code in symbols:
            return symbols[code]
    raise Damage("these bits are no code")


def choose(rank_list: Sequence[int]) -> tuple[int, int]:
    """Log2 variance and h of the code that this encoder chooses from the mean rank; an encoder may choose others.

    The mean rank of a normal distribution is about sqrt(8 / pi) deviations less a half; 22/7 stands for pi.
    """
    total, n = sum(rank_list), max(1, len(rank_list))
    variance = 64 * 11 * (2 * total + n) ** 2 // (28 * 4 * n * n)  # pi/8 (mean + 1/2)**2, times 64
    log2_variance = max(0, ((2 * variance * variance).bit_length() - 13) // 2)  # rounded to the nearest
    h = max(0, (log2_variance - 9) // 2)
    return log2_variance - 2 * h, h


@lru_cache
def code_counts(log2_variance: int) -> list[int]:
    """Return the number of codes of each length, from 1 on, for a binomial prior of 4 * 2**log2_variance coins.

    Ranks 2i - 1 and 2i have the weight C(n, n/2 + i), with a little added so that no code is too long; the last
    symbol, the escape, has 2**-12.
    """
    one, half = 1 << 60, 2 << log2_variance
    weights, binomial = [one], one
    for i in range(min(half, 6 * rounded_power(log2_variance, 2))):  # up to six deviations
        binomial = binomial * (half - i) // (half + i + 1)
        weights += [binomial + (one >> 20)] * 2
    lengths = code_lengths([*weights, one >> 12])
    return [lengths.count(length) for length in range(1, max(lengths) + 1)]


def code_lengths(weights: Sequence[int]) -> list[int]:
    """Return the length of each symbol's code: join the two lightest sets of symbols until one is left."""
    lengths = [0] * len(weights)
    sets = [(weight, symbol, [symbol]) for symbol, weight in enumerate(weights)]
    heapify(sets)
    while len(sets) > 1:
        (light, _, first), (heavy, _, second) = heappop(sets), heappop(sets)
        for symbol in first + second:
            lengths[symbol] += 1
        heappush(sets, (light + heavy, len(weights) + len(sets), first + second))
    return lengths


class HuffmanEncoder:
    """Writes the codes of a channel: its ranks, in the order of lanes, and within a lane in order of time."""

    def __init__(self, bins: Bins, lengths: list[int]) -> None:
        self.bins = bins
        self.ranks: list[list[int]] = [[] for _ in lengths]

    def encode(self, lane: int, code: int, prediction: Prediction) -> None:
        """Take the next code of a lane."""
        self.ranks[lane].append(ranks.rank_of(code, *ranks.around(prediction.mean, self.bins)))

    def finish(self) -> bytes:
        """Return the stream."""
        return encode_ranks([rank for lane in self.ranks for rank in lane], self.bins.size)


class HuffmanDecoder:
    """Reads the codes of a channel."""

    def __init__(self, bins: Bins, lengths: list[int], stream: bytes) -> None:
        self.bins = bins
        found = iter(decode_ranks(stream, sum(lengths) - len(lengths), bins.size))
        self.ranks: list[Iterator[int]] = [iter([*islice(found, length - 1)]) for length in lengths]

    def decode(self, lane: int, prediction: Prediction) -> int:
        """Return the next code of a lane."""
        return ranks.code_of(next(self.ranks[lane]), *ranks.around(prediction.mean, self.bins))

    def finish(self) -> None:
        """All ranks were checked before the first step."""
