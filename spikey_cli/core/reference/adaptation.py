"""Adaptation of mean and scale by least squares (docs/format.md, *Adaptation*).

`LaneState` is what is kept of a lane, `ChannelState` the least squares of a channel. Values are in 1/64 codes,
everything else is float32 in codes or octaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from . import gain
from .float32 import bits_of, exp2_about, f32, f32_each, log2_about, sqrt, within
from .solver import solve

RATES = (1 / 8, 1 / 32, 1 / 128, 1 / 512, 1 / 512)
"""Of the slow means behind the tracks of the scale; the last one is that of the network."""
RIDGE = 15.0
ERROR_LAGS = 3
BLOCK = 8
"""Partial sums of a prediction."""
MANY_LANES = 4
BATCH = 32
"""Steps after which sums in float32 are added to those in float64."""
CALM = 8
"""Steps from a jump to the next one that teaches."""


class Effort(NamedTuple):
    """How much the adaptation learns."""

    every: int
    """Steps from one that teaches to the next, after the first 512."""
    every_of_many: int
    """The same of a channel with MANY_LANES."""
    longest_gap: int
    """Steps between solutions, at most."""


EFFORTS = {1: Effort(8, 8, 256), 2: Effort(2, 4, 256), 3: Effort(1, 1, 64)}


class LaneState:
    """What the adaptation keeps of a lane whose first value is `value`, with a gain."""

    def __init__(self, value: int, lane_gain: int) -> None:
        variance = f32(f32(f32(gain.mean_square(lane_gain)) / 4096) + f32(0.02))
        self.origin = self.last = value
        self.slow_mean = 0.0
        self.usual = f32(f32(f32(gain.mean_square(lane_gain)) / 4096) + f32(0.3))
        """Slow mean of squared differences, far beyond which they are jumps."""
        self.is_jump, self.since = False, CALM
        self.variances = [variance] * 4 + [1.0]
        self.shares = [f32(1 / 5)] * 5 + [0.0]
        """Of the tracks, and a bias."""
        # by step; what is missing is 0
        self.differences: dict[int, float] = {}
        self.errors: dict[int, float] = {}
        self.levels: dict[int, float] = {}
        self.above_mean: dict[int, float] = {}
        self.mean_differences: dict[int, float] = {}
        # of the current step
        self.network, self.network_scale, self.scale, self.mean = 0.0, 0.0, 0.0, 0
        self.tracks: list[float] = []
        self.row: list[float] = []
        self.teaching_variance = self.square = 0.0
        self.gradients: list[float] = []

    def predict_scale(self, lane_gain: int, y0: int, y1: int) -> int:
        """Return the log2 scale in sixteenths, from the network's outputs; 0 and 0 without them."""
        unit = f32(f32(gain.output_factor(lane_gain)) / 2**22)
        self.network = within(f32(f32(y0) * unit), -(2.0**24), 2.0**24)
        self.network_scale = f32(gain.log2_scale(lane_gain) / 16 + y1 / 16)
        self.tracks = [f32(0.5 * log2_about(variance)) for variance in self.variances]
        self.tracks[4] = f32(self.tracks[4] + self.network_scale)
        scale = self.shares[5]
        for share, track in zip(self.shares, self.tracks, strict=False):
            scale = f32(scale + f32(share * track))
        self.scale = within(scale, -6.0, 26.0)
        return int(f32(f32(self.scale * 16) + 1024.5)) - 1024

    def predict_mean(self, weights: Sequence[float]) -> int:
        """Return the mean from the row's terms."""
        sums = [0.0] * BLOCK
        for k, (weight, term) in enumerate(zip(weights, self.row, strict=True)):
            sums[k % BLOCK] = f32(sums[k % BLOCK] + f32(weight * term))
        s = sums
        p = f32(f32(f32(s[0] + s[4]) + f32(s[2] + s[6])) + f32(f32(s[1] + s[5]) + f32(s[3] + s[7])))
        return self.last + int(f32(p * 64))

    def advance(self, value: int, step: int) -> None:
        """Take in the value of the step's code, as far as later passes see it."""
        difference = f32((value - self.last) / 64)
        square = f32(difference * difference)
        self.is_jump = square > f32(1024 * self.usual)
        self.since = 0 if self.is_jump else min(self.since + 1, CALM)
        seen = min(f32(square + f32(0.3)), f32(100 * self.usual))
        self.usual = f32(self.usual + f32(f32(seen - self.usual) / 128))
        self.differences[step] = 0.0 if self.is_jump else difference
        self.errors[step] = f32(self.differences[step] - self.network)

    def z(self, step: int) -> int:
        """Return the network's normalised error of a step, for messages."""
        spread = exp2_about(-within(self.network_scale, -30.0, 30.0))
        return int(within(f32(f32(self.errors[step] * spread) * 256), -1023.0, 1023.0))

    def observe(self, value: int, step: int) -> None:
        """Take in the value once all passes are done."""
        self.last = value
        if self.is_jump:
            self.above_mean[step] = self.levels[step + 1] = self.levels.get(step, 0.0)
        else:
            relative = f32((value - self.origin) / 64)
            self.above_mean[step] = f32(relative - self.slow_mean)
            rate = f32(1 / min(step + 2, 1024))
            self.slow_mean = f32(self.slow_mean + f32(self.above_mean[step] * rate))
            self.levels[step + 1] = f32(relative - self.slow_mean)
        self._follow_scale(f32((value - self.mean) / 64), step)

    def _follow_scale(self, error: float, step: int) -> None:
        self.square = f32(error * error)
        rounded = f32(self.square + f32(0.02))
        inverse = exp2_about(-self.scale)
        surprise = 0.0 if self.is_jump else f32(min(f32(rounded * f32(inverse * inverse)), 9.0) - 1)
        mean = 0.0
        for track in self.tracks:
            mean = f32(mean + track)
        mean = f32(mean * f32(1 / 5))
        self.gradients = [*(f32(surprise * f32(track - mean)) for track in self.tracks), surprise]
        self.teaching_variance = f32(self.variances[2] + f32(0.3))
        if self.is_jump:
            return
        inverse = exp2_about(-within(self.network_scale, -30.0, 30.0))
        for k, variance in enumerate(self.variances):
            seen = min(rounded, f32(100 * variance))
            if k == 4:
                seen = min(f32(f32(self.square * f32(inverse * inverse)) + f32(0.001)), 25.0)
            rate = max(f32(1 / (step + 3)), RATES[k])
            self.variances[k] = f32(variance + f32(rate * f32(seen - variance)))


