"""Spikey as a codec of Zarr 3, and as the compressor of arrays in Zarr's format 2."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import pickle
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
from support.paths import DOCS
from support.recordings import recorded

import spikey_cli
from spikey_cli import Spikey
from spikey_cli.errors import ArchiveError, LimitError, MissingPackageError

zarr = pytest.importorskip("zarr", minversion="3.1")

from zarr.codecs import BytesCodec, TransposeCodec, ZstdCodec  # noqa: E402
from zarr.registry import get_codec_class  # noqa: E402
from zarr.storage import LocalStore, MemoryStore, ZipStore  # noqa: E402

SpikeyCodec = spikey_cli.SpikeyCodec
SPIKEY = {"serializer": SpikeyCodec(), "compressors": None}


def store(path: Path, array: np.ndarray, chunks: tuple[int, ...], **options):
    """The array, written and reopened."""
    written = zarr.create_array(path, shape=array.shape, chunks=chunks, dtype=array.dtype, **options)
    written[...] = array
    return zarr.open_array(path, mode="r")


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">i2", "<u2", ">u4", "<i4", "<f4", ">f8", "<M8[s]", "?", "<c8"])
def test_dtypes_are_restored(tmp_path, dtype: str, random) -> None:
    array = (recorded(random, 500, 4) // 64).astype(dtype)
    np.testing.assert_array_equal(store(tmp_path / "a", array, (300, 3), **SPIKEY)[...], array)


@pytest.mark.parametrize("chunks", [(500, 4), (300, 3), (1000, 1)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_recordings_are_restored(tmp_path, chunks: tuple[int, int], order: str, random) -> None:
    array = recorded(random, 1000, 4)
    back = store(tmp_path / "a", array, chunks, config={"order": order}, **SPIKEY)
    assert back.metadata.codecs == (SpikeyCodec(),)
    np.testing.assert_array_equal(back[...], array)
    np.testing.assert_array_equal(back[123:789, 1:3], array[123:789, 1:3])
    np.testing.assert_array_equal(back[::7, 2], array[::7, 2])


def test_the_metadata_are_those_of_the_page_on_the_extension():
    jsonschema = pytest.importorskip("jsonschema")
    page = (DOCS / "zarr-extension.md").read_text("utf-8")
    example, schema = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    assert example == SpikeyCodec().to_dict()
    for metadata in (example, SpikeyCodec("rice", False, "n1-peers").to_dict(), {"name": "spikey"}):
        jsonschema.validate(metadata, schema)
        SpikeyCodec.from_dict(metadata)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "spikey", "configuration": {"coder": "zstd"}}, schema)


def test_spikeinterface_reads_a_plain_array(tmp_path, random) -> None:
    """Where SpikeInterface is installed beside Zarr 3, as on Python 3.14; it does not write with Zarr 3 yet."""
    si = pytest.importorskip("spikeinterface.core")
    array = recorded(random, 1000, 4)
    store(tmp_path / "a", array, (300, 4), **SPIKEY)
    recording = si.read_zarr_array(tmp_path / "a", sampling_frequency=30_000.0)
    np.testing.assert_array_equal(recording.get_traces(0, 250, 700), array[250:700])


def test_an_array_in_fortran_order_is_restored(tmp_path, random) -> None:
    array = np.asfortranarray(recorded(random, 1000, 4))
    np.testing.assert_array_equal(store(tmp_path / "a", array, (1000, 4), **SPIKEY)[...], array)


@pytest.mark.parametrize("shape", [(0,), (1,), (777,), (40, 5, 3), (6, 5, 4, 3), ()])
def test_shapes_are_restored(tmp_path, shape: tuple[int, ...], random) -> None:
    array = np.asarray(random.integers(1, 50, shape, "i2"))
    back = store(tmp_path / "a", array, tuple(max(1, n // 2) for n in shape), **SPIKEY)
    np.testing.assert_array_equal(back[...], array)


@pytest.mark.parametrize("dtype", ["S3", "<U4", np.dtype([("a", "<i2"), ("b", "<f8")])])
@pytest.mark.filterwarnings("ignore:The data type:zarr.errors.UnstableSpecificationWarning")
def test_strings_and_records_are_restored(tmp_path, dtype, random) -> None:
    array = np.zeros(100, dtype)
    if array.dtype.names:
        array["a"], array["b"] = random.integers(0, 9, 100), random.normal(size=100)
    else:
        array[:] = np.resize(np.array(["a", "bc", ""], dtype), 100)
    np.testing.assert_array_equal(store(tmp_path / "a", array, (30,), **SPIKEY)[...], array)


@pytest.mark.parametrize("shards", [(500, 4), (1000, 8), (1500, 12)])
def test_shards(tmp_path, shards: tuple[int, int], random) -> None:
    array = recorded(random, 1234, 10)
    back = store(tmp_path / "a", array, (250, 2), shards=shards, **SPIKEY)
    np.testing.assert_array_equal(back[...], array)
    np.testing.assert_array_equal(back[300:310, 3:5], array[300:310, 3:5])
    np.testing.assert_array_equal(back[[3, 700, 1233], 9], array[[3, 700, 1233], 9])


def test_only_needed_chunks_of_a_shard_are_decoded(tmp_path, random, monkeypatch) -> None:
    array = recorded(random, 1000, 4)
    back = store(tmp_path / "a", array, (100, 2), shards=(1000, 4), **SPIKEY)
    decoded = []
    decode = spikey_cli.integrations.zarr.decode_chunk
    monkeypatch.setattr(
        spikey_cli.integrations.zarr, "decode_chunk", lambda *a, **k: decoded.append(1) or decode(*a, **k)
    )
    np.testing.assert_array_equal(back[310:320, 3], array[310:320, 3])
    assert len(decoded) == 1, f"{len(decoded)} chunks were decoded instead of one"


def test_part_of_a_shard_can_be_overwritten(tmp_path, random) -> None:
    array = recorded(random, 1000, 4)
    store(tmp_path / "a", array, (100, 4), shards=(500, 4), **SPIKEY)
    zarr.open_array(tmp_path / "a", mode="r+")[250:260] = 7
    array[250:260] = 7
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a", mode="r")[...], array)


def test_recordings_of_channel_by_time_need_no_transpose(tmp_path, random) -> None:
    array = recorded(random, 4000, 4).T
    plain = store(tmp_path / "a", array, (4, 4000), **SPIKEY)
    transposed = store(tmp_path / "b", array, (4, 4000), filters=[TransposeCodec(order=(1, 0))], **SPIKEY)
    np.testing.assert_array_equal(plain[...], array)
    np.testing.assert_array_equal(transposed[...], array)
    assert plain.nbytes_stored() < 1.05 * transposed.nbytes_stored(), "time was not found"


def test_another_codec_after_spikey(tmp_path, random) -> None:
    array = recorded(random, 1000, 4)
    back = store(tmp_path / "a", array, (500, 4), serializer=SpikeyCodec(), compressors=[ZstdCodec()])
    np.testing.assert_array_equal(back[...], array)


def test_metadata(tmp_path, random) -> None:
    codec = SpikeyCodec(coder="rice", peers=False, model="n1-peers", preset="fast")
    back = store(tmp_path / "a", recorded(random, 100, 2), (100, 2), serializer=codec, compressors=None)
    codecs = json.loads((tmp_path / "a" / "zarr.json").read_text())["codecs"]
    configuration = {"coder": "rice", "peers": False, "model": "n1-peers", "preset": "fast"}
    assert codecs == [{"name": "spikey", "configuration": configuration}]
    assert back.metadata.codecs == (codec,)
    assert SpikeyCodec.from_dict(codecs[0]) == codec
    assert SpikeyCodec.from_dict({"name": "spikey"}) == SpikeyCodec()


def test_the_codec_by_its_name(tmp_path, random) -> None:
    array = recorded(random, 100, 2)
    named = {"name": "spikey", "configuration": {"coder": "rice"}}
    back = store(tmp_path / "a", array, (100, 2), serializer=named, compressors=None)
    assert back.metadata.codecs == (SpikeyCodec("rice"),)
    assert get_codec_class("spikey") is SpikeyCodec


def test_codecs_are_immutable_values() -> None:
    codec = SpikeyCodec("rice")
    assert codec == SpikeyCodec("rice")
    assert codec != SpikeyCodec()
    assert hash(codec) == hash(SpikeyCodec("rice"))
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert eval(repr(codec), {"SpikeyCodec": SpikeyCodec}) == codec
    with pytest.raises(FrozenInstanceError):
        codec.coder = "range"
    assert not codec.is_fixed_size
    with pytest.raises(NotImplementedError):
        codec.compute_encoded_size(100, None)


def test_invalid_parameters() -> None:
    with pytest.raises(ValueError, match="there is no coder 'zip'"):
        SpikeyCodec("zip")
    with pytest.raises(ValueError, match=r"spikey-cli has no model 'own\.onnx'"):
        SpikeyCodec(model="own.onnx")
    with pytest.raises(ValueError, match="a codec named 'spikey'"):
        SpikeyCodec.from_dict({"name": "bytes"})
    with pytest.raises(TypeError, match="unexpected keyword argument 'threads'"):
        SpikeyCodec.from_dict({"name": "spikey", "configuration": {"threads": 8}})


@pytest.mark.filterwarnings("ignore:The data type:zarr.errors.UnstableSpecificationWarning")
def test_objects_are_refused() -> None:
    strings = zarr.create_array({}, shape=(3,), dtype="U3").metadata.data_type
    SpikeyCodec().validate(shape=(3,), dtype=strings, chunk_grid=None)
    objects = zarr.create_array({}, shape=(3,), dtype=str).metadata.data_type
    with pytest.raises(TypeError, match="omit serializer="):
        SpikeyCodec().validate(shape=(3,), dtype=objects, chunk_grid=None)


def test_missing_and_partly_filled_chunks(tmp_path, random) -> None:
    array = recorded(random, 900, 4)
    written = zarr.create_array(tmp_path / "a", shape=(2000, 4), chunks=(500, 4), dtype="i2", fill_value=-7, **SPIKEY)
    written[600:1500] = array
    wanted = np.full((2000, 4), -7, "i2")
    wanted[600:1500] = array
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a", mode="r")[...], wanted)
    chunks = [str(path.relative_to(tmp_path / "a" / "c")) for path in (tmp_path / "a" / "c").glob("*/*")]
    assert sorted(chunks) == ["1/0", "2/0"], "empty chunks were written"


def test_arrays_grow(tmp_path, random) -> None:
    array = recorded(random, 1000, 4)
    written = zarr.create_array(tmp_path / "a", shape=(0, 4), chunks=(300, 4), dtype="i2", **SPIKEY)
    for first in range(0, 1000, 250):
        written.append(array[first : first + 250])
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a", mode="r")[...], array)


def test_stores(tmp_path, random) -> None:
    array = recorded(random, 1000, 4)
    with ZipStore(tmp_path / "a.zip", mode="w") as zipped:
        for kept in (zipped, MemoryStore(), LocalStore(tmp_path / "a")):
            zarr.create_array(kept, data=array, chunks=(300, 4), **SPIKEY)
            np.testing.assert_array_equal(zarr.open_array(kept)[...], array)


def test_a_cached_store(tmp_path, random) -> None:
    cache_store = pytest.importorskip("zarr.experimental.cache_store")
    array = recorded(random, 1000, 4)
    cached = cache_store.CacheStore(LocalStore(tmp_path / "a"), cache_store=MemoryStore())
    zarr.create_array(cached, data=array, chunks=(300, 4), **SPIKEY)
    for _ in range(2):
        np.testing.assert_array_equal(zarr.open_array(cached, mode="r")[...], array)


def test_damage_is_detected(tmp_path, random) -> None:
    back = store(tmp_path / "a", recorded(random, 1000, 4), (500, 4), **SPIKEY)
    chunk = tmp_path / "a" / "c" / "1" / "0"
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    assert back[:500].any()
    with pytest.raises(ArchiveError, match=r"^a chunk: .*restore it from a copy"):
        back[400:600]


def test_a_chunk_of_another_array_is_refused(tmp_path, random) -> None:
    back = store(tmp_path / "a", recorded(random, 1000, 4), (500, 4), **SPIKEY)
    chunk = tmp_path / "a" / "c" / "1" / "0"
    for other, error in (
        (np.zeros((500, 3), "i2"), ArchiveError),
        (np.zeros((500, 4), "u2"), ArchiveError),
        (np.zeros((4, 500), "i2"), ArchiveError),
        (np.zeros((500_000, 4), "i2"), LimitError),
    ):
        chunk.write_bytes(Spikey().encode(other))
        with pytest.raises(error, match=r"^a chunk: "):
            back[400:600]


def test_chunks_of_other_byte_and_memory_orders_are_decoded(tmp_path, random) -> None:
    array = recorded(random, 500, 4)
    back = store(tmp_path / "a", array, (500, 4), **SPIKEY)
    for other in (array.astype(">i2"), np.asfortranarray(array), np.asfortranarray(array).astype(">i2")):
        (tmp_path / "a" / "c" / "0" / "0").write_bytes(Spikey().encode(other))
        np.testing.assert_array_equal(back[...], array)


def test_arrays_can_change_the_serializer(tmp_path, random) -> None:
    array = recorded(random, 1000, 4)
    plain = store(tmp_path / "a", array, (500, 4), serializer=BytesCodec(), compressors=None)
    packed = store(tmp_path / "b", plain[...], (500, 4), **SPIKEY)
    np.testing.assert_array_equal(packed[...], plain[...])
    assert packed.nbytes_stored() < 0.6 * plain.nbytes_stored()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<u2", "<f4"])
def test_format_2(tmp_path, order: str, dtype: str, random) -> None:
    array = (recorded(random, 1000, 4) // 64).astype(dtype)
    back = store(tmp_path / "a", array, (300, 3), zarr_format=2, compressors=Spikey(), order=order)
    assert json.loads((tmp_path / "a" / ".zarray").read_text())["compressor"] == Spikey().get_config()
    np.testing.assert_array_equal(back[...], array)
    assert back.dtype == array.dtype


def test_threads(tmp_path, random) -> None:
    array = recorded(random, 2000, 4)
    written = zarr.create_array(tmp_path / "a", shape=array.shape, chunks=(200, 4), dtype="i2", **SPIKEY)

    def write(first: int) -> None:
        written[first : first + 200] = array[first : first + 200]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(0, 2000, 200)))
        pieces = list(pool.map(lambda first: written[first : first + 200], range(0, 2000, 200)))
    np.testing.assert_array_equal(np.concatenate(pieces), array)


def test_asynchronous_access(random) -> None:
    array = recorded(random, 3000, 2)

    async def write_and_read() -> np.ndarray:
        kept = await zarr.api.asynchronous.create_array(
            MemoryStore(), shape=array.shape, chunks=(100, 1), dtype="i2", **SPIKEY
        )
        await kept.setitem(slice(None), array)
        return await kept.getitem(slice(None))

    np.testing.assert_array_equal(asyncio.run(write_and_read()), array)


def _write_rows(path: str, first: int, rows: np.ndarray) -> None:
    zarr.open_array(path, mode="r+")[first : first + len(rows)] = rows


@pytest.mark.slow
def test_processes(tmp_path, random) -> None:
    array, path = recorded(random, 800, 4), str(tmp_path / "a")
    zarr.create_array(path, shape=array.shape, chunks=(200, 4), dtype="i2", **SPIKEY)
    starts = range(0, 800, 200)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        rows = [array[first : first + 200] for first in starts]
        list(pool.map(_write_rows, [path] * len(starts), starts, rows))
    np.testing.assert_array_equal(zarr.open_array(path, mode="r")[...], array)


def test_the_entry_point_of_zarr(tmp_path, random) -> None:
    """Fails if the package was installed from an older setup.cfg; reinstall it."""
    store(tmp_path / "a", recorded(random, 500, 2), (500, 2), **SPIKEY)
    code = (
        "import sys, zarr\n"
        "assert 'spikey_cli' not in sys.modules\n"
        f"print(int(zarr.open_array({str(tmp_path / 'a')!r}, mode='r')[...].sum()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_zarr_is_missing(monkeypatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "zarr"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "spikey_cli.integrations.zarr")
    with pytest.raises(MissingPackageError, match="pip install numcodecs zarr"):
        _ = spikey_cli.SpikeyCodec
