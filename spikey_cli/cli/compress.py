"""The command `spikey compress`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..core.coders import CODERS
from .cluster import DASK, ClusterCommand, cluster_at
from .inputs import DATASET, RATE, RAW, take_inputs
from .options import FORCE, MODEL, PATH, RECURSIVE, THREADS, find_model
from .pipe import PIPE, compress_stdin
from .report import Report, complain, counted, report_failures, reporting, size

if TYPE_CHECKING:
    from ..io.layout import RawFormat


@click.command(cls=ClusterCommand)
@click.argument("inputs", nargs=-1, type=PATH, metavar="IN.wav...")
@click.argument("archive", type=PATH, metavar="OUT.spk")
@click.option(
    "--coder",
    type=click.Choice(list(CODERS)),
    metavar="NAME",
    help="How samples are coded: range (smallest), rice (the default) or huffman. Pipes: range.",
)
@RAW
@RATE
@DATASET
@click.option(
    "--packet",
    "packet_frames",
    type=click.IntRange(min=1),
    metavar="FRAMES",
    help="Frames that a pipe waits for: 1 for the least delay; by default a tenth of a second, or 65,536 samples.",
)
@MODEL
@click.option("--no-peers", is_flag=True, help="Keep threads apart: larger, but each is read without the others.")
@click.option(
    "--embed-model/--no-embed-model",
    default=None,
    help="Put the predictor into the archive, to be read where it is not installed; by default if it is large.",
)
@click.option("--no-verify", is_flag=True, help="Do not decode what was written to compare it.")
@click.option("--remove-source", is_flag=True, help="Delete the files once the archive is proven to give them back.")
@RECURSIVE
@THREADS
@DASK
@FORCE
@reporting
def compress(
    inputs: tuple[Path, ...],
    archive: Path,
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

    The archive takes its name once it was decoded and compared. Sources are kept, unless --remove-source is given and
    they are, byte for byte, what the finished archive holds. What is no recording is kept byte for byte, in less space
    where that is easy. Example:

    \b
        spikey compress -r recordings/ out.spk

    Recordings are WAV files of 8, 16 or 24 bits, NumPy files of int16 or uint8, and files of interleaved samples, if
    --raw tells how these lie, or what SpikeGLX (.meta) or Open Ephys (structure.oebin) wrote beside them. Of HDF5 files
    --dataset takes the samples of one dataset, which comes back as a NumPy file. Example:

    \b
        spikey compress --raw 385:30000 run.ap.bin out.spk
        spikey compress --dataset acquisition/ElectricalSeries/data session.nwb out.spk

    From a pipe comes one WAV, or interleaved samples, and goes as a live stream that waits for nothing. Example:

    \b
        record | spikey compress --raw 1024:19531 - out.spk
        spikey compress - - < in.wav | ssh host spikey decompress - in.wav
    """
    if PIPE in inputs or (archive == PIPE and not inputs):
        if len(inputs) > 1 or recursive or no_peers or coder not in (None, "range"):
            raise click.UsageError("through a pipe comes one recording, coded with range, its threads apart")
        if rate or dataset:
            raise click.UsageError("--rate and --dataset tell of files; what comes through a pipe needs neither")
        if remove_source:
            raise click.UsageError("what comes through a pipe has no file that --remove-source could delete")
        if address or workers:
            raise click.UsageError("a pipe is coded as it comes, by one processor; leave out --dask and --threads")
        if embed_model or no_verify:
            raise click.UsageError(
                "a live stream has no place for a model, and is not read back; leave out --embed-model and --no-verify"
            )
        compress_stdin(archive, raw=raw, packet_frames=packet_frames, model=model, force=force, report=report)
        return
    if not inputs:
        raise click.UsageError(f"{archive} would be the archive; name it last, behind the files that are to be in it")
    if archive == PIPE:
        raise click.UsageError("an archive of files is no pipe; name a file, or - as the input too")
    if packet_frames:
        raise click.UsageError("--packet tells how long a pipe waits; files are all there")
    from ..io.layout import HDF5_SUFFIXES, RAW_SUFFIXES

    coder = coder or "rice"
    if archive.suffix.lower() in (".wav", ".npy", *RAW_SUFFIXES, *HDF5_SUFFIXES):
        raise click.UsageError(f"{archive} would be the archive; name it, last, with the ending .spk")
    if remove_source and (force or no_verify):
        reason = "what it would replace may be all that is left of other sources" if force else "it has to be verified"
        raise click.UsageError(f"--remove-source does not go with {'--force' if force else '--no-verify'}: {reason}")
    if remove_source and dataset:
        raise click.UsageError("--remove-source does not go with --dataset: all else that is in the file would be lost")
    from ..api.compress import compress as run
    from ..api.inputs import check_no_input

    check_no_input(archive, inputs)
    sources, failures = take_inputs(inputs, recursive=recursive, raw=raw, rate=rate, dataset=dataset)
    if not sources:
        report_failures(failures)
    predictor = find_model(model)
    with cluster_at(address, workers) as cluster, report.progress("compressing") as progress:
        done = run(
            sources,
            archive,
            coder=coder,
            workers=workers,
            cluster=cluster,
            force=force,
            raw=raw,
            skip_failing=True,
            predictor=predictor,
            peers=not no_peers,
            embed_model=embed_model,
            verify=not no_verify,
            remove_source=remove_source,
            progress=progress,
        )
    report.say(
        f"{archive}: {counted(done.files, 'file')}, {size(done.source_bytes)} -> {size(done.archive_bytes)}, "
        f"ratio {done.ratio:.4f}" + (f"; {counted(done.removed, 'source')} deleted" if remove_source else "")
    )
    for warning in done.warnings:
        complain(f"warning: {warning}")
    report_failures([*failures, *done.failures])
