"""Estimate of the power of this codec on the implant: `python benchmarks/energy.py`; see docs/energy.md.

The operations that encode one sample (coder `range`, model `n1`, no peers) are counted from the code and multiplied
with published energies of single operations. Control, clocks, leakage and the converters are not included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from spikey_cli.core.adaptation import OWN_LAGS
from spikey_cli.model.predictor import default_predictor

SAMPLES_A_SECOND = 1024 * 19_531
BUDGET_MW = 10.0
BITS_PER_SAMPLE = 4.51
"""Bits of a live stream in packets of 64 frames, as benchmarks/live.py measures it; raw samples have 10."""
RADIO_PJ_PER_BIT = 5.8
"""An implantable impulse-radio transmitter in 28 nm: 9.7 mW at 1.66 Gbit/s (Song et al. 2022)."""


@dataclass(frozen=True)
class Process:
    """Energies in pJ: addition and multiplication of 32 bits, multiplication of 8, 32 bits read from 8 KiB of SRAM."""

    name: str
    add: float
    multiply: float
    multiply_8: float
    read: float

    def product(self, bits: int, other_bits: int) -> float:
        """Energy of a product of other widths: a power law of their product through the published values."""
        power = math.log(self.multiply / self.multiply_8) / math.log(32 * 32 / (8 * 8))
        return self.multiply_8 * (bits * other_bits / 64) ** power


# M. Horowitz, "Computing's energy problem", ISSCC 2014 (45 nm, 0.9 V); N. Jouppi et al., "Ten lessons from three
# generations shaped Google's TPUv4i", ISCA 2021, table 2 (7 nm). Both give SRAM for 64 bits: half of it is taken.
FORTY_FIVE = Process("45 nm", 0.1, 3.1, 0.2, 5.0)
SEVEN = Process("7 nm", 0.03, 1.48, 0.07, 3.75)


def between(name: str, nanometres: float) -> Process:
    """A process between the published ones by logarithmic interpolation, for orientation only."""
    share = math.log(45 / nanometres) / math.log(45 / 7)

    def energy(key: str) -> float:
        return float(getattr(FORTY_FIVE, key) ** (1 - share) * getattr(SEVEN, key) ** share)

    return Process(name, energy("add"), energy("multiply"), energy("multiply_8"), energy("read"))


@dataclass(frozen=True)
class Work:
    """Operations of one stage."""

    stage: str
    products: tuple[tuple[int, int, int], ...]
    """Multiplications: (count, bits of one factor, bits of the other)."""
    additions: int
    table_reads: int
    state_words: int
    """Reads and writes of 32-bit words of state."""

    def picojoules(self, process: Process) -> float:
        """Energy of one sample."""
        products = sum(n * process.product(a, b) for n, a, b in self.products)
        return products + self.additions * process.add + (self.table_reads + self.state_words) * process.read


def stages() -> list[Work]:
    """The stages of encoding one sample."""
    network = default_predictor().multiply_adds
    window = default_predictor().window
    own = 1 + OWN_LAGS
    return [
        # weights of 14 bits are in registers, because all channels share them; differences of 11 bits are in a ring
        Work("network", ((network, 11, 14),), network, 0, math.ceil(window * 11 / 32)),
        # gain in and out of the network, scale in and out, square; their tables, shift of the scale, value of the code
        Work("normalisation", ((4, 16, 20), (1, 11, 11)), 12, 7, 6),
        # prediction; error times tap, times step size
        Work("adaptation", ((own, 16, 11), (own, 11, 11), (own, 20, 12)), 4 * own, 0, 2 * own + own),
        # the distribution at two edges: scaled distance, outliers, interpolation, mass; an edge, two table entries for
        # the core and two for the outliers. The program has a table for each outlier weight; a circuit would mix two
        # entries of one table
        Work("density", ((2, 16, 20), (2, 24, 16), (2, 24, 8), (2, 24, 24)), 16, 10, 0),
        # interval: two products with a width of 64 bits
        Work("range coder", ((2, 40, 24),), 4, 0, 4),
    ]


def main() -> None:
    """Print the tables."""
    work = stages()
    processes = [FORTY_FIVE, between("28 nm", 28), between("16 nm", 16), SEVEN]
    print("| stage | multiplications | additions | table reads | words of state |")
    print("|---|---|---|---|---|")
    for w in work:
        print(f"| {w.stage} | {sum(n for n, _, _ in w.products)} | {w.additions} | {w.table_reads} | {w.state_words} |")
    print(
        f"| **a sample** | {sum(n for w in work for n, _, _ in w.products)} | {sum(w.additions for w in work)} "
        f"| {sum(w.table_reads for w in work)} | {sum(w.state_words for w in work)} |"
    )
    print("\n| | " + " | ".join(p.name for p in processes) + " |")
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
        f"Coding saves energy where a bit costs more than {', '.join(break_even)}."
    )


if __name__ == "__main__":
    main()
