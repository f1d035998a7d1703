"""`python -m spikey_cli.training`: train the predictor that ships with the package, freeze it, write its card."""

from __future__ import annotations

import json
import tempfile
from dataclasses import fields, replace
from pathlib import Path

import click
import numpy as np
import onnxruntime
import torch

from ..adc import CODE_UNITS, Profile
from ..compressor import compress
from ..description import describe
from ..predictor import DEFAULT_MODEL, model_folder, read_model
from ..source import look_through
from .export import freeze
from .fit import Recipe, fit
from .profile import estimate
from .recordings import load, read_split

_PROFILE_STEPS = 4000
_DEFAULTS = {field.name: field.default for field in fields(Recipe)}


def _profile(recipe: Recipe, files: list[Path]) -> Profile | None:
    """The converter's profile, by a first network that knows of none, and again by one that knows the first profile."""
    if look_through(files[0], files[0].name).grid.kind != "n1":
        return None
    profile = None
    for steps in (_PROFILE_STEPS, _PROFILE_STEPS):
        windows = load(files, recipe.window, profile)
        with tempfile.TemporaryDirectory() as folder:
            network = fit(replace(recipe, steps=steps), windows, Path(folder) / "profile.part", click.echo)
        for every in (5, 1):
            profile = estimate(network, windows, every)
            windows = load(files, recipe.window, profile)
            widths = np.diff(profile.edges) / CODE_UNITS
        click.echo(f"profile: widths {widths.min():.2f} to {widths.max():.2f} codes")
    return profile


def measure(model: Path, files: list[Path], coder: str) -> dict[str, object]:
    """What a coder makes of `files` with a frozen model: the figures of a card."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "measured.spk"
        compress(files, archive, coder=coder, predictor=read_model(model))
        told = describe(archive)
    keys = ("coder", "source_bytes", "archive_bytes", "ratio", "bits_per_sample")
    return {"files": len(files)} | {key: told[key] for key in keys}


@click.command()
@click.option(
    "--sessions", type=click.Path(path_type=Path, exists=True), required=True, help="sessions.csv of the data"
)
@click.option("--models", type=click.Path(path_type=Path), default=model_folder(), help="where the model goes")
@click.option("--name", default=DEFAULT_MODEL, show_default=True)
@click.option("--checkpoint", type=click.Path(path_type=Path), default=Path("training.part"), show_default=True)
@click.option("--window", default=_DEFAULTS["window"], show_default=True)
@click.option("--hidden", default="16,16", show_default=True, help="sizes of the hidden layers")
@click.option("--steps", default=_DEFAULTS["steps"], show_default=True)
@click.option("--seed", default=_DEFAULTS["seed"], show_default=True)
@click.option("--threads", default=2, show_default=True, help="threads of execution")
def main(
    sessions: Path,
    models: Path,
    name: str,
    checkpoint: Path,
    window: int,
    hidden: str,
    steps: int,
    seed: int,
    threads: int,
) -> None:
    """Train on the split `train` of a sessions.csv, and measure on its split `val`."""
    torch.set_num_threads(threads)
    split = read_split(sessions)
    recipe = Recipe(window=window, hidden=tuple(int(n) for n in hidden.split(",")), steps=steps, seed=seed)
    training_files = [file for session in split["train"] for file in session]
    profile = _profile(recipe, training_files)
    network = fit(recipe, load(training_files, recipe.window, profile), checkpoint, click.echo)
    path = freeze(network, models, name, profile)
    card = {
        "model": path.name,
        "sha256": read_model(path).digest.hex(),
        "trained_on": f"split `train` of the N1 recordings, {len(training_files)} files",
        "train_again": f"python -m spikey_cli.training --sessions sessions.csv --window {window} --hidden {hidden} "
        f"--steps {steps} --seed {seed}",
        "recipe": recipe.as_json(),
        "multiply_adds_a_sample": read_model(path).multiply_adds,
        "val": [
            measure(path, [file for session in split["val"] for file in session], coder) for coder in ("rice", "range")
        ],
        "versions": {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__},
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    checkpoint.unlink(missing_ok=True)
    click.echo(json.dumps(card["val"]))


if __name__ == "__main__":
    main()
