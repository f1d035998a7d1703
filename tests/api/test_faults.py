"""Files after a fault: a killed process, a failing disk, or another program that changes them."""

from __future__ import annotations

import errno
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.fault_harness import FaultHarness, every_job, file_of, needs_faults
from support.fault_server import READING, WRITING, Fault, Outcome
from support.recordings import write_session

import spikey_cli
from spikey_cli.api import compress as compressor
from spikey_cli.errors import ArchiveError, InputError, SpikeyError
from spikey_cli.system.whole_file import is_temporary

pytestmark = needs_faults


class TestKilled:
    @every_job
    def test_before_the_result_appears(self, harness, kind):
        job = harness.job(kind)
        harness.reset({})
        outcome = harness.run(job, Fault("kill", 1, ("replace",)))
        assert outcome.status == -signal.SIGKILL
        assert harness.files() == {}
        assert harness.run(harness.job(kind, over_old=True)).status == 0
        assert harness.files() == job.after

    @pytest.mark.slow
    @every_job
    @pytest.mark.parametrize(
        ("action", "over_old", "threads"), [("kill", False, 1), ("kill", True, 2), ("tear", True, 2)]
    )
    def test_at_any_system_call(self, harness, kind, action, over_old, threads):
        job = harness.job(kind, "--threads", threads, over_old=over_old)
        again = harness.job(kind, over_old=True)
        struck = []
        for outcome, where in harness.trials(job, Fault(action, 0, WRITING if action == "kill" else ("write",))):
            assert outcome.status == -signal.SIGKILL, where
            call, path = outcome.struck
            struck.append((call, "temporary" if is_temporary(Path(path)) else "target"))
            left = harness.temporary_files()
            assert harness.run(again).status == 0, where
            assert harness.files() == job.after, where
            assert harness.temporary_files() == left, where
        assert ("write", "temporary") in struck
        if threads == 1:  # calls come in the same order every time
            assert {("create", "temporary"), ("fsync", "temporary"), ("replace", "target")} <= set(struck)
            assert struck.index(("fsync", "temporary")) < struck.index(("replace", "target"))
            assert struck[-1] == ("fsync", "target"), "the folder is not flushed"

    def test_temporary_files_are_not_inputs(self, harness):
        job = harness.job("compress")
        harness.reset({})
        harness.run(job, Fault("kill", 1, ("fsync",)))
        (left,) = harness.temporary_files()
        named = compressor.find_sources([harness.folder / "in", harness.out.parent / "in"], recursive=True)
        shutil.move(left, harness.folder / "in")
        assert compressor.find_sources([harness.folder / "in"] * 2, recursive=True) == named
        (harness.folder / "in" / left.name).unlink()

    @pytest.mark.trials(slow=10, exhaustive=200)
    def test_at_random_times(self, tmp_path, random, trials):
        """Kills processes of the command; `pytest -s` prints how many files are complete."""
        files, frames = (6, 100_000) if trials <= 20 else (32, 200_000)
        paths = write_session(tmp_path / "in", random, files, frames)
        archive, back = tmp_path / "out.spk", tmp_path / "back"
        originals = {path.name: path.read_bytes() for path in paths}
        commands: list[list[object]] = []
        archives = {b""}
        for coder in ("rice", "range"):  # each of the two archives overwrites the other
            commands += [["compress", "-f", "--coder", coder, *paths, archive], ["decompress", "-f", archive, back]]
            spikey_cli.compress(paths, archive, coder=coder, force=True)
            archives.add(archive.read_bytes())
        seconds = []
        for command in commands:
            started = time.perf_counter()
            assert start(command).wait() == 0
            seconds.append(time.perf_counter() - started)
        killed = torn = appeared = 0
        for i in range(trials):
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
                    assert path.read_bytes() == originals[path.name], f"{path} is incomplete"
                    appeared += 1
        assert start(commands[1]).wait() == 0
        assert {path.name: path.read_bytes() for path in back.iterdir()} == originals
        print(f"\n{trials} kills: {killed} before the command ended, {appeared} files complete, {torn} incomplete")


def start(arguments: list[object]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "spikey_cli", *map(str, arguments)], stdout=subprocess.DEVNULL)


