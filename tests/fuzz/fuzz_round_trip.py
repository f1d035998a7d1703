"""Fuzz any bytes as files, compressed and restored."""

from harness import fuzz

fuzz("round_trip")
