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
from spikey_cli.container import packing
from spikey_cli.container.archive import ArchiveReader
from spikey_cli.container.limits import DEFAULT_LIMITS, Limits
from spikey_cli.container.parts import Method
from spikey_cli.core import _core
from spikey_cli.errors import ArchiveError, LimitError, SpikeyError

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
