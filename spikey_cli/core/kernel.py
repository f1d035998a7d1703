"""Kernels: loops that Numba compiles, and keeps for the next run of the same release.

Numba knows a kept kernel by the file that it stands in, not by those of the functions that it calls. So kernels are
kept in a folder of their own for each state of the package: after an upgrade none of an earlier one is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import threading
from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any

_one_at_a_time = threading.Lock()
_PACKAGE = Path(__file__).resolve().parent.parent
_CORE = Path(__file__).resolve().parent
_FOLDER = "spikey-kernels-"


def _user_cache() -> Path:
    """Where programs keep what they can make again."""
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", Path.home()))
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for source in sorted(_CORE.glob("*.py")):
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=1)
def kernel_folder() -> Path:
    """Where kernels are kept: below $NUMBA_CACHE_DIR, in the package if that can be written to, or the user's cache."""
    own = _PACKAGE / "__pycache__"
    else_own = own if os.access(_PACKAGE, os.W_OK) else _user_cache() / "spikey-cli"
    base = Path(os.environ.get("NUMBA_CACHE_DIR") or else_own)
    folder = base / f"{_FOLDER}{_fingerprint()}"
    if base == own and not folder.exists():  # elsewhere other releases may keep theirs
        for older in own.glob(f"{_FOLDER}*"):
            shutil.rmtree(older, ignore_errors=True)
    if not folder.exists():
        logging.getLogger("spikey_cli").info("kernels are compiled, which takes seconds, and kept in %s", folder)
    with contextlib.suppress(OSError):  # Numba finds another place then
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` when it is first called, to run without the interpreter's lock, and keep it.

    Numba is imported no sooner: what calls no kernel need not wait for it.
    """
    compiled: Callable[..., Any] | None = None

    @wraps(function)
    def call(*arguments: Any) -> Any:
        nonlocal compiled
        if compiled is None:
            with _one_at_a_time:
                compiled = compiled or _compile(function)
        return compiled(*arguments)

    return call


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    import numba
    from numba.core import config

    settings: Any = config
    given = settings.CACHE_DIR
    settings.CACHE_DIR = str(kernel_folder())
    try:
        compiled: Callable[..., Any] = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither there nor where Numba would keep it can be written to
        _warn_once()
        compiled = numba.njit(nogil=True)(function)
    finally:
        settings.CACHE_DIR = given
    return compiled


@lru_cache(maxsize=1)
def _warn_once() -> None:
    logging.getLogger("spikey_cli").warning(
        "kernels cannot be kept in %s, and are compiled anew each time, which takes a minute; set NUMBA_CACHE_DIR to a "
        "folder that can be written to",
        kernel_folder(),
    )
