"""Fuzz the decoder of the coder range."""

from harness import fuzz

fuzz("coder_range")
