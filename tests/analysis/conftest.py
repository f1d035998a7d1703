"""Recordings that the analysis tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.recordings import n1_samples, neural, wav_bytes, write_session

import spikey_cli
from spikey_cli.system.workers import Workers

FRAMES = 30_000


@pytest.fixture
def recordings(tmp_path: Path, random: np.random.Generator) -> Path:
    """A folder with two sessions of two channels, one independent channel, and a text file."""
    folder = tmp_path / "in"
    for i in range(2):
        write_session(folder / f"s{i}", random, 2, FRAMES)
    (folder / "single.wav").write_bytes(wav_bytes(n1_samples(neural(random, FRAMES)[:, 0])))
    (folder / "note.txt").write_text("no recording")
    return folder


@pytest.fixture
def workers() -> Workers:
    """One worker."""
    return Workers(None, 1)


@pytest.fixture(scope="session")
def plotted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of 19 channels of 2.5 s at 10 kHz and one channel of 1 s at 1 kHz, beside its two WAV files."""
    folder = tmp_path_factory.mktemp("plot")
    random = np.random.default_rng(7)
    (folder / "wide.wav").write_bytes(wav_bytes(neural(random, 25_000, 19) - 500, rate=10_000))
    (folder / "short.wav").write_bytes(wav_bytes(neural(random, 1000) - 500, rate=1000))
    spikey_cli.compress([folder / "wide.wav", folder / "short.wav"], folder / "out.spk")
    return folder / "out.spk"
