"""Make the golden set anew: `python tests/golden/make_golden.py`, from the root of the repository.

The set covers each promise of the format once: coders, file layouts, sample widths, quantizers, models, several
blocks; live streams; chunks; and archives that a reader must refuse. Run this after a change of the format.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

GOLDEN = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(GOLDEN.parent), str(GOLDEN.parent.parent)]

from support.acquisition import bdf, continuous, nsx, rhd  # noqa: E402
from support.archive_builder import ArchiveParts, with_names  # noqa: E402
from support.recordings import band_passed, n1_samples, neural, npy_bytes, wav_bytes  # noqa: E402
from support.topologies import topology_of_pairs  # noqa: E402

import spikey_cli  # noqa: E402
from spikey_cli.api.chunk import encode_chunk  # noqa: E402
from spikey_cli.api.compress import write_archive  # noqa: E402
from spikey_cli.codec import block_plan  # noqa: E402
from spikey_cli.codec.presets import PRESETS  # noqa: E402
from spikey_cli.codec.scan import scan  # noqa: E402
from spikey_cli.core.coders import CODERS  # noqa: E402
from spikey_cli.io.layout import samples_to_bytes  # noqa: E402
from spikey_cli.io.source import FileSource  # noqa: E402
from spikey_cli.model.predictor import Predictor, find_model  # noqa: E402
from spikey_cli.system.workers import Workers  # noqa: E402

LISTING = GOLDEN / "golden.json"
RAW = spikey_cli.RawFormat(2, 30_000)


@dataclass(frozen=True)
class Recipe:
    """How a golden archive is made of its files."""

    coder: str
    model: str | None = "n1"
    """A shipped model, "parts" (a recurrent model with messages, beside the archives), or None: naive prediction."""
    embed_model: bool = False
    preset: str = "default"
    block_samples: int | None = None
    """Maximum samples of a block, if not the default."""
    min_steps: int = block_plan.MIN_STEPS
    """About the least length of a lane."""

    def archive(self, files: Mapping[str, bytes]) -> bytes:
        """The archive of `files`."""
        out = io.BytesIO()
        limits = {"BLOCK_SAMPLES": block_plan.BLOCK_SAMPLES, "WIDE_SAMPLES": block_plan.WIDE_SAMPLES}
        limits = {name: self.block_samples or usual for name, usual in limits.items()} | {"MIN_STEPS": self.min_steps}
        with tempfile.TemporaryDirectory() as folder, mock.patch.multiple(block_plan, **limits):
            sources = []
            for name, data in files.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                sources.append(scan(FileSource(path, name, raw=RAW if path.suffix == ".raw" else None)))
            model = predictor(self.model)
            write_archive(
                sources,
                out,
                CODERS[self.coder],
                model,
                Workers(None, 1),
                preset=PRESETS[self.preset],
                embed_model=self.embed_model,
            )
        return out.getvalue()


ARCHIVES = {
    "rice-session": Recipe("rice", min_steps=1600),
    "range-probe": Recipe("range", "n1-peers"),
    "huffman-probe": Recipe("huffman"),
    "rice-probe": Recipe("rice", preset="fast"),
    "rice-grids": Recipe("rice"),
    "range-hum": Recipe("range", None, preset="best"),
    "rice-widths": Recipe("rice"),
    "range-widths": Recipe("range"),
    "huffman-widths": Recipe("huffman"),
    "range-scaled": Recipe("range"),
    "range-floats": Recipe("range"),
    "range-records": Recipe("range"),
    "range-blocks": Recipe("range", None, block_samples=500),
    "range-lanes": Recipe("range", min_steps=50),
    "range-crowd": Recipe("range", min_steps=50),
    "range-filtered": Recipe("range"),
    "range-gaps": Recipe("range", min_steps=700),
    "rice-layouts": Recipe("rice", "parts", embed_model=True),
}
"""Recipes by name: CODER-CONTENT."""


def predictor(name: str | None) -> Predictor | None:
    """The model of this name."""
    return None if name is None else find_model(str(GOLDEN / "parts.onnx") if name == "parts" else name)


def grids(random: np.random.Generator) -> np.ndarray:
    """Channels that have quantizers of their own, of shape (frames, channels)."""
    n = 1100
    first, second = random.integers(-2500, 2500, (2, n))  # dense, so that the file as a whole has no palette
    steps = np.rint(random.normal(0, 25, n))
    drift = 10 * np.rint(random.normal(0, 20, n)) + np.arange(n) // 22
    columns = [first, second, 32 * steps, np.rint(12.0192 * steps + 0.4), drift, 7 - first, drift + 3, np.full(n, 5)]
    return np.stack(columns, axis=1)


def floats(random: np.random.Generator) -> np.ndarray:
    """Smooth traces of any values but for a stretch of zeros and some odd samples, of shape (frames, channels)."""
    samples = np.cumsum(random.normal(0, 20, (400, 2)), axis=0)
    samples = samples[4:] - 0.7 * samples[:-4] + 0.21 * samples[1:-3]
    samples[100:120], samples[200, 0], samples[201, 0], samples[202, 0] = 0.0, np.nan, -0.0, 1e-9
    return samples


def contents() -> dict[str, dict[str, bytes]]:
    """The files of each content."""
    random, own, other = (np.random.default_rng(seed) for seed in (1, 4, 5))
    session = neural(random, 3200, 2)
    probe = neural(random, 700, 5)
    npy, scaled = io.BytesIO(), io.BytesIO()
    np.save(npy, n1_samples(neural(random, 500, 3)))
    microvolts = n1_samples(session[:400]) * 0.195
    doubles = n1_samples(session[:400]) * [0.065, 0.5] + [0, 0.05]
    volts = n1_samples(session[:400]) * 0.195 * 1e-6
    np.save(scaled, np.ascontiguousarray(np.column_stack([doubles, volts])))
    gaps = np.cumsum(np.cumsum(own.normal(0, 4, (1500, 2)), axis=0) % 60 - 30, axis=0)
    gaps[50::70, 1], gaps[777:780, 0] = -32768, 32767
    odd = microvolts.astype(np.float32)
    odd[5:9, 0], odd[20, 1], odd[30, 1], odd[31, 1] = np.nan, np.inf, -0.0, 1e9
    return {
        # two lanes a channel; the converter's profile; two files that are peers
        "session": {f"{side}.wav": wav_bytes(n1_samples(session[:, i])) for i, side in enumerate(("left", "right"))},
        # five channels that are peers, on a quantizer of kind step; bytes after the samples
        "probe": {"probe.wav": wav_bytes(probe * 12 - 6000, rate=30_000, trailer=b"LIST\x04\x00\x00\x00abcd")},
        # a step by channel, lattices of a rational step and with an offset that drifts, copies, a constant channel
        "grids": {"grids.wav": wav_bytes(grids(random))},
        # a long lag
        "hum": {
            "hum.wav": wav_bytes(
                np.rint(50 * np.sin(np.arange(2200) * 2 * np.pi / 200) ** 7 + random.normal(size=2200))
            )
        },
        # records of several rates, big-endian and offset binary samples, text, gaps, time stamps; times
        "records": {
            **{one.name: one.data for one in (bdf(own, records=2), rhd(own, records=2), nsx(own, (7, 80)))},
            "100_CH1.continuous": continuous(own, 1).data,
            "numbers.npy": npy_bytes(np.arange(100) + 2**40),
            "times.npy": npy_bytes(np.delete(np.arange(200) + 12345, 50) / 30_000.27),
        },
        # eight lanes a channel: few channels, whose lanes have numbers of their own; many, whose lanes share one
        "lanes": {"lanes.wav": wav_bytes(n1_samples(session[600:1005])), "one.wav": wav_bytes(session[:401, 1])},
        # a channel of order 32
        "filtered": {"filtered.wav": wav_bytes(band_passed(other, 1500, 100))},
        # missing and saturated samples
        "gaps": {"gaps.wav": wav_bytes(np.clip(gaps, -32768, 32767).astype(np.int16))},
        "crowd": {"crowd.wav": wav_bytes(own.normal(0, 9, (150, 9)).astype(np.int16))},
        "blocks": {f"{i}.wav": wav_bytes(n1_samples(session[:600, i])) for i in range(2)},
        # 8, 16 and 24 bits; identity and palette; small and large alphabets; a part in frames
        "widths": {
            "one.wav": wav_bytes(np.clip(probe[:300, :2] - 400, 0, 255), 1),
            "three.wav": wav_bytes(np.cumsum(random.integers(-900, 901, (300, 2)), axis=0) * 64, 3),
            "palette.wav": wav_bytes(np.array([-30000, -1000, 17, 4000, 32767])[random.integers(0, 5, 300)]),
            "square.wav": wav_bytes(np.where(np.arange(500) // 7 % 2, 32767, -32768)),
            "noise.wav": wav_bytes(random.integers(-32768, 32768, 200)),
            "few_frames.wav": wav_bytes(np.cumsum(random.integers(-9, 9, (3, 20)), axis=1)),
        },
        # integers of 32 bits, and floats; escaped samples
        "scaled": {
            "shifted.wav": wav_bytes(n1_samples(session[:400]).astype(np.int32) << 16, 4),
            "odd.wav": wav_bytes(odd, 4),
            "fractions.wav": wav_bytes(n1_samples(session[:400]).astype(np.float32) / np.float32(32768), 4),
            "doubles.npy": scaled.getvalue(),
        },
        # floats of any values, which have low bits, beside some with a gain
        "floats": {
            "floats.wav": wav_bytes(floats(other).astype(np.float32), 4),
            "doubles.npy": npy_bytes(np.column_stack([floats(other) * 1e-6, np.rint(floats(other)) * 0.195])),
        },
        # NPY, raw, truncated and empty WAVs; stored and xz
        "layouts": {
            "array.npy": npy.getvalue(),
            "samples.raw": n1_samples(neural(random, 300, 2)).tobytes() + b"\1",
            "empty.wav": wav_bytes(np.zeros(0)),
            "one_sample.wav": wav_bytes(np.array([-5])),
            "constant.wav": wav_bytes(np.full(3000, 123)),
            "deep/er/short.wav": wav_bytes(n1_samples(session[:200, 0]))[:-3],
            "note.txt": b"kept as it is, " * 30,
            "nothing": b"",
        },
    }


def refused() -> dict[str, tuple[bytes, str]]:
    """Archives that a reader must refuse, and the reason it must give."""
    random = np.random.default_rng(2)
    names = ("left.wav", "right.wav")
    base = Recipe("range").archive({name: wav_bytes(n1_samples(neural(random, 80)[:, 0])) for name in names})
    with tempfile.TemporaryDirectory() as folder:
        parts = ArchiveParts.of(base, Path(folder))

    def with_byte(at: int, value: int) -> bytes:
        return replace(parts, start=parts.start[:at] + bytes([value]) + parts.start[at + 1 :]).pack()

    def with_other_names(*names: bytes) -> bytes:
        return replace(parts, directory=with_names(parts.directory, names)).pack()

    block = parts.blocks[0]
    flipped = bytearray(base)
    flipped[len(base) // 2] ^= 1
    return {
        "version": (with_byte(8, 3), "its format is version 3, an older draft or a newer version"),
        "reserved": (with_byte(11, 128), "version 1 with extensions"),
        "coder": (with_byte(9, 77), "its coder, number 77, is newer than this release"),
        "model": (with_byte(12, parts.start[12] ^ 1), "is not installed"),
        "flipped": (bytes(flipped), "does not match its checksum"),
        "cut": (base[:-40], "its end is missing"),
        "foreign": (replace(parts, blocks=[replace(block, identity=bytes(8))]).pack(), "belongs to another archive"),
        "mixed": (replace(parts, identity=bytes(8)).pack(), "are not of the same archive"),
        "numbered": (replace(parts, blocks=[replace(block, number=1)]).pack(), "does not match the index"),
        "contents": (replace(parts, sha256=bytes(32)).pack(), "does not match the archive's SHA-256"),
        "upwards": (with_other_names(b"../t.wav", b"right.wav"), "leads out of the folder"),
        "twins": (with_other_names(b"left.wav", b"LEFT.wav"), "two files have the same name"),
        "folder": (with_other_names(b"left.wav", b"LEFT.wav/r"), "the same name as the folder of another file"),
    }


@dataclass(frozen=True)
class StreamRecipe:
    """How a golden live stream is made of its frames."""

    model: str
    options: Mapping[str, Any]

    def stream(self, frames: np.ndarray) -> bytes:
        """The live stream of `frames`: single frames, then packets of 90."""
        encoder = spikey_cli.StreamEncoder(frames.shape[1], 19531, predictor=predictor(self.model), **self.options)
        pieces = [encoder.push(frame) for frame in frames[:10]]
        pieces += [encoder.push(frames[at : at + 90]) for at in range(10, len(frames), 90)]
        return b"".join(pieces) + encoder.finish(b"trailer")

    def digest(self, frames: np.ndarray) -> str:
        """SHA-256 of the bytes that the stream restores to."""
        body = samples_to_bytes(frames, self.options.get("sample_bytes", 2))
        return hashlib.sha256(self.options.get("header", b"") + body + b"trailer").hexdigest()


STREAMS = {
    "probe": StreamRecipe(
        "n1-peers",
        {"topology": topology_of_pairs([(i, i + 1, 150 + i) for i in range(4)], range(5)), "quantizer": "n1"},
    ),
    "bytes": StreamRecipe("n1", {"sample_bytes": 1, "preset": "fast", "header": b"header"}),
    "wide": StreamRecipe("parts", {"sample_bytes": 3, "preset": "best", "quantizer": "identity"}),
}


def stream_frames() -> dict[str, np.ndarray]:
    """The frames of each live stream."""
    random = np.random.default_rng(1)
    probe = n1_samples(neural(random, 300, 5))
    probe[100, 2] += 1  # not a value of the quantizer: lanes start again
    wide = np.cumsum(random.integers(-900, 901, (120, 2)), axis=0).astype(np.int32) * 64
    wide[60::25, 1] = -(1 << 23)  # missing samples
    return {
        "probe": probe,
        "bytes": np.clip(neural(random, 400, 4) - 400, 0, 255).astype(np.uint8),
        "wide": wide,
    }


def chunk(array: np.ndarray) -> bytes:
    """The chunk of an array."""
    return encode_chunk(array, predictor=find_model("n1"))


def arrays() -> dict[str, np.ndarray]:
    """The array of each chunk."""
    random = np.random.default_rng(1)
    codes = neural(random, 300, 3)
    filled = np.full((400, 5), -7, ">i4", order="F")
    filled[:300, :3] = 100_000 + codes
    return {
        "samples": np.ascontiguousarray(n1_samples(codes)),
        "filled": filled,
        "rows": np.pad(codes.T, ((0, 1), (0, 200))).astype("<u2"),
        "epochs": codes.reshape(6, 50, 3).swapaxes(1, 2).astype("<u2", order="C"),
        "signed_bytes": (codes[:, 0] % 200 - 100).astype("i1"),
        "any_floats": floats(random).astype(">f4"),
        "floats": np.asfortranarray(random.normal(size=(5, 4, 3)).astype("<f4")),
    }


def array_digest(array: np.ndarray) -> dict[str, object]:
    """What the listing says of an array."""
    return {
        "dtype": array.dtype.str,
        "shape": list(array.shape),
        "order": "C" if array.flags.c_contiguous else "F",
        "bytes": hashlib.sha256(array.tobytes("A")).hexdigest(),
    }


def main() -> None:
    """Replace the golden set."""
    for path in [*GOLDEN.glob("*.spk"), *GOLDEN.glob("*.spks")]:
        path.unlink()
    listing: dict[str, dict[str, object]] = {"archives": {}, "refused": {}, "streams": {}, "chunks": {}}

    def put(kind: str, name: str, data: bytes, entry: object) -> None:
        (GOLDEN / name).write_bytes(data)
        listing[kind][name] = entry

    files_of = contents()
    for name, recipe in ARCHIVES.items():
        files = files_of[name.split("-")[1]]
        digests = {file: hashlib.sha256(data).hexdigest() for file, data in files.items()}
        put("archives", f"{name}.spk", recipe.archive(files), digests)
    for name, (data, reason) in refused().items():
        put("refused", f"refused-{name}.spk", data, reason)
    for name, frames in stream_frames().items():
        put("streams", f"stream-{name}.spks", STREAMS[name].stream(frames), STREAMS[name].digest(frames))
    for name, array in arrays().items():
        put("chunks", f"chunk-{name}.spk", chunk(array), array_digest(array))
    LISTING.write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
