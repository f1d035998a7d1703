"""Options that tell of inputs what these do not tell themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, SpikeyError

if TYPE_CHECKING:
    from ..io.layout import RawFormat
    from ..io.source import Source


class _RawFormat(click.ParamType):
    """CHANNELS:RATE or CHANNELS:RATE:BITS."""

    name = "raw format"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> RawFormat:
        from ..io.layout import RawFormat

        told = re.fullmatch(r"([0-9]{1,10}):([0-9]{1,10})(?::(8|16|24))?", value)
        if not told:
            self.fail(f"{value!r} is not CHANNELS:RATE or CHANNELS:RATE:BITS, with 8, 16 or 24 bits", param, ctx)
        try:
            return RawFormat(int(told[1]), int(told[2]), int(told[3] or 16) // 8)
        except InputError as error:
            self.fail(str(error), param, ctx)


RAW = click.option(
    "--raw",
    type=_RawFormat(),
    metavar="CHANNELS:RATE[:BITS]",
    help="How samples lie in files without a header (.bin, .dat, .raw), and in pipes: interleaved, by default 16 bits.",
)
RATE = click.option(
    "--rate", type=click.IntRange(1, 2**32 - 1), metavar="HZ", help="Frames a second of files that do not tell."
)


DATASET = click.option(
    "--dataset",
    metavar="NAME",
    help="Of HDF5 files (.nwb, .h5, .hdf5) take the samples of this dataset, as a NumPy file, and nothing else.",
)


def take_inputs(
    inputs: Sequence[Path], *, recursive: bool, raw: RawFormat | None, rate: int | None, dataset: str | None
) -> tuple[list[Source], list[SpikeyError]]:
    """The inputs, as what is told of them makes them, and why some are left out.

    Raises UsageError where there is nothing among them that it could be told of.
    """
    from ..api.inputs import name_inputs
    from ..io.layout import HDF5_SUFFIXES, RAW_SUFFIXES

    failures: list[SpikeyError] = []
    sources = name_inputs(inputs, recursive=recursive, sample_rate=rate or 0, fail=failures.append)
    if not sources:
        return [], failures
    suffixes = {_suffix(source) for source in sources}
    if raw is not None and not suffixes.intersection(RAW_SUFFIXES):
        raise click.UsageError(
            f"--raw tells of files without a header, and no input is one by its name ({', '.join(RAW_SUFFIXES)}); "
            "leave it out, or rename the file"
        )
    if dataset is not None and not suffixes.intersection(HDF5_SUFFIXES):
        raise click.UsageError(
            f"--dataset tells of HDF5 files, and no input is one by its name ({', '.join(HDF5_SUFFIXES)}); leave it out"
        )
    if rate is not None and dataset is None and ".npy" not in suffixes:
        raise click.UsageError("--rate tells of NumPy files, and no input is one by its name (.npy); leave it out")
    if dataset is not None:
        sources = _take_datasets(sources, dataset, failures)
    return sources, failures


def _take_datasets(sources: Sequence[Source], dataset: str, failures: list[SpikeyError]) -> list[Source]:
    from ..integrations.hdf5 import dataset_origins
    from ..io.layout import HDF5_SUFFIXES
    from ..io.source import FileSource

    taken: list[Source] = []
    for source in sources:
        if _suffix(source) not in HDF5_SUFFIXES or not isinstance(source, FileSource):
            taken.append(source)
            continue
        try:
            taken += dataset_origins(source, dataset)
        except InputError as error:
            failures.append(error)
    return taken


def _suffix(source: Source) -> str:
    return Path(source.name).suffix.lower()
