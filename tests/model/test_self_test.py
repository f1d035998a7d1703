"""A machine that computes wrongly is found before it encodes or decodes a sample."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import load_from_string
from support.random_models import PARTS, random_model
from support.recordings import write_session
from support.reference import network_of

import spikey_cli
from spikey_cli.cli import main
from spikey_cli.core.network import Chain
from spikey_cli.errors import ModelError, SelfTestError
from spikey_cli.model.graph import read_graph
from spikey_cli.model.predictor import Predictor, default_predictor, find_model, predictor_with_digest
from spikey_cli.model.self_test import COLUMNS, digest_of, known_inputs
from spikey_cli.model.zoo import shipped_models


@pytest.fixture(autouse=True)
def forgotten():
    """No self-test is passed yet, nor taken for passed afterwards."""
    for cached in (default_predictor, predictor_with_digest):
        cached.cache_clear()
    yield
    for cached in (default_predictor, predictor_with_digest):
        cached.cache_clear()


@pytest.fixture
def paths(tmp_path, random):
    return write_session(tmp_path / "in", random, 2, 300)


def _one_value_off(call):
    """What `call` gives, and one value wrong."""

    def wrong(*arguments):
        outputs = np.array(call(*arguments))
        outputs[0, 17] += 1
        return outputs

    return wrong


def _wrong_core(monkeypatch):
    """The compiled core, one value wrong when it evaluates a chain by itself."""
    evaluate = Chain.evaluate

    def wrong(chain, windows):
        outputs = evaluate(chain, windows)
        outputs[2, 40] -= 1
        return outputs

    monkeypatch.setattr(Chain, "evaluate", wrong)


def _exact_digest(model: bytes) -> str:
    """What the self-test must find, in rational numbers."""
    graph = read_graph(model)
    given = known_inputs(graph.inputs)
    columns = [{name: rows[:, i].astype(int).tolist() for name, rows in given.items()} for i in range(COLUMNS)]
    return digest_of(
        {name: np.array([network_of(graph).evaluate(name, **c) for c in columns]).T for name in graph.outputs}
    )


@pytest.mark.parametrize("name", sorted(shipped_models()))
def test_shipped_models_hold_their_self_test(name):
    predictor = find_model(name)
    assert predictor.self_test == _exact_digest(predictor.onnx)


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_a_model_may_know_its_own(parts):
    digest = _exact_digest(random_model(**parts))
    properties = dict(load_metadata(random_model(**parts))) | {"self_test": digest}
    predictor = Predictor(random_model(**parts, metadata=properties))
    predictor.test("it", predictor.evaluate)
    changed = Predictor(random_model(**parts, metadata=properties | {"self_test": "0" * 64}))
    with pytest.raises(SelfTestError, match="it gives other numbers"):
        changed.test("it", changed.evaluate)


def load_metadata(model: bytes):
    return ((entry.key, entry.value) for entry in load_from_string(model).metadata_props)


def test_a_model_that_knows_none_is_believed():
    predictor = Predictor(random_model())
    predictor.test("it", lambda inputs: {})


def test_a_self_test_that_is_none_is_refused():
    with pytest.raises(ModelError, match="self_test"):
        Predictor(random_model(metadata={"self_test": "soon"}))


@pytest.mark.parametrize("broken", ["core", "session"])
@pytest.mark.parametrize("coder", ["rice", "range", "huffman"])
def test_the_encoder_falls_back_and_the_decoder_refuses(tmp_path, paths, monkeypatch, broken, coder):
    model = {"core": "n1", "session": "n1-peers"}[broken]
    good, plain = tmp_path / "good.spk", tmp_path / "plain.spk"
    assert spikey_cli.compress(paths, good, coder=spikey_cli.Encoding(coder, find_model(model))).warnings == ()
    with monkeypatch.context() as patch:
        if broken == "core":
            _wrong_core(patch)
        else:
            for name in ("project", "regions", "conclude"):
                patch.setattr(Predictor, name, _one_value_off(getattr(Predictor, name)))
        predictor_with_digest.cache_clear()
        for workers in (1, 2):
            done = spikey_cli.compress(
                paths, plain, coder=spikey_cli.Encoding(coder, find_model(model)), workers=workers, force=True
            )
            (warning,) = done.warnings
            assert "self-test" in str(warning)
            assert "without the model" in str(warning)
            assert spikey_cli.info(plain)["model"] is None
            assert spikey_cli.verify(plain, workers=workers).files == 2
            predictor_with_digest.cache_clear()
            with pytest.raises(ModelError, match=r"good.spk: the self-test .* install another release"):
                spikey_cli.decompress(good, tmp_path / "back", workers=workers)
            assert not list((tmp_path / "back").glob("*.wav"))
        with (
            pytest.raises(ModelError, match="self-test"),
            spikey_cli.open(good, predictor=find_model(model)) as recording,
        ):
            recording[100:200]
    predictor_with_digest.cache_clear()
    assert spikey_cli.verify(plain).files == spikey_cli.verify(good).files == 2


def test_the_command_warns_and_is_done(tmp_path, paths, monkeypatch):
    _wrong_core(monkeypatch)
    result = CliRunner().invoke(main, ["compress", *map(str, paths), str(tmp_path / "out.spk")])
    assert result.exit_code == 0
    assert "spikey: warning: the self-test" in result.stderr
    result = CliRunner().invoke(main, ["test", str(tmp_path / "out.spk")])
    assert result.exit_code == 0


def test_a_live_stream_is_refused(monkeypatch):
    """It names a model in any case: there is nothing to fall back to."""
    _wrong_core(monkeypatch)
    encoder = spikey_cli.StreamEncoder(1, 20_000, quantizer="identity")
    with pytest.raises(ModelError, match="self-test"):
        encoder.push(np.zeros((500, 1), dtype=np.int16))


def test_the_core_is_tested_once(tmp_path, paths, monkeypatch):
    evaluations = []
    evaluate = Chain.evaluate

    def counted(chain, windows):
        evaluations.append(windows.shape)
        return evaluate(chain, windows)

    monkeypatch.setattr(Chain, "evaluate", counted)
    predictor = find_model("n1")
    for _ in range(3):
        spikey_cli.compress(
            paths,
            tmp_path / "out.spk",
            coder=spikey_cli.Encoding(predictor=predictor),
            workers=1,
            force=True,
            verify=False,
        )
    assert len(evaluations) == 1
