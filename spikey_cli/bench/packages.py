"""Other codecs that are Python packages of this field: each compresses the samples of a file, without its header.

They take 16-bit arrays of shape (frames, channels). PROCESSES processes run in parallel and are started before the
clock, so that only the coding is timed.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from ..io.layout import Layout
from .clock import processor_seconds
from .programs import PROCESSES, RefusalError

_SUFFIX = ".packed"
_PCODEC_LEVEL = 12


@dataclass(frozen=True)
class RawRecording:
    """The samples of a WAV file as raw binary, and their layout."""

    path: Path
    layout: Layout

    def samples(self) -> np.ndarray:
        """All samples, int16 of shape (frames, channels)."""
        return np.fromfile(self.path, np.int16).reshape(-1, self.layout.channels)


@dataclass(frozen=True)
class Package:
    """A package, and the functions that compress one recording and decompress one file with it."""

    name: str
    module: str
    compress_one: Callable[[RawRecording, Path], None]
    decompress_one: Callable[[Path], np.ndarray]

    @property
    def installed(self) -> bool:
        """Whether its module can be imported."""
        return importlib.util.find_spec(self.module) is not None

    def compress(self, recordings: Sequence[RawRecording], folder: Path, pool: ProcessPoolExecutor) -> float:
        """Compress recordings into a folder. Return the processor time in seconds; raise RefusalError if it fails."""
        targets = [folder / (recording.path.name + _SUFFIX) for recording in recordings]
        return _in_pool(pool, partial(_compress_timed, self.compress_one), recordings, targets)

    def decompress(self, folder: Path, restored: Path, pool: ProcessPoolExecutor) -> float:
        """Decompress the files of a folder into another folder, as raw binary, as `compress` does."""
        files = sorted(folder.glob(f"*{_SUFFIX}"))  # files with other suffixes belong to these
        targets = [restored / path.name.removesuffix(_SUFFIX) for path in files]
        return _in_pool(pool, partial(_decompress_timed, self.decompress_one), files, targets)


def open_pool() -> ProcessPoolExecutor:
    """Processes that compress and decompress."""
    return ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn"))


def _in_pool(
    pool: ProcessPoolExecutor, run: Callable[[Any, Path], float], sources: Sequence[Any], targets: Sequence[Path]
) -> float:
    """Run the function on all sources and their targets, and return the sum of the times."""
    try:
        return sum(pool.map(run, sources, targets, chunksize=max(1, len(sources) // (8 * PROCESSES))))
    except Exception as error:  # whatever packages raise
        raise RefusalError(f"{type(error).__name__}: {error}") from error


def _compress_timed(compress_one: Callable[[RawRecording, Path], None], recording: RawRecording, path: Path) -> float:
    return processor_seconds(lambda: compress_one(recording, path))


def _decompress_timed(decompress_one: Callable[[Path], np.ndarray], path: Path, target: Path) -> float:
    return processor_seconds(lambda: np.ascontiguousarray(decompress_one(path)).tofile(target))


def _mtscomp_compress(recording: RawRecording, path: Path) -> None:
    import mtscomp

    layout = recording.layout
    mtscomp.compress(
        recording.path,
        path,
        path.with_suffix(".ch"),
        sample_rate=layout.sample_rate,
        n_channels=layout.channels,
        dtype=np.int16,
        n_threads=1,
        check_after_compress=False,
        quiet=True,
    )


def _mtscomp_decompress(path: Path) -> np.ndarray:
    import mtscomp

    reader = mtscomp.decompress(path, path.with_suffix(".ch"), n_threads=1, check_after_decompress=False, quiet=True)
    return np.asarray(reader[:])


def _ans_compress(recording: RawRecording, path: Path) -> None:
    import simple_ans

    samples = recording.samples()
    deltas = np.diff(samples, axis=0, prepend=samples[:1] * 0)  # modulo 2**16, which their sum undoes
    with path.open("wb") as file:
        for channel in range(deltas.shape[1]):
            coded = simple_ans.ans_encode(np.ascontiguousarray(deltas[:, channel]))
            sizes = [coded.state, coded.words.size, coded.symbol_counts.size, coded.signal_length]
            for array in (np.array(sizes, dtype=np.uint64), coded.words, coded.symbol_counts, coded.symbol_values):
                array.tofile(file)


def _ans_decompress(path: Path) -> np.ndarray:
    import simple_ans

    channels = []
    with path.open("rb") as file:
        while (sizes := np.fromfile(file, np.uint64, 4)).size:
            state, n_words, n_symbols, length = (int(size) for size in sizes)
            words, counts = np.fromfile(file, np.uint32, n_words), np.fromfile(file, np.uint32, n_symbols)
            values = np.fromfile(file, np.int16, n_symbols)
            deltas = simple_ans.ans_decode(simple_ans.EncodedSignal(np.uint64(state), words, counts, values, length))
            channels.append(np.cumsum(deltas, dtype=np.int16))
    return np.stack(channels, axis=1)


def _pcodec_compress(recording: RawRecording, path: Path) -> None:
    from pcodec import ChunkConfig, standalone

    samples = recording.samples()
    with path.open("wb") as file:
        np.array(samples.shape, dtype=np.uint64).tofile(file)
        file.write(standalone.simple_compress(np.ascontiguousarray(samples.T).ravel(), ChunkConfig(_PCODEC_LEVEL)))


def _pcodec_decompress(path: Path) -> np.ndarray:
    from pcodec import standalone

    data = path.read_bytes()
    frames, channels = (int(size) for size in np.frombuffer(data, np.uint64, 2))
    return np.asarray(standalone.simple_decompress(data[16:])).reshape(channels, frames).T


def _wavpack() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from wavpack_numcodecs.wavpack import WavPack  # the codec of numcodecs, also beside Zarr 3

        return WavPack(level=4)


def _blosc() -> Any:
    from numcodecs import Blosc

    return Blosc(cname="zstd", clevel=9, shuffle=Blosc.BITSHUFFLE)


def _numcodecs_compress(make_codec: Callable[[], Any], recording: RawRecording, path: Path) -> None:
    path.write_bytes(make_codec().encode(recording.samples()))


def _numcodecs_decompress(make_codec: Callable[[], Any], path: Path) -> np.ndarray:
    return np.frombuffer(make_codec().decode(path.read_bytes()), np.uint8)


def _from_numcodecs(name: str, module: str, make_codec: Callable[[], Any]) -> Package:
    return Package(name, module, partial(_numcodecs_compress, make_codec), partial(_numcodecs_decompress, make_codec))


PACKAGES = (
    Package("mtscomp", "mtscomp", _mtscomp_compress, _mtscomp_decompress),
    Package("simple-ans, deltas", "simple_ans", _ans_compress, _ans_decompress),
    Package(f"pcodec, level {_PCODEC_LEVEL}", "pcodec", _pcodec_compress, _pcodec_decompress),
    _from_numcodecs("wavpack-numcodecs, level 4", "wavpack_numcodecs", _wavpack),
    _from_numcodecs("blosc zstd 9, bits shuffled", "numcodecs", _blosc),
)
