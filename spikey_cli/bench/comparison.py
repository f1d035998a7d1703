"""Several codecs on the same files: they take turns, a warm-up run first, then the counted runs.

Spikey and other programs are timed as whole processes, including their start. Every restored file is compared with its
original. Other codecs run twice: on the samples as they are, and on the codes of their quantizer, which gives them most
of the gain of a quantizer such as N1's.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..api.compress import Encoding, compress
from ..api.decompress import decompress
from ..codec.scan import ScannedSource, scan
from ..errors import InputError
from ..io.layout import sample_dtype, samples_to_bytes
from ..model.predictor import find_model
from .packages import PACKAGES, Package, RawRecording, open_pool
from .programs import PROGRAMS, Program
from .row import Row

SPIKEY = [sys.executable, "-m", "spikey_cli"]
OTHER_CODECS: tuple[Program | Package, ...] = (*PROGRAMS, *PACKAGES)

Run = Callable[[Row, bool], None]
"""Compresses and decompresses everything once, and adds the times to the row if its second argument is true."""


@dataclass(frozen=True)
class InputSet:
    """What other codecs get: WAV files, and the same samples as raw binary."""

    name: str
    """Either `samples` or `codes`."""
    wavs: list[Path]
    recordings: list[RawRecording]
    """Of the files with 16-bit samples."""


class Comparison:
    """Codecs that are measured on the same files.

    Parameters
    ----------
    files : sequence of Path
        WAV files.
    work : Path
        An empty folder with room for some copies of all files.

    Raises
    ------
    InputError
        A file cannot be read or holds no samples that can be predicted.

    Attributes
    ----------
    rows : list of Row
        The measurements, in the order in which codecs were added.
    """

    def __init__(self, files: Sequence[Path], work: Path) -> None:
        self._work = work
        self.files = list(files)
        self._sources = [_scan(file) for file in files]
        self.samples = sum(source.layout.n_frames * source.channels for source in self._sources if source.layout)
        self.source_bytes = sum(source.size for source in self._sources)
        self.rows: list[Row] = []
        self._runs: list[Run] = []
        self._resources = ExitStack()
        self._pool: ProcessPoolExecutor | None = None

    def add_spikey(self, coder: str, *, verify: bool = False) -> None:
        """Add Spikey with a coder, and with a model if one follows a colon: `range:n1-peers`.

        Other codecs do not decode what they have compressed; neither does Spikey unless `verify` is true.
        """
        name, _, model = coder.partition(":")
        options = ["--coder", name, *(["--model", model] if model else []), *([] if verify else ["--no-verify"])]

        def run(row: Row, counted: bool) -> None:
            archive, restored = self._new_folder("archive") / "out.spk", self._new_folder("restored")
            _time_spikey(row, "compress", ["compress", "-q", *options, *self.files, archive], counted)
            row.compressed_bytes = archive.stat().st_size
            _time_spikey(row, "decompress", ["decompress", "-q", archive, restored], counted)
            _check_same(row.name, self.files, restored)

        self._add(f"spikey {' '.join(options)}", "samples", run)

    def add_others(self, codecs: Sequence[Program | Package]) -> None:
        """Add other codecs, each on codes and on samples."""
        samples = self._input_set("samples", self.files)
        codes = self._input_set("codes", self._write_codes(self._new_folder("codes")))
        for codec in codecs:
            for inputs in (codes, samples):
                self._add(codec.name, inputs.name, self._run_of(codec, inputs))

    def run(self, repeats: int, report: Callable[[str], None]) -> None:
        """Run all codecs in turn, once to warm up and `repeats` times counted; `report` gets a line before each."""
        with self._resources:
            for repeat in range(repeats + 1):
                for row, run in zip(self.rows, self._runs, strict=True):
                    report(f"round {repeat} of {repeats}: {row.name}, {row.input}")
                    run(row, repeat > 0)

    def _add(self, name: str, inputs: str, run: Run) -> None:
        self.rows.append(Row(name, inputs, self.samples, self.source_bytes))
        self._runs.append(run)

    def _new_folder(self, name: str) -> Path:
        folder = self._work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def _input_set(self, name: str, wavs: list[Path]) -> InputSet:
        folder = self._new_folder(f"raw-{name}")
        recordings = []
        for wav, source in zip(wavs, self._sources, strict=True):
            layout = source.layout
            if layout is not None and layout.sample_bytes == 2:
                data = wav.read_bytes()[layout.data_offset :][: layout.n_frames * layout.frame_bytes]
                path = folder / f"{wav.name}.bin"
                path.write_bytes(data)
                recordings.append(RawRecording(path, layout))
        return InputSet(name, wavs, recordings)

    def _write_codes(self, folder: Path) -> list[Path]:
        """Copies of the recordings with codes, centred on zero, in place of the samples."""
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

    def _run_of(self, codec: Program | Package, inputs: InputSet) -> Run:
        if isinstance(codec, Program):
            return lambda row, counted: self._run_program(codec, inputs, row, counted)
        if len(inputs.recordings) < len(self.files):
            raise InputError(
                f"{codec.name} takes only 16-bit samples, which not all files have; leave out the codec or the files",
                parameter="rivals",
            )
        return lambda row, counted: self._run_package(codec, inputs, row, counted)

    def _run_program(self, codec: Program, inputs: InputSet, row: Row, counted: bool) -> None:
        folder, restored = self._new_folder("compressed"), self._new_folder("restored")
        files = inputs.wavs
        if codec.works_in_place:
            files = [Path(shutil.copy(file, folder)) for file in inputs.wavs]
            restored = folder
        _time(row, "compress", lambda: codec.compress(files, folder), counted)
        row.compressed_bytes = sum(path.stat().st_size for path in codec.outputs(folder))
        if codec.works_in_place:
            for file in files:
                file.unlink()
        _time(row, "decompress", lambda: codec.decompress(folder, restored), counted)
        _check_same(row.name, inputs.wavs, restored)

    def _run_package(self, codec: Package, inputs: InputSet, row: Row, counted: bool) -> None:
        folder, restored = self._new_folder("compressed"), self._new_folder("restored")
        pool = self._pool = self._pool or self._resources.enter_context(open_pool())
        _time(row, "compress", lambda: codec.compress(inputs.recordings, folder, pool), counted)
        row.compressed_bytes = sum(path.stat().st_size for path in folder.iterdir())
        _time(row, "decompress", lambda: codec.decompress(folder, restored, pool), counted)
        _check_same(row.name, [recording.path for recording in inputs.recordings], restored)


def _scan(file: Path) -> ScannedSource:
    source = scan(file)
    if source.layout is None or source.layout.n_frames == 0:
        raise InputError(f"{file}: holds no samples that can be predicted; leave it out")
    return source


def _time(row: Row, direction: str, work: Callable[[], object], counted: bool) -> None:
    started = time.perf_counter()
    work()
    if counted:
        row.seconds[direction].append(time.perf_counter() - started)


def _time_spikey(row: Row, direction: str, arguments: Sequence[str | Path], counted: bool) -> None:
    """Time the command as a separate process, and record its peak memory where the system reports it."""

    def run() -> None:
        process = subprocess.Popen([*SPIKEY, *map(str, arguments)])
        if hasattr(os, "wait4"):
            _, status, usage = os.wait4(process.pid, 0)
            unit = 1 if sys.platform == "darwin" else 1024
            row.peak_bytes[direction] = max(row.peak_bytes.get(direction, 0), usage.ru_maxrss * unit)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.wait():
            raise InputError(f"spikey {' '.join(map(str, arguments[:4]))} ... failed; its message is above")

    _time(row, direction, run, counted)


def _check_same(name: str, originals: Sequence[Path], restored: Path) -> None:
    for original in originals:
        copy = restored / original.name
        if not copy.exists() or not filecmp.cmp(original, copy, shallow=False):
            raise InputError(f"{name}: the restored {original.name} differs from the original; leave out this codec")


def time_in_process(file: Path, coder: str, work: Path, repeats: int) -> Row:
    """Time `compress` and `decompress` on one file within this process, without its start and imports.

    Parameters
    ----------
    file : Path
    coder : str
        As in `Comparison.add_spikey`.
    work : Path
        An empty folder.
    repeats : int
        Number of runs after a warm-up run.

    Returns
    -------
    Row
    """
    source = _scan(file)
    assert source.layout is not None
    name, _, model = coder.partition(":")
    predictor = find_model(model) if model else None
    row = Row(f"spikey --coder {coder}", "samples", source.layout.n_frames * source.channels, source.size)
    archive, restored = work / "one.spk", work / "one"
    for repeat in range(repeats + 1):
        _time(
            row,
            "compress",
            lambda: compress([file], archive, coder=Encoding(name, predictor), force=True, verify=False),
            repeat > 0,
        )
        row.compressed_bytes = archive.stat().st_size
        _time(row, "decompress", lambda: decompress(archive, restored, force=True), repeat > 0)
    _check_same(row.name, [file], restored)
    return row
