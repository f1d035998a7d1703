"""Fitting: every kind of network trains, resumes, stops early and repeats."""

from __future__ import annotations

import pytest
from support.training_cases import KINDS, config, dataset_of, ignore

from spikey_cli.api.compress import Encoding, compress
from spikey_cli.api.decompress import decompress, verify
from spikey_cli.errors import InputError, ModelError
from spikey_cli.model.predictor import read_model
from spikey_cli.training.export import export_model, onnx_bytes
from spikey_cli.training.fit import fit, held_out_bits
from spikey_cli.training.network import IntegerNetwork

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_trains_exports_and_codes(recordings, tmp_path, kind):
    """Training reduces the bits, the exported graph equals the network, and recordings are restored."""
    configuration = config(
        **KINDS[kind], training={"steps": 300, "batch": 512, "learning_rate": 0.01, "evaluate_every": 150}
    )
    training = dataset_of(recordings, configuration)
    untrained = held_out_bits(IntegerNetwork(configuration), training)
    network = fit(configuration, training, training, None, ignore)
    trained = held_out_bits(network, training)
    assert trained < untrained - 0.02, f"{untrained:.3f} bits/sample before, {trained:.3f} after"
    predictor = read_model(export_model(network, tmp_path, "some"))
    assert predictor.window == 12
    assert bool(predictor.latent_rows) == configuration.in_parts
    files = sorted(recordings.glob("a/*.wav"))
    compress(files, tmp_path / "out.spk", coder=Encoding("range", predictor), workers=1)
    decompress(tmp_path / "out.spk", tmp_path / "back", predictor=predictor, workers=2)
    for file in files:
        assert (tmp_path / "back" / file.name).read_bytes() == file.read_bytes()
    with pytest.raises(ModelError, match=r"out\.spk: .*model"):
        verify(tmp_path / "out.spk")


def test_training_repeats(recordings):
    configuration = config(training={"steps": 100})
    training = dataset_of(recordings, configuration)
    first, second = (fit(configuration, training, training, None, ignore) for _ in range(2))
    assert onnx_bytes(first) == onnx_bytes(second)


@pytest.mark.parametrize("kind", ["fully connected", "recurrent peers"])
def test_training_resumes_where_it_stopped(recordings, tmp_path, kind):
    configuration = config(**KINDS[kind])
    training = dataset_of(recordings, configuration)
    evaluations: list[list] = [[], []]
    whole = fit(configuration, training, training, tmp_path / "whole.pt", evaluations[0].append)

    class StoppedError(Exception):
        pass

    def stop(evaluation) -> None:
        if evaluations[1]:
            raise StoppedError
        evaluations[1].append(evaluation)

    with pytest.raises(StoppedError):
        fit(configuration, training, training, tmp_path / "cut.pt", stop)
    assert (tmp_path / "cut.pt").exists()
    resumed = fit(configuration, training, training, tmp_path / "cut.pt", evaluations[1].append)
    assert onnx_bytes(resumed) == onnx_bytes(whole)
    bits = [[evaluation.held_out_bits for evaluation in run] for run in evaluations]
    assert bits[0] == bits[1]
    with pytest.raises(InputError, match=r"cut.pt: belongs to another configuration"):
        fit(config(**KINDS[kind], value_scale=2.0), training, training, tmp_path / "cut.pt", ignore)


def test_training_stops_early_and_keeps_the_best(recordings):
    configuration = config(training={"steps": 2000, "evaluate_every": 5, "patience": 2, "learning_rate": 1.0})
    training = dataset_of(recordings, configuration)
    evaluations: list = []
    network = fit(configuration, training, training, None, evaluations.append)
    assert evaluations[-1].step < 2000
    best = min(evaluation.held_out_bits for evaluation in evaluations)
    assert [evaluation.held_out_bits for evaluation in evaluations[-2:]] > [best, best]
    assert held_out_bits(network, training) == best
