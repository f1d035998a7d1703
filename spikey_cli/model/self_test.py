"""Self-test: whether a model gives, on this machine, the numbers that it gave where it was frozen.

`graph.certify` proves what correct arithmetic makes of a model. That this machine's is correct, with this release of
ONNX Runtime or Numba, is not proven but looked at: the model evaluates the same COLUMNS columns of integers everywhere,
and the SHA-256 of what it says must be the one that it was frozen with. It stands in the model's metadata, and for the
models that were shipped before there was one, in `shipped`.

What is tested is what is used, once a process: the very kernel that takes a coder's steps, where the model is a chain
(`walk.CodingState`); else the session.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from ..core.gain import INPUT_LIMIT

COLUMNS = 64
_QUIETEST = 6  # octaves: a few units, as the steps of a quiet lane are


def mix(first: int, count: int) -> np.ndarray:
    """Numbers `first` to `first + count` of a sequence that looks random and never changes, uint64 (SplitMix64).

    Source: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    x = np.arange(first + 1, first + count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def known_inputs(rows: Mapping[str, int], first_column: int = 0, columns: int = COLUMNS) -> dict[str, np.ndarray]:
    """Integers in -INPUT_LIMIT..INPUT_LIMIT for each input, float32 of shape (rows, columns).

    Column by column they are louder and quieter. Which these are depends on the column's number and on how many rows
    the inputs have, taken together by their names; not on how many columns are asked for at once.
    """
    total = sum(rows.values())
    numbers = mix(first_column * total, columns * total).reshape(columns, total)
    values = (numbers % np.uint64(2 * INPUT_LIMIT + 1)).astype(np.int64) - INPUT_LIMIT
    octaves = np.arange(first_column, first_column + columns) % (_QUIETEST + 1)
    values = (values >> octaves[:, None]).astype(np.float32)
    inputs, at = {}, 0
    for name in sorted(rows):
        inputs[name] = np.ascontiguousarray(values[:, at : at + rows[name]].T)
        at += rows[name]
    return inputs


def digest_of(outputs: Mapping[str, np.ndarray]) -> str:
    """SHA-256, in hexadecimal, of outputs by their names: of each, column by column, its rows as int32."""
    digest = hashlib.sha256()
    for name in sorted(outputs):
        digest.update(np.ascontiguousarray(outputs[name].T).astype("<i4").tobytes())
    return digest.hexdigest()
