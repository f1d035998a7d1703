"""Threads of one process and workers of a local Dask cluster: `python benchmarks/cluster.py N1_FILES...`.

A recording of many channels is combined from the given ones (see `scaling`). One and two threads, and one and two
workers of one thread each, compress it and verify the archive; client and scheduler share this process. Runs take turns
after a warm-up, and times are medians. Processor time is that of this process and of the workers.
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
from recordings import RATE
from scaling import write_wav

import spikey_cli
from spikey_cli.bench.machine import describe_machine
from spikey_cli.integrations.dask import Cluster, open_cluster

WARMING_SECONDS = 9
"""Length of the recording for the warm-up; it is long enough for each worker to get a block."""

PROBES, CHANNELS, HERTZ = 100, 384, 30_000
"""The facility that is estimated."""


@dataclass
class Setup:
    """Threads or a cluster, and the time of each run."""

    name: str
    workers: int
    """Threads of this process."""
    cluster: Cluster | None = None
    client: Client | None = None
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"compress": [], "verify": []})
    client_seconds: dict[str, list[float]] = field(default_factory=lambda: {"compress": [], "verify": []})
    """Processor seconds of this process, in each run."""
    worker_seconds: dict[str, list[float]] = field(default_factory=lambda: {"compress": [], "verify": []})
    """Processor seconds of the workers, in each run."""

    def run(self, wav: Path, archive: Path, coder: str) -> None:
        """Compress and verify once."""
        with self._measured("compress"):
            spikey_cli.compress(
                [wav], archive, coder=coder, workers=self.cluster or self.workers, verify=False, force=True
            )
        with self._measured("verify"):
            spikey_cli.verify(archive, workers=self.cluster or self.workers)

    def forget(self) -> None:
        """Forget all runs so far."""
        for times in (self.seconds, self.client_seconds, self.worker_seconds):
            times.update(compress=[], verify=[])

    @contextmanager
    def _measured(self, job: str) -> Iterator[None]:
        client, workers, started = processor_seconds(), self._workers_total(), time.perf_counter()
        yield
        self.seconds[job].append(time.perf_counter() - started)
        self.client_seconds[job].append(processor_seconds() - client)
        self.worker_seconds[job].append(self._workers_total() - workers)

    def peak_megabytes(self) -> str:
        """Peak memory of a worker in MB."""
        return f"{max(self.client.run(peak_bytes).values()) / 1e6:.0f}" if self.client else ""

    def _workers_total(self) -> float:
        return sum(self.client.run(processor_seconds).values()) if self.client else 0.0


def processor_seconds() -> float:
    """Processor time of this process."""
    spent = os.times()
    return spent.user + spent.system


def peak_bytes() -> int:
    """Peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def take_turns(setups: list[Setup], wav: Path, work: Path, coder: str, repeats: int) -> float:
    """Run each setup `repeats` times; return the ratio."""
    first = work / "first.spk"
    spikey_cli.compress([wav], first, coder=coder, verify=False, force=True)
    for _ in range(repeats):
        for setup in setups:
            setup.run(wav, work / "out.spk", coder)
            if not filecmp.cmp(work / "out.spk", first, shallow=False):
                raise SystemExit(f"{setup.name}: the archive differs")
    return wav.stat().st_size / first.stat().st_size


def table(setups: list[Setup], samples: int) -> str:
    """Measurements as a Markdown table."""
    lines = [
        "| | compress Msamples/s | verify Msamples/s | compress, CPU ns/sample: client | workers "
        "| verify: client | workers | peak memory of a worker, MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for setup in setups:
        rates = [samples / statistics.median(setup.seconds[job]) / 1e6 for job in ("compress", "verify")]
        spent = [
            1e9 * statistics.median(times[job]) / samples
            for job in ("compress", "verify")
            for times in (setup.client_seconds, setup.worker_seconds)
        ]
        lines.append(
            f"| {setup.name} | {rates[0]:.1f} | {rates[1]:.1f} | "
            + " | ".join(f"{ns:.1f}" if ns else "" for ns in spent)
            + f" | {setup.peak_megabytes()} |"
        )
    return "\n".join(lines)


def facility(setup: Setup, samples: int, ratio: float) -> str:
    """Processors and network that many probes need, from the processor time of a setup and the ratio."""
    rate = PROBES * CHANNELS * HERTZ
    raw, packed = 2 * rate / PROBES / 1e6, 2 * rate / PROBES / 1e6 / ratio
    lines = [
        f"{PROBES} probes x {CHANNELS} channels x {HERTZ:,} Hz = {rate / 1e6:,.0f} Msamples/s; "
        f"x 2 bytes x 86,400 s = {2 * rate * 86_400 / 1e12:.1f} TB a day",
        f"at ratio {ratio:.3f}: {2 * rate * 86_400 / 1e12 / ratio:.1f} TB a day, {packed:.2f} MB/s of each probe",
    ]
    sums = {"compress": 0.0, "verify": 0.0}
    for job in sums:
        for node, spent in (("workers", setup.worker_seconds), ("clients", setup.client_seconds)):
            each = 1e9 * statistics.median(spent[job]) / samples
            sums[job] += rate * each / 1e9
            lines.append(f"{job}, {node}: {rate / 1e6:,.0f} M/s x {each:.1f} ns = {rate * each / 1e9:.1f} processors")
    lines += [
        f"without verification {sums['compress']:.0f} processors, with it {sum(sums.values()):.0f}, "
        f"{sum(sums.values()) / PROBES:.2f} a probe",
        f"to the workers of a probe: {raw:.2f} MB/s to compress, {packed:.2f} to verify; back {packed:.2f}, {raw:.2f}",
        f"through the scheduler {2 * (raw + packed):.1f} MB/s in and as much out, "
        f"{16 * (raw + packed) * PROBES / 1e3:.0f} Gbit/s for all probes; without verification half of it",
    ]
    return "\n".join(lines)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--coder", default="range", show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--channels", default=384, show_default=True, help="Channels of the recording.")
@click.option("--seconds", default=27, show_default=True, help="Its length.")
def main(files: tuple[Path, ...], coder: str, repeats: int, channels: int, seconds: int) -> None:
    """Measure with a recording combined from FILES, mono WAV files of 16 bits."""
    samples = channels * seconds * RATE
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        wav, short = work / "in.wav", work / "short.wav"
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pool.submit(write_wav, wav, list(files), channels, seconds).result()
            pool.submit(write_wav, short, list(files), channels, WARMING_SECONDS).result()
        setups = [Setup("1 thread", 1), Setup("2 threads", 2)]
        for count in (1, 2):
            local = stack.enter_context(
                LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address="127.0.0.1:0")
            )
            client = stack.enter_context(Client(local, set_as_default=False))
            cluster = stack.enter_context(open_cluster(client))
            setups.append(Setup(f"{count} worker{'s' * (count > 1)}", 1, cluster, client))
        take_turns(setups, short, work, coder, 1)
        for setup in setups:
            setup.forget()
        ratio = take_turns(setups, wav, work, coder, repeats)
        load = os.getloadavg()[0]
        click.echo(f"{describe_machine()}, dask {dask.__version__}")
        click.echo(
            f"coder {coder}, {channels} channels of {seconds} s, {samples / 1e6:.1f} Msamples, ratio {ratio:.3f}, ",
            nl=False,
        )
        click.echo(f"median of {repeats} runs, load of the machine at the end {load:.1f}\n\n{table(setups, samples)}")
        click.echo(f"\nEstimate from the processor time with one worker:\n\n{facility(setups[2], samples, ratio)}")


if __name__ == "__main__":
    main()
