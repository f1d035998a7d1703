"""What is whole in an archive, but could be smaller or is likely a slip, and what to do about it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from ..codec.scan import ScannedSource
from ..io.layout import HDF5_SUFFIXES, MAX_HEADER_BYTES, RAW_SUFFIXES
from ..io.npy import parse_header
from ..io.source import FileSource


def advise(sources: Sequence[ScannedSource]) -> list[str]:
    """A warning for each kind of input that was not taken as it probably was meant; it names the first of them."""
    return [
        *_about_unknown_samples(sources),
        *_about_odd_sizes(sources),
        *_about_datasets(sources),
        *_about_other_wavs(sources),
        *_about_other_arrays(sources),
    ]


def _about_unknown_samples(sources: Sequence[ScannedSource]) -> list[str]:
    unknown = [s for s in sources if s.layout is None and s.size and Path(s.name).suffix.lower() in RAW_SUFFIXES]
    return _warned(
        unknown,
        "kept byte for byte, and hardly smaller, since nothing tells how samples lie there; if it is a recording, give "
        "--raw CHANNELS:RATE",
    )


def _about_odd_sizes(sources: Sequence[ScannedSource]) -> list[str]:
    odd = [(s, s.layout) for s in sources if s.layout and s.layout.kind == "raw" and s.layout.trailer]
    if not odd:
        return []
    layout = odd[0][1]
    return _warned(
        [source for source, _ in odd],
        f"{layout.file_bytes:,} bytes are no whole number of frames of {layout.channels} channels of "
        f"{8 * layout.sample_bytes} bits; all of it comes back, but check the number of channels (--raw "
        "CHANNELS:RATE), or whether the file was cut off",
    )


def _about_datasets(sources: Sequence[ScannedSource]) -> list[str]:
    files = [s for s in sources if s.layout is None and s.size and Path(s.name).suffix.lower() in HDF5_SUFFIXES]
    if not files or not isinstance(files[0].source, FileSource):
        return []
    return _warned(
        files,
        "kept byte for byte, and hardly smaller; if samples are in it, --dataset NAME packs those of one dataset, and "
        "nothing else of the file (a NAME that is not there lists what is)",
    )


def _about_other_wavs(sources: Sequence[ScannedSource]) -> list[str]:
    others = [s for s in sources if s.layout is None and s.size and Path(s.name).suffix.lower() == ".wav"]
    return _warned(
        others,
        "kept byte for byte, and hardly smaller: no WAV of integers of 8, 16 or 24 bits, or its header tells of other "
        "samples than there are",
    )


def _about_other_arrays(sources: Sequence[ScannedSource]) -> list[str]:
    others = [
        s
        for s in sources
        if s.layout is None and isinstance(s.source, FileSource) and _is_array_of_16_bits(s.source.path)
    ]
    return _warned(
        others,
        "kept byte for byte, and hardly smaller: samples of 16 bits are predicted where they are int16 of shape "
        "(frames, channels), little endian, in C order, and all there",
    )


def _is_array_of_16_bits(path: Path) -> bool:
    """Whether it is a NumPy file of samples, by its ending and its header."""
    if path.suffix.lower() != ".npy":
        return False
    with contextlib.suppress(OSError), path.open("rb") as file:
        found = parse_header(file.read(MAX_HEADER_BYTES))
        return found is not None and 0 not in found[1] and found[2].kind in "iu" and found[2].itemsize == 2
    return False


def _warned(of: Sequence[ScannedSource], what: str) -> list[str]:
    """A warning that names the first of some sources, and how many more there are; none where there are none."""
    if not of:
        return []
    others = f" and {len(of) - 1} more" if len(of) > 1 else ""
    return [f"{of[0].source}{others}: {what}"]
