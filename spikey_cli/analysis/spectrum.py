"""Power spectral density by Welch's method, and the spectral lines in it.

Segments of SEGMENT samples overlap by half, lose their mean, and are weighted with a Hann window.

References
----------
P. D. Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans. Audio Electroacoust.
15, 1967.
"""

from __future__ import annotations

import numpy as np

SEGMENT = 1024
"""Samples of a segment; a shorter recording is one segment."""

LINE_RATIO = 4.0
"""Smallest ratio of a line's power to the median of its neighbourhood (6 dB)."""

_SEGMENTS_PER_BATCH = 1024
_NEIGHBOURHOOD = 16


def power_density(x: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """One-sided power spectral density.

    Parameters
    ----------
    x : ndarray of float, shape (samples,)
    rate : float
        Samples a second.

    Returns
    -------
    frequency : ndarray of float64, shape (segment // 2 + 1,)
        In Hz.
    density : ndarray of float64, same shape
        In squared units of `x` per Hz. Its integral over all frequencies is the variance within segments.
    """
    size = min(SEGMENT, x.size)
    segments = np.lib.stride_tricks.sliding_window_view(x, size)[:: max(1, size // 2)]
    window = (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size)).astype(np.float32)
    power = np.zeros(size // 2 + 1)
    for first in range(0, len(segments), _SEGMENTS_PER_BATCH):
        batch = segments[first : first + _SEGMENTS_PER_BATCH].astype(np.float32)
        batch -= batch.mean(axis=1, keepdims=True)
        batch *= window
        spectrum = np.fft.rfft(batch, axis=1)
        power += np.sum(spectrum.real.astype(np.float64) ** 2 + spectrum.imag.astype(np.float64) ** 2, axis=0)
    density = power / (len(segments) * rate * float(np.sum(window.astype(np.float64) ** 2)))
    # add the negative frequencies; zero and half the rate have none
    density[1 : (size + 1) // 2] *= 2
    return np.fft.rfftfreq(size, 1 / rate), density


def decibels(density: np.ndarray) -> np.ndarray:
    """10 log10 of a density, at least -120 dB."""
    return 10 * np.log10(np.maximum(density, 1e-12))


def spectral_lines(frequency: np.ndarray, density: np.ndarray) -> list[tuple[float, float]]:
    """Frequencies whose power exceeds the median of their neighbourhood by LINE_RATIO.

    The lowest two frequencies are left out, because a slope towards zero is not a line.

    Parameters
    ----------
    frequency, density : ndarray, shape (frequencies,)
        Results of `power_density`.

    Returns
    -------
    list of (float, float)
        Frequency in Hz and excess in dB, strongest first.
    """
    if density.size <= _NEIGHBOURHOOD:
        return []
    padded = np.pad(density, _NEIGHBOURHOOD, mode="reflect")
    median = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURHOOD + 1), axis=1)
    ratio = density / np.maximum(median, 1e-30)
    inner = ratio[1:-1]
    is_peak = (inner >= LINE_RATIO) & (inner >= ratio[:-2]) & (inner >= ratio[2:])
    peaks = [int(i) + 1 for i in np.flatnonzero(is_peak) if i >= 2]
    return sorted(((float(frequency[i]), float(10 * np.log10(ratio[i]))) for i in peaks), key=lambda line: -line[1])
