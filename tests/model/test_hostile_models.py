"""Models of an enemy: data that is no program, or refused before anything of it runs."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.archive_builder import Content
from support.random_models import PARTS, random_model
from support.recordings import n1_samples, neural, wav_bytes
from support.resource_guard import calls_of

import spikey_cli
from spikey_cli.errors import ModelError
from spikey_cli.model import predictor as predictors
from spikey_cli.model.graph import MAX_NODES, read_graph
from spikey_cli.model.predictor import Predictor

Change = Callable[[onnx.ModelProto], object]


def _weights(model: onnx.ModelProto, values: np.ndarray) -> None:
    """Other values for the first weights."""
    (tensor,) = [t for t in model.graph.initializer if t.name == model.graph.node[0].input[0]]
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))


def _external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[2]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def _function(model: onnx.ModelProto) -> None:
    nodes = [helper.make_node("Floor", ["a"], ["b"])]
    function = helper.make_function("", "Floor", ["a"], ["b"], nodes, [helper.make_opsetid("", 13)])
    model.functions.append(function)


def _subgraph(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([], "inner", [], [helper.make_tensor_value_info("windows", TensorProto.FLOAT, [1])])
    model.graph.node[-1].CopyFrom(
        helper.make_node("If", ["0"], ["outputs"], then_branch=inner, else_branch=inner),
    )


def _cycle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[1] = "outputs"


def _deep(model: onnx.ModelProto) -> None:
    """A chain of very many operators."""
    last = model.graph.node[-1].input[0]
    del model.graph.node[-1]
    for i in range(10 * MAX_NODES):
        model.graph.node.append(helper.make_node("Floor", [last], [f"deep{i}"]))
        last = f"deep{i}"
    model.graph.node.append(helper.make_node("Floor", [last], ["outputs"]))


def _doubled_constant(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(model.graph.initializer[2])


def _constant_as_input(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.ones((6, 1), np.float32), "windows"))


def _doubled_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(model.graph.input[0])


def _doubled_output(model: onnx.ModelProto) -> None:
    model.graph.output.append(model.graph.output[0])


def _huge_shape(model: onnx.ModelProto) -> None:
    model.graph.initializer[2].dims[:] = [1 << 31, 1 << 31]


def _negative_shape(model: onnx.ModelProto) -> None:
    model.graph.initializer[2].dims[:] = [-1, -18]


def _empty_shape(model: onnx.ModelProto) -> None:
    model.graph.initializer[2].dims[:] = [0, 1 << 62]
    model.graph.initializer[2].raw_data = b""


def _many_sides(model: onnx.ModelProto) -> None:
    model.graph.initializer[2].dims[:] = [1 << 62] * 100_000


def _many_rows(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1 << 40


def _many_fields(model: onnx.ModelProto) -> None:
    for i in range(1 << 19):
        model.opset_import.add(version=i & 1)


def _many_fields_below(model: onnx.ModelProto) -> None:
    model.graph.node[0].doc_string = ""
    model.graph.node[0].input.extend([""] * (1 << 19))


def _many_fields_of_metadata(model: onnx.ModelProto) -> None:
    for _ in range(1 << 17):
        model.metadata_props.add()


def _sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add()


def _training(model: onnx.ModelProto) -> None:
    model.training_info.add()


def _overload(model: onnx.ModelProto) -> None:
    model.graph.node[0].overload = "mine"


def _attribute(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("broadcast", 1))


def _domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.microsoft"


def _operator(name: str) -> Change:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[0].op_type = name

    return change


def _double(model: onnx.ModelProto) -> None:
    model.graph.initializer[2].data_type = TensorProto.DOUBLE


def _metadata(**text: str) -> Change:
    return lambda model: helper.set_model_props(model, text)


ROWS, COLUMNS = 3, 6
HOSTILE: dict[str, Change] = {
    "external data": _external,
    "a function in the place of an operator": _function,
    "a subgraph": _subgraph,
    "a cycle": _cycle,
    "ten thousand operators": _deep,
    "a constant twice": _doubled_constant,
    "a constant with an input's name": _constant_as_input,
    "an input twice": _doubled_input,
    "an output twice": _doubled_output,
    "a huge shape": _huge_shape,
    "a negative shape": _negative_shape,
    "an empty shape": _empty_shape,
    "many sides": _many_sides,
    "many rows": _many_rows,
    "many fields": _many_fields,
    "many fields of an operator": _many_fields_below,
    "many fields of the metadata": _many_fields_of_metadata,
    "a sparse constant": _sparse,
    "training": _training,
    "an overload": _overload,
    "an attribute": _attribute,
    "a foreign domain": _domain,
    "float64": _double,
    "not a number": lambda model: _weights(model, np.full((ROWS, COLUMNS), np.nan)),
    "infinity": lambda model: _weights(model, np.full((ROWS, COLUMNS), np.inf)),
    "too fine": lambda model: _weights(model, np.full((ROWS, COLUMNS), 2.0**-140)),
    "too large": lambda model: _weights(model, np.full((ROWS, COLUMNS), 2.0**120)),
    "sums beyond 2**24": lambda model: _weights(model, np.full((ROWS, COLUMNS), 4096.0)),
    "bins of the converter without number": _metadata(adc_edges="1" * 5000),
    "bins of the converter that fall": _metadata(adc_edges=" ".join("0" for _ in range(1025))),
    **{name: _operator(name) for name in ("Loop", "Scan", "StringNormalizer", "Conv", "Mul", "matmul", "", "MatMul\0")},
}


def hostile(name: str) -> bytes:
    model = onnx.load_model_from_string(random_model())
    HOSTILE[name](model)
    return model.SerializeToString()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_models_are_refused(name, monkeypatch):
    def never(*words: object) -> None:
        raise AssertionError("ONNX Runtime saw it")

    monkeypatch.setattr(predictors, "_session", never)
    model = hostile(name)

    def refuse() -> None:
        with pytest.raises(ModelError):
            Predictor(model)

    assert calls_of(refuse) < 200_000


@pytest.mark.parametrize("text", ["9" * 5000, "²", "-1", "1e9", ""])
def test_numbers_of_a_model(text):
    with pytest.raises(ModelError, match="middle_out_peers"):
        Predictor(random_model(**PARTS["messages"], metadata={"middle_out_peers": text}))


def _archive_with(folder: Path, model: bytes, *, coder: str = "range", frames: int = 300, width: int = 2) -> Path:
    """An archive that embeds a model, its SHA-256 in the header; no model of that name saw its samples."""
    samples = n1_samples(neural(np.random.default_rng(1), frames)[:, 0]).astype(np.int64)
    (folder / "a.wav").write_bytes(wav_bytes(samples * (200 if width == 3 else 1), width))
    path = folder / "a.spk"
    own = Predictor(random_model())
    spikey_cli.compress([folder / "a.wav"], path, coder=spikey_cli.Encoding(coder, own, embed_model=True), force=True)
    content = Content.of(path)
    content.directory = replace(content.directory, model=model)
    content.start = content.start[:12] + hashlib.sha256(model).digest()[:8]
    path.write_bytes(content.parts().pack())
    return path


@pytest.mark.parametrize("name", HOSTILE)
def test_embedded_hostile_models_never_run(name, tmp_path, monkeypatch):
    path = _archive_with(tmp_path, hostile(name)) if len(hostile(name)) < 1 << 20 else None
    if path is None:
        pytest.skip("no archive embeds as much")

    def never(*words: object) -> None:
        raise AssertionError("ONNX Runtime saw it")

    monkeypatch.setattr(predictors, "_session", never)
    with pytest.raises(ModelError):
        spikey_cli.decompress(path, tmp_path / "back")
    assert not (tmp_path / "back").exists()
    assert spikey_cli.info(path)["files"], "info works without the model"


def test_an_embedded_model_that_is_not_the_one_named(tmp_path):
    path = _archive_with(tmp_path, random_model())
    content = Content.of(path)
    content.directory = replace(content.directory, model=random_model(seed=1))
    path.write_bytes(content.parts().pack())
    with pytest.raises(ModelError, match="is not installed"):
        spikey_cli.verify(path)


@pytest.mark.parametrize("coder", ["range", "rice", "huffman"])
@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("value", [-(2.0**15), 2.0**15, 300.0, -3000.0])
def test_any_output_of_a_certified_model_is_accepted(row, value, coder, tmp_path):
    """A certified model may give any mean, scale and outlier weight: decoding is refused, or gives valid codes."""
    model = onnx.load_model_from_string(random_model())
    (bias,) = [t for t in model.graph.initializer if t.name == "outputsb"]
    values = numpy_helper.to_array(bias).copy()
    values[row] = value
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    own = Predictor(model.SerializeToString())
    for width in (2, 3):
        path = _archive_with(tmp_path, own.onnx, coder=coder, width=width)
        with contextlib.suppress(spikey_cli.SpikeyError):
            spikey_cli.verify(path)
        # it is a model like any other: what is written with it comes back
        spikey_cli.compress(
            [tmp_path / "a.wav"], path, coder=spikey_cli.Encoding(coder, own, embed_model=True), force=True
        )
        assert spikey_cli.verify(path).files == 1


def test_a_model_that_cannot_be_run_is_refused(tmp_path):
    """Columns whose number is fixed: the proof does not mind, and ONNX Runtime takes no others."""
    model = onnx.load_model_from_string(random_model(**PARTS["recurrent"]))
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5
    path = _archive_with(tmp_path, model.SerializeToString())
    with pytest.raises(ModelError, match="ONNX Runtime"):
        spikey_cli.verify(path)


def test_a_model_too_large_to_embed(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav_bytes(np.arange(100)))
    large = Predictor(random_model(window=8, latent=1024, peers=1))
    assert len(large.onnx) > 1 << 20
    with pytest.raises(spikey_cli.InputError, match="too large to embed"):
        spikey_cli.compress(
            [tmp_path / "a.wav"], tmp_path / "a.spk", coder=spikey_cli.Encoding(predictor=large, embed_model=True)
        )


def test_graphs_that_are_not_messages():
    with pytest.raises(ModelError):
        read_graph(b"\x38\x01" * 1000)
