"""Which chunks are good: `python benchmarks/chunks.py N1_FILES...` (docs/zarr.md).

A recording that is put together of the given ones is cut into chunks of many shapes, which are encoded and decoded as
Zarr's codecs do, on one thread of execution, and compared. Times are processor time, the least of several runs, unless
something else is said: what another program does meanwhile changes them little.
"""

from __future__ import annotations

import cProfile
import json
import multiprocessing
import pstats
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

from spikey_cli.api.chunk import decode_chunk, encode_chunk
from spikey_cli.bench.machine import describe_machine
from spikey_cli.codec.scan import scan

Result = TypeVar("Result")

RATE = 19_531
N_CHUNKS, ROUNDS = 16, 10

STAGES = {
    "grid of the values (`QuantizerSearch`)": ("grid.py", ("add", "quantizer")),
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
        layout = scan(path).layout
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


def least_time(work: Callable[[], Result], seconds: float) -> tuple[Result, float]:
    """What `work` returns, and the processor time that it takes this thread, in seconds: the least of as many runs as
    there are in `seconds`, at least one.
    """
    times: list[float] = []
    until = time.monotonic() + seconds
    while not times or time.monotonic() < until:
        started = time.thread_time()
        result = work()
        times.append(time.thread_time() - started)
    return result, min(times)


def run(recording: np.ndarray, frames: int, coder: str, peers: bool, seconds: float) -> dict[str, object]:
    """Encode and decode a recording in chunks of so many frames."""
    chunks = [recording[first : first + frames] for first in range(0, len(recording), frames)]
    options: dict[str, Any] = {"coder": coder, "peers": peers}
    encode_chunk(chunks[0], **options)  # kernels are loaded
    data, encode_s = least_time(lambda: [encode_chunk(chunk, **options) for chunk in chunks], seconds)
    back, decode_s = least_time(lambda: [decode_chunk(coded) for coded in data], seconds)
    if not all(np.array_equal(decoded, chunk) for decoded, chunk in zip(back, chunks, strict=True)):
        raise SystemExit(f"a chunk of {frames} frames did not come back as it was")
    return {
        "frames": frames,
        "channels": recording.shape[1],
        **options,
        "chunks": len(chunks),
        "bytes": recording.nbytes,
        "ratio": recording.nbytes / sum(map(len, data)),
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
    data, filled_s = least_time(lambda: encode_chunk(filled), 1.0)
    independent, third_s = least_time(lambda: encode_chunk(third), 1.0)
    click.echo(
        f"\nA chunk that is filled up after a third of its frames takes {len(data) - len(independent)} bytes and "
        f"{1000 * (filled_s - third_s):.1f} ms more than that third alone."
    )


def print_memory(chunk: np.ndarray) -> None:
    """How much memory a chunk takes, beside itself, while it is coded."""
    times_its_bytes = []
    data = encode_chunk(chunk)
    for work in (lambda: encode_chunk(chunk), lambda: decode_chunk(data)):
        tracemalloc.start()
        work()
        times_its_bytes.append(tracemalloc.get_traced_memory()[1] / chunk.nbytes)
        tracemalloc.stop()
    click.echo(
        "It takes up to {:.1f} times its bytes of memory to encode, and {:.1f} to decode.".format(*times_its_bytes)
    )


def print_scaling(chunk: np.ndarray) -> None:
    """How fast several chunks are coded by two threads, and by two processes; the best of some rounds."""
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
    ways = ((encode_chunk, chunks), (decode_chunk, data))
    times: dict[str, list[list[float]]] = {name: [[], []] for name in pools}
    with ExitStack() as stack:
        for pool in pools.values():
            stack.enter_context(pool)
        for turn in range(1 + ROUNDS):
            for name, pool in pools.items():
                for way, (work, given) in enumerate(ways):
                    started = time.perf_counter()
                    list(pool.map(work, given))
                    if turn:  # in the first, kernels are loaded, and processes begin
                        times[name][way].append(time.perf_counter() - started)
    for name in pools:
        speeds = [f"{N_CHUNKS * chunk.nbytes / 1e6 / min(seconds):.0f}" for seconds in times[name]]
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
    click.echo("| chunk | MB | coder | ratio | encode MB/s | decode MB/s | ms a chunk | and back |")
    click.echo("|---|---|---|---|---|---|---|---|")
    variants = [(coder, True) for coder in coders.split(",")] + [(coders.split(",")[0], False)]
    rows = []
    for width in widths:
        given = np.ascontiguousarray(recording[:, :width])
        for frames in lengths:
            for coder, peers in variants:
                row = run(given, frames, coder, peers, time_s)
                d: dict[str, float] = row  # type: ignore[assignment]
                rows.append(row)
                speeds = [given.nbytes / 1e6 / d[way] for way in ("encode_s", "decode_s")]
                times = [1000 * d[way] / d["chunks"] for way in ("encode_s", "decode_s")]
                click.echo(
                    f"| {frames / RATE:.3g} s x {width} | {frames * width * 2 / 1e6:.2f} "
                    f"| {coder}{'' if peers else ', no peers'} | {d['ratio']:.3f} | {speeds[0]:.1f} | {speeds[1]:.1f} "
                    f"| {times[0]:.1f} | {times[1]:.1f} |"
                )
    click.echo("\nAll chunks came back as they were.")
    chunk = np.ascontiguousarray(recording[: min(30_000, max(lengths)), : widths[0]])
    print_shares(chunk)
    print_edge(chunk)
    print_memory(chunk)
    print_scaling(chunk)
    if json_file:
        json_file.write_text(json.dumps({"machine": describe_machine(), "rows": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
