"""Quantizers: the values that the samples of a file take (the value grid), and their codes.

Samples of 16 bits that come from a converter of fewer bits take few values, equally spaced or not. Codes are int32, 0
to size - 1, in the order of the values. A quantizer is only used if it represents every sample of its file exactly.

    identity   every value of the sample's width; code 0 is the lowest
    n1         the 1024 values of the Neuralink N1 recordings, two bytes per sample
    step       offset + code * step
    palette    any sorted values
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from ..errors import DamageError, InputError
from ..io.layout import Layout, SampleType, sample_range, samples_from_bytes
from . import _core
from .beside import Beside
from .scaling import FileScaling
from .transpose import transposed

MAX_PALETTE = 4096
"""Largest number of values of a palette."""

PALETTE_SPARSITY = 4
"""A palette's values span at least this many times their number; otherwise its gaps may be chance in a short file."""


CHANGED = (
    "a sample is none of the values that its file had: the file changed while it was read; "
    "compress it again once nothing writes to it"
)


def _contiguous(array: np.ndarray) -> np.ndarray:
    """Return an array as the core takes it: flat, in C order and aligned."""
    if not (array.flags.c_contiguous and array.flags.aligned):
        array = np.require(array, requirements=["C", "A"])
    return array.reshape(-1)


class Quantizer(ABC):
    """The values of one file's samples. Immutable; made by `identity`, `QuantizerSearch` and `unpack_quantizer`."""

    kind: str
    """One of "identity", "n1", "step", "palette", and those of `channel_quantizers`."""
    size: int
    """Number of values, 1 to 2**24."""

    def __str__(self) -> str:
        return self.kind

    def of_channel(self, channel: int) -> Quantizer:
        """Return the quantizer of a channel of the file."""
        return self

    def to_codes(self, samples: np.ndarray) -> np.ndarray:
        """Quantize samples, without loss.

        Parameters
        ----------
        samples : uint8, int16 or int32 array

        Returns
        -------
        int32 array of the same shape
            The codes.

        Raises
        ------
        InputError
            If a sample is none of the quantizer's values.
        """
        codes = np.empty(samples.shape, np.int32)
        if not self._encode(_contiguous(samples), codes.reshape(-1)):
            raise InputError(CHANGED)
        return codes

    def to_samples(self, codes: np.ndarray, dtype: np.dtype | type[np.integer]) -> np.ndarray:
        """Return the samples of codes; the inverse of `to_codes`.

        Parameters
        ----------
        codes : int32 array
        dtype : dtype
            Integer type that holds the quantizer's values.

        Returns
        -------
        array of `dtype` and the same shape

        Raises
        ------
        DamageError
            If a code is not in 0..size-1.
        """
        samples = np.empty(codes.shape, dtype)
        if not self._decode(_contiguous(codes), samples.reshape(-1)):
            raise DamageError(f"a code is not below {self.size}, the number of its values")
        return samples

    @abstractmethod
    def _encode(self, samples: np.ndarray, codes: np.ndarray) -> bool:
        """Fill `codes`; both of shape (n,). False: a sample is none of the values, and `codes` is not valid."""

    @abstractmethod
    def _decode(self, codes: np.ndarray, samples: np.ndarray) -> bool:
        """Fill `samples`; both of shape (n,). False: a code is out of range, and `samples` is not valid."""


class UniformQuantizer(Quantizer):
    """Values offset + code * step."""

    def __init__(self, kind: str, offset: int, step: int, size: int) -> None:
        self.kind, self.size = kind, size
        self.offset, self.step = offset, step

    def __str__(self) -> str:
        if self.kind != "step":
            return self.kind
        return f"step {self.step} from {self.offset}" if self.size > 1 else f"constant {self.offset}"

    def _encode(self, samples: np.ndarray, codes: np.ndarray) -> bool:
        return _core.uniform_codes(samples, self.offset, self.step, self.size, codes)

    def _decode(self, codes: np.ndarray, samples: np.ndarray) -> bool:
        return _core.uniform_samples(codes, self.offset, self.step, self.size, samples)


class TableQuantizer(Quantizer):
    """Any values, in a table: int32 of shape (size,), ascending."""

    def __init__(self, kind: str, values: np.ndarray) -> None:
        self.kind, self.size = kind, values.size
        self.values = values

    def __str__(self) -> str:
        return f"palette of {self.size} values" if self.kind == "palette" else self.kind

    def __reduce__(self) -> str | tuple[object, ...]:
        # N1 is unpickled as the module's one, which has its table already
        return "N1" if self.kind == "n1" else (TableQuantizer, (self.kind, self.values))

    def _encode(self, samples: np.ndarray, codes: np.ndarray) -> bool:
        # tables kept for many files would take much memory; all files share that of N1
        code_of = self._n1_table if self.kind == "n1" else self._table()
        return _core.table_codes(samples, int(self.values[0]), code_of, codes)

    def _table(self) -> np.ndarray:
        """Code + 1 of each value from the lowest one on, 0 for others; pages of zeros take no memory."""
        code_of = np.zeros(int(self.values[-1] - self.values[0]) + 1, np.int16)
        code_of[self.values - self.values[0]] = np.arange(1, self.size + 1)
        return code_of

    @cached_property
    def _n1_table(self) -> np.ndarray:
        return self._table()

    def _decode(self, codes: np.ndarray, samples: np.ndarray) -> bool:
        return _core.table_samples(codes, self.values, samples)


