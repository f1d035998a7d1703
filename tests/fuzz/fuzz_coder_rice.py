"""Fuzz the decoder of the coder rice."""

from harness import fuzz

fuzz("coder_rice")
