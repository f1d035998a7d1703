"""What fuzzers begin with, and what they found: through every door, without a fuzzer."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from seeds import seeds_of  # noqa: E402
from support.archive_mutator import scratched  # noqa: E402
from targets import DOORS  # noqa: E402

REGRESSIONS = sorted(path for path in (HERE / "regressions").iterdir() if path.suffix != ".md")


@pytest.mark.parametrize("door", DOORS)
def test_seeds_and_what_is_near_them(door):
    random = np.random.default_rng(1)
    for seed in seeds_of(door):
        DOORS[door](seed)
        for _ in range(3 if door == "round_trip" else 10):
            DOORS[door](scratched(random, seed))


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.name)
def test_what_was_found_is_found_no_more(path):
    door = max((name for name in DOORS if path.name.startswith(f"{name}-")), key=len)
    DOORS[door](path.read_bytes())


def test_every_door_has_a_target():
    assert {path.stem for path in (HERE / "fuzz").glob("fuzz_*.py")} == {f"fuzz_{name}" for name in DOORS}


def test_seeds_are_taken():
    """A door that refuses its seeds lets nothing in: what comes of them is looked at here once."""
    from support.archive_builder import Anatomy
    from targets import anatomy_of, chunk_of, live_stream

    import spikey_cli
    from spikey_cli.api.chunk import decode_chunk

    for seed in seeds_of("archive"):
        assert isinstance(anatomy_of(seed), Anatomy)
    for seed in seeds_of("chunk")[:-1]:
        assert decode_chunk(chunk_of(seed)).size
    for seed, length in zip(seeds_of("live"), (70, 24), strict=False):
        decoder = spikey_cli.StreamDecoder()
        assert len(decoder.push(live_stream(seed))) == length
        decoder.close()
