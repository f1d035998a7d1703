"""Seeds of each target: small and valid. They are generated, so they always follow the current format.

They have a few dozen samples each, because a fuzzer's inputs are about as long as its seeds and the interpreter decodes
them.
"""

from __future__ import annotations

import io
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from support.acquisition import FORMATS, new_rhd, rhd, rhs
from support.archive_builder import Content
from support.random_models import PARTS, random_model
from support.recordings import n1_samples, neural, wav_bytes
from support.topologies import topology_of_pairs
from targets import pieces_of, take_apart

import spikey_cli
from spikey_cli.api.array_metadata import to_samples
from spikey_cli.api.chunk import encode_chunk
from spikey_cli.container.quantizer_table import pack_quantizer
from spikey_cli.core.coders import CODERS
from spikey_cli.core.quantizer import N1
from spikey_cli.core.varint import get_uvarint
from spikey_cli.io.formats import format_name
from spikey_cli.io.source import ArraySource
from spikey_cli.model.predictor import Predictor
from spikey_cli.model.zoo import shipped_models
from spikey_cli.streaming.encoder import StreamEncoder


def _wavs() -> dict[str, bytes]:
    random = np.random.default_rng(5)
    n1 = n1_samples(neural(random, 40, 2))
    return {
        "n1": wav_bytes(n1[:, 0]),
        "two": wav_bytes(n1, trailer=b"LIST\4\0\0\0abcd"),
        "wide": wav_bytes(random.integers(-(2**23), 2**23, (12, 2)), 3, header=b"junk\1\0\0\0a\0"),
        "bytes": wav_bytes(random.integers(120, 136, (20, 3)), 1),
        "text": b"some text, and no WAV at" * 3,
        "rf64": b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0" + bytes(28) + wav_bytes(n1[:, 0])[12:],
    }


@cache
def _archives() -> dict[str, bytes]:
    wavs = _wavs()
    made = {}
    with tempfile.TemporaryDirectory(prefix="spikey-seeds-") as folder:
        for name in ("n1", "two", "wide", "bytes", "text"):
            (Path(folder) / f"{name}.wav").write_bytes(wavs[name])
        for name in CODERS:
            spikey_cli.compress(
                sorted(Path(folder).glob("*.wav")), Path(folder) / "a.spk", coder=name, workers=1, force=True
            )
            made[name] = (Path(folder) / "a.spk").read_bytes()
        own = Predictor(random_model(**PARTS["messages"]))
        inputs = [Path(folder) / "n1.wav", Path(folder) / "two.wav"]
        encoding = spikey_cli.Encoding("range", own, embed_model=True)
        spikey_cli.compress(inputs, Path(folder) / "a.spk", coder=encoding, workers=1, force=True)
        made["embedded"] = (Path(folder) / "a.spk").read_bytes()
        (Path(folder) / "a.rhd").write_bytes(rhd(np.random.default_rng(5), records=1).data)
        np.save(Path(folder) / "times.npy", np.arange(40) / 30_000)
        inputs = [Path(folder) / "a.rhd", Path(folder) / "times.npy"]
        spikey_cli.compress(inputs, Path(folder) / "a.spk", coder="range", workers=1, force=True)
        made["records"] = (Path(folder) / "a.spk").read_bytes()
    return made


def _samples() -> list[np.ndarray]:
    random = np.random.default_rng(9)
    return [random.integers(-99, 99, 40).astype(np.int16), random.integers(0, 256, (30, 4)).astype(np.uint8)]


def _chunks() -> list[bytes]:
    """Files of chunks of several kinds of arrays, and one encoded chunk."""
    random = np.random.default_rng(8)
    n1 = n1_samples(neural(random, 40, 2))
    filled = np.zeros((100, 3), np.int16)
    filled[:40, :2] = n1
    unsigned = random.integers(31000, 33000, (30, 2)).astype("<u2")
    arrays = (
        n1,
        filled,
        n1.T,
        filled.T,
        unsigned,
        np.asfortranarray(unsigned),
        random.integers(-9, 9, 50),
        random.normal(size=20),
        np.cumsum(random.normal(size=(60, 2)), axis=0).astype(np.float32),
        np.cumsum(random.normal(size=(60, 2)), axis=0),
    )
    seeds = []
    for array in arrays:
        samples, metadata = to_samples(array) or (array, None)
        saved = io.BytesIO()
        np.save(saved, samples)
        seeds.append(pieces_of(saved.getvalue(), metadata.pack() if metadata else b""))
    return [*seeds, encode_chunk(n1)]


