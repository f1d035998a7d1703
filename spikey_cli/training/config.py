"""The configuration of a training: which parts the predictor has, and how it is fitted. Read from YAML.

    about: one line on what the configuration shows
    window: 32                                     # past differences that the network sees
    features:                                      # all of them are given to the projector, one after another
      - {kind: identity, last: 32}
      - {kind: wavelet, name: dmey, levels: 3}
      - {kind: fourier, last: 32}
      - {kind: cnn, filters: 8, width: 8, stride: 4}
    projector: {kind: fully_connected, shape: [16, 8]}     # or recurrent; the last number is the size of the latent
    middle_out: {peers: 1, shape: [], residual: true, peer_gradients_factor: 0.1}      # left out: no messages
    predictor: {shape: [16], delta_shift: true}
    value_scale: 1.0                               # of the differences, where they enter: 1 is the lane's RMS to one
    profile: shipped                               # bins of the converter: estimate, shipped (with the default), none
    training: {steps: 24000, batch: 4096, learning_rate: 0.003, unroll: 48, seed: 0, patience: 10, ...}

What is left out has the default of the classes below, which tell what each key means.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pywt
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..errors import InputError
from ..topology.references import MAX_REFERENCES

Size = Annotated[int, Field(ge=1, le=1024)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Identity(_Part):
    """The last differences as they are."""

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
            raise ValueError(f"PyWavelets knows no discrete wavelet {name!r}; pywt.wavelist() tells all")
        return name


class Fourier(_Part):
    """Real and imaginary parts of the Fourier transform of the last differences."""

    kind: Literal["fourier"]
    last: Size


class Cnn(_Part):
    """Learnt filters, moved along the window; each place gives a rectified feature."""

    kind: Literal["cnn"]
    filters: Size = 8
    width: Size = 8
    stride: Size = 4


class Projector(_Part):
    """From features to the latent: rectified layers of these sizes; the last may carry a state from step to step."""

    kind: Literal["fully_connected", "recurrent"] = "fully_connected"
    shape: Annotated[tuple[Size, ...], Field(min_length=1)] = (16,)


class MiddleOut(_Part):
    """Messages from peers (see `spikey_cli.middle_out`)."""

    peers: Annotated[int, Field(ge=1, le=MAX_REFERENCES)] = 1
    """Peers that send a thread messages, at most: the nearest of those whose waves come before its own."""
    shape: tuple[Size, ...] = ()
    """Hidden layers between a message and the region latent."""
    residual: bool = True
    """Whether the region is added to the latent; otherwise it takes its place."""
    peer_gradients_factor: Annotated[float, Field(ge=0, le=1)] = 0.1
    """How much of the gradient passes on to the sender's latent and innovation."""


class PredictorPart(_Part):
    """From the latent to centre, scale and tail."""

    shape: tuple[Size, ...] = ()
    """Hidden layers."""
    delta_shift: bool = True
    """Whether the centre is relative to the last value; otherwise to the value before the window."""


class Training(_Part):
    """How the network is fitted."""

    steps: Annotated[int, Field(ge=1)] = 24_000
    batch: Annotated[int, Field(ge=1)] = 4096
    """Samples whose code length is the loss of a step, about."""
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    """At the start; it falls along half a cosine."""
    unroll: Annotated[int, Field(ge=2)] = 48
    """Successive steps that a recurrent projector is trained on; the first third only fills its state."""
    seed: int = 0
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Part of the training sessions that is kept for early stopping."""
    evaluate_every: Annotated[int, Field(ge=1)] = 1000
    """Steps between two looks at the held-out sessions, each with a checkpoint."""
    patience: Annotated[int, Field(ge=1)] = 10
    """Looks without a better result after which training stops."""


class Config(_Part):
    """All that decides what comes out of a training, beside the recordings."""

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
                raise ValueError(f"{part.kind} wants the last {part.last} of {self.window} differences in the window")
            if isinstance(part, Cnn) and part.width > self.window:
                raise ValueError(f"filters of {part.width} do not fit into a window of {self.window}")
        if not self.predictor.delta_shift and self.in_parts:
            raise ValueError("delta_shift: false goes with a fully_connected projector and without middle_out")
        return self

    @property
    def in_parts(self) -> bool:
        """Whether the frozen graph has parts, or leads straight from windows to outputs."""
        return self.middle_out is not None or self.is_recurrent

    @property
    def is_recurrent(self) -> bool:
        """Whether the latent depends on that of the step before."""
        return self.projector.kind == "recurrent"


def read_config(path: Path) -> Config:
    """Read a configuration. Raises InputError, which names the file, the key and the reason."""
    try:
        return Config.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the whole'}: {fault['msg']}" for fault in error.errors()
        )
        raise InputError(f"{path}: {faults}; the folder examples/training has examples") from error
