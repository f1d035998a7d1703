"""`spikey compress`."""

from __future__ import annotations

import json

import pytest
from support.command import run
from support.random_models import random_model
from support.recordings import write_session

import spikey_cli
from spikey_cli.model.predictor import default_predictor


def names_in(archive) -> list[str]:
    return [file["name"] for file in json.loads(run("info", "--json", archive))["files"]]


def test_the_main_job(tmp_path, wavs):
    assert "2 files, 120.09 kB -> " in run("compress", *wavs, tmp_path / "out.spk")
    assert run("test", tmp_path / "out.spk").endswith(": OK\n")
    assert "2 files" in run("decompress", tmp_path / "out.spk", tmp_path / "back")
    for path in wavs:
        assert path.read_bytes() == (tmp_path / "back" / path.name).read_bytes()


def test_folders_need_recursive(tmp_path, wavs):
    folder = wavs[0].parent
    assert "-r" in run("compress", folder, tmp_path / "out.spk", status=1)
    run("compress", "-r", folder, tmp_path / "out.spk")
    assert names_in(tmp_path / "out.spk") == ["thread0.wav", "thread1.wav"]


def test_archives_are_overwritten_only_with_force(tmp_path, wavs):
    archive = tmp_path / "out.spk"
    run("compress", wavs[0], archive)
    before = archive.read_bytes()
    printed = run("compress", *wavs, archive, status=1)
    assert "exists already" in printed
    assert "--force" in printed
    assert archive.read_bytes() == before
    run("compress", "--force", *wavs, archive)
    assert len(names_in(archive)) == 2


def test_other_files_are_not_overwritten_even_with_force(tmp_path, wavs):
    notes = tmp_path / "notes"
    notes.write_text("precious")
    run("compress", "-f", *wavs, notes, status=1)
    assert notes.read_text() == "precious"


def test_every_other_input_is_still_compressed(tmp_path, wavs):
    absent = tmp_path / "absent.wav"
    printed = run("compress", wavs[0], absent, wavs[1], tmp_path / "out.spk", status=1)
    assert "absent.wav: cannot read: No such file" in printed
    assert "2 files" in printed
    run("test", tmp_path / "out.spk")


def test_without_an_input_that_can_be_read_there_is_no_archive(tmp_path):
    assert "absent.wav" in run("compress", tmp_path / "absent.wav", tmp_path / "out.spk", status=1)
    assert not (tmp_path / "out.spk").exists()


def test_a_source_that_changes_is_left_out(tmp_path, session, monkeypatch):
    from spikey_cli.codec.scan import ScannedSource

    read_frames = ScannedSource.read_frames

    def appending(self, first, count):
        data = read_frames(self, first, count)
        if self.source.path == session[0]:
            with self.source.path.open("ab") as file:
                file.write(b"more")
        return data

    monkeypatch.setattr(ScannedSource, "read_frames", appending)
    assert "thread0.wav: changed while it was read" in run("compress", *session, tmp_path / "out.spk", status=1)
    monkeypatch.undo()
    assert names_in(tmp_path / "out.spk") == ["thread1.wav"]


def test_a_model_in_a_file(tmp_path, random):
    wavs = write_session(tmp_path / "in", random, frames=400)
    model = tmp_path / "mine.onnx"
    edges = default_predictor().profile.edges.tolist()
    model.write_bytes(random_model(latent=4, peers=1, edges=edges))
    archive = tmp_path / "out.spk"
    run("compress", "--model", model, *wavs, archive)
    assert "(not installed)" in run("info", archive)
    printed = run("test", archive, status=1)
    assert "is not installed" in printed
    assert "--model" in printed
    assert run("test", "--model", model, archive).endswith(": OK\n")
    run("decompress", "--model", model, archive, tmp_path / "back")
    for path in wavs:
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()
    other = tmp_path / "other.onnx"
    other.write_bytes(random_model(latent=4, peers=1, seed=1))
    assert "is not installed" in run("test", "--model", other, archive, status=1)


def test_models_that_cannot_be_read(tmp_path, wavs):
    out = tmp_path / "out.spk"
    assert "cannot read the model" in run("compress", "--model", tmp_path / "no.onnx", *wavs, out, status=1)
    assert "thread0.wav: not an ONNX model" in run("compress", "--model", wavs[0], *wavs, out, status=1)


def test_independent_channels(tmp_path, wavs, archive):
    independent = tmp_path / "independent.spk"
    run("compress", "--no-peers", *wavs, independent)
    for channel in json.loads(run("info", "--json", independent))["channels"]:
        assert (channel["references"], channel["later_references"]) == ([], [])
    assert archive.stat().st_size < independent.stat().st_size


def test_two_files_of_one_name_are_an_error(tmp_path, random, wavs):
    other = write_session(tmp_path / "other", random, 1)
    printed = run("compress", wavs[0], other[0], tmp_path / "out.spk", status=1)
    assert "has the same name 'thread0.wav'" in printed


def test_a_file_named_twice_is_compressed_once(tmp_path, wavs):
    printed = run("compress", wavs[0], wavs[0], tmp_path / "out.spk", status=1)
    assert f"{wavs[0]}: is named twice; name it once" in printed
    assert names_in(tmp_path / "out.spk") == ["thread0.wav"]


@pytest.mark.parametrize("file_first", [True, False])
def test_a_file_and_a_folder_of_one_name_are_an_error(tmp_path, wavs, file_first):
    """No folder can hold both: the first one is kept."""
    (tmp_path / "rec" / "a").mkdir(parents=True)
    (tmp_path / "rec" / "a" / "b.wav").write_bytes(wavs[0].read_bytes())
    (tmp_path / "A").write_bytes(b"some")
    inputs = [tmp_path / "A", tmp_path / "rec"] if file_first else [tmp_path / "rec", tmp_path / "A"]
    printed = run("compress", "-r", *inputs, tmp_path / "out.spk", status=1)
    dropped, kept = ("a/b.wav", "A") if file_first else ("A", "a/b.wav")
    assert repr(dropped) in printed
    assert repr(kept) in printed
    assert "rename one of them" in printed
    assert names_in(tmp_path / "out.spk") == [kept]


@pytest.mark.parametrize("name", ["b.wav", "b.npy", "b.bin", "b.nwb"])
def test_an_archive_named_like_a_recording_is_refused(tmp_path, wavs, name):
    (tmp_path / name).write_bytes(b"a recording")
    assert "has the name of a recording" in run("compress", "-f", *wavs, tmp_path / name, status=2)
    assert (tmp_path / name).read_bytes() == b"a recording"


def test_an_archive_without_inputs_is_refused(wavs):
    assert "there is no input; name the archive last" in run("compress", wavs[0], status=2)
    run("compress", status=2)


def test_the_overwritten_archive_is_not_an_input(tmp_path, session):
    old = session[0].parent / "old.spk"
    run("compress", *session, old)
    before = old.read_bytes()
    printed = run("compress", "-f", "-r", session[0].parent, old)
    assert f"spikey: warning: {old}: " in printed
    assert old.read_bytes() == before


def test_a_full_disk_leaves_nothing(tmp_path, wavs, monkeypatch):
    from spikey_cli.container import archive

    def full(self, *pieces):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.ArchiveWriter, "_write", full)
    assert "out.spk: cannot write: No space left" in run("compress", *wavs, tmp_path / "out.spk", status=1)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist(tmp_path, wavs):
    absent = tmp_path / "absent" / "out.spk"
    for words in (["compress", *wavs, absent], ["info", absent]):
        assert f"there is no folder {tmp_path / 'absent'}: make it" in run(*words, status=1)


def test_a_recording_that_was_stored_byte_for_byte_is_a_warning(tmp_path):
    (tmp_path / "probe.bin").write_bytes(bytes(range(256)) * 100)
    printed = run("compress", tmp_path / "probe.bin", tmp_path / "out.spk")
    assert f"spikey: warning: {tmp_path / 'probe.bin'}: " in printed
    assert "--raw" in printed


def test_a_dask_host_without_a_port_is_refused(tmp_path, wavs):
    printed = run("compress", "--dask", "somewhere", *wavs, tmp_path / "out.spk", status=2)
    assert "give HOST:PORT, as in --dask somewhere:8786" in printed


@pytest.mark.parametrize(
    "option",
    [
        ["--coder", "rice"],
        ["--rate", "1000"],
        ["--dataset", "data"],
        ["--no-peers"],
        ["--embed-model"],
        ["--no-embed-model"],
        ["--no-verify"],
        ["--remove-source"],
        ["--recursive"],
        ["--threads", "2"],
        ["--dask"],
    ],
)
def test_options_without_effect_on_live_streams_are_refused(tmp_path, option):
    printed = run("compress", *option, "--raw", "2:1000", "-", tmp_path / "out.spk", status=2)
    assert f"leave out {option[0]}\n" in printed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--packet", "9"], "leave out --packet"),
        (["--raw", "2:1000"], "--raw describes files without a header"),
        (["--raw", "2"], "is not CHANNELS:RATE"),
        (["--rate", "1000"], "--rate is for files that do not state"),
        (["--dataset", "data"], "--dataset names a dataset of HDF5 files"),
        (["--remove-source", "--force"], "leave out --force"),
        (["--remove-source", "--no-verify"], "leave out --no-verify"),
        (["--remove-source", "--dataset", "data"], "leave out --dataset"),
        (["--coder", "magic"], "'magic' is not one of"),
        (["--quiet", "--verbose"], "-q and -v exclude each other"),
    ],
)
def test_options_that_do_not_fit_files_are_refused(tmp_path, wavs, options, reason):
    assert reason in run("compress", *options, *wavs, tmp_path / "out.spk", status=2)
    assert list(tmp_path.iterdir()) == []


def test_stdin_and_stdout_stand_alone(tmp_path, wavs):
    assert "give no other input beside -" in run("compress", "-", *wavs, tmp_path / "out.spk", status=2)
    assert "cannot be written to stdout" in run("compress", *wavs, "-", status=2)


def test_the_range_coder_may_be_named_for_live_streams(tmp_path):
    from support.pipes import run_piped

    words = ("compress", "--coder", "range", "--raw", "1:1000", "-", tmp_path / "out.spk")
    assert run_piped(*words, stdin=bytes(200)).exit_code == 0
    assert spikey_cli.StreamDecoder().push((tmp_path / "out.spk").read_bytes()).shape == (100, 1)
