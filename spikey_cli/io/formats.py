"""The registry of input formats: how samples are found in a file, and the warning if they are not.

Two kinds of input bypass it: WAVs from a pipe, whose header `wav.parse_start` reads as it arrives, and datasets of HDF5
files, which are sources of their own (see `integrations.hdf5`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

import numpy as np

from ..errors import InputError
from . import axon, blackrock, edf, intan, neuralynx, npy, open_ephys, raw, wav
from .layout import Layout
from .reading import FAULTS, ChannelInfo
from .records import MAX_HEADER_BYTES, RecordLayout
from .sidecar import is_intan_clock, raw_format_beside
from .source import ArraySource, FileSource, Source


class FileFormat(NamedTuple):
    """One input format."""

    name: str
    """As `info` reports it."""
    suffixes: tuple[str, ...]
    """How the names of such files usually end, in lower case."""
    magic: tuple[bytes, ...]
    """What the header of such a file starts with; empty for a format without a header."""
    parse: Callable[[BinaryIO, int, Source], Layout | RecordLayout | None]
    """(file, size in bytes, source) to the layout, or None if the file has no samples that can be predicted."""
    warning: str
    """Why a file that looks like this format is stored verbatim, and the remedy."""
    parameter: str | None = None
    """The API parameter of that remedy."""
    takes_rate: bool = False
    """Whether such files do not state their sample rate, so that `Source.sample_rate` does."""
    looks_like: Callable[[bytes], bool] = bool
    """Whether a file with one of the suffixes and these first bytes deserves the warning; by default if not empty."""
    describe: Callable[[bytes], list[ChannelInfo]] | None = None
    """What a file's header says of its channels, in the order of the layout; may raise one of `reading.FAULTS`."""
    times: Callable[[bytes, np.ndarray], np.ndarray] | None = None
    """(header, the bytes before some runs of samples) to the times of these in seconds; see `record_times`."""


def _parse_raw(file: BinaryIO, size: int, source: Source) -> Layout | RecordLayout | None:
    if not isinstance(source, FileSource) or suffix(source.name) not in raw.SUFFIXES:
        return None
    if source.raw is None and is_intan_clock(source.path):
        return intan.parse_times(file, size)
    raw_format = source.raw or raw_format_beside(source.path)
    return raw_format.layout(file, size) if raw_format else None


def _system(
    name: str,
    program: str,
    suffixes: tuple[str, ...],
    magic: bytes | tuple[bytes, ...],
    parse: Callable[[BinaryIO, int], Layout | RecordLayout | None],
    describe: Callable[[bytes], list[ChannelInfo]],
    times: Callable[[bytes, np.ndarray], np.ndarray] | None = None,
) -> FileFormat:
    """The row of a format that an acquisition system writes."""
    magic = (magic,) if isinstance(magic, bytes) else magic
    warning = f"stored byte for byte with little gain: it is not {program}, or its header does not match its contents"
    return FileFormat(
        name,
        suffixes,
        magic,
        lambda file, size, source: parse(file, size),
        warning,
        describe=describe,
        times=times,
    )


def _parse_npy(file: BinaryIO, size: int, source: Source) -> Layout | RecordLayout | None:
    is_verbatim = isinstance(source, ArraySource) and source.is_verbatim
    if (is_verbatim or isinstance(source, FileSource)) and (times := npy.parse_times(file, size)):
        return times
    return None if is_verbatim else npy.parse(file, size, source.sample_rate, is_array=isinstance(source, ArraySource))


HDF5_SUFFIXES = (".nwb", ".h5", ".hdf5")
"""How the names of HDF5 files end."""

