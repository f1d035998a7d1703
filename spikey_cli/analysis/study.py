"""All measurements of some recordings: the figures of the report, and the arrays that its pictures show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..model.predictor import Predictor
from ..system.progress import Progress
from ..system.workers import Workers
from .density import bin_ratios, code_counts, pattern_correlation
from .entropy import Entropy, conditional_entropy, entropy, mean_entropy
from .excerpt import Record, frames_of_excerpts, record
from .spectrum import decibels, periodogram, spectral_lines
from .survey import Survey
from .whiteness import LAGS, NORMAL_95, autocorrelation, bits_left, correlation_matrix, ljung_box

MAX_MATRIX = 512
"""Threads that the correlation matrix shows, at most."""

_SUSPICIOUS = 0.01  # a Ljung-Box probability below which a thread is called not white


@dataclass(frozen=True, eq=False)
class Pictures:
    """Arrays behind the report's pictures."""

    counts: np.ndarray
    """How often each code of the most common grid occurs."""
    ratios: np.ndarray
    """Each code's count over the local average; NaN where there is too little to tell."""
    frequency: np.ndarray
    """Hz"""
    samples_db: np.ndarray
    """Spectrum of the values, dB of codes squared per Hz."""
    residuals_db: np.ndarray
    """Spectrum of the residuals, in the same units."""
    lags: np.ndarray
    """Mean correlation of innovations with those 1..LAGS samples before."""
    lag_limit: float
    """What 19 of 20 correlations of white noise stay within, for a thread of the mean length."""
    matrix: np.ndarray
    """Correlation of the threads' innovations at lag zero."""
    innovations: np.ndarray
    """Some of the corrected innovations, in predicted spreads."""


@dataclass(frozen=True, eq=False)
class Study:
    """What was measured: `figures` is JSON data."""

    figures: dict
    pictures: Pictures


def study(
    found: Survey,
    predictor: Predictor,
    workers: Workers,
    *,
    seconds: float | None = None,
    progress: Progress | None = None,
) -> Study:
    """Measure the first `seconds` of each file, or as much as fits into memory (see `excerpt`)."""
    frames = frames_of_excerpts(found, seconds)
    records = record(found, frames, predictor, workers, progress)
    file_of = [channel.file for channel in found.channels]
    quantizers = [found.sources[file].quantizer for file in file_of]
    layouts = [source.layout for source in found.sources if source.layout]
    kind = Counter((quantizer.kind, quantizer.size) for quantizer in quantizers).most_common(1)[0][0]
    rate = Counter(layouts[file].sample_rate for file in file_of).most_common(1)[0][0]
    on_grid = [i for i, quantizer in enumerate(quantizers) if (quantizer.kind, quantizer.size) == kind]
    at_rate = [i for i, file in enumerate(file_of) if layouts[file].sample_rate == rate]
    density, counts, ratios = _density([records[i].codes for i in on_grid], kind[1])
    spectrum, frequency, samples_db, residuals_db = _spectrum([records[i] for i in at_rate], rate)
    whiteness, lags = _whiteness(records)
    order = [i for session in found.topology.sessions() for i in session][:MAX_MATRIX]
    matrix = correlation_matrix([records[i].normalised_error for i in order], [records[i].predicted for i in order])
    samples = [one.codes.size for one in records]
    figures = {
        "files": len(found.sources),
        "channels": len(found.channels),
        "sessions": len(found.topology.sessions()),
        "samples": sum(samples),
        "samples_in_all": sum(layout.n_frames * layout.channels for layout in layouts),
        "skipped": list(found.skipped),
        "sample_rates": sorted({layout.sample_rate for layout in layouts}),
        "quantizers": _grids(found),
        "density": {"quantizer": kind[0], "channels": len(on_grid), **density},
        "spectrum": {"sample_rate": rate, "channels": len(at_rate), **spectrum},
        "whiteness": whiteness,
        "correlation": _correlation(matrix, order, found),
        "entropy": {
            "order_0": _told([entropy(one.codes) for one in records], samples),
            "order_0_of_differences": _told([entropy(np.diff(one.codes)) for one in records if one.codes.size > 1]),
            "order_1": _told([conditional_entropy(one.codes) for one in records if one.codes.size > 1]),
        },
        "model": _model(found, records),
        "per_thread": [
            {
                "name": channel.name,
                "coding_pass": found.topology.passes[i],
                "samples": one.codes.size,
                "deviation_codes": round(float(one.values.std()), 3),
                "residual_codes": round(float(one.residual[one.predicted].std()), 3) if one.predicted.any() else None,
                "ideal_bits_per_sample": round(one.ideal_bits / one.codes.size, 4),
                "range_bits_per_sample": round(one.written_bits / one.codes.size, 4),
            }
            for i, (channel, one) in enumerate(zip(found.channels, records, strict=True))
        ],
    }
    some = np.concatenate([one.corrected[one.predicted][:20_000] for one in records])
    limit = NORMAL_95 / max(1.0, float(np.mean(samples))) ** 0.5
    return Study(
        figures,
        Pictures(counts, ratios, frequency, samples_db, residuals_db, lags, limit, matrix, some),
    )


