"""Folders of raw samples with metadata, as acquisition programs write them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

SPIKEGLX = "typeThis=imec\nnSavedChans=4\nimSampRate=30000.083871\nniSampRate=25000\n~snsChanMap=(1,2,3)(AP0;0:0)\n"
OPEN_EPHYS = {
    "GUI version": "0.6.7",
    "continuous": [
        {"folder_name": "Probe-A/", "sample_rate": 30000, "num_channels": 4, "channels": [{"bit_volts": 0.195}]},
        {"folder_name": "Probe-B/", "sample_rate": 2500.0, "num_channels": 2},
    ],
}


def write_spikeglx(folder: Path, samples: np.ndarray) -> Path:
    """Write a run of SpikeGLX with samples of shape (frames, 4)."""
    run = folder / "run_g0"
    run.mkdir()
    (run / "run_g0_t0.imec0.ap.bin").write_bytes(samples.tobytes())
    (run / "run_g0_t0.imec0.ap.meta").write_text(SPIKEGLX)
    return run


def write_open_ephys(folder: Path, samples: np.ndarray) -> Path:
    """Write a recording of Open Ephys: a stream of samples of shape (frames, 4), and one of the first two."""
    recording = folder / "recording1"
    for stream, channels in (("Probe-A", 4), ("Probe-B", 2)):
        (recording / "continuous" / stream).mkdir(parents=True)
        np.ascontiguousarray(samples[:, :channels]).tofile(recording / "continuous" / stream / "continuous.dat")
        np.save(recording / "continuous" / stream / "timestamps.npy", np.arange(len(samples)) / 30_000)
    (recording / "structure.oebin").write_text(json.dumps(OPEN_EPHYS))
    return recording
