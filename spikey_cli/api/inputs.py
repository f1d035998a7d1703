"""Selects the inputs of an archive and their names in it."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from ..codec.scan import ScannedSource, scan
from ..container.archive import MAGIC
from ..container.directory import folded, name_fault
from ..core.quantizer import Quantizer
from ..errors import InputError, SpikeyError, SpikeyWarning, system_fault
from ..io.formats import format_name
from ..io.layout import Layout
from ..io.raw import RawFormat
from ..io.source import Description, FileSource, Source, open_input
from ..streaming.packets import MAGIC as LIVE_MAGIC
from ..system.names import name_of_path
from ..system.progress import logger
from ..system.whole_file import is_temporary
from ..system.workers import Workers

Fail = Callable[[SpikeyError], None]
"""Is called with the error of each input that is left out; it may raise it."""


def _raise(error: SpikeyError) -> None:
    raise error


def find_sources(
    inputs: Iterable[str | os.PathLike[str] | Source],
    *,
    recursive: bool = False,
    sample_rate: int = 0,
    raw: RawFormat | None = None,
    fail: Fail = _raise,
) -> list[Source]:
    """Turn paths into sources; sources among the inputs are returned as they are.

    Parameters
    ----------
    inputs : iterable of path or Source
    recursive : bool, optional
        Take all files below folders, in the order of their paths. They are named by their path from that folder.
        Temporary files of an interrupted run are skipped, and so are links to folders.
    sample_rate : int, optional
        `FileSource.sample_rate` of all files.
    raw : RawFormat, optional
        `FileSource.raw` of all files.
    fail : callable, optional
        Is called with the error of each input that is left out; by default it is raised.

    Returns
    -------
    list of Source

    Raises
    ------
    InputError
        A folder is among the inputs without `recursive`, holds no files, or cannot be read; or it holds a link to a
        folder.
    """
    sources: list[Source] = []
    for item in inputs:
        if not isinstance(item, (str, os.PathLike)):
            if not hasattr(item, "open"):
                raise TypeError(
                    f"{type(item).__name__} is neither a path nor a source; wrap an array: "
                    "ArraySource(array, name, sample_rate)"
                )
            sources.append(item)
            continue
        path = Path(item)
        if not os.path.isdir(path):
            sources.append(FileSource(path, "", sample_rate, raw))
        elif not recursive:
            fail(InputError(f"{path}: is a folder; name files, or take its files recursively", parameter="recursive"))
        else:
            files = [file for file in _files_below(path, fail) if not _is_left_behind(file, fail)]
            if not files:
                fail(InputError(f"{path}: holds no files; name a folder that does"))
            start = len(os.path.join(path, ""))
            names = {name_of_path(file[start:].replace(os.sep, "/")): Path(file) for file in files}
            in_order = sorted(names, key=lambda name: name.split("/"))
            sources += [FileSource(names[name], name, sample_rate, raw) for name in in_order]
    return sources


def _files_below(root: Path, fail: Fail) -> Iterator[str]:
    """Yield all files below a folder; links to folders are not followed, because they may form a cycle."""

    def unreadable(error: OSError) -> None:
        fail(InputError(system_fault(error.filename, "read the folder", error)))

    for folder, subfolders, names in os.walk(root, onerror=unreadable):
        for name in subfolders:
            path = Path(folder, name)
            if os.path.islink(path):
                fail(InputError(f"{path}: is a link to a folder, and not followed; name that folder too"))
        for name in names:
            yield os.path.join(folder, name)


def _is_left_behind(path: str, fail: Fail) -> bool:
    """Return whether a file is temporary and of an interrupted run; report one that holds part of a recording."""
    if not is_temporary(path):
        return False
    with contextlib.suppress(OSError), open(path, "rb") as file:
        if file.read(len(LIVE_MAGIC)) == LIVE_MAGIC:
            fail(
                InputError(
                    f"{path}: is the rest of a live stream that was interrupted; restore it, or delete it",
                    parameter="keep_going",
                )
            )
    return True


def check_not_input(archive: Path, inputs: Sequence[str | os.PathLike[str] | Source]) -> None:
    """Raise InputError if the archive would overwrite a file that is named as an input."""
    if not os.path.isfile(archive):
        return
    status = os.stat(archive)
    for item in inputs:
        if isinstance(item, (str, os.PathLike)) and is_same_file(item, status):
            raise InputError(f"{archive}: is an input and the archive at once; name another archive")


def check_replaceable(archive: Path) -> None:
    """Raise InputError if the archive would overwrite a file that is not an archive or live stream itself."""
    if not os.path.isfile(archive):
        return
    with open_input(archive) as file:
        start = file.read(len(MAGIC))
    if start not in (b"", MAGIC, LIVE_MAGIC):
        raise InputError(
            f"{archive}: exists and is not an archive, so it is not overwritten; name another archive, or delete this "
            "file first"
        )


def is_same_file(path: str | os.PathLike[str], archive: os.stat_result) -> bool:
    """Return whether a path leads to the file that has this status."""
    try:
        return os.path.samestat(os.stat(path), archive)
    except (OSError, ValueError):
        return False


def without_archive(sources: Sequence[Source], archive: Path) -> tuple[list[Source], list[SpikeyWarning]]:
    """Leave out the archive that will be overwritten, as found in an input folder, with a warning."""
    if not os.path.isfile(archive):
        return list(sources), []
    status = os.stat(archive)
    others = [
        source for source in sources if not (isinstance(source, FileSource) and is_same_file(source.path, status))
    ]
    if len(others) == len(sources):
        return others, []
    return others, [SpikeyWarning(f"{archive}: is the archive that is replaced, and is not stored in itself")]


def without_collisions(sources: Sequence[Source], fail: Fail) -> list[Source]:
    """Leave out sources whose names cannot coexist with earlier ones below one folder, on any file system."""
    by_name: dict[str, Source] = {}
    by_folder: dict[str, Source] = {}
    kept = []
    for source in sources:
        name = source.name
        fault = name_fault(name)
        if fault:
            fail(_error_of(source) or InputError(f"{source}: the name {name!r} {fault}; rename it"))
            continue
        key = folded(name)
        parents = [key[:at] for at, letter in enumerate(key) if letter == "/"]
        if by_name.get(key) == source:
            fail(InputError(f"{source}: is named twice; name it once"))
        elif key in by_name:
            but = "" if by_name[key].name == name else " except for case or Unicode normalisation"
            fail(InputError(f"{source}: {by_name[key]} has the same name {name!r}{but}; rename one of them"))
        elif other := by_folder.get(key) or next((by_name[p] for p in parents if p in by_name), None):
            fail(
                InputError(
                    f"{source}: conflicts with {other}: of the names {name!r} and {other.name!r} one is a file and the "
                    "other's folder; rename one of them"
                )
            )
        else:
            by_name[key] = source
            by_folder |= dict.fromkeys(parents, source)
            kept.append(source)
    ids = {id(source) for source in kept}
    lost = [source for source in sources if id(source) not in ids]
    return [source for source in kept if not is_about(source, lost)]


def _error_of(source: Source) -> InputError | None:
    """Return why a source cannot be read: a pattern that matched no file is the name of none."""
    try:
        source.status()
    except InputError as error:
        return error
    return None


def scan_sources(sources: Sequence[Source], workers: Workers, fail: Fail) -> list[ScannedSource]:
    """Scan sources in parallel; those that cannot be read are left out, and `fail` is called for each."""
    scanned, lost = [], []
    for source, result in zip(sources, workers.map(_scan_or_error, sources), strict=True):
        if isinstance(result, SpikeyError):
            fail(result)
            lost.append(source)
        else:
            for each in result.groups or (result,):
                logger.info("%s: %s", result.source, partial(layout_text, each.layout, each.quantizer))
            scanned.append(result)
    return [each for each in scanned if not is_about(each.source, lost)]


def is_about(source: Source, lost: Sequence[Source]) -> bool:
    """Return whether a source describes one of those that were left out, and so is left out too."""
    return isinstance(source, Description) and any(other is source.describes for other in lost)


def _scan_or_error(source: Source) -> ScannedSource | SpikeyError:
    """Return an error instead of raising it, so that all workers finish."""
    try:
        return scan(source)
    except SpikeyError as error:
        return error


def layout_text(layout: Layout | None, quantizer: Quantizer) -> str:
    """Return the format, layout and quantizer of a file in words, for the log."""
    if layout is None:
        return "verbatim"
    return f"{format_name(layout.header)}, {layout}, quantizer {quantizer_text(quantizer, layout.channels)}"


def quantizer_text(quantizer: Quantizer, n_channels: int) -> str:
    """Return the kinds of a file's quantizers, the most frequent first: `lattice` or `lattice, copy (15)`."""
    each = [quantizer.of_channel(channel) for channel in range(n_channels)]
    kinds = Counter("constant" if one.kind == "step" and one.size == 1 else one.kind for one in each)
    if len(kinds) == 1:
        return next(iter(kinds))
    return ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common())
