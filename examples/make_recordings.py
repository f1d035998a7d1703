"""Make synthetic recordings: `python examples/make_recordings.py DIR`.

A session has two channels, each a mono WAV of 16 bits at 19,531 Hz with the 10-bit quantizer of the N1 recordings. The
signal of a channel is the sum of independent coloured noise, noise shared by both channels, and the spikes of three
cells, whose amplitudes differ between the channels.
"""

from __future__ import annotations

import wave
from pathlib import Path

import click
import numpy as np

from spikey_cli.core.quantizer import N1

RATE = 19531
NOISE_CODES = 6.0
SHARED = 0.5
CELLS = 3
SPIKES_PER_SECOND = 12.0


def spike_shape(random: np.random.Generator) -> np.ndarray:
    """A spike of 40 samples with an amplitude of about 1: a trough, followed by a slower hump."""
    t = np.arange(40.0)
    trough = -np.exp(-(((t - 10) / random.uniform(1.5, 3.0)) ** 2))
    return trough + random.uniform(0.2, 0.5) * np.exp(-(((t - 20) / random.uniform(5.0, 8.0)) ** 2))


def make_session(random: np.random.Generator, seconds: float) -> np.ndarray:
    """Codes of two channels, int32 of shape (frames, 2)."""
    n = round(seconds * RATE)
    kernel = np.exp(-np.arange(16) / 2.5)
    noise = random.normal(size=(n + 15, 2)) + SHARED * random.normal(size=(n + 15, 1))
    channels = np.stack([np.convolve(noise[:, i], kernel, mode="valid") for i in range(2)], axis=1) * NOISE_CODES
    for _ in range(CELLS):
        shape, depth = spike_shape(random), random.uniform(20, 70, size=2)
        for start in random.integers(0, max(1, n - 40), size=random.poisson(SPIKES_PER_SECOND * seconds)):
            spike = channels[start : start + 40]
            spike += shape[: len(spike), None] * depth
    return np.clip(np.rint(channels + random.uniform(460, 560, size=2)), 0, 1023).astype(np.int32)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--sessions", default=2, show_default=True)
@click.option("--seconds", default=2.0, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(folder: Path, sessions: int, seconds: float, seed: int) -> None:
    """Write two WAV files for each session into FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for session in range(sessions):
        codes = make_session(random, seconds)
        for channel in range(2):
            with wave.open(str(folder / f"session{session}_channel{channel}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(RATE)
                file.writeframes(N1.to_samples(codes[:, channel], np.int16).astype("<i2").tobytes())


if __name__ == "__main__":
    main()
