"""The format's integer arithmetic: every number that decides a bit of an archive.

Imports `topology` and below. The order of a sample's way: `quantizer`, `converter`, `lanes`, `gain`, `lane_headers`,
`network`, `adaptation`, then a coder (`rice`, `range`, `huffman`); `coding_step` puts them together.
"""
