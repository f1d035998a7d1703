"""A study in words: paragraphs that tell what each figure means, as text and as HTML; and the folder it goes to."""

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
from .figures import PICTURES, draw_pictures
from .study import Study

_WIDTH = 100
TITLE = "Spikey: what these recordings are made of"


@dataclass(frozen=True)
class Section:
    """A heading, what was found, and the picture beside it, if any."""

    heading: str
    paragraphs: tuple[str, ...]
    picture: str | None = None


def sections(figures: dict, pictures: dict[str, str]) -> list[Section]:
    """The report of a study's figures; `pictures` has the file of each picture by its name."""
    return [
        _recordings(figures),
        _grid(figures),
        _density(figures, pictures.get("density")),
        _spectrum(figures, pictures.get("spectrum")),
        _whiteness(figures, pictures.get("whiteness")),
        _correlation(figures, pictures.get("correlation")),
        _entropy(figures),
        _model(figures, pictures.get("innovations")),
    ]


def _recordings(f: dict) -> Section:
    whole = f["samples"] == f["samples_in_all"]
    rates = ", ".join(f"{rate:,}" for rate in f["sample_rates"])
    told = [
        f"{f['threads']} threads of {f['files']} files, in {f['sessions']} sessions, at {rates} samples a second; "
        + (
            f"all {f['samples']:,} samples."
            if whole
            else f"the first {f['samples']:,} of {f['samples_in_all']:,} samples, as much as is wanted or memory holds."
        )
    ]
    return Section("Recordings", (*told, *f["skipped"]))


def _grid(f: dict) -> Section:
    lines = []
    for quantizer in f["quantizers"]:
        steps = ", ".join(f"{step} ({count} times)" for step, count in quantizer.get("steps", {}).items())
        lines.append(
            f"{quantizer['files']} files of {quantizer['sample_bits']} bits a sample are on the grid "
            f"{quantizer['kind']!r} of "
            f"{quantizer['values']:,} values" + (f", with steps of {steps}." if steps else ".")
        )
    lines.append("Samples on fewer values than their width can hold are coded as the numbers of these values.")
    return Section("Value grid", tuple(lines))


def _density(f: dict, picture: str | None) -> Section:
    d = f["density"]
    if not d["codes_with_ratio"]:
        told = "No code occurs often enough to tell how wide its bin is."
    else:
        told = (
            f"Of {d['codes']:,} codes {d['codes_seen']:,} occur. Against the average of their neighbourhood, "
            f"{d['codes_with_ratio']} that are common enough occur {d['ratio_least']:.2f} to {d['ratio_most']:.2f} "
            f"times as often; the deviation is {d['ratio_deviation']:.3f}, and chance alone would make "
            f"{d['ratio_by_chance']:.3f}."
        )
    if d["same_in_halves"] is None:
        halves = "There are too few to compare two halves of the threads."
    else:
        halves = (
            f"The pattern of two halves of the threads correlates by {d['same_in_halves']:.3f}: near 1 it is the "
            "converter's, whose bins are of unequal width; near 0 it is chance."
        )
    return Section("Code density", (told, halves), picture)


def _spectrum(f: dict, picture: str | None) -> Section:
    s = f["spectrum"]

    def lines(found: Sequence[Sequence[float]]) -> str:
        return ", ".join(f"{hertz:,.0f} Hz ({db:.0f} dB)" for hertz, db in found) or "none"

    return Section(
        "Spectrum",
        (
            f"Of {s['threads']} threads at {s['sample_rate']:,} samples a second. Lines that stand out of their "
            f"neighbourhood by 6 dB: {lines(s['values_lines'])}. In the residuals: {lines(s['residual_lines'])}.",
            "A flat spectrum of the residuals means that prediction took all that a spectrum can tell; a line that is "
            "left is hum or a clock, which prediction could still take.",
        ),
        picture,
    )


def _whiteness(f: dict, picture: str | None) -> Section:
    w = f["whiteness"]
    if not w["channels"]:
        return Section("Whiteness of the residuals", ("The recordings are too short to tell.",))
    return Section(
        "Whiteness of the residuals",
        (
            f"Over lags 1 to {w['lags']}, {100 * w['share_of_lags_outside_95_percent']:.1f} % of the correlations lie "
            f"outside the limits that hold 95 % of white noise; the Ljung-Box test calls {w['threads_not_white']} of "
            f"{w['threads']} threads not white. The largest mean correlation is {w['largest_mean_correlation']:.4f}.",
            f"Taking out what correlation is left would save about {w['bits_left_per_sample']:.4f} bits/sample. The "
            "test finds the least remains in long recordings; this figure tells whether they matter.",
        ),
        picture,
    )


