"""Damage anywhere in an archive: it is refused, or what it restores is correct. Never a wrong byte, never a crash."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.recordings import n1_samples, neural, wav_bytes

import spikey_cli
from spikey_cli.api.decompress import restore
from spikey_cli.container.archive import ArchiveReader
from spikey_cli.container.salvage import SalvageReader
from spikey_cli.errors import SpikeyError

EVERY = 1 << 30
"""More than there are bits or bytes in an archive."""


class MemoryFile:
    """Takes a file's bytes, and keeps them once they are complete."""

    def __init__(self, name: str, kept: dict[str, bytes]) -> None:
        self._name, self._kept, self._data = name, kept, bytearray()

    def append(self, *pieces: bytes) -> None:
        self._data += b"".join(pieces)

    def commit(self, *pieces: bytes) -> None:
        self.append(*pieces)
        self._kept[self._name] = bytes(self._data)

    def discard(self) -> None:
        pass


def read(reader: ArchiveReader) -> tuple[dict[str, bytes], spikey_cli.Decompressed]:
    """Restore a reader's archive to memory."""
    kept: dict[str, bytes] = {}
    done = restore(reader, lambda name: MemoryFile(name, kept), 1)
    return kept, done


def outcome(path: Path, data: bytes, files: dict[str, bytes]) -> str:
    """Read an archive: "refused" or "restored". All files that are restored must be correct."""
    path.write_bytes(data)
    kept: dict[str, bytes] = {}
    try:
        with ArchiveReader(path) as reader:
            kept, done = read(reader)
        result = "refused" if done.failures else "restored"
    except SpikeyError:
        result = "refused"
    for name, back in kept.items():
        assert back == files.get(name), f"{name} was restored wrongly"
    assert result == "refused" or kept == files
    return result


def make(folder: Path, files: dict[str, bytes], **options: object) -> bytes:
    """An archive of these files."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    spikey_cli.compress([folder / name for name in files], folder / "made.spk", **options)
    return (folder / "made.spk").read_bytes()


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> list[tuple[bytes, dict[str, bytes]]]:
    """Three archives of at most 4 KiB, and their files."""
    random = np.random.default_rng(11)
    folder = tmp_path_factory.mktemp("small")
    session = neural(random, 900, 2)
    contents = [
        ({f"{i}.wav": wav_bytes(n1_samples(session[:, i])) for i in range(2)}, {"coder": "range"}),
        (
            {"wide.wav": wav_bytes(random.integers(-9, 9, (400, 2)), 3), "note.txt": b"kept as it is " * 40},
            {"coder": "rice"},
        ),
        (
            {"probe.wav": wav_bytes(neural(random, 150, 8), rate=30_000)},
            {"coder": spikey_cli.Encoding("huffman", peers=False)},
        ),
    ]
    made = [(make(folder / str(i), files, **options), files) for i, (files, options) in enumerate(contents)]
    assert all(len(data) <= 4096 for data, _ in made), [len(data) for data, _ in made]
    return made


def evenly(count: int, trials: int) -> range:
    """About so many of the numbers 0 to count - 1."""
    return range(0, count, max(1, count // trials))


@pytest.mark.trials(150, slow=3000, exhaustive=EVERY)
def test_no_flipped_bit_passes(small, tmp_path, trials):
    counts: Counter[str] = Counter()
    for data, files in small:
        for bit in evenly(8 * len(data), trials):
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            counts[outcome(tmp_path / "flipped.spk", bytes(damaged), files)] += 1
    print(f"flipped bits: {dict(counts)}")
    assert counts["restored"] == 0


@pytest.mark.trials(100, slow=1000, exhaustive=EVERY)
def test_no_prefix_passes(small, tmp_path, trials):
    counts: Counter[str] = Counter()
    for data, files in small:
        for length in evenly(len(data), trials):
            counts[outcome(tmp_path / "prefix.spk", data[:length], files)] += 1
    print(f"prefixes: {dict(counts)}")
    assert counts["restored"] == 0


@pytest.mark.trials(60, slow=600, exhaustive=10_000)
def test_damage_to_an_archive_of_recordings(n1, tmp_path, trials):
    """Random flips, bursts and truncations; half of the trials salvage."""
    random = np.random.default_rng(12)
    paths = sorted(n1.glob("*.wav"))[:2]
    files = {path.name: path.read_bytes() for path in paths}
    archive = tmp_path / "real.spk"
    spikey_cli.compress(paths, archive, coder="range")
    data = archive.read_bytes()
    counts: Counter[str] = Counter()
    for trial in range(trials):
        damaged = bytearray(data)
        at = int(random.integers(len(data)))
        if trial % 3 == 0:
            damaged[at] ^= 1 << int(random.integers(8))
        elif trial % 3 == 1:
            burst = random.bytes(int(random.integers(1, 300)))
            damaged[at : at + len(burst)] = burst[: len(damaged) - at]
        else:
            del damaged[at:]
        if damaged == data:
            continue
        if trial % 2:
            counts[outcome(tmp_path / "damaged.spk", bytes(damaged), files)] += 1
        else:
            counts[_salvage(tmp_path / "damaged.spk", bytes(damaged), files)] += 1
    print(f"a real archive: {dict(counts)}")
    assert counts["restored"] == 0


def _salvage(path: Path, data: bytes, files: dict[str, bytes]) -> str:
    """Salvage an archive: every byte that is not reported as lost must be correct."""
    path.write_bytes(data)
    try:
        with SalvageReader(path) as reader:
            kept, done = read(reader)
    except SpikeyError:
        return "refused"
    assert done.faults or done.lost or done.failures, "damage went unnoticed"
    for name, back in kept.items():
        right = bytearray(files[name])
        start = files[name].index(b"data") + 8
        for one in done.lost:
            if one.file == name:
                first, stop = start + 2 * one.first_frame, start + 2 * one.stop_frame
                right[first:stop] = bytes(stop - first)
        assert back == right, f"{name} was restored wrongly"
    return "salvaged"
