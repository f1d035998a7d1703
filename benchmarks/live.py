"""Delay of a live stream: `python benchmarks/live.py N1_FILES...`.

Frames of 1024 threads, put together from the given recordings, are pushed one by one, or in small packets, through a
StreamEncoder and at once through a StreamDecoder; what comes back is compared. A delay is that of one push. Real time
is a frame every 51.2 microseconds: what is longer in the mean falls behind.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
import numpy as np

from spikey_cli import StreamDecoder, StreamEncoder
from spikey_cli.bench.machine import describe_machine
from spikey_cli.codec.scan import scan

RATE = 19_531
WARM_UP = 64
"""Packets that are not counted: kernels are loaded, windows fill."""


def frames_of(files: tuple[Path, ...], channels: int, frames: int) -> np.ndarray:
    """Frames, int16 of shape (frames, channels), a recording a thread; where they are too few, later parts of them."""
    columns = []
    for i in range(channels):
        file = files[i % len(files)]
        layout = scan(file).layout
        if layout is None or layout.channels != 1 or layout.sample_bytes != 2:
            raise click.UsageError(f"{file} is no mono WAV of 16 bits")
        samples = np.frombuffer(file.read_bytes()[layout.data_offset :][: 2 * layout.n_frames], "<i2")
        columns.append(np.roll(samples, -(i // len(files)) * frames)[:frames])
    return np.ascontiguousarray(np.stack(columns, axis=1))


def run(frames: np.ndarray, packet: int) -> dict[str, object]:
    """Push everything through, `packet` frames at a time."""
    encoder, decoder = StreamEncoder(frames.shape[1], RATE), StreamDecoder()
    delays: dict[str, list[float]] = {"encode": [], "decode": []}
    stream_bytes = 0
    for at in range(0, len(frames), packet):
        piece = frames[at : at + packet]
        started = time.perf_counter()
        data = encoder.push(piece)
        sent = time.perf_counter()
        back = decoder.push(data)
        received = time.perf_counter()
        if not np.array_equal(piece, back):
            raise SystemExit(f"frames from {at} on did not come back as they were")
        delays["encode"].append(sent - started)
        delays["decode"].append(received - sent)
        stream_bytes += len(data)
    data = encoder.finish()
    decoder.push(data)
    decoder.close()
    told: dict[str, object] = {
        "packet_frames": packet,
        "frames": len(frames),
        "ratio": frames.nbytes / (stream_bytes + len(data)),
        "bits_per_sample": 8 * (stream_bytes + len(data)) / frames.size,
    }
    for way, seconds in delays.items():
        micro = np.array(seconds[WARM_UP:]) * 1e6
        told[way] = {
            "p50_us": float(np.percentile(micro, 50)),
            "p99_us": float(np.percentile(micro, 99)),
            "max_us": float(micro.max()),
            "mean_us_per_frame": float(micro.mean() / packet),
        }
    return told


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--channels", default=1024, show_default=True)
@click.option("--frames", "n_frames", default=20_000, show_default=True)
@click.option("--packets", default="1,8,64", show_default=True, help="Frames of a packet.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all figures here.")
def main(files: tuple[Path, ...], channels: int, n_frames: int, packets: str, json_file: Path | None) -> None:
    """Measure on threads put together from FILES, mono WAVs."""
    frames = frames_of(files, channels, n_frames)
    click.echo(f"{channels} threads, {len(frames):,} frames; {describe_machine()}; one thread of execution\n")
    click.echo("| frames a packet | ratio | way | p50 us | p99 us | max us | us a frame | times real time |")
    click.echo("|---|---|---|---|---|---|---|---|")
    rows = [run(frames, int(packet)) for packet in packets.split(",")]
    for row in rows:
        for way in ("encode", "decode"):
            d: dict[str, float] = row[way]  # type: ignore[assignment]
            real_time = 1e6 / RATE / d["mean_us_per_frame"]
            click.echo(
                f"| {row['packet_frames']} | {row['ratio']:.4f} | {way} | {d['p50_us']:.0f} | {d['p99_us']:.0f} "
                f"| {d['max_us']:.0f} | {d['mean_us_per_frame']:.1f} | {real_time:.2f} |"
            )
    click.echo("\nAll frames came back as they were.")
    if json_file:
        json_file.write_text(json.dumps({"machine": describe_machine(), "rows": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
