"""A harness for faults: sources, and a folder in which the command is run again and again with a fault at each call."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from support.fault_server import Fault, FaultServer, Outcome

import spikey_cli
from spikey_cli.system.whole_file import is_temporary

needs_faults = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc, and processes that fork")
every_job = pytest.mark.parametrize("kind", ["compress", "decompress", "extract"])

OLD = b"\x89SPK\r\n\x1a\nwhat was here before"


@dataclass(frozen=True)
class Job:
    """Arguments of the command, and the files in the folder `out` before and after it."""

    arguments: list[object]
    before: dict[str, bytes]
    after: dict[str, bytes]


@dataclass
class FaultHarness:
    """Source files, and a folder `out` in which jobs run one after another."""

    server: FaultServer
    folder: Path
    sources: dict[str, bytes]
    _archives: dict[tuple[tuple[str, bytes], ...], bytes] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def paths(self) -> list[Path]:
        return [self.folder / "in" / name for name in self.sources]

    def archive_of(self, files: dict[str, bytes]) -> bytes:
        """The archive that `spikey compress` makes of these files."""
        key = tuple(files.items())
        if key not in self._archives:
            folder = self.folder / "reference"
            folder.mkdir(exist_ok=True)
            for name, data in files.items():
                (folder / name).write_bytes(data)
            spikey_cli.compress([folder / name for name in files], folder / "o.spk", force=True)
            self._archives[key] = (folder / "o.spk").read_bytes()
        return self._archives[key]

    def job(self, kind: str, *options: object, over_old: bool = False) -> Job:
        """`spikey compress`, `decompress`, or `extract` to a folder."""
        archive = self.folder / "whole.spk"
        archive.write_bytes(self.archive_of(self.sources))
        if over_old:
            options = ("--force", *options)
        if kind == "compress":
            arguments = ["compress", *options, *self.paths, self.out / "o.spk"]
            after = {"o.spk": archive.read_bytes()}
        elif kind == "decompress":
            arguments = ["decompress", *options, archive, self.out / "back"]
            after = {f"back/{name}": data for name, data in self.sources.items()}
        else:
            arguments = ["extract", *options, "--start", "0.1", archive, f"{self.out / 'back'}/"]
            self.reset({})
            spikey_cli.extract(archive, f"{self.out / 'back'}/", seconds=(0.1, None))
            after = self.files()
        return Job(arguments, dict.fromkeys(after, OLD) if over_old else {}, after)

    def reset(self, before: dict[str, bytes]) -> None:
        """Restore the sources and the folder `out` to their state before a job."""
        for path, data in zip(self.paths, self.sources.values(), strict=True):
            path.write_bytes(data)
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        for name, data in before.items():
            (self.out / name).parent.mkdir(exist_ok=True)
            (self.out / name).write_bytes(data)

    def run(self, job: Job, fault: Fault | None = None) -> Outcome:
        return self.server.run(job.arguments, self.folder, fault)

    def trials(self, job: Job, fault: Fault) -> Iterator[tuple[Outcome, str]]:
        """Run the job with the fault at the first call, the second, and so on, until a run has no such call.

        After each run, every file must hold what it held before the job, or all that it holds after it.
        """
        for at in itertools.count(1):
            self.reset(job.before)
            outcome = self.run(job, replace(fault, at=at))
            if outcome.struck is None:
                assert outcome.status == 0, outcome.output
                assert self.files() == job.after
                assert at > 1, "no call was counted"
                return
            where = f"{fault.action} at {outcome.struck}: exit {outcome.status}, {outcome.output}"
            assert "Traceback" not in outcome.output, where
            assert "internal error" not in outcome.output, where
            found = self.files()
            assert found.keys() >= job.before.keys(), where
            for name, data in found.items():
                assert data in (job.before.get(name), job.after.get(name)), f"{name} is incomplete: {where}"
            yield outcome, where

    def files(self) -> dict[str, bytes]:
        """The files below the folder `out`, except temporary ones."""
        return {path.relative_to(self.out).as_posix(): path.read_bytes() for path in self._made(temporary=False)}

    def temporary_files(self) -> list[Path]:
        """Temporary files below the folder `out`."""
        return list(self._made(temporary=True))

    def _made(self, *, temporary: bool) -> Iterator[Path]:
        return (path for path in self.out.rglob("*") if path.is_file() and is_temporary(path) == temporary)


def file_of(outcome: Outcome) -> str:
    """The name of the file at whose call the fault was injected; for a temporary file, the name of its target."""
    assert outcome.struck
    name = Path(outcome.struck[1]).name
    return re.sub(r"^\.(.*)\.[0-9a-f]{8}\.part$", r"\1", name)
