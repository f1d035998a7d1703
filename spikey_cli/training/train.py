"""A training from its configuration to the frozen model and its card."""

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
from .export import freeze
from .fit import Look, fit
from .journal import Journal
from .profile import estimate
from .recordings import load, read_split

Report = Callable[[str], None]

_PROFILE_STEPS = 4000
_MEASURED_CODERS = ("rice", "range")


def train(config: Config, data: Path, name: str, folder: Path, *, force: bool = False, report: Report = print) -> Path:
    """Train on the recordings below `data`; write `NAME-<hash>.onnx`, its card (.json), and a folder NAME of logs.

    A training that was cut off goes on from the checkpoint in that folder. Returns the model's path. Raises InputError
    where the recordings do not do, or a model of that name is there and `force` is not given.
    """
    older = [path for path in sorted(folder.glob(f"{name}-????????.*")) if path.suffix in (".onnx", ".json")]
    if older and not force:
        raise InputError(f"{older[0]}: exists; choose another name, or give -f to replace it")
    split = read_split(data, config.training.seed)
    fitted, kept = split.hold_out(config.training.held_out, config.training.seed)
    report(f"{_count(fitted)} to fit, {_count(kept)} to stop early by, {_count(split.val)} to measure on")
    peers = config.middle_out.peers if config.middle_out else 0
    files = [[file for session in sessions for file in session] for sessions in (fitted, kept, split.val)]
    profile = _profile(config, files[0], files[1], report)
    training, held_out = (load(own, profile, peers) for own in files[:2])
    checkpoint = folder / name / "checkpoint.pt"
    with Journal(folder / name, goes_on=checkpoint.exists()) as journal:

        def look(found: Look) -> None:
            journal.note(found)
            report(_line(found, config.training.steps))

        network = fit(config, training, held_out, checkpoint, look)
        journal.draw(network, held_out)
    for path in older:
        path.unlink()
    model = freeze(network, folder, name, profile)
    card = _card(config, model, files)
    model.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    checkpoint.unlink(missing_ok=True)
    report(f"{model}: {', '.join(_verdict(measured) for measured in card['val'])}")  # type: ignore[attr-defined]
    return model


def _count(sessions: Sequence[Sequence[Path]]) -> str:
    return f"{len(sessions)} sessions ({sum(map(len, sessions))} files)"


def _line(look: Look, steps: int) -> str:
    return (
        f"step {look.step}/{steps}  {look.trained_bits:.4f} bits/sample, held out {look.held_out_bits:.4f}  "
        f"{look.seconds_left / 60:.1f} min left"
    )


def _verdict(measured: dict[str, object]) -> str:
    return f"{measured['coder']} {measured['bits_per_sample']} bits/sample, ratio {measured['ratio']}"


def _profile(config: Config, fitted: list[Path], kept: list[Path], report: Report) -> Profile | None:
    """The converter's profile; estimated, it is by a first network that knows of none, and again by one that does."""
    if config.profile == "none" or scan(fitted[0]).quantizer.kind != N1.kind:
        return None
    if config.profile == "shipped":
        return default_predictor().profile
    recipe = config.training.model_copy(update={"steps": _PROFILE_STEPS, "evaluate_every": _PROFILE_STEPS})
    plain = Config(window=config.window, features=(Identity(kind="identity", last=config.window),), training=recipe)
    profile: Profile | None = None
    for _ in range(2):
        training, held_out = load(fitted, profile), load(kept, profile)
        network = fit(plain, training, held_out, None, lambda look: report(_line(look, _PROFILE_STEPS)))
        for every in (5, 1):
            profile = estimate(network, load([*fitted, *kept], profile), every)
            widths = np.diff(profile.edges) / CODE_UNITS
        report(f"profile: widths {widths.min():.2f} to {widths.max():.2f} codes")
    return profile


def _card(config: Config, model: Path, files: Sequence[Sequence[Path]]) -> dict[str, object]:
    predictor = read_model(model)
    fitted, kept, val = files
    return {
        "model": model.name,
        "sha256": predictor.digest.hex(),
        "bytes": model.stat().st_size,
        "multiply_adds_a_sample": predictor.multiply_adds,
        "files": {"fitted": len(fitted), "stopped_early_by": len(kept), "val": len(val)},
        "config": config.model_dump(mode="json", exclude_none=True),
        "val": [measure(predictor, val, coder) for coder in _MEASURED_CODERS],
        "versions": {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__},
    }


def measure(predictor: Predictor, files: Sequence[Path], coder: str) -> dict[str, object]:
    """What a coder makes of `files` with a frozen model: the figures of a card."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "measured.spk"
        compress(files, archive, coder=Encoding(coder, predictor))
        told = info(archive)
    keys = ("coder", "source_bytes", "archive_bytes", "ratio", "bits_per_sample")
    return {"files": len(files)} | {key: told[key] for key in keys}
