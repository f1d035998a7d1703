"""Fuzz a model, read, proven and loaded."""

from harness import fuzz

fuzz("model")