FORMATS = (
    # first: a stated raw format takes precedence over bytes that resemble a header
    FileFormat(
        "raw",
        raw.SUFFIXES,
        (),
        _parse_raw,
        "stored byte for byte with little gain, because nothing states the layout of its samples; if it is a "
        "recording, pass its RawFormat: channels and sampling rate",
        "raw",
    ),
    FileFormat(
        "wav",
        (".wav",),
        wav.MAGIC,
        lambda file, size, source: wav.parse(file, size),
        "stored byte for byte with little gain: it is not a WAV file of integers or floats, or its header does not "
        "match its samples",
    ),
    FileFormat(
        "npy",
        (".npy",),
        (npy.MAGIC,),
        _parse_npy,
        "stored byte for byte with little gain; 16-bit samples are predicted if they are little endian and complete",
        takes_rate=True,
        looks_like=npy.holds_16_bit_integers,
    ),
    _system("edf", "an EDF or BDF file with samples", (".edf", ".bdf"), edf.MAGIC, edf.parse, edf.describe, edf.times),
    _system(
        "blackrock",
        "an NSx file of Blackrock with samples",
        blackrock.SUFFIXES,
        blackrock.MAGIC,
        blackrock.parse,
        blackrock.describe,
        blackrock.times,
    ),
    _system(
        "neuralynx",
        "an NCS file of Neuralynx with samples",
        (".ncs",),
        neuralynx.MAGIC,
        neuralynx.parse,
        neuralynx.describe,
        neuralynx.times,
    ),
    _system(
        "intan",
        "an RHD or RHS file of Intan with samples",
        (".rhd", ".rhs"),
        intan.MAGIC,
        intan.parse,
        intan.describe,
        intan.times,
    )._replace(looks_like=intan.has_samples),
    _system(
        "open ephys",
        "a file of Open Ephys with samples",
        (".continuous",),
        open_ephys.MAGIC,
        open_ephys.parse,
        open_ephys.describe,
        open_ephys.times,
    ),
    _system(
        "axon",
        "an ABF 2 file of integers or floats",
        (".abf",),
        axon.MAGIC,
        axon.parse,
        axon.describe,
    ),
)


def find_layout(file: BinaryIO, size: int, source: Source) -> Layout | RecordLayout | None:
    """Return the layout of an input of `size` bytes, or None if no format finds samples in it."""
    for file_format in FORMATS:
        layout = file_format.parse(file, size, source)
        if layout is not None:
            return layout
    return None


def format_name(header: bytes) -> str:
    """Return the name of the format that a header belongs to; ``"raw"`` for any other header."""
    return next((each.name for each in FORMATS if header.startswith(each.magic)), "raw")


def describe_channels(header: bytes, n_channels: int) -> list[ChannelInfo]:
    """Return what a file's header says of its channels, in the order of its layout; nothing if it says nothing."""
    for file_format in FORMATS:
        if file_format.describe and header.startswith(file_format.magic):
            with contextlib.suppress(*FAULTS):
                found = file_format.describe(header)
                return found if len(found) == n_channels else []
    return []


def record_times(header: bytes, rows: np.ndarray) -> np.ndarray | None:
    """Return the times at which runs of samples begin, if the file states them.

    Parameters
    ----------
    header : bytes
        All bytes before the first sample or record.
    rows : ndarray of uint8, shape (runs, bytes)
        Of a file whose records have kept numbers: those of some records. Otherwise what stands directly before runs of
        samples: the last bytes of the header, and of gaps.

    Returns
    -------
    ndarray of float64, shape (runs,), or None
        Seconds, all finite.
    """
    for file_format in FORMATS:
        if file_format.times and header.startswith(file_format.magic):
            with contextlib.suppress(*FAULTS):
                seconds = file_format.times(header, rows)
                return seconds if np.isfinite(seconds).all() else None
    return None


def resembled_format(source: Source) -> FileFormat | None:
    """Return the format that a file stored verbatim resembles by its name and first bytes, or None."""
    for file_format in FORMATS:
        if suffix(source.name) in file_format.suffixes:
            with contextlib.suppress(OSError, InputError), source.open() as file:
                return file_format if file_format.looks_like(file.read(MAX_HEADER_BYTES)) else None
    return None


def suffix(name: str) -> str:
    """Return the suffix of a file's name in lower case, with its dot."""
    return os.path.splitext(name)[1].lower()
