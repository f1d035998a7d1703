"""Which chunks are good: `python benchmarks/chunks.py N1_FILES...` (docs/zarr.md).

Chunks of many shapes are cut from a recording that is put together of the given ones, encoded and decoded as Zarr's
codecs do, on one thread of execution, and compared. Times are processor time, the least of several runs, unless
something else is said: what another program does meanwhile changes them little.
"""

from __future__ import annotations

import cProfile
import json
import multiprocessing
import pstats
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np

from spikey_cli.bench.contest import describe_machine
from spikey_cli.chunk import decode_chunk, encode_chunk
from spikey_cli.source import look_through

RATE = 19_531
AT_LEAST_RUNS = 3
N_CHUNKS = 16

STAGES = {
    "grid of the values (`GridSurvey`)": ("grid.py", ("add", "grid")),
    "spike bands": ("topology.py", ("spike_band",)),
    "peers among them": ("topology.py", ("find_topology",)),
    "samples to codes": ("codec.py", ("_read_threads",)),
    "codes to samples": ("codec.py", ("data",)),
    "gains of lanes": ("gain.py", ("lane_gains",)),
    "copies between threads and lanes": ("lanes.py", ("gather", "scatter")),
    "steps: predict, correct, code, learn": ("walk.py", ("take",)),
    "checksums": ("archive.py", ("update",)),
}
"""What a chunk's time is spent on, by the functions that do it."""


def recording_of(files: tuple[Path, ...], channels: int, frames: int) -> np.ndarray:
    """int16 of shape (frames, channels): each channel has a file of its own, and goes on with others."""
    threads = []
    for path in files:
        layout = look_through(path, path.name).layout
        if layout is None or layout.channels != 1 or layout.sample_bytes != 2:
            raise click.UsageError(f"{path} is no mono WAV of 16 bits")
        threads.append(np.frombuffer(path.read_bytes()[layout.data_offset :][: 2 * layout.n_frames], "<i2"))
    columns = []
    for channel in range(channels):
        turns = (threads[(channel + channels * turn) % len(threads)] for turn in range(len(threads)))
        pieces: list[np.ndarray] = []
        while sum(map(len, pieces)) < frames:
            pieces.append(next(turns))
        columns.append(np.concatenate(pieces)[:frames])
    return np.ascontiguousarray(np.stack(columns, axis=1))


def least_time(work: Callable[[], object], seconds: float) -> float:
    """Processor time of this thread, in seconds, the least of some runs that take about `seconds` together."""
    times: list[float] = []
    until = time.monotonic() + seconds
    while len(times) < AT_LEAST_RUNS or time.monotonic() < until:
        started = time.thread_time()
        work()
        times.append(time.thread_time() - started)
    return min(times)


def run(chunk: np.ndarray, coder: str, peers: bool, seconds: float) -> dict[str, object]:
    """Encode and decode one chunk."""
    data = encode_chunk(chunk, coder=coder, peers=peers)
    if not np.array_equal(decode_chunk(data), chunk):
        raise SystemExit(f"a chunk of shape {chunk.shape} did not come back as it was")
    encode_s = least_time(lambda: encode_chunk(chunk, coder=coder, peers=peers), seconds)
    decode_s = least_time(lambda: decode_chunk(data), seconds)
    return {
        "frames": len(chunk),
        "channels": chunk.shape[1],
        "coder": coder,
        "peers": peers,
        "bytes": chunk.nbytes,
        "ratio": chunk.nbytes / len(data),
        "encode_s": encode_s,
        "decode_s": decode_s,
    }


def shares(work: Callable[[], object], runs: int = 20) -> dict[str, float]:
    """Share of each of STAGES in the time of `work`."""
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(runs):
        work()
    profile.disable()
    stats = pstats.Stats(profile)
    found = dict.fromkeys(STAGES, 0.0)
    for (path, _, name), (*_, cumulative, _) in stats.stats.items():  # type: ignore[attr-defined]
        for stage, (module, names) in STAGES.items():
            if Path(path).name == module and name in names:
                found[stage] += cumulative
    total = stats.total_tt  # type: ignore[attr-defined]
    found["all else"] = total - sum(found.values())
    return {stage: spent / total for stage, spent in found.items()}


