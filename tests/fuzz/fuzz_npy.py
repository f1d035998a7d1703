"""Fuzz the headers of a NumPy file."""

from harness import fuzz

fuzz("npy")
