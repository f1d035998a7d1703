"""The log of a run: a CSV, TensorBoard events, curves and the histogram of residuals as PNG."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch

from ..core.adaptation import UNIT
from .fit import Look, held_out_batches
from .loss import innovations
from .network import IntegerNetwork
from .recordings import Channels

_COLUMNS = ("step", "learning_rate", "trained_bits", "held_out_bits")


class Journal:
    """Looks at a training as they come: `log.csv` and TensorBoard events in a folder."""

    def __init__(self, folder: Path, *, goes_on: bool) -> None:
        """Begin a log; one that `goes_on` is added to what the folder holds, otherwise that goes."""
        from torch.utils.tensorboard import SummaryWriter

        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "log.csv"
        if not goes_on:
            for old in [self._path, *folder.glob("events.out.tfevents.*")]:
                old.unlink(missing_ok=True)
        self._events = SummaryWriter(str(folder))
        if not self._path.exists():
            self._append(_COLUMNS)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._events.close()

    def _append(self, row: tuple[object, ...]) -> None:
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(row)

    def note(self, look: Look) -> None:
        """Write a look down."""
        self._append((look.step, f"{look.learning_rate:.3g}", f"{look.trained_bits:.5f}", f"{look.held_out_bits:.5f}"))
        self._events.add_scalar("bits/trained", look.trained_bits, look.step)
        self._events.add_scalar("bits/held_out", look.held_out_bits, look.step)
        self._events.add_scalar("learning_rate", look.learning_rate, look.step)

    def draw(self, network: IntegerNetwork, held_out: Channels) -> None:
        """Draw `curves.png` from the log, and `residuals.png` from the network on the held-out sessions."""
        with self._path.open(newline="", encoding="utf-8") as file:
            rows = [[float(row[name]) for name in _COLUMNS] for row in csv.DictReader(file)]
        _draw_curves(np.array(rows).reshape(-1, len(_COLUMNS)), self.folder / "curves.png")
        _draw_residuals(_residuals(network, held_out), self.folder / "residuals.png")


@torch.no_grad()
def _residuals(network: IntegerNetwork, held_out: Channels) -> np.ndarray:
    """Residuals on the held-out sessions, in predicted spreads."""
    found = [innovations(network(batch), batch).flatten() for batch in held_out_batches(network, held_out)]
    return torch.cat(found).numpy() / UNIT


def _draw_curves(rows: np.ndarray, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(rows[:, 0], rows[:, 2], label="training sessions")
    axes.plot(rows[:, 0], rows[:, 3], label="held-out sessions")
    axes.set(xlabel="step", ylabel="bits/sample, by the network alone")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def _draw_residuals(z: np.ndarray, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    edges = np.linspace(-4, 4, 129)
    axes.hist(z, edges.tolist(), density=True, alpha=0.6, label=f"held-out sessions, deviation {z.std():.3f}")
    axes.plot(edges, np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi), label="standard normal")
    axes.set(xlabel="residual, in predicted spreads", ylabel="density", yscale="log", ylim=(1e-5, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
