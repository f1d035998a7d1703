"""Small configurations of training, and datasets for them. Needs the extra `train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spikey_cli.training.config import Config
from spikey_cli.training.recordings import Dataset, load_recordings, read_split

KINDS: dict[str, dict[str, Any]] = {
    "fully connected": {},
    "features": {
        "features": [
            {"kind": "identity", "last": 5},
            {"kind": "wavelet", "name": "dmey", "levels": 2},
            {"kind": "fourier", "last": 8},
        ],
        "predictor": {"shape": [6]},
        "value_scale": 0.5,
    },
    "cnn": {"features": [{"kind": "cnn", "filters": 3, "width": 5, "stride": 2}, {"kind": "identity", "last": 2}]},
    "no delta shift": {"predictor": {"shape": [5], "delta_shift": False}},
    "recurrent": {"projector": {"kind": "recurrent", "shape": [6, 4]}},
    "recurrent at once": {"projector": {"kind": "recurrent", "shape": [4]}},
    "peers": {"middle_out": {"peers": 1}},
    "regions alone": {"middle_out": {"peers": 3, "shape": [5], "residual": False}, "predictor": {"shape": [4]}},
    "recurrent peers": {"projector": {"kind": "recurrent", "shape": [5]}, "middle_out": {"peers": 2}},
}
"""Keys of configurations of each kind."""


def config(**keys: Any) -> Config:
    """A small configuration, with some of its keys replaced."""
    training = {"steps": 60, "batch": 256, "evaluate_every": 30, "unroll": 6} | keys.pop("training", {})
    base = {
        "window": 12,
        "features": [{"kind": "identity", "last": 12}],
        "projector": {"shape": [8]},
        "profile": "none",
        "training": training,
    }
    return Config.model_validate(base | keys)


def dataset_of(folder: Path, configuration: Config) -> Dataset:
    """The training sessions of a folder, read as a configuration needs them."""
    files = [file for session in read_split(folder, 0).train for file in session]
    return load_recordings(files, None, configuration.middle_out.peers if configuration.middle_out else 0)


def ignore(evaluation: object) -> None:
    """Report nothing."""
