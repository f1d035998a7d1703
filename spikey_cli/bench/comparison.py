"""Several codecs on the same files: they take turns, a warm-up run first, then the counted runs.

Programs are timed as whole processes, including their start, and Python packages without it. So is Spikey, as one or
the other. Every restored recording is compared with its original. Other codecs run twice where samples have a
quantizer: on the samples as they are, and on its codes, which gives them most of the gain of a quantizer such as N1's.
A codec that refuses a file is left out.
"""

from __future__ import annotations

import filecmp
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..api.compress import Encoding, compress
from ..api.decompress import decompress
from ..codec.presets import PRESETS
from ..codec.scan import ScannedSource, scan
from ..core.channel_quantizers import ByChannel
from ..errors import InputError
from ..io.formats import find_layout
from ..io.layout import Layout, sample_dtype, samples_to_bytes
from ..io.source import FileSource
from ..model.predictor import find_model
from .clock import processor_seconds, processor_seconds_of_children, run_process
from .packages import PACKAGES, Package, RawRecording, open_pool
from .programs import PROGRAMS, Program, RefusalError
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


def find_setting(setting: str) -> Encoding:
    """Return the encoding of a setting.

    Parameters
    ----------
    setting : str
        A preset, or a coder at the default preset; a model follows a colon if it is not the default: `range:n1-peers`.

    Raises
    ------
    ValueError
        There is no such preset or coder.
    InputError
        There is no such model.
    """
    name, _, model = setting.partition(":")
    predictor = find_model(model) if model else None
    return Encoding(predictor=predictor, preset=name) if name in PRESETS else Encoding(name, predictor)


