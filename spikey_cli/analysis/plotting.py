"""Matplotlib figures without a window."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

from ..errors import InputError, MissingPackageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_installed() -> None:
    """Import Matplotlib; call it before long work whose result is a plot.

    Raises
    ------
    MissingPackageError
        Matplotlib is not installed.
    InputError
        It finds no folder for its cache, as where the whole file system is read-only.
    """
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)  # without a home it warns that its cache is in a temporary folder
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingPackageError("plots need Matplotlib: pip install matplotlib") from error
    except OSError as error:
        raise InputError(
            "plots: Matplotlib has no folder that it can write its cache to; set MPLCONFIGDIR to one"
        ) from error
    finally:
        logger.setLevel(level)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` by `height` inches. Raises what `check_installed` does."""
    check_installed()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def png_bytes(figure: Figure, dots_per_inch: int = 110) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dots_per_inch)
    return buffer.getvalue()


def shortened(name: str, length: int) -> str:
    """`name` if it has at most `length` characters, otherwise its beginning and its end."""
    half = (length - 2) // 2
    return name if len(name) <= length else f"{name[:half]}..{name[-half:]}"
