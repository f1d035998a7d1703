"""The machine that a measurement was made on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def describe_machine() -> str:
    """Number and model of the processors, and versions of Python and of the libraries that do the work."""
    names = [line for line in _CPUINFO.read_text().splitlines() if "model name" in line] if _CPUINFO.exists() else []
    cpu = names[0].split(":")[1].strip() if names else platform.processor()
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "onnxruntime")]
    return f"{os.cpu_count()} x {cpu}, Python {platform.python_version()}, {', '.join(versions)}"