def _grids(found: Survey) -> list[dict]:
    """The kinds of grids: how many files are on each, of how many values, bits of a sample, steps between values."""
    told: dict[tuple, dict] = {}
    for source in found.sources:
        assert source.layout is not None
        quantizer = source.quantizer
        entry = told.setdefault(
            (quantizer.kind, quantizer.size, source.layout.sample_bytes),
            {
                "kind": quantizer.kind,
                "values": quantizer.size,
                "sample_bits": 8 * source.layout.sample_bytes,
                "files": 0,
            },
        )
        entry["files"] += 1
        if quantizer.size <= 1 << 16 and "steps" not in entry:
            values = quantizer.to_samples(np.arange(quantizer.size, dtype=np.int32), np.int32)
            entry["steps"] = {str(step): count for step, count in Counter(np.diff(values).tolist()).most_common(4)}
    return sorted(told.values(), key=lambda entry: -entry["files"])


def _density(channels: Sequence[np.ndarray], size: int) -> tuple[dict, np.ndarray, np.ndarray]:
    counts = [code_counts(codes, size) for codes in channels]
    whole = np.sum(counts, axis=0)
    ratios = bin_ratios(whole)
    known = ratios[np.isfinite(ratios)]
    halves = [bin_ratios(np.sum(counts[k::2], axis=0)) for k in (0, 1)] if len(counts) > 1 else []
    same, n = pattern_correlation(*halves) if halves else (None, 0)
    told = {
        "codes": size,
        "codes_seen": int(np.count_nonzero(whole)),
        "codes_with_ratio": int(known.size),
        "ratio_least": round(float(known.min()), 3) if known.size else None,
        "ratio_most": round(float(known.max()), 3) if known.size else None,
        "ratio_deviation": round(float(known.std()), 4) if known.size else None,
        "ratio_by_chance": round(float(np.mean(np.maximum(whole[np.isfinite(ratios)], 1) ** -0.5)), 4)
        if known.size
        else None,
        "same_in_halves": None if same is None else round(same, 3),
        "compared_in_halves": n,
    }
    return told, whole, ratios


def _spectrum(records: Sequence[Record], rate: int) -> tuple[dict, np.ndarray, np.ndarray, np.ndarray]:
    longest = max(one.values.size for one in records)
    alike = [one for one in records if min(one.values.size, 1024) == min(longest, 1024)]
    frequency, _ = periodogram(alike[0].values, rate)
    values = np.mean([periodogram(one.values - one.values.mean(), rate)[1] for one in alike], axis=0)
    residuals = np.mean([periodogram(one.residual, rate)[1] for one in alike], axis=0)
    db = decibels(residuals)
    told = {
        "values_lines": [[round(f, 1), round(level, 1)] for f, level in spectral_lines(frequency, values)[:10]],
        "residual_lines": [[round(f, 1), round(level, 1)] for f, level in spectral_lines(frequency, residuals)[:10]],
        "residual_spread_db": round(float(np.ptp(db[2:-2])), 1) if db.size > 8 else None,
    }
    return told, frequency, decibels(values), db


def _whiteness(records: Sequence[Record]) -> tuple[dict, np.ndarray]:
    of_channels = [autocorrelation(one.corrected, one.predicted) for one in records]
    measured = [(found, n) for found, n in of_channels if n > LAGS + 1]
    if not measured:
        return {"lags": LAGS, "channels": 0}, np.zeros(LAGS)
    weights = np.array([n for _, n in measured], dtype=np.float64)
    mean = np.average([found for found, _ in measured], axis=0, weights=weights)
    outside = [float(np.mean(np.abs(found) > NORMAL_95 / n**0.5)) for found, n in measured]
    told = {
        "lags": LAGS,
        "channels": len(measured),
        "share_of_lags_outside_95_percent": round(float(np.mean(outside)), 4),
        "threads_not_white": sum(ljung_box(found, n)[1] < _SUSPICIOUS for found, n in measured),
        "largest_mean_correlation": round(float(np.abs(mean).max()), 5),
        "bits_left_per_sample": round(float(np.average([bits_left(*one) for one in measured], weights=weights)), 5),
    }
    return told, mean


def _correlation(matrix: np.ndarray, order: Sequence[int], found: Survey) -> dict:
    place = {channel: k for k, channel in enumerate(order)}
    of_peers: list[float] = [
        float(matrix[place[i], place[peer.channel]])
        for i in order
        for peer in found.topology.peers[i]
        if peer.channel in place and i < peer.channel
    ]
    return {
        "channels": [found.channels[i].name for i in order],
        "pairs_of_peers": len(of_peers),
        "of_peers_mean": round(float(np.mean(of_peers)), 4) if of_peers else None,
        "of_peers_most": round(sorted(of_peers, key=abs)[-1], 4) if of_peers else None,
    }


def _told(entropies: list[Entropy], weights: list[int] | None = None) -> dict | None:
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


def _model(found: Survey, records: Sequence[Record]) -> dict:
    samples = sum(one.codes.size for one in records)
    ideal = sum(one.ideal_bits for one in records)
    written = sum(one.written_bits for one in records)
    bits_in = sum(
        one.codes.size * 8 * layout.sample_bytes
        for channel, one in zip(found.channels, records, strict=True)
        if (layout := found.sources[channel.file].layout)
    )
    return {
        "ideal_bits_per_sample": round(ideal / samples, 4),
        "ideal_ratio": round(bits_in / ideal, 4) if ideal else None,
        "range_bits_per_sample": round(written / samples, 4),
        "range_ratio": round(bits_in / written, 4) if written else None,
        "packed_threads": sum(one.packed for one in records),
    }
