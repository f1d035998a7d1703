"""The command `spikey list`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .info import show
from .options import ARCHIVE, limited

if TYPE_CHECKING:
    from ..container.limits import Limits


@click.command(short_help="List all files and channels of an archive.")
@ARCHIVE
@limited
def list(archive: str | Path, limits: Limits) -> None:
    """List all files and channels of an archive, as `spikey info --all` does.

    Example:

    \b
        spikey list out.spk
    """
    show(archive, limits, is_all=True)
