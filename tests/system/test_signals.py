"""What signals do to a run: it ends at once, says so, and leaves nothing half written."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.command import run
from support.fault_harness import FaultHarness, every_job, needs_faults
from support.fault_server import READING, WRITING, Fault, Outcome
from support.recordings import write_session

import spikey_cli
from spikey_cli.api import compress as compressor
from spikey_cli.cli import main, pipe
from spikey_cli.errors import InputError
from spikey_cli.streaming.encoder import StreamEncoder
from spikey_cli.streaming.pipe import decompress_pipe
from spikey_cli.system import signals
from spikey_cli.system.whole_file import WholeFile

pytestmark = needs_faults


@pytest.fixture
def heeding(monkeypatch):
    """As in a process of the command."""
    monkeypatch.setattr(signals, "_received", None)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)
    signals.heed()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class TestInterrupted:
    @pytest.mark.slow
    @every_job
    @pytest.mark.parametrize("channels", [1, 2])
    def test_at_any_call(self, harness, kind, channels):
        job = harness.job(kind, "--threads", channels)
        for outcome, where in harness.trials(job, Fault("signal", 0, (*WRITING, *READING), signal.SIGINT)):
            self.check(harness, outcome, where, signal.SIGINT)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_by_other_signals(self, harness, number):
        job = harness.job("decompress", over_old=True)
        for outcome, where in harness.trials(job, Fault("signal", 0, number=number)):
            self.check(harness, outcome, where, number)

    def check(self, harness: FaultHarness, outcome: Outcome, where: str, number: int) -> None:
        assert outcome.status == 128 + number, where
        name = signal.Signals(number).name
        assert outcome.output == f"spikey: interrupted by {name}; no archive or file is left half written\n", where
        assert harness.temporary_files() == [], where

    def test_signals_that_were_turned_off_stay_so(self, heeding):
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        with pytest.raises(signals.Interrupted):
            signal.raise_signal(signal.SIGTERM)

    def test_signals_can_be_held(self, heeding):
        holding = signals.hold()
        holding.__enter__()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(signals.Interrupted) as caught:
            holding.__exit__(None, None, None)
        assert caught.value.status == 130

    def test_one_may_be_a_request_and_the_next_is_raised(self, heeding):
        with signals.requested() as request:
            signal.raise_signal(signal.SIGTERM)
            assert request.number == signal.SIGTERM
            signals.check()
            with pytest.raises(signals.Interrupted):
                signal.raise_signal(signal.SIGINT)
        with pytest.raises(signals.Interrupted):
            signal.raise_signal(signal.SIGTERM)

    def test_one_that_a_library_loses_ends_the_run_all_the_same(self, heeding, tmp_path, random, monkeypatch):
        def lose(*_, **__):
            with contextlib.suppress(signals.Interrupted):
                signal.raise_signal(signal.SIGINT)

        paths = write_session(tmp_path / "in", random)
        monkeypatch.setattr(compressor, "_verify", lose)
        with pytest.raises(signals.Interrupted):
            spikey_cli.compress(paths, tmp_path / "o.spk")
        assert [path.name for path in tmp_path.iterdir()] == ["in"]

    def test_one_that_a_library_takes_for_an_error_ends_the_run_all_the_same(self, heeding, tmp_path, monkeypatch):
        def mistake(*_, **__):
            try:
                signal.raise_signal(signal.SIGINT)
            except signals.Interrupted as error:
                raise ImportError("initialization failed") from error

        monkeypatch.setattr(compressor, "find_sources", mistake)
        with pytest.raises(signals.Interrupted):
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
        begin = "import pathlib, sys; from spikey_cli.system.whole_file import WholeFile\nWholeFile(pathlib.Path('a'), force=False)"
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


@pytest.fixture
def recording():
    """`spikey compress -` in a process of its own, which waits for more; what it is given at first is taken."""
    started = []

    def start(target: Path | str, begin: bytes) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "spikey_cli", "compress", "--raw", "2:1000", "-", str(target)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, bufsize=0, env=os.environ | importable(), **pipes)
        started.append(process)
        process.stdin.write(begin)
        while struct.unpack("i", fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)))[0]:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


class TestRecording:
    """What comes through a pipe cannot come again: a signal ends it, and it is kept."""

    @pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
    def test_what_came_is_kept(self, tmp_path, random, recording, number):
        data = random.bytes(4 * 50_000)
        process = recording(tmp_path / "o.spk", data[:180_000])
        process.stdin.write(data[180_000:])  # some of it is on its way when the signal comes
        process.send_signal(number)
        told = process.communicate()[1].decode()
        assert (process.returncode, told) == (
            128 + number,
            f"spikey: interrupted by {number.name}; {tmp_path}/o.spk holds the 50,000 frames received\n",
        )
        assert restored(tmp_path / "o.spk") == data

    @pytest.mark.slow
    def test_what_a_recorder_still_writes_is_taken(self, tmp_path, random, recording):
        """Ctrl-C comes to both of them; the recorder flushes what it has, and half a frame may be among it."""
        data = random.bytes(4 * 30_000 + 2)
        process = recording(tmp_path / "o.spk", data[:80_000])
        process.send_signal(signal.SIGINT)
        process.stdin.write(data[80_000:])
        told = process.communicate()[1].decode()
        assert (process.returncode, "o.spk holds the 30,000 frames received" in told) == (130, True), told
        assert restored(tmp_path / "o.spk") == data

    @pytest.mark.slow
    def test_a_recorder_that_goes_on_is_not_waited_for(self, tmp_path, random, recording):
        data = random.bytes(40_000)
        process = recording(tmp_path / "o.spk", data)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(BrokenPipeError):
            while process.poll() is None:
                data += data[: process.stdin.write(data[:4000])]
        assert process.wait() == 130
        back = restored(tmp_path / "o.spk")
        assert back == data[: len(back)]
        assert len(back) >= 40_000

    @pytest.mark.slow
    def test_through_a_pipe_too(self, random, recording):
        data = random.bytes(4 * 10_000)
        process = recording("-", data)
        process.send_signal(signal.SIGINT)
        stream, told = process.communicate()
        assert (process.returncode, "the stream holds the 10,000 frames received" in told.decode()) == (130, True)
        back: list[bytes] = []
        decompress_pipe(io.BytesIO(stream), back.append)
        assert b"".join(back) == data

    @pytest.mark.slow
    def test_nothing_is_kept_of_nothing(self, tmp_path, recording):
        process = recording(tmp_path / "o.spk", b"abc")
        process.send_signal(signal.SIGINT)
        told = process.communicate()[1].decode()
        assert told == "spikey: interrupted by SIGINT; no archive or file is left half written\n"
        assert (process.returncode, list(tmp_path.iterdir())) == (130, [])

    def test_a_file_can_be_read_again(self, heeding, tmp_path, monkeypatch, random):
        """Where stdin is one, a signal discards what was made of it, as of any other."""
        (tmp_path / "in").write_bytes(random.bytes(4 * 10_000))

        def interrupt(*_, **__):
            signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(StreamEncoder, "push", interrupt)
        with (tmp_path / "in").open("rb") as file:
            monkeypatch.setattr(pipe, "_stdin", lambda: file)
            with pytest.raises(signals.Interrupted):
                main(["compress", "--raw", "2:1000", "-", str(tmp_path / "o.spk")])
        assert [path.name for path in tmp_path.iterdir()] == ["in"]


def restored(stream: Path) -> bytes:
    """What `spikey decompress` makes of a live stream of raw samples."""
    assert run("decompress", stream, stream.parent / "back").startswith(str(stream))
    return (stream.parent / "back" / f"{stream.stem}.raw").read_bytes()
