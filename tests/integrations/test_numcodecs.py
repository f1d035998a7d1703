"""Spikey as a codec of numcodecs: the contract of all codecs, and its own behaviour."""

from __future__ import annotations

import array
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.recordings import recorded

import spikey_cli
from spikey_cli.codec.presets import PRESETS
from spikey_cli.core.coders import CODERS
from spikey_cli.errors import ArchiveError, LimitError, MissingPackageError
from spikey_cli.model.zoo import shipped_models

numcodecs = pytest.importorskip("numcodecs", minversion="0.15")
Spikey = spikey_cli.Spikey

CODECS = [Spikey(), Spikey("rice", peers=False), Spikey(model="n1-peers"), Spikey("huffman")]
DTYPES = [
    "i1",
    "u1",
    "<i2",
    ">i2",
    "<u2",
    "<i4",
    ">u4",
    "<i8",
    "?",
    "<f4",
    ">f8",
    "<c8",
    "S3",
    "<U2",
    "<M8[ns]",
    "<m8[s]",
]


def in_memory(buffer: object) -> bytes:
    """Bytes of a buffer in memory order."""
    return np.asarray(buffer).tobytes("A")


def check_round_trip(codec: Spikey, original: np.ndarray) -> None:
    """Encode an array and buffers of its bytes, decode from and into buffers of all kinds."""
    wanted = original.tobytes("A")
    for buffer in (original, wanted, bytearray(wanted), memoryview(wanted), array.array("b", wanted)):
        data = codec.encode(buffer)
        assert isinstance(data, bytes)
        assert in_memory(codec.decode(data)) == wanted, f"{type(buffer)} was not restored"
    data = codec.encode(original)
    for coded in (data, bytearray(data), memoryview(data), array.array("b", data), np.frombuffer(data, "u1")):
        assert in_memory(codec.decode(coded)) == wanted, f"{type(coded)} was not decoded"
    for out in (
        np.empty_like(original),
        bytearray(original.nbytes),
        np.empty(original.nbytes, "u1"),
        memoryview(bytearray(wanted)),
    ):
        assert codec.decode(data, out=out) is out
        assert in_memory(out) == wanted, f"{type(out)} was not filled"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("order", "shape"), [("C", (20, 3)), ("F", (5, 4, 3))])
def test_dtypes(dtype: str, order: str, shape: tuple[int, ...], random: np.random.Generator) -> None:
    raw = random.integers(0, 2, 8 * 60, "u1") * random.integers(32, 120, 8 * 60, "u1")
    size = np.dtype(dtype).itemsize
    whole = np.resize(raw, 60 * size) if np.dtype(dtype).kind not in "?U" else random.integers(0, 2, 60).astype(dtype)
    flat = whole.view(dtype)[:60]
    check_round_trip(Spikey(), np.asarray(flat.reshape(shape), order=order))


@pytest.mark.parametrize("codec", CODECS, ids=repr)
def test_buffers(codec: Spikey, random: np.random.Generator) -> None:
    check_round_trip(codec, recorded(random, 60, 3))
    check_round_trip(codec, recorded(random, 60, 1)[:, 0])


@given(
    hnp.arrays(st.sampled_from(DTYPES), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9)),
    st.sampled_from("CF"),
)
def test_decoding_into_out(array: np.ndarray, order: str) -> None:
    array = np.asarray(array, order=order)
    codec = Spikey("rice")
    data = codec.encode(array)
    assert in_memory(codec.decode(data)) == array.tobytes("A")
    out = np.empty_like(array)
    codec.decode(data, out)
    assert out.tobytes("A") == array.tobytes("A")


def test_out_is_filled_without_a_copy(random: np.random.Generator, monkeypatch) -> None:
    original, codec = recorded(random, 2000, 4), Spikey()
    data = codec.encode(original)
    assert len(data) < 0.6 * original.nbytes, f"{len(data)} bytes of {original.nbytes}: nothing was predicted"
    out = np.empty_like(original)
    decoded = []
    decode = spikey_cli.integrations.numcodecs.decode_chunk
    monkeypatch.setattr(
        spikey_cli.integrations.numcodecs,
        "decode_chunk",
        lambda *a, **k: decoded.append(decode(*a, **k)) or decoded[-1],
    )
    codec.decode(data, out)
    assert np.shares_memory(decoded[0], out), "it was decoded into other memory and copied"


