"""Salvage: damage stays local, and everything else is restored exactly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.archive_builder import Content, with_crc
from support.command import run
from support.recordings import n1_samples, neural, wav_bytes

import spikey_cli
from spikey_cli.cli import main
from spikey_cli.container.archive import HEADER_BYTES, TRAILER_BYTES, ArchiveReader
from spikey_cli.container.salvage import SalvageReader
from spikey_cli.errors import ArchiveError


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[bytes, dict[str, bytes], list[tuple[int, int, dict[str, tuple[int, int]]]]]:
    """An archive of many blocks; its files; for each block its start, its end, and the bytes of each file it holds."""
    random = np.random.default_rng(5)
    session = neural(random, 2000, 2)
    files = {
        "left.wav": wav_bytes(n1_samples(session[:, 0])),
        "right.wav": wav_bytes(n1_samples(session[:, 1])),
        "probe.wav": wav_bytes(neural(random, 700, 3), rate=30_000, trailer=b"LIST\x04\x00\x00\x00abcd"),
        "bytes.wav": wav_bytes(random.integers(100, 160, (900, 1)), 1),
        "note.txt": random.bytes(900),
    }
    folder = tmp_path_factory.mktemp("made")
    for name, data in files.items():
        (folder / name).write_bytes(data)
    archive = folder / "made.spk"
    with pytest.MonkeyPatch.context() as patch:
        for limit in ("BLOCK_SAMPLES", "WIDE_SAMPLES"):
            patch.setattr(f"spikey_cli.codec.block_plan.{limit}", 600)
        spikey_cli.compress([folder / name for name in files], archive, coder="range")
    blocks = []
    with ArchiveReader(archive) as reader:
        for entry in reader.index.blocks:
            held = {}
            for part in entry.parts:
                file = reader.directory.files[part.file]
                start = (file.layout.data_offset if file.layout else 0) + part.first_frame * file.frame_bytes
                held[file.name] = (start, start + part.n_frames * file.frame_bytes)
            blocks.append((entry.offset, entry.offset + entry.length, held))
    assert len(blocks) >= 15
    return archive.read_bytes(), files, blocks


def salvaged(folder: Path, data: bytes) -> tuple[dict[str, bytes], spikey_cli.Decompressed]:
    """Salvage an archive: the files, and the report."""
    archive = folder / "damaged.spk"
    archive.write_bytes(data)
    result = spikey_cli.decompress(archive, folder / "back", workers=1, force=True, keep_going=True)
    back = {path.name: path.read_bytes() for path in (folder / "back").iterdir() if path.suffix != ".json"}
    for path in (folder / "back").iterdir():
        path.unlink()
    return back, result


def zeroed(name: str, data: bytes, ranges: list[tuple[int, int]]) -> bytes:
    """A file with zero fill in some ranges of its bytes."""
    out = bytearray(data)
    for start, stop in ranges:
        out[start:stop] = (b"\x80" if name == "bytes.wav" else b"\0") * (stop - start)
    return bytes(out)


def assert_same(back: dict[str, bytes], expected: dict[str, bytes]) -> None:
    assert sorted(back) == sorted(expected)
    for name, data in expected.items():
        differing = [i for i, (a, b) in enumerate(zip(back[name], data, strict=True)) if a != b]
        assert not differing, f"{name} differs first at byte {differing[0]} of {len(data)}"


@pytest.mark.trials(50, slow=1000)
def test_damaged_blocks_are_lost_and_no_others(made, tmp_path, trials):
    """k of n blocks lose their header or table; the other n - k are restored exactly."""
    data, files, blocks = made
    random = np.random.default_rng(6)
    for _ in range(trials):
        k = int(random.integers(0, len(blocks) + 1))
        hit = random.choice(len(blocks), k, replace=False)
        damaged = bytearray(data)
        for i in hit:
            start = blocks[i][0]
            damaged[start + random.integers(24)] ^= 1 << random.integers(8)
        back, result = salvaged(tmp_path, bytes(damaged))
        lost = {name: [blocks[i][2][name] for i in hit if name in blocks[i][2]] for name in files}
        assert_same(back, {name: zeroed(name, files[name], lost[name]) for name in files})
        reported = sum(one.stop_frame - one.first_frame for one in result.lost)
        frames = {"left.wav": 2, "right.wav": 2, "probe.wav": 6, "bytes.wav": 1, "note.txt": 1}
        assert reported == sum((stop - start) // frames[name] for name in files for start, stop in lost[name])
        assert result.files == sum(not ranges for ranges in lost.values())


@pytest.mark.trials(20, slow=200)
def test_damaged_streams_lose_only_their_channels(made, tmp_path, trials):
    """After damage anywhere in a block's streams, all samples that differ are zero fill, and are reported."""
    data, files, blocks = made
    random = np.random.default_rng(7)
    for _ in range(trials):
        start, stop, held = blocks[int(random.integers(len(blocks)))]
        damaged = bytearray(data)
        damaged[random.integers(start + 60, stop)] ^= 1 << random.integers(8)
        back, result = salvaged(tmp_path, bytes(damaged))
        assert result.lost or back == files
        for name, whole in files.items():
            first, last = held.get(name, (0, 0))
            assert back[name][:first] == whole[:first], name
            assert back[name][last:] == whole[last:], name
            zero_fill = zeroed(name, whole, [(first, last)])
            assert all(b in (w, s) for b, w, s in zip(back[name], whole, zero_fill, strict=True)), name
            assert (back[name] == whole) == (name not in {one.file for one in result.lost})


