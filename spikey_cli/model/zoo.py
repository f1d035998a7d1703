"""The models that come with the package: NAME-DIGITS.onnx, with the first eight hexadecimal digits of their SHA-256."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

DEFAULT_MODEL = "n1"
"""Name, without its digits, of the predictor that is used where none is asked for."""


def model_folder() -> Path:
    """Where the models that come with the package lie: inside it once installed, beside it in a source tree."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "models"
    return inside if inside.is_dir() else package.parent / "models"


@lru_cache(maxsize=1)
def _model_files() -> tuple[Path, ...]:
    # looked up once: chunks of an array come by the thousand
    return tuple(sorted(model_folder().glob("*-????????.onnx")))


def shipped_models() -> dict[str, Path]:
    """The models by their names, without digits."""
    return {path.stem.rsplit("-", 1)[0]: path for path in _model_files()}


def model_name(digest: bytes) -> str:
    """A model's name, of those that come with the package; otherwise the digits of `digest`, the first bytes of its
    SHA-256. "none" for that of no model, all zeros.
    """
    shipped = shipped_models_with(digest)
    return shipped[0].name if shipped else digest.hex() if any(digest) else "none"


def shipped_models_with(digest: bytes) -> list[Path]:
    """The models whose names tell a SHA-256 that begins as `digest` does, of 4 bytes at least."""
    return [path for path in _model_files() if path.stem.endswith(f"-{digest.hex()[:8]}")]
