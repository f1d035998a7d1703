"""Fuzz a chunk of an array, its checksums right and as it is."""

from harness import fuzz

fuzz("chunk")
