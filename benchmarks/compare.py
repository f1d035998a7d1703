"""Spikey beside other codecs, on the same files in the same run: `python benchmarks/compare.py FILES...`.

Times are of whole processes, start and all, the median of several runs that take turns, after one run that is not
counted. Every restored file is compared with its original. `--help` tells the options.
"""

from __future__ import annotations

import csv
import filecmp
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
from rivals import PROCESSES, RIVALS, Rival

from spikey_cli.coders import CODERS
from spikey_cli.source import look_through

IMPLANT_SAMPLES_A_SECOND = 1024 * 19531
"""What a whole N1 implant records: real time is this many samples a second."""

SPIKEY = [sys.executable, "-m", "spikey_cli"]


@dataclass
class Row:
    """One line of the table."""

    name: str
    samples: int
    source_bytes: int
    packed_bytes: int = 0
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"pack": [], "unpack": []})
    peak_bytes: dict[str, int] = field(default_factory=dict)

    def speed(self, way: str) -> float:
        """Median samples a second."""
        return self.samples / statistics.median(self.seconds[way])

    def as_json(self) -> dict[str, object]:
        """The row as JSON data."""
        return {
            "name": self.name,
            "ratio": self.source_bytes / self.packed_bytes,
            "bits_per_sample": 8 * self.packed_bytes / self.samples,
            "samples_per_second": {way: self.speed(way) for way in self.seconds},
            "times_real_time": {way: self.speed(way) / IMPLANT_SAMPLES_A_SECOND for way in self.seconds},
            "seconds": self.seconds,
            "peak_bytes": self.peak_bytes,
        }


def timed(row: Row, way: str, work: Callable[[], object], counted: bool) -> None:
    """Do the work, and keep its time in `row` where that is counted."""
    started = time.perf_counter()
    work()
    if counted:
        row.seconds[way].append(time.perf_counter() - started)


def run_spikey(row: Row, way: str, arguments: Sequence[str | Path]) -> None:
    """Run the command as a process of its own, and keep its peak memory."""
    process = subprocess.Popen([*SPIKEY, *map(str, arguments)])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"spikey {' '.join(map(str, arguments[:3]))} ... failed")
    row.peak_bytes[way] = max(row.peak_bytes.get(way, 0), usage.ru_maxrss * 1024)


def check_same(files: Sequence[Path], folder: Path, name: str) -> None:
    """End the benchmark where a restored file is not the original."""
    _, different, missing = filecmp.cmpfiles(files[0].parent, folder, [f.name for f in files], shallow=False)
    if different or missing:
        raise SystemExit(f"{name}: {different + missing} did not come back as they were")


def _spikey_name(coder: str) -> str:
    name, _, model = coder.partition(":")
    return f"spikey --coder {name}" + (f" --model {model}" if model else "")


def bench_spikey(row: Row, coder: str, files: Sequence[Path], work: Path, counted: bool) -> None:
    """One run of Spikey each way."""
    archive, restored = work / "out.spk", work / "restored"
    shutil.rmtree(restored, ignore_errors=True)
    name, _, model = coder.partition(":")
    with_model = ["--model", model] if model else []
    pack = ["compress", "-q", "-f", "--no-verify", "--coder", name, *with_model, *files, archive]
    timed(row, "pack", lambda: run_spikey(row, "pack", pack), counted)
    timed(row, "unpack", lambda: run_spikey(row, "unpack", ["decompress", "-q", archive, restored]), counted)
    row.packed_bytes = archive.stat().st_size
    check_same(files, restored, row.name)


def bench_rival(row: Row, rival: Rival, files: Sequence[Path], work: Path, counted: bool) -> None:
    """One run of another codec each way."""
    packed, restored = work / "packed", work / "restored"
    for folder in (packed, restored):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    if rival.pack[0] == "xz":  # it writes beside its input
        for file in files:
            shutil.copy(file, packed)
        inputs = sorted(packed.glob("*.wav"))
    else:
        inputs = list(files)
    timed(row, "pack", lambda: rival.run(rival.pack, inputs, packed), counted)
    archives = sorted(packed.glob(f"*{rival.ending}"))
    row.packed_bytes = sum(archive.stat().st_size for archive in archives)
    if rival.unpack[0] == "xz":
        for file in inputs:
            file.unlink()
    timed(row, "unpack", lambda: rival.run(rival.unpack, archives, restored), counted)
    check_same(files, packed if rival.unpack[0] == "xz" else restored, row.name)


