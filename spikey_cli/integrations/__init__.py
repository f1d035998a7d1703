"""Libraries in which Spikey is a guest: numcodecs, Zarr, SpikeInterface, Dask, HDF5. A module each, which imports it.

Imports `api` and below.
"""
