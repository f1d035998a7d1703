"""Slow, obvious twins of the kernels, in plain Python integers, written from what the modules promise."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from spikey_cli.graph import Graph


@dataclass
class Converter:
    """Edges of the bins of a grid, in 1/64 codes."""

    edges: list[int]

    @classmethod
    def equal(cls, size: int) -> Converter:
        return cls([64 * code - 32 for code in range(size + 1)])

    @property
    def size(self) -> int:
        return len(self.edges) - 1

    def value(self, code: int) -> int:
        return (self.edges[code] + self.edges[code + 1]) // 2


def ranked_codes(centre: int, converter: Converter) -> list[int]:
    """Codes in the order of their ranks around `centre` (1/64 codes)."""
    size = converter.size
    inside = [code for code in range(size) if converter.edges[code] <= centre < converter.edges[code + 1]]
    nearest = inside[0] if inside else (0 if centre < converter.edges[0] else size - 1)
    return outwards(nearest, centre >= converter.value(nearest), size)


def outwards(nearest: int, upwards: bool, size: int) -> list[int]:
    """Codes 0..size-1 by their distance from `nearest`, those above first if `upwards`."""
    near_first = [nearest]
    for distance in range(1, size):
        pair = [nearest + distance, nearest - distance]
        near_first += pair if upwards else pair[::-1]
    return [code for code in near_first if 0 <= code < size]


def rice_bits(rank: int, k: int, width: int) -> str:
    """The Rice code of a rank as a string of 0 and 1."""
    quotient, rest = divmod(rank, 2**k)
    if quotient >= 24:
        return "0" * 24 + format(rank, f"0{width}b")
    return "0" * quotient + "1" + (format(rest, f"0{k}b") if k else "")


def bits_to_bytes(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def evaluate(graph: Graph, columns: list[list[int]]) -> list[list[int]]:
    """A graph's outputs for each column of inputs, in exact rational numbers."""
    results = []
    for column in columns:
        x = [Fraction(v) for v in column]
        for node in graph.nodes:
            constants = [graph.constants[name].tolist() for name in node.inputs if name in graph.constants]
            if node.operator == "MatMul":
                x = [sum(Fraction(w) * v for w, v in zip(row, x, strict=True)) for row in constants[0]]
            elif node.operator == "Add":
                x = [v + Fraction(b[0]) for v, b in zip(x, constants[0], strict=True)]
            elif node.operator == "Floor":
                x = [Fraction(math.floor(v)) for v in x]
            else:
                low, high = (Fraction(limit) for limit in constants)
                x = [min(max(v, low), high) for v in x]
        results.append([int(v) for v in x])
    return results


def expected_streams(
    threads: list[list[int]], converters: list[Converter], steps: int, graph: Graph | None, coder: str
) -> list[bytes]:
    """Each thread's coded stream: entries, then residuals (see docs/format.md)."""
    streams = []
    for codes, converter in zip(threads, converters, strict=True):
        size = converter.size
        width = max(1, (size - 1).bit_length())
        lanes = _cut(codes, steps)
        gains = [gain_of([converter.value(code) for code in lane]) for lane in lanes]
        entries = ""
        for i, (lane, gain) in enumerate(zip(lanes, gains, strict=True)):
            if i == 0:
                entries += format(gain, "08b") + format(lane[0], f"0{width}b")
            else:
                change = gain - gains[i - 1]
                entries += rice_bits(2 * change if change >= 0 else -2 * change - 1, 1, 9)
                rank = outwards(lanes[i - 1][0], True, size).index(lane[0])
                entries += rice_bits(rank, rice_parameter(2 * gain - 32 + 16), width)
        entries += "0" * (-len(entries) % 8)
        window = graph.input_rows if graph else 0
        residuals, twin = "", RangeTwin()
        for step in range(1, max(len(lane) for lane in lanes)):
            for lane, gain in zip(lanes, gains, strict=True):
                if step < len(lane):
                    past = [converter.value(code) for code in lane[:step]]
                    centre, scale, tail = predict(past, gain, converter, graph, window)
                    if coder == "range":
                        encode_code(twin, lane[step], centre, scale, tail, size, converter.edges)
                        continue
                    rank = ranked_codes(centre, converter).index(lane[step])
                    residuals += rice_bits(rank, rice_parameter(scale), width)
        streams.append(bits_to_bytes(entries) + (twin.finish() if coder == "range" else bits_to_bytes(residuals)))
    return streams


