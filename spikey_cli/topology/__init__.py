"""Which channels were recorded together, and which may refer to which.

Imports `io` and below.
"""
