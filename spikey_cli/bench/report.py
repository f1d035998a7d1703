"""A whole benchmark: which codecs take part, and its results as text and as JSON data."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.coders import find_coder
from ..errors import InputError
from .comparison import OTHER_CODECS, Comparison, time_in_process
from .machine import describe_machine
from .packages import Package
from .programs import PROCESSES, Program
from .row import DIRECTIONS, Row, table

_SINGLE_FILE_REPEATS = 9


@dataclass(frozen=True)
class Result:
    """Results of `run_bench`."""

    machine: str
    files: int
    samples: int
    repeats: int
    rows: list[Row]
    missing: list[str]
    """Requested codecs that are not installed."""
    one_file: list[Row]
    """Spikey on the first file alone, as whole processes."""
    one_file_in_process: list[Row]
    """The same without the start of a process."""


def choose_codecs(names: str) -> list[Program | Package]:
    """Other codecs by name.

    Parameters
    ----------
    names : str
        Names or their first words, separated by commas; or "all" or "none".

    Raises
    ------
    InputError
        No codec has that name.
    """
    if names == "none":
        return []
    if names == "all":
        return list(OTHER_CODECS)
    chosen: list[Program | Package] = []
    for name in names.split(","):
        matching = [codec for codec in OTHER_CODECS if f"{codec.name} ".replace(",", " ").startswith(f"{name} ")]
        if not matching:
            known = "; ".join(codec.name for codec in OTHER_CODECS)
            raise InputError(f"unknown codec {name!r}; choose from: {known}", parameter="rivals")
        chosen += [codec for codec in matching if codec not in chosen]
    return chosen


def run_bench(
    files: Sequence[Path], coders: Sequence[str], rivals: str, repeats: int, report: Callable[[str], None]
) -> Result:
    """Measure Spikey and other codecs on the same files.

    Parameters
    ----------
    files : sequence of Path
        WAV files.
    coders : sequence of str
        Coders of Spikey, each with a model after a colon if it is not the default: `range:n1-peers`.
    rivals : str
        Other codecs; see `choose_codecs`.
    repeats : int
        Counted runs of each codec.
    report : callable
        Gets a line of text before each run.

    Returns
    -------
    Result

    Raises
    ------
    InputError
        A name is unknown, a file cannot be coded, or a restored file differs.
    """
    for coder in coders:
        try:
            find_coder(coder.partition(":")[0])
        except ValueError as error:
            raise InputError(str(error), parameter="coders") from error
    chosen = choose_codecs(rivals)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        comparison = Comparison(files, work)
        for coder in coders:
            comparison.add_spikey(coder)
            comparison.add_spikey(coder, verify=True)
        comparison.add_others([codec for codec in chosen if codec.installed])
        comparison.run(repeats, report)
        one_file, one_file_in_process = [], []
        for coder in coders:
            report(f"one file: {coder}")
            single = Comparison(files[:1], work)
            single.add_spikey(coder)
            single.run(_SINGLE_FILE_REPEATS, lambda line: None)
            one_file += single.rows
            one_file_in_process.append(time_in_process(files[0], coder, work, _SINGLE_FILE_REPEATS))
    missing = [codec.name for codec in chosen if not codec.installed]
    return Result(
        describe_machine(),
        len(files),
        comparison.samples,
        repeats,
        comparison.rows,
        missing,
        one_file,
        one_file_in_process,
    )


def summarise(result: Result) -> str:
    """The result as text with a Markdown table."""
    lines = [f"{result.files} files, {result.samples:,} samples; {result.machine}"]
    lines += [f"{name}: not installed" for name in result.missing]
    lines += ["", table(result.rows), ""]
    lines.append(
        f"Medians of {result.repeats} runs. Other codecs compress each file on its own, {PROCESSES} processes in "
        "parallel."
    )
    for process, in_process in zip(result.one_file, result.one_file_in_process, strict=True):
        times = ", ".join(
            f"{direction} {statistics.median(process.seconds[direction]):.2f} s, "
            f"{1000 * statistics.median(in_process.seconds[direction]):.0f} ms of it without start and imports"
            for direction in DIRECTIONS
        )
        lines.append(f"One file of {process.samples:,} samples, {process.name}: {times}")
    return "\n".join(lines)


def as_json(result: Result) -> dict[str, object]:
    """The result as JSON data."""
    return {
        "machine": result.machine,
        "files": result.files,
        "samples": result.samples,
        "repeats": result.repeats,
        "rows": [row.as_json() for row in result.rows],
        "not_installed": result.missing,
        "one_file": [row.as_json() for row in result.one_file],
        "one_file_in_process": [row.as_json() for row in result.one_file_in_process],
    }
