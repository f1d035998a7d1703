"""An archive to files."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .archive import ArchiveReader, FileDigest, seal
from .atomic import WholeFile, flush
from .blocks import positions_by_file
from .codec import DecodedPart, Decoder, FetchedBlock
from .compressor import Progress
from .errors import ArchiveError, InputError, SpikeyError
from .limits import DEFAULT_LIMITS, Limits
from .predictor import Predictor
from .tables import FileEntry
from .workers import Workers, open_workers

_REMEDY = "restore the archive from a copy"


@dataclass(frozen=True)
class Decompressed:
    """What `decompress` or `verify` did."""

    files: int
    """Files that came back whole."""
    bytes: int
    """Their length."""
    failures: tuple[SpikeyError, ...]
    """Why others did not, one error each."""


def decompress(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    files: Collection[str] | None = None,
    workers: int | None = None,
    force: bool = False,
    skip_failing: bool = False,
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
        force: replace files that exist.
        skip_failing: where files are damaged or cannot be written, return and tell which. Otherwise the first failure
            is raised, once all other files are restored.
        predictor: the network that the archive was written with, where it did not come with the package.
        progress: called with (bytes done, bytes in all).
        limits: what the archive may ask for; by default as `spikey_cli.Limits` has it.

    Raises:
        ArchiveError: the archive, or a file in it, is damaged. No file appears that is not whole.
        ModelError: the model that it was written with is not installed.
        InputError: a name in `files` is not in the archive, or a file cannot be written.
    """
    root = Path(folder)
    folders: set[Path] = set()

    def target(name: str) -> WholeFile:
        folders.add((root / name).parent)
        return WholeFile.below(root, name, force=force)

    try:
        return _restore(archive, files, target, workers, skip_failing, predictor, progress, limits)
    finally:
        for used in folders:
            flush(used)


def verify(
    archive: str | os.PathLike[str],
    *,
    workers: int | None = None,
    skip_failing: bool = False,
    predictor: Predictor | None = None,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> Decompressed:
    """Decode a whole archive and compare every file with its checksum; write nothing. Raises as `decompress` does."""
    return _restore(archive, None, lambda name: None, workers, skip_failing, predictor, progress, limits)


class _Restoration:
    """One file on its way back: its bytes go through the digest, and to the disk where there is a target."""

    def __init__(self, entry: FileEntry, archive: Path, crc: int) -> None:
        self.entry = entry
        self.digest = FileDigest()
        self.failure: SpikeyError | None = None
        self._archive = archive
        self._crc = crc
        self._left = entry.frames
        self._target: WholeFile | None = None

    def begin(self, target: WholeFile | None) -> None:
        self._target = target
        self._add(self.entry.layout.head if self.entry.layout else b"", 0)

    def add(self, decoded: DecodedPart) -> None:
        part, data = decoded.part, decoded.data(self.entry)
        if data is None:
            end = part.first_frame + part.n_frames
            raise self._damaged(f"a stream of frames {part.first_frame} to {end} does not match its checksum")
        self._add(data, part.n_frames)

    def _add(self, data: bytes, frames: int) -> None:
        self._left -= frames
        if self._left == 0 and self.entry.layout:
            data += self.entry.layout.tail
        self.digest.update(data)
        if self._target and data:
            self._target.append(data)
        if self._left == 0:
            if self.digest.crc != self._crc:
                raise self._damaged("what was decoded does not match the file's checksum")
            if self._target:
                self._target.commit(flush_folder=False)

    def _damaged(self, what: str) -> ArchiveError:
        return ArchiveError(f"{self._archive}: {self.entry.name} is damaged: {what}; {_REMEDY}")

    def attempt(self, step: Callable[[], None]) -> None:
        """Take a step unless an earlier one failed; keep the failure, and nothing of the file."""
        if self.failure is None:
            try:
                step()
            except SpikeyError as error:
                self.fail(error)

    def fail(self, error: SpikeyError) -> None:
        self.failure = self.failure or error
        self.discard()

    def discard(self) -> None:
        if self._target:
            self._target.discard()


def _begin(file: _Restoration, target: Callable[[str], WholeFile | None]) -> None:
    file.begin(target(file.entry.name))


def _restore(
    archive: str | os.PathLike[str],
    names: Collection[str] | None,
    target: Callable[[str], WholeFile | None],
    workers: int | None,
    skip_failing: bool,
    predictor: Predictor | None,
    progress: Progress | None,
    limits: Limits | None,
) -> Decompressed:
    with ArchiveReader(archive, limits or DEFAULT_LIMITS) as reader, open_workers(workers) as pool:
        decoder = Decoder.of(reader, predictor)
        files = {
            i: _Restoration(entry, reader.path, reader.index.file_crcs[i])
            for i, entry in enumerate(reader.directory.files)
            if names is None or entry.name in names
        }
        missing = set(names or ()) - {file.entry.name for file in files.values()}
        if missing:
            raise InputError(f"{reader.path}: holds no file {sorted(missing)[0]!r}; `spikey info` lists its files")
        try:
            pool.map(lambda file: file.attempt(partial(_begin, file, target)), list(files.values()))
            _restore_blocks(decoder, files, pool, progress)
        finally:
            for file in files.values():
                file.discard()
        whole = [file for file in files.values() if file.failure is None]
        if len(whole) == len(reader.directory.files) and seal([file.digest for file in whole]) != reader.seal:
            raise ArchiveError(
                f"{reader.path}: what was decoded does not match the archive's SHA-256; "
                f"do not trust the files; {_REMEDY}"
            )
    failures = tuple(dict.fromkeys(file.failure for file in files.values() if file.failure))
    if failures and not skip_failing:
        raise failures[0]
    return Decompressed(len(whole), sum(file.entry.size for file in whole), failures)


def _restore_blocks(
    decoder: Decoder, files: dict[int, _Restoration], workers: Workers, progress: Progress | None
) -> None:
    blocks = decoder.reader.index.blocks
    across, within = workers.for_blocks(len(blocks))
    done, total = 0, sum(file.entry.size for file in files.values())

    def fetch() -> Iterator[FetchedBlock]:
        for b, block in enumerate(blocks):
            here = {part.file for part in block.parts if part.file in files and files[part.file].failure is None}
            if here:
                try:
                    yield decoder.fetch_block(b, here)
                except SpikeyError as error:
                    for i in here:
                        files[i].fail(error)

    def add_all(of_file: list[DecodedPart]) -> None:
        file = files[of_file[0].part.file]
        for decoded in of_file:
            file.attempt(partial(file.add, decoded))

    for decoded in across.in_turn(partial(decoder.decode_block, workers=within), fetch()):
        # to the disk side by side: most of the time there is spent waiting
        within.map(add_all, [[decoded[i] for i in own] for own in positions_by_file(d.part for d in decoded)])
        done += sum(d.part.n_frames * files[d.part.file].entry.frame_bytes for d in decoded)
        if progress:
            progress(done, total)
        del decoded  # not to be kept while the next block is decoded
