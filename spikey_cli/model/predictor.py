"""The frozen predictor: an integer network, proven to be exact, evaluated for all lanes at once.

    windows  [window, lanes]    the last `window` code differences of each lane, oldest first, normalised by the gain of
                                the lane (see `core.gain`)
    outputs  [3, lanes]         row 0: mean of the next value minus the last value, 1024 units to the RMS
                                row 1: log2 of its scale minus log2 of the RMS, in 1/16 octaves
                                row 2: outlier weight (see `core.density`)

All tensors are float32 and hold integers, those of the inputs in -INPUT_LIMIT..INPUT_LIMIT. A graph computes `outputs`
from `windows`, or it has parts, each with its own columns:

    windows [window, lanes], state [rows, lanes]  ->  latent [rows, lanes]        `state`, which is optional, is the
                                                                                  latent of the step before, at first 0
    messages [2 * rows + 2, messages]             ->  region [rows, messages]     with MiddleOut (see `core.middle_out`)
    latents [rows, lanes]                         ->  outputs [3, lanes]

The file's metadata may hold, in decimal:

    adc_edges              profile of the N1 converter (see `core.converter`) used for training: 1025 numbers
    middle_out_peers       number of references of a channel that send it messages: 1..8
    middle_out_residual    1: the region is added to the latent; 0: it replaces the latent

and in hexadecimal:

    self_test              SHA-256 of the outputs for known inputs (see `self_test`)

The SHA-256 of its .onnx file identifies a model.
"""

from __future__ import annotations

import hashlib
import os
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
from ..topology.topology import MAX_EARLIER
from .certify import Span, certify
from .chain import chain_of
from .graph import Graph, read_graph, work_of
from .self_test import digest_of, known_inputs
from .zoo import DEFAULT_MODEL, shipped_models, shipped_models_with

OUTPUT_ROWS = 3


