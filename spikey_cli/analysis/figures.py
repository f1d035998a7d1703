"""The report's pictures."""

from __future__ import annotations

import numpy as np

from .drawing import Drawing
from .study import Pictures

PICTURES = ("density", "spectrum", "whiteness", "correlation", "innovations")


def draw_pictures(found: Pictures) -> dict[str, bytes]:
    """Each of the PICTURES of a study, as PNG. Raises MissingPackageError where Matplotlib is not installed."""
    drawn = (_density(found), _spectrum(found), _whiteness(found), _correlation(found), _innovations(found))
    return dict(zip(PICTURES, drawn, strict=True))


def _density(found: Pictures) -> bytes:
    drawing = Drawing(9, 6)
    above, below = drawing.figure.subplots(2, 1, sharex=True)
    seen = np.flatnonzero(found.counts)
    if seen.size > 1 << 16:  # a bar for each would be thinner than a pixel
        seen = seen[:: seen.size >> 16]
    above.semilogy(seen, found.counts[seen], ".", ms=2, color="tab:blue")
    above.set(ylabel="count", title="how often each code occurs")
    below.plot(np.arange(found.ratios.size)[: 1 << 16], found.ratios[: 1 << 16], ".", ms=3, color="tab:blue")
    below.axhline(1, color="0.5", lw=0.8)
    below.set(xlabel="code", ylabel="count / local average")
    if seen.size:
        below.set_xlim(seen[0] - 1, seen[-1] + 1)
    return drawing.png()


def _spectrum(found: Pictures) -> bytes:
    drawing = Drawing(9, 4.5)
    axes = drawing.figure.subplots()
    axes.plot(found.frequency / 1000, found.samples_db, label="values")
    axes.plot(found.frequency / 1000, found.residuals_db, label="residuals")
    axes.set(xlabel="kHz", ylabel="dB of codes squared per Hz")
    axes.grid(alpha=0.3)
    axes.legend()
    return drawing.png()


def _whiteness(found: Pictures) -> bytes:
    drawing = Drawing(9, 3.5)
    axes = drawing.figure.subplots()
    axes.stem(np.arange(1, found.lags.size + 1), found.lags, basefmt=" ")
    axes.axhspan(-found.lag_limit, found.lag_limit, color="0.85", label="95 % of white noise, one thread")
    axes.set(xlabel="lag, samples", ylabel="correlation, mean of all threads")
    axes.legend()
    return drawing.png()


def _correlation(found: Pictures) -> bytes:
    drawing = Drawing(7, 6)
    axes = drawing.figure.subplots()
    off = found.matrix - np.eye(len(found.matrix))
    limit = max(0.05, float(np.abs(off).max(initial=0)))
    image = axes.imshow(off, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    drawing.figure.colorbar(image, ax=axes, label="correlation of innovations at lag 0")
    axes.set(xlabel="thread, session by session", ylabel="thread")
    return drawing.png()


def _innovations(found: Pictures) -> bytes:
    drawing = Drawing(9, 4)
    axes = drawing.figure.subplots()
    edges = np.linspace(-6, 6, 193)
    if found.innovations.size:
        axes.hist(found.innovations, edges.tolist(), density=True, alpha=0.6, label="true less predicted")
    axes.plot(edges, np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi), label="standard normal")
    axes.set(xlabel="predicted spreads", ylabel="density", yscale="log", ylim=(1e-6, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    return drawing.png()
