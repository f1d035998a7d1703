"""What a call costs beside the samples: `python benchmarks/startup.py [FILE]`.

Start-up    Processor time of a process that packs, or unpacks, one recording of five seconds, beside that of
            `python -c "import numpy"`.
Per file    Processor time for each of many small files, beside that of the same samples in one file. That of the
            operating system is told apart: creating and flushing a file is the work of the file system.
First run   Time of the first and the second `spikey compress` after `pip install` into a new environment.

Processes take turns; figures are medians. Python keeps its bytecode between runs, as pip does when it installs.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
import wave
from pathlib import Path

import click
import numpy as np
from recordings import RATE

from spikey_cli.bench.clock import ProcessCost, run_process
from spikey_cli.bench.machine import describe_machine
from spikey_cli.core.quantizer import N1

SECONDS = 5
SPIKEY = [sys.executable, "-c", "from spikey_cli.__main__ import run; run()"]
"""What the installed command `spikey` runs."""
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def recording(frames: int) -> np.ndarray:
    """Samples of an N1-like electrode: noise with a slow part, ten bits scaled to sixteen, always the same."""
    noise = np.random.default_rng(1).normal(size=frames + 4)
    signal = 30 * np.convolve(noise, [0.1, 0.3, 0.5, 0.3, 0.1], "valid")
    return N1.to_samples(np.rint(signal).astype(np.int32) + N1.size // 2, np.dtype("<i2"))


def write_wav(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as wav:
        wav.setparams((1, 2, RATE, samples.size, "NONE", ""))
        wav.writeframesraw(samples.tobytes())


def run(command: list[object], **variables: str) -> ProcessCost:
    """Run a process, with these environment variables besides."""
    cost = run_process(command, stdout=subprocess.DEVNULL, env=ENVIRONMENT | variables)
    if cost.exit_code:
        raise SystemExit(f"{' '.join(map(str, command))} failed")
    return cost


def in_turn(commands: dict[str, list[object]], repeats: int) -> dict[str, list[ProcessCost]]:
    """Run the commands in turn, after a warm-up."""
    runs = [{name: run(command) for name, command in commands.items()} for _ in range(repeats + 1)][1:]
    return {name: [times[name] for times in runs] for name in commands}


def start_up(file: Path, work: Path, repeats: int) -> str:
    """Start-up of both directions as a Markdown table."""
    archive = work / "one.spk"
    runs = in_turn(
        {
            'python -c "import numpy"': [sys.executable, "-c", "import numpy"],
            "spikey compress": [*SPIKEY, "compress", "-q", "-f", file, archive],
            "spikey compress --no-verify": [*SPIKEY, "compress", "-q", "-f", "--no-verify", file, archive],
            "spikey decompress": [*SPIKEY, "decompress", "-q", "-f", archive, work / "one"],
        },
        repeats,
    )
    times = {name: statistics.median(each.processor for each in own) for name, own in runs.items()}
    floor = next(iter(times.values()))
    rows = [f"| `{name}` | {1e3 * each:.0f} | {each / floor:.2f} |" for name, each in times.items()]
    return "\n".join(["| process | processor ms | times `import numpy` |", "|---|---|---|", *rows])


def per_file(count: int, frames: int, work: Path, repeats: int) -> str:
    """Time for each of `count` files beside that of their samples, as a Markdown table.

    The files are so short that little of the time is that of samples, and so is the one file with all of them.
    """
    samples = recording(count * frames)
    many, one = work / "many", work / "all.wav"
    many.mkdir()
    for i in range(count):
        write_wav(many / f"{i:06}.wav", samples[i * frames : (i + 1) * frames])
    write_wav(one, samples)
    many_archive, one_archive = work / "many.spk", work / "all.spk"
    packing = ("compress", "-q", "-f", "-r", "--no-verify", "--no-peers", "--threads", 1)
    unpacking = ("decompress", "-q", "-f", "--threads", 1)
    runs = in_turn(
        {
            "pack": [*SPIKEY, *packing, many, many_archive],
            "pack one": [*SPIKEY, *packing, one, one_archive],
            "unpack": [*SPIKEY, *unpacking, many_archive, work / "restored"],
            "unpack one": [*SPIKEY, *unpacking, one_archive, work / "restored-one"],
        },
        repeats,
    )
    rows = []
    for name in ("pack", "unpack"):
        many_user, one_user = (statistics.median(each.user for each in runs[key]) for key in (name, f"{name} one"))
        many_system, one_system = (
            statistics.median(each.system for each in runs[key]) for key in (name, f"{name} one")
        )
        user, system = (1e6 * (a - b) / count for a, b in ((many_user, one_user), (many_system, one_system)))
        rows.append(
            f"| {name} | {many_user:.2f} + {many_system:.2f} | {one_user:.2f} + {one_system:.2f} "
            f"| {user:.0f} + {system:.0f} |"
        )
    head = f"| | {count:,} files of {frames} frames, user + system s | the same samples in one file | a file, us |"
    return "\n".join([head, "|---|---|---|---|", *rows])


def first_run(file: Path, work: Path) -> str:
    """First and second run in a new environment as a Markdown table, and the size of the environment."""
    root = Path(__file__).parents[1]
    folder = work / "environment"
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "pip", "install", "-q", root], check=True)
    command = [folder / "bin" / "spikey", "compress", "-q", "-f", file, work / "first.spk"]
    rows = []
    for name in ("first", "second", "third"):
        times = run(command, PYTHONPATH="")
        rows.append(f"| {name} | {1e3 * times.processor:.0f} | {1e3 * times.wall:.0f} |")
    size = sum(path.lstat().st_size for path in folder.rglob("*"))
    table = "\n".join(["| `spikey compress` | processor ms | wall ms |", "|---|---|---|", *rows])
    return f"{table}\n\nThe environment takes {size / 1e6:.0f} MB."


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--repeats", default=15, show_default=True, help="Runs of each process.")
@click.option("--files", "count", default=0, help="Also measure this many small files, such as 10000.")
@click.option("--frames", default=50, show_default=True, help="Frames of each small file.")
@click.option("--fresh", is_flag=True, help="Also install the package into a new environment, and run it there.")
def main(file: Path | None, repeats: int, count: int, frames: int, fresh: bool) -> None:
    """Measure with FILE, by default a generated recording of five seconds."""
    click.echo(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        source = work / "one.wav"
        if file:
            shutil.copy(file, source)
        else:
            write_wav(source, recording(SECONDS * RATE))
        click.echo(f"\n{start_up(source, work, repeats)}")
        if count:
            click.echo(f"\n{per_file(count, frames, work, max(1, repeats // 5))}")
        if fresh:
            click.echo(f"\n{first_run(source, work)}")


if __name__ == "__main__":
    main()
