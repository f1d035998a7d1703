"""Other codecs that are Python packages of this field: each packs the samples of a file, without its header.

They get 16-bit arrays of shape (frames, channels), `PROCESSES` of them side by side in processes that are started
before the clock is: what they are measured by is their coding alone.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from ..io.layout import Layout
from .commands import PROCESSES

ENDING = ".packed"


@dataclass(frozen=True)
class Recording:
    """The samples of a WAV file as raw binary, and how to read them."""

    path: Path
    layout: Layout

    def samples(self) -> np.ndarray:
        """All samples, int16 of shape (frames, channels)."""
        return np.fromfile(self.path, np.int16).reshape(-1, self.layout.channels)


@dataclass(frozen=True)
class Library:
    """A package: how it packs one recording into a file, and unpacks it."""

    name: str
    module: str
    pack_one: Callable[[Recording, Path], None]
    unpack_one: Callable[[Path], np.ndarray]

    @property
    def installed(self) -> bool:
        """Whether the package is here."""
        return importlib.util.find_spec(self.module) is not None

    def pack(self, recordings: Sequence[Recording], folder: Path, pool: ProcessPoolExecutor) -> None:
        """Pack recordings into a folder."""
        targets = [folder / (recording.path.name + ENDING) for recording in recordings]
        list(pool.map(self.pack_one, recordings, targets, chunksize=_share(recordings)))

    def unpack(self, folder: Path, restored: Path, pool: ProcessPoolExecutor) -> None:
        """Unpack the files of a folder into another, as raw binary."""
        packed = self.packed(folder)
        targets = [restored / path.name.removesuffix(ENDING) for path in packed]
        list(pool.map(_unpack_to, [self.unpack_one] * len(packed), packed, targets, chunksize=_share(packed)))

    def packed(self, folder: Path) -> list[Path]:
        """The packed files in a folder; what else lies there belongs to them."""
        return sorted(folder.glob(f"*{ENDING}"))


def open_pool() -> ProcessPoolExecutor:
    """Processes to pack and unpack in."""
    return ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn"), initializer=_hush)


def _hush() -> None:
    os.environ["TQDM_DISABLE"] = "1"  # mtscomp shows a bar for each file


def _share(items: Sequence[object]) -> int:
    return max(1, len(items) // (8 * PROCESSES))


def _unpack_to(unpack: Callable[[Path], np.ndarray], packed: Path, target: Path) -> None:
    np.ascontiguousarray(unpack(packed)).tofile(target)


def _mtscomp_pack(recording: Recording, packed: Path) -> None:
    import mtscomp

    layout = recording.layout
    mtscomp.compress(
        recording.path,
        packed,
        packed.with_suffix(".ch"),
        sample_rate=layout.sample_rate,
        n_channels=layout.channels,
        dtype=np.int16,
        n_threads=1,
        check_after_compress=False,
    )


def _mtscomp_unpack(packed: Path) -> np.ndarray:
    import mtscomp

    reader = mtscomp.decompress(packed, packed.with_suffix(".ch"), n_threads=1, check_after_decompress=False)
    return np.asarray(reader[:])


def _ans_pack(recording: Recording, packed: Path) -> None:
    import simple_ans

    samples = recording.samples()
    deltas = np.diff(samples, axis=0, prepend=samples[:1] * 0)  # modulo 2**16: they come back by adding up
    with packed.open("wb") as file:
        for channel in range(deltas.shape[1]):
            coded = simple_ans.ans_encode(np.ascontiguousarray(deltas[:, channel]))
            sizes = [coded.state, coded.words.size, coded.symbol_counts.size, coded.signal_length]
            for array in (np.array(sizes, dtype=np.uint64), coded.words, coded.symbol_counts, coded.symbol_values):
                array.tofile(file)


def _ans_unpack(packed: Path) -> np.ndarray:
    import simple_ans

    channels = []
    with packed.open("rb") as file:
        while (sizes := np.fromfile(file, np.uint64, 4)).size:
            state, n_words, n_symbols, length = (int(size) for size in sizes)
            words, counts = np.fromfile(file, np.uint32, n_words), np.fromfile(file, np.uint32, n_symbols)
            values = np.fromfile(file, np.int16, n_symbols)
            deltas = simple_ans.ans_decode(simple_ans.EncodedSignal(np.uint64(state), words, counts, values, length))
            channels.append(np.cumsum(deltas, dtype=np.int16))
    return np.stack(channels, axis=1)


def _numcodec_pack(codec: Callable[[], object], recording: Recording, packed: Path) -> None:
    packed.write_bytes(codec().encode(recording.samples()))  # type: ignore[attr-defined]


def _wavpack() -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from wavpack_numcodecs import WavPack

        return WavPack(level=4)


def _wavpack_pack(recording: Recording, packed: Path) -> None:
    _numcodec_pack(_wavpack, recording, packed)


def _wavpack_unpack(packed: Path) -> np.ndarray:
    return np.frombuffer(_wavpack().decode(packed.read_bytes()), np.int16)  # type: ignore[attr-defined]


def _blosc() -> object:
    from numcodecs import Blosc

    return Blosc(cname="zstd", clevel=9, shuffle=Blosc.BITSHUFFLE)


def _blosc_pack(recording: Recording, packed: Path) -> None:
    _numcodec_pack(_blosc, recording, packed)


def _blosc_unpack(packed: Path) -> np.ndarray:
    return np.frombuffer(_blosc().decode(packed.read_bytes()), np.uint8)  # type: ignore[attr-defined]


LIBRARIES = (
    Library("mtscomp", "mtscomp", _mtscomp_pack, _mtscomp_unpack),
    Library("simple-ans, deltas", "simple_ans", _ans_pack, _ans_unpack),
    Library("wavpack-numcodecs, level 4", "wavpack_numcodecs", _wavpack_pack, _wavpack_unpack),
    Library("blosc-zstd 9, bits shuffled", "numcodecs", _blosc_pack, _blosc_unpack),
)
