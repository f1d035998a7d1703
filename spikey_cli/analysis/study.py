"""All statistics of some recordings, and the arrays that the report's plots show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ..core.channel_quantizers import Lattice
from ..errors import InputError
from ..model.predictor import Predictor
from ..system.progress import Progress
from ..system.workers import Workers
from .density import bin_ratios, code_counts, pattern_correlation
from .entropy import Entropy, conditional_entropy, entropy, mean_entropy
from .excerpt import ChannelExcerpt, code_excerpts, excerpt_lengths
from .parts import measure_parts
from .spectrum import SEGMENT, decibels, power_density, spectral_lines
from .survey import Channel, Survey
from .whiteness import LAGS, NORMAL_95, autocorrelation, correlation_matrix, ljung_box, redundancy

MAX_MATRIX = 512
"""Largest number of channels in the correlation matrix."""

_Value = TypeVar("_Value")

_SIGNIFICANCE = 0.01
"""Ljung-Box probability below which a channel is called not white."""

_ERRORS_PER_CHANNEL = 20_000
_MAX_LINES = 10


@dataclass(frozen=True, eq=False)
class PlotData:
    """Arrays that the report's plots show."""

    counts: np.ndarray
    """Count of each code of the most common quantizer, int64, shape (codes,)."""
    ratios: np.ndarray
    """Ratio of each count to the local average, shape (codes,); see `density.bin_ratios`."""
    frequency: np.ndarray
    """In Hz, shape (frequencies,)."""
    signal_db: np.ndarray
    """Mean power density of the signals, in dB of codes squared per Hz, shape (frequencies,)."""
    residual_db: np.ndarray
    """Mean power density of the residuals, in the same units."""
    autocorrelation: np.ndarray
    """Mean autocorrelation of the normalised prediction errors at lags 1 to LAGS, shape (LAGS,)."""
    white_limit: float
    """Half the 95 % interval of the autocorrelation of white noise, for a channel of mean length."""
    correlation: np.ndarray
    """Correlation of the channels' normalised prediction errors at lag zero, shape (channels, channels)."""
    channels: tuple[str, ...]
    """Names of these channels."""
    errors: np.ndarray
    """A part of the normalised prediction errors, shape (samples,)."""


@dataclass(frozen=True, eq=False)
class Study:
    """Results of `study`."""

    statistics: dict
    """JSON data."""
    plots: PlotData


def study(
    survey: Survey,
    predictor: Predictor,
    workers: Workers,
    *,
    seconds: float | None = None,
    progress: Progress | None = None,
) -> Study:
    """Measure all statistics of the first part of each recording.

    Parameters
    ----------
    survey : Survey
        The recordings.
    predictor : Predictor
        The model that predicts them.
    workers : Workers
        Pool that codes them.
    seconds : float, optional
        Longest part of each file; by default as much as `excerpt.MAX_SAMPLES` permits.
    progress : callable, optional
        Called with the number of bytes done and their total.

    Returns
    -------
    Study
    """
    unknown = next((source for source in survey.sources if source.layout and not source.layout.sample_rate), None)
    if unknown:
        raise InputError(f"{unknown.source}: has no sample rate, so its spectrum has no frequencies; leave it out")
    excerpts = code_excerpts(survey, excerpt_lengths(survey, seconds), predictor, workers, progress)
    parts = measure_parts(survey, predictor, workers, seconds)
    files = [channel.file for channel in survey.channels]
    layouts = [source.layout for source in survey.sources if source.layout]
    quantizers = [_coded_values(survey, channel) for channel in survey.channels]
    kind, size = _most_common([values for values in quantizers if values[1] > 1] or quantizers)
    rate = _most_common(layouts[i].sample_rate for i in files)
    on_quantizer = [one for one, values in zip(excerpts, quantizers, strict=True) if values == (kind, size)]
    at_rate = [one for one, i in zip(excerpts, files, strict=True) if layouts[i].sample_rate == rate]
    density, counts, ratios = _density(on_quantizer, size)
    spectrum, frequency, signal_db, residual_db = _spectrum(at_rate, rate)
    whiteness, mean_autocorrelation = _whiteness(excerpts)
    order = [i for session in survey.topology.sessions() for i in session][:MAX_MATRIX]
    names = tuple(survey.channels[i].name for i in order)
    matrix = correlation_matrix([excerpts[i].network_error for i in order], [excerpts[i].predicted for i in order])
    lengths = [one.codes.size for one in excerpts]
    longer = [one for one in excerpts if one.codes.size > 1]
    statistics = {
        "files": len(survey.sources),
        "channels": len(survey.channels),
        "sessions": len(survey.topology.sessions()),
        "samples": sum(lengths),
        "samples_total": sum(layout.n_frames * layout.channels for layout in layouts),
        "skipped": list(survey.skipped),
        "sample_rates": sorted({layout.sample_rate for layout in layouts}),
        "quantizers": _quantizers(survey),
        "density": {"quantizer": kind, "channels": len(on_quantizer), **density},
        "spectrum": {"sample_rate": rate, "channels": len(at_rate), **spectrum},
        "whiteness": whiteness,
        "correlation": _correlation(matrix, order, survey),
        "entropy": {
            "order_0": _entropy([entropy(one.codes) for one in excerpts], lengths),
            "order_0_of_differences": _entropy([entropy(np.diff(one.codes)) for one in longer]),
            "order_1": _entropy([conditional_entropy(one.codes) for one in longer]),
        },
        "model": _model(survey, excerpts),
        "parts": parts,
        "per_channel": [
            {
                "name": channel.name,
                "coding_pass": survey.topology.passes[i],
                "samples": one.codes.size,
                "signal_std": round(float(one.values.std()), 3),
                "residual_std": round(float(one.residual[one.predicted].std()), 3) if one.predicted.any() else None,
                "ideal_bits_per_sample": round(one.ideal_bits / one.codes.size, 4),
                "range_bits_per_sample": round(one.written_bits / one.codes.size, 4),
            }
            for i, (channel, one) in enumerate(zip(survey.channels, excerpts, strict=True))
        ],
    }
    errors = np.concatenate([one.error[one.predicted][:_ERRORS_PER_CHANNEL] for one in excerpts])
    white_limit = NORMAL_95 / max(1.0, float(np.mean(lengths))) ** 0.5
    return Study(
        statistics,
        PlotData(
            counts, ratios, frequency, signal_db, residual_db, mean_autocorrelation, white_limit, matrix, names, errors
        ),
    )


