"""The compiled core and libspikey; everything else stands in setup.cfg."""

from pathlib import Path

from setuptools import Extension, setup
from spikey_build import LIBRARY, PLATFORM, BuildCore

# simd_*.c include the vector files, once for each instruction set
SOURCES = sorted(str(path) for path in Path("spikey_cli/core/c").glob("*.c") if not path.name.startswith("vector_"))
FOR_PYTHON = [source for source in SOURCES if Path(source).name.startswith("module")]
FOR_HDF5 = [source for source in SOURCES if Path(source).name.startswith("hdf5_")]

setup(
    ext_modules=[
        Extension("spikey_cli.core._core", sorted({*SOURCES} - {*FOR_HDF5}), py_limited_api=True),
        Extension(f"spikey_cli.lib.{LIBRARY}", sorted({*SOURCES} - {*FOR_PYTHON}), py_limited_api=True),
    ],
    cmdclass={"build_ext": BuildCore},
    options={"bdist_wheel": {"py_limited_api": "cp311"} | ({"plat_name": PLATFORM} if PLATFORM else {})},
)
