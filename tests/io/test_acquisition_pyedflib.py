"""pyedflib finds the same samples, labels, rates and gains in EDF and BDF files, generated and real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import acquisition
from support.optional import deferred

from spikey_cli.codec.scan import scan
from spikey_cli.io.formats import describe_channels
from spikey_cli.io.layout import samples_from_bytes
from spikey_cli.io.source import FileSource

pyedflib = deferred("pyedflib")


def assert_same(path: Path) -> None:
    source = scan(FileSource(path))
    columns = []
    for group in source.groups:
        data = group.read_frames(0, group.layout.n_frames)
        columns += list(samples_from_bytes(data, group.channels, group.layout.sample_type).T)
    found = dict(enumerate(zip(describe_channels(source.records.header, len(columns)), columns, strict=True)))
    with pyedflib.EdfReader(str(path)) as reader:
        labels = reader.getSignalLabels()
        assert sorted(labels) == sorted(info.name for info, _ in found.values())
        for i, label in enumerate(labels):
            number = next(number for number, (info, _) in found.items() if info.name == label)
            info, samples = found.pop(number)
            np.testing.assert_array_equal(samples, reader.readSignal(i, digital=True))
            assert info.sample_rate == pytest.approx(reader.getSampleFrequency(i))
            np.testing.assert_allclose(samples[:99] * info.gain + info.offset, reader.readSignal(i)[:99], atol=1e-9)


@pytest.mark.parametrize("make", [acquisition.edf, acquisition.bdf])
def test_generated_files(make, tmp_path):
    made = make(np.random.default_rng(3))
    (tmp_path / made.name).write_bytes(made.data)
    assert_same(tmp_path / made.name)


@pytest.mark.recordings
def test_a_native_file():
    folder = acquisition.native_folder()
    if folder is None:
        pytest.skip("the native files are not installed: set SPIKEY_NATIVE to their folder")
    assert_same(folder / "eeg_edf139.edf")
