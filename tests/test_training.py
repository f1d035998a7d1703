"""Training, freezing, and what the codec makes of the result. Needs the extra `train`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from recordings import n1_samples, neural, wav_bytes, write_session

torch = pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[train]'")

from spikey_cli.coders import CODERS  # noqa: E402
from spikey_cli.gain import INPUT_LIMIT  # noqa: E402
from spikey_cli.graph import certify, read_graph  # noqa: E402
from spikey_cli.grid import N1  # noqa: E402
from spikey_cli.peers import Company  # noqa: E402
from spikey_cli.predictor import read_model  # noqa: E402
from spikey_cli.streams import Workers, decode_threads, encode_threads  # noqa: E402
from spikey_cli.training.__main__ import main  # noqa: E402
from spikey_cli.training.export import freeze, onnx_bytes  # noqa: E402
from spikey_cli.training.fit import Recipe, code_length, fit  # noqa: E402
from spikey_cli.training.network import IntegerNetwork  # noqa: E402
from spikey_cli.training.profile import estimate  # noqa: E402
from spikey_cli.training.recordings import load, read_split  # noqa: E402


@pytest.fixture
def sessions(tmp_path, random) -> Path:
    """A sessions.csv with two sessions to train on and one to measure."""
    rows = [["file", "session", "split"]]
    for name, split in (("a", "train"), ("b", "train"), ("c", "val")):
        for path in write_session(tmp_path / name, random, 2, 9000):
            rows.append([f"{name}/{path.name}", name, split])
    with (tmp_path / "sessions.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return tmp_path / "sessions.csv"


RECIPE = Recipe(window=12, hidden=(8,), steps=60, batch=256)


def training_windows(sessions: Path):
    return load([file for session in read_split(sessions)["train"] for file in session], RECIPE.window)


def test_training_shortens_codes_and_repeats(sessions, tmp_path):
    windows = training_windows(sessions)
    recipe = Recipe(window=12, hidden=(8,), steps=400, batch=512)
    network = fit(recipe, windows, tmp_path / "x.part", lambda line: None)
    again = fit(recipe, windows, tmp_path / "y.part", lambda line: None)
    assert onnx_bytes(network) == onnx_bytes(again)
    x, *target = windows.batch(torch.arange(0, windows.targets.numel(), 7))
    bits = [code_length(net(x), *target).mean().item() for net in (IntegerNetwork(12, (8,)), network)]
    assert bits[1] < bits[0] - 0.05, f"{bits[0]:.3f} bits before, {bits[1]:.3f} after"


def test_training_resumes_where_it_stopped(sessions, tmp_path):
    windows = training_windows(sessions)
    recipe = Recipe(window=12, hidden=(8,), steps=4000, batch=16)
    whole = fit(recipe, windows, tmp_path / "whole.part", lambda line: None)

    class StoppedError(Exception):
        pass

    def stop(line: str) -> None:
        if line.startswith("step 4000"):
            raise StoppedError

    with pytest.raises(StoppedError):
        fit(recipe, windows, tmp_path / "cut.part", stop)
    assert (tmp_path / "cut.part").exists()
    assert onnx_bytes(fit(recipe, windows, tmp_path / "cut.part", lambda line: None)) == onnx_bytes(whole)


@pytest.mark.parametrize("hidden", [(), (3,), (16, 8, 4)])
@pytest.mark.parametrize("spread", [0.1, 1.0, 30.0])
def test_frozen_networks_are_exact_however_large_their_weights(tmp_path, hidden, spread):
    torch.manual_seed(1)
    network = IntegerNetwork(9, hidden)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(spread)
    path = freeze(network, tmp_path, "some")
    certify(read_graph(path.read_bytes()), INPUT_LIMIT)
    assert read_model(path).window == 9
    (tmp_path / "some-00000000.json").write_text("{}")
    assert freeze(network, tmp_path, "some") == path
    assert list(tmp_path.iterdir()) == [path]


def test_windows_are_those_of_the_walk(sessions, tmp_path, random):
    """The frozen network codes a thread in about as many bits as the loss says: both see the same inputs."""
    codes = neural(random, 8192, 1)[:, 0]
    (tmp_path / "long.wav").write_bytes(wav_bytes(n1_samples(codes)))
    windows = load([tmp_path / "long.wav"], 12)
    np.testing.assert_array_equal(windows.codes.numpy(), codes)
    network = fit(Recipe(window=12, hidden=(8,), steps=400, batch=512), windows, tmp_path / "c.part", lambda line: None)
    predictor = read_model(freeze(network, tmp_path, "some"))
    workers = Workers(None, 1)
    x, *target = windows.batch(torch.arange(windows.targets.numel()))
    expected = code_length(network(x), *target).mean().item()
    for coder, slack in (("range", 0.01), ("rice", 0.25)):
        rest = ([N1], Company.alone(1), 8192, CODERS[coder], predictor, workers)
        streams = encode_threads([codes], *rest)
        (decoded,) = decode_threads(streams, [codes.size], *rest)
        np.testing.assert_array_equal(decoded, codes)
        # what is learnt on the way saves some
        assert expected - 0.1 < 8 * len(streams[0].data) / codes.size < expected + slack


def test_a_converters_profile_is_found(random, tmp_path):
    """Bins of known widths, under a network that predicts well, are found again."""
    like = np.array([0.6, 1.4, 1.0, 1.3, 0.7, 1.0, 1.5, 0.5])
    edges = np.concatenate([[0], np.cumsum(np.tile(like, 128))]) - 0.5
    slow = np.zeros(240_000)
    for i, push in enumerate(random.normal(0, 0.5, slow.size - 1)):
        slow[i + 1] = 0.9999 * slow[i] + push
    voltages = 500 + slow + random.normal(0, 6, slow.size)
    codes = np.clip(np.searchsorted(edges, voltages) - 1, 0, 1023).astype(np.int32)
    (tmp_path / "a.wav").write_bytes(wav_bytes(n1_samples(codes)))
    windows = load([tmp_path / "a.wav"], 8)
    network = fit(Recipe(window=8, hidden=(), steps=500, batch=512), windows, tmp_path / "p.part", lambda line: None)
    profile = estimate(network, windows)
    for _ in range(2):
        windows = load([tmp_path / "a.wav"], 8, profile)
        profile = estimate(network, windows)
    widths = np.diff(profile.edges)[480:560] / 64
    np.testing.assert_allclose(widths, np.tile(like, 10), rtol=0.2)


def test_the_command_writes_a_model_and_its_card(sessions, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    arguments = ["--sessions", sessions, "--models", models, "--name", "small", "--window", 8, "--hidden", "4"]
    arguments += ["--steps", 50, "--checkpoint", tmp_path / "c.part", "--threads", 1]
    result = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (model,) = models.glob("small-*.onnx")
    card = json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["sha256"] == read_model(model).digest.hex()
    assert [measured["coder"] for measured in card["val"]] == ["rice", "range"]
    for measured in card["val"]:
        assert measured["files"] == 2
        assert 1 < measured["ratio"] < 16
