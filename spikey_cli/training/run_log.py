"""The log of a training run: CSV, TensorBoard events, learning curves and a histogram of the residuals."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from ..analysis.plotting import new_figure, png_bytes
from ..core.residual_log import UNIT
from .fit import Evaluation, held_out_batches
from .loss import normalised_errors
from .network import IntegerNetwork
from .recordings import Dataset

_COLUMNS = ("step", "learning_rate", "training_bits", "held_out_bits")


class RunLog:
    """`log.csv` and TensorBoard events in a folder; a context manager.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.
    resume : bool
        Whether to append to the log in the folder; otherwise it is replaced.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "log.csv"
        if not resume:
            for old in [self._path, *folder.glob("events.out.tfevents.*")]:
                old.unlink(missing_ok=True)
        self._events = SummaryWriter(str(folder))
        if not self._path.exists():
            self._append(_COLUMNS)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._events.close()

    def _append(self, row: tuple[object, ...]) -> None:
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(row)

    def record(self, evaluation: Evaluation) -> None:
        """Append an evaluation."""
        step, rate = evaluation.step, evaluation.learning_rate
        self._append((step, f"{rate:.3g}", f"{evaluation.training_bits:.5f}", f"{evaluation.held_out_bits:.5f}"))
        self._events.add_scalar("bits/training", evaluation.training_bits, step)
        self._events.add_scalar("bits/held_out", evaluation.held_out_bits, step)
        self._events.add_scalar("learning_rate", rate, step)

    def draw(self, network: IntegerNetwork, held_out: Dataset) -> None:
        """Draw `curves.png` from the log, and `residuals.png` from the network's errors on the held-out recordings."""
        with self._path.open(newline="", encoding="utf-8") as file:
            rows = [[float(row[name]) for name in _COLUMNS] for row in csv.DictReader(file)]
        _draw_curves(np.array(rows).reshape(-1, len(_COLUMNS)), self.folder / "curves.png")
        _draw_residuals(_residuals(network, held_out), self.folder / "residuals.png")


@torch.no_grad()
def _residuals(network: IntegerNetwork, held_out: Dataset) -> np.ndarray:
    """Normalised prediction errors on the held-out recordings, shape (samples,)."""
    errors = [normalised_errors(network(batch), batch).flatten() for batch in held_out_batches(network, held_out)]
    return torch.cat(errors).numpy() / UNIT


def _draw_curves(rows: np.ndarray, path: Path) -> None:
    figure = new_figure(7, 4)
    axes = figure.subplots()
    axes.plot(rows[:, 0], rows[:, 2], label="training sessions")
    axes.plot(rows[:, 0], rows[:, 3], label="held-out sessions")
    axes.set(xlabel="step", ylabel="bits/sample, network alone")
    axes.grid(alpha=0.3)
    axes.legend()
    path.write_bytes(png_bytes(figure))


def _draw_residuals(errors: np.ndarray, path: Path) -> None:
    figure = new_figure(7, 4)
    axes = figure.subplots()
    edges = np.linspace(-4, 4, 129)
    label = f"held-out sessions, standard deviation {errors.std():.3f}"
    axes.hist(errors, edges.tolist(), density=True, alpha=0.6, label=label)
    axes.plot(edges, np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi), label="standard normal")
    axes.set(xlabel="normalised prediction error", ylabel="density", yscale="log", ylim=(1e-5, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    path.write_bytes(png_bytes(figure))
