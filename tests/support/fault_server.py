"""A process that runs `spikey` again and again, each time in a fork, with a fault at one of its calls to the system.

To import the package takes a process half a second, and a fork nothing: thousands of faults can be tried. What is
counted are the calls that Python makes for files below one folder; a fault strikes instead of, or just before, one.
"""

from __future__ import annotations

import atexit
import builtins
import gc
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
from support.recordings import write_session

import spikey_cli
import spikey_cli.cli
from spikey_cli.__main__ import run

WRITING = ("create", "write", "fsync", "replace", "mkdir")
READING = ("open", "read")
SECONDS_AT_MOST = 60


@dataclass(frozen=True)
class Fault:
    """At the `at`-th of these `calls`, or from it on `for_ever`: what happens.

    kill: SIGKILL; tear: half of the write, then SIGKILL; raise: OSError `number`; signal: signal `number`;
    flip: one bit of what is written; append: to the file `path`, where it is; unlink: the file `path`.
    """

    action: str
    at: int
    calls: Sequence[str] = WRITING
    number: int = 0
    path: str = ""
    for_ever: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    status: int
    """Exit status; the negative number of the signal that killed it."""
    output: str
    """What it printed, errors as well."""
    struck: tuple[str, str] | None
    """The call that the fault struck, and its path; None: there were not so many calls."""


class FaultServer:
    """The other end of the process; a context manager."""

    def __init__(self) -> None:
        here = Path(__file__).resolve()
        path = os.pathsep.join([str(here.parents[2]), str(here.parents[1]), os.environ.get("PYTHONPATH", "")])
        # libraries that begin threads as they are imported could not be forked
        environment = os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.struck: Counter[str] = Counter()
        """How many faults of each kind have struck."""

    def __enter__(self) -> FaultServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, arguments: Sequence[object], folder: Path, fault: Fault | None = None) -> Outcome:
        """Run `spikey` with these arguments; calls for files below `folder` are those that count."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"arguments": [str(a) for a in arguments], "folder": str(folder), "fault": fault and vars(fault)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        status, told, struck = json.loads(self._process.stdout.readline())
        if struck and fault:
            self.struck[f"{fault.action} {fault.number or ''}".strip()] += 1
        return Outcome(status, told, struck and tuple(struck))


class _Struck:
    """The fault of this process, and the calls that lead to it."""

    def __init__(self, fault: Fault, folder: str, report: int) -> None:
        self._fault = fault
        self._folder = folder + os.sep
        self._report = report
        self._count = 0
        self._lock = threading.Lock()

    def is_below(self, path: object) -> bool:
        return isinstance(path, (str, os.PathLike)) and (os.path.abspath(path) + os.sep).startswith(self._folder)

    def meet(self, call: str, path: object) -> str | None:
        """Count a call; where it is the one, the action to be taken by it, or here."""
        fault = self._fault
        if call not in fault.calls or not self.is_below(path):
            return None
        with self._lock:
            self._count += 1
            if self._count != fault.at and not (fault.for_ever and self._count > fault.at):
                return None
            if self._count == fault.at:
                os.write(self._report, json.dumps([call, os.fspath(path)]).encode())
        if fault.action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif fault.action == "signal":
            os.kill(os.getpid(), fault.number)
        elif fault.action == "raise":
            raise OSError(fault.number, os.strerror(fault.number), os.fspath(path))
        elif fault.action == "append" and os.path.exists(fault.path):
            with io.FileIO(fault.path, "a") as file:
                file.write(b"more")
        elif fault.action == "unlink" and os.path.exists(fault.path):
            _unlink(fault.path)
        return fault.action


_open, _pread, _replace, _mkdir, _unlink = open, os.pread, os.replace, os.mkdir, os.unlink


def _install(struck: _Struck) -> None:
    class File(io.FileIO):
        def write(self, data):
            action = struck.meet("write", self.name)
            if action == "tear":
                super().write(memoryview(data)[: len(data) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            if action == "flip":
                data = bytearray(data)
                data[len(data) // 2] ^= 4
            return super().write(data)

        def readinto(self, buffer):
            struck.meet("read", self.name)
            return super().readinto(buffer)

        def readall(self):
            struck.meet("read", self.name)
            return super().readall()

    def open_file(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
        if not struck.is_below(file) or "b" not in mode:
            return _open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        writes = bool(set(mode) & set("wax+"))
        struck.meet("create" if writes else "open", file)
        raw = File(file, mode, opener=opener)
        if buffering == 0:
            return raw
        return (io.BufferedRandom if "+" in mode else io.BufferedWriter if writes else io.BufferedReader)(raw)

    def fsync(handle):
        # no power is cut here: that it was asked for is enough
        struck.meet("fsync", os.readlink(f"/proc/self/fd/{handle}"))

    def pread(handle, count, offset):
        struck.meet("read", os.readlink(f"/proc/self/fd/{handle}"))
        return _pread(handle, count, offset)

    def replace(source, target, **options):
        struck.meet("replace", target)
        _replace(source, target, **options)

    def mkdir(path, *arguments, **options):
        struck.meet("mkdir", path)
        _mkdir(path, *arguments, **options)

    def unlink(path, **options):
        struck.meet("unlink", path)
        _unlink(path, **options)

    builtins.open = io.open = open_file
    os.fsync, os.pread, os.replace, os.mkdir, os.unlink = fsync, pread, replace, mkdir, unlink


def _run(request: dict, report: int) -> None:
    """As a process of its own, which ends as Python ends it, but leaves the memory to the system: that is faster."""
    signal.alarm(SECONDS_AT_MOST)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # whoever runs the tests in the background has turned some off
    _install(_Struck(Fault(**(request["fault"] or {"action": "", "at": 0})), request["folder"], report))
    sys.argv = ["spikey", *request["arguments"]]
    status: object = 70
    try:
        run()
    except SystemExit as end:
        status = end.code or 0
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _warm_up() -> None:
    """Import and load all that a run needs, in this one thread.

    ONNX Runtime begins a thread as it is imported. The default model is a chain, so nobody asks it anything.
    """
    sys.modules["onnxruntime"] = MagicMock()
    with tempfile.TemporaryDirectory() as name:
        paths = write_session(Path(name) / "in", np.random.default_rng(1))
        archive = Path(name) / "a.spk"
        spikey_cli.compress(paths, archive, workers=1)
        spikey_cli.decompress(archive, Path(name) / "back", workers=1)
        spikey_cli.extract(archive, f"{name}/piece/", seconds=(None, 0.1), workers=1)
    assert len(os.listdir("/proc/self/task")) == 1, "a process with threads cannot be forked"


def serve() -> None:
    """Take requests from stdin, one a line, until there are no more."""
    _warm_up()
    gc.freeze()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        with tempfile.TemporaryFile() as output:
            reading, writing = os.pipe()
            process = os.fork()
            if process == 0:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                _run(json.loads(line), writing)
            os.close(writing)
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            with open(reading, "rb") as report:
                struck = report.read()
            output.seek(0)
            told = output.read().decode()
        print(json.dumps([status, told, json.loads(struck) if struck else None]), flush=True)


if __name__ == "__main__":
    serve()
