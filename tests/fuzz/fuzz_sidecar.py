"""Fuzz what stands beside raw samples."""

from harness import fuzz

fuzz("sidecar")
