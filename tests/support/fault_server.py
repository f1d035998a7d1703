"""A process that runs `spikey` many times, each time in a fork, and injects a fault at one of its calls to the system.

Importing the package takes half a second and forking almost nothing, so thousands of faults can be tried. Only calls
from Python for files below one folder count. A fault replaces the call, or comes just before it.
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


@dataclass(frozen=True)
class Fault:
    """What to do at the `at`-th of these `calls`, and at all later ones if `for_ever`.

    The actions: "kill" sends SIGKILL; "tear" writes half of the data, then sends SIGKILL; "raise" raises OSError
    `number`; "signal" sends signal `number`; "flip" inverts a bit of the data written; "append" appends to the file
    `path` and "unlink" deletes it, if it exists.
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
    """Exit status, or the negative number of the signal that killed the process."""
    output: str
    """Its stdout and stderr."""
    struck: tuple[str, str] | None
    """The call at which the fault was injected, and its path; None if there were fewer calls."""


class FaultServer:
    """Starts the process and sends it requests; a context manager."""

    def __init__(self) -> None:
        here = Path(__file__).resolve()
        path = os.pathsep.join([str(here.parents[2]), str(here.parents[1]), os.environ.get("PYTHONPATH", "")])
        # a process with threads cannot be forked
        environment = os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.struck: Counter[str] = Counter()
        """How many faults of each kind were injected."""

    def __enter__(self) -> FaultServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, arguments: Sequence[object], folder: Path, fault: Fault | None = None) -> Outcome:
        """Run `spikey` with these arguments; only calls for files below `folder` count."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"arguments": [str(a) for a in arguments], "folder": str(folder), "fault": fault and vars(fault)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        status, output, struck = json.loads(self._process.stdout.readline())
        if struck and fault:
            self.struck[f"{fault.action} {fault.number or ''}".strip()] += 1
        return Outcome(status, output, struck and tuple(struck))


class _Injector:
    """Counts the calls of this process and injects its fault."""

    def __init__(self, fault: Fault, folder: str, report: int) -> None:
        self._fault = fault
        self._folder = folder + os.sep
        self._report = report
        self._count = 0
        self._lock = threading.Lock()

    def is_below(self, path: object) -> bool:
        return isinstance(path, (str, os.PathLike)) and (os.path.abspath(path) + os.sep).startswith(self._folder)

    def at(self, call: str, path: object) -> str | None:
        """Count a call. At the chosen one, inject the fault, or return the action that the caller must take."""
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


_open, _pread, _replace, _link, _mkdir, _unlink = open, os.pread, os.replace, os.link, os.mkdir, os.unlink


def _install(injector: _Injector) -> None:
    class File(io.FileIO):
        def write(self, data):
            action = injector.at("write", self.name)
            if action == "tear":
                super().write(memoryview(data)[: len(data) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            if action == "flip":
                data = bytearray(data)
                data[len(data) // 2] ^= 4
            return super().write(data)

        def readinto(self, buffer):
            injector.at("read", self.name)
            return super().readinto(buffer)

        def readall(self):
            injector.at("read", self.name)
            return super().readall()

    def open_file(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
        if not injector.is_below(file) or "b" not in mode:
            return _open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        writes = bool(set(mode) & set("wax+"))
        injector.at("create" if writes else "open", file)
        raw = File(file, mode, opener=opener)
        if buffering == 0:
            return raw
        return (io.BufferedRandom if "+" in mode else io.BufferedWriter if writes else io.BufferedReader)(raw)

    def fsync(handle):
        # the tests cut no power, so nothing needs to reach the disk
        injector.at("fsync", os.readlink(f"/proc/self/fd/{handle}"))

    def pread(handle, count, offset):
        injector.at("read", os.readlink(f"/proc/self/fd/{handle}"))
        return _pread(handle, count, offset)

    def within(path, handle):
        return path if handle is None else os.path.join(os.readlink(f"/proc/self/fd/{handle}"), path)

    def replace(source, target, **options):
        injector.at("replace", within(target, options.get("dst_dir_fd")))
        _replace(source, target, **options)

    def link(source, target, **options):
        """How a file gets its name without replacing another."""
        injector.at("replace", within(target, options.get("dst_dir_fd")))
        _link(source, target, **options)

    def mkdir(path, *arguments, **options):
        injector.at("mkdir", within(path, options.get("dir_fd")))
        _mkdir(path, *arguments, **options)

    def unlink(path, **options):
        injector.at("unlink", within(path, options.get("dir_fd")))
        _unlink(path, **options)

    builtins.open = io.open = open_file
    os.fsync, os.pread, os.replace, os.link, os.mkdir, os.unlink = fsync, pread, replace, link, mkdir, unlink


def _run(request: dict, report: int) -> None:
    """Run the command in this forked process and end the process without freeing its memory, which is faster."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # some are ignored if the tests run in the background
    _install(_Injector(Fault(**(request["fault"] or {"action": "", "at": 0})), request["folder"], report))
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
    """Import and load everything that a run needs, without starting a thread.

    ONNX Runtime starts a thread on import. It is replaced by a mock: the default model is a chain and does not need it.
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
    """Answer requests from stdin, one a line."""
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
            printed = output.read().decode()
        print(json.dumps([status, printed, json.loads(struck) if struck else None]), flush=True)


if __name__ == "__main__":
    serve()
