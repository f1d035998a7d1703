"""Restores the files of an archive."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePath

from ..codec.blocks import FetchedBlock, RestoredPart, restore_block
from ..codec.decoder import Decoder
from ..container.archive import ArchiveReader, content_digest
from ..container.limits import DEFAULT_LIMITS, Limits
from ..container.parts import positions_by_file
from ..container.salvage import SalvageReader
from ..errors import InputError, LimitError, SpikeyError, unknown_name
from ..model.predictor import Predictor
from ..model.zoo import model_name
from ..system.names import path_of_name
from ..system.progress import Progress, logger, timed
from ..system.whole_file import Folder, WholeFile, flush, folder_below, remove_empty
from ..system.workers import Workers, open_workers
from .file_writer import FileWriter, LostFrames, Target, join_lost
from .inputs import layout_text


@dataclass(frozen=True)
class Decompressed:
    """The result of `decompress` or `verify`.

    Attributes
    ----------
    files : int
        Number of files that were restored completely.
    bytes : int
        Their total size in bytes.
    failures : tuple of SpikeyError
        One error for each file that was not restored.
    lost : tuple of LostFrames
        Frames that could not be salvaged, and are filled with zeros.
    faults : tuple of str
        Damage outside the samples, such as in the index, that salvaging worked around.

    Examples
    --------
    >>> _ = spikey_cli.compress(["left.wav", "right.wav"], "session.spk")
    >>> spikey_cli.verify("session.spk")
    Decompressed(files=2, bytes=240088, failures=(), lost=(), faults=())
    """

    files: int
    bytes: int
    failures: tuple[SpikeyError, ...]
    lost: tuple[LostFrames, ...] = ()
    faults: tuple[str, ...] = ()


def decompress(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    files: Collection[str] | None = None,
    force: bool = False,
    skip_failing: bool = False,
    keep_going: bool = False,
    workers: int | Workers | None = None,
    predictor: Predictor | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Decompressed:
    """Restore the files of an archive below a folder, byte for byte.

    `extract` writes ranges of samples and single channels instead.

    Parameters
    ----------
    archive : path or URL
        An ``.spk`` file.
    folder : path
        Where to write; it is made if it does not exist, and removed again if nothing is restored.
    files : collection of str, optional
        Names of the files to restore; by default all.
    force : bool, optional
        Overwrite existing files.
    skip_failing : bool, optional
        Report files that are damaged or cannot be written in `Decompressed.failures`. By default the first failure is
        raised after all other files were restored.
    keep_going : bool, optional
        Salvage a damaged archive: restore every sample whose checksum is correct, fill all others with zeros, and
        report them in `Decompressed.lost`. Implies `skip_failing`.
    workers : int or Workers, optional
        Number of threads, by default (or 0) one per processor; or the cluster of
        `spikey_cli.integrations.dask.open_cluster`.
    predictor : Predictor, optional
        The network that the archive was written with, if it does not come with the package.
    limits : Limits, optional
        What the archive may ask for.
    progress : callable, optional
        Is called with (bytes done, total bytes).

    Returns
    -------
    Decompressed

    Raises
    ------
    ArchiveError
        The archive or a file in it is damaged. A damaged file is not written.
    ModelError
        The network that the archive was written with is not installed.
    InputError
        The archive has no file of a name in `files`, or a file cannot be written.
    ValueError
        `workers` is negative.

    Examples
    --------
    >>> _ = spikey_cli.compress(["left.wav", "right.wav"], "session.spk")
    >>> result = spikey_cli.decompress("session.spk", "restored")
    >>> result.files, result.bytes
    (2, 240088)
    >>> import filecmp
    >>> filecmp.cmp("left.wav", "restored/left.wav", shallow=False)
    True
    """
    if isinstance(files, str):
        raise TypeError(f"files are a list of names: pass [{files!r}]")
    root = Path(folder)
    is_new = not root.exists()
    used: set[Path] = set()
    folders: dict[str, Folder] = {}

    def open_target(name: str) -> WholeFile:
        name = path_of_name(name)
        folder = name.rpartition("/")[0]
        if folder not in folders:
            used.update(root / parent for parent in PurePath(name).parents)
            folders[folder] = folder_below(root, folder)
        return WholeFile(root / name, force=force, flush_folder=False, folder=folders[folder])

    is_needed = False
    try:
        with _open(archive, keep_going, limits, files) as reader:
            result = restore(reader, open_target, workers, files=files, predictor=predictor, progress=progress)
        is_needed = bool(result.files or result.lost or result.faults)
    finally:
        if is_new and not is_needed:
            remove_empty(used)
    failures = list(result.failures)
    for each in sorted(used | {root.parent} if is_new else used):
        try:
            flush(each)
        except InputError as error:
            failures.append(error)
    return _checked(replace(result, failures=tuple(failures)), skip_failing or keep_going)


def verify(
    archive: str | os.PathLike[str],
    *,
    skip_failing: bool = False,
    keep_going: bool = False,
    workers: int | Workers | None = None,
    predictor: Predictor | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Decompressed:
    """Decode a whole archive and compare every file with its checksum, without writing anything.

    Parameters
    ----------
    archive : path or URL
        An ``.spk`` file.
    skip_failing, keep_going, workers, predictor, limits, progress
        As in `decompress`.

    Returns
    -------
    Decompressed

    Raises
    ------
    ArchiveError
        The archive or a file in it is damaged.
    ModelError
        The network that the archive was written with is not installed.

    Examples
    --------
    >>> _ = spikey_cli.compress(["left.wav", "right.wav"], "session.spk")
    >>> spikey_cli.verify("session.spk").failures
    ()
    """
    with _open(archive, keep_going, limits) as reader:
        result = restore(reader, lambda name: None, workers, predictor=predictor, progress=progress)
    return _checked(result, skip_failing or keep_going)


def _open(
    archive: str | os.PathLike[str], keep_going: bool, limits: Limits | None, files: Collection[str] | None = None
) -> ArchiveReader:
    """Open an archive, and log the files that will be decoded."""
    reader = (SalvageReader if keep_going else ArchiveReader)(archive, limits or DEFAULT_LIMITS)
    for entry in reader.directory.files:
        if (files is None or entry.name in files) and not entry.kept:
            logger.info("%s: %s", entry.name, partial(layout_text, entry.layout, entry.quantizer))
    return reader


def _checked(result: Decompressed, skip_failing: bool) -> Decompressed:
    if result.failures and not skip_failing:
        raise result.failures[0]
    return result


def restore(
    reader: ArchiveReader,
    open_target: Callable[[str], Target | None],
    workers: int | Workers | None,
    *,
    files: Collection[str] | None = None,
    predictor: Predictor | None = None,
    progress: Progress | None = None,
) -> Decompressed:
    """Decode files and pass their bytes to targets.

    Parameters
    ----------
    reader : ArchiveReader
        A `SalvageReader` makes it salvage.
    open_target : callable
        Returns the target of a file by its name, or None to check the file only.
    workers, files, predictor, progress
        As in `decompress`.

    Returns
    -------
    Decompressed
        With the failures of single files.

    Raises
    ------
    ArchiveError
        The archive as a whole is damaged: for example, every file is intact and the archive's SHA-256 differs.
    """
    decoder = Decoder.of(reader, predictor)
    logger.info(
        "%s: format %s, coder %s, model %s, files: %d, blocks: %d",
        reader.path,
        reader.version,
        decoder.coder.name,
        model_name(reader.model),
        len(stored := [entry for entry in reader.directory.files if entry.is_file]),
        len(reader.index.blocks),
    )
    faults = reader.faults if isinstance(reader, SalvageReader) else None
    writers = {
        i: FileWriter(entry, reader, reader.index.file_crcs[i], salvage=faults is not None)
        for i, entry in enumerate(reader.directory.files)
        if entry.is_file and (files is None or entry.name in files)
    }
    unknown = set(files or ()) - {writer.entry.name for writer in writers.values()}
    if unknown:
        raise unknown_name(reader.path, "file", min(unknown), [entry.name for entry in stored])
    try:
        # the pool is closed, and nobody writes any more, before anything is discarded
        with timed("decoded"), open_workers(workers) as pool:
            pool.map(lambda writer: writer.attempt(partial(writer.begin, open_target)), list(writers.values()))
            _restore_blocks(decoder, writers, pool, progress)
            pool.map(lambda writer: writer.attempt(writer.end), list(writers.values()))
    finally:
        for writer in writers.values():
            writer.discard()
    complete = [writer for writer in writers.values() if writer.is_complete]
    is_whole_archive = len(complete) == len(stored) and reader.content_digest
    if is_whole_archive and content_digest([writer.digest for writer in complete]) != reader.content_digest:
        raise reader.damaged("what was decoded does not match the archive's SHA-256: do not trust the files")
    # one reason, such as a full disk, may keep many files from being written: report it once
    failures = {str(writer.failure): writer.failure for writer in writers.values() if writer.failure}
    lost = join_lost(item for writer in writers.values() if writer.failure is None for item in writer.lost)
    size = sum(writer.entry.size for writer in complete)
    return Decompressed(len(complete), size, tuple(failures.values()), tuple(lost), tuple(faults or ()))


def _restore_blocks(
    decoder: Decoder, writers: dict[int, FileWriter], workers: Workers, progress: Progress | None
) -> None:
    blocks = decoder.reader.index.blocks
    across, within = workers.for_blocks(len(blocks))
    members = decoder.reader.directory.members
    done, total = 0, sum(writer.entry.body_bytes for writer in writers.values())

    def fetch() -> Iterator[FetchedBlock]:
        for b, block in enumerate(blocks):
            files = {members[part.file].start for part in block.parts}
            wanted = {file for file in files if file in writers and writers[file].failure is None}
            if wanted:
                try:
                    yield decoder.fetch_block(b, wanted)
                except SpikeyError as error:
                    if isinstance(error, LimitError) or not isinstance(decoder.reader, SalvageReader):
                        for i in wanted:
                            writers[i].fail(error)

    def write(parts: list[RestoredPart]) -> None:
        writer = writers[parts[0].part.file]
        for restored in parts:
            writer.attempt(partial(writer.add, restored))

    for decoded in decoder.decode_blocks(restore_block, fetch(), across, within):
        # files are written in parallel: most of that time is spent waiting for the disk
        within.map(write, [[decoded[i] for i in positions] for positions in positions_by_file(d.part for d in decoded)])
        done += sum(len(d.data) for d in decoded)
        logger.debug("decoded %d parts, %d of %d bytes", len(decoded), done, total)
        if progress:
            progress(done, total)
        del decoded  # frees the block before the next one is decoded
