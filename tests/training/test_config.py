"""Configurations of training, and the features that they ask for. Needs the extra `train`."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[train]'")

from support.paths import EXAMPLES

from spikey_cli.errors import InputError
from spikey_cli.training.config import Config, read_config
from spikey_cli.training.features import linear_features, placed_filters
from spikey_cli.training.network import IntegerNetwork

CONFIGURATIONS = sorted((EXAMPLES / "training").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_examples_are_valid_and_say_what_they_show(path):
    found = read_config(path)
    assert len(found.about) > 10
    certain = IntegerNetwork(found)
    assert certain.frozen_last()[0].shape[0] == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("window: 0", "window: Input should be greater"),
        ("windows: 3", "windows: Extra inputs"),
        ("features: [{kind: identity, last: 40}]", "wants the last 40 of 32"),
        ("features: [{kind: cnn, width: 33}]", "do not fit into a window"),
        ("features: [{kind: wavelet, name: mayer}]", "no discrete wavelet 'mayer'"),
        ("features: [{kind: chirp}]", "features.0"),
        ("features: []", "features"),
        ("middle_out: {peers: 5}", "middle_out.peers"),
        ("{predictor: {delta_shift: false}, middle_out: {peers: 1}}", "delta_shift"),
        ("a: b: c", "is no YAML"),
    ],
)
def test_errors_name_file_and_key(tmp_path, text, reason):
    (tmp_path / "some.yaml").write_text(text)
    with pytest.raises(InputError, match=r"some\.yaml: ") as error:
        read_config(tmp_path / "some.yaml")
    assert reason in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.yaml: cannot read it"):
        read_config(tmp_path / "absent.yaml")


def test_linear_features_are_those_of_their_libraries(random):
    import pywt

    window = random.normal(size=32)
    parts = Config.model_validate(
        {
            "features": [
                {"kind": "identity", "last": 5},
                {"kind": "fourier", "last": 16},
                {"kind": "wavelet", "name": "db2", "levels": 2},
            ]
        }
    ).features
    found = linear_features(parts, 32) @ window
    np.testing.assert_allclose(found[:5], window[-5:])
    spectrum = np.fft.rfft(window[-16:], norm="ortho")
    np.testing.assert_allclose(found[5:21], [*spectrum.real, *spectrum.imag[1:-1]])
    np.testing.assert_allclose(found[21:], np.concatenate(pywt.wavedec(window, "db2", level=2)))


def test_filters_are_placed_from_the_newest_difference_backwards():
    table = placed_filters(2, 3, 4, 8)
    assert table.tolist() == [
        [-1, -1, -1, -1, -1, 0, 1, 2],
        [-1, 0, 1, 2, -1, -1, -1, -1],
        [-1, -1, -1, -1, -1, 3, 4, 5],
        [-1, 3, 4, 5, -1, -1, -1, -1],
    ]
