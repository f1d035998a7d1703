"""The command `spikey repack`."""

from __future__ import annotations

from pathlib import Path

import click

from ..codec.presets import DEFAULT_PRESET, find_preset
from ..core.coders import CORE_CODERS
from .options import FORCE, NAME, PATH, THREADS, refuse
from .report import Report, counted, reporting, size


@click.command(short_help="Copy an HDF5 or NWB file, its samples compressed in place.")
@click.argument("source", type=PATH, metavar="IN.nwb")
@click.argument("target", type=PATH, metavar="OUT.nwb")
@click.option(
    "--dataset",
    "datasets",
    type=NAME,
    multiple=True,
    metavar="NAME",
    help="A dataset to compress; repeatable. By default the data of each ElectricalSeries of NWB.",
)
@click.option("--undo", is_flag=True, help="Write datasets that are compressed with Spikey without compression.")
@click.option("-1", "--fast", "preset", flag_value="fast", help="Fastest to write and to read.")
@click.option("-9", "--best", "preset", flag_value="best", help="Smallest, and slowest.")
@click.option(
    "--coder",
    type=click.Choice(CORE_CODERS),
    metavar="NAME",
    help="Entropy coder: range (smallest) or rice; by default range, and rice with -1.",
)
@THREADS
@FORCE
@reporting
def repack(
    source: Path,
    target: Path,
    datasets: tuple[str, ...],
    undo: bool,
    preset: str | None,
    coder: str | None,
    workers: int | None,
    force: bool,
    report: Report,
) -> None:
    """Copy an HDF5 file, such as one of NWB, with its samples compressed.

    Programs read the copy as they read the original, if HDF5 finds the filter: in Python after
    `import spikey_cli.integrations.hdf5`, elsewhere by the variable HDF5_PLUGIN_PATH. Groups, attributes, links,
    references and other datasets are copied as they are. The copy is compared with the original before it gets its
    name. Example:

    \b
        spikey repack session.nwb small.nwb
        spikey repack --undo small.nwb back.nwb
    """
    if undo:
        refuse("preset", "coder", reason="with --undo nothing is compressed")
    from ..integrations.hdf5_repack import repack as run

    preset = preset or DEFAULT_PRESET
    with report.progress("repacking") as progress:
        result = run(
            source,
            target,
            datasets=datasets,
            undo=undo,
            coder=coder or find_preset(preset).coder,
            preset=preset,
            workers=workers,
            force=force,
            progress=progress,
        )
    for name, (before, after) in result.datasets.items():
        report.say(f"{name}: {size(before)} -> {size(after)}")
    before, after = result.bytes
    report.say(f"{target}: {counted(len(result.datasets), 'dataset')}; {size(before)} -> {size(after)}")
