"""The coder of an archive for which none is asked."""

from __future__ import annotations

import numpy as np
import pytest
from support.acquisition import continuous
from support.recordings import neural, wav_bytes

import spikey_cli


def coder_of(folder, samples: np.ndarray, **encoding: str) -> str:
    """Return the coder that the archive of a recording names."""
    (folder / "a.wav").write_bytes(wav_bytes(samples))
    spikey_cli.compress([folder / "a.wav"], folder / "a.spk", coder=spikey_cli.Encoding(**encoding), force=True)
    return spikey_cli.info(folder / "a.spk")["coder"]


@pytest.fixture
def few_bits(random) -> np.ndarray:
    """Samples of which most are as the one before."""
    return np.cumsum(random.integers(-9, 10, 8000) // 9)


def test_rice_where_samples_take_some_bits(random, tmp_path):
    assert coder_of(tmp_path, neural(random, 8000, 2)) == "rice"


def test_range_where_samples_take_few_bits(few_bits, tmp_path):
    assert coder_of(tmp_path, few_bits) == "range"


def test_the_middle_of_a_recording_decides(random, few_bits, tmp_path):
    noise = random.integers(-3000, 3000, 3000)
    assert coder_of(tmp_path, np.concatenate([noise, few_bits, noise])) == "range"


def test_a_short_recording_is_not_tried(few_bits, tmp_path):
    assert coder_of(tmp_path, few_bits[:500]) == "rice"


def test_presets_and_options_name_their_coder(few_bits, tmp_path):
    assert coder_of(tmp_path, few_bits, preset="fast") == "rice"
    assert coder_of(tmp_path, few_bits, preset="best") == "range"
    assert coder_of(tmp_path, few_bits, coder="huffman") == "huffman"


def test_records_are_tried_whole(random, tmp_path):
    """Records of 1024 samples, which are longer than a trial of so short a recording."""
    file = tmp_path / "100_CH1.continuous"
    file.write_bytes(continuous(random, records=3).data)
    spikey_cli.compress([file], tmp_path / "a.spk", workers=1)
    assert spikey_cli.info(tmp_path / "a.spk")["coder"] == "rice"
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "back")
    assert (tmp_path / "back" / file.name).read_bytes() == file.read_bytes()
