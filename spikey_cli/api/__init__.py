"""What a caller calls: compress, decompress, extract, open, info, remove_source, chunks, warnings.

Imports `streaming`, `codec` and below.
"""