def _apart() -> list[bytes]:
    with tempfile.TemporaryDirectory(prefix="spikey-seeds-") as folder:
        seeds = []
        for data in _archives().values():
            path = Path(folder) / "a.spk"
            path.write_bytes(data)
            parts = Content.of(path).parts()
            seeds.append(take_apart(parts))
        return seeds


def _streams(name: str) -> list[bytes]:
    """Streams written by a coder, after the bytes that `targets.coder` reads first."""
    seeds = []
    with tempfile.TemporaryDirectory(prefix="spikey-seeds-") as folder:
        random = np.random.default_rng(6)
        wav, path = Path(folder) / "a.wav", Path(folder) / "a.spk"
        for quantizer, samples, width in (
            (0, n1_samples(neural(random, 40)[:, 0]), 2),
            (1, np.cumsum(random.integers(-2000, 2000, 40)), 2),
            (2, np.cumsum(random.integers(-20000, 20000, 40)), 3),
        ):
            wav.write_bytes(wav_bytes(samples, width))
            spikey_cli.compress([wav], path, coder=name, workers=1, force=True)
            stream = Content.of(path).blocks[0][2][0][0][1]
            seeds.append(bytes([64, quantizer, 39, 47]) + pieces_of(stream))
    return seeds


def _lives() -> list[bytes]:
    seeds, descriptions = [], []
    random = np.random.default_rng(7)
    pairs = topology_of_pairs([(0, 1, 200), (1, 2, 90)], (0, 1, 0))
    for topology, channels, length in ((None, 1, 70), (pairs, 3, 24)):  # gains adapt differently from step 64 on
        encoder = StreamEncoder(channels, 1000, quantizer="n1", topology=topology, header=b"head")
        frames = n1_samples(neural(random, length, channels))
        header = encoder.push(frames[:0])
        size = int.from_bytes(header[20:24], "little")
        descriptions.append(header[28 : 28 + size])
        pieces = [b"\0\2\2", descriptions[-1]]
        rest = header[28 + size :] + encoder.push(frames[:16]) + encoder.push(frames[16:]) + encoder.finish(b"trailer")
        at = 0
        while at < len(rest):
            _, after_tag = get_uvarint(rest, at)
            length, start = get_uvarint(rest, after_tag)
            pieces += [rest[at:after_tag], rest[start : start + length]]
            at = start + length + 4
        seeds.append(pieces_of(*pieces))
    return [*seeds, pieces_of(b"\0\2\2", descriptions[0], b"\3", pack_quantizer(N1), b"\5", bytes(8))]


def seeds_of(target: str) -> list[bytes]:
    """Valid inputs of a target."""
    if target == "archive":
        return _apart()
    if target == "plain_archive":
        return list(_archives().values())
    if target == "salvage":
        return [i.to_bytes(2, "little") + seed for i, seed in enumerate(_apart(), 100)]
    if target == "chunk":
        return _chunks()
    if target == "npy":
        return [bytes(ArraySource(array, "a.npy").open().read()) for array in _samples()]
    if target.startswith("format_"):
        files = [make(np.random.default_rng(10)).data for make in FORMATS.values()]
        return [data for data in files if format_name(data).replace(" ", "_") == target.removeprefix("format_")]
    if target == "sidecar":
        return [
            b"nSavedChans=385\nimSampRate=30000\ntypeThis=imec\n",
            b"nSavedChans=9\nniSampRate=30003.000300\ntypeThis=nidq\nfileName=C:/a=b.bin\n",
            b'{"GUI version": "0.6.0", "continuous": [{"folder_name": "0/", "num_channels": 384, "sample_rate": 3e4}]}',
            *(made.data[: made.header] for made in (make(np.random.default_rng(11)) for make in (new_rhd, rhs))),
        ]
    if target == "wav":
        return list(_wavs().values())
    if target == "model":
        shipped = [path.read_bytes() for path in shipped_models().values()]
        return [*shipped, *(random_model(**options) for options in PARTS.values())]
    if target == "live":
        return _lives()
    if target == "round_trip":
        wavs = list(_wavs().values())
        return [bytes([i]) + a + b for i, (a, b) in enumerate(zip(wavs, wavs[1:] + wavs[:1], strict=True))]
    return _streams(target.removeprefix("coder_"))
