"""What a sample costs as recordings grow: `python benchmarks/scaling.py --plot scaling.png N1_FILES...`.

Recordings of 1 to 4096 threads, one second each, and of 16 threads, one second to ten minutes, are put together from
the given ones, each a WAV of many channels. Times are of whole processes, one after one that is not counted; memory is
the largest that a process held.
"""

from __future__ import annotations

import filecmp
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np

from spikey_cli.analysis.plotting import new_figure, png_bytes
from spikey_cli.bench.machine import describe_machine
from spikey_cli.codec.scan import scan

RATE = 19_531
SPIKEY = [sys.executable, "-m", "spikey_cli"]
THREADS = (1, 4, 16, 64, 256, 1024, 4096)
SECONDS = (1, 5, 20, 60, 180, 600)
THREADS_IN_TIME = 16


@dataclass
class Point:
    """One recording, and what it took."""

    channels: int
    seconds: int
    samples: int
    ratio: float
    pack_seconds: float
    unpack_seconds: float
    pack_peak_bytes: int
    unpack_peak_bytes: int

    def nanoseconds(self, way: str) -> float:
        """Time of a whole process for each sample."""
        return 1e9 * getattr(self, f"{way}_seconds") / self.samples


def long_thread(channels: list[np.ndarray], i: int, frames: int) -> np.ndarray:
    """Thread `i` of a long recording: short ones, one after another."""
    pieces, n = [], 0
    while n < frames:
        pieces.append(np.roll(channels[(i + 7 * len(pieces)) % len(channels)], -1000 * (i // len(channels))))
        n += pieces[-1].size
    return np.concatenate(pieces)[:frames]


def read_thread(file: Path) -> np.ndarray:
    """The samples of a mono WAV of 16 bits."""
    layout = scan(file).layout
    if layout is None or layout.channels != 1 or layout.sample_bytes != 2:
        raise click.UsageError(f"{file} is no mono WAV of 16 bits")
    return np.frombuffer(file.read_bytes()[layout.data_offset :][: 2 * layout.n_frames], "<i2")


def write_wav(path: Path, files: list[Path], n_channels: int, seconds: int) -> None:
    """A WAV of so many channels and seconds."""
    channels = [read_thread(file) for file in files]
    frames = seconds * RATE
    with wave.open(str(path), "wb") as wav:  # libsndfile writes 1024 channels at most
        wav.setparams((n_channels, 2, RATE, frames, "NONE", ""))
        columns = [long_thread(channels, i, frames) for i in range(n_channels)]
        for at in range(0, frames, RATE):
            wav.writeframesraw(np.stack([column[at : at + RATE] for column in columns], axis=1).astype("<i2").tobytes())


def timed(*arguments: object) -> tuple[float, int]:
    """Seconds and peak bytes of a process."""
    started = time.perf_counter()
    process = subprocess.Popen([*SPIKEY, *map(str, arguments)])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"spikey {arguments[0]} failed")
    return time.perf_counter() - started, usage.ru_maxrss * 1024


def measure(files: list[Path], n_channels: int, seconds: int, coder: str, work: Path, repeats: int) -> Point:
    """Pack and unpack one recording."""
    wav, archive, out = work / "in.wav", work / "out.spk", work / "out"
    # in a process of its own: what a process is begun from counts as its own memory
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(write_wav, wav, files, n_channels, seconds).result()
    runs = []
    for _ in range(repeats):
        pack = timed("compress", "-q", "-f", "--no-verify", "--coder", coder, wav, archive)
        unpack = timed("decompress", "-q", "-f", archive, out)
        runs.append((pack, unpack))
    if not filecmp.cmp(out / "in.wav", wav, shallow=False):
        raise SystemExit("a recording did not come back as it was")
    return Point(
        n_channels,
        seconds,
        n_channels * seconds * RATE,
        wav.stat().st_size / archive.stat().st_size,
        statistics.median(pack[0] for pack, _ in runs),
        statistics.median(unpack[0] for _, unpack in runs),
        max(pack[1] for pack, _ in runs),
        max(unpack[1] for _, unpack in runs),
    )


def table(points: list[Point]) -> str:
    """The points as a Markdown table."""
    lines = [
        "| threads | seconds | Msamples | ratio | pack ns/sample | unpack ns/sample | pack s | unpack s | peak MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for p in points:
        peak = max(p.pack_peak_bytes, p.unpack_peak_bytes) / 1e6
        lines.append(
            f"| {p.channels} | {p.seconds} | {p.samples / 1e6:.2f} | {p.ratio:.3f} | {p.nanoseconds('pack'):.1f} "
            f"| {p.nanoseconds('unpack'):.1f} | {p.pack_seconds:.2f} | {p.unpack_seconds:.2f} | {peak:.0f} |"
        )
    return "\n".join(lines)


def draw(by_threads: list[Point], by_seconds: list[Point]) -> bytes:
    """PNG: cost a sample by threads and by time, and time and memory by samples."""
    figure = new_figure(15, 4.5)
    channels, seconds, growth = figure.subplots(1, 3)
    for axes, points, key, label in (
        (channels, by_threads, "threads", "threads, one second of each"),
        (seconds, by_seconds, "seconds", f"seconds of {THREADS_IN_TIME} threads"),
    ):
        for way, marker in (("pack", "o-"), ("unpack", "s-")):
            axes.loglog([getattr(p, key) for p in points], [p.nanoseconds(way) for p in points], marker, label=way)
        axes.set_xlabel(label)
        axes.set_ylabel("ns a sample, whole process")
        axes.grid(alpha=0.3)
        axes.legend()
    millions = [p.samples / 1e6 for p in by_seconds]
    growth.plot(millions, [p.pack_seconds for p in by_seconds], "o-", label="pack, s")
    growth.plot(millions, [p.unpack_seconds for p in by_seconds], "s-", label="unpack, s")
    growth.set_xlabel("million samples")
    growth.set_ylabel("seconds")
    memory = growth.twinx()
    peaks = [max(p.pack_peak_bytes, p.unpack_peak_bytes) / 1e6 for p in by_seconds]
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
@click.option("--plot", type=click.Path(path_type=Path), help="Draw it as PNG.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures here.")
def main(files: tuple[Path, ...], coder: str, repeats: int, plot: Path | None, json_file: Path | None) -> None:
    """Measure on recordings put together from FILES, mono WAVs."""
    click.echo(f"{describe_machine()}, coder {coder}")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        measure(list(files), 1, 1, coder, work, 1)
        by_threads = [measure(list(files), n, 1, coder, work, repeats) for n in THREADS]
        by_seconds = [measure(list(files), THREADS_IN_TIME, s, coder, work, repeats if s <= 60 else 1) for s in SECONDS]
    click.echo(f"\n{table(by_threads)}\n\n{table(by_seconds)}")
    if plot:
        plot.write_bytes(draw(by_threads, by_seconds))
    if json_file:
        told = {"machine": describe_machine(), "coder": coder, "points": [asdict(p) for p in by_threads + by_seconds]}
        json_file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