@pytest.mark.parametrize(
    "what", ["header", "directory", "index", "second directory", "second header", "trailer", "end"]
)
def test_damage_outside_the_blocks_loses_nothing(made, tmp_path, what):
    data, files, blocks = made
    directory = int.from_bytes(data[20:24], "little")
    end = len(data) - 56
    at = {
        "header": 9,
        "directory": HEADER_BYTES + 5,
        "index": blocks[-1][1] + 3,
        "second directory": end - HEADER_BYTES - directory + 5,
        "second header": end - 8,
        "trailer": end + 40,
        "end": len(data) - 1,
    }[what]
    damaged = bytearray(data)
    damaged[at] ^= 0x10
    with pytest.raises(ArchiveError):
        spikey_cli.verify(_written(tmp_path / "strict.spk", damaged))
    back, result = salvaged(tmp_path, bytes(damaged))
    assert_same(back, files)
    assert result.faults
    assert not result.lost


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_front_and_end_damaged_at_once(made, tmp_path):
    """The intact directory is used, and blocks are found by their marks."""
    data, files, _ = made
    damaged = bytearray(data)
    damaged[9] ^= 1
    damaged[-30] ^= 1
    back, result = salvaged(tmp_path, bytes(damaged))
    assert_same(back, files)
    assert len(result.faults) == 2
    damaged[HEADER_BYTES + 5] ^= 1
    damaged[len(data) - 56 - 20] ^= 1
    with pytest.raises(ArchiveError):
        salvaged(tmp_path, bytes(damaged))


@pytest.mark.parametrize("is_first_damaged", [False, True])
def test_an_archive_of_another_version_is_refused(made, tmp_path, is_first_damaged):
    """Its blocks may mean something else, whatever the other header states."""
    data, at = bytearray(made[0]), len(made[0]) - TRAILER_BYTES - HEADER_BYTES if is_first_damaged else 0
    data[at : at + HEADER_BYTES] = with_crc(data[:8] + b"\2" + data[9 : HEADER_BYTES - 4])
    if is_first_damaged:
        data[9] ^= 1
    archive = tmp_path / "other.spk"
    archive.write_bytes(data)
    message = f"spikey: {archive}: its format is version 2, an older draft or a newer version, and this release reads"
    for command in (["test"], ["decompress", "--keep-going"]):
        printed = run(*command, archive, status=1)
        assert printed.startswith(message)
    assert is_first_damaged or run("info", archive, status=1) == printed
    assert not (tmp_path / "other").exists()


def test_faults_do_not_repeat_the_name_of_the_archive(made, tmp_path):
    data = bytearray(made[0])
    data[0] ^= 1
    archive = _written(tmp_path / "x.spk", data)
    assert spikey_cli.verify(archive, keep_going=True).faults == ("not a Spikey archive of files",)


