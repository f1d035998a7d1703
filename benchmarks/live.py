"""Delay of a live stream: `python benchmarks/live.py N1_FILES...`.

Frames of 1024 channels, combined from the given recordings, are encoded and decoded one by one or in small packets, and
compared. The delay is the time of one call of `push`. In real time a frame arrives every 51.2 microseconds.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
import numpy as np
from recordings import RATE, read_mono

from spikey_cli import StreamDecoder, StreamEncoder
from spikey_cli.bench.machine import describe_machine

WARM_UP = 64
"""Packets that are not measured: the network is loaded and windows are incomplete."""


def frames_of(files: tuple[Path, ...], channels: int, frames: int) -> np.ndarray:
    """Frames, int16 of shape (frames, channels): one recording a channel, or later parts of it if there are too few."""
    columns = []
    for i in range(channels):
        columns.append(np.roll(read_mono(files[i % len(files)]), -(i // len(files)) * frames)[:frames])
    return np.ascontiguousarray(np.stack(columns, axis=1))


def run(frames: np.ndarray, preset: str, packet: int) -> dict[str, object]:
    """Encode and decode all frames, `packet` frames at a time."""
    encoder, decoder = StreamEncoder(frames.shape[1], RATE, preset=preset), StreamDecoder()
    delays: dict[str, list[float]] = {"encode": [], "decode": []}
    stream_bytes = 0
    for first in range(0, len(frames), packet):
        piece = frames[first : first + packet]
        started = time.perf_counter()
        data = encoder.push(piece)
        sent = time.perf_counter()
        restored = decoder.push(data)
        received = time.perf_counter()
        if not np.array_equal(piece, restored):
            raise SystemExit(f"frames from {first} on were not restored")
        delays["encode"].append(sent - started)
        delays["decode"].append(received - sent)
        stream_bytes += len(data)
    data = encoder.finish()
    decoder.push(data)
    decoder.close()
    result: dict[str, object] = {
        "preset": preset,
        "packet_frames": packet,
        "frames": len(frames),
        "ratio": frames.nbytes / (stream_bytes + len(data)),
        "bits_per_sample": 8 * (stream_bytes + len(data)) / frames.size,
    }
    for direction, seconds in delays.items():
        micro = np.array(seconds[WARM_UP:]) * 1e6
        result[direction] = {
            "p50_us": float(np.percentile(micro, 50)),
            "p99_us": float(np.percentile(micro, 99)),
            "max_us": float(micro.max()),
            "mean_us_per_frame": float(micro.mean() / packet),
        }
    return result


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--channels", default=1024, show_default=True)
@click.option("--frames", "n_frames", default=20_000, show_default=True)
@click.option("--presets", default="default,fast", show_default=True)
@click.option("--packets", default="1,8,64", show_default=True, help="Frames of a packet.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures here.")
def main(
    files: tuple[Path, ...], channels: int, n_frames: int, presets: str, packets: str, json_file: Path | None
) -> None:
    """Measure with a recording combined from FILES, mono WAV files."""
    frames = frames_of(files, channels, n_frames)
    click.echo(f"{channels} channels, {len(frames):,} frames; {describe_machine()}; one thread\n")
    click.echo("| preset | frames a packet | ratio | | p50 us | p99 us | max us | us a frame | times real time |")
    click.echo("|---|---|---|---|---|---|---|---|---|")
    rows = [run(frames, preset, int(packet)) for preset in presets.split(",") for packet in packets.split(",")]
    for row in rows:
        for direction in ("encode", "decode"):
            d: dict[str, float] = row[direction]  # type: ignore[assignment]
            real_time = 1e6 / RATE / d["mean_us_per_frame"]
            click.echo(
                f"| {row['preset']} | {row['packet_frames']} | {row['ratio']:.4f} | {direction} | {d['p50_us']:.0f} "
                f"| {d['p99_us']:.0f} | {d['max_us']:.0f} | {d['mean_us_per_frame']:.1f} | {real_time:.2f} |"
            )
    click.echo("\nAll frames were restored.")
    if json_file:
        json_file.write_text(json.dumps({"machine": describe_machine(), "rows": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
