"""Bytes of input files to frames of samples, and frames to new files.

`formats` lists the input formats, one module each. To add a format, write a module with a parser that returns a
`Layout`, and add a row to `formats.FORMATS`.

May import `system` and `errors`.
"""
