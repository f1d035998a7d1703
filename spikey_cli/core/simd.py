"""The instruction set that the core uses: the best that the machine has, or that of the variable SPIKEY_SIMD."""

from __future__ import annotations

import os

from ..errors import InputError
from . import _core


def _chosen() -> str | None:
    name = os.environ.get("SPIKEY_SIMD") or None
    if name not in (None, *_core.simd()):
        raise InputError(
            f"SPIKEY_SIMD: {name!r} is no instruction set of this machine; choose one of {', '.join(_core.simd())}, or "
            "unset the variable"
        )
    return name


SIMD = _chosen()
"""One of `_core.simd()`; None for the best. Every instruction set gives the same bits."""
