"""Sources to compress, and a Dask cluster whose processes can be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from support.recordings import n1_samples, neural, wav_bytes

import spikey_cli

HERE = Path(__file__).resolve().parent
FILES, FRAMES = 8, 20_000


def write_sources(folder: Path) -> list[Path]:
    """Write eight channels of two sessions, and two files that are stored verbatim."""
    random = np.random.default_rng(3)
    paths = []
    for session in range(2):
        samples = n1_samples(neural(random, FRAMES + session, FILES // 2))
        for i in range(FILES // 2):
            paths.append(folder / f"thread{session}{i}.wav")
            paths[-1].write_bytes(wav_bytes(samples[:, i]))
    for name in ("notes.txt", "more.txt"):
        paths.append(folder / name)
        paths[-1].write_bytes(random.bytes(1000) * 50)
    return paths


def environment(**more: str) -> dict[str, str]:
    root = str(Path(spikey_cli.__file__).parent.parent)
    path = os.pathsep.join(
        [*more.pop("PYTHONPATH", "").split(), str(HERE), str(HERE.parent), root, os.environ.get("PYTHONPATH", "")]
    )
    return os.environ | {"PYTHONPATH": path} | more


class ClusterHarness:
    """A scheduler and workers, each in a separate process; workers have no nanny, so a killed one does not restart."""

    def __init__(self, folder: Path, **more: str) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        self._scheduler = self._start("scheduler", "--no-dashboard", "--port", 0, "--scheduler-file", file, **more)
        while not file.exists() or not file.read_text().endswith("}"):
            assert self._scheduler.poll() is None
            time.sleep(0.05)
        self.address: str = json.loads(file.read_text())["address"]

    def _start(self, kind: str, *arguments: object, **more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *map(str, arguments)]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._processes.append(subprocess.Popen(command, cwd=self._folder, env=environment(**more), **silent))
        return self._processes[-1]

    def add_worker(self, **more: str) -> None:
        """Start a worker with one thread; `more` are environment variables."""
        self._start("worker", self.address, "--no-nanny", "--nthreads", 1, "--no-dashboard", **more)

    def kill_scheduler(self) -> None:
        self._scheduler.kill()

    def end(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())
