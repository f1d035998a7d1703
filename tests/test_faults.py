"""What becomes of files when something fails: the process, the disk, or whoever else works with them."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from fault_server import READING, WRITING, Fault, FaultServer, Outcome
from random_models import random_model
from recordings import write_session

import spikey_cli
from spikey_cli import compressor, interruption, removal
from spikey_cli.atomic import WholeFile, is_temporary
from spikey_cli.cli import main
from spikey_cli.errors import ArchiveError, InputError, SpikeyError
from spikey_cli.predictor import default_predictor, read_model

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc, and processes that fork")

KILLS = int(os.environ.get("SPIKEY_KILLS", "10"))
"""Kills at random times; with more than some, the recordings are larger."""

OLD = b"what was here before"


@dataclass(frozen=True)
class Job:
    """A run of the command, and what it makes of the files in the folder `out`."""

    arguments: list[object]
    before: dict[str, bytes]
    after: dict[str, bytes]


@dataclass
class Stage:
    """Sources, and a folder `out` for what is made of them, in which job after job is run."""

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
        """The archive that `spikey compress` makes of these files; none of none."""
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
        """`spikey compress`, `decompress`, or `extract` for a decompress of a range of time."""
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
            arguments = ["decompress", *options, "--start", "0.1", archive, self.out / "back"]
            self.reset({})
            spikey_cli.extract_files(archive, self.out / "back", start=0.1)
            after = self.found()
        return Job(arguments, dict.fromkeys(after, OLD) if over_old else {}, after)

    def reset(self, before: dict[str, bytes]) -> None:
        """Make sources and the folder `out` what they were before a job."""
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
        """The job with the fault at the first call, at the second, and so on, until a run has not so many.

        Whatever the fault was, under every name stands what was there, or all that is to be there.
        """
        for at in itertools.count(1):
            self.reset(job.before)
            outcome = self.run(job, replace(fault, at=at))
            if outcome.struck is None:
                assert outcome.status == 0, outcome.told
                assert self.found() == job.after
                assert at > 1, "the fault struck nothing"
                return
            where = f"{fault.action} at {outcome.struck}: exit {outcome.status}, {outcome.told}"
            assert "Traceback" not in outcome.told, where
            assert "internal error" not in outcome.told, where
            found = self.found()
            assert found.keys() >= job.before.keys(), where
            for name, data in found.items():
                assert data in (job.before.get(name), job.after.get(name)), f"{name} is half written: {where}"
            yield outcome, where

    def found(self) -> dict[str, bytes]:
        """What stands below the folder `out`, temporary files left out."""
        return {path.relative_to(self.out).as_posix(): path.read_bytes() for path in self._made(temporary=False)}

    def left_behind(self) -> list[Path]:
        """Temporary files below the folder `out`."""
        return list(self._made(temporary=True))

    def _made(self, *, temporary: bool) -> Iterator[Path]:
        return (path for path in self.out.rglob("*") if path.is_file() and is_temporary(path) == temporary)


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    random = np.random.default_rng(20_260_101)
    paths = write_session(folder / "in", random, 2, 16_000)
    paths.append(folder / "in" / "empty.txt")
    paths[-1].touch()
    with FaultServer() as server:
        yield Stage(server, folder, {path.name: path.read_bytes() for path in paths})
        print(f"\nfaults that struck: {dict(server.struck)}")


def file_of(outcome: Outcome) -> str:
    """The name of the file that the fault struck; a temporary file goes by that of its target."""
    assert outcome.struck
    name = Path(outcome.struck[1]).name
    return re.sub(r"^\.(.*)\.[0-9a-f]{8}\.part$", r"\1", name)


every_job = pytest.mark.parametrize("kind", ["compress", "decompress", "extract"])


class TestKilled:
    @every_job
    @pytest.mark.parametrize(
        ("action", "over_old", "threads"), [("kill", False, 1), ("kill", True, 2), ("tear", True, 2)]
    )
    def test_at_any_call(self, stage, kind, action, over_old, threads):
        job = stage.job(kind, "--threads", threads, over_old=over_old)
        again = stage.job(kind, over_old=True)
        struck = []
        for outcome, where in stage.trials(job, Fault(action, 0, WRITING if action == "kill" else ("write",))):
            assert outcome.status == -signal.SIGKILL, where
            call, path = outcome.struck
            struck.append((call, "temporary" if is_temporary(Path(path)) else "target"))
            left = stage.left_behind()
            assert stage.run(again).status == 0, where
            assert stage.found() == job.after, where
            assert stage.left_behind() == left, where
        assert ("write", "temporary") in struck
        if threads == 1:  # calls come in the same order every time
            assert {("create", "temporary"), ("fsync", "temporary"), ("replace", "target")} <= set(struck)
            assert struck.index(("fsync", "temporary")) < struck.index(("replace", "target"))
            assert struck[-1] == ("fsync", "target"), "the folder is not flushed"

    def test_what_is_left_behind_is_no_input(self, stage):
        job = stage.job("compress")
        stage.reset({})
        stage.run(job, Fault("kill", 1, ("fsync",)))
        (left,) = stage.left_behind()
        named = compressor.name_inputs([stage.folder / "in", stage.out.parent / "in"], recursive=True)
        shutil.move(left, stage.folder / "in")
        assert compressor.name_inputs([stage.folder / "in"] * 2, recursive=True) == named
        (stage.folder / "in" / left.name).unlink()

    def test_at_random_times(self, tmp_path, random):
        """Whole processes; SPIKEY_KILLS sets how many, and `pytest -s` shows what became of them."""
        files, frames = (6, 100_000) if KILLS <= 20 else (32, 200_000)
        paths = write_session(tmp_path / "in", random, files, frames)
        archive, back = tmp_path / "out.spk", tmp_path / "back"
        whole = {path.name: path.read_bytes() for path in paths}
        commands: list[list[object]] = []
        archives = {b""}
        for coder in ("rice", "raw"):  # of the two, the one replaces the other
            commands += [["compress", "-f", "--coder", coder, *paths, archive], ["decompress", "-f", archive, back]]
            spikey_cli.compress(paths, archive, coder=coder, force=True)
            archives.add(archive.read_bytes())
        seconds = []
        for command in commands:
            started = time.perf_counter()
            assert start(command).wait() == 0
            seconds.append(time.perf_counter() - started)
        killed = torn = appeared = 0
        for i in range(KILLS):
            before = archive.read_bytes()
            shutil.rmtree(back, ignore_errors=True)
            process = start(commands[i % 4])
            time.sleep(random.uniform(0, seconds[i % 4]))
            process.kill()
            killed += process.wait() == -signal.SIGKILL
            assert archive.read_bytes() in archives
            appeared += archive.read_bytes() != before
            for path in tmp_path.rglob("*"):
                if is_temporary(path):
                    torn += 1
                    path.unlink()
                elif path.parent == back:
                    assert path.read_bytes() == whole[path.name], f"{path} is half written"
                    appeared += 1
        assert start(commands[1]).wait() == 0
        assert {path.name: path.read_bytes() for path in back.iterdir()} == whole
        print(f"\n{KILLS} kills: {killed} of them before the end, {appeared} files had appeared, {torn} were under way")


def start(arguments: list[object]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "spikey_cli", *map(str, arguments)], stdout=subprocess.DEVNULL)


class TestFailingDisk:
    @every_job
    @pytest.mark.parametrize(("number", "over_old"), [(errno.ENOSPC, True), (errno.EIO, False)])
    def test_once(self, stage, kind, number, over_old):
        job = stage.job(kind, over_old=over_old)
        for outcome, where in stage.trials(job, Fault("raise", 0, WRITING[:-1], number)):
            self.check(stage, outcome, where, number)
            found, failed = stage.found(), file_of(outcome)
            assert kind != "compress" or found == (job.after if outcome.struck[1] == str(stage.out) else job.before)
            for name, data in job.after.items():
                assert kind != "decompress" or Path(name).name == failed or found[name] == data, where

    @every_job
    def test_from_then_on(self, stage, kind):
        for outcome, where in stage.trials(stage.job(kind), Fault("raise", 0, WRITING[:-1], errno.ENOSPC, "", True)):
            self.check(stage, outcome, where, errno.ENOSPC)

    def check(self, stage: Stage, outcome: Outcome, where: str, number: int) -> None:
        assert outcome.status == 1, where
        assert stage.left_behind() == [], where
        failed = r"\S+" if Path(outcome.struck[1]).is_dir() else re.escape(file_of(outcome))
        reason, remedy = {errno.ENOSPC: ("No space left on device", "free some space")}.get(
            number, ("Input/output error", "check the disk")
        )
        assert re.search(rf"^spikey: \S*{failed}: cannot .*: {reason}; {remedy}", outcome.told, re.MULTILINE), where

    @pytest.mark.parametrize(("kind", "call"), [("compress", "create"), ("decompress", "create"), ("extract", "mkdir")])
    def test_a_folder_that_cannot_be_written_to(self, stage, kind, call):
        job = stage.job(kind)
        stage.reset({})
        outcome = stage.run(job, Fault("raise", 1, (call,), errno.EROFS, for_ever=True))
        assert outcome.status == 1
        assert re.search("cannot .*: Read-only file system; name a place that can be written to", outcome.told)
        assert stage.found() == {}

    def test_a_temporary_file_that_cannot_be_deleted_is_tried_again(self, stage):
        stage.reset({})
        arguments = ["compress", stage.folder / "in" / "absent.wav", stage.out / "o.spk"]
        outcome = stage.server.run(arguments, stage.folder, Fault("raise", 1, ("unlink",), errno.EIO))
        assert outcome.struck is not None
        assert outcome.told.endswith("absent.wav: cannot read: No such file or directory; check the name\n")
        assert (outcome.status, stage.left_behind()) == (1, [])


class TestInterrupted:
    @every_job
    @pytest.mark.parametrize("threads", [1, 2])
    def test_at_any_call(self, stage, kind, threads):
        job = stage.job(kind, "--threads", threads)
        for outcome, where in stage.trials(job, Fault("signal", 0, (*WRITING, *READING), signal.SIGINT)):
            self.check(stage, outcome, where, signal.SIGINT)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_by_other_signals(self, stage, number):
        for outcome, where in stage.trials(stage.job("decompress", over_old=True), Fault("signal", 0, number=number)):
            self.check(stage, outcome, where, number)

    def check(self, stage: Stage, outcome: Outcome, where: str, number: int) -> None:
        assert outcome.status == 128 + number, where
        name = signal.Signals(number).name
        assert outcome.told == f"spikey: interrupted by {name}; no archive or file is left half written\n", where
        assert stage.left_behind() == [], where

    @pytest.fixture
    def heeding(self, monkeypatch):
        """As in a process of the command."""
        monkeypatch.setattr(interruption, "_received", None)
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        for number in before:
            signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)
        interruption.heed()
        yield
        for number, handler in before.items():
            signal.signal(number, handler)

    def test_signals_that_were_turned_off_stay_so(self, heeding):
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        with pytest.raises(interruption.Interrupted):
            signal.raise_signal(signal.SIGTERM)

    def test_signals_can_be_held(self, heeding):
        holding = interruption.hold()
        holding.__enter__()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(interruption.Interrupted) as caught:
            holding.__exit__(None, None, None)
        assert caught.value.status == 130

    def test_one_that_a_library_loses_ends_the_run_all_the_same(self, heeding, tmp_path, random, monkeypatch):
        def lose(*_, **__):
            with contextlib.suppress(interruption.Interrupted):
                signal.raise_signal(signal.SIGINT)

        paths = write_session(tmp_path / "in", random)
        monkeypatch.setattr(compressor, "_verify", lose)
        with pytest.raises(interruption.Interrupted):
            spikey_cli.compress(paths, tmp_path / "o.spk")
        assert [path.name for path in tmp_path.iterdir()] == ["in"]

    def test_one_that_a_library_takes_for_an_error_ends_the_run_all_the_same(self, heeding, tmp_path, monkeypatch):
        def mistake(*_, **__):
            try:
                signal.raise_signal(signal.SIGINT)
            except interruption.Interrupted as error:
                raise ImportError("initialization failed") from error

        monkeypatch.setattr(compressor, "name_inputs", mistake)
        with pytest.raises(interruption.Interrupted):
            CliRunner().invoke(main, ["compress", "a.wav", str(tmp_path / "o.spk")])

    def test_an_interrupted_call_leaves_nothing(self, tmp_path, random, monkeypatch):
        def interrupt(*_, **__):
            raise KeyboardInterrupt

        paths = write_session(tmp_path / "in", random)
        monkeypatch.setattr(compressor, "encode_block", interrupt)
        with pytest.raises(KeyboardInterrupt):
            spikey_cli.compress(paths, tmp_path / "o.spk")
        assert [path.name for path in tmp_path.iterdir()] == ["in"]

    def test_the_end_of_a_process_discards_what_nobody_has(self, tmp_path):
        begin = (
            "import pathlib, sys; from spikey_cli.atomic import WholeFile\nWholeFile(pathlib.Path('a'), force=False)"
        )
        subprocess.run([sys.executable, "-c", begin], cwd=tmp_path, check=True, env=os.environ | importable())
        assert list(tmp_path.iterdir()) == []

    def test_what_was_discarded_does_not_come_back(self, tmp_path):
        file = WholeFile(tmp_path / "a", force=False)
        file.append(b"some")
        file.discard()
        with pytest.raises(InputError, match="a: cannot write: No such file"):
            file.append(b"more")
        assert list(tmp_path.iterdir()) == []


def importable() -> dict[str, str]:
    root = str(Path(spikey_cli.__file__).parent.parent)
    return {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}


class TestSources:
    @pytest.mark.parametrize("number", [errno.EACCES, errno.EIO], ids=["EACCES", "EIO"])
    def test_that_cannot_be_read(self, stage, number):
        """Each time that anything is read: the source that fails is left out, or the archive, where that does."""
        job = stage.job("compress", "--threads", 1)
        struck = set()
        for at in itertools.count(1):
            stage.reset({})
            outcome = stage.run(job, Fault("raise", at, READING, number))
            if outcome.struck is None:
                break
            name = file_of(outcome)
            struck.add((name, outcome.struck[0]))
            assert f"{name}: cannot read: {os.strerror(number)}; " in outcome.told
            assert outcome.status == 1
            assert stage.left_behind() == []
            others = {other: data for other, data in stage.sources.items() if other != name}
            assert stage.found() == ({} if name == "o.spk" else {"o.spk": stage.archive_of(others)}), outcome
        assert struck == {(name, call) for name in (*stage.sources, "o.spk") for call in READING} - {
            ("empty.txt", "read")
        }

    @every_job
    def test_an_archive_that_cannot_be_read(self, stage, kind):
        if kind == "compress":
            return
        for outcome, where in stage.trials(stage.job(kind), Fault("raise", 0, READING, errno.EIO, for_ever=True)):
            assert outcome.status == 1, where
            assert "whole.spk: cannot read: Input/output error; check the disk" in outcome.told, where
            assert stage.left_behind() == [], where

    @pytest.mark.parametrize(("action", "name"), [("append", "thread1.wav"), ("unlink", "thread0.wav")])
    def test_that_change(self, stage, action, name):
        """Between any two calls: what is archived is the file as it was, or as it became, or it is left out."""
        job = stage.job("compress", "--threads", 1)
        without = {other: data for other, data in stage.sources.items() if other != name}
        became = stage.sources | {name: stage.sources[name] + b"more"}
        statuses = set()
        for at in itertools.count(1):
            stage.reset({})
            fault = Fault(action, at, (*READING, *WRITING), path=str(stage.folder / "in" / name))
            outcome = stage.run(job, fault)
            if outcome.struck is None:
                break
            statuses.add(outcome.status)
            archive = stage.found()["o.spk"]
            if outcome.status == 0:
                assert archive in (stage.archive_of(stage.sources), stage.archive_of(became)), outcome
            else:
                assert re.search(
                    f"{name}: (changed while it was read; compress it again|cannot read: No such file)", outcome.told
                ), outcome
                assert archive == stage.archive_of(without), outcome
        assert statuses == {0, 1}

    def test_a_folder_that_cannot_be_read_is_named(self, tmp_path, random, monkeypatch):
        write_session(tmp_path / "in" / "sub", random)
        honest = os.scandir

        def scandir(path):
            if str(path).endswith("sub"):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return honest(path)

        monkeypatch.setattr(os, "scandir", scandir)
        with pytest.raises(InputError, match="sub: cannot read the folder: Permission denied; change the permissions"):
            spikey_cli.compress([tmp_path / "in"], tmp_path / "o.spk", recursive=True)


class TestVerifying:
    def test_every_write_that_errs_is_found(self, stage):
        job = stage.job("compress")
        for outcome, where in stage.trials(job, Fault("flip", 0, ("write",))):
            assert outcome.status == 1, where
            assert "o.spk: " in outcome.told, where
            assert "nothing is kept of it; compress again" in outcome.told, where
            assert (stage.found(), stage.left_behind()) == ({}, [])

    def test_without_it_is_not(self, stage):
        stage.reset({})
        job = stage.job("compress", "--no-verify")
        assert stage.run(job, Fault("flip", 2, ("write",))).status == 0
        with pytest.raises(SpikeyError):
            spikey_cli.verify(stage.out / "o.spk")

    def test_a_coder_that_errs_is_found(self, tmp_path, random, monkeypatch):
        honest = compressor.encode_block

        def wrong(block, *arguments, **options):
            pieces = [bytes([block.pieces[0][0] ^ 1]) + block.pieces[0][1:], *block.pieces[1:]]
            return honest(replace(block, pieces=pieces), *arguments, **options)

        paths = write_session(tmp_path / "in", random)
        paths[0] = paths[0].rename(tmp_path / "in" / "note.txt")
        paths[0].write_bytes(b"kept as it is")
        monkeypatch.setattr(compressor, "encode_block", wrong)
        with pytest.raises(
            ArchiveError, match=r"o.spk: note.txt is damaged: .* file's checksum; nothing is kept of it"
        ):
            spikey_cli.compress(paths[:1], tmp_path / "o.spk")
        assert [path.name for path in tmp_path.iterdir()] == ["in"]
        spikey_cli.compress(paths[:1], tmp_path / "o.spk", verify=False)
        with pytest.raises(ArchiveError, match=r"note.txt is damaged"):
            spikey_cli.verify(tmp_path / "o.spk")

    def test_another_archive_in_its_place_is_found(self, tmp_path, random, monkeypatch):
        paths = write_session(tmp_path / "in", random)
        spikey_cli.compress(paths[:1], tmp_path / "other.spk")
        honest = compressor.write_archive

        def replaced(sources, file, *arguments):
            written = honest(sources, file, *arguments)
            file.flush()
            Path(file.name).write_bytes((tmp_path / "other.spk").read_bytes())
            return written

        monkeypatch.setattr(compressor, "write_archive", replaced)
        with pytest.raises(ArchiveError, match=r"o.spk: what was written is not what was read"):
            spikey_cli.compress(paths, tmp_path / "o.spk")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "other.spk"]


class TestRemovingSources:
    def remaining(self, stage: Stage) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in stage.paths if path.exists()}

    def check_nothing_is_lost(self, stage: Stage, outcome: Outcome) -> None:
        remaining = self.remaining(stage)
        assert remaining.items() <= stage.sources.items(), outcome
        if remaining != stage.sources:
            failed = file_of(outcome)
            others = {name: data for name, data in stage.sources.items() if name != failed}
            complete = stage.found()["o.spk"] == stage.archive_of(stage.sources)
            assert complete or failed in remaining, outcome
            assert complete or stage.found()["o.spk"] == stage.archive_of(others), outcome

    def test_when_all_is_well(self, stage):
        stage.reset({})
        outcome = stage.run(stage.job("compress", "--remove-source"))
        assert (outcome.status, self.remaining(stage)) == (0, {})
        assert "ratio " in outcome.told
        assert "; 3 sources deleted" in outcome.told
        spikey_cli.decompress(stage.out / "o.spk", stage.out / "back")
        assert {path.name: path.read_bytes() for path in (stage.out / "back").iterdir()} == stage.sources

    @pytest.mark.parametrize(
        "fault",
        [
            Fault("kill", 0, (*WRITING, *READING, "unlink")),
            Fault("raise", 0, (*WRITING, *READING, "unlink"), errno.EIO),
            Fault("signal", 0, (*WRITING, *READING, "unlink"), signal.SIGINT),
            Fault("flip", 0, ("write",)),
        ],
        ids=["kill", "EIO", "SIGINT", "flip"],
    )
    def test_nothing_is_lost(self, stage, fault):
        job = stage.job("compress", "--remove-source", "--threads", 1)
        partly = 0
        for at in itertools.count(1):
            stage.reset({})
            outcome = stage.run(job, replace(fault, at=at))
            if outcome.struck is None:
                break
            self.check_nothing_is_lost(stage, outcome)
            partly += 0 < len(self.remaining(stage)) < 3
            if outcome.status == 0:  # the system was asked to forget, and that failed: it is no matter
                assert (outcome.struck[0], file_of(outcome)) == ("open", "o.spk"), outcome
        assert partly > 0 or fault.action == "flip"

    def test_one_that_changes_is_kept(self, stage):
        """Between any two calls, up to the last look at it; for what is deleted, the archive has it as it became."""
        name = "thread0.wav"
        became = stage.sources | {name: stage.sources[name] + b"more"}
        job = stage.job("compress", "--remove-source", "--threads", 1)
        kept = 0
        for at in itertools.count(1):
            stage.reset({})
            fault = Fault("append", at, (*READING, *WRITING), path=str(stage.folder / "in" / name))
            outcome = stage.run(job, fault)
            if outcome.struck is None:
                break
            remaining = self.remaining(stage)
            if name in remaining:
                assert remaining == {name: became[name]}
                assert outcome.status == 1
                assert re.search(f"{name}: changed (while|after) it was read", outcome.told)
                kept += 1
            else:
                assert stage.found() == {"o.spk": stage.archive_of(became)}
        assert kept > 10

    def test_an_archive_that_does_not_come_back_from_the_disk(self, tmp_path, random, monkeypatch):
        def damage(archive: Path) -> None:
            data = bytearray(archive.read_bytes())
            data[len(data) // 2] ^= 1
            archive.write_bytes(data)

        monkeypatch.setattr(removal, "forget", damage)
        paths = write_session(tmp_path / "in", random)
        with pytest.raises(ArchiveError, match=r"o.spk: .*damaged: .*; no source is deleted; compress"):
            spikey_cli.compress(paths, tmp_path / "o.spk", remove_source=True)
        assert [path.exists() for path in paths] == [True, True]

    def test_one_that_failed_is_kept(self, tmp_path, random):
        paths = write_session(tmp_path / "in", random)
        same = write_session(tmp_path / "other", random, 1)
        result = CliRunner().invoke(
            main, ["compress", "--remove-source", *map(str, [*paths, *same, tmp_path / "o.spk"])]
        )
        assert result.exit_code == 1
        assert "has the same name 'thread0.wav'" in result.output
        assert [path.exists() for path in (*paths, *same)] == [False, False, True]

    def test_a_link_is_kept(self, tmp_path, random):
        paths = write_session(tmp_path / "in", random)
        link = tmp_path / "link.wav"
        link.symlink_to(paths[0])
        with pytest.raises(InputError, match=r"link.wav: is a link, or no plain file, and is kept"):
            spikey_cli.compress([paths[1], link], tmp_path / "o.spk", remove_source=True)
        assert [path.exists() for path in (*paths, link)] == [True, False, True]

    def test_what_would_make_it_dangerous_is_refused(self, tmp_path, random):
        paths = write_session(tmp_path / "in", random)
        archive = tmp_path / "o.spk"
        for option in ("--force", "--no-verify"):
            words = ["compress", "--remove-source", option, *map(str, [*paths, archive])]
            result = CliRunner().invoke(main, words)
            assert (result.exit_code, f"does not go with {option}" in result.output) == (2, True)
        result = CliRunner().invoke(main, ["compress", "--remove-source", "-", str(archive)], input=b"")
        assert (result.exit_code, "no file that --remove-source could delete" in result.output) == (2, True)
        for options in ({"force": True}, {"verify": False}):
            with pytest.raises(ValueError, match="remove_source goes neither"):
                spikey_cli.compress(paths, archive, remove_source=True, **options)
        archive.write_bytes(OLD)
        with pytest.raises(InputError, match="exists already"):
            spikey_cli.compress(paths, archive, remove_source=True)
        assert ([path.exists() for path in paths], archive.read_bytes()) == ([True, True], OLD)

    def test_a_model_of_ones_own_must_be_in_the_archive(self, tmp_path, random):
        paths = write_session(tmp_path / "in", random)
        model = tmp_path / "mine.onnx"
        model.write_bytes(random_model(latent=4, peers=1, edges=default_predictor().profile.edges.tolist()))
        predictor = read_model(model)
        with pytest.raises(InputError, match="the sources would be lost with the model"):
            spikey_cli.compress(paths, tmp_path / "o.spk", remove_source=True, predictor=predictor)
        assert [path.exists() for path in paths] == [True, True]
        files = {path.name: path.read_bytes() for path in paths}
        spikey_cli.compress(paths, tmp_path / "o.spk", remove_source=True, predictor=predictor, embed_model=True)
        assert [path.exists() for path in paths] == [False, False]
        spikey_cli.decompress(tmp_path / "o.spk", tmp_path / "back")
        assert {path.name: path.read_bytes() for path in (tmp_path / "back").iterdir()} == files
