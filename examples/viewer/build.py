#!/usr/bin/env python3
"""Build the viewer: python examples/viewer/build.py [FOLDER].

Writes spikey.wasm, the C library for browsers, and spikey.html, the page with all that it needs in one file. By default
they are written beside this file. Needs `pip install ziglang`, a C compiler that brings what WebAssembly needs.
"""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORE = HERE.parent.parent / "spikey_cli" / "core" / "c"
EXPORTS = ["malloc", "free", "spikey_ends", "spikey_open", "spikey_close", "spikey_recordings", "spikey_recording"]
EXPORTS += [
    "spikey_parts",
    "spikey_part",
    "spikey_positions",
    "spikey_groups",
    "spikey_decode_block",
    "spikey_error_text",
]
FLAGS = ["-target", "wasm32-wasi", "-mexec-model=reactor", "-std=c11", "-O2", "-msimd128", "-fvisibility=hidden"]
FLAGS += ["-ffp-contract=off", "-fno-fast-math", "-Wno-psabi", "-Wl,--strip-all", "-Wl,-z,stack-size=524288"]


def build_wasm(path: Path) -> None:
    """Compile the library, but for what belongs to the Python module."""
    sources = [
        source for source in sorted(CORE.glob("*.c")) if not source.name.startswith(("vector_", "module", "hdf5_"))
    ]
    exports = [f"-Wl,--export={name}" for name in EXPORTS]
    subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", *FLAGS, *exports, *map(str, sources), "-o", str(path)], check=True
    )


def build_page(wasm: Path, path: Path) -> None:
    """Put scripts and library into the page."""
    scripts = {name: (HERE / name).read_text(encoding="utf-8") for name in ("archive.js", "worker.js", "viewer.js")}
    inlined = (
        f'<script type="text/plain" id="worker">\n{scripts["archive.js"]}{scripts["worker.js"]}</script>\n'
        f'<script type="text/plain" id="wasm">{base64.b64encode(wasm.read_bytes()).decode()}</script>\n'
        f"<script>\n{scripts['viewer.js']}</script>"
    )
    page = (HERE / "index.html").read_text(encoding="utf-8")
    page, count = re.subn(r'<script src="viewer\.js"></script>', lambda _: inlined, page)
    assert count == 1
    path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if sys.argv[1:] else HERE
    folder.mkdir(parents=True, exist_ok=True)
    build_wasm(folder / "spikey.wasm")
    build_page(folder / "spikey.wasm", folder / "spikey.html")
    for name in ("spikey.wasm", "spikey.html"):
        print(f"{folder / name}: {(folder / name).stat().st_size} bytes")
