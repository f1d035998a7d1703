"""Other codecs that are programs, with the options that their users give.

Each program compresses every file on its own; PROCESSES of them run in parallel.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .clock import processor_seconds_of_children

PROCESSES = 2


class RefusalError(Exception):
    """A codec cannot compress a file, or does not restore it."""


@dataclass(frozen=True)
class Program:
    """A program and its command lines; `{out}` stands for the output folder, and the files follow."""

    name: str
    suffix: str
    """Of compressed files."""
    compress_command: tuple[str, ...]
    decompress_command: tuple[str, ...]
    works_in_place: bool = False
    """Whether it writes its output beside the input, because it takes no output folder."""

    @property
    def installed(self) -> bool:
        """Whether its programs are on the search path."""
        return all(shutil.which(command[0]) for command in (self.compress_command, self.decompress_command))

    def compress(self, files: Sequence[Path], folder: Path) -> float:
        """Compress files into a folder. Return the processor time in seconds; raise RefusalError if it fails."""
        return self._run(self.compress_command, files, folder)

    def decompress(self, folder: Path, restored: Path) -> float:
        """Decompress the compressed files of a folder into another folder, as `compress` does."""
        return self._run(self.decompress_command, self.outputs(folder), restored)

    def outputs(self, folder: Path) -> list[Path]:
        """The compressed files of a folder."""
        return sorted(folder.glob(f"*{self.suffix}"))

    def _run(self, command: Sequence[str], files: Sequence[Path], out: Path) -> float:
        arguments = [word.format(out=out) for word in command]

        def run(share: Sequence[Path]) -> None:
            if share:
                result = subprocess.run([*arguments, *share], capture_output=True, text=True, errors="replace")
                if result.returncode:
                    reason = (result.stderr or result.stdout).strip().splitlines()
                    raise RefusalError(reason[-1] if reason else f"exit status {result.returncode}")

        def run_all() -> None:
            with ThreadPoolExecutor(PROCESSES) as pool:
                list(pool.map(run, [files[i::PROCESSES] for i in range(PROCESSES)]))

        return processor_seconds_of_children(run_all)


def _flac(level: str) -> Program:
    to_folder = ("-s", "--output-prefix={out}/")
    return Program(
        f"flac {level}", ".flac", ("flac", level, "--channel-map=none", *to_folder), ("flac", "-d", *to_folder)
    )


PROGRAMS = (
    _flac("-8"),
    _flac("-8ep"),
    Program(
        "wavpack -hh -x6", ".wv", ("wavpack", "-hh", "-x6", "-q", "-o", "{out}"), ("wvunpack", "-q", "-o", "{out}")
    ),
    Program("xz -9e", ".xz", ("xz", "-9e", "-q", "-k", "-f"), ("xz", "-d", "-q", "-k", "-f"), works_in_place=True),
    Program(
        "zstd -19",
        ".zst",
        ("zstd", "-19", "-q", "--output-dir-flat={out}"),
        ("zstd", "-d", "-q", "--output-dir-flat={out}"),
    ),
)
