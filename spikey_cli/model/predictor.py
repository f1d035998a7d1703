"""The frozen predictor: an integer network, proven exact, that ONNX Runtime evaluates for all lanes at once.

    windows  [window, lanes]    the last `window` code differences of every lane, oldest first, normalised by the lane's
                                gain (see `gain`)
    outputs  [3, lanes]         row 0: centre of the next value less the last one, 1024 units to the RMS
                                row 1: log2 of its spread less log2 of the RMS, in sixteenths of an octave
                                row 2: tail index, how likely an outlier is (see `coders.density`)

All are float32 and hold integers, inputs those of -INPUT_LIMIT..INPUT_LIMIT. A graph leads from `windows` to `outputs`;
or it has parts of its own for what happens in between, each with its columns:

    windows [window, lanes], state [rows, lanes]  ->  latent [rows, lanes]        `state`, where there is one, is the
                                                                                  latent of the step before, at first 0
    messages [2 * rows + 2, messages]             ->  region [rows, messages]     with MiddleOut (see `middle_out`)
    latents [rows, lanes]                         ->  outputs [3, lanes]

The file's metadata may hold, in decimal:

    adc_edges              the profile of the N1 converter (see `adc`) that it was trained with: 1025 numbers
    middle_out_peers       how many of a thread's peers send it messages: 1..4
    middle_out_residual    1: a region is added to the latent; 0: it takes its place

and in hexadecimal:

    self_test              the SHA-256 of what the model says of known inputs (see `self_test`)

A model is known by the SHA-256 of its .onnx file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..core.converter import Profile
from ..core.gain import INPUT_LIMIT
from ..core.middle_out import EXTRA_ROWS
from ..core.quantizer import N1
from ..errors import ModelError, SelfTestError, system_fault
from ..topology.references import MAX_REFERENCES
from .chain import chain_of
from .graph import Graph, Span, certify, read_graph
from .self_test import digest_of, known_inputs
from .zoo import DEFAULT_MODEL, shipped_models, shipped_models_with

OUTPUT_ROWS = 3


class Predictor:
    """A certified network, and its ONNX Runtime session. Safe to use from several threads; it can be pickled."""

    def __init__(self, model: bytes, *, intra_op_threads: int = 1, optimise: bool = True) -> None:
        """Certify and load the bytes of an .onnx file.

        Raises ModelError where the graph cannot be proven exact, or its parts do not fit together. `intra_op_threads`
        and `optimise` change the speed, never the result.
        """
        graph = read_graph(model)
        _check_parts(graph, certify(graph, INPUT_LIMIT, {"state": "windows"}))
        self.onnx = model
        """The model file."""
        self.digest = hashlib.sha256(model).digest()
        """SHA-256 of the model file, 32 bytes."""
        self.window = graph.inputs["windows"]
        """Number of past differences that the network sees."""
        self.latent_rows = graph.inputs.get("latents", 0)
        """Rows of the latent, where the graph has parts; otherwise 0."""
        self.is_recurrent = "state" in graph.inputs
        """Whether the latent of a step depends on that of the step before."""
        self.message_peers = _number(graph, "middle_out_peers", 1, MAX_REFERENCES) if "messages" in graph.inputs else 0
        """How many of a thread's peers send it messages."""
        self.is_residual = bool(self.message_peers and _number(graph, "middle_out_residual", 0, 1))
        """Whether a region is added to the latent."""
        self.multiply_adds = sum(
            graph.constants[node.inputs[0]].size for node in graph.nodes if node.operator == "MatMul"
        )
        """Multiply-adds a sample, with one message each where there is MiddleOut."""
        self.widest = max([*graph.inputs.values(), *(len(c) for c in graph.constants.values() if c.ndim)])
        """Rows of its widest tensor."""
        self.profile = _profile(graph)
        """Bins of the N1 converter, where the model knows them."""
        self.chain = chain_of(graph)
        """Its layers, where it is one after another: what the codec evaluates; the session gives the same."""
        self.self_test = _self_test(graph)
        """What `digest_of` makes of its outputs for `known_inputs`, where that is known."""
        self.inputs = graph.inputs
        """Rows of each of its inputs, by their names."""
        self._passed: set[str] = set()
        # a run must name all inputs: those of the parts that it does not want have no columns
        self._idle = {name: np.zeros((rows, 0), dtype=np.float32) for name, rows in graph.inputs.items()}
        self._speed = (intra_op_threads, optimise)
        if self.chain is None:
            _ = self._session  # what it refuses, it refuses now

    def __reduce__(self) -> tuple[Callable[..., Predictor], tuple[object, ...]]:
        # the session stays behind: it is made anew where the model is wanted, once in a process
        return _certified, (self.onnx, *self._speed)

    @cached_property
    def _session(self) -> tuple[Any, Any]:
        """The session, and its options for a run; made when it is first wanted, which a chain needs only for tests."""
        return _session(self.onnx, *self._speed)

    def predict(self, windows: np.ndarray) -> np.ndarray:
        """Outputs, float32 [3, lanes], of a graph without parts for C-contiguous `windows`, float32 [window, lanes]."""
        return self._run("outputs", {"windows": windows})

    def project(self, windows: np.ndarray, state: np.ndarray) -> np.ndarray:
        """Latents, float32 [latent_rows, lanes], for `windows`, and for `state` where it is recurrent."""
        given = {"windows": windows, "state": state} if self.is_recurrent else {"windows": windows}
        return self._run("latent", given)

    def regions(self, messages: np.ndarray) -> np.ndarray:
        """Region latents, float32 [latent_rows, n], for `messages`, float32 [2 * latent_rows + 2, n]."""
        return self._run("region", {"messages": messages})

    def conclude(self, latents: np.ndarray) -> np.ndarray:
        """Outputs, float32 [3, lanes], for `latents`, float32 [latent_rows, lanes]."""
        return self._run("outputs", {"latents": latents})

    def evaluate(self, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs by their names, for all inputs."""
        if not self.latent_rows:
            return {"outputs": self.predict(given["windows"])}
        # what has no state has no rows for it, and `project` does not look at them
        found = {
            "latent": self.project(given["windows"], given.get("state", given["latents"])),
            "outputs": self.conclude(given["latents"]),
        }
        return found | ({"region": self.regions(given["messages"])} if self.message_peers else {})

    def test(self, engine: str, evaluate: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> None:
        """Raise SelfTestError where `evaluate`, which `engine` names, gives other outputs for the known inputs than the
        model gave when it was frozen. Once an engine has passed it is not asked again.
        """
        if engine in self._passed:
            return
        if self.self_test and digest_of(evaluate(known_inputs(self.inputs))) != self.self_test:
            raise SelfTestError(
                f"the self-test of the model {self.digest[:8].hex()} failed: {engine} gives other numbers on this "
                "machine than it must; install another release of onnxruntime and numba, or use another machine"
            )
        self._passed.add(engine)

    def _run(self, output: str, given: dict[str, np.ndarray]) -> np.ndarray:
        session, options = self._session
        try:
            return session.run([output], self._idle | given, options)[0]
        except Exception as error:  # ONNX Runtime raises its own types, all of them direct heirs of Exception
            raise ModelError(f"ONNX Runtime cannot run the model: {error}") from error


@lru_cache(maxsize=4)
def _certified(model: bytes, intra_op_threads: int, optimise: bool) -> Predictor:
    return Predictor(model, intra_op_threads=intra_op_threads, optimise=optimise)


def _check_parts(graph: Graph, spans: dict[str, Span]) -> None:
    """That a graph's inputs and outputs are those of a predictor, and that each leads where it should."""
    inputs = graph.inputs
    latent_rows = inputs.get("latents", 0)
    rows_in, comes_of = {"windows": inputs.get("windows", 0)}, {"outputs": "windows"}
    rows_out = {"outputs": OUTPUT_ROWS}
    if latent_rows:
        rows_in["latents"] = rows_out["latent"] = latent_rows
        comes_of |= {"latent": "windows", "outputs": "latents"}
        if "state" in inputs:
            rows_in["state"] = latent_rows
        if "messages" in inputs:
            rows_in["messages"], rows_out["region"] = 2 * latent_rows + EXTRA_ROWS, latent_rows
            comes_of["region"] = "messages"
    if rows_in != inputs or sorted(graph.outputs) != sorted(rows_out):
        raise ModelError(f"a predictor leads from windows to outputs, not from {inputs} to {list(graph.outputs)}")
    for name, span in spans.items():
        if span.low.size != rows_out[name] or span.columns != comes_of[name]:
            raise ModelError(f"the model has {span.low.size} rows of {name!r}; a predictor has {rows_out[name]}")
        if name != "outputs" and (span.low.min() < -INPUT_LIMIT or span.high.max() > INPUT_LIMIT):
            raise ModelError(f"{name!r} is not clipped to {-INPUT_LIMIT}..{INPUT_LIMIT}")


def _self_test(graph: Graph) -> str:
    text = graph.metadata.get("self_test", "")
    if text and not re.fullmatch("[0-9a-f]{64}", text):
        raise ModelError(f"the model says {text!r} for self_test; it is a SHA-256 in hexadecimal")
    return text


def _number(graph: Graph, key: str, low: int, high: int) -> int:
    text = graph.metadata.get(key, "")
    if not text.isdecimal() or len(text) > 9 or not low <= int(text) <= high:
        raise ModelError(f"the model says {text[:20]!r} for {key}; it is a number from {low} to {high}")
    return int(text)


def _profile(graph: Graph) -> Profile | None:
    text = graph.metadata.get("adc_edges")
    if text is None:
        return None
    try:
        edges = [int(number) for number in text.split()]
        profile = Profile(np.array(edges, dtype=np.int32))
    except (ValueError, OverflowError) as error:
        raise ModelError("the edges of the converter's bins are not numbers") from error
    if profile.size != N1.size:
        raise ModelError(f"the converter's profile has {profile.size} bins; N1 has {N1.size}")
    return profile


def _session(model: bytes, intra_op_threads: int, optimise: bool):  # type: ignore[no-untyped-def]
    """An ONNX Runtime session, and the options by which it runs no part that is not asked for."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises its own types, all of them direct heirs of Exception
        raise ModelError(f"ONNX Runtime refuses the model: {error}") from error
    run_options = onnxruntime.RunOptions()
    run_options.only_execute_path_to_fetches = True
    return session, run_options


def read_model(path: str | Path) -> Predictor:
    """Load a predictor from an .onnx file. Raises ModelError, naming the file."""
    try:
        return Predictor(Path(path).read_bytes())
    except OSError as error:
        raise ModelError(system_fault(path, "read the model", error)) from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}; name a predictor that `spikey train` froze, or a shipped one") from error


@lru_cache(maxsize=4)
def default_predictor() -> Predictor:
    """The predictor that `DEFAULT_MODEL` names."""
    return find_model(DEFAULT_MODEL)


def find_model(name: str) -> Predictor:
    """The predictor that comes with the package under this name, without its hash; or that of a file of this name.

    Raises ModelError, which tells the names.
    """
    paths = shipped_models()
    if name in paths:
        return read_model(paths[name])
    if not Path(name).exists() and Path(name).suffix != ".onnx":
        raise ModelError(f"{name}: no such file, and no model of that name; there are {', '.join(sorted(paths))}")
    return read_model(name)


@lru_cache(maxsize=4)
def predictor_with_digest(digest: bytes, embedded: bytes = b"") -> Predictor:
    """The predictor whose file has a SHA-256 that begins with `digest`, the 8 bytes that an archive holds: one that is
    shipped, or the one that is `embedded` in the archive.

    Raises ModelError where neither is it, or the embedded one cannot be proven exact.
    """
    for path in shipped_models_with(digest):
        predictor = read_model(path)
        if predictor.digest.startswith(digest):
            return predictor
    if embedded and hashlib.sha256(embedded).digest().startswith(digest):
        return Predictor(embedded)
    raise ModelError(
        f"the model {digest.hex()} is not installed; "
        "give the file it was written with as --model, or install a release of spikey-cli that carries it"
    )