class TestFailingDisk:
    @pytest.mark.slow
    @every_job
    @pytest.mark.parametrize(("number", "over_old"), [(errno.ENOSPC, True), (errno.EIO, False)])
    def test_one_failing_call(self, harness, kind, number, over_old):
        job = harness.job(kind, over_old=over_old)
        for outcome, where in harness.trials(job, Fault("raise", 0, WRITING[:-1], number)):
            self.check(harness, outcome, where, number)
            found, failed = harness.files(), file_of(outcome)
            assert kind != "compress" or found == (job.after if outcome.struck[1] == str(harness.out) else job.before)
            for name, data in job.after.items():
                assert kind != "decompress" or Path(name).name == failed or found[name] == data, where

    @pytest.mark.slow
    @every_job
    def test_all_later_calls_fail(self, harness, kind):
        fault = Fault("raise", 0, WRITING[:-1], errno.ENOSPC, for_ever=True)
        for outcome, where in harness.trials(harness.job(kind), fault):
            self.check(harness, outcome, where, errno.ENOSPC)

    def check(self, harness: FaultHarness, outcome: Outcome, where: str, number: int) -> None:
        assert outcome.status == 1, where
        assert harness.temporary_files() == [], where
        failed = r"\S+" if Path(outcome.struck[1]).is_dir() else re.escape(file_of(outcome))
        reason, remedy = {errno.ENOSPC: ("No space left on device", "free some space")}.get(
            number, ("Input/output error", "check the disk")
        )
        assert re.search(rf"^spikey: \S*{failed}: cannot .*: {reason}; {remedy}", outcome.output, re.MULTILINE), where

    @pytest.mark.parametrize(("kind", "call"), [("compress", "create"), ("decompress", "create"), ("extract", "mkdir")])
    def test_a_read_only_folder(self, harness, kind, call):
        job = harness.job(kind)
        harness.reset({})
        outcome = harness.run(job, Fault("raise", 1, (call,), errno.EROFS, for_ever=True))
        assert outcome.status == 1
        assert re.search("cannot .*: Read-only file system; choose a folder that is writable", outcome.output)
        assert harness.files() == {}

    def test_deleting_a_temporary_file_is_tried_again_at_exit(self, harness):
        harness.reset({})
        arguments = ["compress", harness.folder / "in" / "absent.wav", harness.out / "o.spk"]
        outcome = harness.server.run(arguments, harness.folder, Fault("raise", 1, ("unlink",), errno.EIO))
        assert outcome.struck is not None
        assert outcome.output.endswith("absent.wav: cannot read: No such file or directory; check the name\n")
        assert (outcome.status, harness.temporary_files()) == (1, [])


