"""Where libspikey is installed, the core as a shared library for programs in other languages (docs/c-library.md)."""

from __future__ import annotations

import sys
from pathlib import Path

_NAMES = {"win32": "spikey.dll", "darwin": "libspikey.dylib"}


def get_include() -> str:
    """Return the folder of `spikey.h`, for a C compiler.

    Returns
    -------
    str
        An absolute path.

    See Also
    --------
    get_library : The library that the header declares.

    Examples
    --------
    >>> import os
    >>> os.path.exists(os.path.join(spikey_cli.get_include(), "spikey.h"))
    True
    """
    return str(Path(__file__).resolve().parent / "c")


def get_library() -> str:
    """Return the path of the shared library libspikey, for linkers, `ctypes` and loaders of other languages.

    Its folder holds nothing else, so that it can be a folder of HDF5's plugins: HDF5_PLUGIN_PATH.

    Returns
    -------
    str
        An absolute path.

    See Also
    --------
    get_include : The folder of the library's header.

    Examples
    --------
    >>> import ctypes
    >>> library = ctypes.CDLL(spikey_cli.get_library())
    >>> library.spikey_error_text.restype = ctypes.c_char_p
    >>> library.spikey_error_text(0)
    b'no error'
    """
    return str(Path(__file__).resolve().parents[1] / "lib" / _NAMES.get(sys.platform, "libspikey.so"))
