"""Warnings about inputs that were stored completely, but probably not as intended."""

from __future__ import annotations

from collections.abc import Sequence

from ..codec.scan import ScannedSource
from ..errors import SpikeyWarning
from ..io.formats import FORMATS, HDF5_SUFFIXES, format_name, resembled_format, suffix
from ..io.npy import is_row_by_row
from ..io.source import FileSource

_HDF5_WARNING = (
    "stored byte for byte, without predicting its samples; to compress the samples of one dataset, and nothing else of "
    "the file, name that dataset (an unknown name lists those that fit)"
)
_UNSCALED_WARNING = (
    "stored byte for byte with little gain: its samples are floats that are not integers times a gain, or too few to "
    "store the gains of their channels; compress the samples as they were acquired"
)
_ROWS_WARNING = (
    "its samples seem to be stored channel by channel, too many to be coded as channels: they are coded as one; save "
    "an array of shape (frames, channels) in C order to have its channels"
)


def warn_about(sources: Sequence[ScannedSource]) -> list[SpikeyWarning]:
    """Return one warning for each kind of oversight; it names the first file it concerns."""
    warnings = []
    verbatim = [s for s in sources if isinstance(s.source, FileSource) and not (s.layout or s.records)]
    unscaled = [source for source in verbatim if source.is_unscaled]
    if unscaled:
        warnings.append(_warning(unscaled, _UNSCALED_WARNING, None))
    resembled = [(source, resembled_format(source.source)) for source in verbatim if not source.is_unscaled]
    for file_format in FORMATS:
        files = [source for source, similar in resembled if similar is file_format]
        if files:
            warnings.append(_warning(files, file_format.warning, file_format.parameter))
    hdf5 = [source for source in verbatim if source.size and suffix(source.name) in HDF5_SUFFIXES]
    if hdf5:
        warnings.append(_warning(hdf5, _HDF5_WARNING, "dataset"))
    row_by_row = [source for source in sources if source.layout and is_row_by_row(source.layout)]
    if row_by_row:
        warnings.append(_warning(row_by_row, _ROWS_WARNING, None))
    odd = [(s, s.layout) for s in sources if s.layout and format_name(s.layout.header) == "raw" and s.layout.trailer]
    if odd:
        layout = odd[0][1]
        text = (
            f"{layout.file_bytes:,} bytes are not a whole number of frames of {layout.channels} channels of "
            f"{8 * layout.sample_bytes} bits; every byte is stored, but check the number of channels, and whether the "
            "file is complete"
        )
        warnings.append(_warning([source for source, _ in odd], text, "raw"))
    return warnings


def _warning(sources: Sequence[ScannedSource], text: str, parameter: str | None) -> SpikeyWarning:
    others = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
    return SpikeyWarning(f"{sources[0].source}{others}: {text}", parameter)
