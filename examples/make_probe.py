"""Make a synthetic recording of a linear probe: `python examples/make_probe.py probe.wav`; `--help` lists the options.

The amplitudes are about those of Neuropixels 1.0 in the action-potential band (J. J. Jun et al., "Fully integrated
silicon probes for high-density recording of neural activity", Nature 2017: sites 20 um apart, noise of 5 to 6 uV RMS,
10 bits, 2.34 uV per code at gain 500). The components, and how far channels share them:

    thermal noise      5.5 uV, independent on each channel
    background         10 uV of distant spikes; the weight of each source halves every 80 um (four channels)
    common mode        6 uV, equal on all channels: reference, ground, movement of the cable
    field potential    20 uV, slow (1/f, with a steep fall above 300 Hz); weights halve every 200 um
    units              one at every second channel, 30 to 150 uV, 2 to 20 spikes per second with a refractory time of
                       2 ms; the amplitude on other channels halves every 30 um

The same options give the same bytes.
"""

from __future__ import annotations

import argparse

import numpy as np
import soundfile

MICROVOLTS_PER_CODE = 2.34
CODE_STEP = 64
"""Samples of 10 bits are stored in the upper bits of 16, as is common for such converters."""

THERMAL, BACKGROUND, COMMON, FIELD = 5.5, 10.0, 6.0, 20.0  # uV RMS
_REFRACTORY_SECONDS = 2e-3
_SPIKE_SECONDS = 2e-3


def probe(channels: int = 32, seconds: float = 10.0, rate: int = 30_000, seed: int = 0) -> np.ndarray:
    """Samples of a probe, int16 of shape (frames, channels): multiples of CODE_STEP."""
    random = np.random.default_rng(seed)
    frames = round(seconds * rate)
    microvolts = random.normal(0, THERMAL, (frames, channels))
    microvolts += COMMON * random.normal(size=(frames, 1))
    microvolts += BACKGROUND * _coloured(random, frames, channels, rate, low=300) @ _spread(channels, 4.0)
    microvolts += FIELD * _slow(random, frames, channels, rate) @ _spread(channels, 10.0)
    for unit in range(0, channels, 2):
        microvolts += _unit(random, frames, channels, rate, unit)
    codes = np.clip(np.rint(microvolts / MICROVOLTS_PER_CODE), -512, 511)
    return (codes * CODE_STEP).astype(np.int16)


def _spread(channels: int, half: float) -> np.ndarray:
    """Mixing matrix of independent sources: weights halve every `half` channels; columns have norm 1."""
    position = np.arange(channels)
    weights = 0.5 ** (np.abs(position[:, None] - position) / half)
    return weights / np.sqrt((weights**2).sum(axis=0))


def _filtered(random: np.random.Generator, frames: int, channels: int, gain: np.ndarray) -> np.ndarray:
    """Noise with an RMS of 1 and this gain at the frequencies of `np.fft.rfftfreq`."""
    spectrum = np.fft.rfft(random.normal(size=(frames, channels)), axis=0) * gain[:, None]
    noise = np.fft.irfft(spectrum, frames, axis=0)
    return noise / noise.std()


def _coloured(random: np.random.Generator, frames: int, channels: int, rate: int, low: float) -> np.ndarray:
    """Distant spikes: noise above `low` Hz with the spectrum of spikes, which falls above 3 kHz."""
    frequency = np.fft.rfftfreq(frames, 1 / rate)
    return _filtered(random, frames, channels, (frequency > low) / (1 + (frequency / 3000) ** 2))


def _slow(random: np.random.Generator, frames: int, channels: int, rate: int) -> np.ndarray:
    """Field potential: power falls as 1/f up to 300 Hz, and steeply above."""
    frequency = np.fft.rfftfreq(frames, 1 / rate)
    return _filtered(random, frames, channels, (frequency + 1) ** -0.5 / (1 + (frequency / 300) ** 2))


def _unit(random: np.random.Generator, frames: int, channels: int, rate: int, site: int) -> np.ndarray:
    """One unit's spikes on all channels, in uV."""
    spike_rate = random.uniform(2, 20)
    intervals = random.exponential(1 / spike_rate, size=round(2 * spike_rate * frames / rate) + 10)
    times = (np.cumsum(intervals + _REFRACTORY_SECONDS) * rate).astype(int)
    train = np.zeros(frames)
    train[times[times < frames]] = 1
    t = np.arange(round(_SPIKE_SECONDS * rate)) / rate
    waveform = -np.exp(-(((t - 4e-4) / 1.2e-4) ** 2)) + 0.4 * np.exp(-(((t - 9e-4) / 3e-4) ** 2))
    amplitudes = random.uniform(30, 150) * 0.5 ** (np.abs(np.arange(channels) - site - random.uniform(-0.5, 0.5)) / 1.5)
    return np.convolve(train, waveform)[:frames, None] * amplitudes


def main() -> None:
    """Write the WAV."""
    parser = argparse.ArgumentParser(description="Make a synthetic recording of a linear probe.")
    parser.add_argument("path", metavar="OUT.wav")
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=30_000, help="sample rate in Hz")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    samples = probe(options.channels, options.seconds, options.rate, options.seed)
    soundfile.write(options.path, samples, options.rate, subtype="PCM_16")


if __name__ == "__main__":
    main()
