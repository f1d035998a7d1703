"""Recordings to train on. Without PyTorch the tests of this folder are not collected."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from support.recordings import write_session

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py"]
else:
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
