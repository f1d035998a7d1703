"""Fuzz a live stream whose checksums are right."""

from harness import fuzz

fuzz("live")
