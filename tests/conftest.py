"""Tiers, hypothesis profiles and shared fixtures; docs/testing.md describes them."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from support.paths import ROOT
from support.recordings import write_session

if TYPE_CHECKING:
    from support.fault_harness import FaultHarness

# With it, each process that a test starts would compile every module, which takes half a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# No test has a time limit, so no example has a deadline.
_COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("default", _COMMON, max_examples=20, derandomize=True)
settings.register_profile("ci", _COMMON, max_examples=50, derandomize=False)
settings.register_profile("exhaustive", _COMMON, max_examples=5000, derandomize=False)
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--trials", type=int, metavar="N", help="random trials of each test that is marked `trials`")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize a test marked `trials(default, slow=..., exhaustive=...)` with its number of trials in each tier."""
    marker = metafunc.definition.get_closest_marker("trials")
    if marker is None:
        return
    (default,) = marker.args or (None,)
    counts = {"": default, **marker.kwargs}
    metafunc.parametrize(
        "trials",
        [
            pytest.param(
                metafunc.config.getoption("trials") or count,
                marks=[getattr(pytest.mark, tier)] if tier else [],
                id=tier or "default",
            )
            for tier, count in counts.items()
            if count
        ],
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "n1" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.recordings)


@pytest.fixture(scope="session")
def n1() -> Path:
    """Folder of the N1 recordings: $SPIKEY_N1, or ../shared/n1 beside the checkout. Without it the test is skipped."""
    given = os.environ.get("SPIKEY_N1")
    folder = Path(given) if given else ROOT.parent / "shared" / "n1"
    if not (folder / "sessions.csv").is_file():
        assert not given, f"SPIKEY_N1 is {given}, which has no sessions.csv"
        pytest.skip("the N1 recordings are not installed: set SPIKEY_N1 to their folder")
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
    """A random generator with a fixed seed."""
    return np.random.default_rng(20_260_101)


@pytest.fixture
def session(tmp_path: Path, random: np.random.Generator) -> list[Path]:
    """Two WAV files recorded together, 30,000 frames each."""
    return write_session(tmp_path / "in", random, 2, 30_000)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of channels of each block decoded from now on."""
    from spikey_cli.codec import blocks

    counts: list[int] = []
    decode = blocks.decode_channels
    monkeypatch.setattr(blocks, "decode_channels", lambda s, *rest: counts.append(len(s)) or decode(s, *rest))
    return counts


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultHarness]:
    """Two WAV files, an empty file, and a server that runs the command on them with injected faults."""
    from support.fault_harness import FaultHarness
    from support.fault_server import FaultServer  # POSIX only

    folder = tmp_path_factory.mktemp("harness")
    paths = write_session(folder / "in", np.random.default_rng(20_260_101), 2, 16_000)
    paths.append(folder / "in" / "empty.txt")
    paths[-1].touch()
    with FaultServer() as server:
        yield FaultHarness(server, folder, {path.name: path.read_bytes() for path in paths})
        print(f"\nfaults injected: {dict(server.struck)}")
