"""A whole training, from a configuration and recordings to a model and its card."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from ..api.compress import Encoding, compress
from ..api.info import info
from ..codec.scan import scan
from ..core.converter import CODE_UNITS, Profile
from ..core.quantizer import N1
from ..errors import InputError
from ..model.predictor import Predictor, default_predictor, read_model
from .config import Config, Identity
from .converter_profile import estimate_profile
from .export import export_model
from .fit import Evaluation, fit
from .recordings import load_recordings, read_split
from .run_log import RunLog

_PROFILE_STEPS = 4000
_PROFILE_ROUNDS = 2
_PROFILE_STRIDES = (5, 1)
"""Every n-th sample that each estimate of a round uses."""

_MEASURED_CODERS = ("rice", "range")


def train(
    config: Config, data: Path, name: str, folder: Path, *, force: bool = False, report: Callable[[str], None] = print
) -> Path:
    """Train a predictor, export it, and measure it on the validation recordings.

    An interrupted training resumes from its checkpoint when it is called again.

    Parameters
    ----------
    config : Config
    data : Path
        Folder of WAV files; see `recordings.read_split`.
    name : str
        Name of the model.
    folder : Path
        Gets the model `NAME-<hash>.onnx`, its card `NAME-<hash>.json`, and a folder NAME with the log of the run.
    force : bool, default False
        Whether to replace a model of that name.
    report : callable, default print
        Gets lines about the progress.

    Returns
    -------
    Path
        The model.

    Raises
    ------
    InputError
        The recordings cannot be trained on, or a model of that name exists and `force` is false.
    """
    existing = [path for path in sorted(folder.glob(f"{name}-????????.*")) if path.suffix in (".onnx", ".json")]
    if existing and not force:
        raise InputError(
            f"{existing[0]}: exists already; choose another name, or force overwriting it", parameter="force"
        )
    split = read_split(data, config.training.seed)
    training, held_out = split.hold_out(config.training.held_out, config.training.seed)
    report(f"training: {_count(training)}, held out: {_count(held_out)}, validation: {_count(split.val)}")
    peers = config.middle_out.peers if config.middle_out else 0
    files = {
        key: [file for session in sessions for file in session]
        for key, sessions in (("training", training), ("held_out", held_out), ("val", split.val))
    }
    profile = _profile(config, files["training"], files["held_out"], report)
    training_data, held_out_data = (load_recordings(files[key], profile, peers) for key in ("training", "held_out"))
    checkpoint = folder / name / "checkpoint.pt"
    with RunLog(folder / name, resume=checkpoint.exists()) as log:

        def on_evaluation(evaluation: Evaluation) -> None:
            log.record(evaluation)
            report(_line(evaluation, config.training.steps))

        network = fit(config, training_data, held_out_data, checkpoint, on_evaluation)
        log.draw(network, held_out_data)
    for path in existing:
        path.unlink()
    model = export_model(network, folder, name, profile)
    predictor = read_model(model)
    results = [measure(predictor, files["val"], coder) for coder in _MEASURED_CODERS]
    card = {
        "model": model.name,
        "sha256": predictor.digest.hex(),
        "bytes": model.stat().st_size,
        "multiply_adds_per_sample": predictor.multiply_adds,
        "files": {key: len(paths) for key, paths in files.items()},
        "config": config.model_dump(mode="json", exclude_none=True),
        "val": results,
        "versions": {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__},
    }
    model.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    checkpoint.unlink(missing_ok=True)
    summaries = (f"{r['coder']} {r['bits_per_sample']} bits/sample, ratio {r['ratio']}" for r in results)
    report(f"{model}: {', '.join(summaries)}")
    return model


def _count(sessions: Sequence[Sequence[Path]]) -> str:
    return f"{len(sessions)} sessions ({sum(map(len, sessions))} files)"


def _line(evaluation: Evaluation, steps: int) -> str:
    return (
        f"step {evaluation.step}/{steps}  {evaluation.training_bits:.4f} bits/sample, "
        f"held out {evaluation.held_out_bits:.4f}  {evaluation.seconds_left / 60:.1f} min left"
    )


def _profile(
    config: Config, training: list[Path], held_out: list[Path], report: Callable[[str], None]
) -> Profile | None:
    """The converter's profile: none, the default model's, or one estimated with a small network, in two rounds."""
    if config.profile == "none" or scan(training[0]).quantizer.kind != N1.kind:
        return None
    if config.profile == "shipped":
        return default_predictor().profile
    recipe = config.training.model_copy(update={"steps": _PROFILE_STEPS, "evaluate_every": _PROFILE_STEPS})
    simple = Config(window=config.window, features=(Identity(kind="identity", last=config.window),), training=recipe)
    profile: Profile | None = None
    for _ in range(_PROFILE_ROUNDS):
        network = fit(
            simple,
            load_recordings(training, profile),
            load_recordings(held_out, profile),
            None,
            lambda evaluation: report(_line(evaluation, _PROFILE_STEPS)),
        )
        for every in _PROFILE_STRIDES:
            profile = estimate_profile(network, load_recordings([*training, *held_out], profile), every)
        assert profile is not None
        widths = np.diff(profile.edges) / CODE_UNITS
        report(f"profile: widths {widths.min():.2f} to {widths.max():.2f} codes")
    return profile


def measure(predictor: Predictor, files: Sequence[Path], coder: str) -> dict[str, object]:
    """Compress files with a model.

    Parameters
    ----------
    predictor : Predictor
    files : sequence of Path
    coder : str

    Returns
    -------
    dict
        Keys: files, coder, source_bytes, archive_bytes, ratio, bits_per_sample.
    """
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "measured.spk"
        compress(files, archive, coder=Encoding(coder, predictor))
        description = info(archive)
    keys = ("coder", "source_bytes", "archive_bytes", "ratio", "bits_per_sample")
    return {"files": len(files)} | {key: description[key] for key in keys}
