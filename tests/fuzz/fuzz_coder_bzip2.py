"""Fuzz the decoder of the coder bzip2."""

from harness import fuzz

fuzz("coder_bzip2")