def _options(setting: str) -> list[str]:
    """Options of `spikey compress`."""
    name, _, model = setting.partition(":")
    presets = {"fast": ["--fast"], "default": [], "best": ["--best"]}
    return [*presets.get(name, ["--coder", name]), *(["--model", model] if model else [])]


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
    refused : list of str
        Codecs that cannot compress a file or do not restore it, and why; they have no row.
    """

    def __init__(self, files: Sequence[Path], work: Path) -> None:
        self._work = work
        self.files = list(files)
        self._sources = [_scan(file) for file in files]
        self.samples = sum(source.layout.n_frames * source.channels for source in self._sources if source.layout)
        self.source_bytes = sum(source.size for source in self._sources)
        self.rows: list[Row] = []
        self.refused: list[str] = []
        self._runs: list[Run] = []
        self._resources = ExitStack()
        self._pool: ProcessPoolExecutor | None = None

    def add_spikey(self, setting: str, *, verify: bool = False, in_process: bool = False) -> None:
        """Add Spikey with a setting; see `find_setting`.

        Other codecs do not decode what they have compressed; neither does Spikey unless `verify` is true. With
        `in_process` it runs in this process, as Python packages do, without the start of one and its imports.
        """
        encoding = find_setting(setting)

        def run(row: Row, counted: bool) -> None:
            archive, restored = self._new_folder("archive") / "out.spk", self._new_folder("restored")

            def compress_here() -> float:
                return processor_seconds(lambda: compress(self.files, archive, coder=encoding, verify=verify))

            def decompress_here() -> float:
                return processor_seconds(lambda: decompress(archive, restored))

            if in_process:
                _time(row, "compress", compress_here, counted)
                _time(row, "decompress", decompress_here, counted)
            else:
                options = [*_options(setting), *([] if verify else ["--no-verify"])]
                _time_spikey(row, "compress", ["compress", "-q", *options, *self.files, archive], counted)
                _time_spikey(row, "decompress", ["decompress", "-q", archive, restored], counted)
            row.compressed_bytes = archive.stat().st_size
            for file in self.files:
                if not filecmp.cmp(file, restored / file.name, shallow=False):
                    raise InputError(f"{row.name}: the restored {file.name} differs from the original; report it")

        self._add(f"spikey {setting}{', verified' if verify else ''}", "samples", run)

    def add_others(self, codecs: Sequence[Program | Package], *, on_codes: bool = True) -> None:
        """Add other codecs, each on samples and, if `on_codes` and the files have such, on codes."""
        inputs = [self._input_set("samples", self.files)]
        if on_codes and self._have_codes():
            inputs.insert(0, self._input_set("codes", self._write_codes(self._new_folder("codes"))))
        for codec in codecs:
            for each in inputs:
                self._add(codec.name, each.name, self._run_of(codec, each))

    def run(self, repeats: int, report: Callable[[str], None]) -> None:
        """Run all codecs in turn, once to warm up and `repeats` times counted; `report` gets a line before each."""
        with self._resources:
            for repeat in range(repeats + 1):
                for row, run in list(zip(self.rows, self._runs, strict=True)):
                    report(f"round {repeat} of {repeats}: {row.label}")
                    try:
                        run(row, repeat > 0)
                    except RefusalError as error:
                        self.refused.append(f"{row.label}: {error}")
                        self.rows.remove(row)
                        self._runs.remove(run)

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

    def _have_codes(self) -> bool:
        """Whether the files have quantizers, one each, of which other codecs can get the codes."""
        whole = all(not source.scaling and not isinstance(source.quantizer, ByChannel) for source in self._sources)
        return whole and any(source.quantizer.kind != "identity" for source in self._sources)

    def _write_codes(self, folder: Path) -> list[Path]:
        """Copies of the recordings with codes, centred on zero, in place of the samples."""
        written = []
        for source in self._sources:
            layout = source.layout
            assert layout is not None
            silence = 128 if layout.sample_bytes == 1 else 0
            codes = source.codes(source.read_frames(0, layout.n_frames)).T - source.quantizer.size // 2 + silence
            path = folder / source.name
            data = samples_to_bytes(codes.astype(sample_dtype(layout.sample_bytes)), layout.sample_bytes)
            path.write_bytes(layout.header + data + layout.trailer)
            written.append(path)
        return written

    def _run_of(self, codec: Program | Package, inputs: InputSet) -> Run:
        if isinstance(codec, Program):
            return lambda row, counted: self._run_program(codec, inputs, row, counted)
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
        for wav in inputs.wavs:
            _check_restored(wav, restored / wav.name, _wav_samples)

    def _run_package(self, codec: Package, inputs: InputSet, row: Row, counted: bool) -> None:
        if len(inputs.recordings) < len(self.files):
            raise RefusalError("takes only 16-bit samples, which not all files have")
        folder, restored = self._new_folder("compressed"), self._new_folder("restored")
        pool = self._pool = self._pool or self._resources.enter_context(open_pool())
        _time(row, "compress", lambda: codec.compress(inputs.recordings, folder, pool), counted)
        row.compressed_bytes = sum(path.stat().st_size for path in folder.iterdir())
        _time(row, "decompress", lambda: codec.decompress(folder, restored, pool), counted)
        for recording in inputs.recordings:
            _check_restored(recording.path, restored / recording.path.name, Path.read_bytes)


def _scan(file: Path) -> ScannedSource:
    source = scan(file)
    if source.layout is None or source.layout.n_frames == 0:
        raise InputError(f"{file}: holds no samples that can be predicted; leave it out")
    return source


def _time(row: Row, direction: str, work: Callable[[], float], counted: bool) -> None:
    """Do the work, which returns its processor time, and add both times to the row if it is counted."""
    started = time.perf_counter()
    processor = work()
    if counted:
        row.seconds[direction].append(time.perf_counter() - started)
        row.processor_seconds[direction].append(processor)


def _time_spikey(row: Row, direction: str, arguments: Sequence[str | Path], counted: bool) -> None:
    """Time the command as a separate process, and record its peak memory where the system reports it."""

    def run() -> None:
        cost = run_process([*SPIKEY, *arguments])
        if cost.peak_bytes:
            row.peak_bytes[direction] = max(row.peak_bytes.get(direction, 0), cost.peak_bytes)
        if cost.exit_code:
            raise InputError(f"spikey {' '.join(map(str, arguments[:4]))} ... failed; its message is above")

    _time(row, direction, lambda: processor_seconds_of_children(run), counted)


def _check_restored(original: Path, restored: Path, samples_of: Callable[[Path], bytes]) -> None:
    if not restored.exists() or samples_of(restored) != samples_of(original):
        raise RefusalError(f"the restored {original.name} differs from the original")


def _wav_samples(file: Path) -> bytes:
    """The samples of a WAV file; a codec of audio may restore them under another header."""
    with file.open("rb") as opened:
        layout = find_layout(opened, file.stat().st_size, FileSource(file))
    if not isinstance(layout, Layout):
        raise RefusalError(f"the restored {file.name} is no recording")
    return file.read_bytes()[layout.data_offset :][: layout.n_frames * layout.frame_bytes]
