"""Compression of the tables of an archive, each on its own.

1 byte   0 deflate: one raw deflate stream (window of 32 KiB) with the preset dictionary `DICTIONARY`
         1 lzma: one raw LZMA2 stream with a dictionary of at most 1 MiB
...      the stream; what follows its end is not part of it
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from ..errors import DamageError

DICTIONARY = (
    b"nosj.knuhc\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (), }"
    b"{'descr': '<i2', 'fortran_order': False, 'shape': (                                         \n"
    b"ypn.knuhcvaw.RIFF\x00\x00\x00\x00WAVEfmt "
    b"\x10\x00\x00\x00\x01\x00\x01\x00KL\x00\x00\x96\x98\x00\x00\x02\x00\x10\x00data\x00\x00\x00\x00"
)
"""Beginnings of files, and ends of names from back to front: most of the directory of an archive of one file."""

MAX_EXCESS, MAX_EXPANSION = 64, 8
"""A block's table and the index unpack to at most 64 bytes and 8 for each byte of the table, or of all blocks: each
part has a stream with a checksum, which is not compressed.
"""

_DEFLATE, _LZMA = 0, 1
_LZMA_BYTES = 512
"""Least size of a table for which LZMA, which has a larger overhead, is tried."""
_LZMA_DICTIONARY = 1 << 20
_FIELD_BYTES = 256
"""Least size of a field after which deflate begins another block, with other codes."""


def pack(fields: Sequence[bytes], *, may_use_lzma: bool = True) -> bytes:
    """Return the compressed table of these fields: the smallest of some ways to compress it."""
    ways = [bytes([_DEFLATE]) + _deflated(fields, strategy) for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED)]
    table = b"".join(fields)
    if may_use_lzma and len(table) >= _LZMA_BYTES:
        import lzma

        filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": _LZMA_DICTIONARY, "lc": 0, "lp": 0, "pb": 0}]
        ways.append(bytes([_LZMA]) + lzma.compress(table, lzma.FORMAT_RAW, filters=filters))
    return min(ways, key=len)


def _deflated(fields: Sequence[bytes], strategy: int) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, strategy, DICTIONARY)
    pieces = []
    for field in fields:
        pieces.append(deflate.compress(field))
        if len(field) >= _FIELD_BYTES:
            pieces.append(deflate.flush(zlib.Z_BLOCK))
    return b"".join(pieces) + deflate.flush()


def unpack(packed: bytes, max_bytes: int, what: str) -> tuple[bytes | None, bytes]:
    """Unpack the table at the start of `packed`.

    Parameters
    ----------
    packed : bytes
        May hold more bytes after the compressed table.
    max_bytes : int
    what : str
        The table, in error messages.

    Returns
    -------
    table : bytes or None
        None if it has more than `max_bytes`.
    rest : bytes
        What follows the compressed table.

    Raises
    ------
    DamageError
        The bytes are not a compressed table.
    """
    method, stream = packed[:1], packed[1:]
    if method == bytes([_DEFLATE]):
        inflate = zlib.decompressobj(-15, zdict=DICTIONARY)
        try:
            table = inflate.decompress(stream, max_bytes + 1)
        except zlib.error as error:
            raise DamageError(f"{what} cannot be inflated: {error}") from error
        is_whole, rest = inflate.eof, inflate.unused_data
    elif method == bytes([_LZMA]):
        import lzma

        decoder = lzma.LZMADecompressor(
            lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": _LZMA_DICTIONARY}]
        )
        try:
            table = decoder.decompress(stream, max_bytes + 1)
        except lzma.LZMAError as error:
            raise DamageError(f"{what} cannot be unpacked: {error}") from error
        is_whole, rest = decoder.eof, decoder.unused_data
    else:
        raise DamageError(f"{what} is packed by an unknown method")
    if len(table) > max_bytes:
        return None, rest
    if not is_whole:
        raise DamageError(f"{what} does not end where its compressed bytes do")
    return table, rest
