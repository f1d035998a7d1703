"""Kernels: loops that Numba compiles and keeps on disk for the next process.

Numba checks a stored kernel against the file that the kernel is defined in, but not against the files of the functions
it calls. The cache folder is therefore named by a digest of all sources in `core`, the only folder kernels come from:
after an upgrade no kernel of an earlier release is used. A cache that cannot be written or read costs the time to
compile, and nothing else.
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

_CORE = Path(__file__).resolve().parent
_PACKAGE = _CORE.parent
_FOLDER = "spikey-kernels-"
_compile_lock = threading.Lock()
_logger = logging.getLogger("spikey_cli")


def _user_cache() -> Path:
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
    """Folder of the compiled kernels.

    It lies in $NUMBA_CACHE_DIR; or else in the package, if the package can be written to; or else in the user's cache.
    """
    in_package = _PACKAGE / "__pycache__"
    default = in_package if os.access(_PACKAGE, os.W_OK) else _user_cache() / "spikey-cli"
    base = Path(os.environ.get("NUMBA_CACHE_DIR") or default)
    folder = base / f"{_FOLDER}{_fingerprint()}"
    with contextlib.suppress(OSError):  # Numba then looks for another place
        if not folder.exists():
            _logger.info("kernels are compiled, which takes a minute, and kept in %s", folder)
            if base == in_package:  # other folders may be shared with other releases
                for older in in_package.glob(f"{_FOLDER}*"):
                    shutil.rmtree(older, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` at its first call, to run without the interpreter's lock, and cache it.

    Numba is first imported at that call, so commands that call no kernel start faster.
    """
    compiled: Callable[..., Any] | None = None

    @wraps(function)
    def call(*arguments: Any) -> Any:
        nonlocal compiled
        if compiled is None:
            with _compile_lock:
                compiled = compiled or _compile(function)
        return compiled(*arguments)

    return call


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    import numba
    from numba.core import config
    from numba.core.caching import FunctionCache

    class Cache(FunctionCache):
        """Numba's cache, except that its failures only mean that a kernel is compiled again."""

        def load_overload(self, *arguments: Any) -> Any:
            try:
                return super().load_overload(*arguments)
            except Exception:  # unpickling a damaged file can raise almost anything
                with contextlib.suppress(Exception):
                    self.flush()
                return None

        def save_overload(self, *arguments: Any) -> None:
            try:
                super().save_overload(*arguments)
            except Exception:  # a full disk, a folder that was removed
                _warn_once()

    compiled: Any = numba.njit(nogil=True)(function)
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        return compiled
    settings: Any = config
    previous = settings.CACHE_DIR
    settings.CACHE_DIR = str(kernel_folder())
    try:
        compiled._cache = Cache(function)
    except RuntimeError:  # Numba found no folder that can be written to
        _warn_once()
    finally:
        settings.CACHE_DIR = previous
    return compiled


@lru_cache(maxsize=1)
def _warn_once() -> None:
    _logger.warning(
        "kernels cannot be kept in %s and are compiled again in each process, which takes a minute; set "
        "NUMBA_CACHE_DIR to a folder that can be written to",
        kernel_folder(),
    )
