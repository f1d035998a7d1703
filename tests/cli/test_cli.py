"""The command line, as a process of its own where that matters."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from click.shell_completion import ShellComplete
from support.command import run
from support.random_models import random_model
from support.recordings import neural, wav_bytes

import spikey_cli
from spikey_cli.cli import main
from spikey_cli.core.coders import CODERS
from spikey_cli.model.predictor import default_predictor, read_model


def test_the_main_job(tmp_path, session):
    printed = run("compress", *session, tmp_path / "out.spk")
    assert "2 files, 120.09 kB -> " in printed
    assert "all is well" in run("test", tmp_path / "out.spk")
    assert "2 files" in run("decompress", tmp_path / "out.spk", tmp_path / "back")
    for path in session:
        assert path.read_bytes() == (tmp_path / "back" / path.name).read_bytes()


def test_as_processes(tmp_path, session):
    spikey = [sys.executable, "-m", "spikey_cli"]
    made = subprocess.run([*spikey, "compress", *session, tmp_path / "o.spk"], capture_output=True, text=True)
    assert (made.returncode, made.stderr) == (0, "")  # no progress bar where there is no terminal
    back = subprocess.run([*spikey, "decompress", "-q", tmp_path / "o.spk", tmp_path / "b"], capture_output=True)
    assert (back.returncode, back.stdout, back.stderr) == (0, b"", b"")
    missing = subprocess.run([*spikey, "info", tmp_path / "absent.spk"], capture_output=True, text=True)
    assert missing.returncode == 1
    assert "absent.spk: cannot read: No such file" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_folders_want_r(tmp_path, session):
    assert "give -r" in run("compress", session[0].parent, tmp_path / "out.spk", status=1)
    run("compress", "-r", session[0].parent, tmp_path / "out.spk")
    run("decompress", tmp_path / "out.spk", tmp_path / "back")
    assert sorted(p.name for p in (tmp_path / "back").iterdir()) == ["thread0.wav", "thread1.wav"]


def test_nothing_is_overwritten_without_force(tmp_path, session):
    archive = tmp_path / "out.spk"
    archive.write_text("precious")
    assert "is no archive, and would be lost" in run("compress", *session, archive, status=1)
    assert archive.read_text() == "precious"
    archive.unlink()
    run("compress", session[0], archive)
    before = archive.read_bytes()
    assert "exists already; give --force" in run("compress", *session, archive, status=1)
    assert archive.read_bytes() == before
    run("compress", "--force", *session, archive)
    back = tmp_path / "back"
    back.mkdir()
    (back / "thread0.wav").write_text("precious")
    assert "thread0.wav: exists already" in run("decompress", archive, back, status=1)
    assert (back / "thread0.wav").read_text() == "precious"
    assert (back / "thread1.wav").read_bytes() == session[1].read_bytes()
    run("decompress", "-f", archive, back)
    assert (back / "thread0.wav").read_bytes() == session[0].read_bytes()


def test_every_other_input_is_still_done(tmp_path, session):
    absent = tmp_path / "in" / "absent.wav"
    printed = run("compress", session[0], absent, session[1], tmp_path / "out.spk", status=1)
    assert "absent.wav: cannot read: No such file" in printed
    assert "2 files" in printed
    run("test", tmp_path / "out.spk")


def test_nothing_is_made_of_nothing(tmp_path):
    assert "absent.wav" in run("compress", tmp_path / "absent.wav", tmp_path / "out.spk", status=1)
    assert not (tmp_path / "out.spk").exists()


def test_ranges_of_time(tmp_path, random, session):
    wide = tmp_path / "in" / "wide.wav"
    samples = neural(random, 20_000, 3)
    wide.write_bytes(wav_bytes(samples * 7 - 2000, rate=10_000))
    run("compress", *session, wide, tmp_path / "out.spk")
    run("decompress", "--start", "0.5", "--stop", "0.75", tmp_path / "out.spk", tmp_path / "a")
    piece, rate = soundfile.read(tmp_path / "a" / "wide.wav", dtype="int16")
    assert rate == 10_000
    np.testing.assert_array_equal(piece, samples[5000:7500] * 7 - 2000)
    whole, _ = soundfile.read(session[1], dtype="int16")
    piece, _ = soundfile.read(tmp_path / "a" / session[1].name, dtype="int16")
    np.testing.assert_array_equal(piece, whole[round(0.5 * 19531) : round(0.75 * 19531)])
    run("decompress", "--thread", "wide.wav:1", tmp_path / "out.spk", tmp_path / "b")
    piece, _ = soundfile.read(tmp_path / "b" / "wide.wav", dtype="int16")
    np.testing.assert_array_equal(piece, samples[:, 1] * 7 - 2000)
    run("decompress", "--thread", "wide.wav", "--thread", "thread0.wav", tmp_path / "out.spk", tmp_path / "c")
    assert {p.name: p.read_bytes() for p in (tmp_path / "c").iterdir()} == {
        "wide.wav": wide.read_bytes(),
        "thread0.wav": session[0].read_bytes(),
    }
    assert "holds no channel 'x'" in run("decompress", "--thread", "x", tmp_path / "out.spk", tmp_path / "d", status=1)
    assert "no chosen thread has samples" in run(
        "decompress", "--start", "99", tmp_path / "out.spk", tmp_path / "d", status=1
    )


@pytest.mark.parametrize(("sample_bytes", "offset"), [(1, 0), (3, -2_000_000)])
def test_ranges_of_other_widths(tmp_path, random, sample_bytes, offset):
    samples = random.integers(0, 256, (3000, 2)) * (1 if sample_bytes == 1 else 15_000) + offset
    (tmp_path / "w.wav").write_bytes(wav_bytes(samples, sample_bytes, 1000))
    run("compress", tmp_path / "w.wav", tmp_path / "out.spk")
    run("decompress", "--start", "1", "--stop", "2", tmp_path / "out.spk", tmp_path / "back")
    written = (tmp_path / "back" / "w.wav").read_bytes()
    expected = wav_bytes(samples[1000:2000], sample_bytes, 1000)
    assert written[written.index(b"data") + 8 :] == expected[expected.index(b"data") + 8 :]


def test_a_changing_source_is_noticed(tmp_path, session, monkeypatch):
    from spikey_cli.codec.scan import ScannedSource

    honest = ScannedSource.read_frames

    def appending(self, first, count):
        data = honest(self, first, count)
        if self.source.path == session[0]:
            with self.source.path.open("ab") as file:
                file.write(b"more")
        return data

    monkeypatch.setattr(ScannedSource, "read_frames", appending)
    printed = run("compress", *session, tmp_path / "out.spk", status=1)
    assert "thread0.wav: changed while it was read" in printed
    monkeypatch.undo()
    assert [file["name"] for file in json.loads(run("info", "--json", tmp_path / "out.spk"))["files"]] == [
        "thread1.wav"
    ]


def test_a_model_of_ones_own(tmp_path, session):
    model = tmp_path / "mine.onnx"
    edges = default_predictor().profile.edges.tolist()
    model.write_bytes(random_model(latent=4, peers=1, edges=edges))
    archive = tmp_path / "out.spk"
    run("compress", "--model", model, *session, archive)
    assert "(not installed)" in run("info", archive)
    complaint = run("test", archive, status=1)
    assert "is not installed; give the file it was written with as --model" in complaint
    assert "all is well" in run("test", "--model", model, archive)
    run("decompress", "--model", model, archive, tmp_path / "back")
    for path in session:
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()
    run("decompress", "--model", model, "--stop", "0.5", archive, tmp_path / "piece")
    with spikey_cli.open(archive, predictor=read_model(model)) as recording:
        samples, _ = soundfile.read(tmp_path / "piece" / session[1].name, dtype="int16")
        np.testing.assert_array_equal(recording[: samples.size, 1], samples)
    assert "cannot read the model" in run(
        "compress", "--model", tmp_path / "no.onnx", *session, "-f", archive, status=1
    )
    other = tmp_path / "other.onnx"
    other.write_bytes(random_model(latent=4, peers=1, seed=1))
    assert "is not installed" in run("test", "--model", other, archive, status=1)


def test_threads_apart(tmp_path, session):
    run("compress", *session, tmp_path / "together.spk")
    run("compress", "--no-peers", *session, tmp_path / "apart.spk")
    assert [channel["peers"] for channel in spikey_cli.describe(tmp_path / "apart.spk")["channels"]] == [[], []]
    assert all(channel["peers"] for channel in spikey_cli.describe(tmp_path / "together.spk")["channels"])
    assert "all is well" in run("test", tmp_path / "apart.spk")
    assert (tmp_path / "together.spk").stat().st_size < (tmp_path / "apart.spk").stat().st_size


def test_help_waits_for_nothing():
    """What takes long to import is imported by the commands that need it."""
    script = (
        "import sys; from spikey_cli.cli import main; main(['--help'], standalone_mode=False); "
        "print(*{'numpy', 'numba', 'onnxruntime', 'soundfile', 'matplotlib', 'logging'}.intersection(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "", done.stdout


def completed(*words: str) -> list[str]:
    """What a shell offers for the last of these words."""
    shell = ShellComplete(main, {}, "spikey", "_SPIKEY_COMPLETE")
    return [item.value for item in shell.get_completions(list(words[:-1]), words[-1])]


def test_completion_knows_coders_and_models():
    assert completed("compress", "--coder", "") == list(CODERS)
    assert completed("compress", "--coder", "r") == ["rice", "range"]
    for command in ("compress", "decompress", "test", "analyze"):
        assert completed(command, "--model", "n1") == ["n1", "n1-peers"]
    assert completed("compress", "--model", "mine") == ["mine"], "the shell completes names of files"
    assert "--keep-going" in completed("decompress", "--k")
    assert completed("dec") == ["decompress"]


def test_completion_in_a_shell(tmp_path):
    """As docs/command-line.md sets it up for bash."""
    spikey = tmp_path / "spikey"
    spikey.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m spikey_cli "$@"\n')
    spikey.chmod(0o755)
    script = (
        'eval "$(_SPIKEY_COMPLETE=bash_source spikey)" && COMP_WORDS=(spikey compress --coder r) COMP_CWORD=3 && '
        '_spikey_completion spikey && echo "${COMPREPLY[@]}"'
    )
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=os.environ | {"PATH": path})
    assert (done.stdout, done.stderr) == ("rice range\n", "")


def test_help_has_an_example_for_every_command():
    assert "spikey compress" in run("-h").split("Example:")[1]
    for name in main.commands:
        assert f"spikey {name}" in run(name, "-h").split("Example:")[1], name


def test_help_lists_commands_in_whole_sentences():
    listed = run("-h").split("Commands:\n")[1].splitlines()
    assert [line.split()[0] for line in listed] == list(main.commands)
    assert all(line.endswith(".") and not line.endswith("...") for line in listed), listed
