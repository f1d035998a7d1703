"""Recordings in the formats that are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.recordings import recorded
from support.sidecars import write_open_ephys, write_spikeglx


@pytest.fixture
def samples(random: np.random.Generator) -> np.ndarray:
    """int16 of shape (6000, 4)."""
    return recorded(random, 6000, 4)


@pytest.fixture
def spikeglx(tmp_path: Path, samples: np.ndarray) -> Path:
    """A run of SpikeGLX."""
    return write_spikeglx(tmp_path, samples)


@pytest.fixture
def open_ephys(tmp_path: Path, samples: np.ndarray) -> Path:
    """A recording of Open Ephys."""
    return write_open_ephys(tmp_path, samples)
