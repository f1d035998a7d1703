"""Where recordings live: Spikey as a codec of Zarr, a recording of SpikeInterface, work for Dask, a reader of HDF5.

Each module needs a library of its own, which is imported when the module is; the rest of the package needs none of
them.
"""
