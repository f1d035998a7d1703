"""Metadata files next to raw samples that state their channels and rate.

    SpikeGLX     NAME.bin and NAME.meta: lines KEY=VALUE. nSavedChans is the number of channels. The rate is imSampRate,
                 niSampRate or obSampRate if typeThis is imec, nidq or obx.
    Open Ephys   continuous/FOLDER/continuous.dat, and structure.oebin in the parent folder of `continuous`: JSON whose
                 list `continuous` has an object with this folder_name, num_channels and sample_rate.

Both store 16-bit samples. Rates are rounded to whole Hz (`whole_rate`). Any other form is ignored.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..system.names import name_of_path
from .layout import whole_rate
from .raw import RawFormat

_MAX_BYTES = 4 << 20
"""Longest sidecar that is read; those of probes have about 10,000 bytes."""

_SPIKEGLX_RATES = {"imec": "imSampRate", "nidq": "niSampRate", "obx": "obSampRate"}


def raw_format_beside(path: Path) -> RawFormat | None:
    """Return the raw format that a sidecar states for a file, or None if there is no readable sidecar."""
    path = Path(os.path.abspath(path))
    try:
        if path.name == "continuous.dat" and path.parent.parent.name == "continuous":
            return _from_open_ephys(_read(path.parents[2] / "structure.oebin"), name_of_path(path.parent.name))
        if path.suffix.lower() == ".bin":
            return _from_spikeglx(_read(path.with_suffix(".meta")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, InputError):
        pass
    return None


def _read(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ValueError(f"{path} is too long for a sidecar")
    return data.decode("utf-8-sig", "replace")


def _from_spikeglx(text: str) -> RawFormat:
    fields = dict(line.strip().split("=", 1) for line in text.splitlines() if "=" in line)
    return _raw_format(int(fields["nSavedChans"]), float(fields[_SPIKEGLX_RATES[fields["typeThis"]]]))


def _from_open_ephys(text: str, folder: str) -> RawFormat:
    import json

    (stream,) = (stream for stream in json.loads(text)["continuous"] if stream["folder_name"].strip("/\\") == folder)
    return _raw_format(stream["num_channels"], stream["sample_rate"])


def _raw_format(channels: Any, rate: Any) -> RawFormat:
    if type(channels) is not int or type(rate) not in (int, float) or not math.isfinite(rate) or rate <= 0:
        raise ValueError(f"{channels} channels at {rate} Hz are no recording")
    return RawFormat(channels, whole_rate(rate))
