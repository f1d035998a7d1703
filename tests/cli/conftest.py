"""Recordings and archives that tests of the command only read: made once a session."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.recordings import n1_samples, neural, wav_bytes, write_session

import spikey_cli


@pytest.fixture(scope="session")
def wavs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two WAV files recorded together: mono, 16 bits, 30,000 frames at 19,531 Hz."""
    return write_session(tmp_path_factory.mktemp("wavs"), np.random.default_rng(20_260_101), 2, 30_000)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory, wavs: list[Path]) -> Path:
    """The archive of the two files."""
    path = tmp_path_factory.mktemp("archive") / "out.spk"
    spikey_cli.compress(wavs, path)
    return path


@pytest.fixture(scope="session")
def damaged(tmp_path_factory: pytest.TempPathFactory, archive: Path) -> Path:
    """The archive with one bit of its streams inverted."""
    path = tmp_path_factory.mktemp("damaged") / "out.spk"
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(data)
    return path


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV file of three channels: 16 bits, 20,000 frames at 10,000 Hz."""
    path = tmp_path_factory.mktemp("wide") / "wide.wav"
    path.write_bytes(wav_bytes(n1_samples(neural(np.random.default_rng(3), 20_000, 3)), rate=10_000))
    return path


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A live stream of two channels, 500 frames at 1,000 Hz."""
    path = tmp_path_factory.mktemp("live") / "live.spk"
    encoder = spikey_cli.StreamEncoder(2, 1000)
    samples = np.random.default_rng(4).normal(scale=20, size=(500, 2)).astype(np.int16)
    path.write_bytes(encoder.push(samples) + encoder.finish())
    return path
