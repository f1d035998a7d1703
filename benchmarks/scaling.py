"""Time and memory by the size of a recording: `python benchmarks/scaling.py --plot scaling.png N1_FILES...`.

Recordings of one second with 1 to 4096 channels, and of one second to ten minutes with 16 channels, are combined from
the given ones, each as one WAV file. Times and peak memory are those of whole processes, after a warm-up.
"""

from __future__ import annotations

import filecmp
import json
import statistics
import sys
import tempfile
import wave
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
from recordings import RATE, read_mono

from spikey_cli.analysis.plotting import new_figure, png_bytes
from spikey_cli.bench.clock import run_process
from spikey_cli.bench.machine import describe_machine

SPIKEY = [sys.executable, "-m", "spikey_cli"]
CHANNELS = (1, 4, 16, 64, 256, 1024, 4096)
SECONDS = (1, 5, 20, 60, 180, 600)
CHANNELS_IN_TIME = 16


@dataclass
class Point:
    """Measurements of one recording."""

    channels: int
    seconds: int
    samples: int
    ratio: float
    compress_seconds: float
    decompress_seconds: float
    compress_peak_bytes: int
    decompress_peak_bytes: int

    def nanoseconds(self, direction: str) -> float:
        """Time of the process for each sample."""
        return 1e9 * getattr(self, f"{direction}_seconds") / self.samples


def long_channel(recordings: list[np.ndarray], i: int, frames: int) -> np.ndarray:
    """Channel `i` of a long recording: short recordings, concatenated."""
    pieces, n = [], 0
    while n < frames:
        piece = recordings[(i + 7 * len(pieces)) % len(recordings)]
        pieces.append(np.roll(piece, -1000 * (i // len(recordings))))
        n += pieces[-1].size
    return np.concatenate(pieces)[:frames]


def write_wav(path: Path, files: list[Path], n_channels: int, seconds: int) -> None:
    """Write a WAV file of `n_channels` channels and `seconds` seconds."""
    recordings = [read_mono(file) for file in files]
    frames = seconds * RATE
    with wave.open(str(path), "wb") as wav:  # libsndfile supports at most 1024 channels
        wav.setparams((n_channels, 2, RATE, frames, "NONE", ""))
        columns = [long_channel(recordings, i, frames) for i in range(n_channels)]
        for first in range(0, frames, RATE):
            samples = np.stack([column[first : first + RATE] for column in columns], axis=1)
            wav.writeframesraw(samples.astype("<i2").tobytes())


def timed(*arguments: object) -> tuple[float, int]:
    """Run the command; return seconds and peak memory in bytes."""
    cost = run_process([*SPIKEY, *arguments])
    if cost.exit_code:
        raise SystemExit(f"spikey {arguments[0]} failed")
    return cost.wall, cost.peak_bytes


def measure(files: list[Path], n_channels: int, seconds: int, coder: str, work: Path, repeats: int) -> Point:
    """Compress and decompress one recording."""
    wav, archive, out = work / "in.wav", work / "out.spk", work / "out"
    # in another process, because a child process inherits the peak memory of its parent
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(write_wav, wav, files, n_channels, seconds).result()
    runs = []
    for _ in range(repeats):
        packed = timed("compress", "-q", "-f", "--no-verify", "--coder", coder, wav, archive)
        unpacked = timed("decompress", "-q", "-f", archive, out)
        runs.append((packed, unpacked))
    if not filecmp.cmp(out / "in.wav", wav, shallow=False):
        raise SystemExit("a recording was not restored")
    return Point(
        n_channels,
        seconds,
        n_channels * seconds * RATE,
        wav.stat().st_size / archive.stat().st_size,
        statistics.median(packed[0] for packed, _ in runs),
        statistics.median(unpacked[0] for _, unpacked in runs),
        max(packed[1] for packed, _ in runs),
        max(unpacked[1] for _, unpacked in runs),
    )


def table(points: list[Point]) -> str:
    """Measurements as a Markdown table."""
    lines = [
        "| channels | seconds | Msamples | ratio | compress ns/sample | decompress ns/sample "
        "| compress s | decompress s | peak MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for p in points:
        peak = max(p.compress_peak_bytes, p.decompress_peak_bytes) / 1e6
        lines.append(
            f"| {p.channels} | {p.seconds} | {p.samples / 1e6:.2f} | {p.ratio:.3f} | {p.nanoseconds('compress'):.1f} "
            f"| {p.nanoseconds('decompress'):.1f} | {p.compress_seconds:.2f} | {p.decompress_seconds:.2f} "
            f"| {peak:.0f} |"
        )
    return "\n".join(lines)


def draw(by_channels: list[Point], by_seconds: list[Point]) -> bytes:
    """PNG: time for each sample by channels and by length, and time and memory by samples."""
    figure = new_figure(15, 4.5)
    left, middle, growth = figure.subplots(1, 3)
    for axes, points, key, label in (
        (left, by_channels, "channels", "channels, one second"),
        (middle, by_seconds, "seconds", f"seconds, {CHANNELS_IN_TIME} channels"),
    ):
        for direction, marker in (("compress", "o-"), ("decompress", "s-")):
            axes.loglog(
                [getattr(p, key) for p in points], [p.nanoseconds(direction) for p in points], marker, label=direction
            )
        axes.set_xlabel(label)
        axes.set_ylabel("ns a sample, whole process")
        axes.grid(alpha=0.3)
        axes.legend()
    millions = [p.samples / 1e6 for p in by_seconds]
    growth.plot(millions, [p.compress_seconds for p in by_seconds], "o-", label="compress, s")
    growth.plot(millions, [p.decompress_seconds for p in by_seconds], "s-", label="decompress, s")
    growth.set_xlabel("million samples")
    growth.set_ylabel("seconds")
    memory = growth.twinx()
    peaks = [max(p.compress_peak_bytes, p.decompress_peak_bytes) / 1e6 for p in by_seconds]
    memory.plot(millions, peaks, "^--", color="tab:gray", label="peak memory, MB")
    memory.set_ylim(0)
    memory.set_ylabel("MB")
    growth.legend(loc="upper left")
    memory.legend(loc="lower right")
    return png_bytes(figure)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--coder", default="range", show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Runs of each recording; the longest have one.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the measurements as PNG.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures here.")
def main(files: tuple[Path, ...], coder: str, repeats: int, plot: Path | None, json_file: Path | None) -> None:
    """Measure with recordings combined from FILES, mono WAV files."""
    click.echo(f"{describe_machine()}, coder {coder}")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        measure(list(files), 1, 1, coder, work, 1)
        by_channels = [measure(list(files), n, 1, coder, work, repeats) for n in CHANNELS]
        by_seconds = [
            measure(list(files), CHANNELS_IN_TIME, s, coder, work, repeats if s <= 60 else 1) for s in SECONDS
        ]
    click.echo(f"\n{table(by_channels)}\n\n{table(by_seconds)}")
    if plot:
        plot.write_bytes(draw(by_channels, by_seconds))
    if json_file:
        figures = {
            "machine": describe_machine(),
            "coder": coder,
            "points": [asdict(p) for p in by_channels + by_seconds],
        }
        json_file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
