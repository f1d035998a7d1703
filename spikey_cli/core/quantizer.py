"""Grids: the values that a file's samples take, and their numbers, the codes.

Converters of few bits leave samples of many on few values, evenly spread or not. Codes are int32, 0 to size - 1, in
the order of the values. A grid holds every sample of its file exactly, or it is not used.

    identity   every value of the sample's width; code 0 is the lowest
    n1         the 1024 values of the Neuralink N1 recordings, two bytes a sample
    step       offset + code * step
    palette    any sorted values
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import ArchiveError, InputError
from ..io.layout import Layout, sample_range, samples_from_bytes
from .kernel import kernel

MAX_PALETTE = 4096
"""Most values of a palette."""

PALETTE_SPARSITY = 4
"""A palette's values span at least this many times their number: else its gaps are accidents of a short file."""


class Quantizer(ABC):
    """The values of one file. Immutable; made by `identity`, `QuantizerSearch.quantizer` and `unpack_quantizer`."""

    kind: str
    """One of "identity", "n1", "step", "palette"."""
    size: int
    """Number of values, 1 to 2**24."""

    def to_codes(self, samples: np.ndarray) -> np.ndarray:
        """Codes, int32, of samples (uint8, int16 or int32), of the same shape.

        Raises InputError where a sample is not on the grid.
        """
        codes = np.empty(samples.shape, np.int32)
        if not self._encode(np.ascontiguousarray(samples).reshape(-1), codes.reshape(-1)):
            raise InputError(
                "a sample is not on the grid of its file: the file changed while it was read; "
                "compress it again once nothing writes to it"
            )
        return codes

    def to_samples(self, codes: np.ndarray, dtype: np.dtype | type[np.integer]) -> np.ndarray:
        """Samples of `dtype`, which must hold the grid's values, of int32 codes, of the same shape.

        Raises ArchiveError where a code is not in 0..size-1.
        """
        samples = np.empty(codes.shape, dtype)
        if not self._decode(np.ascontiguousarray(codes).reshape(-1), samples.reshape(-1)):
            raise ArchiveError(f"a code is not on its grid of {self.size} values: the archive is damaged")
        return samples

    @abstractmethod
    def _encode(self, samples: np.ndarray, codes: np.ndarray) -> bool:
        """Fill `codes`; both of shape (n,). False: a sample is off the grid, and `codes` is void."""

    @abstractmethod
    def _decode(self, codes: np.ndarray, samples: np.ndarray) -> bool:
        """Fill `samples`; both of shape (n,). False: a code is off the grid, and `samples` is void."""


class UniformQuantizer(Quantizer):
    """Values offset + code * step."""

    def __init__(self, kind: str, offset: int, step: int, size: int) -> None:
        self.kind, self.size = kind, size
        self.offset, self.step = offset, step

    def _encode(self, samples: np.ndarray, codes: np.ndarray) -> bool:
        return _even_codes(samples, self.offset, self.step, self.size, codes)

    def _decode(self, codes: np.ndarray, samples: np.ndarray) -> bool:
        return _even_samples(codes, self.offset, self.step, self.size, samples)


class TableQuantizer(Quantizer):
    """Any values, listed: int32 of shape (size,), ascending."""

    def __init__(self, kind: str, values: np.ndarray) -> None:
        self.kind, self.size = kind, values.size
        self.values = values

    def __reduce__(self) -> str | tuple[object, ...]:
        # pickled, that of N1 is the one that there is, with its table
        return "N1" if self.kind == "n1" else (TableQuantizer, (self.kind, self.values))

    def _encode(self, samples: np.ndarray, codes: np.ndarray) -> bool:
        # a table kept for each of many files would be much memory; that of N1 is for all of them
        code_of = self._n1_table if self.kind == "n1" else self._table()
        return _listed_codes(samples, int(self.values[0]), code_of, codes)

    def _table(self) -> np.ndarray:
        """The code of each value from the lowest one on, counted from 1: zeros that nothing touches cost nothing."""
        code_of = np.zeros(int(self.values[-1] - self.values[0]) + 1, np.int16)
        code_of[self.values - self.values[0]] = np.arange(1, self.size + 1)
        return code_of

    @cached_property
    def _n1_table(self) -> np.ndarray:
        return self._table()

    def _decode(self, codes: np.ndarray, samples: np.ndarray) -> bool:
        return _listed_samples(codes, self.values.astype(samples.dtype), samples)


@dataclass(frozen=True)
class SampleFormat:
    """How the bytes of a file's frames become codes, and back: all that coding them takes of the file."""

    channels: int
    sample_bytes: int
    quantizer: Quantizer

    @classmethod
    def of(cls, layout: Layout | None, quantizer: Quantizer) -> SampleFormat | None:
        """That of a file's layout and grid; None of a file that is kept verbatim."""
        return cls(layout.channels, layout.sample_bytes, quantizer) if layout else None

    @property
    def frame_bytes(self) -> int:
        """Bytes a frame."""
        return self.channels * self.sample_bytes

    def codes(self, frames: bytes) -> np.ndarray:
        """Codes of the bytes of some frames, int32 of shape (channels, frames), each channel contiguous.

        Raises InputError where a sample is not on the grid.
        """
        samples = samples_from_bytes(frames, self.channels, self.sample_bytes)
        return self.quantizer.to_codes(samples.T)


