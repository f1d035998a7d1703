"""Estimate of the power of this codec on the implant: `python benchmarks/energy.py`; see docs/energy.md.

The operations that encode one sample (coder `range`, model `n1`, no peers) are counted from docs/format.md and
multiplied with published energies of single operations. Control, clocks, leakage and the converters are not included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from spikey_cli.codec.presets import PRESETS
from spikey_cli.core.reference.adaptation import EFFORTS, ERROR_LAGS
from spikey_cli.model.predictor import default_predictor
from spikey_cli.streaming.encoder import ORDERS

SAMPLES_A_SECOND = 1024 * 19_531
BUDGET_MW = 10.0
BITS_PER_SAMPLE = 4.51
"""Bits of a live stream in packets of 64 frames, as benchmarks/live.py measured it; raw samples have 10."""
RADIO_PJ_PER_BIT = 5.8
"""An implantable impulse-radio transmitter in 28 nm: 9.7 mW at 1.66 Gbit/s (Song et al. 2022)."""


@dataclass(frozen=True)
class Process:
    """Energies in pJ: addition and multiplication of 32 bits, multiplication of 8, addition and multiplication of
    float32, 32 bits read from 8 KiB of SRAM.
    """

    name: str
    add: float
    multiply: float
    multiply_8: float
    add_float: float
    multiply_float: float
    read: float

    def product(self, bits: int, other_bits: int) -> float:
        """Energy of a product of other widths: a power law of their product through the published values."""
        power = math.log(self.multiply / self.multiply_8) / math.log(32 * 32 / (8 * 8))
        return self.multiply_8 * (bits * other_bits / 64) ** power


# M. Horowitz, "Computing's energy problem", ISSCC 2014 (45 nm, 0.9 V); N. Jouppi et al., "Ten lessons from three
# generations shaped Google's TPUv4i", ISCA 2021, table 2 (7 nm). Both give SRAM for 64 bits: half of it is taken.
FORTY_FIVE = Process("45 nm", 0.1, 3.1, 0.2, 0.9, 3.7, 5.0)
SEVEN = Process("7 nm", 0.03, 1.48, 0.07, 0.38, 1.31, 3.75)


def between(name: str, nanometres: float) -> Process:
    """A process between the published ones by logarithmic interpolation, for orientation only."""
    share = math.log(45 / nanometres) / math.log(45 / 7)
    keys = ("add", "multiply", "multiply_8", "add_float", "multiply_float", "read")
    return Process(name, *(getattr(FORTY_FIVE, key) ** (1 - share) * getattr(SEVEN, key) ** share for key in keys))


@dataclass(frozen=True)
class Work:
    """Operations of one stage; those that are not done at every sample count in part."""

    stage: str
    products: tuple[tuple[float, int, int], ...] = ()
    """Multiplications of integers: (count, bits of one factor, bits of the other)."""
    additions: float = 0
    float_products: float = 0
    float_additions: float = 0
    table_reads: float = 0
    state_words: float = 0
    """Reads and writes of 32-bit words of state."""

    @property
    def multiplications(self) -> float:
        """Of integers and of float32."""
        return sum(n for n, _, _ in self.products) + self.float_products

    def picojoules(self, process: Process) -> float:
        """Energy of one sample."""
        products = sum(n * process.product(a, b) for n, a, b in self.products)
        floats = self.float_products * process.multiply_float + self.float_additions * process.add_float
        return products + self.additions * process.add + floats + (self.table_reads + self.state_words) * process.read


ROWS = 8
"""Rows of terms that are added to the sums of products together, so that the sums are read and written once."""
FLOAT64 = 4
"""Operations of float32 that one of float64 counts as."""


def stages(preset: str) -> list[Work]:
    """The stages of encoding one sample, long after the stream began."""
    network = default_predictor().multiply_adds
    window = default_predictor().window
    effort = EFFORTS[PRESETS[preset].effort]
    n = ORDERS[preset] + 2 + ERROR_LAGS  # own differences, level, the network's difference and errors
    sums = (n + 1) * (n + 2) // 2
    solution = n * (n + 1) * (n + 2) // 6 + n * n
    return [
        # weights of 14 bits are in registers, because all channels share them; differences of 11 bits are in a ring
        Work("network", ((network, 11, 14),), network, state_words=math.ceil(window * 11 / 32)),
        # differences into and out of the network, square; slow mean and level, mean square and gain
        Work("normalisation", ((1, 11, 11),), 6, 3, 5, table_reads=4, state_words=8),
        # terms are kept in a ring
        Work("prediction", float_products=n, float_additions=n + 1, state_words=2 * n),
        # five tracks: log2 each, mix, two exp2, gradients and shares, slow means
        Work(
            "scale", float_products=5 * 3 + 5 + 4 + 5 + 6 + 8, float_additions=5 * 3 + 5 + 4 + 5 + 6 + 8, state_words=22
        ),
        Work(
            "sums of products",
            float_products=(n + 1 + sums) / effort.every,
            float_additions=sums / effort.every,
            state_words=(2 * (n + 1) + 2 * sums / ROWS) / effort.every,
        ),
        Work(
            "solution",
            float_products=FLOAT64 * solution / effort.longest_gap,
            float_additions=FLOAT64 * (solution + sums) / effort.longest_gap,
            state_words=2 * 3 * sums / effort.longest_gap,
        ),
        # the distribution at two edges: scaled distance, outliers, interpolation, mass; an edge, two table entries for
        # the core and two for the outliers. The program has a table for each outlier weight; a circuit would mix two
        # entries of one table
        Work("density", ((2, 16, 20), (2, 24, 16), (2, 24, 8), (2, 24, 24)), 16, table_reads=10),
        # interval: two products with a width of 64 bits
        Work("range coder", ((2, 40, 24),), 4, state_words=4),
    ]


def print_preset(preset: str) -> None:
    """Print the tables of a preset."""
    work = stages(preset)
    processes = [FORTY_FIVE, between("28 nm", 28), between("16 nm", 16), SEVEN]
    print(f"| {preset} | multiplications | additions | table reads | words of state |")
    print("|---|---|---|---|---|")
    rows = [(w.stage, w.multiplications, w.additions + w.float_additions, w.table_reads, w.state_words) for w in work]
    rows.append(("**a sample**", *(sum(row[i] for row in rows) for i in range(1, 5))))
    for name, *counts in rows:
        print(f"| {name} | " + " | ".join(f"{count:.0f}" for count in counts) + " |")
    print(f"\n| {preset} | " + " | ".join(p.name for p in processes) + " |")
    print("|---" * (len(processes) + 1) + "|")
    for w in work:
        print(f"| {w.stage}, pJ | " + " | ".join(f"{w.picojoules(p):.0f}" for p in processes) + " |")
    totals = [sum(w.picojoules(p) for w in work) for p in processes]
    print("| **a sample, pJ** | " + " | ".join(f"{total:.0f}" for total in totals) + " |")
    milliwatts = [total * SAMPLES_A_SECOND * 1e-9 for total in totals]
    print("| 1024 channels at 19,531 Hz, mW | " + " | ".join(f"{mw:.1f}" for mw in milliwatts) + " |")
    print("| share of 10 mW | " + " | ".join(f"{100 * mw / BUDGET_MW:.0f} %" for mw in milliwatts) + " |")
    raw, coded = (bits * SAMPLES_A_SECOND * 1e-6 for bits in (10, BITS_PER_SAMPLE))
    break_even = (
        f"{total / (10 - BITS_PER_SAMPLE):.0f} pJ ({process.name})"
        for process, total in zip(processes, totals, strict=True)
    )
    print(
        f"\nBits: {raw:.0f} Mbit/s raw, {coded:.0f} Mbit/s coded. A radio of {RADIO_PJ_PER_BIT} pJ/bit takes "
        f"{raw * RADIO_PJ_PER_BIT * 1e-3:.2f} mW and {coded * RADIO_PJ_PER_BIT * 1e-3:.2f} mW. "
        f"Coding saves energy where a bit costs more than {', '.join(break_even)}.\n"
    )


if __name__ == "__main__":
    for name in ("fast", "default"):
        print_preset(name)
