"""Matplotlib figures without a window."""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING

from ..errors import MissingPackageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_installed() -> None:
    """Raise MissingPackageError if Matplotlib is not installed.

    Call it before long work whose result is a plot.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingPackageError("plots need Matplotlib: pip install matplotlib")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` by `height` inches. Raises MissingPackageError if Matplotlib is not installed."""
    check_installed()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def png_bytes(figure: Figure, dots_per_inch: int = 110) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dots_per_inch)
    return buffer.getvalue()


def shortened(name: str, length: int = 18) -> str:
    """`name` if it has at most `length` characters, otherwise its beginning and its end."""
    half = (length - 2) // 2
    return name if len(name) <= length else f"{name[:half]}..{name[-half:]}"
