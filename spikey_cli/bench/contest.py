"""All codecs over the same files, in turns: a run that is not counted, then as many as asked for.

Spikey and other programs are timed as whole processes, start and all, and every restored file is compared with what it
was made from. Other codecs get the samples as they are and, as rows of their own, the codes of their grid: most of what
a grid such as N1's is worth can then be had by any of them.
"""

from __future__ import annotations

import filecmp
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..codec.scan import ScannedSource, scan
from ..errors import InputError
from ..io.layout import sample_dtype, samples_to_bytes
from .commands import COMMANDS, Command
from .libraries import LIBRARIES, Library, Recording, open_pool
from .row import Row

SPIKEY = [sys.executable, "-m", "spikey_cli"]
RIVALS: tuple[Command | Library, ...] = (*COMMANDS, *LIBRARIES)

Run = Callable[[Row, bool], None]
"""Packs and unpacks everything once; keeps its times in the row where they are counted."""


@dataclass(frozen=True)
class Material:
    """What codecs are given: WAV files, and the same samples as raw binary."""

    takes: str
    wavs: list[Path]
    recordings: list[Recording]
    """Of those files that are of 16 bits."""


class Contest:
    """Files, and who codes them. `work` is an empty folder with room for some copies of all files."""

    def __init__(self, files: Sequence[Path], work: Path) -> None:
        """Raises InputError where a file cannot be read, or is no WAV that is predicted."""
        self._work = work
        self.files = list(files)
        self._sources = [_look(file) for file in files]
        self.samples = sum(source.layout.n_frames * source.channels for source in self._sources if source.layout)
        self.source_bytes = sum(source.size for source in self._sources)
        self.rows: list[Row] = []
        self._runs: list[Run] = []
        self._pools = ExitStack()
        self._pool: ProcessPoolExecutor | None = None

    def add_spikey(self, coder: str, *, verify: bool = False) -> None:
        """Let Spikey take part with a coder, and a model where one stands behind a colon: `range:n1-peers`.

        Other codecs do not decode what they have packed, and neither does Spikey without `verify`.
        """
        name, _, model = coder.partition(":")
        words = ["--coder", name, *(["--model", model] if model else []), *([] if verify else ["--no-verify"])]

        def run(row: Row, counted: bool) -> None:
            archive, restored = self._empty("archive") / "out.spk", self._empty("restored")
            _timed_spikey(row, "pack", ["compress", "-q", *words, *self.files, archive], counted)
            row.packed_bytes = archive.stat().st_size
            _timed_spikey(row, "unpack", ["decompress", "-q", archive, restored], counted)
            _check_same(row.name, self.files, restored)

        self._add(f"spikey {' '.join(words)}", "samples", run)

    def add_rivals(self, rivals: Sequence[Command | Library]) -> None:
        """Let others take part, with samples and with codes."""
        samples = self._material("samples", self.files)
        codes = self._material("codes", self._write_codes(self._empty("codes")))
        for rival in rivals:
            for material in (codes, samples):
                self._add(rival.name, material.takes, self._run_of(rival, material))

    def take_place(self, repeats: int, tell: Callable[[str], None]) -> None:
        """Let all take turns, `repeats` times after a first one; `tell` hears who has done a round."""
        with self._pools:
            for repeat in range(repeats + 1):
                for row, run in zip(self.rows, self._runs, strict=True):
                    tell(f"round {repeat} of {repeats}: {row.name}, {row.takes}")
                    run(row, repeat > 0)

    def _add(self, name: str, takes: str, run: Run) -> None:
        self.rows.append(Row(name, takes, self.samples, self.source_bytes))
        self._runs.append(run)

    def _empty(self, name: str) -> Path:
        folder = self._work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def _material(self, takes: str, wavs: list[Path]) -> Material:
        folder = self._empty(f"raw-{takes}")
        recordings = []
        for wav, source in zip(wavs, self._sources, strict=True):
            layout = source.layout
            if layout is not None and layout.sample_bytes == 2:
                data = wav.read_bytes()[layout.data_offset :][: layout.n_frames * layout.frame_bytes]
                path = folder / f"{wav.name}.bin"
                path.write_bytes(data)
                recordings.append(Recording(path, layout))
        return Material(takes, wavs, recordings)

    def _write_codes(self, folder: Path) -> list[Path]:
        """The same recordings with codes, less the middle of their grid, in place of the samples."""
        written = []
        for source in self._sources:
            layout = source.layout
            assert layout is not None
            codes = source.codes(source.read_frames(0, layout.n_frames)).T - source.quantizer.size // 2
            path = folder / source.name
            data = samples_to_bytes(codes.astype(sample_dtype(layout.sample_bytes)), layout.sample_bytes)
            path.write_bytes(layout.header + data + layout.trailer)
            written.append(path)
        return written

    def _run_of(self, rival: Command | Library, material: Material) -> Run:
        if isinstance(rival, Command):
            return lambda row, counted: self._run_command(rival, material, row, counted)
        if len(material.recordings) < len(self.files):
            raise InputError(f"{rival.name} packs 16-bit samples only; leave it out with --rivals, or the files")
        return lambda row, counted: self._run_library(rival, material, row, counted)

    def _run_command(self, rival: Command, material: Material, row: Row, counted: bool) -> None:
        packed, restored = self._empty("packed"), self._empty("restored")
        inputs = material.wavs
        if rival.works_in_place:
            inputs = [Path(shutil.copy(file, packed)) for file in material.wavs]
            restored = packed
        _timed(row, "pack", lambda: rival.pack(inputs, packed), counted)
        row.packed_bytes = sum(path.stat().st_size for path in rival.packed(packed))
        if rival.works_in_place:
            for file in inputs:
                file.unlink()
        _timed(row, "unpack", lambda: rival.unpack(packed, restored), counted)
        _check_same(row.name, material.wavs, restored)

    def _run_library(self, rival: Library, material: Material, row: Row, counted: bool) -> None:
        packed, restored = self._empty("packed"), self._empty("restored")
        pool = self._pool = self._pool or self._pools.enter_context(open_pool())
        _timed(row, "pack", lambda: rival.pack(material.recordings, packed, pool), counted)
        row.packed_bytes = sum(path.stat().st_size for path in packed.iterdir())
        _timed(row, "unpack", lambda: rival.unpack(packed, restored, pool), counted)
        _check_same(row.name, [recording.path for recording in material.recordings], restored)