def _most_common(values: Iterable[_Value]) -> _Value:
    return Counter(values).most_common(1)[0][0]


def _coded_values(survey: Survey, channel: Channel) -> tuple[str, int]:
    """Kind of a channel's quantizer, and the number of its values, or of the points of a lattice."""
    quantizer = survey.sources[channel.file].quantizer.of_channel(channel.channel)
    return quantizer.kind, quantizer.points if isinstance(quantizer, Lattice) else quantizer.size


def _quantizers(survey: Survey) -> list[dict]:
    """Each kind of quantizer: the most values, bits of a sample, files, channels, most common steps between values."""
    described: dict[tuple, dict] = {}
    files: dict[tuple, set[int]] = {}
    steps: dict[tuple, Counter[str]] = {}
    for channel in survey.channels:
        source = survey.sources[channel.file]
        assert source.layout is not None
        quantizer, sample_bits = source.quantizer.of_channel(channel.channel), 8 * source.layout.sample_bytes
        key = ("constant" if quantizer.kind == "step" and quantizer.size == 1 else quantizer.kind, sample_bits)
        entry = described.setdefault(key, {"kind": key[0], "values": 0, "sample_bits": sample_bits})
        entry["values"] = max(entry["values"], _coded_values(survey, channel)[1])
        entry["channels"] = entry.get("channels", 0) + 1
        files.setdefault(key, set()).add(channel.file)
        if isinstance(quantizer, Lattice):
            steps.setdefault(key, Counter())[f"{quantizer.numerator / quantizer.denominator:.5g}"] += 1
        elif 1 < quantizer.size <= 1 << 16 and key not in steps:
            values = quantizer.to_samples(np.arange(quantizer.size, dtype=np.int32), np.int32)
            steps[key] = Counter(map(str, np.diff(values).tolist()))
    for key, entry in described.items():
        entry["files"] = len(files[key])
        if key in steps:
            entry["steps"] = dict(steps[key].most_common(4))
    return sorted(described.values(), key=lambda entry: -entry["channels"])


def _density(excerpts: Sequence[ChannelExcerpt], size: int) -> tuple[dict, np.ndarray, np.ndarray]:
    channel_counts = [code_counts(one.codes, size) for one in excerpts]
    counts = np.sum(channel_counts, axis=0)
    ratios = bin_ratios(counts)
    is_known = np.isfinite(ratios)
    known = ratios[is_known]
    halves = [bin_ratios(np.sum(channel_counts[k::2], axis=0)) for k in (0, 1)] if len(excerpts) > 1 else []
    split_half, split_half_codes = pattern_correlation(*halves) if halves else (None, 0)

    def rounded(statistic: Callable[[np.ndarray], float], values: np.ndarray, digits: int) -> float | None:
        return round(float(statistic(values)), digits) if known.size else None

    statistics = {
        "codes": size,
        "codes_used": int(np.count_nonzero(counts)),
        "codes_with_ratio": int(known.size),
        "ratio_min": rounded(np.min, known, 3),
        "ratio_max": rounded(np.max, known, 3),
        "ratio_std": rounded(np.std, known, 4),
        "ratio_std_by_chance": rounded(np.mean, np.maximum(counts[is_known], 1) ** -0.5, 4),
        "split_half_correlation": None if split_half is None else round(split_half, 3),
        "split_half_codes": split_half_codes,
    }
    return statistics, counts, ratios