def test_presets(random: np.random.Generator) -> None:
    original = recorded(random, 5000, 8)
    sizes = {}
    for preset in PRESETS:
        data = Spikey(preset=preset).encode(original)
        np.testing.assert_array_equal(Spikey().decode(data), original)
        sizes[preset] = len(data)
    assert len(set(sizes.values())) == len(PRESETS)
    with pytest.raises(ValueError, match="no preset 'slow'"):
        Spikey(preset="slow")


def test_any_codec_decodes_chunks_of_any_other(random: np.random.Generator) -> None:
    original = recorded(random, 500, 4)
    for writer in CODECS:
        data = writer.encode(original)
        for reader in CODECS:
            np.testing.assert_array_equal(reader.decode(data), original)


@pytest.mark.parametrize("model", sorted(shipped_models()))
@pytest.mark.parametrize("coder", sorted(CODERS))
def test_config(coder: str, model: str) -> None:
    codec = Spikey(coder, peers=False, model=model, preset="best")
    config = codec.get_config()
    assert config == {"id": "spikey", "coder": coder, "peers": False, "model": model, "preset": "best"}
    copy = numcodecs.get_codec(json.loads(json.dumps(config)))
    assert type(copy) is Spikey
    assert copy == codec
    assert hash(copy) == hash(codec)
    assert eval(repr(codec), {"Spikey": Spikey}) == codec
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert codec != Spikey(coder, peers=True, model=model)


def test_defaults() -> None:
    assert Spikey() == Spikey("range", peers=True, model=None)
    assert numcodecs.get_codec({"id": "spikey"}) == Spikey()
    assert len({Spikey(), Spikey(), Spikey("rice")}) == 2
    assert Spikey() != numcodecs.Zlib()


def test_pickles_contain_no_model() -> None:
    codec = Spikey(model="n1-peers")
    codec.encode(np.zeros((300, 2), "i2"))
    assert len(pickle.dumps(codec)) < 300


def test_invalid_parameters(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"there is no coder 'zip'; choose one of rice, range"):
        Spikey("zip")
    own = tmp_path / "own.onnx"
    own.write_bytes(next(iter(shipped_models().values())).read_bytes())
    with pytest.raises(ValueError, match=r"spikey-cli has no model .*; choose one of n1, .*travel"):
        Spikey(model=str(own))


def test_objects_are_refused() -> None:
    with pytest.raises(TypeError, match="Python objects"):
        Spikey().encode(np.array(["a", "bc", None], dtype=object))
    data = Spikey().encode(np.arange(10))
    with pytest.raises(TypeError, match="object"):
        Spikey().decode(data, out=np.empty(10, dtype=object))


@pytest.mark.parametrize("dtype", ["<i2", "<u2", "<f4"])
@pytest.mark.parametrize("size", [0, 99, 101, 100_000])
def test_out_of_the_wrong_size(dtype: str, size: int) -> None:
    data = Spikey().encode(np.arange(100, dtype=dtype))
    with pytest.raises(ValueError, match=f"out has {size * int(dtype[-1])} bytes; the chunk holds"):
        Spikey().decode(data, out=np.empty(size, dtype))


def test_out_of_a_far_smaller_size() -> None:
    data = Spikey().encode(np.zeros((500_000, 2), "i2"))
    with pytest.raises(ValueError, match="out has 20 bytes; the chunk holds more"):
        Spikey().decode(data, out=np.empty(10, "i2"))


def test_out_that_cannot_be_written() -> None:
    data = Spikey().encode(np.zeros((10, 4), "i2"))
    with pytest.raises(ValueError, match="read-only"):
        Spikey().decode(data, out=bytes(80))
    with pytest.raises(ValueError, match="contiguous"):
        Spikey().decode(data, out=np.empty((10, 8), "i2")[:, ::2])


