"""Live streams: frames of all channels are compressed as they arrive, one packet after another.

`StreamEncoder` and `StreamDecoder` work on arrays in memory, `pipe` on files and pipes. Imports `codec` and the folders
below it.
"""
