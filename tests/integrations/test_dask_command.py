"""`spikey compress --dask`, from the command line."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.cluster_harness import environment, left_in, write_sources

import spikey_cli

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> list[Path]:
    return write_sources(tmp_path_factory.mktemp("sources"))


class TestCommand:
    @pytest.mark.parametrize(
        ("given", "address"),
        [
            (["--dask", "a.wav", "o.spk"], "local"),
            (["a.wav", "o.spk", "--dask"], "local"),
            (["--dask", "--threads", "2", "a.wav", "o.spk"], "local"),
            (["--dask", "--", "a.wav", "o.spk"], "local"),
            (["--dask", "local", "a.wav", "o.spk"], "local"),
            (["--dask", "10.0.0.1:8786", "a.wav", "o.spk"], "10.0.0.1:8786"),
            (["--dask=tls://head:8786", "a.wav", "o.spk"], "tls://head:8786"),
            (["--dask", "C:/a.wav", "o.spk"], "local"),
            (["a.wav", "o.spk"], None),
        ],
    )
    def test_the_address_may_be_left_out(self, given, address, monkeypatch):
        from click.testing import CliRunner

        from spikey_cli.cli import main

        asked = []

        @contextlib.contextmanager
        def noted(where, workers):
            asked.append(where)
            yield None

        monkeypatch.setattr("spikey_cli.cli.compress.cluster_at", noted)
        result = CliRunner().invoke(main, ["compress", *given])
        assert asked == [address], result.output

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            (
                ["--dask=a.wav", "b.wav", "o.spk"],
                "'a.wav' is not an address; give HOST:PORT of a Dask scheduler, or local",
            ),
            (["--dask", "-", "o.spk"], "leave out --dask"),
        ],
    )
    def test_what_makes_no_sense(self, given, told):
        from click.testing import CliRunner

        from spikey_cli.cli import main

        result = CliRunner().invoke(main, ["compress", *given])
        assert (result.exit_code, told in result.output) == (2, True), result.output

    @pytest.mark.slow
    def test_processes_here(self, sources, tmp_path):
        paths = sources[:2]
        spikey_cli.compress(paths, tmp_path / "alone.spk")
        command = [
            sys.executable,
            "-m",
            "spikey_cli",
            "compress",
            "--threads",
            "1",
            "--dask",
            *map(str, paths),
            "o.spk",
        ]
        done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert (tmp_path / "o.spk").read_bytes() == (tmp_path / "alone.spk").read_bytes()

    @pytest.mark.slow
    def test_an_interrupt_ends_all_of_it_in_time(self, sources, tmp_path):
        """Ctrl-C at a terminal comes to all processes there, and is for the first one."""
        program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # it may be turned off
        program += "if __name__ == '__main__': from spikey_cli.__main__ import run; run()"
        paths = list(map(str, sources))
        process = subprocess.Popen(
            [sys.executable, "-c", program, "compress", "-v", "--threads=2", "--dask", *paths, "o.spk"],
            cwd=tmp_path,
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stderr is not None
        with process.stderr as told:
            while not (line := told.readline()).startswith("coder rice"):
                assert line
            os.killpg(process.pid, signal.SIGINT)
            rest = told.read().splitlines()
        assert process.wait() == 130
        assert rest[-1] == "spikey: interrupted by SIGINT; no archive or file is left half written"
        assert not any("Traceback" in line for line in rest), rest
        assert left_in(tmp_path) == []
        while _has_processes(process.pid):
            time.sleep(0.1)


def _has_processes(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
