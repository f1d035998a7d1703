"""Batches: the same times for the channels of a group, and the messages between them."""

from __future__ import annotations

import numpy as np
import pytest

from spikey_cli.training.batches import group_batch
from spikey_cli.training.recordings import load_recordings, read_split

pytestmark = pytest.mark.slow


def test_batches_hold_the_same_times_of_a_group(recordings):
    dataset = load_recordings([file for session in read_split(recordings, 0).train for file in session], None, 1)
    assert dataset.group_length.tolist() == [9000] * 3
    assert np.diff(dataset.first_message).tolist() == [1, 1, 1]
    group, start = np.array([2, 0, 2]), np.array([100, 13, 7000])
    batch = group_batch(dataset, group, start, 12, 4)
    assert batch.windows.shape == (6, 4, 12)
    values = dataset.values.numpy().reshape(6, 9000) / 64
    for row, (channel, first) in enumerate([(4, 100), (5, 100), (0, 13), (1, 13), (4, 7000), (5, 7000)]):
        step = np.diff(values[channel, first - 13 : first + 4])
        np.testing.assert_allclose(batch.delta[row], step[12:])
        scaled = np.array([step[i : i + 12] for i in range(4)])
        assert np.corrcoef(scaled.ravel(), batch.windows[row].numpy().ravel())[0, 1] > 0.999
    passes = batch.passes.numpy()
    for receiver, sender in zip(batch.receiver, batch.sender, strict=True):
        assert receiver // 2 == sender // 2
        assert passes[sender] < passes[receiver]
    assert sorted((batch.receiver // 2).tolist()) == [0, 1, 2]
