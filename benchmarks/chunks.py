"""Ratio and speed by the shape of chunks: `python benchmarks/chunks.py N1_FILES...` (docs/zarr.md).

A recording combined from the given ones is split into chunks of several shapes, which are encoded and decoded as the
codecs of Zarr do, by one thread, and compared. Then small pieces are read from Zarr arrays whose chunks are in one
shard, beside WavPack (if `wavpack-numcodecs` is installed) and Blosc. Times are processor time, the least of several
runs, unless stated otherwise.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
import zarr
from recordings import RATE, read_mono
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore

from spikey_cli import SpikeyCodec
from spikey_cli.api.chunk import decode_chunk, encode_chunk
from spikey_cli.bench.machine import describe_machine

Result = TypeVar("Result")

N_CHUNKS, ROUNDS = 16, 10
N_PIECES, PIECE_SECONDS, PIECE_CHANNELS = 20, 0.1, 4


def recording_of(files: tuple[Path, ...], channels: int, frames: int) -> np.ndarray:
    """A recording, int16 of shape (frames, channels); the files are distributed over the channels."""
    recordings = [read_mono(path) for path in files]
    columns = []
    for channel in range(channels):
        following = (recordings[(channel + channels * i) % len(recordings)] for i in range(len(recordings)))
        pieces: list[np.ndarray] = []
        while sum(map(len, pieces)) < frames:
            pieces.append(next(following))
        columns.append(np.concatenate(pieces)[:frames])
    return np.ascontiguousarray(np.stack(columns, axis=1))


def least_time(
    work: Callable[[], Result], seconds: float, clock: Callable[[], float] = time.thread_time
) -> tuple[Result, float]:
    """Result of `work` and its processor time in seconds: the least of all runs within `seconds`, at least one."""
    times: list[float] = []
    until = time.monotonic() + seconds
    while not times or time.monotonic() < until:
        started = clock()
        result = work()
        times.append(clock() - started)
    return result, min(times)


def run(recording: np.ndarray, frames: int, coder: str, peers: bool, seconds: float) -> dict[str, object]:
    """Encode and decode a recording in chunks of `frames` frames."""
    chunks = [recording[first : first + frames] for first in range(0, len(recording), frames)]
    options: dict[str, Any] = {"coder": coder, "peers": peers}
    encode_chunk(chunks[0], **options)  # loads the network
    data, encode_s = least_time(lambda: [encode_chunk(chunk, **options) for chunk in chunks], seconds)
    restored, decode_s = least_time(lambda: [decode_chunk(coded) for coded in data], seconds)
    if not all(np.array_equal(decoded, chunk) for decoded, chunk in zip(restored, chunks, strict=True)):
        raise SystemExit(f"a chunk of {frames} frames was not restored")
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


def codecs_of_pieces() -> dict[str, dict[str, Any]]:
    """The codecs of which pieces are read, as options of Zarr, by their names."""
    options: dict[str, dict[str, Any]] = {
        f"Spikey, {coder}": {"serializer": SpikeyCodec(coder), "compressors": None} for coder in ("range", "rice")
    }
    if importlib.util.find_spec("wavpack_numcodecs"):
        from wavpack_numcodecs import WavPack

        options["WavPack, level 3"] = {"serializer": WavPack(level=3), "compressors": None}
    for level in (9, 5):
        blosc = BloscCodec(cname="zstd", clevel=level, shuffle="bitshuffle")
        options[f"Blosc-zstd {level}, bits shuffled"] = {"compressors": blosc}
    return options


def print_pieces(recording: np.ndarray, seconds: float) -> None:
    """Print what it takes to read small pieces of a recording whose chunks are in one shard."""
    frames, channels = recording.shape
    piece = round(PIECE_SECONDS * RATE)
    random = np.random.default_rng(1)
    starts, firsts = (random.integers(n, size=N_PIECES) for n in (frames - piece, channels - PIECE_CHANNELS + 1))
    corners = zip(starts.tolist(), firsts.tolist(), strict=True)
    places = [(slice(t, t + piece), slice(c, c + PIECE_CHANNELS)) for t, c in corners]
    click.echo(
        f"\n{N_PIECES} pieces of {PIECE_SECONDS} s x {PIECE_CHANNELS} channels of {frames / RATE:.3g} s x {channels}, "
        "all chunks in one shard:\n\n| chunk | codec | ratio | ms a piece |\n|---|---|---|---|"
    )
    for length, width in ((1.0, channels), (0.1, channels), (1.0, PIECE_CHANNELS)):
        chunk = (round(length * RATE), width)
        shard = tuple(-(-n // m) * m for n, m in zip(recording.shape, chunk, strict=True))
        for name, options in codecs_of_pieces().items():
            array = zarr.create_array(MemoryStore(), data=recording, chunks=chunk, shards=shard, **options)
            if not all(np.array_equal(array[place], recording[place]) for place in places):
                raise SystemExit(f"{name}: a piece was not restored")
            _, spent = least_time(lambda array=array: [array[place] for place in places], seconds, time.process_time)
            ratio = recording.nbytes / array.nbytes_stored()
            click.echo(f"| {length:.3g} s x {width} | {name} | {ratio:.3f} | {1000 * spent / N_PIECES:.1f} |")


def print_edge(chunk: np.ndarray) -> None:
    """Print the cost of the padding that Zarr adds at the edge of an array."""
    third = chunk[: len(chunk) // 3]
    padded = np.zeros_like(chunk)
    padded[: len(third)] = third
    data, padded_s = least_time(lambda: encode_chunk(padded), 1.0)
    unpadded, third_s = least_time(lambda: encode_chunk(third), 1.0)
    click.echo(
        f"\nA chunk of which two thirds are padding takes {len(data) - len(unpadded)} bytes and "
        f"{1000 * (padded_s - third_s):.1f} ms more than one without padding."
    )


def growth(work: Callable[..., object], *arguments: object) -> int:
    """Bytes by which the memory of this process grows at most during `work`; on Linux."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak becomes what is used now
    before = _peak()
    work(*arguments)
    return _peak() - before


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def print_memory(chunk: np.ndarray) -> None:
    """Print the memory that coding a chunk takes, beside the chunk itself."""
    ratios = []
    for work, given in ((encode_chunk, chunk), (decode_chunk, encode_chunk(chunk))):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            pool.submit(encode_chunk, chunk[:10]).result()  # imports, and the model
            ratios.append(pool.submit(growth, work, given).result() / chunk.nbytes)
    click.echo("Encoding takes up to {:.1f} times its size in memory, decoding {:.1f} times.".format(*ratios))


