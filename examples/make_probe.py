"""Make a synthetic recording of a linear probe: `python examples/make_probe.py probe.wav`; `--help` tells the options.

Magnitudes are about those of Neuropixels 1.0 in the action-potential band (J. J. Jun et al., "Fully integrated silicon
probes for high-density recording of neural activity", Nature 2017: sites 20 um apart, noise of 5 to 6 uV on each, 10
bits, 2.34 uV a code at gain 500). What channels share, and over which distance:

    thermal noise      5.5 uV on each channel alone
    background         10 uV of far spikes; each source's weight falls by half every 80 um, four channels
    common mode        6 uV on all channels alike: reference, ground, movement of the cable
    field potential    20 uV, slow (1/f, falling fast beyond 300 Hz); weights fall by half every 200 um
    units              one every second channel, 30 to 150 uV, 2 to 20 spikes a second with a refractory time of 2 ms;
                       heard on the neighbours with an amplitude that falls by half every 30 um

The same options give the same bytes.
"""

from __future__ import annotations

import argparse

import numpy as np
import soundfile

MICROVOLTS_A_CODE = 2.34
CODE_STEP = 64
"""Ten bits in sixteen, as such converters' samples are often stored."""

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
    codes = np.clip(np.rint(microvolts / MICROVOLTS_A_CODE), -512, 511)
    return (codes * CODE_STEP).astype(np.int16)


def _spread(channels: int, half: float) -> np.ndarray:
    """Mixing matrix [channels, channels] that makes independent sources share by distance; columns of unit length."""
    place = np.arange(channels)
    weights = 0.5 ** (np.abs(place[:, None] - place) / half)
    return weights / np.sqrt((weights**2).sum(axis=0))


def _filtered(random: np.random.Generator, frames: int, channels: int, gain: np.ndarray) -> np.ndarray:
    """Noise of unit RMS with this gain at the frequencies of `np.fft.rfftfreq`."""
    spectrum = np.fft.rfft(random.normal(size=(frames, channels)), axis=0) * gain[:, None]
    noise = np.fft.irfft(spectrum, frames, axis=0)
    return noise / noise.std()


def _coloured(random: np.random.Generator, frames: int, channels: int, rate: int, low: float) -> np.ndarray:
    """Far spikes: what is above `low` Hz, falling beyond 3 kHz as spikes do."""
    frequency = np.fft.rfftfreq(frames, 1 / rate)
    return _filtered(random, frames, channels, (frequency > low) / (1 + (frequency / 3000) ** 2))


def _slow(random: np.random.Generator, frames: int, channels: int, rate: int) -> np.ndarray:
    """Field potential: power falls as 1/f up to 300 Hz, and fast beyond."""
    frequency = np.fft.rfftfreq(frames, 1 / rate)
    return _filtered(random, frames, channels, (frequency + 1) ** -0.5 / (1 + (frequency / 300) ** 2))


def _unit(random: np.random.Generator, frames: int, channels: int, rate: int, place: int) -> np.ndarray:
    """One unit's spikes on all channels, in uV."""
    spikes = random.uniform(2, 20)
    waits = random.exponential(1 / spikes, size=round(2 * spikes * frames / rate) + 10) + _REFRACTORY_SECONDS
    times = (np.cumsum(waits) * rate).astype(int)
    train = np.zeros(frames)
    train[times[times < frames]] = 1
    t = np.arange(round(_SPIKE_SECONDS * rate)) / rate
    coding_pass = -np.exp(-(((t - 4e-4) / 1.2e-4) ** 2)) + 0.4 * np.exp(-(((t - 9e-4) / 3e-4) ** 2))
    heard = random.uniform(30, 150) * 0.5 ** (np.abs(np.arange(channels) - place - random.uniform(-0.5, 0.5)) / 1.5)
    return np.convolve(train, coding_pass)[:frames, None] * heard


def main() -> None:
    """Write the WAV."""
    parser = argparse.ArgumentParser(description="Make a synthetic recording of a linear probe.")
    parser.add_argument("path", metavar="OUT.wav")
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=30_000, help="samples a second of each channel")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    samples = probe(options.channels, options.seconds, options.rate, options.seed)
    soundfile.write(options.path, samples, options.rate, subtype="PCM_16")


if __name__ == "__main__":
    main()
