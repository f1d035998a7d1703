"""What was measured of one codec: a line of the table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

IMPLANT_SAMPLES_A_SECOND = 1024 * 19531
"""What a whole N1 implant records: real time is this many samples a second."""

WAYS = ("pack", "unpack")


@dataclass
class Row:
    """Sizes, times and memory of one codec over all files."""

    name: str
    takes: str
    """What it was given: "samples" as they are, or the "codes" of their grid."""
    samples: int
    source_bytes: int
    """Of the files as they are, also where codes were taken."""
    packed_bytes: int = 0
    seconds: dict[str, list[float]] = field(default_factory=lambda: {way: [] for way in WAYS})
    """Of each run that counts, each way."""
    peak_bytes: dict[str, int] = field(default_factory=dict)
    """Largest memory of a process, each way, where it is known."""

    @property
    def ratio(self) -> float:
        """Bytes in over bytes out."""
        return self.source_bytes / self.packed_bytes

    @property
    def bits_per_sample(self) -> float:
        """Bits out, of all bytes, for each sample."""
        return 8 * self.packed_bytes / self.samples

    def speed(self, way: str) -> float:
        """Samples a second, the median of the runs."""
        return self.samples / statistics.median(self.seconds[way])

    def as_json(self) -> dict[str, object]:
        """The row as JSON data."""
        return {
            "name": self.name,
            "takes": self.takes,
            "ratio": self.ratio,
            "bits_per_sample": self.bits_per_sample,
            "samples_per_second": {way: self.speed(way) for way in WAYS},
            "times_real_time": {way: self.speed(way) / IMPLANT_SAMPLES_A_SECOND for way in WAYS},
            "seconds": self.seconds,
            "peak_bytes": self.peak_bytes,
        }


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table; sizes count all bytes of all files, head and index included."""
    lines = [
        "| codec | takes | ratio | bits/sample | pack Msamples/s | unpack Msamples/s | times real time | peak MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        pack, unpack = row.speed("pack"), row.speed("unpack")
        in_real_time = f"{pack / IMPLANT_SAMPLES_A_SECOND:.2f}, {unpack / IMPLANT_SAMPLES_A_SECOND:.2f}"
        peak = f"{max(row.peak_bytes.values()) / 1e6:.0f}" if row.peak_bytes else ""
        lines.append(
            f"| {row.name} | {row.takes} | {row.ratio:.4f} | {row.bits_per_sample:.4f} "
            f"| {pack / 1e6:.2f} | {unpack / 1e6:.2f} | {in_real_time} | {peak} |"
        )
    return "\n".join(lines)