Term = tuple[float, float]
"""A term and its ridge, in units of RIDGE."""


@dataclass
class ChannelState:
    """The least squares of a channel with some lanes, and what it refers to."""

    lanes: list[LaneState]
    effort: Effort
    earlier: list[ChannelState] = field(default_factory=list)
    later: list[ChannelState] = field(default_factory=list)
    before: list[ChannelState] = field(default_factory=list)
    """Channels of its joint group in earlier passes, if there are at least two."""
    lag: int = 0
    order: int = 8
    number: int = 0
    """Its rank in its joint group, in the order of passes; in a live stream, that among all channels."""
    turn: int = 0
    """What is added to a step to tell whether it teaches."""
    has_network: bool = True

    def __post_init__(self) -> None:
        many = len(self.lanes) >= MANY_LANES
        self.every = self.effort.every_of_many if many else self.effort.every
        self.due = 8 if many else 16
        self.weights: list[float] = []
        self.ridge: list[float] = []
        self.batch: list[list[float]] = []
        self.sums: list[list[float]] = []

    def fill_rows(self, step: int, running: Sequence[int]) -> None:
        """Set the terms of the lanes that are longer than the step."""
        for number in running:
            past, present = self._terms(number, step)
            if present:
                past += [(0.0, 1.0)] * (-len(past) % BLOCK)
            terms = past + present
            self.lanes[number].row = [term for term, _ in terms]
            if not self.weights:
                n = len(terms)
                self.weights, self.ridge = [0.0] * n, [f32(RIDGE * f32(ridge)) for _, ridge in terms]
                self.batch = [[0.0] * (i + 1) for i in range(n)] + [[0.0] * n]
                self.sums = [list(row) for row in self.batch]

    def _terms(self, number: int, step: int) -> tuple[list[Term], list[Term]]:
        """Return the terms that are known before the step, and those that earlier passes give."""
        own = self.lanes[number]
        past = [(own.differences.get(step - lag, 0.0), (9 + (lag - 1) ** 2) / 1024) for lag in range(1, self.order + 1)]
        past.append((own.levels.get(step, 0.0), 16.0))
        present = []
        if self.has_network:
            past.append((own.network, 1.0))
            past += [(own.errors.get(step - lag, 0.0), 1.0) for lag in range(1, ERROR_LAGS + 1)]
        for channel in self.earlier:
            other = channel.lanes[number]
            past += [(other.differences.get(step - 1, 0.0), 2.0), (other.levels.get(step, 0.0), 2.0)]
            present.append((other.differences[step], 1.0))
        if self.has_network and self.earlier:
            other = self.earlier[0].lanes[number]
            past += [(other.errors.get(step - lag, 0.0), 1.0) for lag in range(1, ERROR_LAGS)]
            present.append((other.errors[step], 1.0))
        for channel in self.later:
            other = channel.lanes[number]
            past += [(other.differences.get(step - 1, 0.0), 2.0), (other.levels.get(step, 0.0), 2.0)]
        if self.before:
            past.append((own.mean_differences.get(step - 1, 0.0), 2.0))
            others = [channel.lanes[number] for channel in self.before]
            own.mean_differences[step] = self._mean([other.differences[step] for other in others])
            present.append((own.mean_differences[step], 1.0))
            present.append((self._mean([other.levels.get(step, 0.0) for other in others]), 2.0))
        if self.lag:
            past.append((own.differences.get(step - self.lag, 0.0), 1.0))
            past.append((own.above_mean.get(step - self.lag, 0.0), 1.0))
        return past, present

    @staticmethod
    def _mean(numbers: Sequence[float]) -> float:
        total = 0.0
        for x in numbers:
            total = f32(total + x)
        return f32(total * f32(1 / len(numbers)))

    def learn(self, step: int, running: Sequence[int]) -> None:
        """Learn from a step of the lanes that are longer, after all of them have observed it."""
        lanes = [self.lanes[number] for number in running]
        rate = min(f32(f32(0.0007) + f32(f32(0.14) / (step + 50))), f32(f32(0.035) / len(self.lanes)))
        for k in range(6):
            total = 0.0
            for lane in lanes:
                total = f32(total + lane.gradients[k])
            for lane in self.lanes:
                lane.shares[k] = f32(lane.shares[k] + f32(rate * total))
        every = 1 if step < 512 else self.every
        if (step + self.turn) % every == 0:
            for lane in lanes:
                if lane.since == CALM:
                    self._add(lane, every, step)
        if (step + self.turn) % BATCH == 0:
            self._add_batch()
        if step + 1 >= self.due:
            self._solve()

    def _add(self, lane: LaneState, every: int, step: int) -> None:
        variance = lane.teaching_variance
        exponent = (bits_of(f32(variance * f32(1.41421354))) >> 23) - 127
        weight = 2.0**-exponent * every
        if lane.square > f32(9 * variance):
            weight = f32(weight * f32(3 * sqrt(f32(variance / lane.square))))
        row = [*lane.row, lane.differences[step]]
        for own, weighted in zip(self.batch, f32_each(term * weight for term in row), strict=True):
            products = f32_each(weighted * term for term in row[: len(own)])
            own[:] = f32_each(x + y for x, y in zip(own, products, strict=True))

    def _add_batch(self) -> None:
        for own, batch in zip(self.sums, self.batch, strict=True):
            own[:] = [x + y for x, y in zip(own, batch, strict=True)]
            batch[:] = [0.0] * len(batch)

    def _solve(self) -> None:
        self._add_batch()
        solution = solve(self.sums, self.ridge)
        if solution:
            self.weights = [f32(weight) for weight in solution]
        gap = min(max(self.due // 8, 2), self.effort.longest_gap)
        self.due += gap
        if gap == self.effort.longest_gap:
            self.due += -(self.due + 37 * self.number) % gap
        keep = 1.0 if len(self.lanes) > 1 else 1 - gap / 8192
        for own in self.sums:
            own[:] = [x * keep for x in own]
