"""Reads at any offset, by several threads."""

from __future__ import annotations

import gzip
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from spikey_cli.system import random_access
from spikey_cli.system.random_access import RandomAccess

DATA = bytes(range(256)) * 40


@pytest.fixture(params=["pread", "without pread", "in memory"])
def file(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RandomAccess:
    """A file that holds DATA, read in each of the possible ways."""
    if request.param == "in memory":
        return RandomAccess(io.BytesIO(DATA))
    if request.param == "pread" and not hasattr(os, "pread"):
        pytest.skip("this system has no pread")
    monkeypatch.setattr(random_access, "_HAS_PREAD", request.param == "pread")
    (tmp_path / "a").write_bytes(DATA)
    return RandomAccess((tmp_path / "a").open("rb"))


def test_any_range_of_bytes(file: RandomAccess) -> None:
    assert file.size == len(DATA)
    for offset, count in ((0, 0), (5, 1), (1000, 3000), (0, len(DATA)), (len(DATA) - 3, 10), (len(DATA) + 5, 10)):
        assert file.read(offset, count) == DATA[offset : offset + count], (offset, count)
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read(0, 1)


def test_concurrent_reads(file: RandomAccess) -> None:
    with ThreadPoolExecutor(8) as pool:
        for at, piece in enumerate(pool.map(lambda at: file.read(at, 100), range(3000))):
            assert piece == DATA[at : at + 100], f"wrong bytes at {at}"
    file.close()


needs_pread = pytest.mark.skipif(not hasattr(os, "pread"), reason="this system has no pread")


@needs_pread
def test_a_file_closed_during_a_read_returns_no_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pread = os.pread
    (tmp_path / "a").write_bytes(DATA)
    (tmp_path / "b").write_bytes(bytes(len(DATA)))
    file = RandomAccess((tmp_path / "a").open("rb"))

    def closed_before(handle: int, count: int, offset: int) -> bytes:
        file.close()
        with (tmp_path / "b").open("rb") as other:
            assert other.fileno() == handle, "the file descriptor was not reused"
            return pread(handle, count, offset)

    monkeypatch.setattr(os, "pread", closed_before)
    with pytest.raises(ValueError, match="closed"):
        file.read(0, 100)


def test_a_gzip_file_is_not_read_by_its_descriptor(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.gz", "wb") as packed:
        packed.write(DATA)
    with gzip.open(tmp_path / "a.gz", "rb") as unpacked:
        assert RandomAccess(cast(BinaryIO, unpacked)).read(300, 200) == DATA[300:500]


@needs_pread
def test_short_reads_of_the_system_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda handle, count, offset: pread(handle, min(count, 7), offset))
    (tmp_path / "a").write_bytes(DATA)
    file = RandomAccess((tmp_path / "a").open("rb"))
    assert file.read(3, 5000) == DATA[3:5003]
    assert file.read(len(DATA) - 10, 50) == DATA[-10:]
    file.close()
