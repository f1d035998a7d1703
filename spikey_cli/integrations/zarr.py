"""Spikey as a codec of Zarr 3, from arrays to bytes.

    zarr.create_array("recording.zarr", shape=..., chunks=(30000, 32), dtype="int16", serializer=SpikeyCodec(),
                      compressors=None)

It packs chunks as `spikey_cli.integrations.numcodecs` does, which is for Zarr 2, and for arrays of that format here.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..api.chunk import decode_chunk
from ..errors import ArchiveError, MissingPackageError
from .numcodecs import Spikey

try:
    from zarr.abc.codec import ArrayBytesCodec
    from zarr.core.dtype import ZDType
    from zarr.registry import register_codec
except ImportError as error:
    raise MissingPackageError(
        "SpikeyCodec needs Zarr 3.1 or later: pip install 'spikey-cli[zarr]'; under Zarr 2 give Spikey() as compressor"
    ) from error

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer

NAME = "spikey"
"""What the codec is called in the metadata of an array."""


@dataclass(frozen=True)
class SpikeyCodec(ArrayBytesCodec):  # type: ignore[misc]  # Zarr may be missing where types are checked
    """Chunks of a recording, (time,) or (time, channel) of integers, as predicted by Spikey; others as they stand.

    How chunks are to be written; to read them nothing needs to be known. Raises ValueError where there is no such coder
    or model.
    """

    coder: str = "range"
    """Name of one of `spikey_cli.core.coders.CODERS`."""
    peers: bool = True
    """Predict channels from each other."""
    model: str | None = None
    """Name, without digits, of a model that comes with the package; None for the default of the release."""

    is_fixed_size = False

    def __post_init__(self) -> None:
        _ = self._chunks  # what it refuses, it refuses now

    @cached_property
    def _chunks(self) -> Spikey:
        return Spikey(self.coder, self.peers, self.model)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The codec that the metadata of an array tell of. Raises ValueError where that is another."""
        if data.get("name") != NAME:
            raise ValueError(f"the metadata of a codec called {NAME!r} are expected, not {data}")
        return cls(**data.get("configuration", {}))

    def to_dict(self) -> dict[str, Any]:
        """What stands in the metadata of an array."""
        return {"name": NAME, "configuration": asdict(self)}

    def validate(self, *, shape: tuple[int, ...], dtype: ZDType[Any, Any], chunk_grid: object) -> None:
        """Raise TypeError where an array is of Python objects, or strings of any length."""
        native = dtype.to_native_dtype()
        if native.hasobject:
            raise TypeError(f"SpikeyCodec takes no arrays of {native}; leave out serializer=, so that Zarr chooses one")

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Raise NotImplementedError: only encoding tells."""
        raise NotImplementedError("how long a chunk of Spikey is, only encoding tells")

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        return await asyncio.to_thread(self._encode_sync, chunk_data, chunk_spec)

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._decode_sync, chunk_data, chunk_spec)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        # the order in memory is no matter here, and need not be told
        array = np.asarray(chunk_data.as_numpy_array(), order="C")
        return chunk_spec.prototype.buffer.from_bytes(self._chunks.encode(array))

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        dtype = chunk_spec.dtype.to_native_dtype()
        data, out = chunk_data.as_numpy_array().view(np.uint8).data, np.empty(chunk_spec.shape, dtype)
        array = decode_chunk(data, out, max_bytes=out.nbytes)
        array = _as_told(array, chunk_spec.shape, dtype)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(array)


def _as_told(array: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """The array of a chunk as the metadata tell it, which know no order of bytes."""
    is_same = array.dtype.newbyteorder("=") == dtype.newbyteorder("=")
    if array.shape == shape and is_same:
        return array.astype(dtype, copy=False)
    if array.shape == shape and array.dtype.kind == "V" and array.dtype.itemsize == dtype.itemsize:
        return array.view(dtype)  # of a package that NumPy files know nothing of
    raise ArchiveError(
        f"a chunk: holds an array of {array.dtype} and shape {array.shape}, where the metadata tell of {dtype} and "
        f"{shape}; restore both from one copy"
    )


register_codec(NAME, SpikeyCodec)  # for a source tree that is not installed, and has no entry points
