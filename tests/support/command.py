"""The command, called in process."""

from __future__ import annotations

from click.testing import CliRunner

from spikey_cli.cli import main


def run(*arguments, status: int = 0) -> str:
    """Run `spikey` with these arguments, assert its exit status, and return its stdout and stderr."""
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == status, f"exit {result.exit_code}, not {status}: {result.output}"
    assert "Traceback" not in result.output
    return result.output
