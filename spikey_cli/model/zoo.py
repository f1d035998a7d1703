"""The models that come with the package, in files `<name>-<digits>.onnx`.

The digits are the first eight hexadecimal digits of the file's SHA-256.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

DEFAULT_MODEL = "n1"
"""Name of the default predictor."""


def model_folder() -> Path:
    """Return the folder of the models: in the package once it is installed, beside it in a source tree."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "models"
    return installed if installed.is_dir() else package.parent / "models"


@lru_cache(maxsize=1)
def _model_files() -> tuple[Path, ...]:
    # cached, since an array may have thousands of chunks
    return tuple(sorted(model_folder().glob("*-????????.onnx")))


def shipped_models() -> dict[str, Path]:
    """Return the files of the models by name, such as "n1"."""
    return {path.stem.rsplit("-", 1)[0]: path for path in _model_files()}


def shipped_models_with(digest: bytes) -> list[Path]:
    """Return the files whose digits agree with `digest`, the first 4 bytes or more of a SHA-256."""
    return [path for path in _model_files() if path.stem.endswith(f"-{digest.hex()[:8]}")]


def model_name(digest: bytes) -> str:
    """Return the name of a model for people.

    Parameters
    ----------
    digest : bytes
        The first bytes of its SHA-256, as an archive has them; zeros stand for no model.

    Returns
    -------
    str
        The file name of a model that comes with the package; else the digest in hexadecimal; "none" for no model.
    """
    shipped = shipped_models_with(digest)
    return shipped[0].name if shipped else digest.hex() if any(digest) else "none"
