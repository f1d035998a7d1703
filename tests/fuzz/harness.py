"""What the targets beside it have in common: a door, its seeds, and atheris."""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from types import FunctionType

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE), str(HERE.parent.parent)]

try:
    import atheris
except ImportError:
    sys.exit("atheris is not installed: pip install -e '.[fuzz]' (Linux, CPython up to what it has wheels for)")

# Numba compiles what it is given: kernels, and the modules that they stand in, are imported as they are; in these the
# functions that are plain Python are watched one by one, and what is imported afterwards as a whole
import spikey_cli.coders.range  # noqa: E402
import spikey_cli.middle_out  # noqa: E402
import spikey_cli.steps  # noqa: E402
from spikey_cli import grid, peers, topology, varint, wav  # noqa: E402

for _module in (grid, peers, topology, varint, wav):
    for _function in vars(_module).values():
        if isinstance(_function, FunctionType) and not hasattr(_function, "__wrapped__"):
            atheris.instrument_func(_function)
for _coder in ("rice", "huffman", "bzip2", "residual", "entries", "raw", "orders", "listed", "wide", "bits"):
    importlib.import_module(f"spikey_cli.coders.{_coder}")
with atheris.instrument_imports(include=["spikey_cli"]):
    import spikey_cli.codec
    import spikey_cli.compressor
    import spikey_cli.decompressor
    import spikey_cli.description
    import spikey_cli.live.decoder
    import spikey_cli.salvage  # noqa: F401

from doors import DOORS  # noqa: E402
from seeds import seeds_of  # noqa: E402


def fuzz(door: str) -> None:
    """Fuzz a door until libFuzzer's options, the words of the command, end it, or something is found."""
    take = DOORS[door]
    seeds = seeds_of(door) + [path.read_bytes() for path in sorted((HERE.parent / "regressions").glob(f"{door}-*"))]
    with tempfile.TemporaryDirectory(prefix="spikey-corpus-") as corpus:
        for i, seed in enumerate(seeds):
            take(seed)  # kernels are compiled before the clock runs
            (Path(corpus) / f"seed{i}").write_bytes(seed)
        defaults = ["-timeout=20", "-rss_limit_mb=3000", "-max_len=8192", f"-artifact_prefix={door}-"]
        atheris.Setup([sys.argv[0], *defaults, *sys.argv[1:], corpus], take)
        atheris.Fuzz()
