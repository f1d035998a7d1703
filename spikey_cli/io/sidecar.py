"""What stands beside a file of raw samples, and tells how they lie: channels, rate.

    SpikeGLX     NAME.bin, and NAME.meta: lines KEY=VALUE, of which nSavedChans counts the channels, and imSampRate,
                 niSampRate or obSampRate, as typeThis is imec, nidq or obx, is the rate
    Open Ephys   continuous/FOLDER/continuous.dat, and structure.oebin beside the first of these folders: JSON, whose
                 list `continuous` has an object with that folder_name, and its num_channels and sample_rate

Both hold samples of 16 bits. A rate is rounded to whole frames a second, see `whole_rate`. What is not told just so is
not told.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from ..errors import InputError
from .layout import RawFormat, whole_rate

_MAX_BYTES = 4 << 20
"""Of a sidecar that is read; those of probes have some 10,000."""

_SPIKEGLX_RATES = {"imec": "imSampRate", "nidq": "niSampRate", "obx": "obSampRate"}


def raw_format_beside(path: Path) -> RawFormat | None:
    """How the samples of a file lie, as what stands beside it tells; None where nothing does, or it cannot be read."""
    path = Path(os.path.abspath(path))
    try:
        if path.name == "continuous.dat" and path.parent.parent.name == "continuous":
            return _from_open_ephys(_read(path.parents[2] / "structure.oebin"), path.parent.name)
        if path.suffix.lower() == ".bin":
            return _from_spikeglx(_read(path.with_suffix(".meta")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, InputError):
        pass
    return None


def _read(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ValueError(f"{path} is too long to be a sidecar")
    return data.decode("utf-8-sig", "replace")


def _from_spikeglx(text: str) -> RawFormat:
    told = dict(line.strip().split("=", 1) for line in text.splitlines() if "=" in line)
    return _format(int(told["nSavedChans"]), float(told[_SPIKEGLX_RATES[told["typeThis"]]]))


def _from_open_ephys(text: str, folder: str) -> RawFormat:
    (stream,) = (one for one in json.loads(text)["continuous"] if one["folder_name"].strip("/\\") == folder)
    return _format(stream["num_channels"], stream["sample_rate"])


def _format(channels: Any, rate: Any) -> RawFormat:
    if type(channels) is not int or type(rate) not in (int, float) or not math.isfinite(rate) or rate <= 0:
        raise ValueError(f"no recording has {channels} channels and {rate} frames a second")
    return RawFormat(channels, whole_rate(rate))