@dataclass(frozen=True)
class SampleFormat:
    """How the bytes of a file's frames are mapped to codes and back."""

    channels: int
    sample_type: SampleType
    quantizer: Quantizer
    scaling: FileScaling | None = None
    """How samples are computed from the quantizer's values; None if they are these values."""

    @classmethod
    def of(cls, layout: Layout | None, quantizer: Quantizer, scaling: FileScaling | None = None) -> SampleFormat | None:
        """Return the format for a file's layout and quantizer, or None for a file that is kept verbatim."""
        return cls(layout.channels, layout.sample_type, quantizer, scaling) if layout else None

    @property
    def frame_bytes(self) -> int:
        """Bytes per frame."""
        return self.channels * self.sample_type.bytes

    def codes(self, frames: bytes) -> tuple[np.ndarray, list[Beside]]:
        """Return the codes of the bytes of some frames.

        Returns
        -------
        codes : int32 array of shape (channels, frames)
            Each channel is contiguous.
        beside : list of Beside
            What the codes do not give, of each channel.

        Raises
        ------
        InputError
            If a sample is none of the quantizer's values.
        """
        samples = samples_from_bytes(frames, self.channels, self.sample_type)
        beside = [Beside()] * self.channels
        if self.scaling:
            samples, beside = self.scaling.to_integers(samples)
        return self.quantizer.to_codes(transposed(samples)), beside

    def put_samples(self, channel: int, codes: np.ndarray, beside: Beside, first: int, samples: np.ndarray) -> None:
        """Fill `samples` with the samples of a channel's `codes`, which begin at frame `first` of their part.

        Raises
        ------
        DamageError
            If a code is not one of the quantizer's.
        """
        if self.scaling is None:
            samples[:] = self.quantizer.of_channel(channel).to_samples(codes, samples.dtype)
            return
        integers = self.quantizer.of_channel(channel).to_samples(codes, np.int32)
        samples[:] = self.scaling.channels[channel].to_samples(integers, self.sample_type)
        beside.put_into(samples, first, integers)


def _n1_values() -> np.ndarray:
    # ten bits, scaled to sixteen and truncated towards zero
    scaled = np.arange(1024) * 65535 - 32768 * 1023
    return (np.sign(scaled) * (np.abs(scaled) // 1023)).astype(np.int32)


@cache
def identity(sample_bytes: int) -> Quantizer:
    """Return the quantizer of all values of samples of 1, 2 or 3 bytes."""
    lowest, highest = sample_range(sample_bytes)
    return UniformQuantizer("identity", lowest, 1, highest - lowest + 1)


def extended(quantizer: Quantizer, sample_bytes: int) -> Quantizer:
    """Return a quantizer for future samples of a signal whose samples so far have `quantizer`.

    Equal steps are extended to the whole range of samples; a palette is replaced by `identity`.
    """
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
"""Stands for the quantizer of a file that has no samples to code."""

N1: Quantizer = TableQuantizer("n1", _n1_values())
"""The quantizer of the Neuralink N1 recordings."""

_N1_FLAGS = _n1_values() + 32768  # positions among the flags of all values of two bytes


class QuantizerSearch:
    """Finds the quantizer of one file, chunk by chunk. Holds a flag for each value that a sample can have."""

    def __init__(self, sample_bytes: int) -> None:
        """For samples of 1, 2 or 3 bytes."""
        self._sample_bytes = sample_bytes
        self._lowest, self._highest = sample_range(sample_bytes)
        # pages that no sample touches take no memory, also for 2**24 values
        self._seen = np.zeros(self._highest - self._lowest + 1, np.uint8)
        self._min, self._max = self._highest, self._lowest
        self._found: Quantizer | None = None
        self._n_values: int | None = 0

    def add(self, samples: np.ndarray) -> None:
        """Add samples, uint8, int16 or int32 of any shape. Raise ValueError if one is out of range."""
        if samples.size == 0:
            return
        low, high = _core.mark(_contiguous(samples), self._lowest, self._seen)
        if low < self._lowest or high > self._highest:
            raise ValueError(f"samples {low}..{high} are not of {self._sample_bytes} bytes")
        self._min, self._max = min(self._min, low), max(self._max, high)
        self._found = self._n_values = None

    @property
    def n_values(self) -> int:
        """Number of different values so far."""
        if self._n_values is None:
            self._n_values = int(np.count_nonzero(self._range_seen()))
        return self._n_values

    @property
    def lowest(self) -> int:
        """Lowest value so far."""
        return self._min

    def quantizer(self) -> Quantizer:
        """Return the quantizer of all samples so far: n1, else step, else palette, else identity.

        It is identity if there are fewer than two values.
        """
        self._found = self._found or self._find()
        return self._found

    def _range_seen(self) -> np.ndarray:
        """Return for each value from the lowest to the highest so far whether it was seen."""
        return self._seen.view(np.bool_)[self._min - self._lowest : self._max - self._lowest + 1]

    def _find(self) -> Quantizer:
        seen, count = self._range_seen(), self.n_values
        # if more than half of the values occur, two are neighbours: no step, and no sparse palette
        if count < 2 or 2 * count > seen.size + 1:
            return identity(self._sample_bytes)
        if self._sample_bytes == 2 and np.count_nonzero(self._seen.view(np.bool_)[_N1_FLAGS]) == count:
            return N1
        values = np.flatnonzero(seen) + self._min
        gaps = np.diff(values)
        step = 1 if gaps.min() == 1 else int(np.gcd.reduce(gaps))
        if step > 1:
            return UniformQuantizer("step", self._min, step, (self._max - self._min) // step + 1)
        if count <= MAX_PALETTE and seen.size >= PALETTE_SPARSITY * count:
            return TableQuantizer("palette", values.astype(np.int32))
        return identity(self._sample_bytes)
