"""Seeds of fuzz_archive.c, the golden archives with tables that are not compressed: `archive_seeds.py FOLDER`."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from support.archive_builder import Content
from support.paths import GOLDEN

from spikey_cli.container import packing


def _stored(fields: Sequence[bytes], strategy: int) -> bytes:
    deflate = zlib.compressobj(0, zlib.DEFLATED, -15)
    return deflate.compress(b"".join(fields)) + deflate.flush()


if __name__ == "__main__":
    deflated = packing._deflated
    for path in sorted(GOLDEN.glob("r*-*.spk")):
        if path.name.startswith("refused"):
            continue
        for kind in ("stored", "lzma"):
            packing._LZMA_BYTES = 0 if kind == "lzma" else 1 << 60
            packing._deflated = _stored if kind == "stored" else lambda *how: deflated(*how) + bytes(10_000)
            Path(sys.argv[1], f"{path.stem}-{kind}").write_bytes(Content.of(path).parts().pack())