def print_shares(chunk: np.ndarray) -> None:
    """The table of what a chunk's time is spent on."""
    data = encode_chunk(chunk)
    ways = [shares(lambda: encode_chunk(chunk)), shares(lambda: decode_chunk(data))]
    click.echo(f"\nA chunk of {len(chunk):,} frames of {chunk.shape[1]} channels, range coder:\n")
    click.echo("| time spent on | encode | decode |")
    click.echo("|---|---|---|")
    for stage in ways[0]:
        if not any(way[stage] for way in ways):
            raise SystemExit(f"{stage}: the functions that did this have other names now, see STAGES")
        cells = [f"{100 * way[stage]:.0f}%" if way[stage] > 0 else "" for way in ways]
        click.echo(f"| {stage} | {' | '.join(cells)} |")


def print_edge(chunk: np.ndarray) -> None:
    """What it costs that Zarr fills up chunks at the edge of an array."""
    third = chunk[: len(chunk) // 3]
    filled = np.zeros_like(chunk)
    filled[: len(third)] = third
    more = len(encode_chunk(filled)) - len(encode_chunk(third))
    slower = [least_time(lambda given=given: encode_chunk(given), 1.0) for given in (filled, third)]  # type: ignore[misc]
    click.echo(
        f"\nA chunk that is filled up after a third of its frames takes {more} bytes and "
        f"{1000 * (slower[0] - slower[1]):.1f} ms more than that third alone."
    )


def print_scaling(chunk: np.ndarray) -> None:
    """How many times as fast several chunks are coded by two threads, and by two processes."""
    chunks = [np.roll(chunk, 1000 * i, axis=0) for i in range(N_CHUNKS)]
    data = [encode_chunk(chunk) for chunk in chunks]
    click.echo(f"\n{N_CHUNKS} such chunks at once, by the clock:\n")
    click.echo("| | encode MB/s | decode MB/s |")
    click.echo("|---|---|---|")
    pools: dict[str, Executor] = {
        "one thread": ThreadPoolExecutor(1),
        "two threads": ThreadPoolExecutor(2),
        "two processes": ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")),
    }
    megabytes = N_CHUNKS * chunk.nbytes / 1e6
    for name, pool in pools.items():
        with pool:
            speeds = []
            for work, given in ((encode_chunk, chunks), (decode_chunk, data)):
                list(pool.map(work, given))  # kernels are loaded, processes are there
                times = []
                for _ in range(AT_LEAST_RUNS):
                    started = time.perf_counter()
                    list(pool.map(work, given))
                    times.append(time.perf_counter() - started)
                speeds.append(f"{megabytes / min(times):.0f}")
        click.echo(f"| {name} | {' | '.join(speeds)} |")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--seconds", default="0.1,1,10", show_default=True, help="Lengths of a chunk.")
@click.option("--channels", default="32,384", show_default=True, help="Channels of a chunk.")
@click.option("--coders", default="range,rice", show_default=True)
@click.option("--time", "time_s", default=2.0, show_default=True, help="Seconds for each measurement, at least.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures here.")
def main(
    files: tuple[Path, ...], seconds: str, channels: str, coders: str, time_s: float, json_file: Path | None
) -> None:
    """Measure on chunks put together from FILES, mono WAVs."""
    widths, lengths = [int(n) for n in channels.split(",")], [round(float(s) * RATE) for s in seconds.split(",")]
    recording = recording_of(files, max(widths), max(lengths))
    click.echo(f"{len(files)} files, {RATE:,} Hz; {describe_machine()}; one thread of execution\n")
    click.echo("| chunk | MB | coder | ratio | encode MB/s | decode MB/s | encode ms | decode ms |")
    click.echo("|---|---|---|---|---|---|---|---|")
    variants = [(coder, True) for coder in coders.split(",")] + [(coders.split(",")[0], False)]
    rows = []
    for width in widths:
        for frames in lengths:
            chunk = np.ascontiguousarray(recording[:frames, :width])
            for coder, peers in variants:
                row = run(chunk, coder, peers, time_s)
                d: dict[str, float] = row  # type: ignore[assignment]
                rows.append(row)
                click.echo(
                    f"| {frames / RATE:.3g} s x {width} | {chunk.nbytes / 1e6:.2f} "
                    f"| {coder}{'' if peers else ', no peers'} | {d['ratio']:.3f} "
                    f"| {chunk.nbytes / 1e6 / d['encode_s']:.1f} | {chunk.nbytes / 1e6 / d['decode_s']:.1f} "
                    f"| {1000 * d['encode_s']:.1f} | {1000 * d['decode_s']:.1f} |"
                )
    click.echo("\nAll chunks came back as they were.")
    chunk = np.ascontiguousarray(recording[: min(30_000, max(lengths)), : widths[0]])
    print_shares(chunk)
    print_edge(chunk)
    print_scaling(chunk)
    if json_file:
        json_file.write_text(json.dumps({"machine": describe_machine(), "rows": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