def write_codes(files: Sequence[Path], folder: Path) -> list[Path]:
    """The same recordings with 10-bit codes, less their middle, in place of the samples."""
    written = []
    for file in files:
        source = look_through(file, file.name)
        if source.layout is None:
            raise SystemExit(f"{file} is no WAV that Spikey predicts")
        codes = source.codes(source.read_frames(0, source.layout.n_frames)).T - source.grid.size // 2
        path = folder / file.name
        path.write_bytes(source.layout.head + codes.astype("<i2").tobytes() + source.layout.tail)
        written.append(path)
    return written


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table; sizes count all bytes of all files, head and index included."""
    lines = [
        "| codec | ratio | bits/sample | pack Msamples/s | unpack Msamples/s | real time | peak MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        pack, unpack = row.speed("pack"), row.speed("unpack")
        slower = min(pack, unpack) / IMPLANT_SAMPLES_A_SECOND
        peak = f"{max(row.peak_bytes.values()) / 1e6:.0f}" if row.peak_bytes else ""
        lines.append(
            f"| {row.name} | {row.source_bytes / row.packed_bytes:.4f} | {8 * row.packed_bytes / row.samples:.4f} "
            f"| {pack / 1e6:.2f} | {unpack / 1e6:.2f} | {slower:.2f} | {peak} |"
        )
    return "\n".join(lines)


def describe_machine() -> str:
    """Processor and versions, for whoever reads the figures."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    cpu = names[0].split(":")[1].strip() if names else platform.processor()
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "numba", "onnxruntime")]
    return f"{os.cpu_count()} x {cpu}, Python {platform.python_version()}, {', '.join(versions)}"


def read_split(sessions: Path, split: str) -> list[Path]:
    """Files of one split of a sessions.csv."""
    with sessions.open(newline="") as file:
        return [sessions.parent / row["file"] for row in csv.DictReader(file) if row["split"] == split]


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--split", help="Take the files of a split instead, as in path/to/sessions.csv:val.")
@click.option("--repeats", default=3, show_default=True)
@click.option(
    "--coders",
    default=",".join(name for name in CODERS if name != "raw"),
    show_default=True,
    help="Names of coders, with a model after a colon where it is not the default: range:n1-peers.",
)
@click.option(
    "--rivals", default="flac,wavpack,xz,zstd", show_default=True, help="Their names, or first words of them."
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures here.")
def main(
    files: tuple[Path, ...], split: str | None, repeats: int, coders: str, rivals: str, json_file: Path | None
) -> None:
    """Compare Spikey with other codecs on FILES, all of one folder."""
    chosen = read_split(Path(split.rpartition(":")[0]), split.rpartition(":")[2]) if split else list(files)
    if not chosen:
        raise click.UsageError("name files, or a split")
    source_bytes = sum(file.stat().st_size for file in chosen)
    samples = 0
    for file in chosen:
        layout = look_through(file, file.name).layout
        samples += layout.n_frames * layout.channels if layout else 0
    click.echo(f"{len(chosen)} files, {samples:,} samples; {describe_machine()}")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "codes").mkdir()
        rows: list[Row] = []
        jobs: list[Callable[[bool], None]] = []

        def add(name: str, run: Callable[[Row, bool], None]) -> None:
            row = Row(name, samples, source_bytes)
            rows.append(row)
            jobs.append(lambda counted: run(row, counted))

        for coder in coders.split(","):
            add(_spikey_name(coder), lambda row, c, coder=coder: bench_spikey(row, coder, chosen, work, c))
        if rivals:
            codes = write_codes(chosen, work / "codes")
            for rival in RIVALS:
                if not any(f"{rival.name} ".startswith(f"{name} ") for name in rivals.split(",")):
                    continue
                if not rival.installed:
                    click.echo(f"{rival.name}: not installed")
                    continue
                add(f"{rival.name}, codes", lambda row, c, r=rival: bench_rival(row, r, codes, work, c))
                add(rival.name, lambda row, c, r=rival: bench_rival(row, r, chosen, work, c))
        for repeat in range(repeats + 1):
            for job in jobs:
                job(repeat > 0)
        click.echo(table(rows))
        click.echo(f"\nMedians of {repeats}; other codecs: one file at a time, {PROCESSES} processes side by side.")
        one = [single_file(chosen[0], coder, work, max(5, repeats)) for coder in coders.split(",")]
        for row in one:
            times = ", ".join(f"{way} {statistics.median(row.seconds[way]):.2f} s" for way in row.seconds)
            click.echo(f"One file of {row.samples:,} samples, whole process, {row.name}: {times}")
    if json_file:
        report = {"machine": describe_machine(), "files": len(chosen), "rows": [row.as_json() for row in rows + one]}
        json_file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def single_file(file: Path, coder: str, work: Path, repeats: int) -> Row:
    """Times of a process for one file, warm."""
    layout = look_through(file, file.name).layout
    samples = layout.n_frames * layout.channels if layout else 0
    row = Row(_spikey_name(coder), samples, file.stat().st_size)
    for repeat in range(repeats + 1):
        bench_spikey(row, coder, [file], work, repeat > 0)
    return row


if __name__ == "__main__":
    main()
