"""The compiled core; everything else stands in setup.cfg."""

from setuptools import Extension, setup

FOLDER = "spikey_cli/core/c/"
SOURCES = (
    "module tables quantizer packed gain lane_headers network group adaptation coder range rice ranks residual_log "
    "messages coding_step"
).split()

setup(
    ext_modules=[
        Extension(
            "spikey_cli.core._core",
            [f"{FOLDER}{name}.c" for name in SOURCES],
            depends=[f"{FOLDER}{name}.h" for name in ("spikey", "internal", "bits", "density", "range", "ranks", "rice")],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=["-std=c11", "-O3"],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
