"""Chunks in C: what the core encodes, both decoders read, and it is what `encode_chunk` encodes."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from support.chunks import arrays
from support.recordings import recorded

from spikey_cli.api import chunk
from spikey_cli.api.chunk import MAX_CHUNK_BYTES, decode_chunk, encode_chunk
from spikey_cli.codec.presets import find_preset
from spikey_cli.container.archive import ArchiveReader
from spikey_cli.container.directory import pack_directory
from spikey_cli.container.limits import DEFAULT_LIMITS
from spikey_cli.core import _core
from spikey_cli.core.coders import find_coder
from spikey_cli.model.predictor import find_model

UNSUPPORTED = -12
INTEGERS = ("|i1", "|u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", ">u4", "<i8", ">i8", "<u8", ">u8")


def encoded(array: np.ndarray, coder: str = "range", preset: str = "default") -> tuple[int, str | None, bytes | None]:
    """What the core makes of an array."""
    is_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    flat = array.reshape(-1, order="F" if is_fortran else "C")
    memory = np.ascontiguousarray(flat).view(np.uint8)
    return _core.encode_chunk(memory, array.dtype.str, is_fortran, array.shape, coder, preset)


def round_trip(array: np.ndarray, coder: str = "range", preset: str = "default") -> bytes:
    """The chunk of an array, which both decoders read."""
    error, reason, data = encoded(array, coder, preset)
    assert (error, reason) == (0, None)
    assert data is not None
    for back in (decode_chunk(data), chunk._decode_archive(data, MAX_CHUNK_BYTES, DEFAULT_LIMITS)):
        assert (back.dtype, back.shape, back.tobytes("A")) == (array.dtype, array.shape, array.tobytes("A"))
        assert back.flags.f_contiguous == array.flags.f_contiguous
    return data


@pytest.mark.parametrize("coder", ["range", "rice"])
@pytest.mark.parametrize("preset", ["fast", "default", "best"])
def test_coders_and_presets(coder: str, preset: str) -> None:
    data = round_trip(recorded(np.random.default_rng(1), 700, 3), coder, preset)
    with ArchiveReader(io.BytesIO(data)) as reader:
        assert reader.coder == {"rice": 1, "range": 2}[coder]
        assert reader.effort == ["fast", "default", "best"].index(preset) + 1


@pytest.mark.parametrize("shape", [(0,), (0, 3), (1,), (1, 1), (1, 513), (2, 1), (9, 513), (300,), (300, 1), (70, 4)])
def test_shapes(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(2)
    for dtype in ("<i2", "|u1", ">u4"):
        array = random.integers(0, 90, shape).astype(dtype)
        round_trip(array)
        round_trip(np.asfortranarray(array))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_types_and_edges(dtype: str) -> None:
    limits = np.iinfo(dtype)
    random = np.random.default_rng(3)
    walk = np.cumsum(random.integers(-3, 4, (400, 2)), axis=0)
    for edge in (limits.min + 99, limits.max - 99, 0 if limits.min else 99):
        array = np.clip(walk, -99, 99).astype(np.int64).astype(dtype) + np.array(edge).astype(dtype)
        round_trip(array)
    if np.dtype(dtype).itemsize <= 2:
        array = random.integers(limits.min, limits.max, (200, 2), endpoint=True, dtype=np.int64).astype(dtype)
        array[0] = limits.min, limits.max
        round_trip(array)


@given(
    arrays_of.arrays(
        st.sampled_from([*INTEGERS]),
        arrays_of.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=50),
        elements=st.integers(0, 100),
        fill=st.integers(0, 3),
    ),
    st.sampled_from(["C", "F"]),
    st.sampled_from(["range", "rice"]),
)
def test_any_array(array: np.ndarray, order: str, coder: str) -> None:
    round_trip(np.asarray(array, order="F" if order == "F" and array.ndim < 3 else "C"), coder)


def written(array: np.ndarray, coder: str = "range", preset: str = "default") -> bytes:
    """The chunk that the writer of archives makes of an array."""
    return chunk._encode_archive(array, find_coder(coder), find_preset(preset), None, peers=True)


def contents(data: bytes) -> tuple[bytes, list[tuple[object, ...]]]:
    """The directory and the blocks of a chunk, without the bytes of its tables."""
    with ArchiveReader(io.BytesIO(data)) as reader:
        tables = [reader.read_table(i) for i in range(len(reader.index.blocks))]
        blocks = [(each.steps, each.parts, each.methods.tolist(), each.crcs.tolist()) for each in tables]
        return pack_directory(reader.directory), blocks


def test_the_archive_is_that_of_the_package() -> None:
    """It has the same quantizers, references, lags and streams, and its tables are about as long."""
    compared = 0
    for name, (array, options) in arrays().items():
        if options.get("coder") == "huffman" or options.get("peers") is False:
            continue
        error, _, data = encoded(array, **options)  # type: ignore[arg-type]
        if error == UNSUPPORTED:
            continue
        assert data is not None, name
        expected = written(array, **options)  # type: ignore[arg-type]
        assert len(data) == pytest.approx(len(expected), rel=0.001, abs=8), name
        assert contents(data) == contents(expected), name
        compared += 1
    assert compared > 30


def test_quantizers_of_odd_channels() -> None:
    """Constants, copies of all kinds, palettes and steps beside each other, as the package finds them."""
    random = np.random.default_rng(6)
    walk = np.cumsum(random.integers(-4, 5, (3000, 3)), axis=0)
    values = np.cumsum(random.integers(5, 40, 20))
    columns = [
        walk[:, 0], -walk[:, 0], walk[:, 0] + 9, 30 - walk[:, 0], np.full(3000, 4), walk[:, 1] * 12,
        values[walk[:, 2] % 20], np.rint(walk[:, 1] * 3.3), np.where(np.arange(3000) < 2999, walk[:, 0], 0), walk[:, 2],
    ]  # fmt: skip
    for array in (np.column_stack(columns), np.column_stack(columns[:2] * 3), np.column_stack(columns[4:5] * 2)):
        samples = np.ascontiguousarray(array.astype("<i2"))
        assert contents(round_trip(samples)) == contents(written(samples))


def test_encode_chunk_encodes_in_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    array = recorded(np.random.default_rng(7), 500, 2)
    monkeypatch.delattr(chunk, "write_archive")
    assert encode_chunk(array) == encode_chunk(array, predictor=find_model("n1")) == encoded(array)[2]
    for view in (array[::2], array[:, ::-1], np.asfortranarray(array), array.T, array[:, 0], array.astype(">i4")):
        assert np.array_equal(decode_chunk(encode_chunk(view)), view)
    for options in ({"predictor": find_model("n1-peers")}, {"peers": False}, {"coder": "huffman"}):
        with pytest.raises(NameError):
            encode_chunk(array, **options)
    with pytest.raises(NameError):
        encode_chunk(array / 7)


def test_threads_encode_at_the_same_time() -> None:
    random = np.random.default_rng(8)
    samples = [recorded(random, 800, channels) for channels in (1, 2, 5, 8)] * 2
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(encode_chunk, samples)) == list(map(encode_chunk, samples))


def test_values_that_are_far_apart() -> None:
    """Integers of 24 bits, of which few occur: each channel has a table of them in vain."""
    random = np.random.default_rng(9)
    round_trip(random.integers(0, 1 << 24, (60, 9)).astype("<i4"))
    steps = np.unique(random.integers(0, 1 << 23, 30)).astype("<i4")
    round_trip(steps[random.integers(0, steps.size, (2000, 2))])


def test_other_arrays_are_refused() -> None:
    for array in (
        np.zeros(5, "<f4"),
        np.zeros((2, 3, 4), "<i2", "F"),
        np.zeros((2, 0, 4), "<i2"),
        np.array(5, "<i2"),
        np.zeros((3, 0), "<i2"),
        np.array([0, 1, 1 << 40]),
        np.zeros((0, 65536), "<i2"),
        np.zeros(3, "<c8"),
    ):
        error, reason, data = encoded(array)
        assert (error, data) == (UNSUPPORTED, None)
        assert reason
    assert encoded(np.zeros(3, "<i2"), coder="huffman")[0] == UNSUPPORTED
    assert encoded(np.zeros(3, "<i2"), preset="none")[0] == UNSUPPORTED
    for shape in ((4,), (-1, 2), (1 << 62, 4)):
        assert _core.encode_chunk(bytes(6), "<i2", False, shape, "range", "default")[0] in (-2, -13)


def test_the_tables_deflate_well() -> None:
    """Of many channels with quantizers of their own, which make most of a directory."""
    random = np.random.default_rng(4)
    array = (random.integers(0, 40, (256, 300)) * random.integers(1, 90, 300)).astype("<i2")
    assert len(round_trip(array)) == pytest.approx(len(written(array)), rel=0.003)
