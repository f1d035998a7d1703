"""Presets: points between speed and size. An archive names the effort; its coder stands beside it.

fast       a short adaptation, and the coder that decodes fastest
default    between the two
best       many references, and predictions that learn from every sample
"""

from __future__ import annotations

from typing import NamedTuple


class Preset(NamedTuple):
    """What an encoder does at a preset."""

    effort: int
    """How much the adaptation learns, as archives store it; see `core/c/core.h`."""
    coder: str
    """Name of the coder, unless another is asked for."""
    earlier: int
    """Most channels of earlier coding passes that a channel references."""
    lanes: int
    """Most lanes of a channel. The core takes eight at a time, which share what a channel learns; but statistics change
    within a long lane as in the recording.
    """
    order_cost: float
    """Bits a sample that a further one of its own differences has to save a channel."""


PRESETS = {
    "fast": Preset(1, "rice", 2, 8, 0.0025),
    "default": Preset(2, "range", 4, 8, 0.0006),
    "best": Preset(3, "range", 8, 1, 0.0001),
}
"""All presets by name."""

DEFAULT_PRESET = "default"

EFFORT = PRESETS[DEFAULT_PRESET].effort
"""Effort of the default preset, and of live streams."""


def preset_name(effort: int) -> str:
    """Return the name of the preset with this effort, or what says that none has it."""
    return next((name for name, preset in PRESETS.items() if preset.effort == effort), f"number {effort}")


def find_preset(name: str) -> Preset:
    """Return the preset of this name. Raises ValueError if there is none."""
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
