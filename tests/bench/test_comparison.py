"""Comparisons: results are decoded and compared, both times are measured, and codecs may refuse a file."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.recordings import recorded, wav_bytes

from spikey_cli import Encoding
from spikey_cli.bench.comparison import OTHER_CODECS, Comparison, find_setting
from spikey_cli.bench.programs import Program
from spikey_cli.bench.row import DIRECTIONS
from spikey_cli.model.predictor import find_model

COPY = "import shutil, sys\nfor file in sys.argv[2:]: shutil.copy(file, sys.argv[1])"
COPY_COMMAND = (sys.executable, "-c", COPY, "{out}")
COPIER = Program("copier", ".wav", COPY_COMMAND, COPY_COMMAND)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def stereo(tmp_path: Path, random: np.random.Generator) -> Path:
    """A WAV of two channels whose samples have no quantizer."""
    file = tmp_path / "stereo.wav"
    file.write_bytes(wav_bytes(np.cumsum(random.integers(-40, 41, (3000, 2)), axis=0).astype(np.int16)))
    return file


def measured(comparison: Comparison, repeats: int = 1) -> list[str]:
    """Labels of the rows after a run without a report."""
    comparison.run(repeats, lambda line: None)
    return [row.label for row in comparison.rows]


def test_settings_are_presets_or_coders():
    assert find_setting("best") == Encoding(preset="best")
    assert find_setting("range") == Encoding("range")
    encoding = find_setting("fast:n1")
    assert encoding.preset == "fast"
    assert encoding.predictor is not None
    assert encoding.predictor.digest == find_model("n1").digest
    with pytest.raises(ValueError, match="no coder 'lzma'"):
        find_setting("lzma")


def test_settings_of_spikey_are_measured(stereo, work):
    comparison = Comparison([stereo], work)
    for setting in ("fast", "default", "rice", "best"):
        comparison.add_spikey(setting, in_process=True)
    assert measured(comparison, repeats=2) == ["spikey fast", "spikey default", "spikey rice", "spikey best"]
    for row in comparison.rows:
        assert 0 < row.compressed_bytes < row.source_bytes == stereo.stat().st_size
        assert [len(row.processor_seconds[direction]) for direction in DIRECTIONS] == [2, 2]
    assert comparison.rows[2].ratio < comparison.rows[1].ratio


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the time of child processes")
def test_the_processor_time_of_a_process_is_that_of_the_child(stereo, work):
    comparison = Comparison([stereo], work)
    comparison.add_spikey("range:n1")
    assert measured(comparison) == ["spikey range:n1"]
    assert all(comparison.rows[0].processor_ns(direction) > 0 for direction in DIRECTIONS)


@pytest.mark.parametrize("codec", OTHER_CODECS, ids=lambda codec: codec.name)
def test_installed_codecs_restore_recordings(codec, stereo, work):
    if not codec.installed:
        pytest.skip("not installed")
    comparison = Comparison([stereo], work)
    comparison.add_others([codec])
    assert measured(comparison) == [codec.name]
    assert comparison.refused == []


def test_other_codecs_get_codes_where_a_file_has_a_quantizer(tmp_path, random, work):
    file = tmp_path / "n1.wav"
    file.write_bytes(wav_bytes(recorded(random, 3000, 1)))
    comparison = Comparison([file], work)
    comparison.add_others([COPIER])
    assert measured(comparison) == ["copier, codes", "copier"]


def test_codecs_that_refuse_a_file_are_left_out(stereo, work):
    refusing = replace(
        COPIER, name="refusing", compress_command=(sys.executable, "-c", "raise SystemExit('2 are too many')")
    )
    lossy = replace(
        COPIER,
        name="lossy",
        decompress_command=(sys.executable, "-c", COPY.replace("file,", "sys.executable,"), "{out}"),
    )
    comparison = Comparison([stereo], work)
    comparison.add_others([refusing, lossy, COPIER])
    assert measured(comparison) == ["copier"]
    assert comparison.refused == [
        "refusing: 2 are too many",
        "lossy: the restored stereo.wav differs from the original",
    ]


def test_packages_refuse_other_samples_than_of_16_bits(tmp_path, random, work):
    file = tmp_path / "eight.wav"
    file.write_bytes(wav_bytes(random.integers(90, 166, 3000), sample_bytes=1))
    package = next(codec for codec in OTHER_CODECS if codec.name == "simple-ans, deltas")
    comparison = Comparison([file], work)
    comparison.add_others([package], on_codes=False)
    assert measured(comparison) == []
    assert comparison.refused == ["simple-ans, deltas: takes only 16-bit samples, which not all files have"]