class Predictor:
    """A certified network and its ONNX Runtime session.

    A predictor can be used from several threads at the same time, and can be pickled.

    Parameters
    ----------
    model : bytes
        Content of an .onnx file.

    Raises
    ------
    ModelError
        If the graph cannot be proven exact, or its inputs and outputs are not those of a predictor.
    """

    def __init__(self, model: bytes) -> None:
        graph = read_graph(model)
        _check_parts(graph, certify(graph, INPUT_LIMIT, {"state": "windows"}))
        self.onnx = model
        """The .onnx file."""
        self.digest = hashlib.sha256(model).digest()
        """SHA-256 of the file, 32 bytes."""
        self.inputs = graph.inputs
        """Rows of each input by name."""
        self.window = graph.inputs["windows"]
        """Number of past differences that the network takes."""
        self.latent_rows = graph.inputs.get("latents", 0)
        """Rows of the latent, or 0 if the graph has no parts."""
        self.is_recurrent = "state" in graph.inputs
        """Whether the latent of a step depends on that of the step before."""
        self.message_peers = _number(graph, "middle_out_peers", 1, MAX_EARLIER) if "messages" in graph.inputs else 0
        """Number of references of a channel that send it messages."""
        self.is_residual = bool(self.message_peers and _number(graph, "middle_out_residual", 0, 1))
        """Whether the region is added to the latent."""
        self.work = {output: work_of(graph, output) for output in graph.outputs}
        """What evaluating each output takes."""
        self.multiply_adds = sum(work.products for work in self.work.values())
        """Multiply-adds per sample, with one message per sample if there is MiddleOut."""
        self.widest = max([*graph.inputs.values(), *(len(c) for c in graph.constants.values() if c.ndim)])
        """Rows of the widest tensor."""
        self.profile = _profile(graph)
        """Profile of the N1 converter, or None if the model has none."""
        self.chain = chain_of(graph)
        """Layers that the codec evaluates instead of the session, or None if the graph is no chain."""
        self.self_test = _self_test(graph)
        """Expected `digest_of` the outputs for `known_inputs`; empty if the model has none."""
        self._passed: set[str] = set()
        # a run has to name all inputs: those of parts that are not evaluated have no columns
        self._unused = {name: np.zeros((rows, 0), dtype=np.float32) for name, rows in graph.inputs.items()}
        if self.chain is None:
            _ = self._session  # raises now what ONNX Runtime refuses

    def __reduce__(self) -> tuple[Callable[..., Predictor], tuple[object, ...]]:
        # the session is made again where the model is unpickled, once in a process
        return _cached, (self.onnx,)

    @cached_property
    def _session(self) -> tuple[Any, Any]:
        """The session and its run options; made at first use, since a chain needs it only for tests."""
        return _session(self.onnx)

    def predict(self, windows: np.ndarray) -> np.ndarray:
        """Evaluate a graph without parts.

        Parameters
        ----------
        windows : float32 array of shape (window, lanes), C-contiguous

        Returns
        -------
        float32 array of shape (3, lanes)
        """
        return self._run("outputs", {"windows": windows})

    def project(self, windows: np.ndarray, state: np.ndarray) -> np.ndarray:
        """Compute latents.

        Parameters
        ----------
        windows : float32 array of shape (window, lanes)
        state : float32 array of shape (latent_rows, lanes)
            Latents of the step before; not used unless the graph is recurrent.

        Returns
        -------
        float32 array of shape (latent_rows, lanes)
        """
        inputs = {"windows": windows, "state": state} if self.is_recurrent else {"windows": windows}
        return self._run("latent", inputs)

    def regions(self, messages: np.ndarray) -> np.ndarray:
        """Compute region latents, float32 of shape (latent_rows, n).

        `messages` is float32 of shape (2 * latent_rows + 2, n).
        """
        return self._run("region", {"messages": messages})

    def conclude(self, latents: np.ndarray) -> np.ndarray:
        """Compute outputs, float32 of shape (3, lanes), from `latents`, float32 of shape (latent_rows, lanes)."""
        return self._run("outputs", {"latents": latents})

    def evaluate(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute all outputs by name from all inputs by name, with ONNX Runtime."""
        if not self.latent_rows:
            return {"outputs": self.predict(inputs["windows"])}
        # a graph without a state has no rows for it, and `project` does not use them
        outputs = {
            "latent": self.project(inputs["windows"], inputs.get("state", inputs["latents"])),
            "outputs": self.conclude(inputs["latents"]),
        }
        return outputs | ({"region": self.regions(inputs["messages"])} if self.message_peers else {})

    def test(self, engine: str, evaluate: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> None:
        """Run the self-test, unless this engine has already passed it.

        Parameters
        ----------
        engine : str
            What evaluates the model, as the error names it.
        evaluate : callable
            Computes the outputs by name from the inputs by name.

        Raises
        ------
        SelfTestError
            If the outputs for the known inputs are not those that the model gave when it was frozen.
        """
        if engine in self._passed:
            return
        if self.self_test and digest_of(evaluate(known_inputs(self.inputs))) != self.self_test:
            raise SelfTestError(
                f"the self-test of the model {self.digest[:8].hex()} failed: {engine} gives other numbers on this "
                "machine than it must; install another release of onnxruntime and spikey-cli, or use another machine"
            )
        self._passed.add(engine)

    def _run(self, output: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
        session, options = self._session
        try:
            return session.run([output], self._unused | inputs, options)[0]
        except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
            raise ModelError(f"ONNX Runtime cannot run the model: {error}") from error


@lru_cache(maxsize=4)
def _cached(model: bytes) -> Predictor:
    return Predictor(model)


def _check_parts(graph: Graph, spans: dict[str, Span]) -> None:
    """Raise ModelError unless inputs and outputs are those of a predictor, with the right rows and columns."""
    inputs = graph.inputs
    latent_rows = inputs.get("latents", 0)
    rows_in, columns = {"windows": inputs.get("windows", 0)}, {"outputs": "windows"}
    rows_out = {"outputs": OUTPUT_ROWS}
    if latent_rows:
        rows_in["latents"] = rows_out["latent"] = latent_rows
        columns |= {"latent": "windows", "outputs": "latents"}
        if "state" in inputs:
            rows_in["state"] = latent_rows
        if "messages" in inputs:
            rows_in["messages"], rows_out["region"] = 2 * latent_rows + EXTRA_ROWS, latent_rows
            columns["region"] = "messages"
    if rows_in != inputs or sorted(graph.outputs) != sorted(rows_out):
        raise ModelError(f"a predictor computes outputs from windows, not {list(graph.outputs)} from {inputs}")
    for name, span in spans.items():
        if span.low.size != rows_out[name] or span.columns != columns[name]:
            raise ModelError(f"the model has {span.low.size} rows of {name!r}; a predictor has {rows_out[name]}")
        if name != "outputs" and (span.low.min() < -INPUT_LIMIT or span.high.max() > INPUT_LIMIT):
            raise ModelError(f"{name!r} is not clipped to {-INPUT_LIMIT}..{INPUT_LIMIT}")


def _self_test(graph: Graph) -> str:
    text = graph.metadata.get("self_test", "")
    if text and not re.fullmatch("[0-9a-f]{64}", text):
        raise ModelError(f"the model's self_test is {text!r}; it must be a SHA-256 in hexadecimal")
    return text


def _number(graph: Graph, key: str, low: int, high: int) -> int:
    text = graph.metadata.get(key, "")
    if not text.isdecimal() or len(text) > 9 or not low <= int(text) <= high:
        raise ModelError(f"the model's {key} is {text[:20]!r}; it must be a number from {low} to {high}")
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


def _session(model: bytes):  # type: ignore[no-untyped-def]
    """An ONNX Runtime session, and options for it to run only what the requested outputs need."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # which is kept below HOME, and sent
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
        raise ModelError(f"ONNX Runtime refuses the model: {error}") from error
    run_options = onnxruntime.RunOptions()
    run_options.only_execute_path_to_fetches = True
    return session, run_options


def read_model(path: str | Path) -> Predictor:
    """Load a predictor from an .onnx file.

    Raises
    ------
    ModelError
        If the file cannot be read, or does not hold a predictor.
    """
    try:
        return Predictor(Path(path).read_bytes())
    except OSError as error:
        raise ModelError(system_fault(path, "read the model", error), parameter="model") from error
    except ModelError as error:
        raise ModelError(
            f"{path}: {error}; choose a predictor that Spikey's training froze, or a shipped one", parameter="model"
        ) from error


@lru_cache(maxsize=4)
def default_predictor() -> Predictor:
    """Return the predictor `DEFAULT_MODEL`."""
    return find_model(DEFAULT_MODEL)


def find_model(name: str) -> Predictor:
    """Return a predictor by name.

    Parameters
    ----------
    name : str
        Name of a model that comes with the package, such as "n1"; or path of an .onnx file.

    Raises
    ------
    ModelError
        If there is no such model, or the file does not hold a predictor.
    """
    paths = shipped_models()
    if name in paths:
        return read_model(paths[name])
    if not Path(name).exists() and Path(name).suffix != ".onnx":
        raise ModelError(
            f"{name}: no such file, and no model of that name; the models are {', '.join(sorted(paths))}",
            parameter="model",
        )
    return read_model(name)


@lru_cache(maxsize=4)
def predictor_with_digest(digest: bytes, embedded: bytes = b"") -> Predictor:
    """Return the predictor that an archive names.

    Parameters
    ----------
    digest : bytes
        The first 8 bytes of the SHA-256 of its file.
    embedded : bytes
        The model that is embedded in the archive, if there is one.

    Raises
    ------
    ModelError
        If neither a shipped model nor the embedded one has this digest, or if it is no predictor.
    """
    for path in shipped_models_with(digest):
        predictor = read_model(path)
        if predictor.digest.startswith(digest):
            return predictor
    if embedded and hashlib.sha256(embedded).digest().startswith(digest):
        return Predictor(embedded)
    raise ModelError(
        f"the model {digest.hex()} is not installed; pass the predictor that the archive was written with, or install "
        "a release of spikey-cli that includes it",
        parameter="model",
    )
