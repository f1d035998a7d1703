"""Archives of an enemy: refused with a reason, or restored, within bounds of memory and time."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from anatomy import Content
from mutations import mutated
from random_models import random_model
from recordings import n1_samples, neural, wav_bytes
from watched import Watched, watch

import spikey_cli
from spikey_cli import blocks
from spikey_cli.errors import SpikeyError
from spikey_cli.predictor import Predictor
from spikey_cli.salvage import SalvageReader

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured as Linux tells it")

MEMORY = 64 << 20
SECONDS = 1.0
TRIALS = 10_000 if os.environ.get("SPIKEY_EXHAUSTIVE") else 600


def make_bases(folder: Path) -> dict[str, Path]:
    """Archives of at most 4 KiB, of every kind."""
    random = np.random.default_rng(11)
    n1 = n1_samples(neural(random, 900, 3))
    files = {
        "a.wav": wav_bytes(n1[:, 0]),
        "b.wav": wav_bytes(random.integers(-9, 9, (300, 2)), 3),
        "c.txt": b"kept as it is " * 20,
    }
    session = {f"t{i}.wav": wav_bytes(n1[:, i]) for i in range(3)}
    grids = {
        "wide.wav": wav_bytes(random.integers(-(2**23), 2**23, (120, 3)), 3),
        "step.wav": wav_bytes(np.cumsum(random.integers(-3, 4, 400)) * 12 + 5),
        "palette.wav": wav_bytes(np.array([-30000, -1000, 17, 4000])[random.integers(0, 4, 300)]),
        "bytes.wav": wav_bytes(random.integers(120, 136, (200, 5)), 1),
    }
    parts = {"latent": 4, "recurrent": True, "peers": 2}
    made: dict[str, tuple[dict[str, bytes], dict[str, object]]] = {
        **{coder: (files, {"coder": coder}) for coder in ("range", "rice", "huffman", "bzip2")},
        "raw": (dict(list(files.items())[1:]), {"coder": "raw"}),
        "peers": (session, {"coder": "range", "predictor": Predictor(random_model(**parts)), "embed_model": True}),
        "embedded": (session, {"coder": "rice", "predictor": Predictor(random_model()), "embed_model": True}),
        "grids": (grids, {"coder": "range"}),
        "verbatim": ({"x": b"abc" * 500, "y": random.bytes(700), "z": b""}, {}),
        "blocks": (files, {"coder": "range"}),
        "silence": ({"s.wav": wav_bytes(np.zeros(5000), 1)}, {"coder": "range"}),
    }
    bases = {}
    for name, (members, options) in made.items():
        source = folder / name
        source.mkdir()
        for member, data in members.items():
            (source / member).write_bytes(data)
        bases[name] = folder / f"{name}.spk"
        limits = blocks.BLOCK_SAMPLES, blocks.WIDE_SAMPLES
        if name == "blocks":
            blocks.BLOCK_SAMPLES = blocks.WIDE_SAMPLES = 300
        try:
            spikey_cli.compress([source], bases[name], recursive=True, workers=1, **options)
        finally:
            blocks.BLOCK_SAMPLES, blocks.WIDE_SAMPLES = limits
        assert bases[name].stat().st_size <= 4096, f"{name}: {bases[name].stat().st_size}"
    return bases


@pytest.fixture(scope="module")
def bases(tmp_path_factory) -> dict[str, Path]:
    return make_bases(tmp_path_factory.mktemp("bases"))


def through_a_door(archive: Path, door: int) -> str:
    """Take an archive through one of the package's doors: "restored", "refused" with what kind of error."""
    folder = archive.with_suffix("")
    folder.mkdir(exist_ok=True)
    try:
        if door == 0:
            spikey_cli.decompress(archive, folder / "back", workers=1, force=True)
        elif door == 1:
            spikey_cli.describe(archive)
            with spikey_cli.open(archive) as recording:
                recording[:5000]
        elif door == 2:
            spikey_cli.extract(archive, folder / "back", stop=0.1, workers=1, force=True)
        elif door == 3:
            with SalvageReader(archive) as reader:
                for i in range(len(reader.index.blocks)):
                    table = reader.read_table(i)
                    for _ in reader.read_streams(i, table, range(1 << 20)):
                        pass
        else:
            spikey_cli.verify(archive, workers=1)
    except SpikeyError as error:
        return f"refused, {type(error).__name__}" if str(error) else "no reason is given"
    assert [path.name for path in folder.iterdir()] in ([], ["back"]), "nothing is written beside the folder"
    return "restored"


def assert_bounded(found: list[Watched]) -> Counter[str]:
    """That every trial was restored or refused, within bounds."""
    wrong = [w for w in found if not w.outcome.startswith(("restored", "refused"))]
    assert not wrong, wrong[:10]
    large = [w for w in found if w.memory > MEMORY]
    assert not large, sorted(large, key=lambda w: -w.memory)[:10]
    slow = [w for w in found if w.seconds > SECONDS]
    assert not slow, sorted(slow, key=lambda w: -w.seconds)[:10]
    return Counter(w.outcome for w in found)


def test_mutated_archives_are_refused_or_restored_within_bounds(bases, tmp_path):
    contents = [Content.of(path) for path in bases.values()]

    def warm_up() -> None:
        for i, path in enumerate(bases.values()):
            for door in range(5):
                copy = tmp_path / f"warm{i}-{door}.spk"
                copy.write_bytes(path.read_bytes())
                through_a_door(copy, door)

    def prepare(seed: int) -> None:
        content = contents[seed % len(contents)]
        (tmp_path / f"{seed}.spk").write_bytes(mutated(content, np.random.default_rng(seed)))

    def trial(seed: int) -> str:
        archive = tmp_path / f"{seed}.spk"
        result = through_a_door(archive, seed // len(contents) % 10)
        archive.unlink()
        return result

    warm_up()
    found = watch(trial, range(TRIALS), prepare=prepare, warm_up=warm_up, batch=200)
    counts = assert_bounded(found)
    print(
        f"\n{len(found)} archives: {dict(counts)}; at most {max(w.memory for w in found) / 2**20:.1f} MiB and "
        f"{max(w.seconds for w in found):.3f} s"
    )
    assert sum(n for outcome, n in counts.items() if outcome.startswith("refused")) > TRIALS // 2
    assert counts["restored"] > TRIALS // 50
