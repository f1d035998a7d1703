"""The viewer in a headless browser, and its library without one."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from support.archive_builder import Content
from support.archive_mutator import mutated
from support.browser import Browser, find_browser
from support.c_archive import CError, Recording, expected_of, read
from support.paths import EXAMPLES, GOLDEN
from support.recordings import neural, wav_bytes
from support.web_server import WebServer

import spikey_cli

VIEWER = EXAMPLES / "viewer"
ARCHIVES = [
    "rice-session",
    "range-widths",
    "range-scaled",
    "range-records",
    "range-blocks",
    "huffman-probe",
    "chunk-samples",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ziglang") is None, reason="the package ziglang, which compiles it, is not installed"),
]
needs_browser = pytest.mark.skipif(find_browser() is None, reason="Chromium is not installed")

DIGESTS = """
(async () => {
  const digests = [];
  for (const [i, own] of recordings.entries()) {
    if (!own.type) continue;
    const planes = [];
    for (let channel = 0; channel < own.channels; channel++) planes.push(await samples(i, channel));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob(planes).arrayBuffer()));
    digests.push([own.name, own.rate, [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("")]);
  }
  return digests;
})()
"""
SHOWN = "document.getElementById('error').textContent || (shown && !shown.left)"


def digests_of(recordings: list[Recording]) -> list[list[object]]:
    return [
        [one.name, one.rate, hashlib.sha256(np.ascontiguousarray(one.samples.T).tobytes()).hexdigest()]
        for one in recordings
    ]


def text_of(browser: Browser, element: str) -> str:
    return str(browser.evaluate(f"document.getElementById('{element}').textContent"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the viewer and some archives."""
    folder = tmp_path_factory.mktemp("viewer")
    subprocess.run([sys.executable, VIEWER / "build.py", folder], check=True, capture_output=True)
    for name in ("index.html", "viewer.js", "worker.js", "archive.js"):
        shutil.copy(VIEWER / name, folder)
    for name in ARCHIVES:
        shutil.copy(GOLDEN / f"{name}.spk", folder)
    recording = neural(np.random.default_rng(0), 60_000, 4)
    recording[30_000, 2] = 1023  # one sample that must be seen
    (folder / "probe.wav").write_bytes(wav_bytes(recording, rate=30_000))
    spikey_cli.compress([folder / "probe.wav"], folder / "probe.spk")
    return folder


@needs_browser
@pytest.mark.parametrize("has_ranges", [True, False])
def test_archives_at_a_url(page: Path, has_ranges: bool) -> None:
    with WebServer(page) as server:
        server.has_ranges = has_ranges
        with Browser(f"{server.url}/index.html") as browser:
            for name in ARCHIVES if has_ranges else ARCHIVES[:1]:
                browser.evaluate(f"openUrl('{name}.spk')")
                assert browser.evaluate(DIGESTS) == digests_of(expected_of(page / f"{name}.spk")), name
                assert text_of(browser, "error") == ""


