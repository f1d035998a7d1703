"""Make golden archives of the present format version: `python tests/golden/make_golden.py`, from the root.

Archives are only ever added: those that are there already stay as they are, whatever this program would make now.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).resolve().parent
sys.path[:0] = [str(GOLDEN.parent), str(GOLDEN.parent.parent)]

from support.archive_builder import Anatomy  # noqa: E402
from support.recordings import n1_samples, neural, wav_bytes  # noqa: E402

import spikey_cli  # noqa: E402
from spikey_cli.api.chunk import encode_chunk  # noqa: E402
from spikey_cli.container.archive import MAJOR, MINOR  # noqa: E402
from spikey_cli.container.directory import DICTIONARY  # noqa: E402
from spikey_cli.core.coders import CODERS  # noqa: E402
from spikey_cli.model.predictor import Predictor, find_model  # noqa: E402
from spikey_cli.streaming.packets import MAJOR as LIVE_MAJOR  # noqa: E402
from spikey_cli.streaming.packets import MINOR as LIVE_MINOR  # noqa: E402
from spikey_cli.topology.topology import Topology  # noqa: E402

MODELS = {"": "n1-16x16", "-n1": "n1", "-parts": "parts"}
"""Endings of archives' names, and the models that these were written with; `parts` is recurrent and passes messages."""


