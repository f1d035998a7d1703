"""Fuzz the decoder of the coder huffman."""

from harness import fuzz

fuzz("coder_huffman")
