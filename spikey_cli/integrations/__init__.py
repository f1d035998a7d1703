"""Libraries that call Spikey or whose objects Spikey reads: numcodecs, Zarr, SpikeInterface, Dask and HDF5.

One module a library; importing it imports the library, which is optional. Imports `api` and the folders below it.
"""
