"""Recordings of every type of samples: predicted, restored byte for byte, and read in part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import second_decoder
from support.paths import ROOT
from support.recordings import n1_samples, neural, npy_bytes, wav_bytes

import spikey_cli
from spikey_cli.api.chunk import decode_chunk, encode_chunk
from spikey_cli.errors import ArchiveError, InputError
from spikey_cli.io.raw import RawFormat

F4 = np.float32
WRITERS = {
    "int32, shifted": lambda x: x.astype(np.int32) << 16,
    "int32": lambda x: x.astype(np.int32),
    "uint16": lambda x: (x + 32768).astype(np.uint16),
    "uint32": lambda x: (x + 2**31).astype(np.uint32),
    "int64": lambda x: x * 10**12,
    "float32, a fraction of 1": lambda x: x.astype(F4) / F4(32768),
    "float32, microvolts": lambda x: (x * 0.195).astype(F4),
    "float32, with an offset": lambda x: x.astype(F4) * F4(0.195) + F4(-6389.76),
    "float64": lambda x: x * 0.195,
    "float64, volts": lambda x: x / 3.0517578125e-05 + 0.5,
    "float32, odd values": lambda x: with_odd_values((x * 0.195).astype(F4)),
    "float64, odd values": lambda x: with_odd_values(x * 0.195),
    "int32, odd values": lambda x: np.where(np.arange(len(x))[:, None] % 300 == 17, 5, x.astype(np.int32) << 16),
}


def with_odd_values(samples: np.ndarray) -> np.ndarray:
    samples[::200, 0] = np.nan
    samples.view(f"u{samples.itemsize}")[1::200, 0] |= 0x7FF8000000000123 if samples.itemsize == 8 else 0x7FC00123
    samples[::300, 1] = -0.0
    samples[1000:1400, 2] = np.inf
    samples[77, 2] = 0.1234
    return samples


@pytest.fixture(scope="module")
def recorded() -> np.ndarray:
    """16-bit samples of N1: int64 of shape (frames, channels)."""
    return np.ascontiguousarray(n1_samples(neural(np.random.default_rng(0), 3000, 3)), np.int64)


def files(samples: np.ndarray) -> dict[str, bytes]:
    """The samples in each container that holds their type."""
    made = {"a.npy": npy_bytes(samples) + b"after", "a.raw": samples.tobytes()}
    if samples.dtype in (np.int32, np.float32, np.float64):
        made["a.wav"] = wav_bytes(samples, 4, trailer=b"odd")
    return made


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS.keys())
def test_files_are_predicted_and_restored(tmp_path: Path, recorded: np.ndarray, writer) -> None:
    samples = writer(recorded)
    for (name, data), coder in zip(files(samples).items(), ("range", "rice", "huffman"), strict=False):
        (tmp_path / name).write_bytes(data)
        source = spikey_cli.FileSource(tmp_path / name, raw=RawFormat(3, 1000, str(samples.dtype)))
        archive = tmp_path / f"{name}.spk"
        spikey_cli.compress([source], archive, coder=coder)
        (entry,) = spikey_cli.info(archive)["files"]
        assert (entry["sample_type"], entry["channels"]) == (str(samples.dtype), 3)
        assert len(entry["scaling"]) == 1
        spikey_cli.decompress(archive, tmp_path / "out", force=True)
        assert (tmp_path / "out" / name).read_bytes() == data
        with spikey_cli.open(archive) as recording:
            assert recording.dtype == samples.dtype
            for t, c in ((slice(10, 20), [2, 0]), (slice(900, 1500, 3), slice(None)), (slice(None), 1)):
                assert recording[t, c].tobytes() == samples[t, c].tobytes()


def test_the_page_suffices(tmp_path: Path, recorded: np.ndarray) -> None:
    data = {f"{name}.npy": npy_bytes(writer(recorded)[:80]) for name, writer in WRITERS.items() if "," in name}
    sources = [spikey_cli.BytesSource(each, name) for name, each in data.items()]
    spikey_cli.compress(sources, tmp_path / "a.spk", coder="range")
    assert {file["kind"] for file in spikey_cli.info(tmp_path / "a.spk")["files"]} == {"npy"}
    models = [path.read_bytes() for path in ROOT.glob("models/*.onnx")]
    assert second_decoder.decode((tmp_path / "a.spk").read_bytes(), models) == data


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS.keys())
def test_archives_are_as_small_as_those_of_16_bits(tmp_path: Path, recorded: np.ndarray, writer) -> None:
    samples = writer(recorded)
    sizes = []
    for array in (recorded.astype(np.int16), samples):
        spikey_cli.compress([spikey_cli.ArraySource(array, "a.npy")], tmp_path / "a.spk", force=True)
        sizes.append((tmp_path / "a.spk").stat().st_size)
    # the scaling, and a few bytes for each odd value
    n_odd = 50 if writer in [WRITERS[name] for name in WRITERS if "odd" in name] else 0
    assert sizes[1] < sizes[0] + 60 + 16 * n_odd


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS.keys())
@pytest.mark.parametrize("order", ["<C", ">F"])
def test_chunks(recorded: np.ndarray, writer, order: str) -> None:
    samples = writer(recorded)
    array = np.asarray(np.pad(samples, ((0, 100), (0, 2))), samples.dtype.newbyteorder(order[0]), order=order[1])
    data = encode_chunk(array)
    assert len(data) < recorded.size, "it was not predicted"
    back = decode_chunk(data)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes("A") == array.tobytes("A")


def test_a_file_of_several_blocks_with_odd_values_late(tmp_path: Path) -> None:
    """The scaling is found in an excerpt; what lies elsewhere is added to it, or escaped."""
    frames = 600_000
    walk = np.rint(np.cumsum(np.random.default_rng(0).normal(0, 3, frames))).astype(np.int64) * 2
    walk[frames // 3 :: 1000] += 1  # half the step that the excerpt may show
    walk[500_000:500_100] = 70_000  # beyond 16 bits
    samples = (walk * 0.195).astype(F4)
    samples[400_000:410_000] = np.nan
    (tmp_path / "a.wav").write_bytes(wav_bytes(samples, 4))
    assert spikey_cli.compress([tmp_path / "a.wav"], tmp_path / "a.spk").ratio > 6
    with spikey_cli.open(tmp_path / "a.spk") as recording:
        for first in (0, 199_990, 399_990, 409_990, 499_990, 599_000):
            assert recording[first : first + 500, 0].tobytes() == samples[first : first + 500].tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_filtered_traces(tmp_path: Path, dtype) -> None:
    """They take no more than the bits that a prediction from their own past leaves, and those of the samples below."""
    random = np.random.default_rng(0)
    noise = random.normal(0, 1000, (20_000, 2))
    samples = noise[2:] + 1.6 * noise[1:-1] + 0.7 * noise[:-2]
    of_noise = np.log2(1000 * np.sqrt(2 * np.pi * np.e))
    ideal = of_noise - np.log2(np.spacing(np.abs(samples.astype(dtype)))).mean()
    samples[5000:5050], samples[7000, 0], samples[8000, 1] = 0.0, np.nan, -1e-20
    samples = samples.astype(dtype)
    (tmp_path / "a.wav").write_bytes(wav_bytes(samples, 4))
    np.save(tmp_path / "a.npy", samples)
    result = spikey_cli.compress([tmp_path / "a.wav", tmp_path / "a.npy"], tmp_path / "a.spk")
    assert not result.warnings
    bits = 8 * (tmp_path / "a.spk").stat().st_size / (2 * samples.size)
    assert ideal - 0.1 < bits < ideal + 0.3
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "back")
    for name in "a.wav", "a.npy":
        assert (tmp_path / "back" / name).read_bytes() == (tmp_path / name).read_bytes()
    spikey_cli.compress([tmp_path / "a.npy"], tmp_path / "b.spk")
    with spikey_cli.open(tmp_path / "b.spk") as recording:
        assert recording[4990:8010, 1:2].tobytes() == np.ascontiguousarray(samples[4990:8010, 1:2]).tobytes()
    for each in (samples, samples[:, 0], samples[:30], samples.T):
        assert decode_chunk(encode_chunk(each)).tobytes() == each.tobytes()


def test_floats_that_recur_without_a_gain_are_stored_verbatim(tmp_path: Path) -> None:
    samples = np.exp(np.random.default_rng(0).integers(0, 99, (2000, 2)) / 7).astype(F4)
    (tmp_path / "a.wav").write_bytes(wav_bytes(samples, 4))
    np.save(tmp_path / "a.npy", samples)
    result = spikey_cli.compress([tmp_path / "a.wav", tmp_path / "a.npy"], tmp_path / "a.spk")
    assert [file["kind"] for file in spikey_cli.info(tmp_path / "a.spk")["files"]] == ["verbatim", "verbatim"]
    assert "integers times a gain" in str(result.warnings[0])
    assert spikey_cli.verify(tmp_path / "a.spk").files == 2
    with pytest.raises(InputError, match=r"a\.npy: .*no integers times a gain.*verbatim=True"):
        spikey_cli.compress([spikey_cli.ArraySource(samples, "a.npy")], tmp_path / "b.spk")
    source = spikey_cli.ArraySource(samples, "a.npy", verbatim=True)
    spikey_cli.compress([source], tmp_path / "b.spk")
    assert decode_chunk(encode_chunk(samples)).tobytes() == samples.tobytes()


def test_times_are_no_recording(tmp_path: Path) -> None:
    np.save(tmp_path / "times.npy", np.arange(1000) / 30_000)
    np.save(tmp_path / "numbers.npy", np.arange(1000))
    spikey_cli.compress([tmp_path / "times.npy", tmp_path / "numbers.npy"], tmp_path / "a.spk")
    report = spikey_cli.info(tmp_path / "a.spk")
    assert report["channels"] == []
    assert [file["records"] for file in report["files"]] == [1000, 1000]


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_samples_are_extracted(tmp_path: Path, recorded: np.ndarray, dtype) -> None:
    samples = (recorded * 3).astype(dtype)
    (tmp_path / "a.wav").write_bytes(wav_bytes(samples, 4))
    spikey_cli.compress([tmp_path / "a.wav"], tmp_path / "a.spk")
    spikey_cli.extract(tmp_path / "a.spk", tmp_path / "piece.npy", frames=(100, 300))
    assert np.load(tmp_path / "piece.npy").tobytes() == samples[100:300].tobytes()
    spikey_cli.extract(tmp_path / "a.spk", tmp_path / "piece.wav", frames=(100, 300), channels=["a.wav:1"])
    spikey_cli.compress([tmp_path / "piece.wav"], tmp_path / "piece.spk")
    with spikey_cli.open(tmp_path / "piece.spk") as recording:
        assert recording[:].tobytes() == np.ascontiguousarray(samples[100:300, 1:2]).tobytes()


def test_damaged_channels_are_zeros(tmp_path: Path, recorded: np.ndarray) -> None:
    samples = with_odd_values((recorded * 0.195).astype(F4))
    (tmp_path / "a.wav").write_bytes(wav_bytes(samples, 4))
    spikey_cli.compress([tmp_path / "a.wav"], tmp_path / "a.spk", coder=spikey_cli.Encoding("range", peers=False))
    data = bytearray((tmp_path / "a.spk").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "a.spk").write_bytes(data)
    with pytest.raises(ArchiveError):
        spikey_cli.verify(tmp_path / "a.spk")
    result = spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out", keep_going=True)
    (lost,) = result.lost
    restored = (tmp_path / "out" / "a.wav").read_bytes()
    back = np.frombuffer(restored, "<f4", offset=len(restored) - samples.nbytes).reshape(samples.shape)
    for channel in range(3):
        expected = np.zeros_like(samples[:, channel]) if channel in lost.channels else samples[:, channel]
        assert back[:, channel].tobytes() == expected.tobytes()


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_short_files_are_restored(tmp_path: Path, frames: int) -> None:
    for dtype in (np.int32, np.float32, np.float64):
        (tmp_path / "a.wav").write_bytes(wav_bytes(np.full((frames, 1), 3, dtype), 4))
        spikey_cli.compress([tmp_path / "a.wav"], tmp_path / "a.spk", force=True)
        assert spikey_cli.info(tmp_path / "a.spk")["files"][0]["kind"] == "wav"
        spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out", force=True)
        assert (tmp_path / "out" / "a.wav").read_bytes() == (tmp_path / "a.wav").read_bytes()
