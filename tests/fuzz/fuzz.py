"""Fuzz one target with atheris: python tests/fuzz/fuzz.py TARGET [options of libFuzzer] [files or folders].

`all` in place of a target fuzzes one after the other until one fails. Without arguments it lists the targets.
README.md in this folder says what each of them takes.

atheris is guided by coverage of Python code and sees nothing of the compiled core.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]

try:
    import atheris
except ImportError:
    sys.exit("atheris is not installed: pip install -e '.[fuzz]' (Linux only, not for every version of CPython)")

with atheris.instrument_imports(include=["spikey_cli"]):
    import targets
    from seeds import seeds_of

_MIN_LENGTH = 8192
"""Inputs may have at least so many bytes."""


def fuzz(name: str, arguments: list[str]) -> None:
    """Fuzz a target until libFuzzer's options end it, or it finds something."""
    target = targets.TARGETS[name]
    seeds = seeds_of(name) + [path.read_bytes() for path in sorted((HERE / "regressions").glob(f"{name}-*"))]
    with tempfile.TemporaryDirectory(prefix="spikey-corpus-") as corpus:
        for i, seed in enumerate(seeds):
            with atheris.instrument_imports(include=["spikey_cli"]):
                target(seed)  # imports what the target needs before its time is limited
            (Path(corpus) / f"seed{i}").write_bytes(seed)
        options = [
            "-timeout=20",
            "-rss_limit_mb=3000",
            f"-max_len={max(_MIN_LENGTH, *map(len, seeds))}",
            f"-artifact_prefix={name}-",
            *arguments,
        ]
        if not any(Path(word).is_file() for word in arguments):  # given files, libFuzzer runs these and no others
            options.append(corpus)
        atheris.Setup([sys.argv[0], *options], target)
        atheris.Fuzz()


def fuzz_all(arguments: list[str]) -> None:
    """Fuzz every target in a fork, which has imported the package: that takes longer than some hundred inputs."""
    for name in targets.TARGETS:
        print(f"== {name}", flush=True)
        if (process := os.fork()) == 0:
            fuzz(name, arguments)
            os._exit(0)
        if status := os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]):
            sys.exit(f"{name} failed with status {status}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["all"]:
        fuzz_all(sys.argv[2:])
    elif sys.argv[1:2] == [] or sys.argv[1] not in targets.TARGETS:
        sys.exit(f"usage: fuzz.py TARGET|all [options of libFuzzer]; targets: {' '.join(targets.TARGETS)}")
    else:
        fuzz(sys.argv[1], sys.argv[2:])
