"""What can go wrong, as the caller sees it.

Every message names the file or part, the reason, and the remedy; the command line prints it as it stands.
"""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable
from itertools import islice

_CHECK_THE_DISK = "check the disk and try again"
_NAMES_COMPARED = 10_000
_REMEDIES = {
    errno.ENOENT: "check the name",
    errno.ENOTDIR: "check the name",
    errno.ELOOP: "check the name",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EISDIR: "name a file",
    errno.EEXIST: "something else goes by that name; name another",
    errno.EACCES: "change the permissions, or name another place",
    errno.EPERM: "change the permissions, or name another place",
    errno.EROFS: "name a place that can be written to",
    errno.ENOSPC: "free some space there, or name another place",
    errno.EDQUOT: "free some space there, or name another place",
    errno.EFBIG: "name a place that takes larger files",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "close other programs and try again",
    errno.EBUSY: "try again once nothing else uses it",
}


def system_fault(path: object, what: str, error: OSError) -> str:
    """A message: the file, `what` could not be done with it, why the system says so, and the remedy."""
    folder = os.path.dirname(str(path))
    if error.errno == errno.ENOENT and folder and not os.path.isdir(folder):
        remedy = f"there is no folder {folder}: make it, or check the name"
    else:
        remedy = _REMEDIES.get(error.errno or 0, _CHECK_THE_DISK)
    return f"{path}: cannot {what}: {error.strerror or error}; {remedy}"


class SpikeyError(Exception):
    """Base of all errors that this package raises on purpose.

    Parameters
    ----------
    message : str
        What is wrong, with the name of the file, the reason and the remedy.
    parameter : str, optional
        The parameter of the API that remedies it, for example ``"memory"`` or ``"force"``. The command line appends the
        option that sets it.
    """

    def __init__(self, *message: object, parameter: str | None = None) -> None:
        super().__init__(*message)
        self.parameter = parameter


class InputError(SpikeyError):
    """A source file cannot be read, or an argument does not fit it."""


def unknown_name(archive: object, what: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that is not among those that are `known` of an archive; `what` it would be of."""
    near = difflib.get_close_matches(name, islice(known, _NAMES_COMPARED), n=1)
    file = name.rpartition(":")[0]
    is_other_channel = bool(near and file) and near[0].startswith(f"{file}:")
    guess = f"did you mean {near[0]!r}? " if near and not is_other_channel else ""
    return InputError(
        f"{archive}: holds no {what} {name!r}; {guess}`spikey info --all` lists its files; the threads of a file with "
        "several are FILE:0, FILE:1 and so on"
    )


class ArchiveError(SpikeyError):
    """An archive is damaged, hostile, or of a version that this release does not read."""


class LimitError(ArchiveError):
    """An archive asks for more memory or time than was granted it; it need not be damaged."""


class ModelError(SpikeyError):
    """A predictor cannot be proven exact, or is not the one that an archive names."""


class SelfTestError(ModelError):
    """A predictor that is proven exact gives other numbers here than where it was frozen: this machine, or a library,
    computes wrongly.
    """


class ClusterError(SpikeyError):
    """A cluster cannot be reached, its workers are gone, or they cannot be trusted with the work."""


class MissingPackageError(SpikeyError):
    """An optional package is needed and not installed."""
