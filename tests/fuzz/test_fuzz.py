"""The fuzzers' seeds and what they found before, through every target, without a fuzzer."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from seeds import seeds_of  # noqa: E402
from support.archive_mutator import scratched  # noqa: E402
from targets import TARGETS, archive_parts_of, chunk_of, live_stream  # noqa: E402

import spikey_cli  # noqa: E402
from spikey_cli.api.chunk import decode_chunk  # noqa: E402

SLOW = {"live-one-value"}
REGRESSIONS = [
    pytest.param(path, marks=pytest.mark.slow if path.name in SLOW else [], id=path.name)
    for path in sorted((HERE / "regressions").iterdir())
    if path.suffix != ".md"
]


# NumPy warns of .npy headers that Python 2 may have written
@pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning", "ignore:Data type alias:DeprecationWarning")
@pytest.mark.trials(3, slow=100, exhaustive=10_000)
@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_mutations_of_them(name, trials):
    random = np.random.default_rng(1)
    for seed in seeds_of(name):
        TARGETS[name](seed)
        for _ in range(trials):
            TARGETS[name](scratched(random, seed))


@pytest.mark.parametrize("path", REGRESSIONS)
def test_regressions(path):
    name = max((name for name in TARGETS if path.name.startswith(f"{name}-")), key=len)
    TARGETS[name](path.read_bytes())


def test_seeds_are_valid():
    """A target that refuses its seeds would test nothing behind its first check."""
    assert all(archive_parts_of(seed).blocks for seed in seeds_of("archive"))
    for seed in seeds_of("chunk")[:-1]:
        assert decode_chunk(chunk_of(seed)).size
    for seed, length in zip(seeds_of("live"), (70, 24), strict=False):
        decoder = spikey_cli.StreamDecoder()
        assert len(decoder.push(live_stream(seed))) == length
        decoder.close()
