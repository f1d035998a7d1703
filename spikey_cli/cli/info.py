"""The command `spikey info`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .options import MAX_EXPANSION, MEMORY, PATH, limits_of


@click.command()
@click.argument("archive", type=PATH, metavar="ARCHIVE")
@click.option("--json", "as_json", is_flag=True, help="Print everything, as JSON.")
@MEMORY
@MAX_EXPANSION
def info(archive: Path, as_json: bool, memory: int | None, max_expansion: int | None) -> None:
    """Tell what an archive holds; nothing is decoded.

    Example:

    \b
        spikey info --json out.spk
    """
    from ..description import describe, summarise

    description = describe(archive, limits=limits_of(memory, max_expansion))
    click.echo(json.dumps(description, indent=2) if as_json else summarise(description))
