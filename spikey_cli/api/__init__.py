"""What a caller calls: compress, decompress, extract, recordings as arrays, info, chunks.

May import `streaming`, `codec`, `container`, `model`, `core`, `topology`, `io`, `system` and `errors`.
"""
