"""Check what an sdist and a wheel hold: python .ci/contents.py WHEEL SDIST."""

import subprocess
import sys
import tarfile
import zipfile

wheel, sdist = sorted(sys.argv[1:], key=lambda path: path.endswith(".tar.gz"))
with tarfile.open(sdist) as file:
    in_sdist = {name.partition("/")[2] for name in file.getnames()}
with zipfile.ZipFile(wheel) as file:
    in_wheel = set(file.namelist())
tracked = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout.split("\n")
missing = {name for name in tracked if name and name != ".gitignore"} - in_sdist
assert not missing, f"the sdist lacks {missing}"
needed = {name for name in tracked if name.startswith("spikey_cli/") and "/core/c/" not in name}  # c/ is compiled
needed |= {f"spikey_cli/{name}" for name in tracked if name.startswith("models/") and not name.endswith(".md")}
needed.add("spikey_cli/core/_core." + ("pyd" if "-win_" in wheel else "abi3.so"))
library = "spikey.dll" if "-win_" in wheel else "libspikey.dylib" if "-macosx_" in wheel else "libspikey.so"
needed |= {f"spikey_cli/lib/{library}", "spikey_cli/core/c/spikey.h"}
assert not needed - in_wheel, f"the wheel lacks {needed - in_wheel}"
assert all(name.startswith("spikey_cli") for name in in_wheel), in_wheel
print(f"the sdist has {len(in_sdist)} files and folders, the wheel {len(in_wheel)}")
