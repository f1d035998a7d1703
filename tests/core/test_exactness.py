"""The same bits on every machine: a share of the full run of `tests/support/exactness.py`."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher
from support import exactness
from support.paths import ROOT

import spikey_cli
from spikey_cli.core.kernel import _compile

STORED = exactness.json.loads(exactness.STORED.read_text(encoding="utf-8"))


def assert_stored(found: dict[str, str]) -> None:
    assert found
    for name, digest in found.items():
        assert digest == STORED[exactness.stored_name(name)], f"{name} differs on {exactness.environment()}"


def test_predictions_equal_the_stored_ones():
    assert_stored(exactness.measure_predictions(exactness.SHARE))


@pytest.mark.parametrize("workers", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 8))])
def test_streams_equal_the_stored_ones(workers, monkeypatch):
    """With any number of workers, and few lanes for each; all coders only for the shortest recording."""
    monkeypatch.setattr("spikey_cli.codec.streams.MIN_LANE_GROUP", 1)
    assert_stored(exactness.measure_archives(exactness.SHARED_FRAMES, workers, coders=("rice", "range")))
    assert_stored(exactness.measure_archives(exactness.FEW_FRAMES, workers))


@pytest.mark.slow
@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="NumPy 1 takes uint64 plus int for a float")
def test_kernels_give_the_same_in_plain_python():
    """Without compilation, so that the results do not depend on Numba."""
    command = [sys.executable, exactness.__file__, "--least"]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_results_of_the_full_run_are_stored():
    names = {f"{exactness.PREDICTIONS} predictions, {model}" for model in exactness.shipped_models()}
    names |= {f"streams of {exactness.FRAMES} frames, {c}, {m}" for c in exactness.CODERS for m in exactness.MODELS}
    assert names <= STORED.keys()


def test_known_inputs_do_not_depend_on_how_many_are_asked_for():
    rows = {"b": 3, "a": 2}
    intact = exactness.known_inputs(rows, 0, 50)
    for name, values in exactness.known_inputs(rows, 20, 9).items():
        np.testing.assert_array_equal(values, intact[name][:, 20:29])
    assert exactness.mix(0, 2).tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]  # as published, from seed 0


def _modules():
    """All modules of the package, but those that need PyTorch, or what Spikey is a guest of."""
    for found in pkgutil.walk_packages(spikey_cli.__path__, "spikey_cli."):
        if (
            not found.name.startswith(("spikey_cli.training", "spikey_cli.integrations"))
            and found.name != "spikey_cli.__main__"
        ):
            yield importlib.import_module(found.name)


def _dispatchers() -> dict[str, Dispatcher]:
    """All functions of the package that Numba compiles, by module and name."""
    found = {}
    for module in _modules():
        for name, value in vars(module).items():
            if hasattr(value, "__wrapped__") and getattr(value, "__module__", None) == module.__name__:
                value = _compile(value.__wrapped__)  # a kernel, which is compiled when it is called
            if isinstance(value, Dispatcher):
                found[f"{module.__name__}.{name}"] = value
    return found


@pytest.mark.skipif("numba" in sys.modules and sys.modules["numba"].config.DISABLE_JIT, reason="nothing is compiled")
def test_no_kernel_is_compiled_with_fastmath():
    found = _dispatchers()
    assert len(found) > 60
    assert "spikey_cli.core.coding_step.take_steps" in found
    assert "spikey_cli.core.network._add_four_rows" in found
    for name, dispatcher in found.items():
        options = dispatcher.targetoptions
        assert not options.get("fastmath"), f"{name} is compiled with fastmath"
        assert not options.get("parallel"), f"{name} is compiled with parallel"


def test_sources_pass_numba_only_safe_options():
    """Also sources that are not imported here."""
    package = Path(spikey_cli.__file__).parent
    allowed = {"inline", "nogil", "cache"}
    sources = [*package.rglob("*.py"), *package.parent.glob("benchmarks/*.py")]
    for source in sources:
        text = source.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if called in ("njit", "jit", "vectorize", "guvectorize", "stencil", "overload", "register_jitable"):
                    options = {keyword.arg for keyword in node.keywords}
                    assert options <= allowed, f"{source.name}:{node.lineno} passes {called} {options - allowed}"
        assert "prange" not in text, source