def _look(file: Path) -> ScannedSource:
    source = scan(file, file.name)
    if source.layout is None or source.layout.n_frames == 0:
        raise InputError(f"{file}: holds no samples that are predicted; leave it out")
    return source


def _timed(row: Row, way: str, work: Callable[[], object], counted: bool) -> None:
    started = time.perf_counter()
    work()
    if counted:
        row.seconds[way].append(time.perf_counter() - started)


def _timed_spikey(row: Row, way: str, arguments: Sequence[str | Path], counted: bool) -> None:
    """Time the command as a process of its own, and keep its peak memory where the system tells."""

    def run() -> None:
        process = subprocess.Popen([*SPIKEY, *map(str, arguments)])
        if hasattr(os, "wait4"):
            _, status, usage = os.wait4(process.pid, 0)
            unit = 1 if sys.platform == "darwin" else 1024
            row.peak_bytes[way] = max(row.peak_bytes.get(way, 0), usage.ru_maxrss * unit)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.wait():
            raise InputError(f"spikey {' '.join(map(str, arguments[:4]))} ... failed; see above")

    _timed(row, way, run, counted)


def _check_same(name: str, originals: Sequence[Path], restored: Path) -> None:
    for original in originals:
        found = restored / original.name
        if not found.exists() or not filecmp.cmp(original, found, shallow=False):
            raise InputError(f"{name}: {original.name} did not come back as it was")


def own_work(file: Path, coder: str, work: Path, repeats: int) -> Row:
    """Times of the codec's own work on one file, in a process that is warm."""
    from ..api.compress import compress
    from ..api.decompress import decompress
    from ..model.predictor import find_model

    source = _look(file)
    assert source.layout is not None
    name, _, model = coder.partition(":")
    predictor = find_model(model) if model else None
    row = Row(f"spikey --coder {coder}", "samples", source.layout.n_frames * source.channels, source.size)
    archive, restored = work / "own.spk", work / "own"
    for repeat in range(repeats + 1):
        _timed(
            row,
            "pack",
            lambda: compress([file], archive, coder=name, predictor=predictor, force=True, verify=False),
            repeat > 0,
        )
        row.packed_bytes = archive.stat().st_size
        _timed(row, "unpack", lambda: decompress(archive, restored, force=True), repeat > 0)
    _check_same(row.name, [file], restored)
    return row


def describe_machine() -> str:
    """Processor and versions, for whoever reads the figures."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    cpu = names[0].split(":")[1].strip() if names else platform.processor()
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "numba", "onnxruntime")]
    return f"{os.cpu_count()} x {cpu}, Python {platform.python_version()}, {', '.join(versions)}"
