"""Live streams: frames of all channels as they come, packets, pipes.

Imports `codec` and below.
"""
