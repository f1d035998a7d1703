"""Filtered recordings to measure: `python benchmarks/filtered.py FOLDER FILE.wav...`, then `real.py FOLDER/*.wav`.

Writes each recording after a band-pass, as float32 and, in steps of a quarter of the recording's, as int16. The filter
is a Butterworth of order 5, forwards and backwards, from a hundredth to a fifth of the sample rate: 300 to 6000 Hz at
30 kHz, as before spikes are detected.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import soundfile

ORDER, LOW, HIGH = 5, 1 / 100, 1 / 5
STEPS = 4


def band_pass(samples: np.ndarray) -> np.ndarray:
    """Return the samples, of shape (frames, channels), after the filter, which two passes leave without a phase."""
    n = len(samples)
    frequency = np.fft.rfftfreq(2 * n)[:, None]
    with np.errstate(divide="ignore"):
        detuned = (frequency**2 - LOW * HIGH) / (frequency * (HIGH - LOW))
    mirrored = np.concatenate([samples, samples[::-1]])
    return np.fft.irfft(np.fft.rfft(mirrored, axis=0) / (1 + detuned ** (2 * ORDER)), axis=0)[:n]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(folder: Path, files: tuple[Path, ...]) -> None:
    """Write the filtered recordings of FILES into FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        samples, rate = soundfile.read(file, dtype="int16", always_2d=True)
        filtered = band_pass(samples.astype(np.float64))
        rounded = np.clip(np.rint(filtered * STEPS), -32768, 32767).astype(np.int16)
        soundfile.write(folder / f"{file.stem}_float32.wav", filtered.astype(np.float32), rate, "FLOAT")
        soundfile.write(folder / f"{file.stem}_int16.wav", rounded, rate, "PCM_16")


if __name__ == "__main__":
    main()