def _n1_values() -> np.ndarray:
    # ten bits, scaled to sixteen and truncated towards zero
    scaled = np.arange(1024) * 65535 - 32768 * 1023
    return (np.sign(scaled) * (np.abs(scaled) // 1023)).astype(np.int32)


def identity(sample_bytes: int) -> Quantizer:
    """The grid of all values of samples of 1, 2 or 3 bytes."""
    lowest, highest = sample_range(sample_bytes)
    return UniformQuantizer("identity", lowest, 1, highest - lowest + 1)


def every(quantizer: Quantizer, sample_bytes: int) -> Quantizer:
    """A grid for samples yet to come, where those so far are on `quantizer`: one of even steps goes on both ways."""
    if not isinstance(quantizer, UniformQuantizer):
        return quantizer if quantizer.kind == "n1" else identity(sample_bytes)
    lowest, highest = sample_range(sample_bytes)
    first = lowest + (quantizer.offset - lowest) % quantizer.step
    return (
        identity(sample_bytes)
        if quantizer.step == 1
        else UniformQuantizer("step", first, quantizer.step, (highest - first) // quantizer.step + 1)
    )


IDENTITY = identity(2)
"""Stands for the grid of a file that has no samples to code."""

N1: Quantizer = TableQuantizer("n1", _n1_values())
"""The grid of the Neuralink N1 recordings."""

_N1_PLACES = _n1_values() + 32768  # among the flags of all values of two bytes


class QuantizerSearch:
    """Finds the grid of one file, chunk by chunk. Holds a flag for each value that a sample can have."""

    def __init__(self, sample_bytes: int) -> None:
        """For samples of 1, 2 or 3 bytes."""
        self._sample_bytes = sample_bytes
        self._lowest, self._highest = sample_range(sample_bytes)
        # the pages of zeros that no sample touches cost nothing, so three bytes are no burden
        self._seen = np.zeros(self._highest - self._lowest + 1, np.uint8)
        self._min, self._max = self._highest, self._lowest

    def add(self, samples: np.ndarray) -> None:
        """Take in samples, uint8, int16 or int32, of any shape. Raises ValueError where one is beyond its width."""
        if samples.size == 0:
            return
        low, high = int(samples.min()), int(samples.max())
        if low < self._lowest or high > self._highest:
            raise ValueError(f"samples {low}..{high} are not of {self._sample_bytes} bytes")
        self._min, self._max = min(self._min, low), max(self._max, high)
        _mark(np.ascontiguousarray(samples).reshape(-1), self._lowest, self._seen)

    def quantizer(self) -> Quantizer:
        """The grid of all samples so far: n1, else step, else palette, else identity.

        Fewer than two values say nothing about a grid: identity.
        """
        seen = self._seen[self._min - self._lowest : self._max - self._lowest + 1]
        count = int(np.count_nonzero(seen))
        # where more than half of the values occur, two are neighbours: no step, and no sparse palette
        if count < 2 or 2 * count > seen.size + 1:
            return identity(self._sample_bytes)
        if self._sample_bytes == 2 and np.count_nonzero(self._seen[_N1_PLACES]) == count:
            return N1
        values = np.flatnonzero(seen) + self._min
        gaps = np.diff(values)
        step = 1 if gaps.min() == 1 else int(np.gcd.reduce(gaps))
        if step > 1:
            return UniformQuantizer("step", self._min, step, (self._max - self._min) // step + 1)
        if count <= MAX_PALETTE and seen.size >= PALETTE_SPARSITY * count:
            return TableQuantizer("palette", values.astype(np.int32))
        return identity(self._sample_bytes)


@kernel
def _mark(samples, lowest, seen):
    """Set the flag of each sample; all are within lowest..lowest+seen.size-1."""
    for i in range(samples.size):
        seen[np.uint64(np.int64(samples[i]) - lowest)] = 1


@kernel
def _even_codes(samples, offset, step, size, codes):
    span = (size - 1) * step
    per_step = 1.0 / step
    astray = False
    for i in range(samples.size):
        distance = np.int64(samples[i]) - offset
        # a division by multiplication: exact for whole multiples below 2**24, and the check refuses all else
        code = np.int32(np.float64(np.int32(distance)) * per_step + 0.5)
        astray |= (distance < 0) | (distance > span) | (code * step != distance)
        codes[i] = code
    return not astray


@kernel
def _even_samples(codes, offset, step, size, samples):
    astray = False
    for i in range(codes.size):
        code = codes[i]
        astray |= (code < 0) | (code >= size)
        samples[i] = offset + code * step
    return not astray


@kernel
def _listed_codes(samples, lowest, code_of, codes):
    astray = False
    for i in range(samples.size):
        # a negative distance becomes a huge one
        distance = np.uint64(np.int64(samples[i]) - lowest)
        code = np.int32(code_of[distance]) if distance < np.uint64(code_of.size) else np.int32(0)
        astray |= code == 0
        codes[i] = code - 1
    return not astray


@kernel
def _listed_samples(codes, values, samples):
    astray = False
    for i in range(codes.size):
        index = np.uint64(np.int64(codes[i]))
        if index < np.uint64(values.size):
            samples[i] = values[index]
        else:
            astray = True
    return not astray
