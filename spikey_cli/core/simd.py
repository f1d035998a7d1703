"""The instruction set that the core uses: the best that the machine has, or that of the variable SPIKEY_SIMD."""

from __future__ import annotations

import os

SIMD = os.environ.get("SPIKEY_SIMD") or None
"""One of `_core.simd()`; None for the best. Every instruction set gives the same bits."""
