"""Bytes of files <-> frames of samples: one module a file format.

Imports `system`.
"""
