"""Slow, obvious twins of the kernels, in plain Python integers, written from what the modules promise."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

from spikey_cli.graph import Graph


def ranked_codes(centre: int, size: int) -> list[int]:
    """Codes 0..size-1 in the order of their ranks around `centre` (1/64 codes)."""
    nearest = math.floor(Fraction(centre, 64) + Fraction(1, 2))
    upwards = centre >= 64 * nearest
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


def expected_streams(threads: list[list[int]], sizes: list[int], steps: int, graph: Graph | None) -> list[str]:
    """The bits of each thread's coded stream: entries, then residuals, in Rice codes (see docs/format.md)."""
    streams = []
    for codes, size in zip(threads, sizes, strict=True):
        width = max(1, (size - 1).bit_length())
        lanes = _cut(codes, steps)
        gains = [_gain(lane) for lane in lanes]
        entries = ""
        for i, (lane, gain) in enumerate(zip(lanes, gains, strict=True)):
            if i == 0:
                entries += format(gain, "08b") + format(lane[0], f"0{width}b")
            else:
                change = gain - gains[i - 1]
                entries += rice_bits(2 * change if change >= 0 else -2 * change - 1, 1, 9)
                rank = ranked_codes(64 * lanes[i - 1][0], size).index(lane[0])
                entries += rice_bits(rank, _k(2 * gain - 32 + 16), width)
        entries += "0" * (-len(entries) % 8)
        window = graph.input_rows if graph else 0
        residuals = ""
        for step in range(1, max(len(lane) for lane in lanes)):
            for lane, gain in zip(lanes, gains, strict=True):
                if step < len(lane):
                    centre, scale = _predict(lane[:step], gain, size, graph, window)
                    residuals += rice_bits(ranked_codes(centre, size).index(lane[step]), _k(scale), width)
        streams.append(entries + residuals)
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


def _gain(lane: list[int]) -> int:
    squares = sum((b - a) ** 2 for a, b in itertools.pairwise(lane))
    mean = Fraction(squares * 256 // max(1, len(lane) - 1))
    # the largest g with RMS(g - 1/2)**2 * 256 <= mean, the left side rounded down as the table is
    gain = 0
    while gain < 216 and _root_power(2 * (gain + 1) + 31) <= mean:
        gain += 1
    return gain


def _root_power(eighths: int) -> int:
    """floor(2 ** (eighths / 8)) from constants of 30 fractional bits."""
    octaves, eighth = divmod(eighths, 8)
    return math.floor(Fraction(round(2**30 * 2 ** (eighth / 8)), 2**30) * Fraction(2) ** octaves)


def _k(scale: int) -> int:
    return min(max((scale + 12) // 16, 0), 24)


def _predict(past: list[int], gain: int, size: int, graph: Graph | None, window: int) -> tuple[int, int]:
    scale = 2 * gain - 32
    if graph is None or len(past) <= window:
        return 64 * past[-1], scale
    octaves, eighth = divmod(-gain, 8)
    factor = math.floor(Fraction(round(2**30 * 2 ** (eighth / 8))) * Fraction(2) ** (octaves + 2))
    inputs = []
    for a, b in zip(past[-window - 1 : -1], past[-window:], strict=True):
        inputs.append(min(max(((b - a) * factor + 2**23) >> 24, -1023), 1023))
    ((shift, spread),) = evaluate(graph, [inputs])
    octaves, eighth = divmod(gain, 8)
    factor = math.floor(Fraction(round(2**30 * 2 ** (eighth / 8))) * Fraction(2) ** (octaves - 20))
    centre = 64 * past[-1] + ((shift * factor + 2**15) >> 16)
    return min(max(centre, 0), 64 * (size - 1)), scale + spread
