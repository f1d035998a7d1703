"""The coder of an archive for which none is asked: Rice, unless its samples take so few bits that it wastes many.

A Rice code is never shorter than a bit, and 1 to 4 % longer than the entropy where samples take some bits; the range
coder takes up to an eighth more time to decode. A piece of a block is encoded both ways.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..container.archive import FileDigest
from ..container.directory import Directory
from ..container.parts import Part
from ..core.coders import Coder, find_coder
from ..model.predictor import Predictor
from ..system.workers import Workers
from .blocks import FileChangedError, encode_block, read_block
from .presets import Preset
from .scan import ScannedSource

MAX_EXCESS = 0.03
"""Part of the bytes that Rice codes may take more than the range coder."""

_MIN_FRAMES = 512
_SAMPLES, _MAX_SAMPLES = 1 << 16, 1 << 20
"""Samples of a trial, and the most of one of many channels."""
_SHARE = 16
"""A trial has at most this part of a long recording."""


def choose_coder(
    sources: Sequence[ScannedSource],
    directory: Directory,
    blocks: Sequence[Sequence[Part]],
    predictor: Predictor | None,
    workers: Workers,
    preset: Preset,
) -> Coder:
    """Return the coder for an archive.

    Parameters
    ----------
    sources : sequence of ScannedSource
    directory : Directory
    blocks : sequence of sequence of Part
        The parts of each block; that in the middle is tried.
    predictor : Predictor or None
    workers : Workers
    preset : Preset
        Names the coder, or leaves it open.

    Raises
    ------
    SelfTestError
        If the predictor fails its self-test.
    """
    if preset.coder:
        return find_coder(preset.coder)
    rice, range_coder = find_coder("rice"), find_coder("range")
    parts = _trial(directory, blocks[len(blocks) // 2]) if blocks else []
    if not parts:
        return rice
    block = read_block(sources, [FileDigest() for _ in sources], directory, parts, workers)

    def size(coder: Coder) -> int:
        coded = encode_block(block, coder, predictor, workers, preset)
        return sum(len(stream.data) for part in coded.streams for stream in part)

    try:
        return range_coder if size(rice) > (1 + MAX_EXCESS) * size(range_coder) else rice
    except FileChangedError:  # which the caller finds, too
        return rice


def _trial(directory: Directory, parts: Sequence[Part]) -> list[Part]:
    """Return the middles of a block's parts that hold samples; none if they are too short to tell anything."""
    coded = [part for part in parts if directory.files[part.file].layout]
    channels = sum(directory.files[part.file].channels for part in coded)
    longest = max((part.n_frames for part in coded), default=0)
    if longest < _MIN_FRAMES or channels * _MIN_FRAMES > _MAX_SAMPLES:
        return []
    frames = max(_MIN_FRAMES, min(longest // _SHARE, _SAMPLES // channels))
    trial = []
    for part in coded:
        unit = directory.files[part.file].unit  # parts have whole records
        n_frames = min(part.n_frames, -(-frames // unit) * unit)
        skipped = (part.n_frames - n_frames) // 2 // unit * unit
        trial.append(part._replace(first_frame=part.first_frame + skipped, n_frames=n_frames))
    return trial
