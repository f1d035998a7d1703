"""Options that describe inputs: the layout of raw samples, the sample rate, the dataset of an HDF5 file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, SpikeyError
from .options import NAME

if TYPE_CHECKING:
    from ..io.raw import RawFormat
    from ..io.source import Source


_BITS = {"8": "uint8", "16": "int16", "24": "int24"}
"""Names of types by their bits."""


class _RawFormat(click.ParamType):
    """CHANNELS:RATE or CHANNELS:RATE:TYPE."""

    name = "raw format"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> RawFormat:
        from ..io.layout import SampleType
        from ..io.raw import RawFormat

        match = re.fullmatch(r"([0-9]{1,10}):([0-9]{1,10})(?::([a-z0-9]+))?", value)
        named = match and (_BITS.get(match[3]) or match[3] or "int16")
        sample_type = SampleType.named(named) if named else None
        if not match or sample_type is None:
            types = ", ".join(map(str, SampleType))
            self.fail(
                f"{value!r} is not CHANNELS:RATE or CHANNELS:RATE:TYPE, with whole Hz and the type 8, 16, 24, {types}",
                param,
                ctx,
            )
        try:
            return RawFormat(int(match[1]), int(match[2]), sample_type)
        except InputError as error:
            self.fail(str(error), param, ctx)


class _Rate(click.IntRange):
    """A sample rate."""

    name = "whole number of Hz"


RAW = click.option(
    "--raw",
    type=_RawFormat(),
    metavar="CHANNELS:RATE[:TYPE]",
    help="Layout of interleaved samples in files without a header (.bin, .dat, .raw) and in pipes. TYPE is int16 (the "
    "default), uint8, int24, int32, float32 or another type of NumPy, or 8, 16 or 24 (bits).",
)
RATE = click.option(
    "--rate",
    type=_Rate(1, 2**32 - 1),
    metavar="HZ",
    help="Sample rate of files that do not state one (.npy, HDF5 datasets).",
)
DATASET = click.option(
    "--dataset",
    type=NAME,
    metavar="NAME",
    help="Compress only this dataset of each HDF5 file (.nwb, .h5, .hdf5); it is restored as a NumPy file.",
)


def find_inputs(
    inputs: Sequence[Path], *, recursive: bool, raw: RawFormat | None, rate: int | None, dataset: str | None
) -> tuple[list[Source], list[SpikeyError]]:
    """Find the sources that `inputs` name, with one error for each that is left out.

    Raises UsageError if --raw, --rate or --dataset is given and no input is of the kind that it describes.
    """
    from ..api.inputs import find_sources
    from ..io.formats import FORMATS, HDF5_SUFFIXES, suffix
    from ..io.raw import SUFFIXES as RAW_SUFFIXES

    failures: list[SpikeyError] = []
    sources = find_sources(inputs, recursive=recursive, sample_rate=rate or 0, raw=raw, fail=failures.append)
    if not sources:
        return [], failures
    suffixes = {suffix(source.name) for source in sources}
    rate_suffixes = [each for known in FORMATS if known.takes_rate for each in known.suffixes]
    if raw is not None and suffixes.isdisjoint(RAW_SUFFIXES):
        raise click.UsageError(
            f"--raw describes files without a header, and no input has such a name ({', '.join(RAW_SUFFIXES)}); "
            "leave it out, or rename the file"
        )
    if dataset is not None and suffixes.isdisjoint(HDF5_SUFFIXES):
        raise click.UsageError(
            f"--dataset names a dataset of HDF5 files, and no input has such a name ({', '.join(HDF5_SUFFIXES)}); "
            "leave it out"
        )
    if rate is not None and dataset is None and suffixes.isdisjoint(rate_suffixes):
        raise click.UsageError(
            "--rate is for files that do not state their sample rate, and no input has such a name "
            f"({', '.join(rate_suffixes)}); leave it out"
        )
    if dataset is not None:
        sources = _replace_by_datasets(sources, dataset, failures)
    return sources, failures


def _replace_by_datasets(sources: Sequence[Source], dataset: str, failures: list[SpikeyError]) -> list[Source]:
    """The sources, with the dataset in place of each HDF5 file."""
    from ..integrations.hdf5 import dataset_sources
    from ..io.formats import HDF5_SUFFIXES, suffix
    from ..io.source import FileSource

    chosen: list[Source] = []
    for source in sources:
        if suffix(source.name) not in HDF5_SUFFIXES or not isinstance(source, FileSource):
            chosen.append(source)
            continue
        try:
            chosen += dataset_sources(source, dataset)
        except InputError as error:
            failures.append(error)
    return chosen
