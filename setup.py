"""The compiled core; everything else stands in setup.cfg."""

from pathlib import Path

from setuptools import Extension, setup
from spikey_build import PLATFORM, BuildCore

# simd_*.c include the vector files, once for each instruction set
SOURCES = sorted(str(path) for path in Path("spikey_cli/core/c").glob("*.c") if not path.name.startswith("vector_"))

setup(
    ext_modules=[Extension("spikey_cli.core._core", SOURCES, py_limited_api=True)],
    cmdclass={"build_ext": BuildCore},
    options={"bdist_wheel": {"py_limited_api": "cp311"} | ({"plat_name": PLATFORM} if PLATFORM else {})},
)
