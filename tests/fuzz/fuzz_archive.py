"""Fuzz an archive whose checksums are right, front to back."""

from harness import fuzz

fuzz("archive")
