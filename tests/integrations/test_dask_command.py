"""The command `spikey compress --dask`."""

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
from support.optional import deferred

import spikey_cli

deferred("distributed")


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> list[Path]:
    return write_sources(tmp_path_factory.mktemp("sources"))


class TestCommand:
    @pytest.mark.parametrize(
        ("arguments", "address"),
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
    def test_the_address_is_optional(self, arguments, address, monkeypatch):
        from click.testing import CliRunner

        from spikey_cli.cli import main

        addresses = []

        @contextlib.contextmanager
        def record(address, workers):
            addresses.append(address)
            yield None

        monkeypatch.setattr("spikey_cli.cli.compress.cluster_at", record)
        result = CliRunner().invoke(main, ["compress", *arguments])
        assert addresses == [address], result.output

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                ["--dask=a.wav", "b.wav", "o.spk"],
                "'a.wav' is not an address; give HOST:PORT of a Dask scheduler, or local",
            ),
            (["--dask", "-", "o.spk"], "leave out --dask"),
        ],
    )
    def test_invalid_arguments(self, arguments, message):
        from click.testing import CliRunner

        from spikey_cli.cli import main

        result = CliRunner().invoke(main, ["compress", *arguments])
        assert (result.exit_code, message in result.output) == (2, True), result.output

    @pytest.mark.slow
    def test_local_processes(self, sources, tmp_path):
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
    def test_ctrl_c_ends_all_processes(self, sources, tmp_path):
        """A terminal sends SIGINT to all processes of the group; only the client reacts."""
        # a shell may have disabled SIGINT
        program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
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
        with process.stderr as output:
            while not (line := output.readline()).startswith("coder range"):
                assert line
            os.killpg(process.pid, signal.SIGINT)
            rest = output.read().splitlines()
        assert process.wait() == 130
        assert rest[-1] == "spikey: interrupted by SIGINT; no archive or file is left incomplete"
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
