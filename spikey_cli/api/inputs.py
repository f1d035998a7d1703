"""Which files are to be in an archive, under which names; what is left out is told, one error each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ..container.archive import MAGIC
from ..container.directory import name_fault
from ..errors import InputError, SpikeyError, system_fault
from ..io.source import FileSource, Source, open_input
from ..streaming.packets import MAGIC as LIVE_MAGIC
from ..system.whole_file import is_temporary


def _raise(error: SpikeyError) -> None:
    raise error


def name_inputs(
    inputs: Iterable[str | os.PathLike[str] | Source],
    *,
    recursive: bool = False,
    sample_rate: int = 0,
    fail: Callable[[SpikeyError], None] = _raise,
) -> list[Source]:
    """Files, with the names that they get in an archive, and other origins as they are.

    A file goes by its own name; with `recursive`, a file below a folder by its path from there. What a killed run left
    in a folder is no file of it. `sample_rate`, in Hz, is that of files that do not tell.

    An InputError for a folder without `recursive`, for one that holds no file, or cannot be read, and for a link in one
    that leads to a folder, or nowhere, goes to `fail`, or is raised.
    """
    named: list[Source] = []
    for given in inputs:
        if not isinstance(given, (str, os.PathLike)):
            if not hasattr(given, "open"):
                raise TypeError(f"{type(given).__name__} is no input; wrap an array: ArrayOrigin(array, name, rate)")
            named.append(given)
            continue
        path = Path(given)
        if not os.path.isdir(path):
            named.append(FileSource(path, path.name, sample_rate))
            continue
        if not recursive:
            fail(InputError(f"{path}: is a folder; give -r to take the files in it"))
            continue
        found = sorted(p for p in _files_below(path, fail) if not _is_left_behind(p, fail))
        if not found:
            fail(InputError(f"{path}: holds no files; name a folder that does"))
        named += [FileSource(p, p.relative_to(path).as_posix(), sample_rate) for p in found]
    return named


def _files_below(folder: Path, fail: Callable[[SpikeyError], None]) -> Iterator[Path]:
    """All but folders; links to folders are not followed, for they may lead round in a circle."""

    def unreadable(error: OSError) -> None:
        fail(InputError(system_fault(error.filename, "read the folder", error)))

    for place, folders, names in os.walk(folder, onerror=unreadable):
        for name in folders:
            if os.path.islink(Path(place, name)):
                fail(InputError(f"{Path(place, name)}: is a link to a folder, and not followed; name that folder too"))
        for name in names:
            yield Path(place, name)


def _is_left_behind(path: Path, fail: Callable[[SpikeyError], None]) -> bool:
    """Whether a killed run left a file; one that has what came of a recording is named."""
    if not is_temporary(path):
        return False
    with contextlib.suppress(OSError), path.open("rb") as file:
        if file.read(len(LIVE_MAGIC)) == LIVE_MAGIC:
            remedy = "restore it with `spikey decompress --keep-going`, or delete it"
            fail(InputError(f"{path}: is what was left of a recording; {remedy}"))
    return True


def check_no_input(archive: Path, inputs: Sequence[str | os.PathLike[str] | Source]) -> None:
    """Raise InputError where the archive would take the place of a file that was named as an input."""
    for given in inputs:
        if isinstance(given, (str, os.PathLike)) and os.path.isfile(archive) and _is_same_file(given, archive):
            raise InputError(f"{archive}: is an input, and would be the archive too; name another archive, last")


def check_replaced(archive: Path) -> None:
    """Raise InputError where an archive, or a live stream, would take the place of a file that is none."""
    if not os.path.isfile(archive):
        return
    with open_input(archive) as file:
        start = file.read(len(MAGIC))
    if start not in (b"", MAGIC, LIVE_MAGIC):
        raise InputError(
            f"{archive}: is no archive, and would be lost; name another archive, last, or delete this file before"
        )


def _is_same_file(path: str | os.PathLike[str], archive: Path) -> bool:
    return os.path.exists(path) and os.path.samefile(path, archive)


def without_archive(sources: list[Source], archive: Path) -> tuple[list[Source], list[str]]:
    """Inputs but the archive itself, where there is an old one, and a warning where that was among them."""
    if not os.path.isfile(archive):
        return sources, []
    others = [o for o in sources if not (isinstance(o, FileSource) and _is_same_file(o.path, archive))]
    left_out = len(others) < len(sources)
    return others, [f"{archive}: is the archive that is to be replaced, and does not go into it"] if left_out else []


def without_collisions(sources: list[Source], fail: Callable[[SpikeyError], None]) -> list[Source]:
    """The origins whose names can stand beside each other below one folder, on any file system."""
    taken: dict[str, Source] = {}
    folders: dict[str, Source] = {}
    kept = []
    for source in sources:
        name, folded = source.name, source.name.casefold()
        above = [folded[:at] for at, letter in enumerate(folded) if letter == "/"]
        fault = name_fault(name)
        if fault:
            fail(InputError(f"{source}: the name {name!r} {fault}; rename it"))
        elif taken.get(folded) == source:
            fail(InputError(f"{source}: is named twice; name it once"))
        elif folded in taken:
            fail(InputError(f"{source}: {taken[folded]} has the same name {name!r}; rename one of them"))
        elif other := folders.get(folded) or next((taken[folder] for folder in above if folder in taken), None):
            both = f"{name!r} and {other.name!r}"
            fail(
                InputError(
                    f"{source}: {other} is here too, and of {both} one is the other's folder; rename one of them"
                )
            )
        else:
            taken[folded] = source
            folders |= dict.fromkeys(above, source)
            kept.append(source)
    return kept
