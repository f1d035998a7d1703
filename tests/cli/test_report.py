"""What commands print while they work: the progress bar, the log, and as much as -q and -v ask for."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

import spikey_cli
from spikey_cli.cli import main, report
from spikey_cli.cli.report import Report, clock, size
from spikey_cli.system.progress import waiting


def on_a_terminal(*arguments: object, status: int = 0) -> str:
    """What `spikey` writes to stderr if that is a terminal of 100 columns."""
    pty = pytest.importorskip("pty")
    ours, its = pty.openpty()
    try:
        done = subprocess.Popen(
            [sys.executable, "-m", "spikey_cli", *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            stderr=its,
            env=os.environ | {"COLUMNS": "100"},
        )
        os.close(its)
        written = b""
        while True:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:  # on Linux, the other end is closed
                break
            if not piece:
                break
            written += piece
        assert done.wait(60) == status, written
    finally:
        os.close(ours)
    return written.decode()


def test_a_bar_on_a_terminal(tmp_path, wavs):
    written = on_a_terminal("compress", *wavs, tmp_path / "out.spk")
    shown = [line.strip() for line in re.split(r"\r(?:\x1b\[\?25l)?", written.replace("\x1b[?25h", "")) if line.strip()]
    assert shown[0].startswith("compressing  [---")
    assert any(re.search(r"\[#+-+\] +50%  [\d.]+ MB/s  ratio [\d.]+", line) for line in shown), shown
    assert re.search(r"\[#+\] +100%  [\d.]+ MB/s  ratio [\d.]+", shown[-1]), shown
    assert all(len(line) <= 100 for line in shown)
    assert written.endswith("\x1b[?25h\r\n"), "the cursor is visible again"
    assert " 100%" in on_a_terminal("decompress", tmp_path / "out.spk", tmp_path / "back")
    assert " 100%" in on_a_terminal("test", tmp_path / "out.spk")


@pytest.mark.parametrize("option", ["--no-progress", "-q"])
def test_no_bar_with_an_option(tmp_path, wavs, option):
    assert on_a_terminal("compress", option, *wavs, tmp_path / "out.spk") == ""


def test_an_empty_bar_is_erased(tmp_path):
    written = on_a_terminal("compress", tmp_path / "absent.wav", tmp_path / "out.spk", status=1)
    left = written.split("\r\x1b[K")[-1]
    assert left.startswith(f"\x1b[?25hspikey: {tmp_path / 'absent.wav'}: cannot read"), written


def test_lines_above_the_bar(archive):
    written = on_a_terminal("test", "-v", archive)
    assert "\r\x1b[Kthread0.wav: wav, 1 x 30,000 samples, int16, 19,531 Hz" in written
    assert " 100%" in written


def test_the_bar_goes_back_if_work_restarts(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Report(shows_progress=True).progress("working") as show:
        assert show is not None
        for done in (400, 800, 200, 600, 1000):
            show(done, 1000, done / 100)
    shown = re.findall(r"(\d+)%(?:  [\d.]+ MB/s  ratio ([\d.]+))?", capsys.readouterr().err)
    assert shown == [("0", ""), *((str(done // 10), f"{done / 100:.3f}") for done in (400, 800, 600, 1000))]


def test_the_time_left(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("time.time", lambda: now[0])
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with Report(shows_progress=True).progress("working") as show:
        assert show is not None
        for done in (10_000_000, 20_000_000, 40_000_000):
            now[0] += 30
            show(done, 40_000_000)
    shown = re.findall(r"(\d+)%(?:  ([\d.]+) MB/s(?:  (\S+) left)?)?", capsys.readouterr().err)
    assert shown == [("0", "", ""), ("25", "0.3", "0:01:30"), ("50", "0.3", "0:01:00"), ("100", "0.4", "")]


def test_what_is_waited_for(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("time.time", lambda: now[0])
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    bar = report._Bar("working")

    def after(seconds: float) -> str:
        now[0] += seconds
        bar.tick()
        return capsys.readouterr().err.replace("\x1b[?25l", "").split("%")[-1].strip()

    assert after(0.5) == ""
    assert after(0.5) == "starting 0:00:01"
    with waiting("reading the inputs"), waiting("waiting for a server"):
        assert after(1) == "waiting for a server 0:00:02"
    with waiting("reading the inputs"):
        assert after(2) == "reading the inputs 0:00:04"
    bar.show(500, 1000)
    assert "reading" not in capsys.readouterr().err
    assert after(5).endswith("working 0:00:05")
    bar.show(1000, 1000)
    assert "working 0" not in capsys.readouterr().err
    bar.end()


def test_a_bar_ticks(monkeypatch):
    ticked = threading.Event()
    monkeypatch.setattr(report, "_PATIENCE", 0.001)
    monkeypatch.setattr(report._Bar, "tick", lambda bar: ticked.set())
    with Report(shows_progress=True).progress("working"):
        assert ticked.wait(10)


def test_durations():
    assert [clock(s) for s in (0, 59.7, 3599, 3600, 100 * 3600 + 61)] == [
        "0:00:00",
        "0:01:00",
        "0:59:59",
        "1:00:00",
        "100:01:01",
    ]


def test_sizes():
    counts = (0, 999, 1000, 999_994, 999_996, 116_967_562, 5e12, 2e16)
    expected = ["0 B", "999 B", "1.00 kB", "999.99 kB", "1.00 MB", "116.97 MB", "5.00 TB", "20000.00 TB"]
    assert [size(count) for count in counts] == expected


def run(*arguments: object, status: int = 0) -> tuple[str, str]:
    """Stdout and stderr of `spikey`."""
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == status, result.output
    return result.stdout, result.stderr


def test_the_log_of_archives(tmp_path, wavs):
    out, log = run("compress", "-v", *wavs, tmp_path / "out.spk")
    assert out.startswith(f"{tmp_path / 'out.spk'}: 2 files")
    for expected in (
        rf"^{wavs[1]}: wav, 1 x 30,000 samples, int16, 19,531 Hz, .*n1$",
        r"^.*: 2, with references: 2, sessions: 1$",
        r"^coder range, model n1-[0-9a-f]{8}\.onnx, workers: \d+$",
        r"^coded 2 parts, 120000 of 120000 bytes -> \d+$",
        r"^compressed in \d+\.\d+ s$",
        r"^verified in \d+\.\d+ s$",
        r"^\d+\.\d+ s in total",
    ):
        assert re.search(expected, log, re.MULTILINE), f"{expected} is not in {log}"
    for command in (
        ["decompress", "-v", tmp_path / "out.spk", tmp_path / "back"],
        ["test", "-v", tmp_path / "out.spk"],
    ):
        log = run(*command)[1]
        for expected in (
            rf"^{tmp_path / 'out.spk'}: format [\d.]+, coder range, model n1-[0-9a-f]{{8}}.onnx, files: 2, blocks: 1$",
            r"^thread1\.wav: wav, 1 x 30,000 samples",
            r"^decoded 2 parts, 120000 of 120000 bytes$",
            r"^decoded in \d+\.\d+ s$",
        ):
            assert re.search(expected, log, re.MULTILINE), f"{expected} is not in {log}"


def test_the_log_of_live_streams(tmp_path, wavs):
    with wavs[0].open("rb") as wav:
        spikey = [sys.executable, "-m", "spikey_cli", "compress", "-v", "-", tmp_path / "live.spk"]
        log = subprocess.run(spikey, stdin=wav, capture_output=True, text=True, check=True).stderr
    expected = r".*: 1, 16 bit, 19531 Hz, coder range, preset default, model n1-[0-9a-f]{8}\.onnx$"
    assert re.search(rf"^stdin: {expected}", log, re.MULTILINE), log
    assert re.search(r"^frames .*packet: 1953$", log, re.MULTILINE), log
    assert re.search(rf"live\.spk: {expected}", run("test", "-v", tmp_path / "live.spk")[1], re.MULTILINE)


def test_the_log_ends_with_the_command(tmp_path, archive):
    run("test", "-v", archive)
    assert run("test", archive) == (f"{archive}: 2 files, 120.09 kB decoded and compared: OK\n", "")
    assert logging.getLogger("spikey_cli").handlers == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_a_name_forges_no_line(tmp_path, wavs, archive):
    """Line breaks and other control characters in names are printed escaped, on stdout as on stderr."""
    forged, folder = tmp_path / "a\nOK\x1b[2J.wav", tmp_path / "in"
    forged.write_bytes(wavs[0].read_bytes())
    spk = tmp_path / "b\nOK.spk"
    spk.write_bytes(archive.read_bytes())
    folder.mkdir()
    (folder / forged.name).touch()
    for words, status in (
        (["diff", archive, folder], 1),
        (["topology", forged], 0),
        (["test", spk], 0),
        (["info", "--all", spk], 0),
        (["list", spk], 0),
        (["extract", spk, tmp_path / "c\nOK.npy"], 0),
        (["decompress", spk], 0),
        (["compress", forged, "out.spk"], 1),
        (["compress", forged], 2),
        (["bench", "--rivals", "none", "--settings", "\nOK", forged], 1),
    ):
        printed = "".join(run(*words, status=status))
        assert "\\nOK" in printed
        assert not re.search(r"^OK|\x1b", printed, re.MULTILINE), words


def test_quiet_prints_errors_only(tmp_path, archive):
    assert run("test", "-q", archive) == ("", "")
    out, log = run("test", "-q", tmp_path / "absent.spk", status=1)
    assert (out, log.startswith("spikey: ")) == ("", True)


def test_callers_in_python_get_the_same_log_and_progress(tmp_path, wavs, caplog):
    calls = []
    with caplog.at_level(logging.INFO, "spikey_cli"):
        spikey_cli.compress(wavs, tmp_path / "out.spk", progress=lambda *arguments: calls.append(arguments))
    assert any("with references: 2, sessions: 1" in message for message in caplog.messages)
    assert not any(message.startswith("coded") for message in caplog.messages)
    (coded, total, ratio), (verified, _, none) = calls
    assert (coded, verified, total, none) == (120_000, 240_000, 240_000, None)
    assert ratio == pytest.approx(120_000 / (tmp_path / "out.spk").stat().st_size, rel=0.02)
