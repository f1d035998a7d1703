"""What the targets beside it have in common: a door, its seeds, and atheris.

Kernels are left to the interpreter, and so lead the search like all else; Numba's code is not seen into.
NUMBA_DISABLE_JIT=0 compiles them instead, and nothing leads it: that is for inputs that were found without.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE), str(HERE.parent.parent)]

try:
    import atheris
except ImportError:
    sys.exit("atheris is not installed: pip install -e '.[fuzz]' (Linux, CPython up to what it has wheels for)")

os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # read as Numba is imported

import numpy as np  # noqa: E402
from numba import config  # noqa: E402


def _watched() -> contextlib.AbstractContextManager[None]:
    """Where what is imported of the package is watched."""
    return atheris.instrument_imports(include=["spikey_cli"]) if config.DISABLE_JIT else contextlib.nullcontext()


with _watched():
    import doors
    from seeds import seeds_of

    from spikey_cli.container.limits import DEFAULT_EXPANSION, Limits

_LEAST_BYTES = 8192
_SLOWER = 128
"""How much slower than compiled kernels the interpreter is, about: what may be asked of it is less by as much."""


def fuzz(door: str) -> None:
    """Fuzz a door until libFuzzer's options, the words of the command, end it, or something is found."""
    if config.DISABLE_JIT:
        np.seterr(over="ignore")  # kernels count on integers that wrap around
        doors.LIMITS = Limits(expansion=DEFAULT_EXPANSION // _SLOWER)
        doors.CHUNK_BYTES //= _SLOWER
    timeout = 120 if config.DISABLE_JIT else 20
    take = doors.DOORS[door]
    seeds = seeds_of(door) + [path.read_bytes() for path in sorted((HERE / "regressions").glob(f"{door}-*"))]
    with tempfile.TemporaryDirectory(prefix="spikey-corpus-") as corpus:
        for i, seed in enumerate(seeds):
            with _watched():
                take(seed)  # what is imported late is watched as well; what is compiled, is before the clock runs
            (Path(corpus) / f"seed{i}").write_bytes(seed)
        longest = max(_LEAST_BYTES, *map(len, seeds))
        words = [
            f"-timeout={timeout}",
            "-rss_limit_mb=3000",
            f"-max_len={longest}",
            f"-artifact_prefix={door}-",
            *sys.argv[1:],
        ]
        if not any(Path(word).is_file() for word in sys.argv[1:]):  # files are taken once, and nothing else is
            words.append(corpus)
        atheris.Setup([sys.argv[0], *words], take)
        atheris.Fuzz()
