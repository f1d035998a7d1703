"""Scaling: how samples of a file are computed from the integers that are coded in their place.

Acquisition software and readers write 16-bit samples as 32-bit integers (k << 16) and as floats (k / 32768, or
k * 0.195 + offset). A scaling repeats that arithmetic, rounding as the writer rounded, and is used if it gives the
samples bit for bit. Samples that it does not give, such as NaNs, are escaped (see `escapes`).

Other floats, such as filtered traces, are their upper bits, which are integers times a power of two, and low bits,
which nothing predicts and which stand beside the codes (see `low_bits`).
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from ..io.layout import SampleType, sample_dtype, sample_range
from . import _core
from .beside import Beside
from .escapes import Escapes, filled
from .low_bits import LowBits
from .transpose import transposed

NO_INTEGER = -(2**31)
"""Stands for the integer of a sample that the scaling does not give."""

MAX_EXPONENT = 60
"""Gains, and offsets other than 0, are 2**-60 to 2**60, so that no sample is subnormal."""

MAX_UPPER_EXPONENT = 100
"""The same of upper bits."""


class ScalingKind(IntEnum):
    """The formula of a scaling; the numbers stand in archives. Every operation is rounded to the stated precision."""

    INTEGER = 0
    """base + k * step."""
    MULTIPLY = 1
    """k * gain + offset, in float64."""
    DIVIDE = 2
    """k / gain + offset, in float64."""
    SHIFT = 3
    """(k + offset) * gain, in float64."""
    TWICE = 4
    """(k * gain) * offset, in float64: a unit was changed."""
    RATIO = 5
    """(k * gain) / offset, in float64."""
    MULTIPLY_FLOAT32 = 6
    DIVIDE_FLOAT32 = 7
    SHIFT_FLOAT32 = 8
    TWICE_FLOAT32 = 9
    RATIO_FLOAT32 = 10
    UPPER_BITS = 11
    """k * gain, or -(~k * gain) of k below 0, exactly: gain is a power of two. Samples have low bits, too."""

    @property
    def is_float32(self) -> bool:
        """Whether all operands and results are float32."""
        return ScalingKind.MULTIPLY_FLOAT32 <= self <= ScalingKind.RATIO_FLOAT32

    @property
    def has_factor(self) -> bool:
        """Whether the offset is a second factor, or a divisor."""
        return self.name.startswith(("TWICE", "RATIO"))


class Scaling(NamedTuple):
    """The samples of a channel as a function of integers k."""

    kind: ScalingKind = ScalingKind.INTEGER
    gain: float = 1.0
    """Of floating-point samples."""
    offset: float = -0.0
    """Of floating-point samples; -0.0 changes no sum. A factor or divisor of the kinds TWICE and RATIO."""
    base: int = 0
    """Of integer samples."""
    step: int = 1
    """Of integer samples."""

    def __str__(self) -> str:
        if self.kind == ScalingKind.INTEGER:
            return f"{self.step} k" + (f" {'-' if self.base < 0 else '+'} {abs(self.base)}" if self.base else "")
        if self.kind == ScalingKind.UPPER_BITS:
            return f"{self.gain!r} k and low bits"
        name = self.kind.name.split("_")[0]
        offset = "" if self.offset == 0 else f" {'-' if self.offset < 0 else '+'} {abs(self.offset)!r}"
        if self.kind.has_factor:
            formula = f"{self.gain!r} k {'/' if name == 'RATIO' else '*'} {self.offset!r}"
        elif name == "SHIFT":
            formula = f"{self.gain!r} (k{offset})"
        else:
            formula = (f"k / {self.gain!r}" if name == "DIVIDE" else f"{self.gain!r} k") + offset
        return formula + (" in float32" if self.kind.is_float32 else "")

    def fault(self, sample_type: SampleType) -> str:
        """Return why this is no scaling of samples of this type, or an empty string."""
        is_integer = sample_type.dtype.kind != "f"
        if not sample_type.is_scaled or is_integer != (self.kind == ScalingKind.INTEGER):
            return f"a scaling of kind {self.kind} does not fit samples of type {sample_type}"
        if is_integer:
            return (
                "" if 1 <= self.step < 2**62 and abs(self.base) < 2**62 else "a scaling has a step beyond its samples"
            )
        if self.kind == ScalingKind.UPPER_BITS:
            mantissa, exponent = math.frexp(self.gain)
            is_power = mantissa == 0.5 and abs(exponent - 1) <= MAX_UPPER_EXPONENT
            is_valid = is_power and self.offset == 0
            return "" if is_valid else f"upper bits have a gain of {self.gain}, an offset of {self.offset}"
        has_factor = self.kind.has_factor
        for number in (self.gain, self.offset if has_factor else self.offset or 1.0, self._step if has_factor else 1.0):
            if not 2.0**-MAX_EXPONENT <= abs(number) <= 2.0**MAX_EXPONENT:
                return f"a scaling has a gain or offset of {number}"
        for number in (self.gain, self.offset):
            if self.kind.is_float32 and float(np.float32(number)) != number:
                return f"a scaling in float32 has a gain or offset of {number}"
        return ""

    def to_samples(self, integers: np.ndarray, sample_type: SampleType) -> np.ndarray:
        """Compute samples.

        Parameters
        ----------
        integers : integer array
            Values of -2**23..2**23-1; other values give other samples.
        sample_type : SampleType
            One that `fault` accepts.

        Returns
        -------
        array of `sample_type.dtype` and the same shape
        """
        samples = np.empty(integers.shape, sample_type.dtype)
        flat = np.require(integers, np.int32, ["C", "A"]).reshape(-1)
        _core.scaled(flat, *self._formula, sample_type, samples.reshape(-1))
        return samples

    def to_integers(
        self, samples: np.ndarray, sample_type: SampleType, integer_bytes: int = 3
    ) -> tuple[np.ndarray, int]:
        """Find the integers that give samples, bit for bit.

        Parameters
        ----------
        samples : array of `sample_type.dtype`
        sample_type : SampleType
            One that `fault` accepts.
        integer_bytes : {2, 3}, optional
            Width of the integers.

        Returns
        -------
        integers : int32 array of the same shape
            NO_INTEGER where there is none.
        count : int
            Number of samples without an integer.
        """
        integers = np.empty(samples.shape, np.int32)
        flat = np.require(samples, requirements=["C", "A"]).reshape(-1)
        limits = sample_range(integer_bytes)
        count = _core.unscaled(flat, *self._formula, sample_type, *limits, integers.reshape(-1))
        return integers, count

    @property
    def _step(self) -> float:
        """From a sample to the next one, of the kinds TWICE and RATIO; 0 if an offset of 0 makes them impossible."""
        if not self.offset:
            return 0.0
        return self.gain * self.offset if self.kind.name.startswith("TWICE") else self.gain / self.offset

    @property
    def _formula(self) -> tuple[int, float, float, int, int]:
        return int(self.kind), self.gain, self.offset, self.base, self.step


class FileScaling(NamedTuple):
    """The scalings of a file whose samples are computed from integers."""

    sample_type: SampleType
    integer_bytes: int
    """Width of the integers: 2 or 3."""
    channels: tuple[Scaling, ...]
    """One of each channel."""

    @property
    def integer_dtype(self) -> np.dtype:
        """Dtype of the integers in memory."""
        return sample_dtype(self.integer_bytes)

    def to_integers(self, samples: np.ndarray) -> tuple[np.ndarray, list[Beside]]:
        """Find the integers that give samples.

        Parameters
        ----------
        samples : array of `sample_type.dtype`, shape (frames, channels)

        Returns
        -------
        integers : array of `integer_dtype`, shape (frames, channels)
            Contiguous along the frames. Those of escaped samples are the ones before.
        beside : list of Beside
            What the integers do not give, of each channel.
        """
        integers = np.empty(samples.shape[::-1], self.integer_dtype)
        beside = []
        for channel, (scaling, own) in enumerate(zip(self.channels, transposed(samples), strict=True)):
            found, count = scaling.to_integers(own, self.sample_type, self.integer_bytes)
            escapes = is_escaped = None
            if count:
                is_escaped = found == NO_INTEGER
                escapes = Escapes.at(np.flatnonzero(is_escaped), own)
                # a zero of the other sign continues the signal; a NaN and others do not
                zeros = is_escaped & (own == 0)
                if zeros.any():
                    positive, _ = scaling.to_integers(np.zeros(1, own.dtype), self.sample_type, self.integer_bytes)
                    found[zeros] = positive[0]
                found = filled(found, found == NO_INTEGER)
            low_bits = None
            if scaling.kind == ScalingKind.UPPER_BITS:
                upper = scaling.to_samples(found, self.sample_type)
                low_bits = LowBits.of(
                    own if is_escaped is None else np.where(is_escaped, upper, own), upper, found, self.sample_type
                )
            beside.append(Beside(escapes, low_bits))
            integers[channel] = found
        return integers.T, beside