def contents() -> dict[str, dict[str, bytes]]:
    """Files of each golden archive, by the archive's topic."""
    random = np.random.default_rng(1)
    session = neural(random, 6000, 2)
    probe = neural(random, 2500, 5)
    return {
        "session": {f"{side}.wav": wav_bytes(n1_samples(session[:, i])) for i, side in enumerate(("left", "right"))},
        "probe": {"probe.wav": wav_bytes(probe * 12 - 6000, rate=30_000, trailer=b"LIST\x04\x00\x00\x00abcd")},
        "widths": {
            "one.wav": wav_bytes(np.clip(probe[:, :2] - 400, 0, 255), 1),
            "three.wav": wav_bytes(np.cumsum(random.integers(-900, 901, (1500, 2)), axis=0) * 64, 3),
            "palette.wav": wav_bytes(np.array([-30000, -1000, 17, 4000, 32767])[random.integers(0, 5, 1000)]),
            "square.wav": wav_bytes(np.where(np.arange(2000) // 7 % 2, 32767, -32768)),
            "noise.wav": wav_bytes(random.integers(-32768, 32768, 400)),
        },
        "edges": {
            "empty.wav": wav_bytes(np.zeros(0)),
            "one_sample.wav": wav_bytes(np.array([-5])),
            "constant.wav": wav_bytes(np.full(3000, 123)),
            "deep/er/short.wav": wav_bytes(n1_samples(session[:700, 0]))[:-3],
            "note.txt": b"kept as it is, " * 30,
            "nothing": b"",
        },
    }


def model_named(name: str) -> Predictor:
    """A shipped model, or one in the folder `models` beside the archives."""
    own = GOLDEN / "models" / f"{name}.onnx"
    return find_model(str(own) if own.exists() else name)


def main() -> None:
    """Write the archives that are missing, and the digests of what is in them."""
    listing = GOLDEN / "golden.json"
    golden = json.loads(listing.read_text(encoding="utf-8")) if listing.exists() else {}
    for (ending, model), (topic, files) in itertools.product(MODELS.items(), contents().items()):
        for coder in CODERS:
            name = f"v{MAJOR}.{MINOR}-{coder}-{topic}{ending}.spk"
            if name in golden or (ending and (coder not in ("rice", "range") or topic in ("widths", "edges"))):
                continue
            with tempfile.TemporaryDirectory() as folder:
                for file, data in files.items():
                    (Path(folder) / file).parent.mkdir(parents=True, exist_ok=True)
                    (Path(folder) / file).write_bytes(data)
                spikey_cli.compress(
                    [folder],
                    GOLDEN / name,
                    coder=spikey_cli.Encoding(coder, model_named(model), embed_model=topic == "edges"),
                    recursive=True,
                )
            golden[name] = {file: hashlib.sha256(data).hexdigest() for file, data in sorted(files.items())}
    listing.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
    make_live()
    make_refused()
    make_chunks()


def refused() -> dict[str, tuple[bytes, str]]:
    """Archives that must be refused, by their topic, and what the error says."""
    base = (GOLDEN / f"v{MAJOR}.{MINOR}-range-session-n1.spk").read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        made = Anatomy.of(base, Path(folder))

    def started(at: int, value: int) -> bytes:
        return replace(made, start=made.start[:at] + bytes([value]) + made.start[at + 1 :]).pack()

    def listing(change: Callable[[bytes], bytes]) -> bytes:
        inflate = zlib.decompressobj(-15, zdict=DICTIONARY)
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=DICTIONARY)
        changed = deflate.compress(change(inflate.decompress(made.directory))) + deflate.flush()
        return replace(made, directory=changed).pack()

    block = made.blocks[0]
    flipped = bytearray(base)
    flipped[len(base) // 2] ^= 1
    return {
        "major": (started(8, 9), f"format 9.{MINOR} (flags 1) is newer"),
        "reserved": (started(11, 128), "(flags 128) is newer"),
        "coder": (started(10, 77), "its coder, number 77, is newer than this release"),
        "model": (started(12, made.start[12] ^ 1), "is not installed"),
        "flipped": (bytes(flipped), "does not match its checksum"),
        "cut": (base[:-40], "its end is missing"),
        "appended": (base + b"SPKE", "does not match its checksum"),
        "foreign": (replace(made, blocks=[replace(block, directory_crc=1)]).pack(), "belongs to another archive"),
        "numbered": (replace(made, blocks=[replace(block, number=1)]).pack(), "not the one that the index knows"),
        "counted": (replace(made, samples=made.samples + 1).pack(), "counts other blocks or samples"),
        "sealed": (replace(made, sha256=bytes(32)).pack(), "does not match the archive's SHA-256"),
        "upwards": (listing(lambda data: data.replace(b"left.wav", b"../t.wav")), "leads out of the folder"),
        "device": (listing(lambda data: data.replace(b"left.wav", b"NUL.wav ")), "not every file system takes"),
        "twins": (listing(lambda data: data.replace(b"\tright.wav", b"\x08LEFT.wav")), "two files have the same name"),
        "folder": (
            listing(lambda data: data.replace(b"\tright.wav", b"\x0aLEFT.wav/r")),
            "a file has the name of another one's folder",
        ),
        "empty": (b"", "not a Spikey archive"),
        "wav": (b"RIFF" + bytes(200), "not a Spikey archive"),
    }


def make_refused() -> None:
    """Write the archives to be refused that are missing, and the errors that they must give."""
    folder = GOLDEN / "refused"
    listing = folder / "refused.json"
    told = json.loads(listing.read_text(encoding="utf-8"))
    for topic, (data, message) in refused().items():
        name = f"v{MAJOR}.{MINOR}-{topic}.spk"
        if name not in told:
            (folder / name).write_bytes(data)
            told[name] = message
    listing.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def streams() -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
    """Frames of each golden live stream, and how it is begun, by the stream's topic."""
    random = np.random.default_rng(1)
    probe = neural(random, 300, 5)
    chain = Topology.from_pairs([(i, i + 1, 150 + i) for i in range(4)], (0, 1, 2, 3, 4))
    glitch = n1_samples(probe)
    glitch[100, 2] += 1
    wide = np.cumsum(random.integers(-900, 901, (200, 2)), axis=0).astype(np.int32) * 64
    return {
        "session": (n1_samples(neural(random, 900, 2)), {"head": b"head"}),
        "probe": (n1_samples(probe), {"topology": chain, "quantizer": "n1"}),
        "glitch": (glitch, {"quantizer": "n1"}),
        "bytes": (np.clip(probe - 400, 0, 255).astype(np.uint8), {"sample_bytes": 1}),
        "wide": (wide, {"sample_bytes": 3, "quantizer": "identity"}),
        "steps": ((probe * 12 - 6000).astype(np.int16), {}),
    }


def make_live() -> None:
    """Write the live streams that are missing, and the digests of what they are restored to."""
    folder = GOLDEN / "live"
    folder.mkdir(exist_ok=True)
    listing = folder / "live.json"
    golden = json.loads(listing.read_text(encoding="utf-8")) if listing.exists() else {}
    for (ending, model), (topic, (frames, options)) in itertools.product(MODELS.items(), streams().items()):
        name = f"v{LIVE_MAJOR}.{LIVE_MINOR}-{topic}{ending}.spks"
        if name in golden or (ending == "" and topic not in ("probe", "session")):
            continue
        encoder = spikey_cli.StreamEncoder(frames.shape[1], 19531, predictor=model_named(model), **options)
        pieces = [encoder.push(frame) for frame in frames[:20]]
        pieces += [encoder.push(frames[at : at + 90]) for at in range(20, len(frames), 90)]
        (folder / name).write_bytes(b"".join(pieces) + encoder.finish(b"tail"))
        golden[name] = hashlib.sha256(options.get("head", b"") + frames_to_bytes(frames) + b"tail").hexdigest()
    listing.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


def frames_to_bytes(frames: np.ndarray) -> bytes:
    """The frames as they stand in a file; what is of 24 bits comes as int32."""
    if frames.dtype == np.int32:
        return frames.astype("<i4").reshape(-1, 1).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    return frames.tobytes()


def arrays() -> dict[str, np.ndarray]:
    """The array of each golden chunk, by the chunk's topic: every form that an array has."""
    random = np.random.default_rng(1)
    codes = neural(random, 400, 3)
    filled = np.full((500, 5), -7, ">i4", order="F")
    filled[:400, :3] = 100_000 + codes
    return {
        "samples": np.ascontiguousarray(n1_samples(codes)),
        "words": np.asfortranarray((30_000 + codes).astype("<u2")),
        "filled": filled,
        "bytes": (codes[:, 0] % 200 - 100).astype("i1"),
        "empty": np.zeros((0, 3), "<u8"),
        "floats": np.asfortranarray(random.normal(size=(5, 4, 3)).astype("<f4")),
        "scalar": np.array(5, ">u2"),
    }


def make_chunks() -> None:
    """Write the chunks that are missing, and what array each of them is."""
    folder = GOLDEN / "chunks"
    folder.mkdir(exist_ok=True)
    listing = folder / "chunks.json"
    golden = json.loads(listing.read_text(encoding="utf-8")) if listing.exists() else {}
    for topic, array in arrays().items():
        name = f"v{MAJOR}.{MINOR}-{topic}.spk"
        if name not in golden:
            (folder / name).write_bytes(encode_chunk(array, predictor=find_model("n1")))
            golden[name] = {
                "dtype": array.dtype.str,
                "shape": list(array.shape),
                "order": "C" if array.flags.c_contiguous else "F",
                "bytes": hashlib.sha256(array.tobytes("A")).hexdigest(),
            }
    listing.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
