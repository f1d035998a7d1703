"""Sizes of files of acquisition systems as archives, beside their samples alone, as WAVs, as archives.

python benchmarks/native.py ../shared/real/native/*
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import spikey_cli


def main() -> None:
    """Print a table of the files that are named on the command line."""
    print("| file | bytes | archive | its samples as WAVs | archive | larger |")
    print("|---|---|---|---|---|---|")
    for path in map(Path, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder:
            archive, wavs = Path(folder) / "a.spk", Path(folder) / "wavs"
            whole = spikey_cli.compress([path], archive)
            spikey_cli.extract(archive, f"{wavs}/")
            samples = spikey_cli.compress([wavs], Path(folder) / "wavs.spk", recursive=True)
        larger = 100 * (whole.archive_bytes / samples.archive_bytes - 1)
        sizes = (whole.source_bytes, whole.archive_bytes, samples.source_bytes, samples.archive_bytes)
        print(f"| {path.name} | {' | '.join(f'{size:,}' for size in sizes)} | {larger:.2f} % |")


if __name__ == "__main__":
    main()
