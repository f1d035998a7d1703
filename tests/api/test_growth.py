"""No archive is larger than its files by more than the overhead that docs/format.md states, whatever their shape."""

from __future__ import annotations

import random as shuffling
from pathlib import Path

import numpy as np
import pytest
from support.recordings import wav_bytes

import spikey_cli
from spikey_cli.container.parts import Method
from spikey_cli.io import npy

OVERHEAD = 512


def growth(path: Path, *, raw: spikey_cli.RawFormat | None = None, coder: str = "range") -> int:
    """Bytes by which an archive of a file is larger than the file; what it restores is the file."""
    archive, back = path.with_suffix(".spk"), path.parent / "back"
    spikey_cli.compress([spikey_cli.FileSource(path, raw=raw)], archive, coder=coder, force=True, verify=False)
    spikey_cli.decompress(archive, back, force=True)
    assert (back / path.name).read_bytes() == path.read_bytes()
    return archive.stat().st_size - path.stat().st_size


def walk(random, n: int) -> np.ndarray:
    return np.cumsum(random.normal(0, 5, n)).round().astype(np.int16)


@pytest.mark.parametrize("shape", [(1, 60_000), (2, 30_000), (20, 500)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_channels_in_rows_have_these_channels(tmp_path, random, shape, order):
    rows = np.asarray(np.stack([walk(random, shape[1]) for _ in range(shape[0])]), order=order)
    np.save(tmp_path / "rows.npy", rows)
    assert growth(tmp_path / "rows.npy") < -rows.nbytes // 2
    result = spikey_cli.compress([tmp_path / "rows.npy"], tmp_path / "a.spk")
    assert not result.warnings
    with spikey_cli.open(tmp_path / "a.spk") as recording:
        np.testing.assert_array_equal(recording[:], rows.T)


def test_large_arrays_of_channels_in_rows_are_coded_along_their_rows(tmp_path, random, monkeypatch):
    monkeypatch.setattr(npy, "_MAX_RECORD_SAMPLES", 60_000 - 1)
    rows = np.stack([walk(random, 30_000) for _ in range(2)])
    np.save(tmp_path / "rows.npy", rows)
    result = spikey_cli.compress([tmp_path / "rows.npy"], tmp_path / "a.spk")
    (warning,) = result.warnings
    assert "rows.npy: its samples seem to be stored channel by channel" in str(warning)
    with spikey_cli.open(tmp_path / "a.spk") as recording:
        np.testing.assert_array_equal(recording[:, 0], rows.reshape(-1))


@pytest.mark.parametrize("shape", [(100, 384), (60_000, 2), (1, 30)])
def test_arrays_of_channels_in_columns_keep_their_channels(tmp_path, random, shape):
    np.save(tmp_path / "a.npy", np.stack([walk(random, shape[0]) for _ in range(shape[1])], axis=1))
    assert growth(tmp_path / "a.npy") <= OVERHEAD
    assert spikey_cli.info(tmp_path / "a.spk")["files"][0]["channels"] == shape[1]


def test_arrays_in_python_have_the_shape_that_is_stated(tmp_path, random):
    rows = np.stack([walk(random, 3000), walk(random, 3000)])
    spikey_cli.compress([spikey_cli.ArraySource(rows, "a.npy")], tmp_path / "a.spk")
    with spikey_cli.open(tmp_path / "a.spk") as recording:
        np.testing.assert_array_equal(recording[:], rows)
    assert (tmp_path / "a.spk").stat().st_size <= rows.nbytes + OVERHEAD


def test_few_frames_of_many_channels(tmp_path, random):
    (tmp_path / "flat.wav").write_bytes(wav_bytes(walk(random, 4096).reshape(4, 1024)))
    assert growth(tmp_path / "flat.wav") <= OVERHEAD
    with spikey_cli.open(tmp_path / "flat.spk") as recording:
        assert recording.shape == (4, 1024)
        np.testing.assert_array_equal(recording[1:3, [0, 700]], recording[:][1:3][:, [0, 700]])


def test_noise_as_raw_samples(tmp_path, random):
    (tmp_path / "noise.bin").write_bytes(random.bytes(600_000))
    assert growth(tmp_path / "noise.bin", raw=spikey_cli.RawFormat(385, 30_000)) <= OVERHEAD


def test_headers_that_the_directory_would_hold_twice(tmp_path, random):
    junk = b"JUNK" + (60_000).to_bytes(4, "little") + random.bytes(60_000)
    (tmp_path / "a.wav").write_bytes(wav_bytes(random.integers(-30_000, 30_000, 20_000), header=junk))
    assert growth(tmp_path / "a.wav") <= OVERHEAD
    zeros = b"JUNK" + (60_000).to_bytes(4, "little") + bytes(60_000)
    (tmp_path / "b.wav").write_bytes(wav_bytes(walk(random, 2000), header=zeros))
    assert growth(tmp_path / "b.wav") < -60_000
    assert spikey_cli.info(tmp_path / "b.spk")["files"][0]["kind"] != "verbatim"


def test_a_part_in_frames_beside_one_that_is_coded(tmp_path, random):
    """A channel whose part is in frames has no coded stream, so none may refer to it."""
    common = np.cumsum(random.normal(0, 50, 400))
    for name, n in (("a", 2), ("b", 70)):
        samples = (common[:, None] + random.normal(0, 9000 if name == "b" else 10, (400, n))).round().astype(np.int16)
        (tmp_path / f"{name}.wav").write_bytes(wav_bytes(samples))
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    spikey_cli.compress(paths, tmp_path / "out.spk")
    spikey_cli.decompress(tmp_path / "out.spk", tmp_path / "back")
    for path in paths:
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()


def _arrays(random: np.random.Generator, shape: tuple[int, int]) -> list[np.ndarray]:
    steps = 1 + random.integers(0, 90, shape[1])
    palette = random.choice(65_536, 40, replace=False) - 32_768
    numbers = random.integers(-100, 100, shape)
    return [
        random.integers(-32_768, 32_768, shape).astype("<i2"),
        random.integers(0, 256, shape).astype("u1"),
        (numbers * steps + steps**2).astype("<i2"),
        palette[random.integers(0, 40, shape)].astype("<i2"),
        np.where(np.arange(shape[1]) % 3 == 0, random.integers(-32_768, 32_768, shape), 5).astype("<i2"),
        random.integers(-(2**31), 2**31, shape).astype("<i4"),
        random.normal(size=shape).astype("<f4"),
        (numbers * np.linspace(0.1, 0.3, shape[1])).astype("<f4"),
        np.where(random.random(shape) < 0.02, np.nan, numbers * 0.195),
    ]


@pytest.mark.trials(25, slow=300)
def test_any_shape(tmp_path, trials):
    random, choices = np.random.default_rng(7), shuffling.Random(7)
    for _ in range(trials):
        shape = int(2 ** random.uniform(0, 10)), int(2 ** random.uniform(0, 8))
        np.save(tmp_path / "a.npy", choices.choice(_arrays(random, shape)))
        assert growth(tmp_path / "a.npy", coder=choices.choice(["range", "rice", "huffman"])) <= OVERHEAD, shape


def test_methods_of_parts_in_frames(tmp_path, random):
    from support.archive_builder import Content

    (tmp_path / "a.wav").write_bytes(wav_bytes(np.cumsum(random.integers(-9, 9, (3, 20)), axis=1)))
    spikey_cli.compress([tmp_path / "a.wav"], tmp_path / "a.spk")
    content = Content.of(tmp_path / "a.spk")
    (method, frames), *others = content.blocks[0][2][0]
    assert (method, len(frames), set(others)) == (Method.FRAMES, 120, {(Method.FRAMES, b"")})
    rest = others[1:]
    for streams in (
        *([(9, data), *others] for data in (frames[:-1], frames + b"\0", b"", frames[:60])),
        *([(9, frames), other, *rest] for other in ((0, b""), (9, b"\0"), (8, b""))),
        [(0, b""), (9, frames), *rest],
    ):
        changed = content.copy()
        changed.blocks[0][2][0][:] = streams
        (tmp_path / "b.spk").write_bytes(changed.parts().pack())
        with pytest.raises(spikey_cli.ArchiveError):
            spikey_cli.verify(tmp_path / "b.spk")
    data = bytearray((tmp_path / "a.spk").read_bytes())
    data[data.index(frames) + 7] ^= 1
    (tmp_path / "c.spk").write_bytes(data)
    with pytest.raises(spikey_cli.ArchiveError, match=r"a\.wav is damaged"):
        spikey_cli.verify(tmp_path / "c.spk")
    lost = spikey_cli.verify(tmp_path / "c.spk", keep_going=True).lost
    assert [item.channels for item in lost] == [tuple(range(20))]
