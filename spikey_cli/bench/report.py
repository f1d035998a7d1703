"""A whole benchmark: who takes part, and what is told of it."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.coders import CODERS
from ..errors import InputError
from .commands import PROCESSES, Command
from .contest import RIVALS, Contest, describe_machine, own_work
from .libraries import Library
from .row import WAYS, Row, table

_REPEATS_OF_ONE_FILE = 9


@dataclass(frozen=True)
class Result:
    """What a benchmark found."""

    machine: str
    files: int
    samples: int
    repeats: int
    rows: list[Row]
    missing: list[str]
    """Codecs that are not installed."""
    one_file: list[Row]
    """Whole processes of Spikey for the first file alone."""
    own_work: list[Row]
    """The codec's own work on it, in a warm process."""


def choose_rivals(names: str) -> list[Command | Library]:
    """Other codecs by their names, or first words of them, with commas between; `all`, or `none`.

    Raises InputError where there is none of a name.
    """
    if names == "none":
        return []
    if names == "all":
        return list(RIVALS)
    chosen = []
    for name in names.split(","):
        named = [rival for rival in RIVALS if f"{rival.name} ".replace(",", " ").startswith(f"{name} ")]
        if not named:
            known = "; ".join(rival.name for rival in RIVALS)
            raise InputError(f"no other codec is called {name!r}; there are {known}")
        chosen += [rival for rival in named if rival not in chosen]
    return chosen


def run_bench(
    files: Sequence[Path], coders: Sequence[str], rivals: str, repeats: int, tell: Callable[[str], None]
) -> Result:
    """Measure on `files`; `tell` hears how far it is. Raises InputError where something cannot be coded."""
    for coder in coders:
        if coder.partition(":")[0] not in CODERS:
            raise InputError(f"no coder is called {coder!r}; there are {', '.join(CODERS)}")
    chosen = choose_rivals(rivals)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        contest = Contest(files, work)
        for coder in coders:
            contest.add_spikey(coder)
            contest.add_spikey(coder, verify=True)
        contest.add_rivals([rival for rival in chosen if rival.installed])
        contest.take_place(repeats, tell)
        one_file, own = [], []
        for coder in coders:
            tell(f"one file: {coder}")
            alone = Contest(files[:1], work)
            alone.add_spikey(coder)
            alone.take_place(_REPEATS_OF_ONE_FILE, lambda line: None)
            one_file += alone.rows
            own.append(own_work(files[0], coder, work, _REPEATS_OF_ONE_FILE))
    missing = [rival.name for rival in chosen if not rival.installed]
    return Result(describe_machine(), len(files), contest.samples, repeats, contest.rows, missing, one_file, own)


def summarise(result: Result) -> str:
    """The result as text with a Markdown table."""
    lines = [f"{result.files} files, {result.samples:,} samples; {result.machine}"]
    lines += [f"{name}: not installed" for name in result.missing]
    lines += ["", table(result.rows), ""]
    lines.append(f"Medians of {result.repeats}; other codecs: one file at a time, {PROCESSES} processes side by side.")
    for process, own in zip(result.one_file, result.own_work, strict=True):
        times = ", ".join(
            f"{way} {statistics.median(process.seconds[way]):.2f} s, "
            f"of it the codec's own work {1000 * statistics.median(own.seconds[way]):.0f} ms"
            for way in WAYS
        )
        lines.append(f"One file of {process.samples:,} samples, {process.name}: {times}")
    return "\n".join(lines)


def as_json(result: Result) -> dict[str, object]:
    """The result as JSON data."""
    return {
        "machine": result.machine,
        "files": result.files,
        "samples": result.samples,
        "rows": [row.as_json() for row in result.rows],
        "not_installed": result.missing,
        "one_file": [row.as_json() for row in result.one_file],
        "own_work": [row.as_json() for row in result.own_work],
    }
