"""The command `spikey compress`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..codec.presets import DEFAULT_PRESET
from ..core.coders import CODERS
from .cluster import DASK, ClusterCommand, cluster_at
from .inputs import DATASET, RATE, RAW, find_inputs
from .options import FORCE, MODEL, PATH, RECURSIVE, THREADS, chosen_predictor, refuse
from .pipe import PIPE, compress_stdin
from .report import Report, complain, counted, report_failures, reporting, size

if TYPE_CHECKING:
    from ..io.raw import RawFormat


@click.command(cls=ClusterCommand)
@click.argument("inputs", nargs=-1, type=PATH, metavar="IN.wav...")
@click.argument("archive", type=PATH, metavar="OUT.spk")
@click.option(
    "-1",
    "--fast",
    "preset",
    flag_value="fast",
    help="Fastest; archives are about 3 % larger than by default, 15 % where samples take few bits.",
)
@click.option(
    "-9",
    "--best",
    "preset",
    flag_value="best",
    help="Smallest, up to 3 % below the default, and slowest.",
)
@click.option(
    "--coder",
    type=click.Choice(list(CODERS)),
    metavar="NAME",
    help="Entropy coder: range (smallest), rice or huffman; by default range, and rice with -1. Pipes use range.",
)
@RAW
@RATE
@DATASET
@click.option(
    "--packet",
    "packet_frames",
    type=click.IntRange(min=1),
    metavar="FRAMES",
    help="Frames in a packet of a live stream; default: 0.1 s, at most 65,536 samples. 1 gives the least delay.",
)
@MODEL
@click.option(
    "--no-peers", is_flag=True, help="Predict each channel from itself alone: larger, but channels are independent."
)
@click.option(
    "--embed-model/--no-embed-model",
    default=None,
    help="Store the predictor in the archive, so that it decodes where the model is not installed; "
    "default: if it takes less than a thousandth.",
)
@click.option("--no-verify", is_flag=True, help="Do not decode the archive to compare it with the inputs.")
@click.option(
    "--remove-source", is_flag=True, help="Delete the inputs after the archive on disk was compared with them."
)
@RECURSIVE
@THREADS
@DASK
@FORCE
@reporting
def compress(
    inputs: tuple[Path, ...],
    archive: Path,
    preset: str | None,
    coder: str | None,
    raw: RawFormat | None,
    rate: int | None,
    dataset: str | None,
    packet_frames: int | None,
    model: str | None,
    no_peers: bool,
    embed_model: bool | None,
    no_verify: bool,
    remove_source: bool,
    recursive: bool,
    workers: int | None,
    address: str | None,
    force: bool,
    report: Report,
) -> None:
    """Compress files into one archive.

    The archive is decoded and compared with the inputs before it gets its name. Inputs are kept unless --remove-source
    is given. Example:

    \b
        spikey compress -r recordings/ out.spk

    Recordings are WAV and NumPy files, files of acquisition systems (EDF, BDF, Blackrock NSx, Neuralynx NCS, Intan RHD
    and RHS, Open Ephys .continuous, Axon ABF 2) and files of interleaved samples. The layout of interleaved samples is
    given by --raw, or by the SpikeGLX (.meta) or Open Ephys (structure.oebin) file beside them. Any other file is
    stored byte for byte, packed by a general-purpose codec. Example:

    \b
        spikey compress --raw 385:30000 run.ap.bin out.spk
        spikey compress --dataset acquisition/ElectricalSeries/data session.nwb out.spk

    With - as the input, one WAV or interleaved samples are read from stdin and written as a live stream, packet by
    packet. Example:

    \b
        record | spikey compress --raw 1024:19531 - out.spk
        spikey compress - - < in.wav | ssh host spikey decompress - in.wav
    """
    if PIPE in inputs or (archive == PIPE and not inputs):
        if len(inputs) > 1:
            raise click.UsageError("stdin is one recording; give no other input beside -")
        if coder == "range":
            coder = None
        refuse(
            *(
                "rate",
                "dataset",
                "no_peers",
                "embed_model",
                "no_verify",
                "remove_source",
                "recursive",
                "workers",
            ),
            *(["coder"] if coder else []),
            "address",
            reason="stdin is compressed as it arrives, by one processor, with the range coder and independent channels",
        )
        compress_stdin(
            archive,
            preset=preset or DEFAULT_PRESET,
            raw=raw,
            packet_frames=packet_frames,
            model=model,
            force=force,
            report=report,
        )
        return
    if not inputs:
        raise click.UsageError(f"{archive} is taken as the archive, and there is no input; name the archive last")
    if archive == PIPE:
        raise click.UsageError("an archive of files cannot be written to stdout; name a file, or - as the input too")
    refuse("packet_frames", reason="files have no packets; live streams have")
    from ..io.formats import FORMATS, HDF5_SUFFIXES, suffix

    if suffix(archive.name) in HDF5_SUFFIXES or any(suffix(archive.name) in known.suffixes for known in FORMATS):
        raise click.UsageError(
            f"{archive} is taken as the archive, and has the name of a recording; name the archive last, as .spk"
        )
    if remove_source:
        refuse("force", reason="--remove-source could delete what only the overwritten archive holds")
        refuse("no_verify", reason="--remove-source needs a verified archive")
        refuse("dataset", reason="--remove-source would delete everything else in the file")
    from ..api.compress import Encoding
    from ..api.compress import compress as run
    from ..api.inputs import check_not_input

    check_not_input(archive, inputs)
    sources, failures = find_inputs(inputs, recursive=recursive, raw=raw, rate=rate, dataset=dataset)
    if not sources:
        report_failures(failures)
    predictor = chosen_predictor(model)
    with report.progress("compressing") as progress, cluster_at(address, workers) as cluster:
        result = run(
            sources,
            archive,
            coder=Encoding(coder, predictor, not no_peers, embed_model, preset or DEFAULT_PRESET),
            workers=workers if cluster is None else cluster,
            force=force,
            skip_failing=True,
            verify=not no_verify,
            remove_source=remove_source,
            progress=progress,
        )
    report.say(
        f"{archive}: {counted(result.files, 'file')}, {size(result.source_bytes)} -> {size(result.archive_bytes)}, "
        f"ratio {result.ratio:.4f}" + (f"; {counted(result.removed, 'source')} deleted" if remove_source else "")
    )
    for warning in result.warnings:
        complain(warning, kind="warning: ")
    report_failures([*failures, *result.failures])
