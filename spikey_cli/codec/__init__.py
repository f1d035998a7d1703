"""Blocks of samples to streams, and back.

It may import `container`, `model`, `core`, `topology`, `io`, `system` and `errors`.

    scan            scans an input before it is compressed: layout, quantizer, residuals
    block_plan      divides files into blocks, and a block's channels into lanes
    blocks          reads and encodes a block; fetches and decodes one
    streams         from the codes of a block's channels to one stream per channel, and back
    coding_state    codes all lanes of a group of channels step by step
    cost            estimates the memory and time that decoding takes
"""
