"""The protocol behind the ratio of 4.445 in the original write-up, as described and with its omissions restored.

`python benchmarks/original_protocol.py FILES...` prints the table of docs/original-figure.md. The predictions are those
of the shipped model, which are close to the best possible.

    as described    16 random channels; float prediction; error truncated to an integer; Rice code with k = 2; without
                    the first 0.1 s
    lossless        the prediction is rounded before the subtraction, so that the code is restored
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
from spikey_cli.core.gain import INPUT_LIMIT, gain_table, lane_gains
from spikey_cli.core.lanes import cut
from spikey_cli.model.predictor import Predictor, default_predictor

SAMPLE_BITS = 16
DRAWN_CHANNELS, DRAWS = 16, 2000
SKIPPED_SECONDS = 0.1
_BATCH = 1 << 16


def predictions(codes: np.ndarray, bins: Bins, predictor: Predictor) -> np.ndarray:
    """Predicted codes, float64, of all samples of a channel (int32 codes) that follow a full window."""
    values = bins.values_of(codes, np.repeat(bins.profiled, codes.size)).astype(np.int64)
    (gain,) = lane_gains(codes, cut([codes.size], codes.size), bins)
    inputs = np.clip((np.diff(values) * gain_table("input_factor")[gain] + (1 << 29)) >> 30, -INPUT_LIMIT, INPUT_LIMIT)
    windows = np.lib.stride_tricks.sliding_window_view(inputs.astype(np.float32), predictor.window)[:-1]
    changes = [
        predictor.predict(np.ascontiguousarray(windows[first : first + _BATCH].T))[0]
        for first in range(0, len(windows), _BATCH)
    ]
    last = values[predictor.window : -1]
    return (last + np.concatenate(changes) * (gain_table("output_factor")[gain] / 2**16)) / CODE_UNITS


def zigzag(errors: np.ndarray) -> np.ndarray:
    """Map 0, -1, 1, -2, ... to 0, 1, 2, 3, ..."""
    return np.where(errors >= 0, 2 * errors, -2 * errors - 1)


def rice_bits(errors: np.ndarray, k: int) -> int:
    """Total bits of the Rice codes of the errors."""
    return int((zigzag(errors) >> k).sum()) + (1 + k) * errors.size


def best_rice_bits(errors: np.ndarray) -> int:
    """Total bits with the best k."""
    return min(rice_bits(errors, k) for k in range(12))


@dataclass(frozen=True)
class ChannelBits:
    """Bits of one channel under each reading of the protocol."""

    counted: int
    """Samples after the first 0.1 s."""
    samples: int
    """All samples."""
    truncated: int
    rounded: int
    rounded_best_k: int
    with_beginning: int
    wrong: int
    """Samples that a decoder restores wrongly if it adds the truncated error to the prediction and rounds."""


def measure(codes: np.ndarray, rate: int, bins: Bins, predictor: Predictor) -> ChannelBits:
    """Bits of a channel of int32 codes at `rate` Hz."""
    predicted = predictions(codes, bins, predictor)
    skipped = max(round(SKIPPED_SECONDS * rate), codes.size - predicted.size)
    predicted = predicted[skipped - (codes.size - predicted.size) :]
    true = codes[skipped:]
    truncated_error = np.trunc(true - predicted).astype(np.int64)
    rounded_error = true - np.rint(predicted).astype(np.int64)
    beginning = np.diff(codes[:skipped]).astype(np.int64)
    return ChannelBits(
        counted=true.size,
        samples=codes.size,
        truncated=rice_bits(truncated_error, 2),
        rounded=rice_bits(rounded_error, 2),
        rounded_best_k=best_rice_bits(rounded_error),
        with_beginning=best_rice_bits(rounded_error) + best_rice_bits(beginning) + SAMPLE_BITS,
        wrong=int((np.rint(predicted + truncated_error) != true).sum()),
    )


def ratio(channels: list[ChannelBits], bits: str, samples: str = "counted") -> float:
    """Ratio of 16 bits a sample to the bits of one reading."""
    return SAMPLE_BITS * sum(getattr(c, samples) for c in channels) / sum(getattr(c, bits) for c in channels)


def drawn_ratios(channels: list[ChannelBits], bits: str) -> list[float]:
    """Ratios of 2,000 random draws of 16 channels."""
    generator = random.Random(0)
    return [ratio(generator.sample(channels, min(DRAWN_CHANNELS, len(channels))), bits) for _ in range(DRAWS)]


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(files: tuple[Path, ...]) -> None:
    """Print the ratios of FILES under each reading of the protocol."""
    predictor = default_predictor()
    channels: list[ChannelBits] = []
    for path in files:
        source = scan(path)
        if source.layout is None:
            raise click.ClickException(f"{path}: holds no samples of 8, 16 or 24 bits; leave it out")
        bins = Bins.of([source.quantizer], predictor.profile)
        for codes in source.codes(source.read_frames(0, source.layout.n_frames)):
            channels.append(measure(codes, source.layout.sample_rate, bins, predictor))
    click.echo("| what is counted | ratio |\n|---|---|")
    for name, bits in (("as described: error truncated, k = 2", "truncated"), ("lossless", "rounded")):
        draws = drawn_ratios(channels, bits)
        click.echo(f"| {name}, 16 random channels: median of 2,000 draws | {statistics.median(draws):.3f} |")
        click.echo(f"| the same, best of 2,000 draws | {max(draws):.3f} |")
        click.echo(f"| the same, best single channel | {max(ratio([channel], bits) for channel in channels):.3f} |")
        click.echo(f"| the same, all {len(channels)} channels | {ratio(channels, bits):.3f} |")
    click.echo(f"| lossless, best k of each channel | {ratio(channels, 'rounded_best_k'):.3f} |")
    click.echo(f"| the same, with the first 0.1 s as deltas | {ratio(channels, 'with_beginning', 'samples'):.3f} |")
    with tempfile.TemporaryDirectory() as folder:
        for coder in ("rice", "range"):
            archive = Path(folder) / f"{coder}.spk"
            compress(files, archive, coder=coder, verify=False)
            click.echo(f"| spikey --coder {coder}, whole archive | {info(archive)['ratio']:.3f} |")
    wrong = sum(channel.wrong for channel in channels) / sum(channel.counted for channel in channels)
    click.echo(f"\nWith truncated errors, {100 * wrong:.1f} % of the samples are restored wrongly.")


if __name__ == "__main__":
    main()
