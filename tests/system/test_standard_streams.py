"""Commands whose stdin, stdout or stderr is closed, full or gone, as those of a daemon."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.recordings import wav_bytes, write_session

import spikey_cli

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no POSIX shell")

CLOSED = [
    "2>&-",
    *(pytest.param(each, marks=pytest.mark.slow) for each in ("<&-", ">&-", "<&- >&- 2>&-", "2>/dev/full")),
]


@pytest.fixture
def archive(tmp_path, random) -> Path:
    wavs = write_session(tmp_path / "in", random, 2, 3000)
    spikey_cli.compress(wavs, tmp_path / "a.spk")
    return tmp_path / "a.spk"


def shell(command: str, folder: Path, status: int = 0) -> str:
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m spikey_cli {command}'],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("closed", CLOSED)
def test_all_work_is_done(tmp_path, archive, closed):
    shell(f"compress -r in b.spk {closed}", tmp_path)
    assert (tmp_path / "b.spk").read_bytes() == archive.read_bytes()
    shell(f"test b.spk {closed}", tmp_path)
    shell(f"decompress b.spk back {closed}", tmp_path)
    for path in (tmp_path / "in").iterdir():
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("closed", CLOSED)
def test_failures_have_their_status(tmp_path, archive, closed):
    shell(f"compress -r in absent.wav b.spk {closed}", tmp_path, status=1)
    assert (tmp_path / "b.spk").read_bytes() == archive.read_bytes()


def test_data_is_not_written_to_nowhere(tmp_path, archive):
    assert "stdout: is closed; name a file" in shell("extract a.spk - >&-", tmp_path, status=1)
    assert "stdin: is closed" in shell("compress - b.spk <&-", tmp_path, status=1)
    (tmp_path / "a.wav").write_bytes(wav_bytes(np.arange(1000)))
    assert "stdout: is closed" in shell("compress - - < a.wav >&-", tmp_path, status=1)
