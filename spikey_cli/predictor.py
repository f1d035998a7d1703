"""The frozen predictor: an integer network, proven exact, that ONNX Runtime evaluates for all lanes at once.

    windows  float32 [window, lanes]    the last `window` code differences of every lane, oldest first, normalised by
                                        the lane's gain (see `gain`); integers in -1023..1023
    outputs  float32 [3, lanes]         row 0: centre of the next value less the last one, 1024 units to the RMS
                                        row 1: log2 of its spread less log2 of the RMS, in sixteenths of an octave
                                        row 2: tail index, how likely an outlier is (see `coders.density`)

The file's metadata may hold, under `adc_edges`, the profile of the N1 converter (see `adc`) that the network was
trained with: 1025 numbers in decimal.

A model is known by the SHA-256 of its .onnx file. The file name ends in the first eight hexadecimal digits of it.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from .adc import Profile
from .errors import ModelError
from .gain import INPUT_LIMIT
from .graph import Graph, certify, read_graph
from .grid import N1

DEFAULT_MODEL = "n1-16x16"
"""Name, without its hash, of the predictor that is used where none is asked for."""

OUTPUT_ROWS = 3


def model_folder() -> Path:
    """Where the models that come with the package lie: inside it once installed, beside it in a source tree."""
    package = Path(__file__).resolve().parent
    inside = package / "models"
    return inside if inside.is_dir() else package.parent / "models"


class Predictor:
    """A certified network in an ONNX Runtime session. Safe to use from several threads."""

    def __init__(self, model: bytes, *, intra_op_threads: int = 1, optimise: bool = True) -> None:
        """Certify and load the bytes of an .onnx file.

        Raises ModelError where the graph cannot be proven exact. `intra_op_threads` and `optimise` change the speed,
        never the result.
        """
        graph = read_graph(model)
        span = certify(graph, INPUT_LIMIT)
        if span.low.size != OUTPUT_ROWS:
            raise ModelError(f"the model has {span.low.size} output rows; a predictor has {OUTPUT_ROWS}")
        self.digest = hashlib.sha256(model).digest()
        """SHA-256 of the model file, 32 bytes."""
        self.window = graph.input_rows
        """Number of past differences that the network sees."""
        self.multiply_adds = sum(
            graph.constants[node.inputs[0]].size for node in graph.nodes if node.operator == "MatMul"
        )
        """Multiply-adds a sample."""
        self.profile = _profile(graph)
        """Bins of the N1 converter, where the model knows them."""
        self._input, self._outputs = graph.input, [graph.output]
        self._session = _session(model, intra_op_threads, optimise)

    def predict(self, windows: np.ndarray) -> np.ndarray:
        """Outputs, float32 [3, lanes], for C-contiguous `windows`, float32 [window, lanes]."""
        return self._session.run(self._outputs, {self._input: windows})[0]


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
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises its own types, all of them direct heirs of Exception
        raise ModelError(f"ONNX Runtime refuses the model: {error}") from error


def read_model(path: str | Path) -> Predictor:
    """Load a predictor from an .onnx file. Raises ModelError, naming the file."""
    try:
        return Predictor(Path(path).read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: cannot read the model: {error.strerror}") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


@lru_cache(maxsize=4)
def default_predictor() -> Predictor:
    """The predictor that `DEFAULT_MODEL` names."""
    (path,) = model_folder().glob(f"{DEFAULT_MODEL}-????????.onnx")
    return read_model(path)


@lru_cache(maxsize=4)
def predictor_with_digest(digest: bytes) -> Predictor:
    """The shipped predictor whose file has a SHA-256 that begins with `digest`, the 8 bytes that an archive holds.

    Raises ModelError where it did not come with this release.
    """
    for path in _models_named(digest):
        predictor = read_model(path)
        if predictor.digest.startswith(digest):
            return predictor
    raise ModelError(
        f"the model {digest.hex()} is not installed; "
        "install the release of spikey-cli that wrote the archive, or one that still carries this model"
    )


def shipped_model_name(digest: bytes) -> str | None:
    """File name of the shipped model whose SHA-256 begins with `digest`; None where there is none."""
    return next((path.name for path in _models_named(digest)), None)


def _models_named(digest: bytes) -> list[Path]:
    return sorted(model_folder().glob(f"*-{digest.hex()[:8]}.onnx"))
