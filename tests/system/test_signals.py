"""Signals end a run at once, with a message, and leave no incomplete file; a recording that they end is kept."""

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
from spikey_cli.streaming.encoder import StreamEncoder
from spikey_cli.streaming.pipe import decompress_pipe
from spikey_cli.system import signals

pytestmark = needs_faults


@pytest.fixture
def handlers(monkeypatch):
    """The signal handlers of a process of the command."""
    monkeypatch.setattr(signals, "_received", None)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)
    signals.install()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class TestInterrupted:
    @pytest.mark.slow
    @every_job
    @pytest.mark.parametrize("channels", [1, 2])
    def test_at_any_system_call(self, harness, kind, channels):
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
        assert outcome.output == f"spikey: interrupted by {name}; no archive or file is left incomplete\n", where
        assert harness.temporary_files() == [], where

    def test_disabled_signals_stay_disabled(self, handlers):
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        with pytest.raises(signals.Interrupted):
            signal.raise_signal(signal.SIGTERM)

    def test_held_signals_are_raised_at_the_end_of_the_block(self, handlers):
        holding = signals.hold()
        holding.__enter__()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(signals.Interrupted) as caught:
            holding.__exit__(None, None, None)
        assert caught.value.status == 130

    def test_the_first_signal_is_a_request_and_the_next_is_raised(self, handlers):
        with signals.stop_requests() as request:
            signal.raise_signal(signal.SIGTERM)
            assert request.number == signal.SIGTERM
            signals.check()
            with pytest.raises(signals.Interrupted):
                signal.raise_signal(signal.SIGINT)
        with pytest.raises(signals.Interrupted):
            signal.raise_signal(signal.SIGTERM)

    def test_a_signal_that_a_library_suppresses_ends_the_run(self, handlers, tmp_path, random, monkeypatch):
        def suppress(*_, **__):
            with contextlib.suppress(signals.Interrupted):
                signal.raise_signal(signal.SIGINT)

        paths = write_session(tmp_path / "in", random)
        monkeypatch.setattr(compressor, "_verify", suppress)
        with pytest.raises(signals.Interrupted):
            spikey_cli.compress(paths, tmp_path / "o.spk")
        assert [path.name for path in tmp_path.iterdir()] == ["in"]

    def test_a_signal_that_a_library_turns_into_an_error_ends_the_run(self, handlers, tmp_path, monkeypatch):
        def convert(*_, **__):
            try:
                signal.raise_signal(signal.SIGINT)
            except signals.Interrupted as error:
                raise ImportError("initialization failed") from error

        monkeypatch.setattr(compressor, "find_sources", convert)
        with pytest.raises(signals.Interrupted):
            CliRunner().invoke(main, ["compress", "a.wav", str(tmp_path / "o.spk")])

    def test_an_interrupted_call_leaves_no_file(self, tmp_path, random, monkeypatch):
        def interrupt(*_, **__):
            raise KeyboardInterrupt

        paths = write_session(tmp_path / "in", random)
        monkeypatch.setattr(compressor, "encode_block", interrupt)
        with pytest.raises(KeyboardInterrupt):
            spikey_cli.compress(paths, tmp_path / "o.spk")
        assert [path.name for path in tmp_path.iterdir()] == ["in"]


def importable() -> dict[str, str]:
    root = str(Path(spikey_cli.__file__).parent.parent)
    return {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}


@pytest.fixture
def recording():
    """Starts `spikey compress -` in a process, which has read the first bytes and waits for more."""
    started = []

    def start(target: Path | str, first: bytes) -> subprocess.Popen[bytes]:
        # a shell may have disabled SIGINT
        program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        program += "from spikey_cli.__main__ import run; run()"
        command = [sys.executable, "-c", program, "compress", "--raw", "2:1000", "-", str(target)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, bufsize=0, env=os.environ | importable(), **pipes)
        started.append(process)
        process.stdin.write(first)
        while struct.unpack("i", fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)))[0]:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


class TestRecording:
    """Samples from a pipe cannot be read again: a signal ends the recording, and what has arrived is kept."""

    @pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
    def test_the_received_frames_are_kept(self, tmp_path, random, recording, number):
        data = random.bytes(4 * 50_000)
        process = recording(tmp_path / "o.spk", data[:180_000])
        process.stdin.write(data[180_000:])  # may still be in the pipe when the signal arrives
        process.send_signal(number)
        message = process.communicate()[1].decode()
        assert (process.returncode, message) == (
            128 + number,
            f"spikey: interrupted by {number.name}; {tmp_path}/o.spk holds the 50,000 frames received\n",
        )
        assert restored(tmp_path / "o.spk") == data

    @pytest.mark.slow
    def test_frames_written_after_the_signal_are_kept(self, tmp_path, random, recording):
        """Ctrl-C reaches both programs; the recorder flushes its buffer, which may end in an incomplete frame."""
        data = random.bytes(4 * 30_000 + 2)
        process = recording(tmp_path / "o.spk", data[:80_000])
        process.send_signal(signal.SIGINT)
        process.stdin.write(data[80_000:])
        message = process.communicate()[1].decode()
        assert (process.returncode, "o.spk holds the 30,000 frames received" in message) == (130, True), message
        assert restored(tmp_path / "o.spk") == data

    @pytest.mark.slow
    def test_a_recorder_that_never_stops_is_not_awaited(self, tmp_path, random, recording):
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
    def test_a_stream_to_stdout(self, random, recording):
        data = random.bytes(4 * 10_000)
        process = recording("-", data)
        process.send_signal(signal.SIGINT)
        stream, message = process.communicate()
        assert (process.returncode, "the stream holds the 10,000 frames received" in message.decode()) == (130, True)
        pieces: list[bytes] = []
        decompress_pipe(io.BytesIO(stream), pieces.append)
        assert b"".join(pieces) == data

    @pytest.mark.slow
    def test_without_a_complete_frame_no_file_is_kept(self, tmp_path, recording):
        process = recording(tmp_path / "o.spk", b"abc")
        process.send_signal(signal.SIGINT)
        message = process.communicate()[1].decode()
        assert message == "spikey: interrupted by SIGINT; no archive or file is left incomplete\n"
        assert (process.returncode, list(tmp_path.iterdir())) == (130, [])

    def test_a_regular_file_as_stdin_leaves_no_file(self, handlers, tmp_path, monkeypatch, random):
        """It can be read again, so a signal discards the output."""
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
    """The raw samples that `spikey decompress` restores from a live stream."""
    assert run("decompress", stream, stream.parent / "back").startswith(str(stream))
    return (stream.parent / "back" / f"{stream.stem}.raw").read_bytes()
