"""Limits of what an archive may claim."""

from __future__ import annotations

import numpy as np
import pytest
from support.recordings import wav_bytes

import spikey_cli


@pytest.mark.slow
@pytest.mark.parametrize(
    ("coder", "sample_bytes", "n_frames"),
    [("range", 2, 12_000_000), ("rice", 2, 3_000_000), ("range", 3, 9_000_000)],
)
def test_a_silent_recording_is_within_the_default_limits(tmp_path, coder, sample_bytes, n_frames):
    """Zeros have the highest ratio of all recordings."""
    (tmp_path / "a.wav").write_bytes(wav_bytes(np.zeros(n_frames, np.int32), sample_bytes))
    spikey_cli.compress([tmp_path / "a.wav"], tmp_path / "a.spk", coder=coder)
    assert spikey_cli.verify(tmp_path / "a.spk").files == 1