class TestSources:
    @pytest.mark.slow
    @pytest.mark.parametrize("number", [errno.EACCES, errno.EIO], ids=["EACCES", "EIO"])
    def test_a_source_that_cannot_be_read_is_left_out(self, harness, number):
        """At any read. If the archive itself cannot be read, no archive is written."""
        job = harness.job("compress", "--threads", 1)
        struck = set()
        for at in itertools.count(1):
            harness.reset({})
            outcome = harness.run(job, Fault("raise", at, READING, number))
            if outcome.struck is None:
                break
            name = file_of(outcome)
            struck.add((name, outcome.struck[0]))
            assert f"{name}: cannot read: {os.strerror(number)}; " in outcome.output
            assert outcome.status == 1
            assert harness.temporary_files() == []
            others = {other: data for other, data in harness.sources.items() if other != name}
            assert harness.files() == ({} if name == "o.spk" else {"o.spk": harness.archive_of(others)}), outcome
        assert struck == {(name, call) for name in (*harness.sources, "o.spk") for call in READING}

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["decompress", "extract"])
    def test_an_archive_that_cannot_be_read(self, harness, kind):
        for outcome, where in harness.trials(harness.job(kind), Fault("raise", 0, READING, errno.EIO, for_ever=True)):
            assert outcome.status == 1, where
            assert "whole.spk: cannot read: Input/output error; check the disk" in outcome.output, where
            assert harness.temporary_files() == [], where

    @pytest.mark.slow
    @pytest.mark.parametrize(("action", "name"), [("append", "thread1.wav"), ("unlink", "thread0.wav")])
    def test_a_source_that_changes(self, harness, action, name):
        """Between any two system calls: the archive holds the old file, the new one, or neither."""
        job = harness.job("compress", "--threads", 1)
        others = {other: data for other, data in harness.sources.items() if other != name}
        changed = harness.sources | {name: harness.sources[name] + b"more"}
        statuses = set()
        for at in itertools.count(1):
            harness.reset({})
            fault = Fault(action, at, (*READING, *WRITING), path=str(harness.folder / "in" / name))
            outcome = harness.run(job, fault)
            if outcome.struck is None:
                break
            statuses.add(outcome.status)
            archive = harness.files()["o.spk"]
            if outcome.status == 0:
                assert archive in (harness.archive_of(harness.sources), harness.archive_of(changed)), outcome
            else:
                assert re.search(
                    f"{name}: (changed while it was read; compress it again|cannot read: No such file)", outcome.output
                ), outcome
                assert archive == harness.archive_of(others), outcome
        assert statuses == {0, 1}

    def test_an_unreadable_folder_is_named(self, tmp_path, random, monkeypatch):
        write_session(tmp_path / "in" / "sub", random)
        original = os.scandir

        def scandir(path):
            if str(path).endswith("sub"):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return original(path)

        monkeypatch.setattr(os, "scandir", scandir)
        with pytest.raises(InputError, match="sub: cannot read the folder: Permission denied; change the permissions"):
            spikey_cli.compress([tmp_path / "in"], tmp_path / "o.spk", recursive=True)


class TestVerifying:
    @pytest.mark.slow
    def test_every_wrong_write_is_detected(self, harness):
        job = harness.job("compress")
        for outcome, where in harness.trials(job, Fault("flip", 0, ("write",))):
            assert outcome.status == 1, where
            assert "o.spk: " in outcome.output, where
            assert "the archive is deleted; compress again" in outcome.output, where
            assert (harness.files(), harness.temporary_files()) == ({}, [])

    def test_without_verification_it_is_not_detected(self, harness):
        harness.reset({})
        job = harness.job("compress", "--no-verify")
        assert harness.run(job, Fault("flip", 2, ("write",))).status == 0
        with pytest.raises(SpikeyError):
            spikey_cli.verify(harness.out / "o.spk")

    def test_a_wrong_coder_is_detected(self, tmp_path, random, monkeypatch):
        original = compressor.encode_block

        def wrong(block, *arguments, **options):
            pieces = [bytes([block.pieces[0][0] ^ 1]) + block.pieces[0][1:], *block.pieces[1:]]
            return original(block._replace(pieces=pieces), *arguments, **options)

        paths = write_session(tmp_path / "in", random)
        paths[0] = paths[0].rename(tmp_path / "in" / "note.txt")
        paths[0].write_bytes(b"stored verbatim")
        monkeypatch.setattr(compressor, "encode_block", wrong)
        with pytest.raises(
            ArchiveError, match=r"o.spk: note.txt is damaged: .* file's checksum; the archive is deleted"
        ):
            spikey_cli.compress(paths[:1], tmp_path / "o.spk")
        assert [path.name for path in tmp_path.iterdir()] == ["in"]
        spikey_cli.compress(paths[:1], tmp_path / "o.spk", verify=False)
        with pytest.raises(ArchiveError, match=r"note.txt is damaged"):
            spikey_cli.verify(tmp_path / "o.spk")

    def test_another_archive_in_its_place_is_detected(self, tmp_path, random, monkeypatch):
        paths = write_session(tmp_path / "in", random)
        spikey_cli.compress(paths[:1], tmp_path / "other.spk")
        original = compressor.write_archive

        def replaced(sources, file, *arguments, **options):
            written = original(sources, file, *arguments, **options)
            file.flush()
            Path(file.name).write_bytes((tmp_path / "other.spk").read_bytes())
            return written

        monkeypatch.setattr(compressor, "write_archive", replaced)
        with pytest.raises(ArchiveError, match=r"o.spk: is damaged: what was written differs from what was read"):
            spikey_cli.compress(paths, tmp_path / "o.spk")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "other.spk"]
