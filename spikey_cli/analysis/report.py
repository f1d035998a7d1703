"""A study in words, as text and as HTML, and the folder that the report is written to."""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, system_fault
from ..system.whole_file import WholeFile
from .report_plots import PLOTS, draw_plots
from .study import Study

_WIDTH = 100
TITLE = "Spikey: statistics of recordings"


@dataclass(frozen=True)
class Section:
    """A heading, its paragraphs, and the file of its plot, if any."""

    heading: str
    paragraphs: tuple[str, ...]
    plot: str | None = None


def sections(statistics: dict, plots: dict[str, str]) -> list[Section]:
    """The report of a study.

    Parameters
    ----------
    statistics : dict
        `Study.statistics`.
    plots : dict of str to str
        File of each plot, by its name in `report_plots.PLOTS`.

    Returns
    -------
    list of Section
    """
    return [
        _recordings(statistics),
        _quantizers(statistics["quantizers"]),
        _density(statistics["density"], plots.get("density")),
        _spectrum(statistics["spectrum"], plots.get("spectrum")),
        _whiteness(statistics["whiteness"], plots.get("whiteness")),
        _correlation(statistics["correlation"], plots.get("correlation")),
        _entropy(statistics["entropy"]),
        _model(statistics["model"], statistics["whiteness"], plots.get("errors")),
        _parts(statistics["parts"]),
    ]


def _recordings(s: dict) -> Section:
    rates = ", ".join(f"{rate:,}" for rate in s["sample_rates"])
    extent = (
        f"All {s['samples']:,} samples were analysed."
        if s["samples"] == s["samples_total"]
        else f"The first {s['samples']:,} of {s['samples_total']:,} samples were analysed."
    )
    counts = f"Files: {s['files']}, channels: {s['channels']}, sessions: {s['sessions']}, sample rates: {rates} Hz."
    return Section("Recordings", (f"{counts} {extent}", *s["skipped"]))


def _quantizers(quantizers: Sequence[dict]) -> Section:
    lines = []
    for quantizer in quantizers:
        steps = ", ".join(f"{step} ({count} times)" for step, count in quantizer.get("steps", {}).items())
        lines.append(
            f"Quantizer {quantizer['kind']!r}: {quantizer['values']:,} values, {quantizer['sample_bits']} bits a "
            f"sample, files: {quantizer['files']}, channels: {quantizer['channels']}."
            + (f" Steps between values: {steps}." if steps else "")
        )
    lines.append(
        "If samples take fewer values than their width permits, the codec codes the indices of the values. The values "
        "of a lattice are its points; what is beside them is coded apart. A copy of another channel takes nothing."
    )
    return Section("Quantizer", tuple(lines))


def _density(d: dict, plot: str | None) -> Section:
    usage = f"{d['codes_used']:,} of {d['codes']:,} codes occur."
    if not d["codes_with_ratio"]:
        usage += " No code occurs often enough to estimate the width of its bin."
    else:
        usage += (
            f" {d['codes_with_ratio']} are frequent enough to compare with their neighbours. The ratio of their "
            f"counts to the local average is {d['ratio_min']:.2f} to {d['ratio_max']:.2f}, with a standard deviation "
            f"of {d['ratio_std']:.3f}; equal bins would give {d['ratio_std_by_chance']:.3f}."
        )
    if d["split_half_correlation"] is None:
        halves = "There are too few codes to compare two halves of the channels."
    else:
        halves = (
            f"The ratios of two halves of the channels correlate by {d['split_half_correlation']:.3f}. A value near 1 "
            "means that the converter's bins are of unequal width; a value near 0 means chance."
        )
    return Section("Code density", (usage, halves), plot)


def _spectrum(s: dict, plot: str | None) -> Section:
    def lines(found: Sequence[Sequence[float]]) -> str:
        return ", ".join(f"{hertz:,.0f} Hz ({db:.0f} dB)" for hertz, db in found) or "none"

    return Section(
        "Spectrum",
        (
            f"Channels: {s['channels']}, at {s['sample_rate']:,} Hz. Lines of the signal that exceed their "
            f"neighbourhood by 6 dB: {lines(s['signal_lines'])}. Lines of the residual: {lines(s['residual_lines'])}.",
            "A flat residual spectrum means that linear prediction can gain nothing more. A line in it is mains hum "
            "or a clock that the predictor does not remove.",
        ),
        plot,
    )


def _whiteness(w: dict, plot: str | None) -> Section:
    heading = "Whiteness of the prediction errors"
    if not w["channels"]:
        return Section(heading, ("The recordings are too short to measure it.",))
    return Section(
        heading,
        (
            f"Over lags 1 to {w['lags']}, {100 * w['lags_outside_95_percent']:.1f} % of the correlations lie outside "
            f"the 95 % interval of white noise. The Ljung-Box test calls {w['channels_not_white']} of {w['channels']} "
            f"channels not white. The largest mean correlation is {w['largest_mean_correlation']:.4f}.",
            f"Removing the remaining correlation would save about {w['redundancy_bits_per_sample']:.4f} bits/sample. "
            "In long recordings the test detects correlations too small to matter; this value shows their cost.",
        ),
        plot,
    )


