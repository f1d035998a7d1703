"""Recordings for benchmarks, combined from mono WAV files of 16 bits."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from spikey_cli.codec.scan import ScannedSource, scan

RATE = 19_531
"""Frames a second of the N1 recordings."""


def scan_mono(file: Path) -> ScannedSource:
    """Scan a mono WAV file of 16 bits; raise UsageError for any other."""
    source = scan(file)
    if source.layout is None or source.layout.channels != 1 or source.layout.sample_bytes != 2:
        raise click.UsageError(f"{file} is not a mono WAV file of 16 bits")
    return source


def read_mono(file: Path) -> np.ndarray:
    """Samples of a mono WAV file of 16 bits, int16 of shape (frames,)."""
    layout = scan_mono(file).layout
    assert layout is not None
    return np.frombuffer(file.read_bytes()[layout.data_offset :][: 2 * layout.n_frames], "<i2")