def _cut(codes: list[int], steps: int) -> list[list[int]]:
    count = -(-len(codes) // steps)
    base, longer = divmod(len(codes), count)
    lanes, at = [], 0
    for i in range(count):
        length = base + (i < longer)
        lanes.append(codes[at : at + length])
        at += length
    return lanes


def gain_of(values: list[int]) -> int:
    """Gain byte of a lane of values in 1/64 codes."""
    squares = sum((b - a) ** 2 for a, b in itertools.pairwise(values))
    mean = Fraction(squares // (16 * max(1, len(values) - 1)))
    # the largest g with RMS(g - 1/2)**2 * 256 <= mean, the left side rounded down as the table is
    gain = 0
    while gain < 216 and _root_power(2 * (gain + 1) + 31) <= mean:
        gain += 1
    return gain


def _root_power(eighths: int) -> int:
    """floor(2 ** (eighths / 8)) from constants of 30 fractional bits."""
    octaves, eighth = divmod(eighths, 8)
    return math.floor(Fraction(round(2**30 * 2 ** (eighth / 8)), 2**30) * Fraction(2) ** octaves)


def rice_parameter(scale: int) -> int:
    """k for a scale in sixteenths of an octave."""
    return min(max((scale + 12) // 16, 0), 24)


def predict(
    past: list[int], gain: int, converter: Converter, graph: Graph | None, window: int
) -> tuple[int, int, int]:
    """Centre, scale and tail of the value after `past`."""
    scale = 2 * gain - 32
    if graph is None or len(past) <= window:
        return past[-1], scale, 12
    octaves, eighth = divmod(-gain, 8)
    factor = math.floor(Fraction(round(2**30 * 2 ** (eighth / 8))) * Fraction(2) ** (octaves + 2))
    inputs = []
    for a, b in zip(past[-window - 1 : -1], past[-window:], strict=True):
        inputs.append(min(max(((b - a) * factor + 2**29) >> 30, -1023), 1023))
    ((shift, spread, tail),) = evaluate(graph, [inputs])
    octaves, eighth = divmod(gain, 8)
    factor = math.floor(Fraction(round(2**30 * 2 ** (eighth / 8))) * Fraction(2) ** (octaves - 20))
    centre = past[-1] + ((shift * factor + 2**15) >> 16)
    centre = min(max(centre, converter.value(0)), converter.value(converter.size - 1))
    return centre, scale + spread, tail


def cumulative(symbol: int, symbols: int, edge: int, centre: int, scale: int, tail: int) -> int:
    """Cumulative frequency below a symbol whose lower edge is `edge`, of 2**24; see docs/format.md."""
    if symbol <= 0:
        return 0
    if symbol >= symbols:
        return 2**24
    place = min(max(scale, -64), 255)
    root = round(2**30 * 2 ** (-(place % 16) / 16))
    inverse = root >> (7 + place // 16) if 7 + place // 16 >= 0 else root << -(7 + place // 16)
    z = (edge - centre) * inverse >> 16
    weight = round(2**16 * 2 ** ((min(max(tail, 0), 31) - 31) / 4 - 1))
    core = _normal(z)
    mass = core + ((_normal(z >> 2) - core) * weight >> 16)
    return (mass * (2**24 - 4 * symbols) >> 24) + 4 * symbol


def _normal(z: int) -> int:
    """2**24 Phi(z / 8192), linear between multiples of 1/32."""
    at = z + 256 * 256
    if at <= 0:
        return 0
    if at >= 512 * 256:
        return 2**24
    low, high = (_phi(at // 256 + i) for i in (0, 1))
    return low + ((high - low) * (at % 256) >> 8)


@lru_cache(maxsize=1024)
def _phi(i: int) -> int:
    upper = round(2**24 * 0.5 * (1 + math.erf(abs(i - 256) / 32 / math.sqrt(2))))
    return upper if i >= 256 else 2**24 - upper


class RangeTwin:
    """A range coder's number as one big fraction, without carries or words."""

    def __init__(self) -> None:
        self.low, self.range, self.words = 0, 2**64 - 1, 0

    def encode(self, first: int, size: int, bits: int) -> None:
        step = self.range >> bits
        self.low += step * first
        self.range = step * size
        while self.range < 2**32:
            self.low <<= 32
            self.range <<= 32
            self.words += 1

    def finish(self) -> bytes:
        # the next multiple of 2**32 lies within the interval
        number = -(-self.low // 2**32)
        return number.to_bytes(4 * (self.words + 1), "big")


def encode_code(twin: RangeTwin, code: int, centre: int, scale: int, tail: int, size: int, edges: list[int] | None) -> None:
    """Code one code under its prediction, as `--coder range` does."""
    if size <= 4096:
        edge = edges or [64 * c - 32 for c in range(size + 1)]
        first, last = (cumulative(s, size, edge[s], centre, scale, tail) for s in (code, code + 1))
        twin.encode(first, last - first, 24)
        return
    low_bits = max(0, scale // 16 - 5)
    middle = centre >> low_bits
    origin = ((middle + 32) >> 6) - 2048
    symbol = (code >> low_bits) - origin
    if not 1 <= symbol < 4096:
        symbol = 0
    first, last = (
        cumulative(s, 4096, 64 * (origin + s) - 32, middle, scale - 16 * low_bits, tail) for s in (symbol, symbol + 1)
    )
    twin.encode(first, last - first, 24)
    if symbol == 0:
        twin.encode(code, 1, max(1, (size - 1).bit_length()))
    elif low_bits:
        twin.encode(code % 2**low_bits, 1, low_bits)
