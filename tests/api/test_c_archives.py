"""Archives in C: the library decodes the channels that the reader of archives does, and refuses what that does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.archive_builder import Content, with_names
from support.archive_mutator import mutated
from support.c_archive import Archive, CError, Recording, expected_of, read
from support.paths import EXAMPLES, GOLDEN

import spikey_cli
from spikey_cli.container import packing
from spikey_cli.container.limits import Limits
from spikey_cli.errors import LimitError, SpikeyError

READ = [path for path in sorted(GOLDEN.glob("*.spk")) if not path.name.startswith("refused-")]
MODELS = {"range-probe": "parts.onnx", "rice-layouts": "embedded"}
"""Archives of models that the library does not have."""


def assert_equal(actual: list[Recording], expected: list[Recording], of: object) -> None:
    assert [(one.name, one.rate, one.samples.shape) for one in actual] == [
        (one.name, one.rate, one.samples.shape) for one in expected
    ], of
    for one, other in zip(actual, expected, strict=True):
        assert one.samples.astype(other.samples.dtype).tobytes() == np.ascontiguousarray(other.samples).tobytes(), (
            of,
            one.name,
        )


@pytest.mark.parametrize("path", READ, ids=lambda path: path.stem)
def test_golden_archives(path: Path) -> None:
    if path.stem in MODELS:
        with pytest.raises(CError, match="its model is none of this library"):
            read(path)
    else:
        assert_equal(read(path), expected_of(path), path.name)


def test_refused_archives() -> None:
    """Those whose contents are damaged but not their tables are refused when all is read, which is not done here; and
    names, which only programs that write files must refuse, are not checked.
    """
    unchecked = {"contents", "folder", "twins", "upwards", "numbered"}
    for path in sorted(GOLDEN.glob("refused-*.spk")):
        if path.stem.removeprefix("refused-") in unchecked:
            continue
        with pytest.raises(CError):
            read(path)


def test_files_that_share_channels(tmp_path: Path) -> None:
    """Files of one session reference each other, and are decoded on their own too."""
    sources = sorted((EXAMPLES / "recordings").glob("*.wav"))
    path = tmp_path / "linked.spk"
    spikey_cli.compress(sources, path)
    assert_equal(read(path), expected_of(path), path.name)
    archive = Archive(path.read_bytes())
    try:
        groups = archive.groups(0)
        assert len(groups) == len(sources)
        assert len(set(groups)) < len(sources)
    finally:
        archive.close()


def write_files(folder: Path, n_files: int) -> list[Path]:
    """Arrays of different lengths and types, and a file that is no recording."""
    rng = np.random.default_rng(n_files)
    for i in range(n_files):
        dtype = [np.int16, np.int32, np.float32, np.uint8][i % 4]
        samples = np.cumsum(rng.integers(-3, 4, size=(int(rng.integers(1, 400)), 1 + i % 3)), axis=0) + 100
        np.save(folder / f"recording-{i:03}-{rng.integers(1 << 60):x}.npy", samples.astype(dtype))
    (folder / "notes.txt").write_text("no recording")
    return sorted(folder.iterdir())


def test_kept_numbers_before_channels_are_refused(tmp_path: Path) -> None:
    """Where channels begin behind them, references would lead beyond the channels."""
    content = Content.of(GOLDEN / "range-records.spk").copy()
    steps, parts, streams = content.blocks[0]
    is_kept = [content.directory.files[part.file].layout is None for part in parts]
    assert is_kept == sorted(is_kept)
    assert any(is_kept)
    order = sorted(range(len(parts)), key=lambda i: not is_kept[i])
    content.blocks[0] = (steps, [parts[i] for i in order], [streams[i] for i in order])
    archive = Archive(content.parts().pack())
    try:
        with pytest.raises(CError, match="kept numbers stand before channels"):
            archive.groups(0)
    finally:
        archive.close()
    path = tmp_path / "swapped.spk"
    path.write_bytes(content.parts().pack())
    with pytest.raises(CError, match="kept numbers stand before channels"):
        read(path)


def test_blocks_that_are_not_there() -> None:
    """The calls say so, and touch no memory."""
    archive = Archive((GOLDEN / "rice-session.spk").read_bytes())
    for block in (-1, 1 << 40):
        with pytest.raises(CError, match="no such block"):
            archive.groups(block)
        with pytest.raises(CError, match="no such block"):
            archive.decode_block(block, b"", None)
    archive.close()


def test_names_are_utf8() -> None:
    """As they are in Python."""
    content = Content.of(GOLDEN / "rice-session.spk").parts()
    points = ("\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff")
    names = [f"a{point}b".encode() for point in points]
    names += [
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\x80",
        b"\xc3",
        b"\xe2\x82",
    ]
    for name in names:
        data = replace(content, directory=with_names(content.directory, [name, b"right.wav"])).pack()
        try:
            name.decode()
        except UnicodeDecodeError:
            with pytest.raises(CError, match="names is malformed"):
                Archive(data)
        else:
            Archive(data).close()


@pytest.mark.parametrize("n_files", [3, 60])
@pytest.mark.parametrize("method", [0, 1])
def test_many_files(tmp_path: Path, n_files: int, method: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With tables of deflate and of LZMA."""
    path = tmp_path / "many.spk"
    monkeypatch.setattr(packing, "_LZMA_BYTES", 0)
    pack = packing._deflated
    monkeypatch.setattr(packing, "_deflated", lambda *how: pack(*how) + bytes(10_000 * method))  # longer than LZMA
    spikey_cli.compress(write_files(tmp_path, n_files), path)
    assert path.read_bytes()[40] == method
    assert_equal(read(path), expected_of(path), path.name)


@pytest.mark.trials(40, slow=300, exhaustive=100_000)
def test_mutated_archives_are_refused_as_the_reader_does(tmp_path: Path, trials: int, monkeypatch) -> None:
    """With correct checksums."""
    contents = [Content.of(path) for path in READ if path.stem not in MODELS]
    agreed = 0
    pack = packing._deflated
    for seed in range(trials):
        is_lzma = seed % 3 == 0
        monkeypatch.setattr(packing, "_LZMA_BYTES", 0 if is_lzma else 1 << 60)
        monkeypatch.setattr(packing, "_deflated", lambda *how, n=10_000 * is_lzma: pack(*how) + bytes(n))
        path = tmp_path / "mutated.spk"
        path.write_bytes(mutated(contents[seed % len(contents)], np.random.default_rng(seed)))
        actual = expected = None
        try:
            actual = read(path, memory=1 << 23, expansion=2048)
        except CError as error:
            if error.args[0] in (-12, -14, -15):  # not supported, or an estimate
                continue
        try:
            expected = expected_of(path, Limits(memory=1 << 23, expansion=2048))
        except LimitError:
            continue
        except SpikeyError:
            continue  # the reader refuses names, and files whose numbers or bytes are damaged
        assert actual is not None, seed
        assert_equal(actual, expected, seed)
        agreed += 1
    assert agreed > trials // 50
