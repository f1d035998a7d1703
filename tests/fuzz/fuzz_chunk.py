"""Fuzz the files of a chunk of an array, and a chunk as it is."""

from harness import fuzz

fuzz("chunk")
