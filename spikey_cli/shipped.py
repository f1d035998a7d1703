"""The models that come with the package: NAME-DIGITS.onnx, with the first eight hexadecimal digits of their SHA-256."""

from __future__ import annotations

from pathlib import Path

DEFAULT_MODEL = "n1"
"""Name, without its digits, of the predictor that is used where none is asked for."""


def model_folder() -> Path:
    """Where the models that come with the package lie: inside it once installed, beside it in a source tree."""
    package = Path(__file__).resolve().parent
    inside = package / "models"
    return inside if inside.is_dir() else package.parent / "models"


def shipped_models() -> dict[str, Path]:
    """The models by their names, without digits."""
    return {path.stem.rsplit("-", 1)[0]: path for path in model_folder().glob("*-????????.onnx")}


def shipped_models_with(digest: bytes) -> list[Path]:
    """The models whose names tell a SHA-256 that begins as `digest` does, of 4 bytes at least."""
    return sorted(model_folder().glob(f"*-{digest.hex()[:8]}.onnx"))
