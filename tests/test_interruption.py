"""What signals do to a run: it ends at once, says so, and leaves nothing half written."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from fault_server import READING, WRITING, Fault, Outcome
from fault_stage import Stage, every_job, needs_faults
from recordings import write_session

import spikey_cli
from spikey_cli import compressor, interruption
from spikey_cli.atomic import WholeFile
from spikey_cli.cli import main
from spikey_cli.errors import InputError

pytestmark = needs_faults


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
