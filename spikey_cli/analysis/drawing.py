"""Pictures by Matplotlib, without a window."""

from __future__ import annotations

import importlib.util
import io

from ..errors import MissingPackageError


def check_installed() -> None:
    """Raises MissingPackageError where Matplotlib is not installed: before work that is to end in a picture."""
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingPackageError("pictures need Matplotlib: pip install 'spikey-cli[plot]'")


def short(name: str, length: int = 18) -> str:
    """A name of `length` letters at most: of a longer one, the beginning and the end."""
    half = (length - 2) // 2
    return name if len(name) <= length else f"{name[:half]}..{name[-half:]}"


class Drawing:
    """A picture under way, of `width` by `height` inches."""

    def __init__(self, width: float, height: float) -> None:
        """Raises MissingPackageError where Matplotlib is not installed."""
        check_installed()
        from matplotlib.figure import Figure

        self.figure = Figure(figsize=(width, height), layout="constrained")

    def png(self, dots_per_inch: int = 110) -> bytes:
        """The picture as a PNG file."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=dots_per_inch)
        return buffer.getvalue()
