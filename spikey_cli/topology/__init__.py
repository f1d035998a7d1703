"""Which channels were recorded together, and which channels of a block may reference which others.

May import `io` and `system`. Nothing here reads or writes an archive.
"""
