"""Search for the scaling of samples: which integers, gain and offset a writer computed them from.

    integers    the greatest common divisor of the differences
    floats      1. the step of the lattice: the greatest common divisor of noisy real differences, refined by least
                   squares over ever longer ones
                2. gains that writers may have used: the shortest decimal fraction near the step or its inverse, and the
                   numbers next to it; with offsets that are 0, the middle of an unsigned range, or fitted
                3. the candidate that gives most samples bit for bit

    else        a power of two, so that integers are the upper bits of what remains to be predicted

All of it but the last is deterministic on every machine: sums are exactly rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ..core.escapes import Escapes
from ..core.scaling import NO_INTEGER, FileScaling, Scaling, ScalingKind
from ..io.layout import SampleType, sample_range

MAX_ESCAPED = 1 / 32
"""Largest share of samples that a scaling may leave to be escaped; each costs some bytes."""

_MOST_VALUES = 2048
"""Number of distinct values, or of samples, that the steps of the search look at."""

_EXCERPT_SAMPLES = 1 << 16
"""Number of samples of all channels in which the scaling of all of them is searched."""

_MOST_SHARED = 64
"""Number of scalings of channels that further channels are compared with."""
_MOST_OWN, _SAMPLES_OF_OWN = 64, 1 << 10
"""Channels that may have scalings of their own; each search takes as long as coding many samples."""

_UPPER_BITS = 23
"""Bits of the integers of the largest samples, but for one in _RARE, of which only the upper bits are predicted."""
_RARE = 4096
_BITS_BELOW_ERROR = 12
"""Bits of the integers of what prediction leaves."""
_ORDER, _MOST_PREDICTED = 24, 1 << 13
"""Of that prediction: its order, and samples."""
_ROUNDS = 3

_MOST_OTHERS, _FIRST_OTHERS = 8, 2
"""Channels without a scaling, from which on none is searched in others; the second, if none was found in any."""

_UNITS = (1e-6, 1e-3, 1e3, 1e6)
"""Factors by which a writer may have changed the unit of samples that had a gain."""

_HALF_RANGES = tuple(2**n for n in (15, 11, 7, 9, 13, 23))
"""Integers at the middle of the range of unsigned converters, by how common they are."""


def find_file_scaling(
    excerpt: Sequence[np.ndarray],
    sample_type: SampleType,
    n_samples: int,
    searched: dict[tuple[int, int], Scaling | None],
) -> FileScaling | None:
    """Find the scalings of a file: one of all channels, or one of each.

    Parameters
    ----------
    excerpt : sequence of arrays of `sample_type.dtype`
        Samples of each channel.
    sample_type : SampleType
    n_samples : int
        Samples of the file.
    searched : dict of (int, int) to Scaling or None
        What was found by channel and size of its excerpt. Kept between calls whose excerpts only grow.

    Returns
    -------
    FileScaling or None
        None if many samples of some channel are of no scaling, or too many channels have scalings of their own.
    """
    known: list[Scaling] = []
    others = n_recurring = 0
    common = find_scaling(_evenly(np.concatenate(excerpt), _EXCERPT_SAMPLES), sample_type)
    if common:
        known.append(common)
    scalings = []
    for channel, samples in enumerate(excerpt):
        scaling = next((each for each in known[:_MOST_SHARED] if _fits(each, samples, sample_type)), None)
        if scaling is None:
            key = channel, samples.size
            if key not in searched:
                is_searched = others < (_MOST_OTHERS if known else _FIRST_OTHERS)
                is_searched = is_searched and len(known) <= _MOST_OWN + n_samples // _SAMPLES_OF_OWN
                searched[key] = find_scaling(samples, sample_type) if is_searched else None
            scaling = searched[key]
            if scaling and _fits(scaling, samples, sample_type):
                known.append(scaling)
            else:
                scaling = _find_upper_bits(samples, sample_type)
                # those that recur are computed from fewer numbers, in an unknown way: other compressors find them
                n_recurring += 2 * np.unique(samples).size < samples.size
                others += 1
                if scaling is None or 2 * n_recurring > len(excerpt):
                    return None
        scalings.append(scaling)
    is_narrow = all(
        scaling.to_integers(samples, sample_type, 2)[1] == scaling.to_integers(samples, sample_type, 3)[1]
        for scaling, samples in zip(scalings, excerpt, strict=True)
    )
    return FileScaling(sample_type, 2 if is_narrow else 3, tuple(scalings))


def _fits(scaling: Scaling, samples: np.ndarray, sample_type: SampleType) -> bool:
    """Return whether a scaling leaves few samples to be escaped."""
    integers, count = scaling.to_integers(samples, sample_type)
    if count:
        count = Escapes.at(np.flatnonzero(integers == NO_INTEGER), samples).first.size
    return count <= 1 + MAX_ESCAPED * samples.size


def find_scaling(samples: np.ndarray, sample_type: SampleType) -> Scaling | None:
    """Find the scaling of samples.

    Parameters
    ----------
    samples : array of `sample_type.dtype`
        Some thousand samples that are typical.
    sample_type : SampleType

    Returns
    -------
    Scaling or None
        None if no scaling gives nearly all samples.
    """
    if sample_type.dtype.kind != "f":
        return _find_integer_scaling(samples, sample_type)
    with np.errstate(all="ignore"):
        return _find_real_scaling(samples, sample_type)


def _find_upper_bits(samples: np.ndarray, sample_type: SampleType) -> Scaling | None:
    """Return the scaling of floats of which only the upper bits can be predicted; None if it is of no use.

    The gain is a small part of what linear prediction leaves, so that all that can be predicted is in the integers.
    """
    if sample_type.dtype.kind != "f":
        return None
    finite = samples[np.isfinite(samples)].astype(np.float64)
    sizes = np.sort(np.abs(finite))
    largest = sizes[-1 - sizes.size // _RARE] if sizes.size else 0.0
    finest = math.frexp(largest)[1] - _UPPER_BITS
    left = _prediction_error(finite)
    exponent = max(finest, math.frexp(left)[1] - _BITS_BELOW_ERROR) if left else finest
    scaling = Scaling(ScalingKind.UPPER_BITS, 2.0**exponent)
    return scaling if not scaling.fault(sample_type) else None


def _prediction_error(samples: np.ndarray) -> float:
    """Return about what a linear prediction of samples from those before leaves; 0 if there are few samples."""
    differences = np.diff(samples[:_MOST_PREDICTED])
    scale = float(np.abs(differences).max(initial=0.0))
    if differences.size < 4 * _ORDER or not 0 < scale < math.inf:
        return 0.0
    rows = np.lib.stride_tricks.sliding_window_view(differences / scale, _ORDER + 1)
    left = np.zeros(len(rows))
    for _ in range(_ROUNDS):
        # artefacts, and edges of the pieces of an excerpt, must not count
        kept = rows[left <= 4 * np.median(left)]
        moments = kept.T @ kept
        weights = np.linalg.lstsq(moments[:-1, :-1], moments[:-1, -1], rcond=None)[0]
        left = np.abs(rows[:, -1] - rows[:, :-1] @ weights)
    return scale * float(np.median(left))


def _find_real_scaling(samples: np.ndarray, sample_type: SampleType) -> Scaling | None:
    # others are no products of numbers within the limits of a gain
    samples = samples[(np.abs(samples) < 2.0**80) & ((np.abs(samples) > 2.0**-80) | (samples == 0))]
    finite = samples.astype(np.float64) + 0.0  # no -0.0
    distinct = np.unique(finite)
    if distinct.size == 0 or not distinct.any():
        return Scaling(ScalingKind.MULTIPLY)
    some = _evenly(finite)
    is_float32 = bool((some.astype(np.float32) == some).all())
    precision = np.dtype(np.float32 if is_float32 else np.float64)
    best, least = None, math.inf
    extremes = np.concatenate([distinct[: _MOST_VALUES // 8], distinct[-_MOST_VALUES // 8 :]]).astype(sample_type.dtype)
    typical = np.concatenate([_evenly(samples), extremes])
    has_negative_zeros = bool((np.signbit(typical) & (typical == 0)).any())
    for scaling, is_of_lattice in _candidates(distinct, precision, has_negative_zeros):
        if scaling.fault(sample_type):
            continue
        integers, n_escaped = scaling.to_integers(typical, sample_type)
        if n_escaped > MAX_ESCAPED * typical.size:
            continue
        # bits per sample, but for what all scalings have in common
        cost = 60 * n_escaped / typical.size + math.log2(1 + int(np.ptp(integers[integers != NO_INTEGER])))
        if cost < least:
            best, least = scaling, cost
        if is_of_lattice and n_escaped == 0:
            break
    return best


def _candidates(distinct: np.ndarray, precision: np.dtype, has_negative_zeros: bool) -> Iterator[tuple[Scaling, bool]]:
    """Yield scalings, and whether their gain is the step of the lattice, which no other one can be larger than."""
    for scalings, is_of_lattice in ((_dyadic(distinct), False), (_real(distinct, precision), True)):
        for scaling in scalings:
            yield scaling, is_of_lattice
            if has_negative_zeros and scaling.offset == 0:
                yield scaling._replace(gain=-scaling.gain), is_of_lattice  # a gain below 0 makes a -0.0 of 0


def _find_integer_scaling(samples: np.ndarray, sample_type: SampleType) -> Scaling | None:
    values = np.unique(samples).astype(np.int64)
    if values.size < 2:
        return _integer_scaling(int(values[0]) if values.size else 0, int(values[0]) if values.size else 0, 1)
    step = int(np.gcd.reduce(np.diff(values)))
    scaling = _integer_scaling(int(values[0]), int(values[-1]), step)
    if scaling is None:
        # a few odd values, or samples of 8, 16 and 24 bits in the upper ones of 32
        for step in (1 << 16, 1 << 8, 1):
            steps = values // step
            low, high = (int(v) * step for v in np.sort(steps)[[len(steps) // 64, -1 - len(steps) // 64]])
            scaling = _integer_scaling(low, high, step)
            if scaling and scaling.to_integers(samples, sample_type)[1] <= MAX_ESCAPED * samples.size:
                return scaling
        return None
    return scaling


def _integer_scaling(low: int, high: int, step: int) -> Scaling | None:
    base = low % step
    for integer_bytes in (2, 3):
        lowest, highest = sample_range(integer_bytes)
        scaling = None
        if lowest <= (low - base) // step and (high - base) // step <= highest:
            scaling = Scaling(base=base, step=step)
        elif (high - low) // step <= highest - lowest:
            # as far from both ends of the range as it goes: others of the file's samples may lie beyond
            middle = (low + high - 2 * base) // (2 * step)
            scaling = Scaling(base=base + (middle - (lowest + highest + 1) // 2) * step, step=step)
        if scaling:
            return None if scaling.fault(SampleType.INT64) else scaling
    return None


def _evenly(values: np.ndarray, most: int = _MOST_VALUES) -> np.ndarray:
    """Return some of the values, among them the first and the last."""
    return values if values.size <= most else values[np.arange(most) * (values.size - 1) // (most - 1)]


def _dyadic(distinct: np.ndarray) -> Iterator[Scaling]:
    """Yield the power of two that most values are multiples of."""
    mantissa, exponent = np.frexp(distinct[distinct != 0])
    whole = (mantissa * 2.0**53).astype(np.int64)
    lowest_bit = np.sort(exponent - 54 + np.frexp((whole & -whole).astype(np.float64))[1])
    for i in {0, lowest_bit.size // 64}:
        yield Scaling(ScalingKind.MULTIPLY, 2.0 ** int(lowest_bit[i]))


def _real(distinct: np.ndarray, precision: np.dtype) -> Iterator[Scaling]:
    # values next to each other may be of uneven steps, such as 64 and 65: the residues tell, unless rounding hides them
    for tolerance in (32.0, math.inf):
        for step in _find_steps(distinct, precision, tolerance):
            yield from _of_step(distinct, step, precision)


def _of_step(distinct: np.ndarray, step: float, precision: np.dtype) -> Iterator[Scaling]:
    # integers and values: x = k * step + offset
    values = _evenly(distinct)
    reference = float(distinct[distinct.size // 2])
    k = np.rint((values - reference) / step)
    on_lattice = np.abs(values - reference - k * step) < step / 4
    values, k = values[on_lattice], k[on_lattice]
    step, offset = _fit(values, k, step)
    shift = round(offset / step)
    k += shift
    offset -= shift * step
    limit = sample_range(3)[1]
    if values.size < 2 or np.abs(k).max() > limit:
        return
    ulp = np.spacing(np.abs(values).astype(precision)).astype(np.float64)
    if abs(offset) < max(step / 64, 4 * float(ulp.max())):
        yield from _without_offset(values, k, ulp, step, precision)
        yield from _with_offset(k, ulp, step, [sign * half * step for half in _HALF_RANGES for sign in (-1, 1)])
    if abs(offset) > 4 * float(ulp.min()):
        yield from _with_offset(k, ulp, step, [offset, *_short_offsets(offset, step, 8 * float(ulp.max()))])
        if precision == np.float32:
            yield _widest(values, k, ulp, offset)


def _find_steps(distinct: np.ndarray, precision: np.dtype, tolerance: float) -> Iterator[float]:
    """Yield steps of lattices that nearly all of the values may lie on.

    Multiples of the step may be off by `tolerance` units in the last place, and by a sixteenth of the step.
    """
    middle = distinct.size // 2
    dense = distinct[max(0, middle - _MOST_VALUES // 2) : middle + _MOST_VALUES // 2]
    if dense.size < 2:
        yield float(abs(distinct[-1]))
        return
    gaps = np.sort(np.diff(dense))
    ulp = float(np.spacing(precision.type(max(abs(dense[0]), abs(dense[-1])))))
    step = float(gaps[gaps.size // 64])
    for _ in range(64):
        if step < 4 * ulp:
            return
        m = np.rint(gaps / step)
        short = m <= 8
        residue = np.abs(gaps - m * step)
        bad = np.sort(residue[short & (residue > min(tolerance * ulp, step / 16))])
        if bad.size * 16 <= np.count_nonzero(short):
            break
        step = float(bad[bad.size // 16])
    # the step is as inexact as a residue: it may go into the commonest gap some times more or less often
    gap = float(gaps[gaps.size // 2])
    times = round(gap / step)
    likely = sorted(range(max(1, times - 3), times + 4), key=lambda n: abs(n - times)) if times > 8 else [times]
    for n in likely:
        refined = _refined_step((dense, _evenly(distinct)), gap / n)
        if refined is not None:
            yield refined


def _refined_step(ranges: Iterable[np.ndarray], step: float) -> float | None:
    """Return the step by least squares over ever longer differences; None if they are no multiples of it."""
    for values in ranges:
        lag = 1
        while lag < values.size:
            gaps = values[lag:] - values[:-lag]
            m = np.rint(gaps / step)
            near = (np.abs(gaps - m * step) < step / 4) & (m > 0)
            if np.count_nonzero(near) * 10 < gaps.size * 8:
                return None
            step = math.fsum((gaps * m)[near]) / math.fsum((m * m)[near])
            lag *= 2
    return step


def _fit(values: np.ndarray, k: np.ndarray, step: float) -> tuple[float, float]:
    """Return gain and offset of the line through (k, value), by least squares."""
    if values.size < 2 or k[0] == k[-1]:
        return step, 0.0
    residue = values - k * step
    mean_k, mean_r = math.fsum(k) / k.size, math.fsum(residue) / k.size
    d = k - mean_k
    slope = math.fsum(d * (residue - mean_r)) / math.fsum(d * d)
    return step + slope, mean_r - slope * mean_k


def _interval(values: np.ndarray, k: np.ndarray, ulp: np.ndarray, step: float) -> tuple[float, float]:
    """Return the gains with which each k * gain rounds to its value; if there is none, gains around `step`."""
    apart = k != 0
    x, n, half = np.abs(values[apart]), np.abs(k[apart]), ulp[apart] / 2
    near = np.abs(x - n * step) < 8 * half + n * step * 1e-12
    if near.any():
        low, high = float(((x - half) / n)[near].max()), float(((x + half) / n)[near].min())
        if low <= high:
            return low, high
        step = (low + high) / 2
    error = float((half / n).min()) if n.size else 0.0
    return step - error, step + error


def _short(number: float, tolerance: float) -> list[float]:
    """Return the decimal fraction of fewest digits that is near a number, if any has few."""
    for digits in range(12):
        short = float(f"{number:.{digits}e}")
        if abs(short - number) <= tolerance:
            return [short]
    return []


def _gains(low: float, high: float, precision: np.dtype) -> list[float]:
    """Return gains between two limits that a writer may have used: short ones first, then the nearest."""
    middle = low + (high - low) / 2
    tolerance = max(high - middle, 4 * math.ulp(middle))
    gains = _short(middle, tolerance)
    gains += [1 / inverse for inverse in _short(1 / middle, tolerance / middle**2)]
    nearest = np.nextafter(np.float32(middle), np.float32(0)), np.float32(middle)
    for gain in (*gains[:1], *nearest, np.nextafter(nearest[1], np.float32(np.inf)), middle):
        as_float32 = float(np.float32(gain))
        gains += [float(gain), as_float32]
    if precision == np.float64:
        gains += [middle + i * math.ulp(middle) for i in (1, -1, 2, -2, 3, -3)]
    return list(dict.fromkeys(gains))


def _without_offset(
    values: np.ndarray, k: np.ndarray, ulp: np.ndarray, step: float, precision: np.dtype
) -> Iterator[Scaling]:
    low, high = _interval(values, k, ulp, step)
    for gain in _gains(low, high, precision):
        yield Scaling(ScalingKind.MULTIPLY, gain)
        if float(np.float32(gain)) == gain:
            yield Scaling(ScalingKind.MULTIPLY_FLOAT32, gain)
    for gain in _gains(1 / high, 1 / low, precision):
        yield Scaling(ScalingKind.DIVIDE, gain)
        if float(np.float32(gain)) == gain:
            yield Scaling(ScalingKind.DIVIDE_FLOAT32, gain)
    yield from _in_other_units(low, high)


def _in_other_units(low: float, high: float) -> Iterator[Scaling]:
    """Yield scalings whose gain is a decimal fraction of few digits in another unit, such as microvolts in volts."""
    for unit in _UNITS:
        for kind, as_float32, factor in (
            (ScalingKind.TWICE, ScalingKind.TWICE_FLOAT32, unit),
            (ScalingKind.RATIO, ScalingKind.RATIO_FLOAT32, round(1 / unit, 9)),
        ):
            for gain in _short((low + high) / 2 / unit, (high - low + 8 * math.ulp(high)) / unit):
                yield Scaling(kind, gain, factor)
                yield Scaling(as_float32, float(np.float32(gain)), float(np.float32(factor)))


def _short_offsets(offset: float, step: float, tolerance: float) -> list[float]:
    """Return decimal fractions of few digits that differ from an offset by a whole number of steps."""
    candidates = offset + step * np.arange(-(2**16), 2**16)
    candidates = candidates[np.abs(candidates) > 2.0**-60]
    if not candidates.size:
        return []
    magnitude = np.floor(np.log10(np.abs(candidates))).astype(int)
    powers = 10.0 ** np.arange(magnitude.min() - 5, magnitude.max() + 1)  # one for each candidate would take long
    allowed = tolerance + 4 * np.spacing(np.abs(candidates))
    for digits in range(1, 7):
        unit = powers[magnitude - magnitude.min() + 6 - digits]
        short = np.rint(candidates / unit)
        near = np.abs(short * unit - candidates) < allowed
        if near.any():
            found = candidates[near][np.argsort(np.abs(candidates[near]), kind="stable")[:8]]
            return [float(f"{each:.{digits - 1}e}") for each in found.tolist()]
    return []


def _with_offset(k: np.ndarray, ulp: np.ndarray, step: float, offsets: Iterable[float]) -> Iterator[Scaling]:
    """Yield scalings with gains near `step` and offsets near those given."""
    largest = float(ulp.max())
    gains = _short(step, 64 * largest / max(1.0, float(np.abs(k).max())))
    gains = [*dict.fromkeys([*gains, *(float(np.float32(gain)) for gain in gains), step])]
    for near in offsets:
        for gain in gains:
            for offset in dict.fromkeys([*_short(near, 4 * largest), near, round(near / step) * gain]):
                yield Scaling(ScalingKind.MULTIPLY, gain, offset)
                yield Scaling(ScalingKind.SHIFT, gain, offset / gain)
                yield Scaling(ScalingKind.MULTIPLY_FLOAT32, float(np.float32(gain)), float(np.float32(offset)))


def _widest(values: np.ndarray, k: np.ndarray, ulp: np.ndarray, offset: float) -> Scaling:
    """Return the scaling in float64 whose offset leaves the gain most room, if it is to give all float32 values."""
    apart = k != 0
    x, n, half = (values * np.sign(k))[apart], np.abs(k[apart]), ulp[apart] / 2
    sign = np.sign(k[apart])

    def room(offset: float) -> tuple[float, float]:
        middle = x - sign * offset
        low, high = float(((middle - half) / n).max()), float(((middle + half) / n).min())
        return high - low, low + (high - low) / 2

    # the room is a concave function of the offset
    low, high = offset - 8 * float(ulp.max()), offset + 8 * float(ulp.max())
    for _ in range(80):
        third = (high - low) / 3
        low, high = (low + third, high) if room(low + third) < room(high - third) else (low, high - third)
    best = low + (high - low) / 2
    return Scaling(ScalingKind.MULTIPLY, room(best)[1], best)
