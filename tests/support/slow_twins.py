"""Plain-Python twins of the kernels, slow and simple, written from the documents of the modules."""

from __future__ import annotations

import bisect
import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from support.network_twin import NetworkTwin


@dataclass
class Converter:
    """Edges of a converter's bins, in 1/64 codes."""

    edges: list[int]
    profiled: bool = True

    @classmethod
    def equal(cls, size: int) -> Converter:
        return cls([64 * code - 32 for code in range(size + 1)], profiled=False)

    @property
    def size(self) -> int:
        return len(self.edges) - 1

    def value(self, code: int) -> int:
        return (self.edges[code] + self.edges[code + 1]) // 2


def ranked_codes(predicted_mean: int, converter: Converter) -> list[int]:
    """Codes in the order of their ranks around `predicted_mean` (1/64 codes)."""
    size = converter.size
    nearest = min(max(bisect.bisect_right(converter.edges, predicted_mean) - 1, 0), size - 1)
    return outwards(nearest, predicted_mean >= converter.value(nearest), size)


def outwards(nearest: int, upwards: bool, size: int) -> list[int]:
    """Codes 0..size-1 by their distance from `nearest`, those above first if `upwards`."""
    above, below = range(nearest + 1, size), range(nearest - 1, -1, -1)
    first, second = (above, below) if upwards else (below, above)
    pairs = itertools.chain.from_iterable(zip(first, second, strict=False))
    return [nearest, *pairs, *first[len(second) :], *second[len(first) :]]


def rice_bits(rank: int, k: int, width: int) -> str:
    """The Rice code of a rank as a string of 0 and 1."""
    quotient, rest = divmod(rank, 2**k)
    if quotient >= 24:
        return "0" * 24 + format(rank, f"0{width}b")
    return "0" * quotient + "1" + (format(rest, f"0{k}b") if k else "")


