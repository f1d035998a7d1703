"""The measurements of one codec: a row of the table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

REAL_TIME = 1024 * 19531
"""Samples a second of an N1 implant: 1024 channels at 19,531 Hz."""

DIRECTIONS = ("compress", "decompress")


def _no_times() -> dict[str, list[float]]:
    return {direction: [] for direction in DIRECTIONS}


@dataclass
class Row:
    """Sizes, times and memory of one codec over all files."""

    name: str
    input: str
    """What the codec got: "samples" as they are, or the quantizer's "codes" in their place."""
    samples: int
    source_bytes: int
    """Size of the original files, also if the input was codes."""
    compressed_bytes: int = 0
    seconds: dict[str, list[float]] = field(default_factory=_no_times)
    """Times of the counted runs in each direction, by the clock."""
    processor_seconds: dict[str, list[float]] = field(default_factory=_no_times)
    """The same in processor time, user and system, of all processes and threads; NaN where the system does not tell."""
    peak_bytes: dict[str, int] = field(default_factory=dict)
    """Largest resident memory of a process in each direction, where it is known."""

    @property
    def ratio(self) -> float:
        """Original bytes over compressed bytes."""
        return self.source_bytes / self.compressed_bytes

    @property
    def bits_per_sample(self) -> float:
        """Compressed bits, all bytes included, for each sample."""
        return 8 * self.compressed_bytes / self.samples

    @property
    def label(self) -> str:
        """Name of the codec, and what it got if these are no samples."""
        return self.name if self.input == "samples" else f"{self.name}, {self.input}"

    def speed(self, direction: str) -> float:
        """Samples a second by the clock, by the median of the runs."""
        return self.samples / statistics.median(self.seconds[direction])

    def processor_ns(self, direction: str) -> float:
        """Processor time of a sample in nanoseconds, by the median of the runs."""
        return 1e9 * statistics.median(self.processor_seconds[direction]) / self.samples

    def as_json(self) -> dict[str, object]:
        """The row as JSON data."""
        times = {direction: self.processor_ns(direction) for direction in DIRECTIONS}
        return {
            "name": self.name,
            "input": self.input,
            "ratio": self.ratio,
            "bits_per_sample": self.bits_per_sample,
            "samples_per_second": {direction: self.speed(direction) for direction in DIRECTIONS},
            "times_real_time": {direction: self.speed(direction) / REAL_TIME for direction in DIRECTIONS},
            "processor_ns_per_sample": {way: None if math.isnan(time) else time for way, time in times.items()},
            "seconds": self.seconds,
            "peak_bytes": self.peak_bytes,
        }


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table; sizes include all bytes of all files."""
    lines = [
        "| codec | input | ratio | bits/sample | compress, Msamples/s | decompress, Msamples/s | times real time "
        "| compress, processor ns/sample | decompress, processor ns/sample | peak MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        compress, decompress = (row.speed(direction) for direction in DIRECTIONS)
        peak = f"{max(row.peak_bytes.values()) / 1e6:.0f}" if row.peak_bytes else ""
        lines.append(
            f"| {row.name} | {row.input} | {row.ratio:.4f} | {row.bits_per_sample:.4f} | {compress / 1e6:.2f} "
            f"| {decompress / 1e6:.2f} | {compress / REAL_TIME:.2f}, {decompress / REAL_TIME:.2f} "
            f"| {row.processor_ns('compress'):.0f} | {row.processor_ns('decompress'):.0f} | {peak} |"
        )
    return "\n".join(lines)
