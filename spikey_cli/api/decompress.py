"""An archive to files."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..codec.blocks import Decoder, FetchedBlock, RestoredPart, restore_block
from ..container.archive import ArchiveReader, content_digest
from ..container.limits import DEFAULT_LIMITS, Limits
from ..container.parts import positions_by_file
from ..container.salvage import SalvageReader
from ..errors import ArchiveError, InputError, LimitError, SpikeyError, unknown_name
from ..model.predictor import Predictor
from ..model.zoo import model_name
from ..system.progress import Progress, logger, timed
from ..system.whole_file import WholeFile, flush
from ..system.workers import Workers, open_workers
from .file_writer import FileWriter, Lost, Target, joined


@dataclass(frozen=True)
class Decompressed:
    """What `decompress` or `verify` did."""

    files: int
    """Files that came back whole."""
    bytes: int
    """Their length."""
    failures: tuple[SpikeyError, ...]
    """Why others did not, one error each."""
    lost: tuple[Lost, ...] = ()
    """What could not be salvaged: silence stands for it."""
    faults: tuple[str, ...] = ()
    """What is damaged of a salvaged archive's own frame."""


def decompress(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    files: Collection[str] | None = None,
    workers: int | None = None,
    cluster: Workers | None = None,
    force: bool = False,
    skip_failing: bool = False,
    keep_going: bool = False,
    predictor: Predictor | None = None,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> Decompressed:
    """Restore the files of an archive below a folder, each to its last byte.

    Args:
        archive: path of an `.spk` file.
        folder: where to; made if it is not there.
        files: names of the files to restore; by default all.
        workers: threads of execution; by default one for each processor.
        cluster: others that decode all blocks; see `spikey_cli.integrations.dask.open_cluster`.
        force: replace files that exist.
        skip_failing: where files are damaged or cannot be written, return and tell which. Otherwise the first failure
            is raised, once all other files are restored.
        keep_going: salvage what is left of a damaged archive. Every sample whose checksum is right is restored;
            silence stands for all others, and the result tells where.
        predictor: the network that the archive was written with, where it did not come with the package.
        progress: called with (bytes done, bytes in all).
        limits: what the archive may ask for; by default as `spikey_cli.Limits` has it.

    Raises:
        ArchiveError: the archive, or a file in it, is damaged. No file appears that is not whole, or salvaged.
        ModelError: the model that it was written with is not installed.
        InputError: a name in `files` is not in the archive, or a file cannot be written.
    """
    root = Path(folder)
    folders: set[Path] = set() if root.exists() else {root.parent}

    def target(name: str) -> WholeFile:
        folders.update(root / above for above in Path(name).parents)
        return WholeFile.below(root, name, force=force, flush_folder=False)

    with _open(archive, keep_going, limits) as reader:
        _tell_files(reader, files)
        done = restore(reader, target, workers, cluster, files=files, predictor=predictor, progress=progress)
    failures = list(done.failures)
    for used in sorted(folders):
        try:
            flush(used)
        except InputError as error:
            failures.append(error)
    return _told(replace(done, failures=tuple(failures)), skip_failing or keep_going)


def verify(
    archive: str | os.PathLike[str],
    *,
    workers: int | None = None,
    cluster: Workers | None = None,
    skip_failing: bool = False,
    keep_going: bool = False,
    predictor: Predictor | None = None,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> Decompressed:
    """Decode a whole archive and compare every file with its checksum; write nothing.

    Raises as `decompress` does. With `keep_going` it returns instead, and tells what is lost.
    """
    with _open(archive, keep_going, limits) as reader:
        _tell_files(reader)
        done = restore(reader, lambda name: None, workers, cluster, predictor=predictor, progress=progress)
    return _told(done, skip_failing or keep_going)


def _open(archive: str | os.PathLike[str], keep_going: bool, limits: Limits | None) -> ArchiveReader:
    return (SalvageReader if keep_going else ArchiveReader)(archive, limits or DEFAULT_LIMITS)


def _tell_files(reader: ArchiveReader, chosen: Collection[str] | None = None) -> None:
    for file in reader.directory.files:
        if chosen is None or file.name in chosen:
            logger.info(
                "%s: %s", file.name, f"{file.layout}, grid {file.quantizer.kind}" if file.layout else "verbatim"
            )


def _told(done: Decompressed, skip_failing: bool) -> Decompressed:
    if done.failures and not skip_failing:
        raise done.failures[0]
    return done


def _begin(file: FileWriter, target: Callable[[str], Target | None]) -> None:
    file.begin(target(file.entry.name))


def restore(
    reader: ArchiveReader,
    target: Callable[[str], Target | None],
    workers: int | None,
    cluster: Workers | None = None,
    *,
    files: Collection[str] | None = None,
    predictor: Predictor | None = None,
    progress: Progress | None = None,
) -> Decompressed:
    """Decode `files`, by default all, and give each one's bytes to what `target` makes for its name.

    What a `SalvageReader` reads is salvaged. Of files that fail the result tells. Raises ArchiveError where all are
    well and the archive's SHA-256 is another, and otherwise as `decompress` does.
    """
    decoder = Decoder.of(reader, predictor)
    logger.info(
        "%s: format %s, coder %s, model %s, files: %d, blocks: %d",
        reader.path,
        ".".join(map(str, reader.version)),
        decoder.coder.name,
        model_name(reader.model),
        len(reader.directory.files),
        len(reader.index.blocks),
    )
    faults = reader.faults if isinstance(reader, SalvageReader) else None
    chosen = {
        i: FileWriter(entry, reader, reader.index.file_crcs[i], keep_going=faults is not None)
        for i, entry in enumerate(reader.directory.files)
        if files is None or entry.name in files
    }
    missing = set(files or ()) - {file.entry.name for file in chosen.values()}
    if missing:
        raise unknown_name(reader.path, "file", min(missing), [file.name for file in reader.directory.files])
    try:
        # workers have come to an end before anything is discarded
        with timed("decoded"), open_workers(workers, cluster) as pool:
            pool.map(lambda file: file.attempt(partial(_begin, file, target)), list(chosen.values()))
            _restore_blocks(decoder, chosen, pool, progress)
            pool.map(lambda file: file.attempt(file.end), list(chosen.values()))
    finally:
        for file in chosen.values():
            file.discard()
    whole = [file for file in chosen.values() if file.is_whole]
    is_all = len(whole) == len(reader.directory.files) and reader.content_digest
    if is_all and content_digest([file.digest for file in whole]) != reader.content_digest:
        raise ArchiveError(
            f"{reader.path}: what was decoded does not match the archive's SHA-256; "
            f"do not trust the files; {reader.remedy}"
        )
    # what keeps many files from being written is told once
    failures = tuple({str(file.failure): file.failure for file in chosen.values() if file.failure}.values())
    lost = joined(one for file in chosen.values() if file.failure is None for one in file.lost)
    restored_bytes = sum(file.entry.size for file in whole)
    return Decompressed(len(whole), restored_bytes, failures, tuple(lost), tuple(faults or ()))


def _restore_blocks(
    decoder: Decoder, files: dict[int, FileWriter], workers: Workers, progress: Progress | None
) -> None:
    blocks = decoder.reader.index.blocks
    across, within = workers.for_blocks(len(blocks))
    done, total = 0, sum(file.entry.frames * file.entry.frame_bytes for file in files.values())

    def fetch() -> Iterator[FetchedBlock]:
        for b, block in enumerate(blocks):
            here = {part.file for part in block.parts if part.file in files and files[part.file].failure is None}
            if here:
                try:
                    yield decoder.fetch_block(b, here)
                except SpikeyError as error:
                    if isinstance(error, LimitError) or not isinstance(decoder.reader, SalvageReader):
                        for i in here:
                            files[i].fail(error)

    def add_all(of_file: list[RestoredPart]) -> None:
        file = files[of_file[0].part.file]
        for restored in of_file:
            file.attempt(partial(file.add, restored))

    for decoded in decoder.decode_blocks(restore_block, fetch(), across, within):
        # to the disk side by side: most of the time there is spent waiting
        within.map(add_all, [[decoded[i] for i in own] for own in positions_by_file(d.part for d in decoded)])
        done += sum(d.part.n_frames * files[d.part.file].entry.frame_bytes for d in decoded)
        logger.debug("decoded %d parts, %d of %d bytes", len(decoded), done, total)
        if progress:
            progress(done, total)
        del decoded  # not to be kept while the next block is decoded