def bits_to_bytes(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def expected_streams(
    channels: list[list[int]],
    converters: list[Converter],
    steps: int,
    network: NetworkTwin | None,
    coder: str,
    references: list[list[int]],
    metrics: list[list[int]],
    passes: list[int],
) -> list[bytes]:
    """Each channel's coded stream: lane headers, then residuals (see docs/format.md)."""
    lanes = [_cut(codes, steps) for codes in channels]
    twins = [
        ChannelTwin([LaneTwin(lane, converter) for lane in own])
        for own, converter in zip(lanes, converters, strict=True)
    ]
    writers: list[RangeTwin | list[str]] = [RangeTwin() if coder == "range" else [] for _ in channels]
    for step in range(1, max(len(lane) for own in lanes for lane in own)):
        predicting = network is not None and step > network.window
        if predicting:
            for lane in (lane for twin in twins for lane in twin.lanes if step < len(lane.codes)):
                lane.see(step, network)
        for coding_pass in sorted(set(passes)):
            here = [channel for channel in range(len(channels)) if passes[channel] == coding_pass]
            for channel in here:
                twin = twins[channel]
                for i, lane in enumerate(twin.lanes):
                    if step >= len(lane.codes):
                        continue
                    peers = [twins[peer] for peer in references[channel]]
                    if not predicting:
                        predicted_mean, log2_scale, outlier_weight = lane.values[step - 1], 2 * lane.gain - 32, 12
                    else:
                        senders = [
                            (peer.lanes[i], metric) for peer, metric in zip(peers, metrics[channel], strict=True)
                        ]
                        outputs = network.outputs(
                            lane.inputs,
                            lane.latent,
                            [(s.latent, metric, s.normalised_errors[step]) for s, metric in senders],
                        )
                        taps = twin.taps(i, step, peers)
                        predicted_mean, log2_scale, outlier_weight = lane.predict(step, taps, twin.weights, outputs)
                    write_code(
                        writers[channel],
                        lane.codes[step],
                        predicted_mean,
                        log2_scale,
                        outlier_weight,
                        converters[channel],
                    )
            if predicting:
                for channel in here:
                    twins[channel].update(step, [twins[peer] for peer in references[channel]])
    streams = []
    for own, writer, converter in zip(twins, writers, converters, strict=True):
        headers = bits_to_bytes(lane_header_bits(own.lanes, converter.size))
        streams.append(headers + (writer.finish() if isinstance(writer, RangeTwin) else bits_to_bytes("".join(writer))))
    return streams


def lane_header_bits(lanes: list[LaneTwin], size: int) -> str:
    """The headers of a channel's lanes."""
    width = max(1, (size - 1).bit_length())
    bits = format(lanes[0].gain, "08b") + format(lanes[0].codes[0], f"0{width}b")
    for before, lane in itertools.pairwise(lanes):
        change = lane.gain - before.gain
        bits += rice_bits(2 * change if change >= 0 else -2 * change - 1, 1, 9)
        rank = outwards(before.codes[0], True, size).index(lane.codes[0])
        bits += rice_bits(rank, rice_parameter(2 * lane.gain - 32 + 16), width)
    return bits


def write_code(
    writer: RangeTwin | list[str],
    code: int,
    predicted_mean: int,
    log2_scale: int,
    outlier_weight: int,
    converter: Converter,
) -> None:
    """Code one code under its prediction."""
    if isinstance(writer, RangeTwin):
        encode_code(writer, code, predicted_mean, log2_scale, outlier_weight, converter.size, converter.edges)
        return
    rank = likely_codes(predicted_mean, log2_scale, converter).index(code)
    writer.append(rice_bits(rank, rice_parameter(log2_scale), max(1, (converter.size - 1).bit_length())))


def likely_codes(predicted_mean: int, log2_scale: int, converter: Converter) -> list[int]:
    """Codes in the order of their ranks under `--coder rice`."""
    if not converter.profiled:
        return ranked_codes(predicted_mean, converter)
    middle = predicted_mean // 32 * 32 + 16
    order = ranked_codes(middle, converter)
    deviation = min(max(log2_scale // 8, 1), 11) * 8 + 4

    def mass(code: int) -> int:
        below, above = (distribution(converter.edges[code + i] - middle, deviation, 12) for i in (0, 1))
        return above - below

    return sorted(order[:64], key=lambda code: -mass(code)) + order[64:]


class LaneTwin:
    """A lane and its adaptive state."""

    def __init__(self, codes: list[int], converter: Converter) -> None:
        self.codes, self.converter = codes, converter
        self.values = [converter.value(code) for code in codes]
        self.gain = gain_of(self.values)
        self.normalised_errors: dict[int, int] = {}
        self.latent: list[int] = []
        self.mean = 0
        self.square = 65536 << 7

    def dc_term(self, step: int, log2_scale: int) -> int:
        return clip((self.values[step - 1] - (self.mean >> 11)) * inverse_scale(log2_scale) >> 22, 1023)

    def see(self, step: int, network: NetworkTwin) -> None:
        """Set the window of a step."""
        octaves, eighth = divmod(-self.gain, 8)
        factor = math.floor(Fraction(round(2**30 * 2 ** (eighth / 8))) * Fraction(2) ** (octaves + 2))
        past = self.values[step - network.window - 1 : step]
        self.inputs = [clip(((b - a) * factor + 2**29) >> 30, 1023) for a, b in itertools.pairwise(past)]
        self.latent = network.latent(self.inputs, self.latent or [0] * network.latent_rows)

    def predict(self, step: int, taps: list[int], weights: list[int], outputs: list[int]) -> tuple[int, int, int]:
        """Mean, scale and outlier weight for the coder, from the network's outputs."""
        shift, spread, outlier_weight = outputs
        octaves, eighth = divmod(self.gain, 8)
        factor = math.floor(Fraction(round(2**30 * 2 ** (eighth / 8))) * Fraction(2) ** (octaves - 20))
        self.network_mean = self.values[step - 1] + ((shift * factor + 2**15) >> 16)
        log2_scale = 2 * self.gain - 32 + spread
        self.network_log2_scale = log2_scale
        taps[0] = self.dc_term(step, log2_scale)
        self.taps = taps
        p = clip(sum((w >> 8) * z for w, z in zip(weights, taps, strict=False)) >> 12, 16 * 1023)
        self.predicted = p >> 4
        predicted_mean = self.network_mean + ((p * scale_factor(log2_scale) + 2**21) >> 22)
        predicted_mean = min(
            max(predicted_mean, self.converter.value(0)), self.converter.value(self.converter.size - 1)
        )
        ratio = ((self.square >> 15) * 256 + 128) / 65536
        return predicted_mean, log2_scale + math.floor(4 * math.log2(ratio) + 0.5), outlier_weight

    def observe(self, step: int) -> int:
        """Add the value of `step`; return the error that weights are updated with."""
        z = clip((self.values[step] - self.network_mean) * inverse_scale(self.network_log2_scale) >> 21, 1023)
        self.normalised_errors[step] = z
        self.mean += self.values[step] - (self.mean >> 11)
        error = clip(z - self.predicted, 1023)
        self.square += error**2 - (self.square >> 7)
        return clip(error, 768)


class ChannelTwin:
    """The weights of a channel: DC term, four own normalised errors, then three of each reference."""

    def __init__(self, lanes: list[LaneTwin]) -> None:
        self.lanes = lanes
        self.weights = [0] * 17
        for lane in lanes:
            lane.mean = (sum(other.values[0] for other in lanes) // len(lanes)) << 11

    def taps(self, i: int, step: int, peers: list[ChannelTwin]) -> list[int]:
        taps = [0, *(self.lanes[i].normalised_errors.get(step - k, 0) for k in (1, 2, 3, 4))]
        return taps + [peer.lanes[i].normalised_errors.get(step - k, 0) for peer in peers for k in (0, 1, 2)]

    def update(self, step: int, peers: list[ChannelTwin]) -> None:
        slopes = [0] * 17
        for lane in self.lanes:
            if step < len(lane.codes):
                error = lane.observe(step)
                for k, term in enumerate(lane.taps):
                    slopes[k] += error * term
        n = len(self.lanes)
        step_size = max(3328 * min(n, 48) // n, 2**27 // (step + 256) // n)
        for k in range(5 + 3 * len(peers)):
            self.weights[k] = clip(self.weights[k] + (slopes[k] * step_size >> 16), 2**24 - 1)


def clip(x: int, limit: int) -> int:
    return min(max(x, -limit), limit)


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


def rice_parameter(log2_scale: int) -> int:
    """k for a scale in sixteenths of an octave."""
    return min(max((log2_scale + 8) // 16, 0), 24)


def _power(log2_scale: int, shift: int) -> int:
    """2 ** (shift - scale / 16) from constants of 30 fractional bits, rounded down."""
    octaves, sixteenth = divmod(log2_scale, 16)
    return math.floor(Fraction(round(2**30 * 2 ** (-sixteenth / 16)), 2**30) * Fraction(2) ** (shift - octaves))


def inverse_scale(log2_scale: int) -> int:
    return _power(min(max(log2_scale, -64), 255), 23)


def scale_factor(log2_scale: int) -> int:
    return _power(-min(max(log2_scale, -64), 255), 16)


def cumulative(symbol: int, symbols: int, edge: int, predicted_mean: int, log2_scale: int, outlier_weight: int) -> int:
    """Cumulative frequency below a symbol whose lower edge is `edge`, of 2**24; see docs/format.md."""
    if symbol <= 0:
        return 0
    if symbol >= symbols:
        return 2**24
    return (distribution(edge - predicted_mean, log2_scale, outlier_weight) * (2**24 - 4 * symbols) >> 24) + 4 * symbol


def distribution(distance: int, log2_scale: int, outlier_weight: int) -> int:
    """2**24 F at a distance from the mean, linear between multiples of 1/32."""
    at = distance * inverse_scale(log2_scale) >> 16
    cell, part = divmod(at, 256)
    if cell < -1024:
        return 0
    if cell >= 1024:
        return 2**24
    low, high = (_mixture(cell + i, min(max(outlier_weight, 0), 31)) for i in (0, 1))
    return low + ((high - low) * part >> 8)


@lru_cache(maxsize=1 << 16)
def _mixture(i: int, outlier_weight: int) -> int:
    """2**24 F at i / 32 standard deviations."""
    weight = round(2**16 * 2 ** ((outlier_weight - 31) / 4 - 1))
    core = _phi(i)
    quarter, rest = divmod(i, 4)
    wide = _phi(quarter) + ((_phi(quarter + 1) - _phi(quarter)) * rest >> 2)
    return core + ((wide - core) * weight >> 16)


@lru_cache(maxsize=4096)
def _phi(i: int) -> int:
    """2**24 Phi(i / 32)."""
    upper = round(2**24 * 0.5 * (1 + math.erf(abs(i) / 32 / math.sqrt(2))))
    return upper if i >= 0 else 2**24 - upper


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


def encode_code(
    twin: RangeTwin,
    code: int,
    predicted_mean: int,
    log2_scale: int,
    outlier_weight: int,
    size: int,
    edges: list[int] | None,
) -> None:
    """Code one code under its prediction, as `--coder range` does."""
    if size <= 4096:
        edge = edges or [64 * c - 32 for c in range(size + 1)]
        first, last = (
            cumulative(s, size, edge[s], predicted_mean, log2_scale, outlier_weight) for s in (code, code + 1)
        )
        twin.encode(first, last - first, 24)
        return
    low_bits = max(0, log2_scale // 16 - 5)
    middle = predicted_mean >> low_bits
    source = ((middle + 32) >> 6) - 2048
    symbol = (code >> low_bits) - source
    if not 1 <= symbol < 4096:
        symbol = 0
    first, last = (
        cumulative(s, 4096, 64 * (source + s) - 32, middle, log2_scale - 16 * low_bits, outlier_weight)
        for s in (symbol, symbol + 1)
    )
    twin.encode(first, last - first, 24)
    if symbol == 0:
        twin.encode(code, 1, max(1, (size - 1).bit_length()))
    elif low_bits:
        twin.encode(code % 2**low_bits, 1, low_bits)
