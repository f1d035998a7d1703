"""Decoding in a browser, beside the same library as native code: `python benchmarks/browser.py ARCHIVE.spk`.

Prints the size of the library and of the page, and the time that a sample of the archive takes on one thread: in
Chromium, and natively. Needs ziglang and Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))

from support.browser import Browser  # noqa: E402
from support.c_archive import Archive  # noqa: E402
from support.web_server import WebServer  # noqa: E402

SCRIPT = """
(async () => {
  (0, eval)(await (await fetch("archive.js")).text() + "; globalThis.Library = SpikeyLibrary");
  const library = await Library.load(await (await fetch("spikey.wasm")).arrayBuffer());
  const data = new Uint8Array(await (await fetch("archive.spk")).arrayBuffer());
  const archive = await library.archive({ size: data.length, read: async (first, stop) => data.subarray(first, stop) });
  let time = Infinity;
  for (let again = 0; again < 3; again++) {
    const begin = performance.now();
    for (const block of new Set(archive.parts.map((part) => part.block))) {
      const parts = archive.parts.filter((part) => part.block === block && archive.recordings[part.recording].type);
      const channels = (part) => [...Array(archive.recordings[part.recording].channels).keys()];
      if (parts.length) archive.decode(block, data.subarray(parts[0].offset, parts[0].offset + parts[0].bytes),
        parts.flatMap((part) => channels(part).map((channel) => [part, channel])));
    }
    time = Math.min(time, performance.now() - begin);
  }
  return 1e6 * time;
})()
"""


def main() -> None:
    data = Path(sys.argv[1]).read_bytes()
    archive = Archive(data)
    native = float("inf")
    for _ in range(3):
        begin = time.perf_counter_ns()
        samples = sum(archive.decode_blocks())
        native = min(native, time.perf_counter_ns() - begin)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, ROOT / "examples" / "viewer" / "build.py", folder]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        shutil.copy(ROOT / "examples" / "viewer" / "archive.js", folder)
        (folder / "archive.spk").write_bytes(data)
        (folder / "page.html").write_text("<!doctype html>")
        with WebServer(folder) as server, Browser(f"{server.url}/page.html") as browser:
            in_browser = browser.evaluate(SCRIPT)
    print(f"{samples} samples: {in_browser / samples:.0f} ns a sample in Chromium, {native / samples:.0f} ns natively")


if __name__ == "__main__":
    main()
