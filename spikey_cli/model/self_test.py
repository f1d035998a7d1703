"""Self-test: whether a model gives the same numbers on this machine as where it was frozen.

`certify` proves the result that correct arithmetic gives. Whether this machine, with this build of the core or this
release of ONNX Runtime, computes correctly can only be tested: the model evaluates COLUMNS columns of known integers,
and the SHA-256 of its outputs must equal the one in its metadata, which was computed when it was frozen.

The test runs once per process, with what evaluates the model: if it is a chain, the core, which takes the steps
(see `codec.coding_state`), else the ONNX Runtime session.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from ..core.gain import INPUT_LIMIT

COLUMNS = 64
_OCTAVES = 6  # the smallest amplitude is that of a lane with little signal


def mix(first: int, count: int) -> np.ndarray:
    """Return the numbers `first` to `first + count` - 1 of a fixed pseudorandom sequence, uint64 (SplitMix64).

    References
    ----------
    G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    x = np.arange(first + 1, first + count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def known_inputs(rows: Mapping[str, int], first_column: int = 0, columns: int = COLUMNS) -> dict[str, np.ndarray]:
    """Return fixed inputs of a model.

    Parameters
    ----------
    rows : mapping of str to int
        Rows of each input.
    first_column, columns : int
        Which columns to return; a column does not depend on the others.

    Returns
    -------
    dict of str to float32 array of shape (rows, columns)
        Integers in -INPUT_LIMIT..INPUT_LIMIT, whose amplitude varies from column to column.
    """
    total = sum(rows.values())
    numbers = mix(first_column * total, columns * total).reshape(columns, total)
    values = (numbers % np.uint64(2 * INPUT_LIMIT + 1)).astype(np.int64) - INPUT_LIMIT
    octaves = np.arange(first_column, first_column + columns) % (_OCTAVES + 1)
    values = (values >> octaves[:, None]).astype(np.float32)
    inputs, row = {}, 0
    for name in sorted(rows):
        inputs[name] = np.ascontiguousarray(values[:, row : row + rows[name]].T)
        row += rows[name]
    return inputs


def digest_of(outputs: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 in hexadecimal of all outputs, in order of names; of each, column by column, as int32."""
    digest = hashlib.sha256()
    for name in sorted(outputs):
        digest.update(np.ascontiguousarray(outputs[name].T).astype("<i4").tobytes())
    return digest.hexdigest()
