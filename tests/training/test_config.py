"""Configurations of training, and their errors."""

from __future__ import annotations

import pytest
from support.paths import EXAMPLES

from spikey_cli.errors import InputError
from spikey_cli.training.config import read_config
from spikey_cli.training.network import IntegerNetwork

CONFIGURATIONS = sorted((EXAMPLES / "training").glob("*.yaml"))


pytestmark = pytest.mark.slow


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_examples_are_valid_and_say_what_they_show(path):
    configuration = read_config(path)
    assert len(configuration.about) > 10
    assert IntegerNetwork(configuration).rounded_last()[0].shape[0] == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("window: 0", "window: Input should be greater"),
        ("windows: 3", "windows: Extra inputs"),
        ("features: [{kind: identity, last: 40}]", "needs 40 differences, but the window has 32"),
        ("features: [{kind: cnn, width: 33}]", "do not fit into a window"),
        ("features: [{kind: wavelet, name: mayer}]", "no discrete wavelet 'mayer'"),
        ("features: [{kind: chirp}]", "features.0"),
        ("features: []", "features"),
        ("middle_out: {peers: 9}", "middle_out.peers"),
        ("{predictor: {delta_shift: false}, middle_out: {peers: 1}}", "delta_shift"),
        ("a: b: c", "is not YAML"),
    ],
)
def test_errors_name_file_and_key(tmp_path, text, reason):
    (tmp_path / "some.yaml").write_text(text)
    with pytest.raises(InputError, match=r"some\.yaml: ") as error:
        read_config(tmp_path / "some.yaml")
    assert reason in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.yaml: cannot read"):
        read_config(tmp_path / "absent.yaml")
