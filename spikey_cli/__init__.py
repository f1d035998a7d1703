"""Spikey: a lossless codec for multichannel electrode recordings.

>>> import spikey_cli
>>> _ = spikey_cli.compress(["left.wav", "right.wav"], "session.spk")
>>> _ = spikey_cli.decompress("session.spk", "restored")
>>> with spikey_cli.open("session.spk") as recording:
...     samples = recording[1000:2000, 0]

Files            `compress`, `decompress`, `verify`, `diff`, `info`
Samples          `open` for an array that decodes what is indexed, `extract` for new files
Inputs           `FileSource`, `ArraySource`, `BytesSource`, `RawFormat`
Options          `Encoding`, `Limits`
Live streams     `StreamEncoder`, `StreamDecoder`
Other libraries  `Spikey` for numcodecs and Zarr 2, `SpikeyCodec` for Zarr 3, `hdf5.Spikey` for h5py
Other languages  `get_include` and `get_library`: where libspikey is installed

Errors derive from `SpikeyError`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .container.limits import Limits
from .errors import (
    ArchiveError,
    ClusterError,
    InputError,
    LimitError,
    MissingPackageError,
    ModelError,
    SelfTestError,
    SpikeyError,
    SpikeyWarning,
)

if TYPE_CHECKING:
    from .api.compress import Compressed, Encoding, compress
    from .api.decompress import Decompressed, decompress, verify
    from .api.diff import Compared, Difference, diff
    from .api.extract import Extracted, extract
    from .api.file_writer import LostFrames
    from .api.info import info
    from .api.recording import Recording
    from .api.recording import Recording as open  # noqa: N813
    from .core.library import get_include, get_library
    from .integrations import hdf5 as hdf5
    from .integrations.numcodecs import Spikey as Spikey
    from .integrations.zarr import SpikeyCodec as SpikeyCodec
    from .io.raw import RawFormat
    from .io.source import ArraySource, BytesSource, FileSource
    from .streaming.decoder import StreamDecoder
    from .streaming.encoder import StreamEncoder

__version__ = "0.2.0"

_MODULES = {
    "ArraySource": "io.source",
    "BytesSource": "io.source",
    "Compared": "api.diff",
    "Compressed": "api.compress",
    "Decompressed": "api.decompress",
    "Difference": "api.diff",
    "Encoding": "api.compress",
    "Extracted": "api.extract",
    "FileSource": "io.source",
    "LostFrames": "api.file_writer",
    "RawFormat": "io.raw",
    "Recording": "api.recording",
    "Spikey": "integrations.numcodecs",
    "SpikeyCodec": "integrations.zarr",
    "StreamDecoder": "streaming.decoder",
    "StreamEncoder": "streaming.encoder",
    "compress": "api.compress",
    "decompress": "api.decompress",
    "diff": "api.diff",
    "extract": "api.extract",
    "get_include": "core.library",
    "get_library": "core.library",
    "info": "api.info",
    "open": "api.recording",
    "verify": "api.decompress",
}

__all__ = [  # without what needs optional packages: `import *` and `help` import all of these
    "ArchiveError",
    "ArraySource",
    "BytesSource",
    "ClusterError",
    "Compared",
    "Compressed",
    "Decompressed",
    "Difference",
    "Encoding",
    "Extracted",
    "FileSource",
    "InputError",
    "LimitError",
    "Limits",
    "LostFrames",
    "MissingPackageError",
    "ModelError",
    "RawFormat",
    "Recording",
    "SelfTestError",
    "SpikeyError",
    "SpikeyWarning",
    "StreamDecoder",
    "StreamEncoder",
    "compress",
    "decompress",
    "diff",
    "extract",
    "get_include",
    "get_library",
    "info",
    "open",
    "verify",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    # imported on first use: showing a command's help needs neither NumPy nor the core
    if name == "hdf5":
        return importlib.import_module(".integrations.hdf5", __name__)
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_MODULES[name]}", __name__)
    return getattr(module, "Recording" if name == "open" else name)
