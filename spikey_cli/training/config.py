"""The configuration of a training, read from YAML: the parts of the predictor, and how it is fitted.

    about: one line on what the configuration shows
    window: 32                                     # past differences that the network sees
    features:                                      # concatenated, they are the projector's input
      - {kind: identity, last: 32}
      - {kind: wavelet, name: dmey, levels: 3}
      - {kind: fourier, last: 32}
      - {kind: cnn, filters: 8, width: 8, stride: 4}
    projector: {kind: fully_connected, shape: [16, 8]}     # or recurrent; the last number is the latent's size
    middle_out: {peers: 1, shape: [], residual: true, peer_gradients_factor: 0.1}      # without this key: no messages
    predictor: {shape: [16], delta_shift: true}
    value_scale: 1.0                               # factor of the differences, which the gain scales to an RMS of one
    profile: shipped                               # converter's bins: estimate, shipped (default model's), none
    training: {steps: 24000, batch: 4096, learning_rate: 0.003, unroll: 48, seed: 0, patience: 10, ...}

The classes below describe each key and its default.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pywt
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..errors import InputError, system_fault
from ..topology.topology import MAX_EARLIER

Size = Annotated[int, Field(ge=1, le=1024)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Identity(_Part):
    """The last differences, unchanged."""

    kind: Literal["identity"]
    last: Size


class Wavelet(_Part):
    """Coefficients of the discrete wavelet transform of the window."""

    kind: Literal["wavelet"]
    name: str = "dmey"
    levels: Annotated[int, Field(ge=1, le=10)] = 3

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in pywt.wavelist(kind="discrete"):
            raise ValueError(f"PyWavelets has no discrete wavelet {name!r}; pywt.wavelist() lists them")
        return name


class Fourier(_Part):
    """Real and imaginary parts of the Fourier transform of the last differences."""

    kind: Literal["fourier"]
    last: Size


class Cnn(_Part):
    """Learnt filters at positions along the window; each position gives a rectified feature."""

    kind: Literal["cnn"]
    filters: Size = 8
    width: Size = 8
    stride: Size = 4


class Projector(_Part):
    """Rectified layers from the features to the latent.

    The last layer of a recurrent projector also sees the latent of the step before.
    """

    kind: Literal["fully_connected", "recurrent"] = "fully_connected"
    shape: Annotated[tuple[Size, ...], Field(min_length=1)] = (16,)


class MiddleOut(_Part):
    """Messages from peers; see `core.middle_out`."""

    peers: Annotated[int, Field(ge=1, le=MAX_EARLIER)] = 1
    """Largest number of references of a channel that send it messages, nearest first."""
    shape: tuple[Size, ...] = ()
    """Sizes of the hidden layers from a message to the region latent."""
    residual: bool = True
    """Whether the region latent is added to the latent; otherwise it replaces it."""
    peer_gradients_factor: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Factor of the gradient of the sender's latent and normalised prediction error."""


class PredictorPart(_Part):
    """From the latent to predicted mean, log2 scale and outlier weight."""

    shape: tuple[Size, ...] = ()
    """Sizes of the hidden layers."""
    delta_shift: bool = True
    """Whether the mean is relative to the last value; otherwise to the value before the window."""


class Training(_Part):
    """How the network is fitted."""

    steps: Annotated[int, Field(ge=1)] = 24_000
    batch: Annotated[int, Field(ge=1)] = 4096
    """Approximate number of samples of a step."""
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    """Initial rate; it decays along half a cosine."""
    unroll: Annotated[int, Field(ge=2)] = 48
    """Successive steps of a recurrent projector in a batch; the first third only builds up its state."""
    seed: int = 0
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the training sessions that is held out for early stopping."""
    evaluate_every: Annotated[int, Field(ge=1)] = 1000
    """Steps between evaluations on the held-out sessions; each saves a checkpoint."""
    patience: Annotated[int, Field(ge=1)] = 10
    """Evaluations without improvement after which training stops."""


class Config(_Part):
    """Everything but the recordings that determines the result of a training."""

    about: str = ""
    window: Annotated[int, Field(ge=1, le=512)] = 32
    features: Annotated[
        tuple[Annotated[Identity | Wavelet | Fourier | Cnn, Field(discriminator="kind")], ...], Field(min_length=1)
    ] = (Identity(kind="identity", last=32),)
    projector: Projector = Projector()
    middle_out: MiddleOut | None = None
    predictor: PredictorPart = PredictorPart()
    value_scale: Annotated[float, Field(gt=0)] = 1.0
    profile: Literal["estimate", "shipped", "none"] = "shipped"
    training: Training = Training()

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        for part in self.features:
            if isinstance(part, Identity | Fourier) and part.last > self.window:
                raise ValueError(f"{part.kind} needs {part.last} differences, but the window has {self.window}")
            if isinstance(part, Cnn) and part.width > self.window:
                raise ValueError(f"filters of width {part.width} do not fit into a window of {self.window}")
        if not self.predictor.delta_shift and self.in_parts:
            raise ValueError("delta_shift: false needs a fully_connected projector and no middle_out")
        return self

    @property
    def in_parts(self) -> bool:
        """Whether the exported graph has parts, instead of leading directly from windows to outputs."""
        return self.middle_out is not None or self.is_recurrent

    @property
    def is_recurrent(self) -> bool:
        """Whether the latent depends on the latent of the step before."""
        return self.projector.kind == "recurrent"


def read_config(path: Path) -> Config:
    """Read a configuration.

    Raises
    ------
    InputError
        The file cannot be read, is not YAML, or has an invalid key or value.
    """
    try:
        return Config.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except OSError as error:
        raise InputError(system_fault(path, "read", error)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'top level'}: {fault['msg']}" for fault in error.errors()
        )
        raise InputError(f"{path}: {faults}; see the examples in examples/training") from error
