"""Fuzz what is left of a damaged archive."""

from harness import fuzz

fuzz("salvage")