def _spectrum(excerpts: Sequence[ChannelExcerpt], rate: int) -> tuple[dict, np.ndarray, np.ndarray, np.ndarray]:
    segment = min(SEGMENT, max(one.values.size for one in excerpts))
    # spectra of shorter recordings have other frequencies
    alike = [one for one in excerpts if min(one.values.size, SEGMENT) == segment]
    frequency, _ = power_density(alike[0].values, rate)
    signal = np.mean([power_density(one.values - one.values.mean(), rate)[1] for one in alike], axis=0)
    residual = np.mean([power_density(one.residual, rate)[1] for one in alike], axis=0)
    residual_db = decibels(residual)

    def lines(density: np.ndarray) -> list[list[float]]:
        return [[round(hertz, 1), round(db, 1)] for hertz, db in spectral_lines(frequency, density)[:_MAX_LINES]]

    statistics = {
        "signal_lines": lines(signal),
        "residual_lines": lines(residual),
        "residual_range_db": round(float(np.ptp(residual_db[2:-2])), 1) if residual_db.size > 8 else None,
    }
    return statistics, frequency, decibels(signal), residual_db


def _whiteness(excerpts: Sequence[ChannelExcerpt]) -> tuple[dict, np.ndarray]:
    correlations = [autocorrelation(one.error, one.predicted) for one in excerpts]
    measured = [(values, n) for values, n in correlations if n > LAGS + 1]
    if not measured:
        return {"lags": LAGS, "channels": 0}, np.zeros(LAGS)
    weights = [n for _, n in measured]
    mean = np.average([values for values, _ in measured], axis=0, weights=weights)
    outside = [float(np.mean(np.abs(values) > NORMAL_95 / n**0.5)) for values, n in measured]
    statistics = {
        "lags": LAGS,
        "channels": len(measured),
        "lags_outside_95_percent": round(float(np.mean(outside)), 4),
        "channels_not_white": sum(ljung_box(values, n)[1] < _SIGNIFICANCE for values, n in measured),
        "largest_mean_correlation": round(float(np.abs(mean).max()), 5),
        "redundancy_bits_per_sample": round(
            float(np.average([redundancy(values, n) for values, n in measured], weights=weights)), 5
        ),
    }
    return statistics, mean


def _correlation(matrix: np.ndarray, order: Sequence[int], survey: Survey) -> dict:
    row = {channel: k for k, channel in enumerate(order)}
    linked = [float(matrix[row[a], row[b]]) for a, b in survey.topology.links() if a in row and b in row]
    return {
        "channels": [survey.channels[i].name for i in order],
        "linked_pairs": len(linked),
        "linked_mean": round(float(np.mean(linked)), 4) if linked else None,
        "linked_max": round(sorted(linked, key=abs)[-1], 4) if linked else None,
    }


def _entropy(entropies: Sequence[Entropy], weights: Sequence[int] | None = None) -> dict | None:
    if not entropies:
        return None
    mean = mean_entropy(entropies, weights or [1] * len(entropies))
    return {
        "plug_in": round(mean.plug_in, 4),
        "corrected": round(mean.corrected, 4),
        "adaptive": round(mean.adaptive, 4),
        "contexts": mean.contexts,
        "samples_per_cell": round(mean.samples_per_cell, 1),
    }


def _model(survey: Survey, excerpts: Sequence[ChannelExcerpt]) -> dict:
    samples = sum(one.codes.size for one in excerpts)
    ideal = sum(one.ideal_bits for one in excerpts)
    written = sum(one.written_bits for one in excerpts)
    source_bits = sum(
        one.codes.size * 8 * layout.sample_bytes
        for channel, one in zip(survey.channels, excerpts, strict=True)
        if (layout := survey.sources[channel.file].layout)
    )
    return {
        "ideal_bits_per_sample": round(ideal / samples, 4),
        "ideal_ratio": round(source_bits / ideal, 4) if ideal else None,
        "range_bits_per_sample": round(written / samples, 4),
        "range_ratio": round(source_bits / written, 4) if written else None,
        "packed_channels": sum(one.packed for one in excerpts),
    }
