"""Pictures by Matplotlib, without a window."""

from __future__ import annotations

import io

from .errors import MissingPackageError


class Drawing:
    """A picture under way, of `width` by `height` inches."""

    def __init__(self, width: float, height: float) -> None:
        """Raises MissingPackageError where Matplotlib is not installed."""
        try:
            from matplotlib.figure import Figure
        except ModuleNotFoundError as error:
            raise MissingPackageError("pictures need Matplotlib: pip install 'spikey-cli[plot]'") from error
        self.figure = Figure(figsize=(width, height), layout="constrained")

    def png(self) -> bytes:
        """The picture as a PNG file."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()
