"""The models that come with the package: NAME-DIGITS.onnx, with the first eight hexadecimal digits of their SHA-256."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

DEFAULT_MODEL = "n1"
"""Name, without its digits, of the predictor that is used where none is asked for."""

SELF_TESTS = {
    "bc63f8f79d31ca967e009fc4adcbe3b498816f3453f210b2676c81d56d76948f": (
        "098169724accc3b55bec77579fa4926ae676287503198c1b2f052b97467ba174"
    ),
    "9f2d7863d43f8208dc9758d7d309b88c7f22dee354c7694cbb91c6de549cbdf7": (
        "fb7a189669a66b42348e3ca20231fc8c448c9384d3acef010eacecb8af4f78bb"
    ),
    "0b7376f366a98f4c852704ac0fd1947a74ffd27746ec8e3c07863052f1de9134": (
        "52982e16f8f5ccf33c5dcb424546b3e41e2e427a3e0a3f88b5e0702e22efda28"
    ),
}
"""By the SHA-256 of the model, that of its self-test (see `self_test`): models frozen later know their own."""


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