def test_the_remedy_of_salvage_is_not_to_salvage(made, tmp_path):
    """Of an archive whose header is damaged in both copies nothing can be recovered."""
    data = bytearray(made[0])
    for at in (20, len(data) - TRAILER_BYTES - HEADER_BYTES + 20):
        data[at] ^= 1
    archive = _written(tmp_path / "x.spk", data)
    for command in (["test"], ["decompress", "--keep-going"]):
        printed = run(*command, archive, status=1)
        assert printed.endswith("the header does not match its checksum; restore it from a copy\n")


def test_a_truncated_archive_is_read_to_its_end(made, tmp_path):
    data, files, blocks = made
    directory = int.from_bytes(data[20:24], "little")
    for length in range(HEADER_BYTES + directory, len(data), 397):
        back, result = salvaged(tmp_path, data[:length])
        assert {name: len(b) for name, b in back.items()} == {name: len(b) for name, b in files.items()}
        for _, stop, held in blocks:
            if stop <= length:
                for name, (first, last) in held.items():
                    assert back[name][first:last] == files[name][first:last], (length, name)
        assert result.faults
        assert result.lost or length > blocks[-1][0]


def test_streams_past_the_end_are_damaged(made, tmp_path):
    """Even if their checksum is 0, that of no bytes."""
    data, _, blocks = made
    start, stop, _ = blocks[-1]
    archive = _written(tmp_path / "cut.spk", data[: stop - 1])
    with SalvageReader(archive) as reader:
        last = len(reader.index.blocks) - 1
        table = reader.read_block_header(start, "a block")[2]
        (*_, (_, _, found)) = reader.read_streams(last, table._replace(crcs=0 * table.crcs), range(100))
        assert found is None


def test_blocks_of_other_archives_are_ignored(made, tmp_path):
    """A verbatim archive in an archive has blocks of its own, which the search for blocks finds."""
    data, _, _ = made
    (tmp_path / "in").mkdir()
    inner = _written(tmp_path / "in" / "inner.spk", data)
    outer = tmp_path / "outer.spk"
    spikey_cli.compress([inner], outer)
    damaged = bytearray(outer.read_bytes())
    damaged[-30] ^= 1
    back, result = salvaged(tmp_path, bytes(damaged))
    assert back == {"inner.spk": data}
    assert not result.lost


@pytest.fixture(scope="module")
def twins(tmp_path_factory) -> list[tuple[bytes, bytes, int]]:
    """Two archives of a recording each of the same name, length, values and topology, and a note of the same size: the
    archive, the recording, and where its last block begins.
    """
    made = []
    for seed in (1, 2):
        folder = tmp_path_factory.mktemp("twin")
        random = np.random.default_rng(seed)
        samples = random.integers(-500, 500, (4000, 2))
        samples[:2] = [[-500] * 2, [499] * 2]
        (folder / "a.wav").write_bytes(wav_bytes(samples))
        (folder / "b.txt").write_bytes(np.random.default_rng(seed).bytes(6000))
        with pytest.MonkeyPatch.context() as patch:
            for limit in ("BLOCK_SAMPLES", "WIDE_SAMPLES"):
                patch.setattr(f"spikey_cli.codec.block_plan.{limit}", 1000)
            encoding = spikey_cli.Encoding("range", peers=False)
            spikey_cli.compress([folder / "a.wav", folder / "b.txt"], folder / "a.spk", coder=encoding)
        with ArchiveReader(folder / "a.spk") as reader:
            last, first = reader.index.blocks[-1].offset, reader.first_block
        data = (folder / "a.spk").read_bytes()
        made.append((data, (folder / "a.wav").read_bytes(), last))
    assert made[0][0][:28] == made[1][0][:28], "the directories differ"
    assert made[0][0][28:first] != made[1][0][28:first]
    return made


