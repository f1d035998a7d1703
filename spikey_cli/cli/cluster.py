"""The option --dask, whose value may be left out.

What follows it is its value only where it looks like an address, `SCHEME://HOST:PORT` or `HOST:PORT`. No input does: a
name with a colon goes into no archive.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..system.workers import Workers

_HOST = re.compile(r"[A-Za-z][\w-]*|\d+(\.\d+){3}")
"""What looks like a host without its port, and not like a file."""
_ADDRESS = re.compile(r"local|\w+://\S+|[^\s/\\]+:\d+")


def _address(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _ADDRESS.fullmatch(value):
        raise click.BadParameter(f"{value!r} is no address; give HOST:PORT of a scheduler of Dask, or local")
    return value


DASK = click.option(
    "--dask",
    "address",
    metavar="[ADDRESS]",
    callback=_address,
    help="Share the work out among a Dask cluster: HOST:PORT of its scheduler, or processes here where none is given.",
)


class ClusterCommand(click.Command):
    """A command with the option --dask."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take arguments, with the value of --dask where it was left out."""
        own = args.index("--") if "--" in args else len(args)
        for i in range(own):
            if args[i] == "--dask" and not (i + 1 < own and _ADDRESS.fullmatch(args[i + 1])):
                following = args[i + 1] if i + 2 < own else ""
                if _HOST.fullmatch(following) and not os.path.lexists(following):
                    raise click.UsageError(f"{following} is no address; give HOST:PORT, as in --dask {following}:8786")
                args[i] = "--dask=local"
        return super().parse_args(ctx, args)


@contextmanager
def cluster_at(address: str | None, workers: int | None) -> Iterator[Workers | None]:
    """The cluster at an address, or a local one of so many workers; none where there is no address."""
    if address is None:
        yield None
        return
    from ..integrations.dask import open_cluster

    with open_cluster(address, workers=workers) as cluster:
        yield cluster