@needs_browser
def test_each_column_has_its_least_and_its_greatest_sample(page: Path) -> None:
    samples = expected_of(page / "probe.spk")[0].samples
    with WebServer(page) as server, Browser(f"{server.url}/index.html?url=probe.spk") as browser:
        browser.wait_for(SHOWN)
        browser.evaluate("first = 0, last = frames, update(), new Promise(requestAnimationFrame)")
        browser.wait_for(f"shown.step * shown.traces[0].length / 2 > {len(samples) - 1} && !shown.left")
        step, traces = browser.evaluate("[shown.step, shown.traces.map((trace) => [...trace])]")
        edges = np.floor(np.arange(len(traces[0]) // 2 + 1) * step).astype(int)
        for channel, trace in enumerate(np.array(traces).reshape(4, -1, 2)):
            for begin, end, (least, most) in zip(edges, edges[1:], trace, strict=False):
                own = samples[begin:end, channel]
                assert (own.min(), own.max()) == (least, most), (channel, begin)
        assert max(traces[2]) == 1023
        painted = "canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.filter((x) => x).length"
        assert browser.evaluate(painted) > 10_000


@needs_browser
def test_keys(page: Path) -> None:
    with WebServer(page) as server, Browser(f"{server.url}/index.html?url=probe.spk") as browser:
        browser.wait_for(SHOWN)
        assert text_of(browser, "status") == "4 of 4 channels, 0.000 s to 2.000 s of 2.000 s"
        browser.evaluate("canvas.focus()")
        for key in ("+", "+", "ArrowRight", "["):
            browser.press(key)
        browser.wait_for("document.getElementById('status').textContent.startsWith('3 of 4 channels')")
        begin, end = browser.evaluate("[first / rate, last / rate]")
        assert end - begin == pytest.approx(2 / 1.5**2)
        assert begin == pytest.approx(1 - (end - begin) / 2 + (end - begin) / 4)


@needs_browser
def test_one_file_without_a_server(page: Path) -> None:
    data = base64.b64encode((page / "rice-session.spk").read_bytes()).decode()
    with Browser((page / "spikey.html").as_uri()) as browser:
        browser.evaluate(f"open(new File([Uint8Array.from(atob('{data}'), (c) => c.charCodeAt(0))], 'a.spk'), 'a.spk')")
        values = browser.evaluate("samples(1, 0).then((values) => [...values])")
    assert values == expected_of(page / "rice-session.spk")[1].samples[:, 0].tolist()


@needs_browser
def test_errors_are_told(page: Path) -> None:
    whole = (page / "rice-session.spk").read_bytes()
    (page / "cut.spk").write_bytes(whole[:-1])
    (page / "none.spk").write_bytes(bytes(1000))
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    (page / "damaged.spk").write_bytes(damaged)
    (page / "peers.spk").write_bytes((GOLDEN / "range-probe.spk").read_bytes())
    expected = {
        "absent": "the server answers 404",
        "cut": "its end is missing",
        "none": "not a Spikey archive",
        "damaged": "some channels cannot be decoded",
        "peers": "its model is none of this library",
    }
    with WebServer(page) as server, Browser(f"{server.url}/index.html") as browser:
        for name, text in expected.items():
            browser.evaluate(f"openUrl('{name}.spk')")
            browser.wait_for("document.getElementById('error').textContent")
            assert text in text_of(browser, "error")


IN_NODE = """
const fs = require("fs"), crypto = require("crypto"), [, wasm, module, ...paths] = process.argv;
const { SpikeyError, SpikeyLibrary } = require(module);

async function digests(library, path) {
  const data = fs.readFileSync(path), read = async (first, stop) => data.subarray(first, stop);
  const archive = await library.archive({ size: data.length, read });
  try {
    return archive.recordings.filter((own) => own.type).map((own) => {
      const digest = crypto.createHash("sha256");
      for (let channel = 0; channel < own.channels; channel++)
        for (const part of own.parts) {
          const block = data.subarray(part.offset, part.offset + part.bytes);
          digest.update(archive.decode(part.block, block, [[part, channel]])[0]);
        }
      return [own.name, own.rate, digest.digest("hex")];
    });
  } finally {
    archive.close();
  }
}

(async () => {
  const library = await SpikeyLibrary.load(fs.readFileSync(wasm)), all = {};
  for (const path of paths)
    all[path] = await digests(library, path).catch((error) => {
      if (!(error instanceof SpikeyError)) throw error;
      return error.message;
    });
  console.log(JSON.stringify(all));
})();
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_the_library_in_node(page: Path, tmp_path: Path) -> None:
    """It reads and refuses what the library as native code does, where sizes have 32 bits."""
    paths = [page / f"{name}.spk" for name in [*ARCHIVES, "probe"]]
    contents = [Content.of(page / f"{name}.spk") for name in ARCHIVES]
    for seed in range(60):
        paths.append(tmp_path / f"{seed}.spk")
        paths[-1].write_bytes(mutated(contents[seed % len(contents)], np.random.default_rng(seed)))
    command = ["node", "-e", IN_NODE, page / "spikey.wasm", VIEWER / "archive.js", *paths]
    actual = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    for path in paths:
        try:
            expected: object = digests_of(read(path))
        except CError as error:
            expected = error.args[1]
        assert actual[str(path)] == expected, path
    assert all(actual[str(path)] == digests_of(expected_of(path)) for path in paths[: len(ARCHIVES)])
