"""The filter of HDF5 that codes chunks of datasets, for h5py and what is built on it. docs/hdf5.md specifies it.

The filter itself is in libspikey (`core/c/hdf5_filter.c`), which HDF5 loads without Python too. Here it is registered
with the HDF5 of h5py, when this module is imported.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from typing import Any

from ..codec.presets import DEFAULT_PRESET, find_preset
from ..core.coders import CORE_CODERS, find_coder
from ..core.library import get_library
from ..errors import MissingPackageError

try:
    import h5py
except ImportError as error:
    raise MissingPackageError("the filter of HDF5 needs h5py: pip install h5py") from error

FILTER = 384
"""The filter's number: one of those that HDF5 leaves for tests."""
VERSION = 1
"""Of the filter's parameters."""


class Spikey(Mapping[str, Any]):
    """Options of `h5py.Group.create_dataset` that compress a dataset with Spikey.

    Chunks of integers of shape (time,) or (time, channel) are predicted; all others are stored as they are, as are
    those that would not become smaller. Chunks of about a second of all channels compress best.

    Parameters
    ----------
    coder : str, optional
        Entropy coder: "range", or "rice", which is faster.
    preset : str, optional
        How much time is spent: "fast", "default" or "best". The coder is chosen apart.

    Raises
    ------
    ValueError
        If the coder or the preset is unknown.

    Examples
    --------
    >>> import h5py
    >>> traces = np.random.default_rng(0).normal(0, 20, (3000, 4)).astype("int16")  # (time, channel)
    >>> with h5py.File("traces.h5", "w") as file:
    ...     _ = file.create_dataset("traces", data=traces, chunks=(1000, 4), **spikey_cli.hdf5.Spikey())
    >>> with h5py.File("traces.h5") as file:
    ...     np.array_equal(file["traces"], traces)
    True

    With pynwb::

        H5DataIO(traces, chunks=(30000, 64), allow_plugin_filters=True, **spikey_cli.hdf5.Spikey())
    """

    def __init__(self, coder: str = "range", preset: str = DEFAULT_PRESET) -> None:
        if coder not in CORE_CODERS:
            raise ValueError(f"the filter has no coder {coder!r}; choose one of {', '.join(CORE_CODERS)}")
        self.coder, self.preset = coder, preset
        parameters = (VERSION, find_coder(coder).number, find_preset(preset).effort)
        self._options = {"compression": FILTER, "compression_opts": parameters}

    def __getitem__(self, key: str) -> Any:
        return self._options[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)


def register() -> None:
    """Register the filter with the HDF5 of h5py; to do it again does no harm."""
    try:
        library = ctypes.CDLL(get_library())
    except OSError as error:
        raise MissingPackageError(f"the filter of HDF5 cannot be loaded: {error}; install spikey-cli again") from error
    library.H5PLget_plugin_info.restype = ctypes.c_void_p
    h5py.h5z.register_filter(library.H5PLget_plugin_info())


register()
