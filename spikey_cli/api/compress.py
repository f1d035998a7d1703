"""Compresses files and arrays into an archive."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..codec.block_plan import plan_blocks
from ..codec.blocks import FileChangedError, encode_block, read_block
from ..codec.presets import DEFAULT_PRESET, PRESETS, Preset, find_preset
from ..codec.scan import ScannedSource, SourceChangedError
from ..container.archive import NO_MODEL, ArchiveReader, ArchiveWriter
from ..container.directory import MAX_MODEL_BYTES, Directory, FileEntry, record_entries
from ..container.limits import NO_LIMITS
from ..core.coders import Coder, find_coder
from ..errors import InputError, SelfTestError, SpikeyError, SpikeyWarning
from ..io.source import FileSource, Source
from ..model.predictor import Predictor, default_predictor
from ..model.zoo import model_name
from ..system.progress import Progress, logger, stages, timed, waiting
from ..system.whole_file import WholeFile
from ..system.workers import Workers, open_workers
from ..topology.discovery import USUAL_EARLIER, USUAL_ORDER_COST, Residual, find_topology
from ..topology.references import MAX_GROUP_CHANNELS
from ..topology.topology import Topology
from .decompress import restore
from .inputs import (
    check_not_input,
    check_replaceable,
    find_sources,
    is_about,
    scan_sources,
    without_archive,
    without_collisions,
)
from .remove_source import check_removable, remove_sources
from .warnings import warn_about

_REMEDY = "the archive is deleted; compress again, check memory and disk, and report it if it happens twice"

_GROUP_CHANNELS, _GROUP_SAMPLES = 64, 1 << 20
"""Channels of a wide file that depend on each other: so many, or as many as have so many samples. Reading one of them
decodes all, and each worker takes whole groups.
"""


@dataclass(frozen=True)
class Encoding:
    """Everything except the inputs that decides an archive's bytes.

    Parameters
    ----------
    coder : {"rice", "range", "huffman"}, optional
        The entropy coder: "range" compresses best, "rice" decodes fastest. By default that of the preset: "rice" of
        "fast", else "range".
    predictor : Predictor, optional
        The prediction network; by default the one that comes with the package.
    peers : bool, optional
        Find channels that were recorded together, and predict them from each other. Without it every channel can be
        decoded, or damaged, independently, and archives are larger.
    embed_model : bool, optional
        Store the network in the archive, so that it can be read where the network is not installed. By default it is
        stored if that takes less than a thousandth of the archive.
    preset : {"default", "fast", "best"}, optional
        How much time is spent on small archives, in both directions.

    Raises
    ------
    ValueError
        There is no such coder or preset.

    Examples
    --------
    >>> spikey_cli.Encoding("range", peers=False)
    Encoding(coder='range', predictor=None, peers=False, embed_model=None, preset='default')
    >>> spikey_cli.compress(["left.wav", "right.wav"], "small.spk", coder=spikey_cli.Encoding("range")).files
    2
    """

    coder: str | None = None
    predictor: Predictor | None = None
    peers: bool = True
    embed_model: bool | None = None
    preset: str = DEFAULT_PRESET

    def __post_init__(self) -> None:
        find_preset(self.preset)
        if self.coder:
            find_coder(self.coder)


@dataclass(frozen=True)
class Compressed:
    """The result of `compress`.

    Attributes
    ----------
    files : int
        Number of files in the archive.
    source_bytes : int
        Their total size in bytes.
    archive_bytes : int
        Size of the archive in bytes.
    failures : tuple of SpikeyError
        One error for each input that was left out, or that was not deleted although `remove_source` was given.
    removed : int
        Number of sources that were deleted.
    warnings : tuple of SpikeyWarning
        What is complete but probably not as intended: inputs that look like recordings and were stored verbatim, or an
        archive that was written without the network because its self-test failed on this machine.
    ratio : float
        Compression ratio: source bytes per archive byte.

    Examples
    --------
    >>> result = spikey_cli.compress(["left.wav", "absent.wav"], "session.spk", skip_failing=True)
    >>> result.files, [str(failure) for failure in result.failures]
    (1, ['absent.wav: cannot read: No such file or directory; check the name'])
    """

    files: int
    source_bytes: int
    archive_bytes: int
    failures: tuple[SpikeyError, ...]
    removed: int = 0
    warnings: tuple[SpikeyWarning, ...] = ()

    @property
    def ratio(self) -> float:
        """Compression ratio: source bytes per archive byte."""
        return self.source_bytes / self.archive_bytes


def compress(
    inputs: Iterable[str | os.PathLike[str] | Source],
    archive: str | os.PathLike[str],
    *,
    coder: str | Encoding | None = None,
    recursive: bool = False,
    force: bool = False,
    verify: bool = True,
    remove_source: bool = False,
    skip_failing: bool = False,
    workers: int | Workers | None = None,
    progress: Progress | None = None,
) -> Compressed:
    """Compress files and arrays into one archive, losslessly: every byte of every file is restored from it.

    Options that decide the archive's bytes are grouped in `Encoding`, and those that describe one input in its source
    (`FileSource`, `ArraySource`); the parameters here decide how the work is done.

    Parameters
    ----------
    inputs : iterable of path or Source
        Paths of WAV and NPY files and of raw samples with a sidecar; other files are stored verbatim. A `FileSource`
        states what its file does not, an `ArraySource` is restored as an NPY file, a `BytesSource` as a small file.
    archive : path
        The ``.spk`` file to write. It appears under this name only when it is complete.
    coder : str or Encoding, optional
        The name of the entropy coder, or an `Encoding` with preset, coder, predictor and peers.
    recursive : bool, optional
        Take all files below folders.
    force : bool, optional
        Overwrite an existing archive. Files that are not archives are never overwritten.
    verify : bool, optional
        Decode the archive, and compare it with what was read, before it gets its name.
    remove_source : bool, optional
        Delete the input files after the archive was read back from the disk and compared with them, byte for byte. A
        file that failed, is a link or has changed is kept, and reported among the failures.
    skip_failing : bool, optional
        Leave out inputs that cannot be read and report them in `Compressed.failures`, instead of raising.
    workers : int or Workers, optional
        Number of threads, by default (or 0) one per processor; or the cluster of
        `spikey_cli.integrations.dask.open_cluster`. The archive does not depend on it.
    progress : callable, optional
        Is called with (bytes done, total bytes, compression ratio so far or None). Verifying and comparing count as
        much as compressing.

    Returns
    -------
    Compressed

    Raises
    ------
    InputError
        An input cannot be read, two have the same name, or the archive cannot be written.
    ArchiveError
        The written archive does not decode to what was read; it is deleted.
    ClusterError
        The cluster failed; no archive is written.
    ValueError
        There is no such coder, `workers` is negative, or `remove_source` is combined with `force` (the archive that is
        overwritten may be all that is left of other sources) or with ``verify=False``.

    Examples
    --------
    >>> result = spikey_cli.compress(["left.wav", "right.wav"], "session.spk", coder="range")
    >>> result.files, result.source_bytes
    (2, 240088)
    >>> result.ratio > 2
    True

    An array is restored as an NPY file:

    >>> samples = np.arange(6000, dtype=np.int16).reshape(3000, 2)
    >>> source = spikey_cli.ArraySource(samples, "probe.npy", sample_rate=30_000)
    >>> spikey_cli.compress([source], "probe.spk").source_bytes
    12128
    """
    if isinstance(inputs, (str, os.PathLike)):
        raise TypeError(f"inputs are a list of files: pass [{os.fspath(inputs)!r}]")
    inputs = list(inputs)
    encoding = coder if isinstance(coder, Encoding) else Encoding(coder)
    preset = find_preset(encoding.preset)
    if remove_source:
        if force or not verify:
            raise ValueError("remove_source cannot be combined with force=True or verify=False")
        if not all(isinstance(item, (str, os.PathLike, FileSource)) for item in inputs):
            raise ValueError("remove_source deletes files, and some inputs are not files")
        if not encoding.embed_model:
            check_removable(encoding.predictor)
    failures: list[SpikeyError] = []

    def fail(error: SpikeyError) -> None:
        if not skip_failing:
            raise error
        failures.append(error)

    path = Path(archive)
    check_not_input(path, inputs)
    check_replaceable(path)
    named = without_collisions(find_sources(inputs, recursive=recursive, fail=fail), fail)
    sources, warnings = without_archive(named, path)
    predictor: Predictor | None = encoding.predictor or default_predictor()
    if path.is_symlink():
        warnings.append(
            SpikeyWarning(f"{archive}: was a link, which the archive replaces; what it led to is unchanged")
        )
    progress_stages = stages(progress, 1 + verify + remove_source)
    target = WholeFile(path, force=force)
    try:
        with open_workers(workers) as pool:
            with timed("scanned"), waiting("reading the inputs"):
                scanned = scan_sources(sources, pool, fail)
            while True:
                if not scanned:
                    raise failures[-1] if failures else InputError(f"{archive}: there are no inputs; name files")
                try:
                    with target.writing() as file, timed("compressed"):
                        written = write_archive(
                            scanned,
                            file,
                            find_coder(encoding.coder or preset.coder),
                            predictor,
                            pool,
                            preset=preset,
                            peers=encoding.peers,
                            embed_model=encoding.embed_model,
                            progress=progress_stages[0],
                        )
                    break
                except SourceChangedError as error:
                    # the archive's directory lists the file already: start again without it
                    fail(error)
                    lost = [error.source.source]
                    scanned = [
                        s for s in scanned if s.source is not error.source.source and not is_about(s.source, lost)
                    ]
                except SelfTestError as error:
                    # no other machine could read what it predicted: start again without the network
                    warnings.append(SpikeyWarning(f"{error}; {archive} was written without the model, and is larger"))
                    predictor = None
        if verify:
            with timed("verified"):
                _verify(target, written, workers, predictor, progress_stages[1])
        target.commit()
    finally:
        target.discard()
    removed = 0
    if remove_source:
        with timed("compared with the sources and deleted them"):
            removed, not_removed = remove_sources(scanned, path, workers, progress=progress_stages[2])
        for reason in not_removed:
            fail(reason)
    warnings += warn_about(scanned)
    source_bytes = sum(source.size for source in scanned)
    return Compressed(len(scanned), source_bytes, written.length, tuple(failures), removed, tuple(warnings))


def find_sessions(
    sources: Sequence[ScannedSource],
    max_earlier: int = USUAL_EARLIER,
    order_cost: float = USUAL_ORDER_COST,
    *,
    within_groups: bool = False,
) -> tuple[Topology, list[list[int]]]:
    """Find which channels and files were recorded together.

    Parameters
    ----------
    sources : sequence of ScannedSource
        Files of records are followed by their groups.
    max_earlier : int, optional
        Most channels of earlier passes that a channel references; 0 makes all channels independent.
    order_cost : float, optional
        As that of `find_topology`.
    within_groups : bool, optional
        Cut the channels of a wide file into groups that are decoded apart, and search for references within a group
        only, as an archive's blocks have no others.

    Returns
    -------
    topology : Topology
        Of all channels, file by file.
    sessions : list of list of int
        Indices of the sources with samples that were recorded together; a file of records stands with its groups.
    """
    residuals: list[Residual] = []
    keys: list[tuple[int, ...]] = []
    file_of_channel: list[int] = []
    for i, source in enumerate(sources):
        if source.layout:
            residuals += source.residuals
            n_groups = -(-source.channels // _group_channels(source.layout.n_frames)) if within_groups else 1
            for channel, residual in enumerate(source.residuals):
                group = (i, channel * n_groups // source.channels) if n_groups > 1 else ()
                # Only channels with excerpts of equal length, cut at the same frames, can be compared.
                unit = source.records.groups[source.group].samples if source.records else 1
                keys.append((source.layout.n_frames, source.layout.sample_rate, unit, residual.samples.size, *group))
            file_of_channel += [i] * source.channels
    topology = find_topology(residuals, keys, max_earlier, order_cost)
    logger.info("%s", topology)
    sessions = topology.sessions_of_files(file_of_channel)
    return topology, _with_whole_records(sessions, sources) if any(source.groups for source in sources) else sessions


def _with_whole_records(sessions: Sequence[Sequence[int]], sources: Sequence[ScannedSource]) -> list[list[int]]:
    """Join the sessions of the groups of each file of records, and add the file itself if it has samples."""
    first = 0
    files = [(first := i) if source.group < 0 else first for i, source in enumerate(sources)]
    session_of: dict[int, list[int]] = {}
    for session in sessions:
        shared = {id(other): other for i in session if (other := session_of.get(files[i]))}
        whole = [i for each in (*shared.values(), session) for i in each]
        session_of |= {files[i]: whole for i in whole}
    return [
        sorted({*session, *(files[i] for i in session if (own := sources[files[i]].records) and own.kept.bytes)})
        for session in {id(each): each for each in session_of.values()}.values()
    ]


def _group_channels(n_frames: int) -> int:
    """Largest number of a file's channels that depend on each other."""
    return min(MAX_GROUP_CHANNELS, max(_GROUP_CHANNELS, _GROUP_SAMPLES // max(n_frames, 1)))


def _embedded_model(predictor: Predictor | None, embed: bool | None, source_bytes: int) -> bytes:
    """Return the model to store in the directory, or no bytes. The archive holds its directory twice."""
    if predictor is None or embed is False:
        return b""
    if embed is None:
        if len(predictor.onnx) > MAX_MODEL_BYTES:
            return b""
        estimated_archive = source_bytes // 6
        if 1000 * 2 * len(zlib.compress(predictor.onnx)) >= estimated_archive:
            return b""
    return predictor.onnx


class Written(NamedTuple):
    """An archive that was written and not yet read back."""

    length: int
    """Size in bytes."""
    content_digest: bytes
    """`archive.content_digest` of the bytes that were read from the sources."""


def write_archive(
    sources: Sequence[ScannedSource],
    file: BinaryIO,
    coder: Coder,
    predictor: Predictor | None,
    workers: Workers,
    *,
    preset: Preset = PRESETS[DEFAULT_PRESET],
    peers: bool = True,
    embed_model: bool | None = None,
    may_use_lzma: bool = True,
    progress: Progress | None = None,
) -> Written:
    """Write the archive of scanned sources to a binary file.

    Parameters
    ----------
    sources : sequence of ScannedSource
    file : binary file
        Open for writing, empty.
    coder : Coder
    predictor : Predictor or None
        None: the adaptation alone predicts.
    workers : Workers
    preset : Preset
    peers, embed_model, progress
        As in `Encoding` and `compress`.
    may_use_lzma : bool
        Whether a decoder has LZMA; those of chunks need not.

    Raises
    ------
    SourceChangedError
        A source has changed since it was scanned.
    SelfTestError
        The predictor's self-test failed.
    """
    members = [member for source in sources for member in source.members]
    topology, sessions = find_sessions(members, preset.earlier if peers else 0, preset.order_cost, within_groups=True)
    files = tuple(entry for source in sources for entry in _entries(source))
    frames, channels = [entry.frames for entry in files], [entry.channels for entry in files]
    units = [entry.unit for entry in files]
    verbatim = [[i] for i, s in enumerate(members) if s.layout is None and not s.groups and files[i].frames]
    model = NO_MODEL if predictor is None else predictor.digest[: len(NO_MODEL)]
    done, total = 0, sum(entry.frames * entry.frame_bytes for entry in files)
    if predictor is None or not predictor.message_peers:
        topology = topology.without_metrics()
    embedded = _embedded_model(predictor, embed_model, sum(entry.size for entry in files))
    directory = Directory(files, topology, embedded)
    blocks = plan_blocks(sessions, frames, channels, units)
    logger.info("coder %s, model %s, workers: %d", coder.name, model_name(model), workers.count)
    writer = ArchiveWriter(file, coder.number, preset.effort, model, directory, may_use_lzma=may_use_lzma)

    for digest, entry in zip(writer.digests, files, strict=True):
        digest.update(entry.header)
    blocks += plan_blocks(verbatim, frames, channels, units)
    for block_parts in blocks:
        block_parts.sort(key=lambda part: files[part.file].layout is None)
    across, within = workers.for_blocks(len(blocks))
    source_blocks = (read_block(members, writer.digests, writer.directory, parts, within) for parts in blocks)
    encode = partial(
        encode_block, coder=coder, predictor=predictor, workers=within, preset=preset, may_use_lzma=may_use_lzma
    )
    try:
        for block in across.in_turn(encode, source_blocks):
            writer.add_block(block.steps, block.parts, block.streams)
            done += sum(part.n_frames * files[part.file].frame_bytes for part in block.parts)
            logger.debug("coded %d parts, %d of %d bytes -> %d", len(block.parts), done, total, writer.length)
            if progress:
                progress(done, total, done / writer.length)
    except FileChangedError as error:
        raise members[error.file].changed() from error
    for digest, entry in zip(writer.digests, files, strict=True):
        digest.update(entry.trailer)
    for source in sources:
        source.check_unchanged()
    return Written(writer.finish(), writer.content_digest)


def _entries(source: ScannedSource) -> tuple[FileEntry, ...]:
    """The entries of a source in the directory."""
    if source.records:
        return record_entries(source.name, source.records, [(one.quantizer, one.scaling) for one in source.groups])
    return (FileEntry(source.name, source.size, source.layout, source.quantizer, source.scaling),)


def _verify(
    target: WholeFile,
    written: Written,
    workers: int | Workers | None,
    predictor: Predictor | None,
    progress: Progress | None,
) -> None:
    """Raise ArchiveError if the temporary file does not decode to what was read."""
    with ArchiveReader(target.temporary, NO_LIMITS, called=target.path, remedy=_REMEDY) as reader:
        restored = restore(reader, lambda name: None, workers, predictor=predictor, progress=progress)
        if restored.failures:
            raise restored.failures[0]
        if reader.content_digest != written.content_digest:
            raise reader.damaged("what was written differs from what was read")
