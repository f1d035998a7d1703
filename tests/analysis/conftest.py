"""Recordings that the analysis tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.recordings import n1_samples, neural, wav_bytes, write_session

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
