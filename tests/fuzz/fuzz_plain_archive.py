"""Fuzz an archive's bytes as they are."""

from harness import fuzz

fuzz("plain_archive")
