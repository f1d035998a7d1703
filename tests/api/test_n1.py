"""Compression of the N1 recordings."""

from __future__ import annotations

import filecmp

import numpy as np
import pytest

import spikey_cli
from spikey_cli.core.coders import CODERS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["rice", "range"])
def everything(request, n1, tmp_path_factory):
    """All recordings, and an archive of them."""
    files = sorted(n1.glob("*.wav"))
    archive = tmp_path_factory.mktemp("n1") / "all.spk"
    spikey_cli.compress(files, archive, coder=request.param)
    return files, archive


def test_every_byte_of_every_recording_is_restored(everything, tmp_path):
    files, archive = everything
    assert len(files) == 592
    assert spikey_cli.verify(archive).files == 592
    spikey_cli.decompress(archive, tmp_path)
    same, different, missing = filecmp.cmpfiles(files[0].parent, tmp_path, [file.name for file in files], shallow=False)
    assert (len(same), different, missing) == (592, [], [])


def test_sessions_are_found(everything, n1_sessions):
    channels = spikey_cli.info(everything[1])["channels"]
    sessions = {
        frozenset([channel["name"], *(one["name"] for one in channel["references"]), *channel["later_references"]])
        for channel in channels
    }
    expected = {frozenset(file.name for file in session) for split in n1_sessions.values() for session in split}
    assert sessions == expected


@pytest.mark.parametrize(("coder", "documented"), [("range", 3.569), ("rice", 3.477), ("huffman", 3.44)])
def test_the_documented_ratio_is_reached(n1_sessions, tmp_path, coder, documented):
    files = [file for session in n1_sessions["val"] for file in session]
    result = spikey_cli.compress(files, tmp_path / "val.spk", coder=coder)
    assert result.ratio >= documented, f"ratio {result.ratio:.4f}"


@pytest.mark.parametrize("coder", CODERS)
def test_one_recording(n1_sessions, tmp_path, coder):
    (file, *_) = n1_sessions["val"][3]
    spikey_cli.compress([file], tmp_path / "one.spk", coder=coder)
    spikey_cli.decompress(tmp_path / "one.spk", tmp_path)
    assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    samples = np.frombuffer(file.read_bytes(), dtype="<i2", offset=44)
    with spikey_cli.open(tmp_path / "one.spk") as recording:
        np.testing.assert_array_equal(recording[70_000:70_050, 0], samples[70_000:70_050])
