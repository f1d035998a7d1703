"""Stress test: random files with random options through the whole API, compared byte by byte.

    python tests/stress.py --minutes 10
    python tests/stress.py --seed 1234        one case, as a failure names it

Each case follows from its seed. The counts of what was tested are printed at the end; the exit status is 1 if a case
failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime
from support.random_models import PARTS, random_model
from support.recordings import n1_samples, neural, wav_bytes
from support.topologies import topology_of_pairs

import spikey_cli
from spikey_cli.codec import block_plan, streams
from spikey_cli.core.coders import CODERS
from spikey_cli.errors import SpikeyError
from spikey_cli.model.predictor import Predictor, default_predictor, find_model
from spikey_cli.model.zoo import shipped_models

COUNTS: Counter[str] = Counter()
LIMITS = {"BLOCK_SAMPLES": block_plan.BLOCK_SAMPLES, "WIDE_SAMPLES": block_plan.WIDE_SAMPLES}
MIN_LANE_GROUP = streams.MIN_LANE_GROUP


def made_up_predictors() -> list[Predictor]:
    profile = default_predictor().profile
    edges = profile.edges.tolist() if profile else []
    models = [random_model(**parts, edges=edges, seed=seed) for seed in range(3) for parts in PARTS.values()]
    return [*map(Predictor, models), *map(find_model, sorted(shipped_models()))]


def random_samples(random: np.random.Generator) -> tuple[np.ndarray, int]:
    """Samples of a WAV file, and their width in bytes."""
    sample_bytes, channels = int(random.choice([1, 2, 2, 2, 3])), int(random.choice([1, 1, 1, 2, 3, 7, 33]))
    frames = int(random.choice([0, 1, 2, 19, 100, 1000, 5000, 30_000, 90_000]) * random.uniform(0.5, 1)) // channels
    low, high = {1: (0, 256), 2: (-(2**15), 2**15), 3: (-(2**23), 2**23)}[sample_bytes]
    shape = (frames, channels)
    kind = random.choice(["n1", "n1", "noise", "drift", "sparse", "steps", "palette", "square", "constant", "jumps"])
    if kind == "n1" and sample_bytes == 2:
        return n1_samples(neural(random, frames, channels, float(random.choice([0.2, 3, 6, 40])))), 2
    drift = np.cumsum(random.normal(0, 10.0 ** random.uniform(-1, np.log10(high) - 1), shape), axis=0)
    samples = {
        "n1": lambda: random.integers(low, high, shape),
        "noise": lambda: random.integers(low, high, shape),
        "drift": lambda: drift + (low + high) // 2,
        "sparse": lambda: np.where(random.random(shape) < 0.002, random.integers(low, high, shape), (low + high) // 2),
        "steps": lambda: np.rint(drift / 12) * 12 + 5,
        "palette": lambda: random.integers(low, high, 9)[random.integers(0, 9, shape)],
        "square": lambda: np.where(np.arange(frames)[:, None] // 7 % 2 == 1, high - 1, low) + np.zeros(shape),
        "constant": lambda: np.full(shape, random.integers(low, high)),
        "jumps": lambda: drift + np.where(np.arange(frames)[:, None] > frames // 2, high // 2, 0),
    }[str(kind)]()
    return np.clip(samples, low, high - 1).astype({1: np.uint8, 2: np.int16, 3: np.int32}[sample_bytes]), sample_bytes


def random_files(random: np.random.Generator) -> tuple[dict[str, bytes], dict[str, np.ndarray]]:
    """Files by name, and the samples of those that are complete WAVs."""
    files, samples_of = {}, {}
    for i in range(int(random.integers(1, 6))):
        samples, sample_bytes = random_samples(random)
        rate = int(random.choice([8000, 19531, 30_000]))
        copies = int(random.choice([1, 1, 1, 2, 4])) if samples.shape[1] == 1 else 1
        for k in range(copies):  # so alike that they are found to be recorded together
            alike = samples.copy()
            alike[k::17] = samples[: len(alike[k::17])]
            chunk = b"LIST\x04\x00\x00\x00abcd" if random.random() < 0.2 else b""
            files[f"f{i}/{k}.wav"] = wav_bytes(alike, sample_bytes, rate, chunk, random.bytes(random.integers(0, 3)))
            samples_of[f"f{i}/{k}.wav"] = alike
    if random.random() < 0.3:
        files["broken.wav"] = wav_bytes(np.arange(500))[: random.integers(0, 900)]
    if random.random() < 0.3:
        files["text"] = random.bytes(int(random.integers(0, 2000))) * int(random.integers(1, 4))
    return files, samples_of


def assert_files(folder: Path, files: dict[str, bytes]) -> None:
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found == files, f"{sorted(found)} came back, {sorted(files)} went in, or their bytes differ"


def try_archive(random: np.random.Generator, folder: Path, predictors: list[Predictor]) -> None:
    """Compress, verify, decompress, extract and index an archive, then damage it."""
    files, samples_of = random_files(random)
    for name, data in files.items():
        (folder / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "in" / name).write_bytes(data)
    coder = str(random.choice(list(CODERS)))
    predictor = predictors[random.integers(len(predictors))] if random.random() < 0.7 else None
    embed = [None, True, False][random.integers(3)]
    encoding = spikey_cli.Encoding(coder, predictor, bool(random.random() < 0.8), embed)
    archive, model = folder / "out.spk", None if embed and random.random() < 0.5 else predictor
    digests = set()
    for workers in random.choice([1, 2, 3, 8], 2):
        done = spikey_cli.compress(
            [folder / "in"], archive, recursive=True, coder=encoding, workers=int(workers), force=True
        )
        assert done.files == len(files)
        assert not done.warnings
        digests.add(archive.read_bytes())
    assert len(digests) == 1, "the archive depends on the number of workers"
    workers = int(random.choice([1, 2, 8]))
    assert spikey_cli.verify(archive, workers=workers, predictor=model).files == len(files)
    spikey_cli.decompress(archive, folder / "back", workers=workers, predictor=model)
    assert_files(folder / "back", files)
    chosen = str(random.choice(list(files)))
    spikey_cli.decompress(archive, folder / "one", files=[chosen], predictor=model)
    assert_files(folder / "one", {chosen: files[chosen]})
    assert len(spikey_cli.info(archive)["files"]) == len(files)
    COUNTS.update({"archives": 1, f"archives, {coder}": 1, "files": len(files)})
    COUNTS["samples"] += sum(samples.size for samples in samples_of.values())
    for name, samples in samples_of.items():
        if len(samples) > 1:
            try_reading(random, folder, archive, model, name, samples)
    for _ in range(4):
        try_damage(random, folder, archive, model, files)


def try_reading(
    random: np.random.Generator, folder: Path, archive: Path, model: Predictor | None, name: str, samples: np.ndarray
) -> None:
    frames, channels = samples.shape
    column = int(random.integers(channels))
    names = [name] if channels == 1 else [f"{name}:{column}"]
    first = int(random.integers(frames))
    stop = int(random.integers(first + 1, frames + 1))
    with spikey_cli.open(archive, names, workers=int(random.integers(1, 4)), predictor=model) as recording:
        np.testing.assert_array_equal(recording[first:stop], samples[first:stop, [column]])
        picked = random.integers(-frames, frames, 5).tolist()
        np.testing.assert_array_equal(recording[picked, 0], samples[picked, column])
    COUNTS["ranges read"] += 2
    (path,) = spikey_cli.extract(
        archive, f"{folder}/piece/", channels=names, frames=(first, stop), force=True, predictor=model
    ).paths
    with wave.open(str(path)) as piece:
        width = piece.getsampwidth()
        data = np.frombuffer(piece.readframes(piece.getnframes()), np.uint8).reshape(-1, width)
    expected = np.ascontiguousarray(samples[first:stop, column]).view(np.uint8).reshape(stop - first, -1)[:, :width]
    np.testing.assert_array_equal(data, expected)
    COUNTS["ranges extracted"] += 1


def try_damage(
    random: np.random.Generator, folder: Path, archive: Path, model: Predictor | None, files: dict[str, bytes]
) -> None:
    """A damaged archive is refused or restores the same files; no wrong file appears."""
    data = bytearray(archive.read_bytes())
    kind = random.choice(["flip", "cut", "zeros", "longer"])
    at = int(random.integers(len(data)))
    if kind == "flip":
        data[at] ^= 1 << random.integers(8)
    elif kind == "cut":
        del data[at:]
    elif kind == "zeros":
        data[at : at + 50] = bytes(len(data[at : at + 50]))
    else:
        data[at:at] = random.bytes(int(random.integers(1, 9)))
    if bytes(data) == archive.read_bytes():
        return
    damaged, back = folder / "damaged.spk", folder / f"damaged{random.integers(2**40)}"
    damaged.write_bytes(data)
    try:
        spikey_cli.decompress(damaged, back, workers=int(random.choice([1, 2])), predictor=model)
        COUNTS["damaged archives restored"] += 1
        assert_files(back, files)
    except SpikeyError:
        COUNTS["damaged archives refused"] += 1
        for path in back.rglob("*") if back.exists() else ():
            if path.is_file():
                assert path.read_bytes() == files[path.relative_to(back).as_posix()], f"{path} is wrong"


def try_live(random: np.random.Generator, predictors: list[Predictor]) -> None:
    """Send frames through a live stream in pieces of any size, then damage the stream."""
    samples, sample_bytes = random_samples(random)
    channels = samples.shape[1]
    samples = samples[: 4000 // channels + 1]
    predictor = predictors[random.integers(len(predictors))] if random.random() < 0.5 else None
    pairs = [(a, a - 1, 200) for a in range(1, channels)] if random.random() < 0.5 else []
    topology = topology_of_pairs(pairs, [i % 3 for i in range(channels)]) if pairs else None
    encoder = spikey_cli.StreamEncoder(
        channels, 19_531, sample_bytes=sample_bytes, topology=topology, predictor=predictor, header=b"header"
    )
    sent, at = [], 0
    while at < len(samples):
        count = int(random.choice([1, 1, 2, 50, 3000]))
        sent.append(encoder.push(samples[at : at + count]))
        at += count
    sent.append(encoder.finish(b"trailer"))
    data = b"".join(sent)
    decoder, found, at = spikey_cli.StreamDecoder(predictor), [], 0
    while at < len(data):
        count = int(random.choice([1, 7, 100, 100_000]))
        found.append(decoder.push(data[at : at + count]))
        at += count
    decoder.close()
    whole = [piece for piece in found if len(piece)]
    np.testing.assert_array_equal(np.concatenate(whole) if whole else samples[:0], samples)
    assert decoder.trailer == b"trailer"
    COUNTS.update({"live streams": 1, "samples": samples.size})
    broken = bytearray(data)
    broken[random.integers(len(data))] ^= 1 << random.integers(8)
    decoder, received = spikey_cli.StreamDecoder(predictor), np.zeros((0, channels))
    try:
        received = decoder.push(bytes(broken))
        decoder.close()
        raise AssertionError("a damaged stream was accepted")
    except SpikeyError:
        COUNTS["damaged live streams refused"] += 1
    np.testing.assert_array_equal(received, samples[: len(received)].reshape(received.shape))


def try_case(seed: int, predictors: list[Predictor]) -> None:
    """Run the case of a seed."""
    random = np.random.default_rng(seed)
    small = random.random() < 0.5
    for name, value in LIMITS.items():
        setattr(block_plan, name, int(random.integers(300, 30_000)) if small else value)
    streams.MIN_LANE_GROUP = int(random.choice([1, 8, MIN_LANE_GROUP]))
    with tempfile.TemporaryDirectory() as scratch:
        if random.random() < 0.3:
            try_live(random, predictors)
        else:
            try_archive(random, Path(scratch), predictors)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, help="run this one case")
    options = parser.parse_args()
    onnxruntime.set_default_logger_severity(3)  # made-up models have constants that nothing uses
    predictors = made_up_predictors()
    if options.seed is not None:
        try_case(options.seed, predictors)
        print(dict(COUNTS))
        return 0
    end, seed, failed = time.monotonic() + 60 * options.minutes, int(time.time()) * 1000, []
    while time.monotonic() < end:
        seed += 1
        COUNTS["cases"] += 1
        try:
            try_case(seed, predictors)
        except Exception:
            failed.append(seed)
            print(f"--seed {seed} failed:\n{traceback.format_exc()}", flush=True)
    for name in sorted(COUNTS):
        print(f"{COUNTS[name]:>12,}  {name}")
    print(f"{len(failed):>12,}  failed{': ' + ', '.join(map(str, failed)) if failed else ''}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
