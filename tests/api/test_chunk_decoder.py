"""Chunks in C: the core decodes what the reader of archives does, and refuses what that does."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from support.archive_builder import Content
from support.archive_mutator import mutated
from support.chunks import chunks

from spikey_cli.api import chunk
from spikey_cli.api.chunk import MAX_CHUNK_BYTES, decode_chunk
from spikey_cli.api.compress import write_archive
from spikey_cli.codec.presets import find_preset
from spikey_cli.codec.scan import ScannedSource
from spikey_cli.container import packing
from spikey_cli.container.archive import ArchiveReader
from spikey_cli.container.limits import DEFAULT_LIMITS, Limits
from spikey_cli.container.parts import Method
from spikey_cli.core import _core
from spikey_cli.core.coders import find_coder
from spikey_cli.core.quantizer import IDENTITY
from spikey_cli.errors import ArchiveError, LimitError, SpikeyError
from spikey_cli.io.records import Field, RecordLayout
from spikey_cli.io.source import BytesSource
from spikey_cli.system.workers import Workers

BOUNDS = (64 << 20, 8192, MAX_CHUNK_BYTES, 0)
CHUNK_LIMITS = Limits(memory=1 << 23, expansion=2048)
TOLD_APART = (Method.XZ, Method.ESCAPED_PACKED)  # of archives, and too rare to be found in small arrays


@pytest.fixture(scope="module")
def made() -> dict[str, tuple[np.ndarray, bytes]]:
    """Arrays and their chunks."""
    return chunks()


def test_each_kind_of_chunk(made, monkeypatch: pytest.MonkeyPatch) -> None:
    read = chunk._decode_archive
    monkeypatch.delattr(chunk, "_decode_archive")
    for name, (array, data) in made.items():
        back = decode_chunk(data)
        assert (back.dtype, back.shape, back.tobytes("A")) == (array.dtype, array.shape, array.tobytes("A")), name
        assert back.flags.f_contiguous == array.flags.f_contiguous, name
        assert read(data, MAX_CHUNK_BYTES, DEFAULT_LIMITS).tobytes("A") == array.tobytes("A"), name


def test_the_chunks_are_of_all_kinds(made) -> None:
    methods, quantizers, coders, types, links, lags = (set[object]() for _ in range(6))
    for _, data in made.values():
        with ArchiveReader(io.BytesIO(data)) as reader:
            coders.add((reader.coder, reader.effort))
            for i in range(len(reader.index.blocks)):
                methods |= set(reader.read_table(i).methods.tolist())
            for entry in reader.directory.files:
                if entry.layout:
                    types.add(entry.layout.sample_type)
                    quantizers |= {entry.quantizer.of_channel(i).kind for i in range(entry.channels)}
            topology = reader.directory.topology
            links |= {(bool(a), bool(b)) for a, b in zip(topology.earlier, topology.later, strict=True)}
            lags |= set(topology.lags)
    assert methods >= set(Method) - set(TOLD_APART), methods
    assert quantizers == {"identity", "n1", "step", "palette", "lattice", "copy"}
    assert {coder for coder, _ in coders} == {effort for _, effort in coders} == {1, 2, 3}
    assert types == {1, 2, 4, 5, 6, 8, 9}, types  # uint16 becomes int16
    assert links == {(False, False), (True, False), (False, True), (True, True)}
    assert len(lags) > 1


def test_memory_must_fit(made) -> None:
    array, data = made["n1"]
    for size in (array.nbytes - 1, array.nbytes + 1):
        assert _core.decode_chunk(data, *BOUNDS, np.empty(size, np.uint8))[0] == -2
    with pytest.raises(TypeError):
        _core.decode_chunk(data, *BOUNDS, np.empty(array.shape, array.dtype))
    with pytest.raises((BufferError, ValueError)):
        _core.decode_chunk(data, *BOUNDS, bytes(array.nbytes))


@pytest.mark.trials(2, slow=12, exhaustive=1000)
def test_each_flipped_bit_and_each_end(made, trials) -> None:
    """Of so many chunks, the smallest first."""
    small = sorted((data for _, data in made.values()), key=len)
    for data in small[:trials]:
        for bit in range(8 * len(data)):
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            assert _core.describe_chunk(damaged, *BOUNDS)[0] or _decoded(damaged) is None, bit
        for end in range(len(data)):
            assert _core.describe_chunk(data[:end], *BOUNDS)[0]
        assert _core.describe_chunk(data + b"\0", *BOUNDS)[0]


def _decoded(data: bytes | bytearray) -> np.ndarray | None:
    try:
        return decode_chunk(data, limits=CHUNK_LIMITS)
    except SpikeyError:
        return None


@pytest.mark.trials(150, slow=400, exhaustive=100_000)
def test_mutated_chunks_are_refused_as_archives_are(made, tmp_path: Path, trials, monkeypatch) -> None:
    """With correct checksums."""
    monkeypatch.setattr(packing, "_LZMA_BYTES", 1 << 60)
    contents = []
    for i, data in enumerate(data for array, data in made.values() if array.size):
        (tmp_path / f"{i}.spk").write_bytes(data)
        contents.append(Content.of(tmp_path / f"{i}.spk"))
    agreed = 0
    for seed in range(trials):
        data = mutated(contents[seed % len(contents)], np.random.default_rng(seed))
        if _core.describe_chunk(data, *BOUNDS)[0] == -12:  # not supported
            continue
        back = None
        try:
            back = decode_chunk(data, limits=CHUNK_LIMITS)
        except SpikeyError as error:
            if "a stream does not match its checksum" in str(error):
                continue  # the reader does without the streams of copies, which are empty
        try:
            expected = chunk._decode_archive(data, MAX_CHUNK_BYTES, CHUNK_LIMITS)
        except LimitError:
            continue  # limits are estimates
        except SpikeyError:
            expected = None
        assert (back is None) == (expected is None), f"seed {seed}: {back} {expected}"
        if back is not None and expected is not None:
            assert back.tobytes("A") == expected.tobytes("A"), seed
            agreed += 1
    assert agreed > trials // 50


def test_a_chunk_of_a_model_of_peers_is_read_as_an_archive(made, monkeypatch: pytest.MonkeyPatch) -> None:
    from spikey_cli.model.predictor import find_model

    array = made["n1"][0]
    data = chunk.encode_chunk(array, predictor=find_model("n1-peers"))
    assert _core.describe_chunk(data, *BOUNDS)[:2] == (-12, "its model is none of this library")
    assert np.array_equal(decode_chunk(data), array)
    damaged = bytearray(data)
    damaged[-100] ^= 1
    with pytest.raises(ArchiveError):
        decode_chunk(damaged)


def _of_files(npy: bytes, json: bytes | None = None, records: RecordLayout | None = None) -> bytes:
    """Return a chunk with these files, which need not fit together, perhaps the second one as records."""
    file = io.BytesIO()
    files = [("chunk.npy", npy), *([("chunk.json", json)] if json is not None else [])]
    sources = [BytesSource(data, name) for name, data in files]
    scanned = [ScannedSource(source, source.name, source.status(), None, IDENTITY, ()) for source in sources]
    if records:
        scanned[1] = scanned[1]._replace(records=records)
    preset = find_preset("default")
    write_archive(
        scanned, file, find_coder("range"), None, Workers(None, 1), preset=preset, peers=True, embed_model=False,
        may_use_lzma=False,
    )  # fmt: skip
    return file.getvalue()


def _npy(header: str, data: bytes = b"", version: int = 1) -> bytes:
    text = header.encode("latin1" if version < 3 else "utf-8") + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(2 if version == 1 else 4, "little") + text + data


def _header(descr: str, shape: str) -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


FLOATS = b'{"dtype": "<f8", "order": "C", "offset": 0}'


@pytest.mark.parametrize("descr", ["[f8]", "[('a', '|u1')]", "'<f80'", "'|V8'", "'<f4'"])
def test_samples_of_another_type_than_the_array_are_refused(descr: str) -> None:
    size = {"'<f80'": 80, "'|V8'": 8, "'<f4'": 4}.get(descr, 1)
    data = _of_files(_npy(_header(descr, "(4,)"), bytes(4 * size)), FLOATS)
    assert _core.describe_chunk(data, *BOUNDS)[0] == -11
    with pytest.raises(ArchiveError, match="malformed"):
        decode_chunk(data)


@pytest.mark.parametrize(
    "json",
    [
        FLOATS[:-1] + b",}",
        FLOATS[:-1] + b', "offset"}',
        FLOATS[:-1] + b', "offset": 0}',
        FLOATS[:-1] + b', "more": 0}',
        FLOATS + b"}",
        FLOATS.replace(b"<f8", b"<f\xb5"),
        FLOATS.replace(b'"C"', b'"A"'),
        FLOATS[:-1] + b', "shape": [9]}',
        FLOATS[:-1] + b', "transposed": true}',
        b"{}",
    ],
)
def test_malformed_metadata_are_refused(json: bytes) -> None:
    npy = _npy(_header("'<f8'", "(4,)"), bytes(32))
    assert np.array_equal(decode_chunk(_of_files(npy, FLOATS)), np.zeros(4))
    assert _core.describe_chunk(_of_files(npy, json), *BOUNDS)[0] == -11


@pytest.mark.parametrize(
    ("json", "shape"),
    [
        (b', "transposed": true}', (4, 3)),
        (b', "transposed": true, "shape": [5, 9], "fill": 1}', (5, 9)),
        (b', "transposed": true, "shape": [3, 9], "fill": 1}', None),
        (b', "transposed": false}', None),
        (b', "transposed": 1}', None),
        (b', "transposed": true, "shape": [12], "fill": 1}', None),
        (b', "transposed": true, "shape": [3, 4, 2], "fill": 1}', None),
        (b', "transposed": true, "shape": [3, 2, 2], "fill": 1}', None),
        (b', "transposed": true, "shape": [-3, -4, 1], "fill": 1}', None),
        (b', "transposed": true, "shape": [0, 4, 0], "fill": 1}', None),
        (b', "shape": [12, 1], "fill": 1}', None),
        (b', "shape": [13, 1, 1], "fill": 1}', None),
    ],
)
def test_metadata_of_a_transpose(json: bytes, shape: tuple[int, ...] | None) -> None:
    samples = np.arange(12.0).reshape(3, 4)
    data = _of_files(_npy(_header("'<f8'", "(3, 4)"), samples.tobytes()), FLOATS[:-1] + json)
    if shape is None:
        assert _core.describe_chunk(data, *BOUNDS)[0] == -11
        with pytest.raises(ArchiveError, match="malformed"):
            chunk._decode_archive(data, MAX_CHUNK_BYTES, CHUNK_LIMITS)
        return
    for back in (decode_chunk(data), chunk._decode_archive(data, MAX_CHUNK_BYTES, CHUNK_LIMITS)):
        assert back.shape == shape
        assert np.array_equal(back[:4, :3], samples.T)


def test_metadata_of_more_dimensions() -> None:
    samples = np.arange(12.0).reshape(6, 2)
    npy = _npy(_header("'<f8'", "(6, 2)"), samples.tobytes())
    for json, expected in (
        (b', "shape": [3, 2, 2], "fill": 0}', samples.reshape(3, 2, 2)),
        (b', "shape": [1, 4, 1, 3], "fill": 0}', samples.reshape(1, 4, 1, 3)),
        (b', "transposed": true, "shape": [2, 2, 3], "fill": 0}', samples.reshape(2, 3, 2).swapaxes(1, 2)),
        (b', "transposed": true, "shape": [1, 3, 2, 2], "fill": 0}', samples.reshape(1, 3, 2, 2).swapaxes(2, 3)),
    ):
        data = _of_files(npy, FLOATS[:-1] + json)
        for back in (decode_chunk(data), chunk._decode_archive(data, MAX_CHUNK_BYTES, CHUNK_LIMITS)):
            assert np.array_equal(back, expected)
    for shape in ([1 << 62, 1 << 62, 1], [1] * 64 + [12]):
        json = FLOATS[:-1] + f', "shape": {shape}, "fill": 0}}'.encode()
        for decode in (decode_chunk, lambda data: chunk._decode_archive(data, MAX_CHUNK_BYTES, CHUNK_LIMITS)):
            with pytest.raises((ArchiveError, LimitError)):
                decode(_of_files(npy, json))


def test_an_empty_transpose_takes_no_time() -> None:
    """Its shape may state any number of frames of no channel."""
    json = FLOATS[:-1] + b', "transposed": true, "shape": [0, %d], "fill": 1}' % (1 << 62)
    data = _of_files(_npy(_header("'<f8'", "(0, 0)")), json)
    error, _, _, _, shape, size = _core.describe_chunk(data, *BOUNDS)
    assert (error, shape, size) == (0, (0, 1 << 62), 0)
    assert _core.decode_chunk(data, *BOUNDS, np.empty(0, np.uint8))[0] == 0


def test_shapes_end_without_a_comma() -> None:
    npy = _npy(_header("'<f8'", "(2, 2)"), bytes(32))
    metadata = FLOATS[:-1] + b', "shape": [3, 2], "fill": 0}'
    assert decode_chunk(_of_files(npy, metadata)).shape == (3, 2)
    for ending in (b"3, 2, ]", b"3, 2,]", b"3, 2, 1]", b"3,]", b"]"):
        assert _core.describe_chunk(_of_files(npy, metadata.replace(b"3, 2]", ending)), *BOUNDS)[0] == -11, ending


@pytest.mark.parametrize("shape", ["(4)", "4", "(4,", "(,)", "(2 2)", "(2, -2)", "(04,)", "(2, 2.0)"])
def test_what_is_no_shape_is_refused(shape: str) -> None:
    assert _core.describe_chunk(_of_files(_npy(_header("'|u1'", shape), bytes(4))), *BOUNDS)[0] == -11


@pytest.mark.filterwarnings("ignore:Stored array in format 3.0")
def test_names_of_fields_in_any_script() -> None:
    for name in ("μV", "a", "Ü"):
        array = np.ones(7, [(name, "<i2"), ("c", ">f8", (2,))])
        back = decode_chunk(chunk.encode_chunk(array))
        assert back.dtype == array.dtype
        assert back.tobytes() == array.tobytes()


def test_arrays_of_items_without_bytes_hold_none() -> None:
    """NumPy makes "S1" of "S0" where it allocates the memory itself."""
    back = decode_chunk(_of_files(_npy(_header("'|S0'", "(3,)"))), max_bytes=0)
    assert (back.dtype, back.shape) == (np.dtype("S0"), (3,))
    array = np.zeros((2, 0, 4), ">f4")
    back = decode_chunk(chunk.encode_chunk(array), max_bytes=0)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)


def test_shapes_beyond_numpy_are_damage() -> None:
    for shape in (f"(0, {2**62}, 4)", f"({'1, ' * 64}1)"):
        with pytest.raises(ArchiveError):
            decode_chunk(_of_files(_npy(_header("'<i2'", shape), b"")))


def test_metadata_kept_as_numbers_are_read_as_an_archive() -> None:
    npy = _npy(_header("'<f8'", "(4,)"), bytes(32))
    data = _of_files(npy, FLOATS, RecordLayout(b"", b"", len(FLOATS), (), (Field(1, kept_type=1),)))
    assert _core.describe_chunk(data, *BOUNDS)[0] == -12
    assert np.array_equal(decode_chunk(data), np.zeros(4))
