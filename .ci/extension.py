"""Check the core and the library in wheels of any platform (needs lief): python .ci/extension.py WHEEL..."""

import sys
import zipfile

import lief

# what a wheel may need: the C library, and on Windows the interpreter
LIBRARIES = {
    "manylinux": ("libc.so.6", "libm.so.6", "libdl.so.2"),
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
        names = [name for name in file.namelist() if name.endswith((".so", ".pyd", ".dll", ".dylib"))]
        assert len(names) == 2, names
        for name in names:
            check_binary(f"{wheel}: {name}", platform, kind, lief.parse(file.read(name)), "/lib/" in name)


def check_binary(called, platform, kind, binary, is_library):
    """Check the extension, or the library for other languages."""
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
    exports = {export.lstrip("_") for export in exports}
    assert ("PyInit__core" in exports) != is_library, exports
    assert not is_library or exports >= {"spikey_describe", "spikey_decode"}, exports
    assert all(library.startswith(LIBRARIES[kind]) for library in libraries), libraries
    assert not is_library or not any(library.startswith("python") for library in libraries), libraries
    print(f"{called}: {machine}, needs {', '.join(sorted(libraries))} {'.'.join(map(str, oldest))}")


for wheel in sys.argv[1:]:
    check(wheel)
