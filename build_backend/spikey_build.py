"""Build backend: setuptools, and a C compiler even where none is installed.

Without a C compiler the build asks for `ziglang`, a wheel that contains clang and the C libraries of every platform.
`SPIKEY_PLATFORM`, a wheel's platform tag from `TARGETS`, builds for another platform with the same compiler.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  (the hooks that are not replaced below)
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

TARGETS = {
    "manylinux_2_17_x86_64": "x86_64-linux-gnu.2.17",
    "manylinux_2_17_aarch64": "aarch64-linux-gnu.2.17",
    "musllinux_1_2_x86_64": "x86_64-linux-musl",
    "musllinux_1_2_aarch64": "aarch64-linux-musl",
    "macosx_11_0_arm64": "aarch64-macos.11.0",
    "macosx_10_15_x86_64": "x86_64-macos.10.15",
    "win_amd64": "x86_64-windows-gnu",
}
PLATFORM = os.environ.get("SPIKEY_PLATFORM")
WINDOWS = PLATFORM.startswith("win") if PLATFORM else os.name == "nt"
MACOS = PLATFORM.startswith("macosx") if PLATFORM else sys.platform == "darwin"

LIBRARY = "libspikey"
"""Last part of the name of the extension that is no module, but the shared library for other languages."""

FLAGS = [
    "-std=c11",
    "-O3",
    "-g0",
    "-Wno-psabi",
    "-fvisibility=hidden",
    "-DPy_LIMITED_API=0x030B0000",
    "-DSPIKEY_BUILD",
]
# Behind CFLAGS: bits of the format depend on them.
EXACT = ["-ffp-contract=off", "-fno-fast-math"]
# pyconfig.h of another 64-bit platform, as far as the limited API needs it; the first keeps this platform's file out.
CONFIG = ["Py_PYCONFIG_H", "HAVE_SSIZE_T=1", "SIZEOF_VOID_P=8", "SIZEOF_SIZE_T=8", "SIZEOF_INT=4", "SIZEOF_LONG_LONG=8"]
if WINDOWS:
    CONFIG += ["SIZEOF_LONG=4", "SIZEOF_WCHAR_T=2", "MS_WINDOWS", "MS_WIN64", "HAVE_DECLSPEC_DLL", "Py_ENABLE_SHARED=1"]
else:
    CONFIG += ["SIZEOF_LONG=8", "SIZEOF_WCHAR_T=4"]

# What Python.h's macros call, for the import library of python3.dll.
BEHIND_MACROS = ["_Py_Dealloc", "_Py_NoneStruct", "_Py_TrueStruct", "_Py_FalseStruct", "_PyArg_ParseTuple_SizeT"]
BEHIND_MACROS += ["_Py_BuildValue_SizeT", "PyType_GetFlags", "PyEval_SaveThread", "PyEval_RestoreThread"]

# The sources use GCC's vector extensions; a command can exist without libc's headers, or as a stub.
TRIAL = b"#include <stdlib.h>\ntypedef int eight __attribute__((vector_size(32)));\n"


def installed_compiler():
    """Return the command of an installed C compiler, or None."""
    if PLATFORM:
        return None
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            trial = subprocess.run([name, "-fsyntax-only", "-xc", "-"], input=TRIAL, capture_output=True)
            if trial.returncode == 0:
                return [name]
    return None


def zig(tool):
    """Return the command of a tool of `ziglang`."""
    return [sys.executable, "-m", "ziglang", tool]


def compiler():
    """Return the command of the C compiler that builds for the platform, with the arguments that select it."""
    return installed_compiler() or [*zig("cc"), *(["-target", TARGETS[PLATFORM]] if PLATFORM else ["-mcpu=baseline"])]


class BuildCore(build_ext):
    """Compiles each source once, and links the extension and libspikey from the objects, the same on every platform."""

    def get_ext_filename(self, ext_name):
        """Return the path of the extension for the stable ABI, or of the shared library."""
        *folders, name = ext_name.split(".")
        if name != LIBRARY:
            return os.path.join(*folders, name + (".pyd" if WINDOWS else ".abi3.so"))
        # as the platform names libraries; without a version, since a wheel has no links
        return os.path.join(*folders, "spikey.dll" if WINDOWS else name + (".dylib" if MACOS else ".so"))

    def build_extension(self, ext):
        """Compile and link the extension or the library."""
        built = Path(self.build_temp, Path(self.get_ext_filename(ext.name)).name)
        built.parent.mkdir(parents=True, exist_ok=True)
        command = [*compiler(), "-shared", *self.objects(ext.sources)]
        is_library = ext.name.endswith(LIBRARY)
        if WINDOWS:
            command += [] if is_library else [self.python_library(built)]
        elif MACOS:
            command += [f"-Wl,-install_name,{'@rpath/' if is_library else ''}{built.name}"]
            command += [] if is_library else ["-undefined", "dynamic_lookup"]
        else:
            command += ["-Wl,-s", "-lm", *(["-ldl"] if is_library else [])]
        self.call([*command, *shlex.split(os.environ.get("LDFLAGS", "")), "-o", str(built)])
        target = self.get_ext_fullpath(ext.name)
        self.mkpath(os.path.dirname(target))
        self.copy_file(str(built), target)

    def objects(self, sources):
        """Compile the sources that are not compiled yet, on all processors; return the objects of all."""
        command = [*compiler(), "-c", *FLAGS, f"-I{sysconfig.get_path('include')}"]
        if PLATFORM:
            command += [f"-D{definition}" for definition in CONFIG]
        command += [*([] if WINDOWS else ["-fPIC"]), *shlex.split(os.environ.get("CFLAGS", "")), *EXACT]
        paths = {source: str(Path(self.build_temp, Path(source).stem + ".o")) for source in sources}
        missing = [source for source in sources if source not in self.compiled]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            # the results are asked for, so that an error is raised
            list(pool.map(lambda source: self.call([*command, source, "-o", paths[source]]), missing))
        self.compiled.update(missing)
        return list(paths.values())

    def initialize_options(self):
        """Begin without objects."""
        super().initialize_options()
        self.compiled = set()

    def copy_extensions_to_source(self):
        """Copy what was built into the source tree, where a checkout has no folder for the library."""
        for ext in self.extensions:
            self.mkpath(os.path.join(*ext.name.split(".")[:-1]))
        super().copy_extensions_to_source()

    def python_library(self, built):
        """Make the import library of python3.dll, which the extension is linked with on Windows."""
        library = str(built.with_name("python3.lib"))
        names = built.with_name("python3.def")
        sources = [path.read_text(encoding="utf-8") for path in Path("spikey_cli/core/c").glob("module*.[ch]")]
        # a name that is no function does no harm
        used = sorted({*re.findall(r"\b_?Py\w+", "".join(sources)), *BEHIND_MACROS})
        names.write_text("\n".join(["LIBRARY python3.dll", "EXPORTS", *used, ""]))
        self.call([*zig("dlltool"), "-m", "i386:x86-64", "-d", str(names), "-l", library])
        return library

    def call(self, command):
        """Run a command of the build."""
        self.announce(shlex.join(command), level=2)
        try:
            subprocess.run(command, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise CompileError(
                f"Spikey's core was not compiled: {command[0]} failed (see above). It needs GCC or clang, and Python's "
                "headers (on Debian: python3-dev). The variable CC names the compiler. Without one, the build uses the "
                "package ziglang."
            ) from error


def requirements():
    """Return what the build needs beside setuptools."""
    return [] if installed_compiler() else ["ziglang>=0.13"]


def get_requires_for_build_wheel(config_settings=None):
    """Return what a wheel needs."""
    return build_meta.get_requires_for_build_wheel(config_settings) + requirements()


def get_requires_for_build_editable(config_settings=None):
    """Return what an editable installation needs."""
    return build_meta.get_requires_for_build_editable(config_settings) + requirements()