def _correlation(f: dict, picture: str | None) -> Section:
    c = f["correlation"]
    if not c["pairs_of_peers"]:
        told = "No two threads have noise in common: each is predicted from its own past alone."
    else:
        told = (
            f"{c['pairs_of_peers']} pairs of peers; their innovations correlate by {c['of_peers_mean']:.3f} in the "
            f"mean, and by {c['of_peers_most']:.3f} at most. A thread that sees a peer's present saves about "
            "-log2(1 - r**2) / 2 bits/sample."
        )
    return Section("Correlation of threads", (told,), picture)


def _entropy(f: dict) -> Section:
    names = {
        "order_0": "of the codes, order 0",
        "order_0_of_differences": "of their differences, order 0",
        "order_1": "of the codes given the one before, order 1",
    }
    lines = []
    for key, name in names.items():
        e = f["entropy"][key]
        if e:
            lines.append(
                f"Entropy {name}: {e['corrected']:.3f} bits/sample, between {e['plug_in']:.3f} (read off the counts: "
                f"too low) and {e['adaptive']:.3f} (a code that learns the counts: too high); {e['contexts']} contexts "
                f"a thread, {e['samples_per_cell']:.1f} samples for each value in a context."
            )
    lines.append("Order 1 has a table for each code before: on short recordings it is too low, as the bracket shows.")
    return Section("Entropy without a predictor", tuple(lines))


def _model(f: dict, picture: str | None) -> Section:
    m = f["model"]
    packed = f" {m['packed_threads']} threads do not compress and are packed." if m["packed_threads"] else ""
    return Section(
        "Ideal ratio under the model",
        (
            f"Under the densities that the codec predicts, with what it learns on the way, the recordings need "
            f"{m['ideal_bits_per_sample']:.4f} bits/sample: a ratio of {m['ideal_ratio']}. The streams of --coder "
            f"range take {m['range_bits_per_sample']:.4f}: {m['range_ratio']}.{packed}",
            "An archive adds names, checksums and an index. What lies between the entropies above and this figure is "
            "what prediction gives.",
        ),
        picture,
    )


def as_text(title: str, found: Sequence[Section]) -> str:
    """The report as plain text."""
    lines = [title, "=" * len(title)]
    for section in found:
        wrapped = [textwrap.fill(paragraph, _WIDTH, break_on_hyphens=False) for paragraph in section.paragraphs]
        lines += ["", section.heading, "-" * len(section.heading), *wrapped]
        if section.picture:
            lines.append(f"[{section.picture}]")
    return "\n".join(lines) + "\n"


_STYLE = """body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
h1, h2 { line-height: 1.2 } img { max-width: 100%; height: auto; border: 1px solid #ddd }"""


def as_html(title: str, found: Sequence[Section]) -> str:
    """The report as a page; its pictures lie beside it."""
    parts = [
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{html.escape(title)}</title>",
        f"<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>",
    ]
    for section in found:
        parts.append(f"<h2>{html.escape(section.heading)}</h2>")
        parts += [f"<p>{html.escape(paragraph)}</p>" for paragraph in section.paragraphs]
        if section.picture:
            parts.append(f"<img src='{html.escape(section.picture)}' alt='{html.escape(section.heading)}'>")
    return "\n".join([*parts, "</body></html>"]) + "\n"


@contextmanager
def write_report(folder: Path, *, force: bool) -> Iterator[Callable[[Study], str]]:
    """Where a report is to go: a function that writes a study there and returns the report's text.

    The folder is made, and its files are begun, before anything is measured. They are report.html, report.txt,
    report.json and the pictures. Raises InputError where one exists and `force` is not given, or cannot be written.
    """
    names = [f"report.{kind}" for kind in ("html", "txt", "json")] + [f"{name}.png" for name in PICTURES]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(system_fault(folder, "make the folder", error)) from error
    files: dict[str, WholeFile] = {}

    def write(found: Study) -> str:
        pictures = draw_pictures(found.pictures)
        told = sections(found.figures, {name: f"{name}.png" for name in pictures})
        text = as_text(TITLE, told)
        contents = {f"{name}.png": data for name, data in pictures.items()} | {
            "report.html": as_html(TITLE, told).encode(),
            "report.txt": text.encode(),
            "report.json": json.dumps(found.figures, indent=1).encode() + b"\n",
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
