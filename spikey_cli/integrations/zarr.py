"""Spikey as a codec of Zarr 3.

The codec turns arrays into bytes (a serializer). Chunks are those of `spikey_cli.integrations.numcodecs`, the codec for
Zarr 2 and for arrays in Zarr's format 2.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..api.chunk import decode_chunk
from ..codec.presets import DEFAULT_PRESET
from ..errors import DamageError, MissingPackageError
from .numcodecs import Spikey

try:
    from zarr.abc.codec import ArrayBytesCodec
    from zarr.core.dtype import ZDType
    from zarr.registry import register_codec
except ImportError as error:
    raise MissingPackageError(
        "SpikeyCodec needs Zarr 3.1 or later: pip install numcodecs zarr; with Zarr 2 use compressor=Spikey()"
    ) from error

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer

NAME = "spikey"
"""Name of the codec in the metadata of an array."""


@dataclass(frozen=True)
class SpikeyCodec(ArrayBytesCodec):  # type: ignore[misc]  # Zarr may be missing where types are checked
    """Codec of Zarr 3 that compresses chunks of recordings.

    Arrays of shape (time,) or (time, channel), of any width and byte order, are predicted if they hold integers, or
    float32 or float64 that are integers times a gain. All other arrays are deflated or stored. The parameters apply to
    encoding; decoding needs none of them.

    Parameters
    ----------
    coder : str, optional
        Entropy coder, one of `spikey_cli.core.coders.CODERS`.
    peers : bool, optional
        Predict channels from each other. Without, encoding is faster.
    model : str, optional
        Name of a model of the package, such as ``"n1-peers"``. None is the default model of the release that encodes.
    preset : str, optional
        How much time is spent on small chunks: "fast", "default" or "best". The coder is chosen apart.

    Raises
    ------
    ValueError
        If the coder, the model or the preset is unknown.

    See Also
    --------
    spikey_cli.Spikey : The same for Zarr 2 and other users of numcodecs.

    Examples
    --------
    >>> import numpy as np
    >>> import zarr
    >>> from spikey_cli import SpikeyCodec
    >>> traces = np.random.default_rng(0).normal(0, 20, (3000, 4)).astype("int16")  # (time, channel)
    >>> array = zarr.create_array(
    ...     "recording.zarr", data=traces, chunks=(1000, 4), serializer=SpikeyCodec(), compressors=None
    ... )
    >>> np.array_equal(zarr.open_array("recording.zarr")[500:1500], traces[500:1500])
    True
    """

    coder: str = "range"
    peers: bool = True
    model: str | None = None
    preset: str = DEFAULT_PRESET

    is_fixed_size = False

    def __post_init__(self) -> None:
        _ = self._codec  # refuses invalid parameters

    @cached_property
    def _codec(self) -> Spikey:
        return Spikey(self.coder, self.peers, self.model, self.preset)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Create the codec from the metadata of an array. Raises ValueError if they name another codec."""
        if data.get("name") != NAME:
            raise ValueError(f"expected metadata of a codec named {NAME!r}, not {data}")
        return cls(**data.get("configuration", {}))

    def to_dict(self) -> dict[str, Any]:
        """The codec as metadata of an array."""
        return {"name": NAME, "configuration": asdict(self)}

    def validate(self, *, shape: tuple[int, ...], dtype: ZDType[Any, Any], chunk_grid: object) -> None:
        """Raise TypeError for arrays of Python objects or of strings of variable length."""
        native = dtype.to_native_dtype()
        if native.hasobject:
            raise TypeError(f"SpikeyCodec does not support arrays of {native}; omit serializer= to let Zarr choose")

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Raise NotImplementedError: the encoded size depends on the samples."""
        raise NotImplementedError("the encoded size of a chunk depends on its samples")

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        return await asyncio.to_thread(self._encode_sync, chunk_data, chunk_spec)

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._decode_sync, chunk_data, chunk_spec)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        # Zarr does not preserve the memory order, so the chunk need not store it
        array = np.asarray(chunk_data.as_numpy_array(), order="C")
        return chunk_spec.prototype.buffer.from_bytes(self._codec.encode(array))

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        dtype = chunk_spec.dtype.to_native_dtype()
        data, out = chunk_data.as_numpy_array().view(np.uint8).data, np.empty(chunk_spec.shape, dtype)
        array = decode_chunk(data, out, max_bytes=out.nbytes, limits=self._codec.limits)
        array = _as_specified(array, chunk_spec.shape, dtype)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(array)


def _as_specified(array: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A decoded array in the dtype of the metadata, which do not state a byte order. Raises ArchiveError."""
    is_same = array.dtype.newbyteorder("=") == dtype.newbyteorder("=")
    if array.shape == shape and is_same:
        return array.astype(dtype, copy=False)
    if array.shape == shape and array.dtype.kind == "V" and array.dtype.itemsize == dtype.itemsize:
        return array.view(dtype)  # a dtype of another package, which an NPY file stores as void
    raise DamageError(
        f"it holds an array of {array.dtype} and shape {array.shape}, but the metadata state {dtype} and {shape}",
        path="a chunk",
        remedy="restore both from the same copy",
    )


register_codec(NAME, SpikeyCodec)  # a source tree that is not installed has no entry points
