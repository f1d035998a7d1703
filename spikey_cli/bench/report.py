"""A whole benchmark: which codecs take part, and its results as text and as JSON data."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..codec.presets import PRESETS
from ..core.coders import CODERS
from ..errors import InputError
from .comparison import OTHER_CODECS, Comparison, find_setting
from .machine import describe_machine
from .packages import Package
from .programs import PROCESSES, Program
from .row import DIRECTIONS, REAL_TIME, Row, table

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
    refused: list[str]
    """Codecs that cannot compress a file or do not restore it, and why."""
    one_file: list[Row]
    """Spikey at its first setting on the first file alone, as whole processes."""
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
    files: Sequence[Path], settings: Sequence[str], rivals: str, repeats: int, report: Callable[[str], None]
) -> Result:
    """Measure Spikey and other codecs on the same files.

    Parameters
    ----------
    files : sequence of Path
        WAV files.
    settings : sequence of str
        Settings of Spikey; see `comparison.find_setting`. The first one is also measured with verifying, and on the
        first file alone.
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
    for setting in settings:
        try:
            find_setting(setting)
        except ValueError as error:
            raise InputError(
                f"unknown setting {setting!r}; choose from: {', '.join((*PRESETS, *CODERS))}", parameter="settings"
            ) from error
    chosen = choose_codecs(rivals)
    try:
        temporary = tempfile.TemporaryDirectory()
    except OSError as error:
        raise InputError(
            "the measurements need a folder for temporary files, and none is writable; set TMPDIR to one"
        ) from error
    with temporary as folder:
        work = Path(folder)
        comparison = Comparison(files, work)
        are_small = comparison.samples < REAL_TIME
        for setting in settings:
            comparison.add_spikey(setting, in_process=are_small)
        comparison.add_spikey(settings[0], verify=True, in_process=are_small)
        comparison.add_others([codec for codec in chosen if codec.installed])
        comparison.run(repeats, report)
        one_file, one_file_in_process = (Comparison(files[:1], work) for _ in range(2))
        one_file.add_spikey(settings[0])
        one_file_in_process.add_spikey(settings[0], in_process=True)
        for single in (one_file, one_file_in_process):
            single.run(_SINGLE_FILE_REPEATS, lambda line: report(f"one file: {line}"))
    missing = [codec.name for codec in chosen if not codec.installed]
    return Result(
        describe_machine(),
        len(files),
        comparison.samples,
        repeats,
        comparison.rows,
        missing,
        comparison.refused,
        one_file.rows,
        one_file_in_process.rows,
    )


def summarise(result: Result) -> list[str]:
    """The result as lines of text, with a Markdown table."""
    lines = [f"{result.files} files, {result.samples:,} samples; {result.machine}"]
    lines += [f"{name}: not installed" for name in result.missing]
    lines += [f"left out: {name}" for name in result.refused]
    lines += ["", *table(result.rows).split("\n"), ""]
    lines.append(
        f"Medians of {result.repeats} runs. Other codecs compress each file on its own, {PROCESSES} processes in "
        "parallel. Processor time is user and system time of all processes."
    )
    if result.samples < REAL_TIME:
        lines.append(
            f"With fewer than {REAL_TIME:,} samples the start of a process would be most of Spikey's times: they are "
            "without it, as those of Python packages are."
        )
    for process, in_process in zip(result.one_file, result.one_file_in_process, strict=True):
        times = ", ".join(
            f"{direction} {statistics.median(process.seconds[direction]):.2f} s, of which "
            f"{1000 * statistics.median(in_process.seconds[direction]):.0f} ms are coding"
            for direction in DIRECTIONS
        )
        lines.append(
            f"One file of {process.samples:,} samples, {process.name}, with the start of a process and its imports: "
            f"{times}"
        )
    return lines


def as_json(result: Result) -> dict[str, object]:
    """The result as JSON data."""
    return {
        "machine": result.machine,
        "files": result.files,
        "samples": result.samples,
        "repeats": result.repeats,
        "rows": [row.as_json() for row in result.rows],
        "not_installed": result.missing,
        "refused": result.refused,
        "one_file": [row.as_json() for row in result.one_file],
        "one_file_in_process": [row.as_json() for row in result.one_file_in_process],
    }
