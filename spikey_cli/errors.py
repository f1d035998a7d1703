"""What can go wrong, as the caller sees it.

Every message names the file or part, the reason, and the remedy; the command line prints it as it stands.
"""

from __future__ import annotations


class SpikeyError(Exception):
    """Base of all errors that this package raises on purpose."""


class InputError(SpikeyError):
    """A source file cannot be read, or an argument does not fit it."""


class ArchiveError(SpikeyError):
    """An archive is damaged, hostile, or of a version that this release does not read."""


class ModelError(SpikeyError):
    """A predictor cannot be proven exact, or is not the one that an archive names."""


class SelfTestError(ModelError):
    """A predictor that is proven exact gives other numbers here than where it was frozen: this machine, or a library,
    computes wrongly.
    """


class MissingPackageError(SpikeyError):
    """An optional package is needed and not installed."""
