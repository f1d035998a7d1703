"""Fixtures: generated recordings, and the real ones where they are."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from support.recordings import write_session

if TYPE_CHECKING:
    from support.fault_harness import Stage

# kernels are compiled within the first example that needs them
settings.register_profile("spikey", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("spikey")

ROOT = Path(__file__).resolve().parent.parent


def n1_folder() -> Path | None:
    """The folder of the N1 recordings: $SPIKEY_N1, or ../shared/n1 beside the source tree."""
    folder = Path(os.environ.get("SPIKEY_N1", ROOT.parent / "shared" / "n1"))
    return folder if (folder / "sessions.csv").is_file() else None


@pytest.fixture(scope="session")
def n1() -> Path:
    """Folder of the N1 recordings; without them the test is skipped, under CI it fails."""
    folder = n1_folder()
    if folder is None:
        reason = "the N1 recordings are not here: set SPIKEY_N1 to their folder"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def n1_sessions(n1: Path) -> dict[str, list[list[Path]]]:
    """Files of the N1 recordings by split and session: {split: [[file, ...], ...]}."""
    splits: dict[str, dict[str, list[Path]]] = {}
    with (n1 / "sessions.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            splits.setdefault(row["split"], {}).setdefault(row["session"], []).append(n1 / row["file"])
    return {split: list(sessions.values()) for split, sessions in splits.items()}


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(20_260_101)


@pytest.fixture
def session(tmp_path: Path, random: np.random.Generator) -> list[Path]:
    """Two WAVs that were recorded together."""
    return write_session(tmp_path / "in", random, 2, 30_000)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Threads of each block that is decoded from now on."""
    from spikey_cli.codec import blocks

    channels: list[int] = []
    decode = blocks.decode_channels
    monkeypatch.setattr(blocks, "decode_threads", lambda s, *rest: channels.append(len(s)) or decode(s, *rest))
    return channels


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Two WAVs and an empty file, and a server that runs the command on them with faults."""
    from support.fault_harness import Stage
    from support.fault_server import FaultServer  # forks, and measures what the system of POSIX counts

    folder = tmp_path_factory.mktemp("stage")
    paths = write_session(folder / "in", np.random.default_rng(20_260_101), 2, 16_000)
    paths.append(folder / "in" / "empty.txt")
    paths[-1].touch()
    with FaultServer() as server:
        yield Stage(server, folder, {path.name: path.read_bytes() for path in paths})
        print(f"\nfaults that struck: {dict(server.struck)}")
