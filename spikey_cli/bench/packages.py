"""Other codecs that are Python packages of this field: each compresses the samples of a file, without its header.

They take 16-bit arrays of shape (frames, channels). PROCESSES processes run in parallel and are started before the
clock, so that only the coding is timed.
"""

from __future__ import annotations

import importlib.util
import os
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
from .programs import PROCESSES

_SUFFIX = ".packed"


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

    def compress(self, recordings: Sequence[RawRecording], folder: Path, pool: ProcessPoolExecutor) -> None:
        """Compress recordings into a folder."""
        targets = [folder / (recording.path.name + _SUFFIX) for recording in recordings]
        list(pool.map(self.compress_one, recordings, targets, chunksize=_chunk_size(recordings)))

    def decompress(self, folder: Path, restored: Path, pool: ProcessPoolExecutor) -> None:
        """Decompress the files of a folder into another folder, as raw binary."""
        files = sorted(folder.glob(f"*{_SUFFIX}"))  # files with other suffixes belong to these
        targets = [restored / path.name.removesuffix(_SUFFIX) for path in files]
        list(pool.map(_decompress_to, [self.decompress_one] * len(files), files, targets, chunksize=_chunk_size(files)))


def open_pool() -> ProcessPoolExecutor:
    """Processes that compress and decompress."""
    return ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn"), initializer=_disable_progress_bars)


def _disable_progress_bars() -> None:
    os.environ["TQDM_DISABLE"] = "1"  # mtscomp shows one for each file


def _chunk_size(items: Sequence[object]) -> int:
    return max(1, len(items) // (8 * PROCESSES))


def _decompress_to(decompress_one: Callable[[Path], np.ndarray], path: Path, target: Path) -> None:
    np.ascontiguousarray(decompress_one(path)).tofile(target)


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
    )


def _mtscomp_decompress(path: Path) -> np.ndarray:
    import mtscomp

    reader = mtscomp.decompress(path, path.with_suffix(".ch"), n_threads=1, check_after_decompress=False)
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


def _wavpack() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from wavpack_numcodecs import WavPack

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
    _from_numcodecs("wavpack-numcodecs, level 4", "wavpack_numcodecs", _wavpack),
    _from_numcodecs("blosc-zstd 9, bits shuffled", "numcodecs", _blosc),
)
