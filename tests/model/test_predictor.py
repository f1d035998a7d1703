"""The frozen predictors: the same bits however they are evaluated."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import onnxruntime
import pytest
from support.random_models import PARTS, random_model
from support.reference import network_of

from spikey_cli.core.gain import INPUT_LIMIT
from spikey_cli.errors import ModelError
from spikey_cli.model.graph import read_graph
from spikey_cli.model.predictor import (
    DEFAULT_MODEL,
    OUTPUT_ROWS,
    Predictor,
    default_predictor,
    predictor_with_digest,
    read_model,
)
from spikey_cli.model.zoo import model_folder

MODELS = sorted(model_folder().glob("*.onnx"))
COLUMNS = 200
BATCHES = (1, 7, 64, COLUMNS)


@pytest.fixture(params=MODELS, ids=lambda path: path.name, scope="module")
def model(request) -> bytes:
    return request.param.read_bytes()


@pytest.fixture(scope="module")
def inputs(model) -> dict[str, np.ndarray]:
    """Columns of each input: quiet, loud, extreme."""
    random = np.random.default_rng(1)
    spread = np.repeat([64, 500, 3000, 1e6], COLUMNS // 4)
    shapes = {name: (rows, COLUMNS) for name, rows in read_graph(model).inputs.items()}
    return {
        name: np.clip(np.rint(random.normal(size=shape) * spread), -INPUT_LIMIT, INPUT_LIMIT).astype(np.float32)
        for name, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def exact(model, inputs) -> dict[str, np.ndarray]:
    """Outputs in exact rational arithmetic."""
    graph, network = read_graph(model), network_of(model)
    columns = [{name: rows[:, i].astype(int).tolist() for name, rows in inputs.items()} for i in range(COLUMNS)]
    return {
        name: np.array([network.evaluate(name, **column) for column in columns], dtype=np.int64).T
        for name in graph.outputs
    }


def test_there_is_a_model():
    assert any(path.name.startswith(DEFAULT_MODEL) for path in MODELS)


@pytest.mark.parametrize("intra_op_threads", [1, 2])
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"])
def test_outputs_are_exact(model, inputs, exact, intra_op_threads, batch, level):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    for name, expected in exact.items():
        found = [
            session.run([name], {n: np.ascontiguousarray(x[:, at : at + batch]) for n, x in inputs.items()})[0]
            for at in range(0, COLUMNS, batch)
        ]
        np.testing.assert_array_equal(np.concatenate(found, axis=1), expected, err_msg=name)


class TestContract:
    """What every predictor promises; see `spikey_cli.model.predictor`."""

    def test_outputs_are_integers(self, model, inputs, exact):
        predictor = Predictor(model)
        if predictor.latent_rows:
            outputs = predictor.conclude(inputs["latents"])
        else:
            outputs = predictor.predict(inputs["windows"])
        assert outputs.shape == (OUTPUT_ROWS, COLUMNS)
        np.testing.assert_array_equal(outputs, exact["outputs"])

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
    assert card["multiply_adds_per_sample"] == read_model(path).multiply_adds


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_parts_are_found_and_evaluated_exactly(random, parts):
    model = random_model(**parts)
    predictor, graph, network = Predictor(model), read_graph(model), network_of(model)
    assert predictor.window == 6
    assert predictor.latent_rows == parts.get("latent", 0)
    assert predictor.is_recurrent == parts.get("recurrent", False)
    assert predictor.message_peers == parts.get("peers", 0)
    assert predictor.is_residual == (parts.get("residual", True) and "peers" in parts)
    given = {
        name: random.integers(-INPUT_LIMIT, INPUT_LIMIT + 1, (rows, 50)).astype(np.float32)
        for name, rows in graph.inputs.items()
    }
    found = {}
    if predictor.latent_rows:
        found["latent"] = predictor.project(given["windows"], given.get("state", given["latents"]))
        found["outputs"] = predictor.conclude(given["latents"])
        assert predictor.conclude(given["latents"][:, :0]).shape == (OUTPUT_ROWS, 0)
        if predictor.message_peers:
            found["region"] = predictor.regions(given["messages"])
    else:
        found["outputs"] = predictor.predict(given["windows"])
    for name, values in found.items():
        for column in range(50):
            inputs = {key: rows[:, column].astype(int).tolist() for key, rows in given.items()}
            assert values[:, column].tolist() == network.evaluate(name, **inputs), f"{name}, column {column}"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"latent": 4, "rows": {"latents": 5}}, "shapes"),
        ({"latent": 4, "recurrent": True, "rows": {"state": 3}}, "shapes"),
        ({"latent": 4, "peers": 1, "rows": {"messages": 9}}, "shapes"),
        ({"rows": {"state": 4}}, "tensor 'state' is not used"),
        ({"latent": 4, "peers": 1, "metadata": {"middle_out_peers": "9"}}, "middle_out_peers"),
        ({"latent": 4, "peers": 1, "metadata": {"middle_out_peers": "two"}}, "middle_out_peers"),
        ({"latent": 4, "peers": 1, "metadata": {"middle_out_residual": ""}}, "middle_out_residual"),
        ({"metadata": {"adc_edges": "1 2 3"}}, "linear in the large|3 bins|2 bins"),
    ],
)
def test_models_whose_parts_do_not_fit_are_refused(wrong, reason):
    with pytest.raises(ModelError, match=reason):
        Predictor(random_model(**wrong))


def test_default_is_there():
    assert default_predictor().window >= 1


def test_unknown_digest_tells_what_to_install():
    with pytest.raises(ModelError, match=r"pass the predictor .*, or install"):
        predictor_with_digest(bytes(8))


def test_unreadable_model_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"absent.onnx: cannot read"):
        read_model(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelError, match=r"text.onnx: not an ONNX model"):
        read_model(tmp_path / "text.onnx")
