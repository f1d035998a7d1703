"""One machine's threads beside the workers of a local Dask cluster: `python benchmarks/cluster.py N1_FILES...`.

A recording of many threads is put together from the given ones (see `scaling`). It is packed, and what was packed is
verified, by one and two threads of execution, and by one and two workers of one thread each, whose client and scheduler
are in a process of their own. All are warm; runs take turns, and times are medians. Processor time is what the client's
process, and those of the workers, were given: it hardly depends on what else the machine does.
"""

from __future__ import annotations

import filecmp
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import click
import dask
from distributed import Client, LocalCluster
from scaling import RATE, write_wav

import spikey_cli
from spikey_cli.bench.machine import describe_machine
from spikey_cli.integrations.dask import Cluster, open_cluster

WARMING_SECONDS = 9
"""Length of a recording that all workers get blocks of, and that is not counted."""

PROBES, CHANNELS, HERTZ = 100, 384, 30_000
"""A facility, on paper."""


@dataclass
class Way:
    """One way to do the work, and what its runs took."""

    name: str
    workers: int
    """Threads of execution of this process."""
    cluster: Cluster | None = None
    client: Client | None = None
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"pack": [], "verify": []})
    here: dict[str, list[float]] = field(default_factory=lambda: {"pack": [], "verify": []})
    """Processor seconds of this process."""
    there: dict[str, list[float]] = field(default_factory=lambda: {"pack": [], "verify": []})
    """Those of the workers."""

    def run(self, wav: Path, archive: Path, coder: str) -> None:
        """Add a run of each job."""
        with self._measured("pack"):
            spikey_cli.compress(
                [wav], archive, coder=coder, workers=self.cluster or self.workers, verify=False, force=True
            )
        with self._measured("verify"):
            spikey_cli.verify(archive, workers=self.cluster or self.workers)

    def forget(self) -> None:
        """Runs so far do not count."""
        for kept in (self.seconds, self.here, self.there):
            kept.update(pack=[], verify=[])

    @contextmanager
    def _measured(self, job: str) -> Iterator[None]:
        here, there, begun = processor_seconds(), self._there(), time.perf_counter()
        yield
        self.seconds[job].append(time.perf_counter() - begun)
        self.here[job].append(processor_seconds() - here)
        self.there[job].append(self._there() - there)

    def peak_megabytes(self) -> str:
        """Most memory that any of the workers has held."""
        return f"{max(self.client.run(peak_bytes).values()) / 1e6:.0f}" if self.client else ""

    def _there(self) -> float:
        return sum(self.client.run(processor_seconds).values()) if self.client else 0.0


def processor_seconds() -> float:
    """Of this process, in all."""
    spent = os.times()
    return spent.user + spent.system


def peak_bytes() -> int:
    """Most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def take_turns(ways: list[Way], wav: Path, work: Path, coder: str, repeats: int) -> float:
    """Run each way so many times; returns the ratio."""
    first = work / "first.spk"
    spikey_cli.compress([wav], first, coder=coder, verify=False, force=True)
    for _ in range(repeats):
        for way in ways:
            way.run(wav, work / "out.spk", coder)
            if not filecmp.cmp(work / "out.spk", first, shallow=False):
                raise SystemExit(f"{way.name}: another archive")
    return wav.stat().st_size / first.stat().st_size


def table(ways: list[Way], samples: int) -> str:
    """The ways as a Markdown table."""
    lines = [
        "| | pack Msamples/s | verify Msamples/s | pack, CPU ns/sample: client | workers | verify: client | workers "
        "| peak of a worker, MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for way in ways:
        rates = [samples / statistics.median(way.seconds[job]) / 1e6 for job in ("pack", "verify")]
        spent = [
            1e9 * statistics.median(where[job]) / samples
            for job in ("pack", "verify")
            for where in (way.here, way.there)
        ]
        lines.append(
            f"| {way.name} | {rates[0]:.1f} | {rates[1]:.1f} | "
            + " | ".join(f"{ns:.1f}" if ns else "" for ns in spent)
            + f" | {way.peak_megabytes()} |"
        )
    return "\n".join(lines)


def facility(way: Way, samples: int, ratio: float) -> str:
    """What a day of many probes would take, from the processor time of one way and the ratio."""
    rate = PROBES * CHANNELS * HERTZ
    raw, packed = 2 * rate / PROBES / 1e6, 2 * rate / PROBES / 1e6 / ratio
    lines = [
        f"{PROBES} probes x {CHANNELS} channels x {HERTZ:,} Hz = {rate / 1e6:,.0f} Msamples/s; "
        f"x 2 bytes x 86,400 s = {2 * rate * 86_400 / 1e12:.1f} TB a day",
        f"at ratio {ratio:.3f}: {2 * rate * 86_400 / 1e12 / ratio:.1f} TB a day, {packed:.2f} MB/s of each probe",
    ]
    sums = {"pack": 0.0, "verify": 0.0}
    for job in sums:
        for who, spent in (("workers", way.there), ("clients", way.here)):
            each = 1e9 * statistics.median(spent[job]) / samples
            sums[job] += rate * each / 1e9
            lines.append(f"{job}, {who}: {rate / 1e6:,.0f} M/s x {each:.1f} ns = {rate * each / 1e9:.1f} processors")
    lines += [
        f"without verification {sums['pack']:.0f} processors, with it {sum(sums.values()):.0f}, "
        f"{sum(sums.values()) / PROBES:.2f} a probe",
        f"to workers, of each probe: {raw:.2f} MB/s to pack, {packed:.2f} to verify; from them {packed:.2f}, {raw:.2f}",
        f"through the scheduler {2 * (raw + packed):.1f} MB/s in and as much out, "
        f"{16 * (raw + packed) * PROBES / 1e3:.0f} Gbit/s for all probes; without verification half of it",
    ]
    return "\n".join(lines)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--coder", default="range", show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--threads", default=384, show_default=True, help="Threads of the recording.")
@click.option("--seconds", default=27, show_default=True, help="Its length.")
def main(files: tuple[Path, ...], coder: str, repeats: int, threads: int, seconds: int) -> None:
    """Measure on a recording put together from FILES, mono WAVs of 16 bits."""
    samples = threads * seconds * RATE
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        wav, short = work / "in.wav", work / "short.wav"
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pool.submit(write_wav, wav, list(files), threads, seconds).result()
            pool.submit(write_wav, short, list(files), threads, WARMING_SECONDS).result()
        ways = [Way("1 thread", 1), Way("2 threads", 2)]
        for count in (1, 2):
            local = stack.enter_context(
                LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address="127.0.0.1:0")
            )
            client = stack.enter_context(Client(local, set_as_default=False))
            cluster = stack.enter_context(open_cluster(client))
            ways.append(Way(f"{count} worker{'s' * (count > 1)}", 1, cluster, client))
        take_turns(ways, short, work, coder, 1)
        for way in ways:
            way.forget()
        ratio = take_turns(ways, wav, work, coder, repeats)
        load = os.getloadavg()[0]
        click.echo(f"{describe_machine()}, dask {dask.__version__}")
        click.echo(
            f"coder {coder}, {threads} threads of {seconds} s, {samples / 1e6:.1f} Msamples, ratio {ratio:.3f}, ",
            nl=False,
        )
        click.echo(f"median of {repeats} runs, load of the machine at the end {load:.1f}\n\n{table(ways, samples)}")
        click.echo(f"\nOn paper, from the processor time with one worker:\n\n{facility(ways[2], samples, ratio)}")


if __name__ == "__main__":
    main()
