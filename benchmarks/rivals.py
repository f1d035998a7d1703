"""Other codecs, by the commands that people use, over folders of WAV files.

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
class Rival:
    """A codec: how it is called to pack files into a folder, and to unpack them into another."""

    name: str
    ending: str
    pack: tuple[str, ...]
    """Command; `{out}` is the folder that packed files go to, and the files follow."""
    unpack: tuple[str, ...]

    @property
    def installed(self) -> bool:
        """Whether its programs are here."""
        return shutil.which(self.pack[0]) is not None and shutil.which(self.unpack[0]) is not None

    def run(self, command: Sequence[str], files: Sequence[Path], out: Path) -> None:
        """Call the command over `files`, shared among PROCESSES of it."""
        words = [word.format(out=out) for word in command]

        def work(share: Sequence[Path]) -> None:
            if share:
                subprocess.run([*words, *share], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        with ThreadPoolExecutor(PROCESSES) as pool:
            list(pool.map(work, [files[i::PROCESSES] for i in range(PROCESSES)]))


RIVALS = (
    Rival(
        "flac -8",
        ".flac",
        ("flac", "-8", "-s", "--output-prefix={out}/"),
        ("flac", "-d", "-s", "--output-prefix={out}/"),
    ),
    Rival(
        "flac -8ep",
        ".flac",
        ("flac", "-8ep", "-s", "--output-prefix={out}/"),
        ("flac", "-d", "-s", "--output-prefix={out}/"),
    ),
    Rival("wavpack -hh -x6", ".wv", ("wavpack", "-hh", "-x6", "-q", "-o", "{out}"), ("wvunpack", "-q", "-o", "{out}")),
    Rival("xz -9e", ".wav.xz", ("xz", "-9e", "-q", "-k", "-f"), ("xz", "-d", "-q", "-k", "-f")),
    Rival(
        "zstd -19",
        ".wav.zst",
        ("zstd", "-19", "-q", "--output-dir-flat={out}"),
        ("zstd", "-d", "-q", "--output-dir-flat={out}"),
    ),
)
