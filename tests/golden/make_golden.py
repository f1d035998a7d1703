"""Make golden archives of the present format version: `python tests/golden/make_golden.py`, from the root.

Archives are only ever added: those that are there already stay as they are, whatever this program would make now.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).resolve().parent
sys.path[:0] = [str(GOLDEN.parent), str(GOLDEN.parent.parent)]

from recordings import n1_samples, neural, wav_bytes  # noqa: E402

import spikey_cli  # noqa: E402
from spikey_cli.archive import MAJOR, MINOR  # noqa: E402
from spikey_cli.coders import CODERS  # noqa: E402
from spikey_cli.predictor import Predictor, find_model  # noqa: E402

MODELS = {"": "n1-16x16", "-n1": "n1", "-parts": "parts"}
"""Endings of archives' names, and the models that these were written with; `parts` is recurrent and passes messages."""


def contents() -> dict[str, dict[str, bytes]]:
    """Files of each golden archive, by the archive's topic."""
    random = np.random.default_rng(1)
    session = neural(random, 6000, 2)
    probe = neural(random, 2500, 5)
    return {
        "session": {f"{side}.wav": wav_bytes(n1_samples(session[:, i])) for i, side in enumerate(("left", "right"))},
        "probe": {"probe.wav": wav_bytes(probe * 12 - 6000, rate=30_000, tail=b"LIST\x04\x00\x00\x00abcd")},
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
                spikey_cli.compress([folder], GOLDEN / name, coder=coder, recursive=True, predictor=model_named(model))
            golden[name] = {file: hashlib.sha256(data).hexdigest() for file, data in sorted(files.items())}
    listing.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
