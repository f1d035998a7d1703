"""Spikey as the compressor of arrays under Zarr 2."""

from __future__ import annotations

import json
import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.paths import DOCS
from support.recordings import recorded

from spikey_cli import Spikey
from spikey_cli.errors import ArchiveError, MissingPackageError

zarr = pytest.importorskip("zarr", minversion="2.18")
if not zarr.__version__.startswith("2."):
    pytest.skip(f"Zarr {zarr.__version__}: see test_zarr3.py", allow_module_level=True)

numcodecs = pytest.importorskip("numcodecs")


def store(path: Path, array: np.ndarray, chunks: tuple[int, ...], **options):
    """The array, written and reopened."""
    written = zarr.open(str(path), "w", shape=array.shape, chunks=chunks, dtype=array.dtype, **options)
    written[...] = array
    return zarr.open(str(path), "r")


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">i2", "<u2", "<i4", "<f4", "<M8[s]"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_dtypes_are_restored(tmp_path, dtype: str, order: str, random) -> None:
    array = (recorded(random, 500, 4) // 64).astype(dtype)
    for chunks in ((300, 3), (500, 4)):
        back = store(tmp_path / str(chunks), array, chunks, compressor=Spikey(), order=order)
        np.testing.assert_array_equal(back[...], array)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("chunks", [(500, 4), (300, 3), (1000, 1), (1000, 4)])
def test_recordings_are_restored(tmp_path, order: str, chunks: tuple[int, int], random) -> None:
    array = recorded(random, 1000, 4)
    back = store(tmp_path / "a", array, chunks, compressor=Spikey(), order=order)
    assert back.compressor == Spikey()
    np.testing.assert_array_equal(back[...], array)
    np.testing.assert_array_equal(back[123:789, 1:3], array[123:789, 1:3])
    np.testing.assert_array_equal(back[::7, 2], array[::7, 2])


@pytest.mark.parametrize("shape", [(0,), (1,), (777,), (40, 5, 3), (6, 5, 4, 3)])
def test_shapes_are_restored(tmp_path, shape: tuple[int, ...], random) -> None:
    array = random.integers(-50, 50, shape, "i2")
    for order in "CF":
        back = store(tmp_path / order, array, tuple(max(1, n // 2) for n in shape), compressor=Spikey(), order=order)
        np.testing.assert_array_equal(back[...], array)


def test_a_scalar_is_restored() -> None:
    array = zarr.empty((), dtype="i2", compressor=Spikey())
    array[()] = 42
    assert array[()] == 42


def test_metadata(tmp_path, random) -> None:
    store(tmp_path / "a", recorded(random, 100, 2), (100, 2), compressor=Spikey("rice", peers=False))
    metadata = json.loads((tmp_path / "a" / ".zarray").read_text())
    assert metadata["compressor"] == {
        "id": "spikey",
        "coder": "rice",
        "peers": False,
        "model": None,
        "preset": "default",
    }


def test_missing_and_partly_filled_chunks(tmp_path, random) -> None:
    array = recorded(random, 900, 4)
    written = zarr.open(
        str(tmp_path / "a"), "w", shape=(2000, 4), chunks=(500, 4), dtype="i2", fill_value=-7, compressor=Spikey()
    )
    written[600:1500] = array
    wanted = np.full((2000, 4), -7, "i2")
    wanted[600:1500] = array
    np.testing.assert_array_equal(zarr.open(str(tmp_path / "a"), "r")[...], wanted)
    assert sorted(path.name for path in (tmp_path / "a").glob("[0-9]*")) == ["1.0", "2.0"], "empty chunks were written"


def test_filters(tmp_path, random) -> None:
    array = recorded(random, 1000, 4)
    filters = [numcodecs.FixedScaleOffset(offset=0, scale=1, dtype="<i2", astype="<i4"), numcodecs.Shuffle(4)]
    np.testing.assert_array_equal(
        store(tmp_path / "a", array, (500, 4), compressor=Spikey(), filters=filters)[...], array
    )


def test_strings_through_an_object_codec(tmp_path) -> None:
    array = np.array(["one", "", "three"] * 20, dtype=object)
    options = {"compressor": Spikey(), "object_codec": numcodecs.VLenUTF8()}
    np.testing.assert_array_equal(store(tmp_path / "a", array, (25,), **options)[...], array)


def test_stores_and_copies(tmp_path, random) -> None:
    array = recorded(random, 1000, 4)
    group = zarr.open_group(str(tmp_path / "g"), "w")
    group.create_dataset("traces", data=array, chunks=(300, 4), compressor=Spikey())
    zarr.consolidate_metadata(str(tmp_path / "g"))
    cached = zarr.LRUStoreCache(zarr.DirectoryStore(str(tmp_path / "g")), max_size=1 << 20)
    for _ in range(2):
        np.testing.assert_array_equal(zarr.open_consolidated(cached)["traces"][...], array)
    with zarr.ZipStore(str(tmp_path / "g.zip"), mode="w") as zipped:
        zarr.copy_store(group.store, zipped)
    with zarr.ZipStore(str(tmp_path / "g.zip"), mode="r") as zipped:
        np.testing.assert_array_equal(zarr.open_group(zipped, "r")["traces"][...], array)
    memory = zarr.MemoryStore()
    zarr.copy_store(group.store, memory)
    np.testing.assert_array_equal(zarr.open_group(memory, "r")["traces"][...], array)


def test_damage_is_detected(tmp_path, random) -> None:
    back = store(tmp_path / "a", recorded(random, 1000, 4), (500, 4), compressor=Spikey())
    chunk = tmp_path / "a" / "1.0"
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    assert back[:500].any()
    with pytest.raises(ArchiveError, match=r"^a chunk: .*restore it from a copy"):
        back[400:600]


def test_threads(tmp_path, random) -> None:
    array = recorded(random, 2000, 4)
    written = zarr.open(str(tmp_path / "a"), "w", shape=array.shape, chunks=(200, 4), dtype="i2", compressor=Spikey())

    def write(first: int) -> None:
        written[first : first + 200] = array[first : first + 200]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(0, 2000, 200)))
        pieces = list(pool.map(lambda first: written[first : first + 200], range(0, 2000, 200)))
    np.testing.assert_array_equal(np.concatenate(pieces), array)


def _write_rows(path: str, first: int, rows: np.ndarray) -> None:
    zarr.open(path, "r+")[first : first + len(rows)] = rows


@pytest.mark.slow
def test_processes(tmp_path, random) -> None:
    array, path = recorded(random, 800, 4), str(tmp_path / "a")
    zarr.open(path, "w", shape=array.shape, chunks=(200, 4), dtype="i2", compressor=Spikey())
    starts = range(0, 800, 200)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        rows = [array[first : first + 200] for first in starts]
        list(pool.map(_write_rows, [path] * len(starts), starts, rows))
    np.testing.assert_array_equal(zarr.open(path, "r")[...], array)


def test_the_codec_for_zarr_3_is_unavailable() -> None:
    import spikey_cli

    with pytest.raises(MissingPackageError, match=r"Zarr 3\.1 or later.* with Zarr 2 use compressor=Spikey\(\)"):
        _ = spikey_cli.SpikeyCodec


def test_the_example_for_zarr_2(tmp_path, monkeypatch) -> None:
    """tests/cli/test_docs.py runs those for Zarr 3."""
    document = DOCS / "zarr.md"
    (block,) = re.findall(r"```py\n(.*?)```", document.read_text("utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(block, document.name, "exec"), {})