def print_scaling(chunk: np.ndarray) -> None:
    """Print the speed of two threads and of two processes, the best of several rounds."""
    chunks = [np.roll(chunk, 1000 * i, axis=0) for i in range(N_CHUNKS)]
    data = [encode_chunk(chunk) for chunk in chunks]
    click.echo(f"\n{N_CHUNKS} such chunks, wall time:\n")
    click.echo("| | encode MB/s | decode MB/s |")
    click.echo("|---|---|---|")
    pools: dict[str, Executor] = {
        "one thread": ThreadPoolExecutor(1),
        "two threads": ThreadPoolExecutor(2),
        "two processes": ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")),
    }
    directions = ((encode_chunk, chunks), (decode_chunk, data))
    times: dict[str, list[list[float]]] = {name: [[], []] for name in pools}
    with ExitStack() as stack:
        for pool in pools.values():
            stack.enter_context(pool)
        for i in range(1 + ROUNDS):
            for name, pool in pools.items():
                for direction, (work, inputs) in enumerate(directions):
                    started = time.perf_counter()
                    list(pool.map(work, inputs))
                    if i:  # the first round starts processes
                        times[name][direction].append(time.perf_counter() - started)
    for name in pools:
        speeds = [f"{N_CHUNKS * chunk.nbytes / 1e6 / min(seconds):.0f}" for seconds in times[name]]
        click.echo(f"| {name} | {' | '.join(speeds)} |")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--seconds", default="0.1,1,10", show_default=True, help="Lengths of a chunk.")
@click.option("--channels", default="32,384", show_default=True, help="Channels of a chunk.")
@click.option("--coders", default="range,rice", show_default=True)
@click.option("--time", "time_s", default=2.0, show_default=True, help="Least seconds for each measurement.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures here.")
def main(
    files: tuple[Path, ...], seconds: str, channels: str, coders: str, time_s: float, json_file: Path | None
) -> None:
    """Measure with a recording combined from FILES, mono WAV files."""
    widths, lengths = [int(n) for n in channels.split(",")], [round(float(s) * RATE) for s in seconds.split(",")]
    recording = recording_of(files, max(widths), max(lengths))
    click.echo(f"{len(files)} files, {RATE:,} Hz; {describe_machine()}; one thread\n")
    click.echo("| chunk | MB | coder | ratio | encode MB/s | decode MB/s | encode ms | decode ms |")
    click.echo("|---|---|---|---|---|---|---|---|")
    variants = [(coder, True) for coder in coders.split(",")] + [(coders.split(",")[0], False)]
    rows = []
    for width in widths:
        narrow = np.ascontiguousarray(recording[:, :width])
        for frames in lengths:
            for coder, peers in variants:
                row = run(narrow, frames, coder, peers, time_s)
                d: dict[str, float] = row  # type: ignore[assignment]
                rows.append(row)
                speeds = [narrow.nbytes / 1e6 / d[way] for way in ("encode_s", "decode_s")]
                times = [1000 * d[way] / d["chunks"] for way in ("encode_s", "decode_s")]
                click.echo(
                    f"| {frames / RATE:.3g} s x {width} | {frames * width * 2 / 1e6:.2f} "
                    f"| {coder}{'' if peers else ', no peers'} | {d['ratio']:.3f} | {speeds[0]:.1f} | {speeds[1]:.1f} "
                    f"| {times[0]:.1f} | {times[1]:.1f} |"
                )
    click.echo("\nAll chunks were restored.")
    print_pieces(np.ascontiguousarray(recording[:, : widths[0]]), time_s)
    chunk = np.ascontiguousarray(recording[: min(30_000, max(lengths)), : widths[0]])
    print_edge(chunk)
    print_memory(chunk)
    print_scaling(chunk)
    if json_file:
        json_file.write_text(json.dumps({"machine": describe_machine(), "rows": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
