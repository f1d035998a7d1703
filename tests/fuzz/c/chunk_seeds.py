"""Seeds of fuzz_chunk.c, small chunks whose tables are not compressed: `python tests/fuzz/c/chunk_seeds.py FOLDER`."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from support.chunks import chunks

from spikey_cli.container import packing

MOST_BYTES = 16_000


def _stored(fields: Sequence[bytes], strategy: int) -> bytes:
    deflate = zlib.compressobj(0, zlib.DEFLATED, -15)
    return deflate.compress(b"".join(fields)) + deflate.flush()


if __name__ == "__main__":
    packing._deflated = _stored
    for i, (_, data) in enumerate(chunks().values()):
        if len(data) <= MOST_BYTES:
            Path(sys.argv[1], str(i)).write_bytes(data)
