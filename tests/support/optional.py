"""Optional packages in tests: skip without them, and import them only when a test uses them."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

import pytest


class _Deferred:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


def deferred(name: str, *, needs: str | None = None) -> Any:
    """A module that is imported when its first attribute is read, so that collecting the tests does not import it.

    Without the package `needs` (by default the module's own top-level package) the calling test module is skipped.
    """
    package = needs or name.partition(".")[0]
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)
    return _Deferred(name)
