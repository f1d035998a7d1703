"""Archives: every byte of any files is restored, and damage is refused."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.archive_builder import ArchiveParts, Block
from support.recordings import n1_samples, neural, wav_bytes, write_session

import spikey_cli
from spikey_cli.container.archive import ArchiveReader
from spikey_cli.core.coders import CODERS
from spikey_cli.errors import ArchiveError, InputError, ModelError, SpikeyError


def restored(archive: Path, folder: Path, **options) -> dict[str, bytes]:
    spikey_cli.decompress(archive, folder, **options)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def round_trip(tmp_path: Path, files: dict[str, bytes], **options) -> Path:
    """Compress and restore `files`; returns the archive."""
    source = tmp_path / "in"
    for name, data in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data)
    archive = tmp_path / "out.spk"
    spikey_cli.compress([source], archive, recursive=True, force=True, **options)
    assert_same(restored(archive, tmp_path / "back", force=True), files)
    assert spikey_cli.verify(archive).files == len(files)
    return archive


def assert_same(found: dict[str, bytes], files: dict[str, bytes]) -> None:
    assert found.keys() == files.keys()
    for name, data in files.items():
        assert found[name] == data, f"{name}: restored {len(found[name])} bytes of {len(data)}, or they differ"


def awkward_files() -> dict[str, bytes]:
    """One of each kind of file that is hard to parse or to code."""
    random = np.random.default_rng(3)
    square = np.where(np.arange(5000) // 7 % 2, 32767, -32768)
    mono = n1_samples(neural(random, 3000)[:, 0])
    plain = wav_bytes(mono)
    data_at = plain.index(b"data") + 4

    def with_data_size(size: int) -> bytes:
        return plain[:data_at] + struct.pack("<I", size) + plain[data_at + 4 :]

    extensible = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 19531, 39062, 2, 16, 22, 16, 4)
    extensible += bytes.fromhex("0100000000001000800000aa00389b71")
    fmt18 = struct.pack("<HHIIHHH", 1, 1, 19531, 39062, 2, 16, 0)
    data = struct.pack("<4sI", b"data", mono.nbytes) + mono.tobytes()

    def with_fmt(fmt: bytes) -> bytes:
        body = b"WAVE" + struct.pack("<4sI", b"fmt ", len(fmt)) + fmt + data
        return b"RIFF" + struct.pack("<I", len(body)) + body

    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, len(plain) + 28, mono.nbytes, mono.size, 0)
    rf64 = b"RF64\xff\xff\xff\xffWAVE" + ds64 + with_data_size(0xFFFFFFFF)[12:]
    float_fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, 19531, 4 * 19531, 4, 32)
    floats = random.normal(size=500).astype("<f4").tobytes()
    float_wav = b"RIFF" + bytes(4) + b"WAVE" + float_fmt + struct.pack("<4sI", b"data", len(floats)) + floats
    return {
        "n1.wav": plain,
        "again/n1.wav": plain,
        "empty.wav": wav_bytes(np.zeros(0)),
        "one.wav": wav_bytes(np.array([-5])),
        "two.wav": wav_bytes(np.array([-32768, 32767])),
        "constant.wav": wav_bytes(np.full(4000, 123)),
        "square.wav": wav_bytes(square),
        "alternating.wav": wav_bytes(np.arange(4000) % 2 * 65535 - 32768),
        "noise16.wav": wav_bytes(random.integers(-32768, 32768, (3000, 2))),
        "noise8.wav": wav_bytes(random.integers(0, 256, (3001, 1)), 1),
        "noise24.wav": wav_bytes(random.integers(-(2**23), 2**23, (2000, 3)), 3),
        "step12.wav": wav_bytes(np.cumsum(random.integers(-3, 4, 5000)).astype(int) * 12 + 5, rate=30000),
        "palette.wav": wav_bytes(np.array([-30000, -1000, 17, 4000, 32767])[random.integers(0, 5, 3000)]),
        "wide.wav": wav_bytes(neural(random, 40, 70), rate=8000),
        "chunks.wav": wav_bytes(
            mono[:501], header=b"LIST\x05\x00\x00\x00INFOx\x00", trailer=b"cue \x04\x00\x00\x00abcd"
        ),
        "odd.wav": wav_bytes(random.integers(0, 256, 333), 1, trailer=b"\0"),
        "garbage.wav": plain + bytes(range(256)),
        "data0.wav": with_data_size(0),
        "dataff.wav": with_data_size(0xFFFFFFFF),
        "short.wav": plain[:-777],
        "fmt18.wav": with_fmt(fmt18),
        "fmt40.wav": with_fmt(extensible),
        "rf64.wav": rf64,
        "bw64.wav": b"BW64" + rf64[4:],
        "float.wav": float_wav,
        "headless.wav": b"RIFF",
        "text.txt": b"not a WAV at all\n" * 50,
        "nothing": b"",
    }


@pytest.mark.parametrize("coder", CODERS)
def test_awkward_files_are_restored(tmp_path, coder):
    archive = round_trip(tmp_path, awkward_files(), coder=coder)
    kinds = {file["name"]: file.get("quantizer", file["kind"]) for file in spikey_cli.info(archive)["files"]}
    expected = {
        "n1.wav": "n1",
        "step12.wav": "step",
        "palette.wav": "palette",
        "noise24.wav": "identity",
        "rf64.wav": "n1",
        "fmt40.wav": "n1",
        "data0.wav": "n1",
        "short.wav": "n1",
        "float.wav": "identity",
        "headless.wav": "verbatim",
        "text.txt": "verbatim",
    }
    assert {name: kinds[name] for name in expected} == expected


@given(
    sample_bytes=st.sampled_from([1, 2, 3]),
    channels=st.integers(1, 5),
    frames=st.integers(0, 700),
    rate=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["noise", "steps", "loud", "quiet"]),
    header=st.sampled_from([b"", b"JUNK\x03\x00\x00\x00abc\x00", b"bext\x00\x00\x00\x00"]),
    trailer=st.binary(max_size=9),
    cut=st.integers(0, 20),
    seed=st.integers(0, 2**32),
)
def test_any_wav_is_restored(tmp_path_factory, sample_bytes, channels, frames, rate, kind, header, trailer, cut, seed):
    random = np.random.default_rng(seed)
    low, high = {1: (0, 256), 2: (-32768, 32768), 3: (-(2**23), 2**23)}[sample_bytes]
    shape = (frames, channels)
    samples = {
        "noise": lambda: random.integers(low, high, shape),
        "steps": lambda: random.integers(low // 7, high // 7, shape) * 7,
        "loud": lambda: np.where(random.random(shape) < 0.5, low, high - 1),
        "quiet": lambda: random.integers(0, 3, shape),
    }[kind]()
    rate = min(rate, (2**32 - 1) // (channels * sample_bytes))
    whole = wav_bytes(samples, sample_bytes, rate, header, trailer)
    round_trip(tmp_path_factory.mktemp("any"), {"a.wav": whole[: len(whole) - cut]})


def test_archives_do_not_depend_on_the_number_of_workers(tmp_path, random):
    paths = write_session(tmp_path / "in", random, 4, 60_000)
    digests = set()
    for workers in (1, 2, 8):
        spikey_cli.compress(paths, tmp_path / "out.spk", workers=workers, force=True)
        digests.add(hashlib.sha256((tmp_path / "out.spk").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_files_longer_than_a_block_are_restored(tmp_path, random, monkeypatch):
    for limit in ("BLOCK_SAMPLES", "WIDE_SAMPLES"):
        monkeypatch.setattr(f"spikey_cli.codec.block_plan.{limit}", 10_000)
    paths = write_session(tmp_path / "in", random, 3, 17_000)
    other = tmp_path / "in" / "other.wav"
    other.write_bytes(wav_bytes(neural(random, 25_001, 2)))
    spikey_cli.compress([*paths, other], tmp_path / "out.spk")
    assert spikey_cli.info(tmp_path / "out.spk")["blocks"] >= 10
    files = {path.name: path.read_bytes() for path in [*paths, other]}
    assert_same(restored(tmp_path / "out.spk", tmp_path / "back"), files)
    with spikey_cli.open(tmp_path / "out.spk", [path.name for path in paths]) as recording:
        whole = recording[:]
        assert whole.shape == (17_000, 3)
        np.testing.assert_array_equal(recording[3000:16_000:7, [2, 0]], whole[3000:16_000:7, [2, 0]])


def test_single_files_are_restored(tmp_path, random):
    paths = write_session(tmp_path / "in", random, 3)
    spikey_cli.compress(paths, tmp_path / "out.spk")
    found = restored(tmp_path / "out.spk", tmp_path / "back", files=["thread1.wav"])
    assert_same(found, {"thread1.wav": paths[1].read_bytes()})
    with pytest.raises(InputError, match=r"holds no file 'thread9.wav'"):
        spikey_cli.decompress(tmp_path / "out.spk", tmp_path / "back", files=["thread9.wav"])


@pytest.fixture(params=["rice", "range"])
def small(request, tmp_path, random) -> tuple[bytes, dict[str, bytes]]:
    """An archive of less than 4 KiB, and its files."""
    files = {
        "a.wav": wav_bytes(n1_samples(neural(random, 900)[:, 0])),
        "b.wav": wav_bytes(random.integers(-9, 9, (500, 2)), 3),
        "c.txt": b"kept as it is " * 20,
    }
    data = round_trip(tmp_path / "small", files, coder=request.param).read_bytes()
    assert len(data) < 4096
    return data, files


def outcome(folder: Path, data: bytes, files: dict[str, bytes]) -> str:
    """Decompress an archive: "refused" or "restored". Files that exist afterwards must be correct."""
    archive = folder / "damaged.spk"
    archive.write_bytes(data)
    back = folder / "back"
    try:
        spikey_cli.decompress(archive, back, workers=1, force=True)
        result = "restored"
    except SpikeyError:
        result = "refused"
    found = {path.name: path.read_bytes() for path in back.rglob("*") if path.is_file()} if back.exists() else {}
    assert_same(found, {name: files[name] for name in (files if result == "restored" else found)})
    for path in back.rglob("*"):
        path.unlink()
    return result


@pytest.mark.trials(100, slow=500)
def test_bit_flips_and_truncations_are_refused(small, tmp_path, random, trials):
    """Random bit flips, and a fifth as many truncations."""
    data, files = small
    counts = {"refused": 0, "restored": 0}
    for _ in range(trials):
        broken = bytearray(data)
        broken[random.integers(len(data))] ^= 1 << random.integers(8)
        counts[outcome(tmp_path, bytes(broken), files)] += 1
    for _ in range(trials // 5):
        counts[outcome(tmp_path, data[: random.integers(len(data))], files)] += 1
    assert counts == {"refused": trials + trials // 5, "restored": 0}


def test_prefixes_and_appended_bytes_are_refused(small, tmp_path):
    data, files = small
    for length in range(0, len(data), 41):
        assert outcome(tmp_path, data[:length], files) == "refused", f"prefix of {length} bytes"
    assert outcome(tmp_path, data + b"\0", files) == "refused"


def test_damage_to_a_stream_does_not_affect_independent_files(tmp_path, random):
    paths = write_session(tmp_path / "in", random, 4)
    archive = tmp_path / "out.spk"
    spikey_cli.compress(paths, archive, coder=spikey_cli.Encoding("rice", peers=False))
    data = bytearray(archive.read_bytes())
    with ArchiveReader(archive) as reader:
        table = reader.read_table(0)
        lengths = table.lengths.tolist()
        streams_at = reader.index.blocks[0].offset + reader.index.blocks[0].length - sum(lengths)
    broken_file = reader.directory.files[table.parts[2].file].name
    data[streams_at + sum(lengths[:2]) + 50] ^= 1
    archive.write_bytes(data)
    with pytest.raises(ArchiveError, match=f"{broken_file} is damaged"):
        spikey_cli.decompress(archive, tmp_path / "back")
    expected = {path.name: path.read_bytes() for path in paths if path.name != broken_file}
    assert {path.name: path.read_bytes() for path in (tmp_path / "back").iterdir()} == expected


def test_channels_that_depend_on_a_damaged_one_are_lost(tmp_path, random):
    paths = [*write_session(tmp_path / "in", random, 3), *write_session(tmp_path / "other", random, 1)]
    paths[3] = paths[3].rename(tmp_path / "in" / "other.wav")
    archive = tmp_path / "out.spk"
    spikey_cli.compress(paths, archive, coder="range")
    data = bytearray(archive.read_bytes())
    with ArchiveReader(archive) as reader:
        table = reader.read_table(0)
        graph = reader.directory.reference_graph(table.parts)
        names = [reader.directory.files[part.file].name for part in table.parts]
        lengths = table.lengths.tolist()
        streams_at = reader.index.blocks[0].offset + reader.index.blocks[0].length - sum(lengths)
    first = next(i for i, others in enumerate(graph.references) if not others and len(graph.dependent([i])) > 1)
    data[streams_at + sum(lengths[:first]) + 50] ^= 1
    archive.write_bytes(data)
    lost = set(graph.dependent([first]))
    result = spikey_cli.decompress(archive, tmp_path / "back", skip_failing=True)
    assert len(result.failures) == len(lost)
    expected = {path.name: path.read_bytes() for path in paths if path.name not in {names[i] for i in lost}}
    assert {path.name: path.read_bytes() for path in (tmp_path / "back").iterdir()} == expected
    assert "other.wav" in expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": (0, b"RIFF")}, "not a Spikey archive"),
        ({"start": (8, b"\x03")}, "format is version 3, an older draft or a newer version"),
        ({"start": (8, b"\x00")}, "format is version 0, .* this release reads version 1"),
        ({"start": (10, b"\x09")}, "its effort, number 9, is newer than this release"),
        ({"start": (11, b"\x02")}, "version 1 with extensions"),
        ({"start": (9, b"\x63")}, "its coder, number 99, is newer"),
        ({"start": (12, b"\x01\x02\x03\x04\x05\x06\x07\x08")}, "model 0102030405060708 is not installed"),
        ({"lengths": {"directory": 2**31}}, "the directory would run past the end"),
        ({"lengths": {"index": 2**31}}, "the index would run past the end"),
        ({"length": 1}, "but was written with 1"),
        ({"sha256": bytes(32)}, "does not match the archive's SHA-256"),
        ({"identity": bytes(8)}, "are not of the same archive"),
    ],
)
def test_refusals_say_why(small, tmp_path, changes, message):
    parts = ArchiveParts.of(small[0], tmp_path)
    assert parts.pack() == small[0]
    for name, value in changes.items():
        if name == "start":
            at, new = value
            value = parts.start[:at] + new + parts.start[at + len(new) :]
        setattr(parts, name, value)
    archive = tmp_path / "changed.spk"
    archive.write_bytes(parts.pack())
    with pytest.raises((ArchiveError, ModelError), match=message) as caught:
        spikey_cli.verify(archive)
    assert "changed.spk" in str(caught.value)


def _reduced(blocks: list[Block], random: np.random.Generator, how: str) -> list[Block]:
    """Blocks dropped, doubled, swapped, appended, or of another archive."""
    i, j = (int(random.integers(len(blocks))) for _ in range(2))
    changed = list(blocks)
    if how == "dropped":
        del changed[i]
    elif how == "doubled":
        changed.insert(j, blocks[i])
    elif how == "swapped":
        changed[i], changed[j] = changed[j], changed[i]
    elif how == "appended":
        changed.append(blocks[i])
    else:
        changed[i] = replace(blocks[i], identity=random.bytes(8))
    if random.integers(2):
        changed = [replace(block, number=n) for n, block in enumerate(changed)]
    return changed


@pytest.mark.trials(100, slow=1000)
def test_blocks_dropped_doubled_swapped_appended(tmp_path, random, monkeypatch, trials):
    """Archives with correct checksums are refused, unless nothing changed."""
    for limit in ("BLOCK_SAMPLES", "WIDE_SAMPLES"):
        monkeypatch.setattr(f"spikey_cli.codec.block_plan.{limit}", 300)
    files = {"a.wav": wav_bytes(n1_samples(neural(random, 900)[:, 0])), "b.txt": b"text" * 300}
    data = round_trip(tmp_path / "small", files, coder="range").read_bytes()
    parts = ArchiveParts.of(data, tmp_path)
    assert len(parts.blocks) > 3
    counts = {"refused": 0, "restored": 0}
    for trial in range(trials):
        how = ("dropped", "doubled", "swapped", "appended", "foreign")[trial % 5]
        blocks = _reduced(parts.blocks, random, how)
        result = outcome(tmp_path, replace(parts, blocks=blocks).pack(), files)
        assert result == "refused" or blocks == parts.blocks, how
        counts[result] += 1
    assert counts["refused"] > 0.8 * trials


def test_links_out_of_the_folder_are_not_followed(tmp_path, random):
    folder = tmp_path / "in" / "sub"
    write_session(folder, random, 1)
    spikey_cli.compress([tmp_path / "in"], tmp_path / "out.spk", recursive=True)
    (tmp_path / "back").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "back" / "sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"leads out of"):
        spikey_cli.decompress(tmp_path / "out.spk", tmp_path / "back")
    assert not any((tmp_path / "elsewhere").iterdir())
