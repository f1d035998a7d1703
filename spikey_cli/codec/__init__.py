"""Blocks of samples <-> streams, the two directions side by side; the block plan; the first look at an input.

Imports `container`, `model` and below.
"""