def test_chunks_are_limited_in_size(monkeypatch) -> None:
    assert Spikey.max_buffer_size == 2**31 - 1
    monkeypatch.setattr(Spikey, "max_buffer_size", 64)
    for buffer in (b"x" * 65, np.zeros(65, "i1"), np.zeros(33, "i2")):
        with pytest.raises(ValueError, match="64 bytes"):
            Spikey().decode(buffer)


def test_damage_is_detected(random: np.random.Generator) -> None:
    data = Spikey().encode(recorded(random, 500, 4))
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 1
    for wrong in (damaged, data[:-1], data[: len(data) // 2], b"", b"no chunk"):
        with pytest.raises(ArchiveError, match=r"^a chunk: "):
            Spikey().decode(wrong)
        with pytest.raises(ArchiveError, match=r"^a chunk: "):
            Spikey().decode(wrong, out=bytearray(4000))


@pytest.mark.parametrize("model", [None, "n1-peers"])
def test_threads(model: str | None, random: np.random.Generator) -> None:
    codec = Spikey(model=model)
    chunks = [recorded(random, 150 + 10 * i, 4) for i in range(6)]
    sequential = [codec.encode(chunk) for chunk in chunks]
    with ThreadPoolExecutor(4) as pool:
        data = list(pool.map(codec.encode, chunks))
        back = list(pool.map(codec.decode, data))
    assert data == sequential
    for chunk, decoded in zip(chunks, back, strict=True):
        np.testing.assert_array_equal(decoded, chunk)


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted({"spawn", "fork"}.intersection(multiprocessing.get_all_start_methods())))
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes(method: str, random: np.random.Generator) -> None:
    codec = Spikey(model="n1-peers")  # a model that runs in ONNX Runtime
    chunks = [recorded(random, 150 + 10 * i, 4) for i in range(4)]
    sequential = [codec.encode(chunk) for chunk in chunks]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        data = list(pool.map(codec.encode, chunks))
        back = list(pool.map(codec.decode, data))
    assert data == sequential
    for chunk, decoded in zip(chunks, back, strict=True):
        np.testing.assert_array_equal(decoded, chunk)


def run_python(code: str) -> None:
    """Run code in a new interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_entry_point_of_numcodecs() -> None:
    """Fails if the package was installed from an older setup.cfg; reinstall it."""
    run_python(
        "import sys, numcodecs\n"
        "assert 'spikey_cli' not in sys.modules\n"
        "print(numcodecs.get_codec({'id': 'spikey', 'coder': 'rice'}))\n"
    )


def test_numcodecs_is_optional() -> None:
    run_python("import sys, spikey_cli.api.chunk, spikey_cli.cli\nassert 'numcodecs' not in sys.modules\n")


def test_numcodecs_is_missing(monkeypatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "numcodecs"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "spikey_cli.integrations.numcodecs")
    with pytest.raises(MissingPackageError, match="pip install numcodecs zarr"):
        _ = spikey_cli.Spikey


def test_a_chunk_is_an_archive(tmp_path, random: np.random.Generator) -> None:
    original = recorded(random, 500, 4)
    (tmp_path / "0.0").write_bytes(Spikey().encode(original))
    with spikey_cli.open(tmp_path / "0.0") as opened:
        np.testing.assert_array_equal(opened[:], original)
    assert os.listdir(tmp_path) == ["0.0"]


def test_limits_are_those_of_the_class(monkeypatch) -> None:
    array = np.repeat(np.arange(500, dtype=np.int16), 2000)
    data, codec = Spikey().encode(array), Spikey()
    monkeypatch.setattr(Spikey, "limits", spikey_cli.Limits(memory=1 << 20))
    with pytest.raises(LimitError, match="exceed the memory limit"):
        codec.decode(data)
    out = np.empty_like(array)
    codec.decode(data, out)  # the caller has the memory
    np.testing.assert_array_equal(out, array)
    monkeypatch.setattr(Spikey, "limits", spikey_cli.Limits(memory=1 << 26))
    np.testing.assert_array_equal(codec.decode(data), array)
    assert "limits" not in codec.get_config()
