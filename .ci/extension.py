"""Check the compiled core of wheels, of any platform: python .ci/extension.py WHEEL... (needs the package lief)."""

import sys
import zipfile

import lief

# what a wheel may need: the C library, and on Windows the interpreter
LIBRARIES = {
    "manylinux": ("libc.so.6", "libm.so.6"),
    "musllinux": ("libc.so",),
    "macosx": ("/usr/lib/libSystem.B.dylib",),
    "win": ("python3.dll", "KERNEL32.dll", "ntdll.dll", "api-ms-win-crt-"),
}


def check(wheel):
    """Check one wheel."""
    python, abi, platform = wheel.removesuffix(".whl").split("-")[-3:]
    assert (python, abi) == ("cp311", "abi3"), wheel
    kind = next(kind for kind in LIBRARIES if platform.startswith(kind))
    with zipfile.ZipFile(wheel) as file:
        (name,) = [name for name in file.namelist() if name.endswith((".so", ".pyd"))]
        binary = lief.parse(file.read(name))
    oldest = ()
    if kind == "win":
        machine, exports = binary.header.machine, [entry.name for entry in binary.get_export().entries]
        libraries = {imported.name for imported in binary.imports}
    elif kind == "macosx":
        machine, exports = binary.header.cpu_type, [function.name for function in binary.exported_functions]
        own_name = lief.MachO.LoadCommand.TYPE.ID_DYLIB
        libraries = {library.name for library in binary.libraries if library.command != own_name}
        oldest = tuple(binary.build_version.minos[:2])
        assert platform.startswith("macosx_{}_{}_".format(*oldest)), oldest
    else:
        machine, exports = binary.header.machine_type, [function.name for function in binary.exported_functions]
        libraries = set(binary.libraries)
        if kind == "manylinux":
            names = [aux.name for need in binary.symbols_version_requirement for aux in need.get_auxiliary_symbols()]
            oldest = max(tuple(int(part) for part in name.removeprefix("GLIBC_").split(".")) for name in names)
            assert oldest <= (2, 17), names
    exports = sorted(export.lstrip("_") for export in exports if "PyInit" in export or "spikey" in export)
    assert exports == ["PyInit__core"], exports
    assert all(library.startswith(LIBRARIES[kind]) for library in libraries), libraries
    print(f"{wheel}: {machine}, needs {', '.join(sorted(libraries))} {'.'.join(map(str, oldest))}")


for wheel in sys.argv[1:]:
    check(wheel)
