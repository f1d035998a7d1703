"""Files to an archive."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..codec.block_plan import plan_blocks
from ..codec.blocks import FileChangedError, encode_block, read_block
from ..codec.scan import ScannedSource, SourceChangedError, scan
from ..container.archive import NO_MODEL, ArchiveReader, ArchiveWriter, content_digest
from ..container.directory import MAX_MODEL_BYTES, Directory, FileEntry
from ..container.limits import NO_LIMITS
from ..core.coders import CODERS, DEFAULT_CODER, Coder
from ..errors import ArchiveError, InputError, SelfTestError, SpikeyError
from ..io.layout import RAW_SUFFIXES, RawFormat
from ..io.sidecar import raw_format_beside
from ..io.source import FileSource, Source
from ..model.predictor import Predictor, default_predictor
from ..model.zoo import model_name
from ..system.progress import Progress, logger, stages, timed
from ..system.whole_file import WholeFile
from ..system.workers import Workers, open_workers
from ..topology.discovery import find_topology
from ..topology.references import MAX_GROUP_CHANNELS
from ..topology.topology import Topology
from .decompress import restore
from .inputs import check_no_input, check_replaced, name_inputs, without_archive, without_collisions
from .remove_source import check_readable_later, remove_sources
from .warnings import advise

_REMEDY = "nothing is kept of it; compress again, check memory and disk, and report it if it happens twice"


@dataclass(frozen=True)
class Compressed:
    """What `compress` did."""

    files: int
    source_bytes: int
    archive_bytes: int
    failures: tuple[SpikeyError, ...]
    """Why an input was left out, or kept where it was to be removed, one error each."""
    removed: int = 0
    """Sources that were deleted."""
    warnings: tuple[str, ...] = ()
    """What is whole, but not as it should be: that the archive was written without the network, and why; or that an
    input was kept byte for byte that may be a recording.
    """

    @property
    def ratio(self) -> float:
        """Bytes in over bytes out."""
        return self.source_bytes / self.archive_bytes


def compress(
    inputs: Iterable[str | os.PathLike[str] | Source],
    archive: str | os.PathLike[str],
    *,
    coder: str = DEFAULT_CODER,
    workers: int | None = None,
    cluster: Workers | None = None,
    force: bool = False,
    recursive: bool = False,
    skip_failing: bool = False,
    predictor: Predictor | None = None,
    peers: bool = True,
    embed_model: bool | None = None,
    verify: bool = True,
    remove_source: bool = False,
    raw: RawFormat | None = None,
    sample_rate: int = 0,
    progress: Progress | None = None,
) -> Compressed:
    """Compress files into one archive; every byte of every file comes back from it.

    Args:
        inputs: WAV and NPY files, or any others, which are kept verbatim; with `recursive`, folders too. An
            `ArraySource` is an array that comes back as an NPY file, a `BytesSource` a small file made of bytes.
        archive: path of the `.spk` to write. It appears only once it is whole.
        coder: name of one of `spikey_cli.core.coders.CODERS`.
        workers: threads of execution; by default one for each processor. The archive does not depend on it.
        cluster: others that code and decode all blocks; see `spikey_cli.integrations.dask.open_cluster`. Nor on that.
        force: replace `archive` where it exists.
        recursive: take all files below folders.
        skip_failing: leave out an input that cannot be read and go on; the result tells which.
        predictor: the network to predict with; by default the one that comes with the package.
        peers: find threads that were recorded together, and predict them from each other. Without, every thread can be
            read, or damaged, without any other, and archives are larger.
        embed_model: put the network into the archive, so that it can be read where it is not installed; by default
            where that takes less than a thousandth.
        verify: decode what was written, and compare it with what was read, before the archive takes its name.
        remove_source: delete the inputs, once the archive was read back from the disk and compared with them, byte for
            byte. One that failed, is a link, or changed meanwhile is kept, and among the failures.
        raw: how samples lie in files without a header, those whose names end as `layout.RAW_SUFFIXES` has it. By
            default what stands beside a file tells it (see `sidecar`); where nothing does, it is kept verbatim.
        sample_rate: frames a second of files that do not tell it (NPY).
        progress: called with (bytes done, bytes in all, ratio so far or None); to verify and to compare count as much
            as to compress.

    Raises:
        InputError: an input cannot be read, two have the same name, or the archive cannot be written.
        ArchiveError: what was written does not decode to what was read; nothing is kept of it.
        ClusterError: the cluster failed; nothing is kept of the archive.
        ValueError: there is no such coder, or `remove_source` is given with what would make it dangerous: `force`, for
            the archive that is replaced may be all that is left of other sources, or `verify=False`.

    Where the network's self-test fails on this machine, the archive is written without it, and the result's warnings
    say so.
    """
    if isinstance(inputs, (str, os.PathLike)):
        raise TypeError(f"inputs are a list of files: give [{os.fspath(inputs)!r}]")
    inputs = list(inputs)
    if coder not in CODERS:
        raise ValueError(f"no coder is called {coder!r}; there are {', '.join(CODERS)}")
    if remove_source:
        if force or not verify:
            raise ValueError("remove_source goes neither with force nor without verify")
        if not embed_model:
            check_readable_later(predictor)
        if not all(isinstance(given, (str, os.PathLike, FileSource)) for given in inputs):
            raise ValueError("remove_source deletes files, and there are other origins")
    passes = stages(progress, 1 + verify + remove_source)
    failures: list[SpikeyError] = []
    warnings: list[str] = []
    if predictor is None:
        predictor = default_predictor()

    def fail(error: SpikeyError) -> None:
        if not skip_failing:
            raise error
        failures.append(error)

    check_no_input(Path(archive), inputs)
    check_replaced(Path(archive))
    named = name_inputs(inputs, recursive=recursive, sample_rate=sample_rate, fail=fail)
    sources, replaced = without_archive(without_collisions(named, fail), Path(archive))
    warnings += replaced
    target = WholeFile(Path(archive), force=force)
    try:
        with open_workers(workers, cluster) as pool:
            with timed("looked through"):
                scanned = _take_scans(pool.map(partial(scan_or_fail, raw=raw), sources), fail)
            while True:
                if not scanned:
                    raise failures[-1] if failures else InputError(f"{archive}: there is nothing to compress")
                try:
                    with target.writing() as file, timed("compressed"):
                        written = write_archive(
                            scanned, file, CODERS[coder], predictor, peers, embed_model, pool, passes[0]
                        )
                    break
                except SourceChangedError as error:
                    # the archive's directory names the file already: begin again without it
                    fail(error)
                    scanned.remove(error.source)
                except SelfTestError as error:
                    # what it wrote could be read on no other machine: begin again with naive deltas
                    warnings.append(f"{error}; {archive} was written without the model, and is larger")
                    predictor = None
        if verify:
            with timed("verified"):
                _verify(target, written, workers, cluster, predictor, passes[1])
        target.commit()
    finally:
        target.discard()
    removed = 0
    if remove_source:
        with timed("compared with the sources, and deleted those"):
            removed, kept = remove_sources(scanned, target.path, workers, cluster, progress=passes[2])
        for failure in kept:
            fail(failure)
    warnings += advise(scanned)
    source_bytes = sum(source.size for source in scanned)
    return Compressed(len(scanned), source_bytes, written.length, tuple(failures), removed, tuple(warnings))


def scan_or_fail(source: Source, raw: RawFormat | None = None) -> ScannedSource | SpikeyError:
    """The first look at an input, or the error that it met: for workers, which all should come to an end.

    `raw` tells how samples lie in files without a header, where it is not for what stands beside them to tell.
    """
    is_raw = Path(source.name).suffix.lower() in RAW_SUFFIXES
    if is_raw and raw is None and isinstance(source, FileSource):
        raw = raw_format_beside(source.path)
    try:
        return scan(source, raw=raw if is_raw else None)
    except SpikeyError as error:
        return error


def _take_scans(looks: list[ScannedSource | SpikeyError], fail: Callable[[SpikeyError], None]) -> list[ScannedSource]:
    sources = []
    for look in looks:
        if isinstance(look, SpikeyError):
            fail(look)
        else:
            logger.info(
                "%s: %s", look.source, f"{look.layout}, grid {look.quantizer.kind}" if look.layout else "verbatim"
            )
            sources.append(look)
    return sources


def find_sessions(
    sources: Sequence[ScannedSource], peers: bool = True, *, within_groups: bool = False
) -> tuple[Topology, list[list[int]]]:
    """Topology of all threads, where wanted, and the sessions as lists of indices of WAV files.

    Bundles of a file of more than MAX_BUNDLE channels end after each so many: a peer beyond would only take another's
    place in an archive, so `within_groups` there are none.
    """
    bands: list[np.ndarray] = []
    keys: list[tuple[int, ...]] = []
    file_of_channel: list[int] = []
    for i, source in enumerate(sources):
        if source.layout:
            bands += source.bands
            is_cut = within_groups and source.channels > MAX_GROUP_CHANNELS
            for channel, band in enumerate(source.bands):
                dependency_group = (i, channel // MAX_GROUP_CHANNELS) if is_cut else ()
                # wide files have shorter excerpts, and only bands of one length can be compared
                keys.append((source.layout.n_frames, source.layout.sample_rate, band.size, *dependency_group))
            file_of_channel += [i] * source.channels
    topology = find_topology(bands, keys) if peers else Topology.independent(len(bands))
    logger.info("%s", topology)
    return topology, topology.sessions_of_files(file_of_channel)


def _embedded(predictor: Predictor | None, embed: bool | None, source_bytes: int) -> bytes:
    """The model as it goes into the directory, which stands in the archive twice."""
    if predictor is None or embed is False:
        return b""
    if embed is None:
        if len(predictor.onnx) > MAX_MODEL_BYTES:
            return b""
        least_archive = source_bytes // 6
        if 1000 * 2 * len(zlib.compress(predictor.onnx)) >= least_archive:
            return b""
    return predictor.onnx


@dataclass(frozen=True)
class Written:
    """An archive as it was written, before anything of it was read."""

    length: int
    content_digest: bytes
    """See `archive.content_digest`; of the bytes that were read of the sources."""


def write_archive(
    sources: Sequence[ScannedSource],
    file: BinaryIO,
    coder: Coder,
    predictor: Predictor | None,
    peers: bool,
    embed_model: bool | None,
    workers: Workers,
    progress: Progress | None,
) -> Written:
    """Write the archive of `sources` to a binary stream. Raises SourceChangedError where one changes meanwhile."""
    topology, sessions = find_sessions(sources, peers, within_groups=True)
    files = tuple(FileEntry(s.name, s.size, s.layout, s.quantizer) for s in sources)
    frames, channels = [file.frames for file in files], [file.channels for file in files]
    verbatim = [[i] for i, file in enumerate(files) if file.layout is None]
    model = NO_MODEL if predictor is None else predictor.digest[: len(NO_MODEL)]
    logger.info("coder %s, model %s, workers: %d", coder.name, model_name(model), workers.count)
    done, total = 0, sum(file.frames * file.frame_bytes for file in files)
    directory = Directory(files, topology, _embedded(predictor, embed_model, sum(file.size for file in files)))
    writer = ArchiveWriter(file, coder.number, model, directory)

    for digest, source in zip(writer.digests, sources, strict=True):
        digest.update(source.layout.header if source.layout else b"")
    blocks = plan_blocks(sessions, frames, channels) + plan_blocks(verbatim, frames, channels)
    across, within = workers.for_blocks(len(blocks))
    read = (read_block(sources, writer.digests, writer.directory, parts, within) for parts in blocks)
    encode = partial(encode_block, coder=coder, predictor=predictor, workers=within)
    try:
        for block in across.in_turn(encode, read):
            writer.add_block(block.steps, block.parts, block.streams)
            done += sum(part.n_frames * sources[part.file].frame_bytes for part in block.parts)
            logger.debug("coded %d parts, %d of %d bytes -> %d", len(block.parts), done, total, writer.length)
            if progress:
                progress(done, total, done / writer.length)
    except FileChangedError as error:
        raise sources[error.file].changed() from error
    for digest, source in zip(writer.digests, sources, strict=True):
        digest.update(source.layout.trailer if source.layout else b"")
        source.check_unchanged()
    return Written(writer.finish(), content_digest(writer.digests))


def _verify(
    target: WholeFile,
    written: Written,
    workers: int | None,
    cluster: Workers | None,
    predictor: Predictor | None,
    progress: Progress | None,
) -> None:
    """Raises ArchiveError where what stands in the temporary file does not decode to what was read."""
    with ArchiveReader(target.temporary, NO_LIMITS, called=target.path, remedy=_REMEDY) as reader:
        done = restore(reader, lambda name: None, workers, cluster, predictor=predictor, progress=progress)
        if done.failures:
            raise done.failures[0]
        if reader.content_digest != written.content_digest:
            raise ArchiveError(f"{target.path}: what was written is not what was read of the sources; {_REMEDY}")
