"""Spikey: a lossless codec for multichannel electrode recordings.

    import spikey_cli

    spikey_cli.compress(["left.wav", "right.wav"], "session.spk")
    spikey_cli.decompress("session.spk", "restored")
    with spikey_cli.open("session.spk") as recording:
        recording[1000:2000, 0]

`compress`, `decompress`, `verify`, `extract` and `describe` do what the commands do; `open` gives an array.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .container.limits import Limits
from .errors import ArchiveError, InputError, ModelError, SpikeyError

if TYPE_CHECKING:
    from .api.compress import Compressed, compress
    from .api.decompress import Decompressed, decompress, verify
    from .api.extract import extract, extract_files
    from .api.info import describe
    from .api.recording import Recording
    from .api.recording import Recording as open  # noqa: N813
    from .integrations.numcodecs import Spikey
    from .integrations.zarr import SpikeyCodec
    from .io.source import ArraySource, BytesSource
    from .streaming.decoder import StreamDecoder
    from .streaming.encoder import StreamEncoder

__version__ = "0.1.0"

_HOMES = {
    "ArraySource": ("io.source", "ArraySource"),
    "BytesSource": ("io.source", "BytesSource"),
    "Compressed": ("api.compress", "Compressed"),
    "compress": ("api.compress", "compress"),
    "Decompressed": ("api.decompress", "Decompressed"),
    "decompress": ("api.decompress", "decompress"),
    "verify": ("api.decompress", "verify"),
    "describe": ("api.info", "describe"),
    "extract": ("api.extract", "extract"),
    "extract_files": ("api.extract", "extract_files"),
    "Recording": ("api.recording", "Recording"),
    "open": ("api.recording", "Recording"),
    "Spikey": ("integrations.numcodecs", "Spikey"),
    "SpikeyCodec": ("integrations.zarr", "SpikeyCodec"),
    "StreamDecoder": ("streaming.decoder", "StreamDecoder"),
    "StreamEncoder": ("streaming.encoder", "StreamEncoder"),
}

__all__ = [
    "ArchiveError",
    "ArraySource",
    "BytesSource",
    "Compressed",
    "Decompressed",
    "InputError",
    "Limits",
    "ModelError",
    "Recording",
    "Spikey",
    "SpikeyCodec",
    "SpikeyError",
    "StreamDecoder",
    "StreamEncoder",
    "compress",
    "decompress",
    "describe",
    "extract",
    "extract_files",
    "open",
    "verify",
]


def __getattr__(name: str) -> object:
    # looked up when first used: NumPy, Numba and ONNX Runtime take a second that `spikey --help` need not spend
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(f".{module}", __name__), attribute)
