"""Ratios of the presets beside FLAC's and WavPack's, recording by recording: `python benchmarks/real.py FILE.wav...`.

Prints one row for each file: bytes of the WAV over compressed bytes, all bytes counted. Every archive is decoded and
compared when it is made. FLAC and WavPack are left out where they are not installed or refuse a file.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import spikey_cli

PRESETS = {
    "fast": spikey_cli.Encoding(preset="fast"),
    "default": spikey_cli.Encoding(),
    "default, range": spikey_cli.Encoding("range"),
    "best": spikey_cli.Encoding(preset="best"),
}
RIVALS = {
    "flac -8": ["flac", "-8", "--silent", "--force", "--channel-map=none", "-o", "{out}", "{file}"],
    "wavpack -hh -x6": ["wavpack", "-hh", "-x6", "-q", "-y", "{file}", "-o", "{out}"],
}


def rival_bytes(command: list[str], file: Path, folder: Path) -> int | None:
    """Return the bytes that a rival makes of a file; None if it cannot."""
    out = folder / "rival"
    arguments = [word.format(file=file, out=out) for word in command]
    if not shutil.which(arguments[0]) or subprocess.run(arguments, capture_output=True).returncode:
        return None
    made = [path for path in folder.iterdir() if path.stem == "rival"]
    size = made[0].stat().st_size
    made[0].unlink()
    return size


def main(files: list[Path]) -> None:
    """Print the table."""
    print("| recording |", *(f"{name} |" for name in (*PRESETS, *RIVALS)))
    print("|---|" + "---|" * (len(PRESETS) + len(RIVALS)))
    for file in files:
        with tempfile.TemporaryDirectory() as folder:
            sizes: list[int | None] = []
            for encoding in PRESETS.values():
                result = spikey_cli.compress([file], Path(folder) / "out.spk", coder=encoding, force=True)
                sizes.append(result.archive_bytes)
            sizes += [rival_bytes(command, file, Path(folder)) for command in RIVALS.values()]
        cells = ("-" if size is None else f"{file.stat().st_size / size:.3f}" for size in sizes)
        print(f"| {file.stem} |", *(f"{cell} |" for cell in cells), flush=True)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
