"""The frozen predictors: the same bits however they are evaluated."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import onnxruntime
import pytest
import slow_twins

from spikey_cli.errors import ModelError
from spikey_cli.gain import INPUT_LIMIT
from spikey_cli.graph import read_graph
from spikey_cli.predictor import (
    DEFAULT_MODEL,
    OUTPUT_ROWS,
    Predictor,
    default_predictor,
    model_folder,
    predictor_with_digest,
    read_model,
)

MODELS = sorted(model_folder().glob("*.onnx"))
BATCHES = (1, 7, 64, 1000)


@pytest.fixture(params=MODELS, ids=lambda path: path.name, scope="module")
def model(request) -> bytes:
    return request.param.read_bytes()


@pytest.fixture(scope="module")
def windows(model) -> np.ndarray:
    """1000 windows: quiet, loud, extreme."""
    random = np.random.default_rng(1)
    spread = np.repeat([64, 500, 3000, 1e6], 250)
    rows = read_graph(model).input_rows
    return np.clip(np.rint(random.normal(size=(rows, 1000)) * spread), -INPUT_LIMIT, INPUT_LIMIT).astype(np.float32)


@pytest.fixture(scope="module")
def exact(model, windows) -> np.ndarray:
    """Outputs in exact rational arithmetic."""
    columns = windows.astype(int).T.tolist()
    return np.array(slow_twins.evaluate(read_graph(model), columns), dtype=np.int64).T


def test_there_is_a_model():
    assert any(path.name.startswith(DEFAULT_MODEL) for path in MODELS)


@pytest.mark.parametrize("intra_op_threads", [1, 2])
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"])
def test_outputs_are_exact(model, windows, exact, intra_op_threads, batch, level):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    graph = read_graph(model)
    outputs = [
        session.run([graph.output], {graph.input: np.ascontiguousarray(windows[:, at : at + batch])})[0]
        for at in range(0, windows.shape[1], batch)
    ]
    np.testing.assert_array_equal(np.concatenate(outputs, axis=1), exact)


class TestContract:
    """What every predictor promises; see `spikey_cli.predictor`."""

    def test_outputs_are_two_rows_of_integers(self, model, windows, exact):
        predictor = Predictor(model)
        outputs = predictor.predict(windows)
        assert outputs.shape == (OUTPUT_ROWS, windows.shape[1])
        np.testing.assert_array_equal(outputs, exact)

    def test_digest_is_of_the_file(self, model):
        assert Predictor(model).digest == hashlib.sha256(model).digest()

    def test_found_by_digest(self, model):
        digest = hashlib.sha256(model).digest()[:8]
        assert predictor_with_digest(digest).digest.startswith(digest)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.name)
def test_name_and_card_agree_with_the_file(path):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert path.stem.endswith(digest[:8])
    assert (card["model"], card["sha256"]) == (path.name, digest)
    assert card["multiply_adds_a_sample"] == read_model(path).multiply_adds


def test_default_is_there():
    assert default_predictor().window >= 1


def test_unknown_digest_tells_what_to_install():
    with pytest.raises(ModelError, match=r"install the release"):
        predictor_with_digest(bytes(8))


def test_unreadable_model_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"absent.onnx: cannot read"):
        read_model(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError, match=r"text.onnx: not an ONNX model"):
        read_model(tmp_path / "text.onnx")
