"""Errors and warnings that this package raises or returns.

A message names the file or part, the reason and the remedy. The parameter that applies the remedy is an attribute.
`str` appends its name in Python if it belongs to another function or class than the one that was called; the command
line appends its option.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from itertools import islice
from typing import Self

_CHECK_THE_DISK = "check the disk and try again"
_NAMES_COMPARED = 10_000
_IN_PYTHON = {
    "embed_model": "embed_model=True of Encoding",
    "embed_model=False": "embed_model=False of Encoding",
    "expansion": "Limits.expansion",
    "keep_going": "keep_going=True of decompress",
    "memory": "Limits.memory",
}
_REMEDIES = {
    errno.ENOENT: "check the name",
    errno.ENOTDIR: "check the name",
    errno.ELOOP: "check the name",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EISDIR: "name a file, not a folder",
    errno.EEXIST: "something else has that name; choose another name",
    errno.EACCES: "change the permissions, or choose another folder",
    errno.EPERM: "change the permissions, or choose another folder",
    errno.EROFS: "choose a folder that is writable",
    errno.ENOSPC: "free some space there, or choose another folder",
    errno.EDQUOT: "free some space there, or choose another folder",
    errno.EFBIG: "choose a file system that takes larger files",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "close other programs and try again",
    errno.ESTALE: "try again while nobody renames or replaces its folder",
    errno.ESPIPE: "copy it to a file, and name that",
    errno.EBUSY: "try again when no other program uses it",
}


def system_fault(path: object, action: str, error: OSError) -> str:
    """Return the message for an operation on a file that the operating system refused.

    Parameters
    ----------
    path : object
        The file, as the message names it.
    action : str
        What failed, as a verb: ``"read"``, ``"write"``.
    error : OSError
        The operating system's reason.
    """
    folder = os.path.dirname(str(path))
    if error.errno == errno.ENOENT and folder and not os.path.isdir(folder):
        remedy = f"there is no folder {folder}: make it, or check the name"
    else:
        remedy = _REMEDIES.get(error.errno or 0, _CHECK_THE_DISK)
    return f"{path}: cannot {action}: {error.strerror or error}; {remedy}"


_NOT_PRINTED = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Escape control characters, which names of files may have and a terminal would obey."""
    return _NOT_PRINTED.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


class SpikeyError(Exception):
    """Base class of the errors that this package raises on purpose.

    Parameters
    ----------
    message : str
        What is wrong: the name of the file, the reason and the remedy.
    parameter : str, optional
        The API parameter that remedies the error, for example ``"memory"`` (of `Limits`) or ``"force"``.

    Attributes
    ----------
    message, parameter
        As given.

    Examples
    --------
    >>> _ = spikey_cli.compress(["left.wav"], "left.spk")
    >>> try:
    ...     spikey_cli.compress(["left.wav"], "left.spk")
    ... except spikey_cli.SpikeyError as error:
    ...     print(error)
    ...     print(error.parameter)
    left.spk: exists already; choose another name, or force overwriting it
    force
    """

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        message = printable(message)
        super().__init__(message)
        self.message = message
        self.parameter = parameter

    def __str__(self) -> str:
        hint = _IN_PYTHON.get(self.parameter or "")
        return f"{self.message} ({hint})" if hint else self.message

    def within(self, name: object) -> Self:
        """Return the error with a name before its message."""
        return type(self)(f"{name}: {self.message}", parameter=self.parameter)


class InputError(SpikeyError):
    """A source cannot be read, a target cannot be written, or an argument does not fit the data."""


def unknown_name(archive: object, what: str, name: str, known: Iterable[str]) -> InputError:
    """Return the error for a name that an archive does not contain.

    Parameters
    ----------
    archive : object
        The archive's path.
    what : str
        The kind of name: ``"channel"`` or ``"file"``.
    name : str
        The unknown name.
    known : iterable of str
        The names in the archive; the message suggests the nearest one.
    """
    import difflib

    nearest = difflib.get_close_matches(name, islice(known, _NAMES_COMPARED), n=1)
    file = name.rpartition(":")[0]
    # FILE:7 for FILE:70 is no typing error: the message lists how channels are named instead
    is_other_channel = bool(nearest and file) and nearest[0].startswith(f"{file}:")
    suggestion = f"did you mean {nearest[0]!r}? " if nearest and not is_other_channel else ""
    if what == "channel":
        remedy = f"{suggestion}a file with several channels names them FILE:0, FILE:1 and so on"
    else:
        remedy = suggestion.rstrip() or "check the name"
    return InputError(
        f"{archive}: holds no {what} {name!r}; {remedy}",
        parameter="channels" if what == "channel" else "files",
    )


class ArchiveError(SpikeyError):
    """An archive is damaged, malformed, or of a version that this release cannot read."""


class DamageError(ArchiveError):
    """Bytes of an archive or a live stream contradict their checksum or the format.

    Functions that parse bytes know the reason only. The reader of the file raises the error again with its name.

    Parameters
    ----------
    reason : str
        What is wrong.
    path : object, optional
        Name of the archive or stream.
    file : str, optional
        The damaged file in it.
    remedy : str, optional
        What to do.
    parameter : str, optional
        As in `SpikeyError`.

    Attributes
    ----------
    reason : str
        As given.
    """

    def __init__(
        self, reason: str, *, path: object = "", file: str = "", remedy: str = "", parameter: str | None = None
    ) -> None:
        message = f"{path}: {f'{file} ' if file else ''}is damaged: {reason}; {remedy}" if path else reason
        super().__init__(message, parameter=parameter)
        self.reason = reason


class LimitError(ArchiveError):
    """An archive needs more memory or time than `Limits` grants; it need not be damaged."""


class ModelError(SpikeyError):
    """A predictor cannot be proven exact, or is not the one that the archive names."""


class SelfTestError(ModelError):
    """A proven predictor gives other results on this machine than where it was frozen.

    The machine or a library computes incorrectly.
    """


class ClusterError(SpikeyError):
    """A cluster cannot be reached, has lost its workers, or runs another release."""


class MissingPackageError(SpikeyError):
    """An optional package is required and not installed."""


class SpikeyWarning(UserWarning):
    """A result is complete, but an input was probably not read as intended.

    `compress` returns these in `Compressed.warnings`; it does not issue them through `warnings.warn`.

    Parameters
    ----------
    message : str
        What was found, and what to do about it.
    parameter : str, optional
        The API parameter that changes the outcome, for example ``"raw"``.
    """

    def __init__(self, message: str, parameter: str | None = None) -> None:
        super().__init__(printable(message))
        self.parameter = parameter
