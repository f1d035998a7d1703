"""Digests of predictions and streams that must be the same on every machine: computes and compares them.

    python tests/support/exactness.py                 a million predictions by each engine, and archives
    python tests/support/exactness.py --share         the first 20,000 predictions and shorter archives
    python tests/support/exactness.py --session       the first 20,000 predictions by ONNX Runtime, for slow emulations
    python tests/support/exactness.py --least         the shortest archives, for slow machines
    python tests/support/exactness.py --write         store the results of this machine as the reference

The script needs only the package and its dependencies. Inputs are made with integers, so they depend neither on NumPy's
random generators nor on rounding. See docs/exactness.md.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import platform
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np

import spikey_cli
from spikey_cli.codec import block_plan
from spikey_cli.container.archive import ArchiveReader
from spikey_cli.model.predictor import Predictor, find_model
from spikey_cli.model.self_test import known_inputs, mix
from spikey_cli.model.zoo import shipped_models

STORED = Path(__file__).with_suffix(".json")
PREDICTIONS, SHARE = 1_000_000, 20_000
BATCHES = (1, 7, 4096, 333, 1024)
CODERS, MODELS = ("rice", "range", "huffman"), ("n1", "n1-peers")
FRAMES, SHARED_FRAMES, FEW_FRAMES = 40_000, 6_000, 300
"""Frames of the recording: in the full run, in the tests, and for slow machines."""

MIN_STEPS = 1_000
"""About the least length of a lane: so that channels have several also in short recordings."""

Evaluate = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


def engines(predictor: Predictor) -> dict[str, Evaluate]:
    """What evaluates a model: ONNX Runtime, and the core if it is a chain."""

    def by_core(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"outputs": predictor.chain.evaluate(given["windows"])}

    by_session = {"onnxruntime": predictor.evaluate}
    return by_session | ({"core": by_core} if predictor.chain else {})


def batches(count: int) -> Iterator[tuple[int, int]]:
    """Column numbers 0 to `count` in pieces (first, columns) of changing sizes, all of which end at SHARE."""
    first, i = 0, 0
    while first < count:
        stop = SHARE if first < SHARE else count
        columns = min(BATCHES[i % len(BATCHES)] if first < SHARE else 1 << 14, stop - first)
        yield first, columns
        first, i = first + columns, i + 1


def predictions(predictor: Predictor, evaluate: Evaluate, count: int) -> dict[str, str]:
    """SHA-256 of all outputs for the first SHARE columns of known inputs, and for the first `count`."""
    digest, found = hashlib.sha256(), {}
    for first, columns in batches(count):
        outputs = evaluate(known_inputs(predictor.inputs, first, columns))
        rows = np.concatenate([outputs[name] for name in sorted(outputs)])
        digest.update(np.ascontiguousarray(rows.T).astype("<i4").tobytes())
        if first + columns in (SHARE, count):
            found[str(first + columns)] = digest.hexdigest()
    return found


def _noise(first: int, frames: int, channels: int) -> np.ndarray:
    """About normal, deviation about 148, int64: the sum of four numbers of a byte."""
    numbers = mix(first, frames * channels).reshape(frames, channels)
    total = sum((numbers >> np.uint64(8 * i)).astype(np.int64) & 255 for i in range(4))
    return total - 510


def recording(frames: int) -> dict[str, bytes]:
    """WAV files by name: channels of one session with spikes and the N1 quantizer; a stereo file of 16 bits, one of 24
    bits, and a text. Some samples of a channel and of the last WAV are missing.
    """
    shared = _noise(10**9, frames, 1)
    sources = 2 * _noise(2 * 10**9, frames, 4) + shared
    slow = np.zeros(4, dtype=np.int64)
    codes = np.zeros((frames, 4), dtype=np.int64)
    for i, row in enumerate(sources):
        slow += row - (slow >> 2)
        codes[i] = slow
    codes = 500 + (codes >> 7)
    for i, at in enumerate((mix(3 * 10**9, frames // 500) % np.uint64(frames)).astype(int)):
        codes[at : at + 9, i % 4] += np.array([-20, -70, -90, -40, 10, 30, 25, 12, 5])[: frames - at]
    codes[777::1001, 1] = 0
    scaled = np.clip(codes, 0, 1023) * 65535 - 32768 * 1023
    samples = np.sign(scaled) * (np.abs(scaled) // 1023)
    files = {f"thread{i}.wav": _wav(samples[:, i : i + 1], 2) for i in range(4)}
    files["stereo.wav"] = _wav((sources[: frames // 4, :2] * 3 + 77).clip(-32768, 32767), 2)
    deep = (sources[: frames // 8, 2:3] << 9) + (sources[: frames // 8, 3:] & 511)
    deep[55::211] = -(1 << 23)
    files["deep.wav"] = _wav(deep, 3)
    files["notes.txt"] = b"kept as it is\n" * 40
    return files


def _wav(samples: np.ndarray, sample_bytes: int) -> bytes:
    data = samples.astype("<i4").reshape(-1, 1).view(np.uint8).reshape(-1, 4)[:, :sample_bytes].tobytes()
    frame = samples.shape[1] * sample_bytes
    fmt = struct.pack("<IHHIIHH", 16, 1, samples.shape[1], 19531, 19531 * frame, frame, 8 * sample_bytes)
    body = b"WAVEfmt " + fmt + struct.pack("<4sI", b"data", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def streams(files: dict[str, bytes], coder: str, model: str, workers: int) -> str:
    """SHA-256 of the coded streams in the archive of these files, which are restored from it and compared."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        paths, target = [folder / name for name in files], folder / "out.spk"
        with mock.patch.object(block_plan, "MIN_STEPS", MIN_STEPS):
            encoding = spikey_cli.Encoding(coder, find_model(model))
            done = spikey_cli.compress(paths, target, coder=encoding, workers=workers)
        assert not done.warnings, done.warnings
        spikey_cli.decompress(target, folder / "back", workers=workers)
        assert all((folder / "back" / name).read_bytes() == data for name, data in files.items())
        with ArchiveReader(target) as reader:
            for i in range(len(reader.index.blocks)):
                table = reader.read_table(i)
                if table.steps == 0:
                    continue  # xz may pack differently in another release
                for _, entry, data in reader.read_streams(i, table, range(table.methods.size)):
                    digest.update(struct.pack("<BI", entry.method, entry.length) + (data or b""))
    return digest.hexdigest()


