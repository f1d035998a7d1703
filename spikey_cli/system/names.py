"""Names of files, as archives have them: UTF-8, whatever the locale is.

Python decodes the bytes of a path with the encoding of the locale. In one that is not UTF-8 such a string is another
name than elsewhere, and few names of an archive can be encoded.
"""

from __future__ import annotations

import os


def name_of_path(path: str) -> str:
    """Return the name that the bytes of a path are in UTF-8; with surrogates if they are not UTF-8."""
    return os.fsencode(path).decode("utf-8", "surrogateescape")


def path_of_name(name: str) -> str:
    """Return the path whose bytes are a name in UTF-8."""
    return os.fsdecode(name.encode("utf-8", "surrogateescape"))