def _mixtures(a: bytes, b: bytes, last: int) -> dict[str, bytes]:
    """Bytes of archive `a`, followed by some of archive `b`."""
    return {
        "a damaged end, then blocks of the other": a[: last - 40] + b,
        "no end, then all of the other": a[:last] + b,
        "both whole": a + b,
        "sectors of both": a[: len(a) // 2] + b[len(a) // 2 - len(a) + len(b) :],
        "the end of the other": a[:last] + b[len(b) - len(a) + last :],
        "the front of the other": b[: len(b) // 3] + a[len(b) // 3 :],
        "in turn": b"".join((a, b)[at % 2][at * 512 : at * 512 + 512] for at in range(len(b) // 512 + 1)),
    }


def test_blocks_of_an_archive_with_the_same_directory_are_ignored(twins, tmp_path):
    """Each frame is of one recording, or reported as lost; nothing of the other archive is taken."""
    (a, own, last), (b, other, _) = twins
    for what, data in _mixtures(a, b, last).items():
        with pytest.raises(ArchiveError):
            spikey_cli.verify(_written(tmp_path / "strict.spk", data))
        expected = other if what.startswith(("the front", "in turn")) and data[:40] == b[:40] else own
        back, result = salvaged(tmp_path, data)
        if "a.wav" not in back:
            assert result.failures, what
            continue
        lost = [(44 + 4 * one.first_frame, 44 + 4 * one.stop_frame) for one in result.lost if one.file == "a.wav"]
        for one in result.lost:
            assert one.file != "a.wav" or one.channels in ((0,), (1,), (0, 1))
        restored = np.frombuffer(back["a.wav"][44:], "<i2").reshape(-1, 2)
        right = np.frombuffer(expected[44:], "<i2").reshape(-1, 2)
        is_lost = np.zeros(right.shape, bool)
        for one in result.lost:
            if one.file == "a.wav":
                is_lost[one.first_frame : one.stop_frame, list(one.channels)] = True
        assert (restored == np.where(is_lost, 0, right)).all(), what
        assert lost or back["a.wav"] == expected, what


def test_no_file_gets_its_name_before_its_checksum_is_compared(made, tmp_path):
    """The index has the checksum of other bytes."""
    data, files, _ = made
    content = Content.of(_written(tmp_path / "a.spk", data))
    content.crcs = (content.crcs[0] ^ 1, *content.crcs[1:])
    archive = _written(tmp_path / "a.spk", content.parts().pack())
    for keep_going in (False, True):
        folder = tmp_path / f"back{keep_going}"
        result = spikey_cli.decompress(archive, folder, skip_failing=True, keep_going=keep_going)
        assert ["left.wav" in str(failure) for failure in result.failures] == [True]
        assert sorted(path.name for path in folder.iterdir()) == sorted(files.keys() - {"left.wav"})


def test_the_command_reports_losses(made, tmp_path):
    data, files, blocks = made
    damaged = bytearray(data)
    damaged[blocks[2][0] + 30] ^= 1
    archive = _written(tmp_path / "damaged.spk", damaged)
    strict = CliRunner().invoke(main, ["decompress", str(archive), str(tmp_path / "strict")])
    assert strict.exit_code == 1
    assert "--keep-going" in strict.stderr
    for words in (["decompress", "--keep-going", str(archive), str(tmp_path / "back")], ["test", str(archive)]):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 1, done.output
        for name in blocks[2][2]:
            assert f"{name}: " in done.stderr
        assert "are lost" in done.stderr
    report = json.loads((tmp_path / "back" / "damaged.spk.lost.json").read_text())
    assert {one["file"] for one in report["lost"]} == set(blocks[2][2])
    assert all(one["stop_frame"] > one["first_frame"] for one in report["lost"])
    for name in set(files) - set(blocks[2][2]):
        assert (tmp_path / "back" / name).read_bytes() == files[name]
    for name in files:
        (tmp_path / "back" / name).unlink()
    again = CliRunner().invoke(main, ["decompress", "--keep-going", str(archive), str(tmp_path / "back")])
    assert again.exit_code == 1
    lost = len(set(blocks[2][2]))
    assert f" restored below {tmp_path / 'back'}, {lost} file{'s' * (lost > 1)} with gaps" in again.stdout
    assert "are lost" in again.stderr, "the existing report suppressed the message"
    assert "damaged.spk.lost.json: exists already" in again.stderr
    whole = CliRunner().invoke(
        main, ["decompress", "--keep-going", str(_written(archive, data)), str(tmp_path / "all")]
    )
    assert whole.exit_code == 0
    assert not list((tmp_path / "all").glob("*.json"))
