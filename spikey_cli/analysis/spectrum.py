"""Power against frequency, by averaged periodograms.

Source: P. D. Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans. Audio
Electroacoust. 15, 1967. Segments of SEGMENT samples overlap by half, lose their mean, and take a Hann window.
"""

from __future__ import annotations

import numpy as np

SEGMENT = 1024
"""Samples of a segment; a shorter recording is one segment."""

LINE_RATIO = 4.0
"""A line stands out of the median of its neighbourhood by this ratio of power (6 dB), at least."""

_AT_ONCE = 1024
_NEIGHBOURHOOD = 16


def periodogram(x: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """One-sided power spectral density of `x`, float of shape (samples,), at `rate` samples a second.

    Returns (frequencies in Hz, density in squared units of `x` per Hz), both float64 of shape (segment // 2 + 1,). The
    density's integral from 0 to half the rate is the variance that the segments have.
    """
    size = min(SEGMENT, x.size)
    segments = np.lib.stride_tricks.sliding_window_view(x, size)[:: max(1, size // 2)]
    window = (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size)).astype(np.float32)
    power = np.zeros(size // 2 + 1)
    for first in range(0, len(segments), _AT_ONCE):
        some = segments[first : first + _AT_ONCE].astype(np.float32)
        some -= some.mean(axis=1, keepdims=True)
        some *= window
        spectrum = np.fft.rfft(some, axis=1)
        power += np.sum(spectrum.real.astype(np.float64) ** 2 + spectrum.imag.astype(np.float64) ** 2, axis=0)
    density = power / (len(segments) * rate * float(np.sum(window.astype(np.float64) ** 2)))
    # both sides in one, but for what has no other side
    density[1 : (size + 1) // 2] *= 2
    return np.fft.rfftfreq(size, 1 / rate), density


def decibels(density: np.ndarray) -> np.ndarray:
    """10 log10, with a floor at -120 dB."""
    return 10 * np.log10(np.maximum(density, 1e-12))


def spectral_lines(frequency: np.ndarray, density: np.ndarray) -> list[tuple[float, float]]:
    """Where single frequencies stand out: (Hz, dB above the median of the neighbourhood), strongest first.

    The lowest two frequencies are passed over: a slope towards zero is no line.
    """
    padded = np.pad(density, _NEIGHBOURHOOD, mode="reflect") if density.size > _NEIGHBOURHOOD else None
    if padded is None:
        return []
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURHOOD + 1), axis=1)
    ratio = density / np.maximum(around, 1e-30)
    inner = ratio[1:-1]
    peak = (inner >= LINE_RATIO) & (inner >= ratio[:-2]) & (inner >= ratio[2:])
    found = [int(i) + 1 for i in np.flatnonzero(peak) if i >= 2]
    return sorted(((float(frequency[i]), float(10 * np.log10(ratio[i]))) for i in found), key=lambda line: -line[1])
