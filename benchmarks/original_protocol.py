"""The protocol behind the 4.445 of the original write-up, run as described, and what it leaves out put back in steps.

`python benchmarks/original_protocol.py FILES...` prints the table of docs/original-figure.md. The predictor is the one
that this package ships, so the rows say what the protocol makes of nearly the best predictions there can be.

    as described    16 threads at random; float prediction; the error cut to an integer towards zero; Rice code, k = 2;
                    the first 0.1 s not counted
    lossless        the prediction rounded first, so that the code comes back
"""

from __future__ import annotations

import random
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from spikey_cli.api.compress import compress
from spikey_cli.api.info import info
from spikey_cli.codec.scan import scan
from spikey_cli.core.converter import CODE_UNITS, Bins
from spikey_cli.core.gain import INPUT_FACTOR, INPUT_LIMIT, OUTPUT_FACTOR, lane_gains
from spikey_cli.core.lanes import cut
from spikey_cli.model.predictor import Predictor, default_predictor

SAMPLE_BITS = 16
DRAWN, DRAWS = 16, 2000
SKIPPED_SECONDS = 0.1
_BATCH = 1 << 16


def predictions(codes: np.ndarray, bins: Bins, predictor: Predictor) -> np.ndarray:
    """Predicted codes, float64, for all samples of a thread (int32) that have a full window before them."""
    values = bins.values_of(codes, np.repeat(bins.profiled, codes.size)).astype(np.int64)
    (gain,) = lane_gains(codes, cut([codes.size], codes.size), bins)
    inputs = np.clip((np.diff(values) * INPUT_FACTOR[gain] + (1 << 29)) >> 30, -INPUT_LIMIT, INPUT_LIMIT)
    windows = np.lib.stride_tricks.sliding_window_view(inputs.astype(np.float32), predictor.window)[:-1]
    shifts = [
        predictor.predict(np.ascontiguousarray(windows[at : at + _BATCH].T))[0] for at in range(0, len(windows), _BATCH)
    ]
    last = values[predictor.window : -1]
    return (last + np.concatenate(shifts) * (OUTPUT_FACTOR[gain] / 2**16)) / CODE_UNITS


def zigzag(errors: np.ndarray) -> np.ndarray:
    """0, -1, 1, -2, ... become 0, 1, 2, 3, ..."""
    return np.where(errors >= 0, 2 * errors, -2 * errors - 1)


def rice_bits(errors: np.ndarray, k: int) -> int:
    """Bits of the Rice codes of all errors."""
    return int((zigzag(errors) >> k).sum()) + (1 + k) * errors.size


def best_rice_bits(errors: np.ndarray) -> int:
    """The same with the k that gives the fewest."""
    return min(rice_bits(errors, k) for k in range(12))


@dataclass(frozen=True)
class Thread:
    """What each reading of the protocol makes of one thread, in bits."""

    counted: int
    """Samples after the first 0.1 s."""
    samples: int
    cut_towards_zero: int
    rounded: int
    rounded_best_k: int
    with_beginning: int
    wrong: int
    """Samples that a decoder which adds the cut error to the prediction, and rounds, gets wrong."""


def measure(codes: np.ndarray, rate: int, bins: Bins, predictor: Predictor) -> Thread:
    """Run the readings of the protocol on a thread of int32 codes."""
    predicted = predictions(codes, bins, predictor)
    skipped = max(round(SKIPPED_SECONDS * rate), codes.size - predicted.size)
    predicted = predicted[skipped - (codes.size - predicted.size) :]
    true = codes[skipped:]
    cut_error = np.trunc(true - predicted).astype(np.int64)
    rounded_error = true - np.rint(predicted).astype(np.int64)
    beginning = np.diff(codes[:skipped]).astype(np.int64)
    return Thread(
        counted=true.size,
        samples=codes.size,
        cut_towards_zero=rice_bits(cut_error, 2),
        rounded=rice_bits(rounded_error, 2),
        rounded_best_k=best_rice_bits(rounded_error),
        with_beginning=best_rice_bits(rounded_error) + best_rice_bits(beginning) + SAMPLE_BITS,
        wrong=int((np.rint(predicted + cut_error) != true).sum()),
    )


def ratio(channels: list[Thread], bits: str, samples: str = "counted") -> float:
    """Bits in, 16 a sample, over bits out."""
    return SAMPLE_BITS * sum(getattr(t, samples) for t in channels) / sum(getattr(t, bits) for t in channels)


def drawn(channels: list[Thread], bits: str) -> list[float]:
    """Ratios of 2,000 draws of 16 threads."""
    dice = random.Random(0)
    return [ratio(dice.sample(channels, min(DRAWN, len(channels))), bits) for _ in range(DRAWS)]


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(files: tuple[Path, ...]) -> None:
    """Print what the protocol makes of FILES."""
    predictor = default_predictor()
    channels: list[Thread] = []
    for path in files:
        source = scan(path)
        if source.layout is None:
            raise click.ClickException(f"{path} is no WAV that can be predicted")
        bins = Bins.of([source.quantizer], predictor.profile)
        for codes in source.codes(source.read_frames(0, source.layout.n_frames)):
            channels.append(measure(codes, source.layout.sample_rate, bins, predictor))
    click.echo("| what is counted | ratio |\n|---|---|")
    for name, bits in (("as described: error cut towards zero, k = 2", "cut_towards_zero"), ("lossless", "rounded")):
        draws = drawn(channels, bits)
        click.echo(f"| {name}, 16 threads drawn: median of 2,000 draws | {statistics.median(draws):.3f} |")
        click.echo(f"| the same, the best of 2,000 draws | {max(draws):.3f} |")
        click.echo(f"| the same, the one best thread | {max(ratio([channel], bits) for channel in channels):.3f} |")
        click.echo(f"| the same, all {len(channels)} threads | {ratio(channels, bits):.3f} |")
    click.echo(f"| lossless, the best k of each thread | {ratio(channels, 'rounded_best_k'):.3f} |")
    click.echo(f"| and the first 0.1 s as deltas | {ratio(channels, 'with_beginning', 'samples'):.3f} |")
    with tempfile.TemporaryDirectory() as folder:
        for coder in ("rice", "range"):
            archive = Path(folder) / f"{coder}.spk"
            compress(files, archive, coder=coder, verify=False)
            click.echo(f"| spikey --coder {coder}, every byte of the archive | {info(archive)['ratio']:.3f} |")
    wrong = sum(channel.wrong for channel in channels) / sum(channel.counted for channel in channels)
    click.echo(f"\nOf the samples cut towards zero, {100 * wrong:.1f} % come back wrong.")


if __name__ == "__main__":
    main()
