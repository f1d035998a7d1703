"""Quantizers by channel: what the values of single channels have, and the file as a whole has not.

    lattice    values near the points of a lattice whose step is no integer, or whose offset drifts: what remains when
               integers are scaled and rounded, or a ramp is added to them. A code is a lattice point and a residue,
               which are coded as two sequences.
    copy       the values of an earlier channel of the file, negated or not, shifted or not; it has no codes of its own

`ChannelSearch` finds them; `ByChannel` is the quantizer of a file whose channels have quantizers of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..io.layout import sample_range
from . import _core
from .quantizer import CHANGED, Quantizer, QuantizerSearch, TableQuantizer, UniformQuantizer, identity
from .transpose import transposed

MAX_DENOMINATOR = 1 << 20
"""Largest denominator of a lattice's step."""

MAX_RESIDUES = 4096
"""Largest number of residues: steps are below it."""

_EXCERPT_FRAMES = 1 << 15
_COMPARED = 1 << 10
_PALETTE_FRAMES = 64  # a palette of a channel is worth its place in the directory if so many frames share each value


class Lattice(Quantizer):
    """Values point(k) + r, coded as k * residues + r; 0 <= k < points and 0 <= r < residues.

    Points are the rounded multiples of a rational step:

        point(k) = floor((2 (numerator k + shift) + denominator) / (2 denominator))

    Parameters
    ----------
    numerator, denominator : int
        The step, above 1 and below MAX_RESIDUES.
    shift : int
        The offset, in 1/denominator.
    points : int
        Number of lattice points.
    """

    kind = "lattice"

    def __init__(self, numerator: int, denominator: int, shift: int, points: int) -> None:
        self.numerator, self.denominator, self.shift, self.points = numerator, denominator, shift, points
        self.residues = -(-numerator // denominator)
        self.size = points * self.residues

    def __str__(self) -> str:
        return f"lattice of step {self.numerator / self.denominator:.7g}"

    def point(self, k: np.ndarray) -> np.ndarray:
        """Return lattice points, int64."""
        doubled = 2 * (self.numerator * k.astype(np.int64) + self.shift) + self.denominator
        return doubled // (2 * self.denominator)

    def number_of(self, x: np.ndarray) -> np.ndarray:
        """Return the largest k with point(k) <= x, int64; it may be out of range."""
        return ((2 * x.astype(np.int64) + 1) * self.denominator - 2 * self.shift - 1) // (2 * self.numerator)

    def split(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the lattice points and the residues of codes, int32 both."""
        k, r = np.divmod(codes, np.int32(self.residues))
        return k, r

    def join(self, k: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Return the codes; the inverse of `split`."""
        return k * np.int32(self.residues) + r

    def _encode(self, samples: np.ndarray, codes: np.ndarray) -> bool:
        k = self.number_of(samples)
        codes[:] = self.join(k.astype(np.int32), (samples - self.point(k)).astype(np.int32))
        return bool(((k >= 0) & (k < self.points)).all())

    def _decode(self, codes: np.ndarray, samples: np.ndarray) -> bool:
        k, r = self.split(codes)
        samples[:] = (self.point(k) + r).astype(samples.dtype)
        return bool(((codes >= 0) & (codes < self.size)).all())


class Copy(Quantizer):
    """Values of another channel, perhaps negated, plus an offset. Its codes are those of that channel.

    Parameters
    ----------
    source : int
        Number of the channel, which is before this one, and is no copy.
    quantizer : Quantizer
        Quantizer of that channel.
    offset : int
    is_negated : bool
    """

    kind = "copy"
    size = 1

    def __init__(self, source: int, quantizer: Quantizer, offset: int, is_negated: bool) -> None:
        self.source, self.quantizer, self.offset, self.is_negated = source, quantizer, offset, is_negated

    def __str__(self) -> str:
        shift = f" {'-' if self.offset < 0 else '+'} {abs(self.offset)}" if self.offset else ""
        return f"copy: {'-' if self.is_negated else ''}channel {self.source}{shift}"

    def of(self, source: np.ndarray) -> np.ndarray:
        """Return the copy of the source's samples, int32."""
        values = source.astype(np.int32)
        return (-values if self.is_negated else values) + np.int32(self.offset)

    def _encode(self, samples: np.ndarray, codes: np.ndarray) -> bool:
        codes[:] = 0
        return True

    def _decode(self, codes: np.ndarray, samples: np.ndarray) -> bool:
        samples[:] = self.of(self.quantizer.to_samples(codes, np.int32)).astype(samples.dtype)
        return True


class ByChannel(Quantizer):
    """The quantizers of a file's channels.

    Parameters
    ----------
    channels : sequence of Quantizer
    """

    kind = "by channel"

    def __init__(self, channels: Sequence[Quantizer]) -> None:
        self.channels = tuple(channels)
        self.size = max(channel.size for channel in self.channels)

    def of_channel(self, channel: int) -> Quantizer:
        """Return the quantizer of a channel."""
        return self.channels[channel]

    def to_codes(self, samples: np.ndarray) -> np.ndarray:
        """Quantize samples of shape (channels, frames); see `Quantizer.to_codes`."""
        codes = np.zeros(samples.shape, np.int32)
        for channel, own in enumerate(samples):
            quantizer = self.channels[channel]
            if not isinstance(quantizer, Copy):
                codes[channel] = quantizer.to_codes(own)
            elif not np.array_equal(quantizer.of(samples[quantizer.source]), own):
                raise InputError(CHANGED)
        return codes

    def coded(self, samples: np.ndarray) -> np.ndarray:
        """Return what is predicted of samples of shape (frames, channels): lattice points; zeros for copies."""
        coded = samples.astype(np.int32)
        for channel, quantizer in enumerate(self.channels):
            if isinstance(quantizer, Lattice):
                coded[:, channel] = quantizer.number_of(samples[:, channel])
            elif isinstance(quantizer, Copy):
                coded[:, channel] = 0
        return coded

    def _encode(self, samples: np.ndarray, codes: np.ndarray) -> bool:
        raise NotImplementedError("channels are quantized one by one")

    def _decode(self, codes: np.ndarray, samples: np.ndarray) -> bool:
        raise NotImplementedError("channels are quantized one by one")


class ChannelSearch:
    """Finds the quantizers of a file's channels, chunk by chunk.

    The first chunk shows which channels may have one of their own; all later ones must agree.

    Parameters
    ----------
    sample_bytes : int
        Bytes of a sample: 1, 2 or 3.
    whole : QuantizerSearch
        What is searched in all samples; each piece is added to it before it is added here.
    """

    def __init__(self, sample_bytes: int, whole: QuantizerSearch) -> None:
        self._sample_bytes = sample_bytes
        self._whole = whole
        self._n_frames = 0
        self._copies: dict[int, tuple[int, int, bool]] = {}
        self._values: dict[int, QuantizerSearch] = {}
        self._lattices: dict[int, _Step] = {}
        self._ranges: dict[int, tuple[int, int]] = {}

    def add(self, samples: np.ndarray) -> None:
        """Add samples, uint8, int16 or int32 of shape (frames, channels)."""
        if len(samples) == 0:
            return
        channels = transposed(samples)
        if self._n_frames == 0:
            self._begin(channels)
        else:
            for i, search in self._values.items():
                if search is not self._whole:
                    search.add(channels[i])
        self._n_frames += len(samples)
        for i in self._lattices:
            low, high = self._ranges.get(i, (1 << 24, -(1 << 24)))
            self._ranges[i] = min(low, int(channels[i].min())), max(high, int(channels[i].max()))
        for i, (source, offset, is_negated) in list(self._copies.items()):
            if not np.array_equal(_copied(channels[source], offset, is_negated), channels[i]):
                del self._copies[i]  # its other values are not known any more

    def _begin(self, channels: np.ndarray) -> None:
        if len(channels) > 1:
            self._copies = _find_copies(channels)
        for i, own in enumerate(channels):
            if i in self._copies:
                continue
            search = self._whole
            if len(channels) > 1:
                search = QuantizerSearch(self._sample_bytes)
                search.add(own)
            kind = search.quantizer().kind if search.n_values > 1 else "constant"
            step = None
            if kind in ("identity", "palette"):
                has_palette = kind == "palette" and own.size >= _PALETTE_FRAMES * search.n_values
                step = _core.find_step(own[:_EXCERPT_FRAMES].astype(np.int32), has_palette)
            if step:
                self._lattices[i] = _Step(*step)
            elif kind != "identity":
                self._values[i] = search

    def is_silent(self, n_channels: int) -> bool:
        """Return whether all channels are constant."""
        return len(self._values) == n_channels and all(search.n_values == 1 for search in self._values.values())

    def quantizer(self, whole: Quantizer, n_channels: int, *, may_be_silent: bool = False) -> Quantizer:
        """Return the file's quantizer: `whole`, that of all its samples, or one by channel.

        If all channels are constant, it is `whole`, unless `may_be_silent`.
        """
        lattices = {
            i: lattice
            for i, step in self._lattices.items()
            if (lattice := step.lattice(*self._ranges[i], sample_range(self._sample_bytes)[0]))
        }
        if 2 * sum(_is_crowded(whole, lattice) for lattice in lattices.values()) > n_channels:
            whole = identity(self._sample_bytes)  # most channels have fewer points than the palette of all samples
        channels: list[Quantizer] = [whole] * n_channels
        for i, search in self._values.items():
            own = search.quantizer()
            if search.n_values == 1:
                channels[i] = UniformQuantizer("step", search.lowest, 1, 1)
            elif own.kind == "palette":
                if whole.kind == "identity" and self._n_frames >= _PALETTE_FRAMES * own.size:
                    channels[i] = own
            elif isinstance(own, UniformQuantizer) and isinstance(whole, UniformQuantizer) and own.step > whole.step:
                channels[i] = own
        if whole.kind == "identity":
            for i, lattice in lattices.items():
                channels[i] = lattice
        for i, (source, offset, is_negated) in self._copies.items():
            channels[i] = Copy(source, channels[source], offset, is_negated)
        if all(each.size == 1 for each in channels) and not may_be_silent:
            return whole  # a silent file would take next to nothing, and be refused as a bomb
        return whole if all(each is whole for each in channels) else ByChannel(channels)


def _is_crowded(whole: Quantizer, lattice: Lattice) -> bool:
    """Return whether a palette of all channels has more values in a lattice's range than the lattice has points."""
    if not isinstance(whole, TableQuantizer) or whole.kind != "palette":
        return False
    low, high = lattice.point(np.array([0, lattice.points - 1]))
    return int(((whole.values >= low) & (whole.values <= high)).sum()) > lattice.points


def _copied(source: np.ndarray, offset: int, is_negated: bool) -> np.ndarray:
    return Copy(0, identity(2), offset, is_negated).of(source)


def _find_copies(channels: np.ndarray) -> dict[int, tuple[int, int, bool]]:
    """Find the channels that equal an earlier one: (its number, offset, whether it is negated) of each."""
    first: dict[bytes, int] = {}
    copies = {}
    for i, own in enumerate(channels):
        start = np.diff(own[:_COMPARED].astype(np.int32))
        if not start.any():
            continue
        for is_negated in (False, True):
            source = first.get((-start if is_negated else start).tobytes())
            if source is not None:
                offset = int(own[0]) - (-int(channels[source][0]) if is_negated else int(channels[source][0]))
                if np.array_equal(_copied(channels[source], offset, is_negated), own):
                    copies[i] = (source, offset, is_negated)
                    break
        else:
            first.setdefault(start.tobytes(), i)
    return copies


class _Step(NamedTuple):
    """The step of a lattice, numerator / denominator, and a shift by which most residues are 0."""

    numerator: int
    denominator: int
    shift: int

    def lattice(self, lowest: int, highest: int, least: int) -> Lattice | None:
        """Return the lattice that holds all values; None if it had too many codes, or a point below `least`."""
        first = int(Lattice(*self, 1).number_of(np.array([lowest]))[0])
        shift = self.shift + first * self.numerator  # the first point is that of the lowest value
        points = int(Lattice(self.numerator, self.denominator, shift, 1).number_of(np.array([highest]))[0]) + 1
        if points * -(-self.numerator // self.denominator) > 1 << 24:
            return None
        lattice = Lattice(self.numerator, self.denominator, shift, points)
        return lattice if int(lattice.point(np.array([0]))[0]) >= least else None
