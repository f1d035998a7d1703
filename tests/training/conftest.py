"""Recordings to train on. All tests of this folder are slow."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from support.recordings import write_session


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip the folder without PyTorch, and where no slow test is selected: importing PyTorch takes seconds."""
    return True if importlib.util.find_spec("torch") is None or "not slow" in config.option.markexpr else None


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Let PyTorch use one thread."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def recordings(tmp_path: Path, random: np.random.Generator) -> Path:
    """A folder with a sessions.csv: three sessions for training and one for validation, of two channels each."""
    folder = tmp_path / "data"
    rows = [["file", "session", "split"]]
    for name, split in (("a", "train"), ("b", "train"), ("c", "val"), ("d", "train")):
        for path in write_session(folder / name, random, 2, 9000):
            rows.append([f"{name}/{path.name}", name, split])
    with (folder / "sessions.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder
