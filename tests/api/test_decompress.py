"""decompress and verify: which files are restored, and what is reported."""

from __future__ import annotations

import pytest
from support.recordings import write_session

import spikey_cli
from spikey_cli.errors import ArchiveError, InputError


@pytest.fixture
def archive(tmp_path, random):
    """Two channels that are coded independently, of files in tmp_path/in."""
    paths = write_session(tmp_path / "in", random)
    spikey_cli.compress(paths, tmp_path / "a.spk", coder=spikey_cli.Encoding(peers=False))
    return tmp_path / "a.spk"


@pytest.fixture
def damaged(archive):
    """The archive with one bit of a stream inverted."""
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 16
    archive.write_bytes(data)
    return archive


def restored(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_all_files_are_restored(tmp_path, archive):
    result = spikey_cli.decompress(archive, tmp_path / "new" / "folder")
    assert restored(tmp_path / "new" / "folder") == restored(tmp_path / "in")
    assert (result.files, result.bytes) == (2, sum(map(len, restored(tmp_path / "in").values())))
    assert (result.failures, result.lost, result.faults) == ((), (), ())


def test_chosen_files_are_restored(tmp_path, archive):
    spikey_cli.decompress(archive, tmp_path / "out", files=["thread1.wav"])
    assert restored(tmp_path / "out") == {"thread1.wav": (tmp_path / "in" / "thread1.wav").read_bytes()}


def test_an_unknown_file_is_refused(tmp_path, archive):
    with pytest.raises(InputError, match=r"holds no file 'thread9.wav'; did you mean 'thread[01].wav'\?") as caught:
        spikey_cli.decompress(archive, tmp_path / "out", files=["thread9.wav"])
    assert caught.value.parameter == "files"
    assert not (tmp_path / "out").exists()


def test_existing_files_are_kept_unless_forced(tmp_path, archive):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thread0.wav").write_text("precious")
    with pytest.raises(InputError, match=r"thread0\.wav: exists already"):
        spikey_cli.decompress(archive, tmp_path / "out")
    assert (tmp_path / "out" / "thread0.wav").read_text() == "precious"
    assert (tmp_path / "out" / "thread1.wav").exists(), "the first failure is raised after all other files"
    spikey_cli.decompress(archive, tmp_path / "out", force=True)
    assert restored(tmp_path / "out") == restored(tmp_path / "in")


def test_a_damaged_file_leaves_the_others(tmp_path, damaged):
    with pytest.raises(ArchiveError, match="is damaged"):
        spikey_cli.decompress(damaged, tmp_path / "out")
    result = spikey_cli.decompress(damaged, tmp_path / "out", force=True, skip_failing=True)
    assert (result.files, len(result.failures), result.lost) == (1, 1, ())
    assert restored(tmp_path / "out").items() < restored(tmp_path / "in").items()


def test_a_damaged_file_is_salvaged_on_request(tmp_path, damaged):
    result = spikey_cli.decompress(damaged, tmp_path / "out", keep_going=True)
    (lost,) = result.lost
    assert (lost.channels, lost.first_frame, lost.stop_frame, lost.sample_rate) == ((0,), 0, 4000, 19_531)
    assert str(lost) == f"{lost.file}: frames 0 to 4000 (0.0000 s to 0.2048 s) of channel 0 are lost"
    original = (tmp_path / "in" / lost.file).read_bytes()
    assert (tmp_path / "out" / lost.file).read_bytes() == original[:44] + bytes(len(original) - 44)


def test_verify_writes_nothing(tmp_path, archive):
    before = sorted(tmp_path.rglob("*"))
    assert spikey_cli.verify(archive).files == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_verify_reports_damage(damaged):
    with pytest.raises(ArchiveError, match="is damaged"):
        spikey_cli.verify(damaged)
    assert len(spikey_cli.verify(damaged, skip_failing=True).failures) == 1
    assert len(spikey_cli.verify(damaged, keep_going=True).lost) == 1
