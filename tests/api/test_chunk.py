"""Chunks: any array is encoded and decoded."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support import second_decoder
from support.archive_builder import Content
from support.paths import GOLDEN, ROOT
from support.random_models import PARTS, random_model
from support.recordings import n1_samples, neural

import spikey_cli
from spikey_cli.api import chunk
from spikey_cli.api.chunk import decode_chunk, encode_chunk
from spikey_cli.api.compress import write_archive
from spikey_cli.codec.scan import scan
from spikey_cli.container import packing
from spikey_cli.container.archive import NO_MODEL, ArchiveReader
from spikey_cli.container.directory import Directory, FileEntry
from spikey_cli.container.limits import Limits
from spikey_cli.container.parts import Method, Part
from spikey_cli.core.coders import CODERS
from spikey_cli.errors import ArchiveError, LimitError
from spikey_cli.io.layout import Layout, SampleType
from spikey_cli.io.npy import header
from spikey_cli.io.source import ArraySource, BytesSource
from spikey_cli.system.workers import Workers
from spikey_cli.topology.topology import Topology


def assert_same(array: np.ndarray, decoded: np.ndarray) -> None:
    assert decoded.dtype == array.dtype, f"decoded as {decoded.dtype}, was {array.dtype}"
    assert decoded.shape == array.shape, f"decoded as {decoded.shape}, was {array.shape}"
    assert decoded.tobytes("A") == array.tobytes("A"), "other values, or another memory order"


INTEGERS = ["i1", "u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", "<i8", "<u8"]


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(3000,), (2000, 3)])
def test_integers_are_predicted(dtype: str, order: str, shape: tuple[int, ...], random: np.random.Generator) -> None:
    bits = np.iinfo(dtype)
    middle = (bits.min + bits.max + 1) // 2
    walk = np.clip(np.cumsum(random.normal(0, 1, shape), axis=0), -100, 100)
    array = np.array([middle + int(x) for x in walk.reshape(-1)], dtype=dtype).reshape(shape)
    array = np.asarray(array, order=order)
    data = encode_chunk(array)
    assert_same(array, decode_chunk(data))
    assert len(data) < 0.6 * array.size + 500, f"{len(data)} bytes for {array.size} samples: they were not predicted"


@given(
    hnp.arrays(
        st.sampled_from([*INTEGERS, "?", "<f4", ">f8", "<c8", "S3", "<M8[ns]"]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9),
    ),
    st.sampled_from(["C", "F"]),
)
def test_any_array_is_restored(array: np.ndarray, order: str) -> None:
    array = np.asarray(array, order=order)
    assert_same(array, decode_chunk(encode_chunk(array)))


@given(hnp.arrays(st.sampled_from(INTEGERS), st.tuples(st.integers(0, 400), st.integers(1, 3))))
@example(np.array([[0], [2**62]]))
def test_any_integers_are_restored(array: np.ndarray) -> None:
    assert_same(array, decode_chunk(encode_chunk(array, coder="rice")))


def test_decoding_into_an_array(random: np.random.Generator) -> None:
    array = np.ascontiguousarray(n1_samples(neural(random, 2000, 4)))
    data = encode_chunk(array)
    out = np.empty_like(array)
    assert np.shares_memory(decode_chunk(data, out), out), "it was decoded elsewhere"
    assert np.array_equal(out, array)
    flat = np.empty(array.size, array.dtype)
    decode_chunk(data, flat)
    assert np.array_equal(flat.reshape(array.shape), array), "a flat buffer was not filled"
    for unfit in (np.empty((2000, 4), np.int32), np.empty((2000, 3), np.int16), np.empty((4, 2000), np.int16).T):
        assert_same(array, decode_chunk(data, unfit))


def test_a_chunk_is_an_archive(tmp_path, random: np.random.Generator) -> None:
    array = n1_samples(neural(random, 2000, 4))
    path = tmp_path / "chunk.spk"
    path.write_bytes(encode_chunk(array))
    spikey_cli.decompress(path, tmp_path / "out")
    assert np.array_equal(np.load(tmp_path / "out" / "chunk.npy"), array)


def test_other_archives_are_refused(tmp_path, random: np.random.Generator) -> None:
    path = tmp_path / "a.spk"
    spikey_cli.compress([ArraySource(n1_samples(neural(random, 200, 2)), "other.npy")], path)
    with pytest.raises(ArchiveError, match="not of an array"):
        decode_chunk(path.read_bytes())


@pytest.mark.parametrize("data", [b"", b"no archive", bytes(1000)])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ArchiveError, match="a chunk: "):
        decode_chunk(data)


def test_damage_is_refused(random: np.random.Generator) -> None:
    array = n1_samples(neural(random, 500, 2))
    data = encode_chunk(array)
    for at in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        with pytest.raises(ArchiveError):
            decode_chunk(damaged)


def test_too_large_an_array_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk, "MAX_CHUNK_BYTES", 19_999)
    with pytest.raises(ValueError, match="20000 bytes is too large"):
        encode_chunk(np.zeros((5000, 2), np.int16))


@pytest.mark.parametrize("dtype", ["<i2", "i1", "<u2", "<f4"])
def test_an_array_beyond_max_bytes_is_refused(dtype: str) -> None:
    array = np.zeros((200_000, 2), dtype)
    data = encode_chunk(array)
    assert_same(array, decode_chunk(data, max_bytes=array.nbytes))
    with pytest.raises(LimitError, match="has more than 40000 bytes"):
        decode_chunk(data, max_bytes=40_000)


def test_an_array_that_is_not_predicted_needs_no_model(random: np.random.Generator) -> None:
    data = encode_chunk(np.exp(random.integers(0, 9, (100, 3))))
    with ArchiveReader(io.BytesIO(data)) as reader:
        assert reader.model == NO_MODEL


def test_the_same_array_makes_the_same_chunk(random: np.random.Generator) -> None:
    array = np.ascontiguousarray(n1_samples(neural(random, 2000, 4)))
    data = encode_chunk(array)
    assert encode_chunk(array) == data
    assert encode_chunk(np.repeat(array, 2, axis=1)[:, ::2]) == data, "a strided array is coded differently"


def test_padded_fields(random: np.random.Generator) -> None:
    array = np.zeros(50, np.dtype([("a", "u1"), ("b", "<i4")], align=True))
    array["a"], array["b"] = random.integers(0, 255, 50), random.integers(-1000, 1000, 50)
    back = decode_chunk(encode_chunk(array))
    assert back.dtype == array.dtype
    assert (back == array).all()


def chunk_of(**files: bytes) -> bytes:
    """An archive with the files chunk.npy and chunk.json."""
    out = io.BytesIO()
    sources = [scan(BytesSource(data, f"chunk.{name}")) for name, data in files.items()]
    write_archive(sources, out, CODERS["rice"], None, Workers(None, 1), peers=False, may_use_lzma=False)
    return out.getvalue()


def npy(shape: str, descr: str = "<i2", data: bytes = b"") -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def test_metadata_cannot_claim_more_than_max_bytes() -> None:
    metadata = {"dtype": "<i2", "order": "C", "offset": 0, "shape": [1 << 40], "fill": 0}
    data = chunk_of(npy=npy("(2,)", data=bytes(4)), json=json.dumps(metadata).encode())
    with pytest.raises(LimitError, match="has more than"):
        decode_chunk(data)


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({"npy": npy("(2,)", data=bytes(4)), "json": b"{}"}, "malformed"),
        (
            {"npy": npy("(2,)", "<f4", bytes(8)), "json": b'{"dtype": "<i2", "order": "C", "offset": 0}'},
            "malformed",
        ),
        ({"npy": npy(f"({1 << 40},)", "<f4")}, "more values than it holds"),
        ({"npy": npy("(2,)", "<f4", bytes(7))}, "more values than it holds"),
        ({"npy": npy("(-2,)", "<f4", bytes(8))}, "malformed"),
        ({"npy": npy("(2,)", "|O", bytes(16))}, "malformed"),
        ({"npy": b"no array"}, "malformed"),
        ({"json": b"{}"}, "not of an array"),
        ({"npy": npy("(2,)", data=bytes(4)), "txt": b""}, "not of an array"),
    ],
)
def test_a_hostile_chunk_is_refused(files: dict[str, bytes], error: str) -> None:
    with pytest.raises(ArchiveError, match=f"^a chunk: .*{error}"):
        decode_chunk(chunk_of(**files))


def test_a_thousand_fields() -> None:
    array = np.ones(3, [(f"field {i}", "<i2") for i in range(1000)])
    back = decode_chunk(encode_chunk(array))
    assert back.dtype == array.dtype
    assert back.tobytes() == array.tobytes()


def test_padding_costs_little(random: np.random.Generator) -> None:
    array = np.ascontiguousarray(n1_samples(neural(random, 2000, 4)))
    for padded in (np.pad(array, ((0, 3000), (0, 0))), np.pad(array, ((0, 0), (0, 3)), constant_values=-9)):
        data = encode_chunk(padded)
        assert_same(padded, decode_chunk(data))
        assert len(data) < len(encode_chunk(array)) + 400


@pytest.mark.parametrize("dtype", ["<i2", ">i4", "<f4"])
@pytest.mark.parametrize("shape", [(2000, 4), (2000, 1)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_either_axis_may_be_time(dtype: str, shape: tuple[int, int], order: str, random: np.random.Generator) -> None:
    array = np.asarray(n1_samples(neural(random, *shape)).astype(dtype), order="F" if order == "F" else "C")
    data = encode_chunk(array.T)
    assert_same(array.T, decode_chunk(data))
    assert len(data) < len(encode_chunk(array)) + 200  # of metadata


@pytest.mark.parametrize("dtype", ["<i2", ">u4", "<f4"])
def test_recordings_may_have_more_dimensions(dtype: str, random: np.random.Generator) -> None:
    array = n1_samples(neural(random, 4000, 4)).astype(np.int32) - (-32768 if dtype == ">u4" else 0)
    array = array.astype(dtype)
    size = len(encode_chunk(array))
    epochs = array.reshape(40, 100, 4)
    for view in (array.reshape(4000, 2, 2), epochs, epochs.transpose(0, 2, 1), epochs.reshape(4, 10, 100, 4)):
        view = np.ascontiguousarray(view)
        data = encode_chunk(view)
        assert_same(view, decode_chunk(data))
        assert len(data) < size + 200


def test_an_axis_may_be_longer_than_there_may_be_channels() -> None:
    array = np.tile(np.arange(100, dtype="<i2"), (3, 700))
    data = encode_chunk(array)
    assert_same(array, decode_chunk(data))
    assert len(data) < array.nbytes // 20


def array_by_the_page(data: bytes) -> np.ndarray:
    """Decode a chunk by docs/zarr.md and docs/format.md alone."""
    files = second_decoder.decode(data, [path.read_bytes() for path in ROOT.glob("models/*.onnx")])
    assert list(files) in (["chunk.npy"], ["chunk.npy", "chunk.json"])
    samples = np.load(io.BytesIO(files["chunk.npy"]))
    if "chunk.json" not in files:
        return samples
    metadata = json.loads(files["chunk.json"])
    *leading, rows, columns = metadata.get("shape", (0, 0))
    if leading and metadata.get("transposed"):
        samples = samples.reshape(*leading, columns, rows).swapaxes(-1, -2)
    elif leading:
        samples = samples.reshape(metadata["shape"])
    elif metadata.get("transposed"):
        samples = samples.T
    dtype = np.dtype(metadata["dtype"])
    if dtype.kind == "f":  # their bits as unsigned integers
        dtype = np.dtype(f"{dtype.byteorder}u{dtype.itemsize}")
        samples = samples.view(f"<u{dtype.itemsize}")
    array = np.empty(metadata.get("shape", samples.shape), dtype, metadata["order"])
    bits = np.iinfo(dtype)
    for place in np.ndindex(array.shape):
        if all(at < n for at, n in zip(place, samples.shape, strict=True)):
            array[place] = (int(samples[place]) + metadata["offset"] - bits.min) % (bits.max - bits.min + 1) + bits.min
        else:
            array[place] = metadata["fill"]
    return array.view(metadata["dtype"])


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("chunk-*.spk")), ids=lambda path: path.stem)
def test_the_page_describes_chunks(path: Path) -> None:
    assert_same(decode_chunk(path.read_bytes()), array_by_the_page(path.read_bytes()))


@pytest.mark.parametrize("shape", [(1_000_000,), (10**15,), (500,), (250, 2), (), (10, 10, 10)])
@pytest.mark.parametrize("dtype", ["<i2", "<f8", "|u1", "|O"])
def test_a_shape_that_does_not_match_the_samples_is_refused(tmp_path, shape: tuple[int, ...], dtype: str) -> None:
    """It is in the header of chunk.npy, whose checksums are correct."""

    class Forged(ArraySource):
        def __init__(self) -> None:
            super().__init__(np.arange(1000, dtype=np.int16), "chunk.npy")
            self._header = header(shape, np.dtype(dtype))
            self._size = len(self._header) + 2000

    path = tmp_path / "forged.spk"
    true, forged = scan(ArraySource(np.arange(1000, dtype=np.int16), "chunk.npy")), Forged()
    forged = true._replace(source=forged, status=forged.status(), layout=Layout(forged._header, b"", 0, 1, 2, 1000))
    with open(path, "wb") as file:
        write_archive([forged], file, CODERS["rice"], None, Workers(None, 1), peers=False)
    with pytest.raises(ArchiveError, match="a chunk: "):
        decode_chunk(path.read_bytes(), max_bytes=4000)


def _content(folder: Path) -> Content:
    """A chunk, taken apart."""
    (folder / "a.spk").write_bytes(encode_chunk(np.arange(4000, dtype=np.int16) % 7))
    return Content.of(folder / "a.spk")


def test_a_chunk_of_many_channels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_LZMA_BYTES", 1 << 60)
    layout = Layout(b"", b"", 1, 65_535, SampleType.UINT8, 0)
    content = _content(tmp_path)
    content.directory = Directory((FileEntry("chunk.npy", 0, layout),), Topology.independent(65_535))
    content.blocks, content.crcs = [], (0,)
    data = content.parts().pack()
    with pytest.raises(LimitError, match=r"number of its channels exceeds the memory limit.*Limits.memory"):
        decode_chunk(data, limits=Limits(memory=1 << 24))


@pytest.mark.parametrize("kind", [kind for kind in PARTS if kind != "chain"])  # chains are fast enough
def test_the_time_that_a_model_takes_is_bounded(kind: str, tmp_path: Path) -> None:
    frames, model = 1 << 22, random_model(**PARTS[kind])
    content = _content(tmp_path)
    (file,) = content.directory.files
    layout = replace(file.layout, n_frames=frames, header=header((frames,), np.dtype("<i2")))
    entry = file._replace(layout=layout, size=layout.file_bytes)
    content.directory = replace(content.directory, files=(entry,), model=model)
    content.start = content.start[:12] + hashlib.sha256(model).digest()[:8]
    content.blocks = [(frames, [Part(0, 0, frames)], [[(Method.CODED, bytes(40))]])]
    data = content.parts().pack()
    with pytest.raises(LimitError, match=r"longer to decode.*Limits.expansion"):
        decode_chunk(data)
    with pytest.raises(LimitError, match="longer to decode"):
        decode_chunk(data, max_bytes=2 * frames)


def test_limits_can_be_raised() -> None:
    array = np.repeat(np.arange(500, dtype=np.int16), 2000)
    data = encode_chunk(array)
    small = Limits(memory=1 << 20)
    with pytest.raises(LimitError, match=r"samples of a block exceed the memory limit.*Limits.memory"):
        decode_chunk(data, limits=small)
    assert_same(array, decode_chunk(data))
    assert_same(array, decode_chunk(data, limits=small, max_bytes=array.nbytes))
    with pytest.raises(LimitError, match=r"Limits.expansion"):
        decode_chunk(data, limits=Limits(expansion=0))
