"""Spikey as a codec of numcodecs: for Zarr 2, for SpikeInterface, and for arrays in Zarr's format 2 under Zarr 3.

A chunk contains everything needed to decode it (see `spikey_cli.api.chunk`). The configuration, which Zarr stores in
the metadata of an array, only says how chunks are encoded.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from ..api.chunk import MAX_CHUNK_BYTES, decode_chunk, encode_chunk
from ..codec.presets import DEFAULT_PRESET, find_preset
from ..container.limits import DEFAULT_LIMITS, Limits
from ..core.coders import find_coder
from ..errors import LimitError, MissingPackageError
from ..model.predictor import Predictor, default_predictor, find_model
from ..model.zoo import shipped_models

try:
    from numcodecs.abc import Codec
    from numcodecs.compat import ensure_contiguous_ndarray, ensure_ndarray
    from numcodecs.registry import register_codec
except ImportError as error:
    raise MissingPackageError("Spikey as a codec needs numcodecs: pip install numcodecs zarr") from error


class Spikey(Codec):  # type: ignore[misc]  # numcodecs may be missing where types are checked
    """Codec of numcodecs that compresses chunks of recordings.

    Arrays of shape (time,) or (time, channel), of any width and byte order, are predicted if they hold integers, or
    float32 or float64 that are integers times a gain. All other arrays are deflated or stored. Every array is restored
    with its dtype, shape and memory order.

    The parameters apply to encoding; decoding needs none of them. Instances are immutable and hashable, can be pickled,
    and may be used by several threads at the same time.

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
    spikey_cli.SpikeyCodec : The same for Zarr 3.

    Examples
    --------
    >>> import numpy as np
    >>> from spikey_cli import Spikey
    >>> codec = Spikey()
    >>> traces = np.random.default_rng(0).normal(0, 20, (3000, 4)).astype("int16")  # (time, channel)
    >>> encoded = codec.encode(traces)
    >>> len(encoded) < 0.5 * traces.nbytes
    True
    >>> np.array_equal(codec.decode(encoded), traces)
    True

    With Zarr 2::

        zarr.open("recording.zarr", "w", shape=..., chunks=(30000, 32), dtype="i2", compressor=Spikey())
    """

    codec_id = "spikey"
    limits: ClassVar[Limits] = DEFAULT_LIMITS
    """What chunks may ask for when they are decoded, here and by `SpikeyCodec`. It is no part of the configuration,
    which comes with the chunks; assign to the class: ``Spikey.limits = spikey_cli.Limits(memory=1 << 30)``.
    """
    max_buffer_size = MAX_CHUNK_BYTES
    """Greatest size of a chunk in bytes, as for other codecs of numcodecs."""

    def __init__(
        self, coder: str = "range", peers: bool = True, model: str | None = None, preset: str = DEFAULT_PRESET
    ) -> None:
        find_coder(coder)
        find_preset(preset)
        if model is not None and model not in shipped_models():
            raise ValueError(
                f"spikey-cli has no model {model!r}; choose one of {', '.join(sorted(shipped_models()))}. A model file "
                "cannot be used here, because it does not travel with the metadata of an array"
            )
        self.coder = coder
        self.peers = bool(peers)
        self.model = model
        self.preset = preset

    def encode(self, buf: Any) -> bytes:
        """Encode a chunk.

        Parameters
        ----------
        buf : array or buffer
            Array of any dtype but object, or a buffer, which is encoded as bytes.

        Returns
        -------
        bytes
            An archive that holds the array; `decode` restores it.

        Raises
        ------
        TypeError
            If the array holds Python objects.
        ValueError
            If it has more than `max_buffer_size` bytes.
        """
        array = ensure_ndarray(buf)
        predictor = shipped_predictor(self.model)
        return encode_chunk(array, coder=self.coder, predictor=predictor, peers=self.peers, preset=self.preset)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decode a chunk.

        Parameters
        ----------
        buf : buffer
            Result of `encode`.
        out : writable contiguous buffer, optional
            Memory for the array, of exactly its size in bytes.

        Returns
        -------
        numpy.ndarray or buffer
            The array, with its dtype, shape and memory order; or `out`.

        Raises
        ------
        ArchiveError
            If the chunk is damaged or `buf` is not a chunk.
        LimitError
            If it exceeds `limits`.
        ModelError
            If the model that the chunk was encoded with is not installed.
        TypeError
            If `out` holds Python objects.
        ValueError
            If `out` has another size or cannot be written to.
        """
        data = ensure_contiguous_ndarray(buf, self.max_buffer_size).view(np.uint8).data
        if out is None:
            return decode_chunk(data, limits=self.limits)
        memory = ensure_contiguous_ndarray(out).view(np.uint8)
        if not memory.flags.writeable:
            raise ValueError("out is read-only")
        try:
            array = decode_chunk(data, memory, max_bytes=memory.nbytes, limits=self.limits)
        except LimitError as error:
            if error.parameter:
                raise
            raise ValueError(f"out has {memory.nbytes} bytes; the chunk holds more") from error
        if array.nbytes != memory.nbytes:
            raise ValueError(f"out has {memory.nbytes} bytes; the chunk holds {array.nbytes}")
        if not np.may_share_memory(array, memory):
            memory[:] = array.reshape(-1, order="A").view(np.uint8)
        return out

    def get_config(self) -> dict[str, Any]:
        """Configuration from which `numcodecs.get_codec` creates an equal codec."""
        options = {"coder": self.coder, "peers": self.peers, "model": self.model, "preset": self.preset}
        return {"id": self.codec_id, **options}

    def __hash__(self) -> int:
        return hash((self.coder, self.peers, self.model, self.preset))

    def __repr__(self) -> str:
        return f"Spikey(coder={self.coder!r}, peers={self.peers!r}, model={self.model!r}, preset={self.preset!r})"


register_codec(Spikey)  # a source tree that is not installed has no entry points


@lru_cache(maxsize=8)
def shipped_predictor(name: str | None) -> Predictor:
    """Predictor of a model of the package by its name, None for the default; created once in a process."""
    return default_predictor() if name is None else find_model(name)