def _correlation(c: dict, plot: str | None) -> Section:
    if not c["linked_pairs"]:
        text = "No two channels have common activity: all channels are independent."
    else:
        text = (
            f"Pairs of channels of which one references the other: {c['linked_pairs']}. Their prediction errors "
            f"correlate by {c['linked_mean']:.3f} on average and by at most {c['linked_max']:.3f}. The present sample "
            "of another channel saves about -log2(1 - r**2) / 2 bits/sample."
        )
    return Section("Correlation of channels", (text,), plot)


def _entropy(entropies: dict) -> Section:
    names = {
        "order_0": "of the codes, order 0",
        "order_0_of_differences": "of their differences, order 0",
        "order_1": "of the codes, order 1 (each given the code before)",
    }
    lines = [
        f"Entropy {name}: {e['corrected']:.3f} bits/sample. The plug-in estimate, which is too low, is "
        f"{e['plug_in']:.3f}; an adaptive code, which is too high, takes {e['adaptive']:.3f}. Contexts a channel: "
        f"{e['contexts']}; samples for each value of a context: {e['samples_per_cell']:.1f}."
        for key, name in names.items()
        if (e := entropies[key])
    ]
    lines.append("In short recordings the estimate of order 1 is too low, because each context has few samples.")
    return Section("Entropy without a predictor", tuple(lines))


def _model(m: dict, whiteness: dict, plot: str | None) -> Section:
    packed = f" Channels that do not compress and are packed: {m['packed_channels']}." if m["packed_channels"] else ""
    return Section(
        "Ideal ratio under the model",
        (
            f"Under the codec's predicted densities, adaptation included, the recordings need "
            f"{m['ideal_bits_per_sample']:.4f} bits/sample, a ratio of {m['ideal_ratio']}. The streams of the range "
            f"coder take {m['range_bits_per_sample']:.4f} bits/sample, a ratio of {m['range_ratio']}.{packed}",
            "An archive adds names, checksums and an index. The gain of prediction is the difference between the "
            "entropies above and this value.",
            "The floor that this report sees is "
            f"{m['ideal_bits_per_sample'] - whiteness.get('redundancy_bits_per_sample', 0.0):.4f} bits/sample: what "
            "remains if the correlation that is left in the prediction errors were removed, too.",
        ),
        plot,
    )


def _parts(parts: dict[str, float]) -> Section:
    (_, whole), *others = parts.items()
    lines = [f"The start of the recordings takes {whole:.4f} bits/sample with the range coder. Coded in other ways:"]
    lines += [f"{name}: {bits:.4f} bits/sample, {_percent(bits, whole)}" for name, bits in others]
    lines.append(
        "What gives nothing here may do so in longer excerpts. The past of a channel, and the mix of its scale, are "
        "always used."
    )
    return Section("What each part gives", tuple(lines))


def _percent(bits: float, whole: float) -> str:
    if whole == 0:
        return "nothing to compare with."
    change = 100 * (bits / whole - 1)
    return f"{abs(change):.2f} % {'larger' if change > 0 else 'smaller'}." if bits != whole else "the same."


def as_text(title: str, report: Sequence[Section]) -> str:
    """The report as plain text."""
    lines = [title, "=" * len(title)]
    for section in report:
        wrapped = [textwrap.fill(paragraph, _WIDTH, break_on_hyphens=False) for paragraph in section.paragraphs]
        lines += ["", section.heading, "-" * len(section.heading), *wrapped]
        if section.plot:
            lines.append(f"[{section.plot}]")
    return "\n".join(lines) + "\n"


_STYLE = """body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
h1, h2 { line-height: 1.2 } img { max-width: 100%; height: auto; border: 1px solid #ddd }"""


def as_html(title: str, report: Sequence[Section]) -> str:
    """The report as an HTML page that shows the plots beside it."""
    parts = [
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{html.escape(title)}</title>",
        f"<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>",
    ]
    for section in report:
        parts.append(f"<h2>{html.escape(section.heading)}</h2>")
        parts += [f"<p>{html.escape(paragraph)}</p>" for paragraph in section.paragraphs]
        if section.plot:
            parts.append(f"<img src='{html.escape(section.plot)}' alt='{html.escape(section.heading)}'>")
    return "\n".join([*parts, "</body></html>"]) + "\n"


@contextmanager
def write_report(folder: Path, *, force: bool) -> Iterator[Callable[[Study], str]]:
    """Create the files of a report, so that what prevents writing fails before anything is measured.

    The files are report.html, report.txt, report.json and the plots as PNG.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.
    force : bool
        Whether to replace existing files.

    Yields
    ------
    callable
        Writes a Study to the folder and returns the report's text.

    Raises
    ------
    InputError
        The folder or a file cannot be written, or a file exists and `force` is false.
    """
    names = [f"report.{kind}" for kind in ("html", "txt", "json")] + [f"{name}.png" for name in PLOTS]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(system_fault(folder, "make the folder", error)) from error
    files: dict[str, WholeFile] = {}

    def write(study: Study) -> str:
        pngs = draw_plots(study.plots)
        report = sections(study.statistics, {name: f"{name}.png" for name in pngs})
        text = as_text(TITLE, report)
        contents = {f"{name}.png": png for name, png in pngs.items()} | {
            "report.html": as_html(TITLE, report).encode(),
            "report.txt": text.encode(),
            "report.json": json.dumps(study.statistics, indent=1).encode() + b"\n",
        }
        for name, file in files.items():
            file.append(contents[name])
        for file in files.values():
            file.commit()
        return text

    try:
        for name in names:
            files[name] = WholeFile(folder / name, force=force)
        yield write
    finally:
        for file in files.values():
            file.discard()
