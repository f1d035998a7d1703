"""Fuzz the headers of a WAV."""

from harness import fuzz

fuzz("wav")
