"""The format's integer arithmetic: every number that decides a bit of an archive.

It may import `topology`, `io`, `system` and `errors`.

A sample passes through the modules in this order:

    quantizer           samples to codes
    lanes               channels are cut into lanes, which are coded side by side
    converter           codes to values: the middles of the converter's bins
    gain                amplitude of a lane; normalises the network's inputs
    lane_headers        gain and initial code of each lane, at the start of the channel's stream
    network             the frozen network: mean, scale and outlier weight from a window of past differences
    middle_out          messages between channels, for networks that have them
    coding_step         the adaptation predicts mean and scale by least squares, the network being one of its terms
    coders              registry of the entropy coders:
        rice            Rice codes of ranks
        range           range coder
        huffman         Huffman codes of ranks, varint
    packed              codes of equal width, for a channel that a coder would make longer

The arithmetic is compiled: `_core`, from the C sources in `c/`, whose header `c/core.h` documents every function. The
modules check and prepare what it takes. `residual_log` records what was predicted; `simd` selects an instruction set.
`reference/` is the same arithmetic in plain Python; only tests import it.
"""
