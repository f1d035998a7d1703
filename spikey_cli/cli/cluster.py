"""The option --dask, whose value is optional.

The word after --dask is its value only if it looks like an address, `SCHEME://HOST:PORT` or `HOST:PORT`. No input looks
so: archives hold no names with a colon.
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
"""A host without its port; names with a dot are more likely files."""
_ADDRESS = re.compile(r"local|\w+://\S+|[^\s/\\]+:\d+")


def _check_address(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _ADDRESS.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not an address; give HOST:PORT of a Dask scheduler, or local")
    return value


DASK = click.option(
    "--dask",
    "address",
    metavar="[ADDRESS]",
    callback=_check_address,
    help="Use a Dask cluster: HOST:PORT of its scheduler; without an address, processes on this machine.",
)


class ClusterCommand(click.Command):
    """A command with the option --dask."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, with `--dask` alone as `--dask=local`."""
        end = args.index("--") if "--" in args else len(args)
        for i in range(end):
            if args[i] == "--dask" and not (i + 1 < end and _ADDRESS.fullmatch(args[i + 1])):
                following = args[i + 1] if i + 2 < end else ""
                if _HOST.fullmatch(following) and not os.path.lexists(following):
                    raise click.UsageError(
                        f"{following} is not an address; give HOST:PORT, as in --dask {following}:8786"
                    )
                args[i] = "--dask=local"
        return super().parse_args(ctx, args)


@contextmanager
def cluster_at(address: str | None, workers: int | None) -> Iterator[Workers | None]:
    """The cluster at `address`, or a local one with this many `workers`; None without an address."""
    if address is None:
        yield None
        return
    from ..integrations.dask import open_cluster

    with open_cluster(address, workers=workers) as cluster:
        yield cluster
