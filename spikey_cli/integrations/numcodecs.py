"""Spikey as a codec of numcodecs, for chunks of Zarr 2, SpikeInterface, and arrays in Zarr's format 2 under Zarr 3.

    zarr.open("recording.zarr", "w", shape=..., chunks=(30000, 32), dtype="i2", compressor=Spikey())

A chunk tells all that is needed to read it (see `spikey_cli.api.chunk`). The configuration, which stands in the
metadata of an array, tells how chunks are to be written.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..api.chunk import MAX_CHUNK_BYTES, decode_chunk, encode_chunk
from ..core.coders import CODERS
from ..errors import LimitError, MissingPackageError
from ..model.predictor import Predictor, default_predictor, find_model
from ..model.zoo import shipped_models

try:
    from numcodecs.abc import Codec
    from numcodecs.compat import ensure_contiguous_ndarray, ensure_ndarray
    from numcodecs.registry import register_codec
except ImportError as error:
    raise MissingPackageError("Spikey as a codec needs numcodecs: pip install 'spikey-cli[zarr]'") from error


class Spikey(Codec):  # type: ignore[misc]  # numcodecs may be missing where types are checked
    """Recordings, (time,) or (time, channel) of integers, as predicted by Spikey; anything else is packed as it stands.

    Immutable. It can be hashed and pickled, and used from any number of threads and processes.
    """

    codec_id = "spikey"
    max_buffer_size = MAX_CHUNK_BYTES
    """Bytes of a chunk, at most, as of all codecs here."""

    def __init__(self, coder: str = "range", peers: bool = True, model: str | None = None) -> None:
        """How chunks are to be written; to read them nothing needs to be known.

        Args:
            coder: name of one of `spikey_cli.core.coders.CODERS`.
            peers: predict channels from each other.
            model: name, without digits, of a model that comes with the package; None for the default of the release.

        Raises ValueError where there is no such coder or model.
        """
        if coder not in CODERS:
            raise ValueError(f"no coder is called {coder!r}; there are {', '.join(CODERS)}")
        check_model(model)
        self.coder = coder
        self.peers = bool(peers)
        self.model = model

    def encode(self, buf: Any) -> bytes:
        """A chunk of an array, or of the bytes of any buffer: an archive.

        Raises TypeError for Python objects, and ValueError for more than `max_buffer_size` bytes.
        """
        array = ensure_ndarray(buf)
        if array.dtype.hasobject:
            raise TypeError(f"{array.dtype} is not supported: Python objects are not their bytes; name an object codec")
        if array.nbytes > self.max_buffer_size:
            raise ValueError(f"Spikey packs no more than {self.max_buffer_size} bytes at once, not {array.nbytes}")
        return encode_chunk(array, coder=self.coder, predictor=predictor_called(self.model), peers=self.peers)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The array that was encoded, with its dtype, shape and order; or `out`, where given, filled with its bytes.

        Args:
            buf: what `encode` made.
            out: any contiguous buffer of as many bytes that can be written to.

        Raises:
            ArchiveError: the chunk is damaged, or none.
            ModelError: the model that it was written with is not installed.
            TypeError: `out` is of Python objects.
            ValueError: `out` has another size, or cannot be written to.
        """
        data = ensure_contiguous_ndarray(buf, self.max_buffer_size).view(np.uint8).data
        if out is None:
            return decode_chunk(data)
        memory = ensure_contiguous_ndarray(out).view(np.uint8)
        if not memory.flags.writeable:
            raise ValueError("out cannot be written to")
        try:
            array = decode_chunk(data, memory, max_bytes=memory.nbytes)
        except LimitError as error:
            raise ValueError(f"out has {memory.nbytes} bytes, and the chunk holds more") from error
        if array.nbytes != memory.nbytes:
            raise ValueError(f"out has {memory.nbytes} bytes, and the chunk holds {array.nbytes}")
        if not np.may_share_memory(array, memory):
            memory[:] = array.reshape(-1, order="A").view(np.uint8)
        return out

    def get_config(self) -> dict[str, Any]:
        """What `numcodecs.get_codec` makes an equal codec of."""
        return {"id": self.codec_id, "coder": self.coder, "peers": self.peers, "model": self.model}

    def __hash__(self) -> int:
        return hash((self.coder, self.peers, self.model))

    def __repr__(self) -> str:
        return f"Spikey(coder={self.coder!r}, peers={self.peers!r}, model={self.model!r})"


register_codec(Spikey)  # for a source tree that is not installed, and has no entry points


def check_model(name: str | None) -> None:
    """Raise ValueError where no model that comes with the package is called so, without its digits."""
    if name is not None and name not in shipped_models():
        raise ValueError(
            f"no model that comes with spikey-cli is called {name!r}; there are {', '.join(sorted(shipped_models()))}. "
            "Metadata travels and a file of your own does not, so it cannot be named here"
        )


@lru_cache(maxsize=8)
def predictor_called(name: str | None) -> Predictor:
    """The predictor of a shipped model, without its digits, made once in a process; None for the default."""
    return default_predictor() if name is None else find_model(name)
