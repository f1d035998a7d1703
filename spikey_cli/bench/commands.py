"""Other codecs that are programs, called as people call them.

Each packs every file on its own, as it is meant to be used; `PROCESSES` of them run side by side.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

PROCESSES = 2


@dataclass(frozen=True)
class Command:
    """A program: how it is called to pack files into a folder, and to unpack them into another."""

    name: str
    ending: str
    packing: tuple[str, ...]
    """Command; `{out}` is the folder that packed files go to, and the files follow."""
    unpacking: tuple[str, ...]
    works_in_place: bool = False
    """Whether it writes beside its inputs, wherever that is."""

    @property
    def installed(self) -> bool:
        """Whether its programs are here."""
        return shutil.which(self.packing[0]) is not None and shutil.which(self.unpacking[0]) is not None

    def pack(self, files: Sequence[Path], folder: Path) -> None:
        """Pack files into a folder."""
        self._run(self.packing, files, folder)

    def unpack(self, folder: Path, restored: Path) -> None:
        """Unpack the files of a folder into another."""
        self._run(self.unpacking, self.packed(folder), restored)

    def packed(self, folder: Path) -> list[Path]:
        """The packed files in a folder."""
        return sorted(folder.glob(f"*{self.ending}"))

    def _run(self, command: Sequence[str], files: Sequence[Path], out: Path) -> None:
        words = [word.format(out=out) for word in command]

        def work(share: Sequence[Path]) -> None:
            if share:
                subprocess.run([*words, *share], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        with ThreadPoolExecutor(PROCESSES) as pool:
            list(pool.map(work, [files[i::PROCESSES] for i in range(PROCESSES)]))


def _flac(level: str) -> Command:
    to_folder = ("-s", "--output-prefix={out}/")
    return Command(f"flac {level}", ".flac", ("flac", level, *to_folder), ("flac", "-d", *to_folder))


COMMANDS = (
    _flac("-8"),
    _flac("-8ep"),
    Command(
        "wavpack -hh -x6", ".wv", ("wavpack", "-hh", "-x6", "-q", "-o", "{out}"), ("wvunpack", "-q", "-o", "{out}")
    ),
    Command("xz -9e", ".xz", ("xz", "-9e", "-q", "-k", "-f"), ("xz", "-d", "-q", "-k", "-f"), works_in_place=True),
    Command(
        "zstd -19",
        ".zst",
        ("zstd", "-19", "-q", "--output-dir-flat={out}"),
        ("zstd", "-d", "-q", "--output-dir-flat={out}"),
    ),
)