def measure_predictions(count: int, wanted: tuple[str, ...] = ("onnxruntime", "core")) -> dict[str, str]:
    """Those of every shipped model by every engine, by name."""
    found = {}
    for name in sorted(shipped_models()):
        predictor = find_model(name)
        for engine, evaluate in engines(predictor).items():
            for n, digest in predictions(predictor, evaluate, count).items() if engine in wanted else ():
                found[f"{n} predictions, {name}, {engine}"] = digest
    return found


def measure_archives(
    frames: int, workers: int = 1, coders: tuple[str, ...] = CODERS, models: tuple[str, ...] = MODELS
) -> dict[str, str]:
    """Those of the recording, by name."""
    found = {}
    files = recording(frames)
    for coder in coders:
        for model in models:
            found[f"streams of {frames} frames, {coder}, {model}"] = streams(files, coder, model, workers)
    return found


def stored_name(name: str) -> str:
    """The name under which it is stored: engines must agree."""
    return name.replace(", onnxruntime", "").replace(", core", "")


def environment() -> str:
    """What this runs with, in words."""
    names = ("numpy", "onnxruntime")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in names]
    return ", ".join([f"Python {platform.python_version()}", platform.machine(), *versions])


def main() -> int:
    """Print what is found, and whether it is what must be found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--share", action="store_true", help="a small share of it")
    size.add_argument("--session", action="store_true", help="predictions by ONNX Runtime only; nothing is compiled")
    size.add_argument("--least", action="store_true", help="as little as there is, for slow machines")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="number of workers")
    parser.add_argument("--write", action="store_true", help=f"write {STORED.name}")
    options = parser.parse_args()
    print(environment())
    began = time.monotonic()
    found = {}
    if options.least:
        found = measure_archives(FEW_FRAMES, options.threads)
    elif options.session:
        found = measure_predictions(SHARE, ("onnxruntime",))
    else:
        found = measure_predictions(SHARE) | measure_archives(SHARED_FRAMES, options.threads)
        if not options.share:
            found |= measure_predictions(PREDICTIONS) | measure_archives(FRAMES, options.threads)
    if options.write:
        found |= measure_archives(FEW_FRAMES, options.threads)
        STORED.write_text(json.dumps({stored_name(n): d for n, d in found.items()}, indent=4) + "\n", encoding="utf-8")
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    differing = {name for name, digest in found.items() if stored.get(stored_name(name)) != digest}
    for name, digest in found.items():
        print(f"{'DIFFERS' if name in differing else 'equal':8}{digest[:16]}  {name}")
    whole = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
    print(f"{len(found)} hashes, {len(differing)} differ; in {time.monotonic() - began:.0f} s; all of them: {whole}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
