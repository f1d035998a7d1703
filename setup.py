"""The compiled core; everything else stands in setup.cfg."""

from setuptools import Extension, setup

FOLDER = "spikey_cli/core/c/"
# fmt: off
SOURCES = [
    "module", "tables", "quantizer", "packed", "gain", "lane_headers", "network", "group", "adaptation", "coder",
    "range", "rice", "ranks", "residual_log", "messages", "coding_step", "simd", "simd_base", "simd_avx2",
    "simd_avx512",
]
# what the sources include: simd_*.c compile the vector files, once for each instruction set
INCLUDED = [
    "spikey.h", "internal.h", "bits.h", "density.h", "range.h", "ranks.h", "rice.h", "simd.h", "simd.inc",
    "vector.h", "vector_internal.h", "vector_network.c", "vector_adaptation.c", "vector_range.c",
]
# fmt: on

setup(
    ext_modules=[
        Extension(
            "spikey_cli.core._core",
            [f"{FOLDER}{name}.c" for name in SOURCES],
            depends=[FOLDER + name for name in INCLUDED],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=["-std=c11", "-O3", "-g0", "-Wno-psabi"],
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
