"""The command `spikey train`."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import MissingPackageError
from .options import FORCE, PATH, THREADS
from .report import QUIET, Report


@click.command(short_help="Train a predictor on your recordings.")
@click.argument("config", type=PATH, metavar="CONFIG.yaml")
@click.argument("name")
@click.option("--data", type=PATH, required=True, metavar="DIR", help="Folder of recordings, with sessions.csv if any.")
@click.option("--out", type=PATH, default=Path("."), show_default=True, metavar="DIR", help="Folder of the model.")
@click.option(
    "--steps", type=click.IntRange(min=1), metavar="N", help="Training steps, instead of the configuration's."
)
@THREADS
@FORCE
@QUIET
def train(
    config: Path,
    name: str,
    data: Path,
    out: Path,
    steps: int | None,
    workers: int | None,
    force: bool,
    quiet: bool,
) -> None:
    """Train a predictor on a folder of WAV files, and freeze it.

    The result is NAME-<hash>.onnx, for --model, with a card of its results and a folder NAME of logs beside it. An
    interrupted training continues when the command is run again. Needs PyTorch. Example:

    \b
        spikey train examples/training/n1.yaml mine --data recordings/
        spikey compress --model mine-*.onnx recordings/*.wav out.spk
    """
    try:
        import torch

        from ..analysis.plotting import check_installed
        from ..training.config import read_config
        from ..training.train import train as run
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"training needs {error.name}: pip install torch onnx pydantic PyYAML tensorboard matplotlib"
        ) from error
    check_installed()
    if workers:
        torch.set_num_threads(workers)
    recipe = read_config(config)
    if steps:
        recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"steps": steps})})
    run(recipe, data, name, out, force=force, report=Report(quiet).say)
