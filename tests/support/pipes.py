"""Recordings through pipes: of the package, and of the command."""

from __future__ import annotations

import io

from click.testing import CliRunner, Result

from spikey_cli.cli import main
from spikey_cli.streaming.pipe import compress_pipe, decompress_pipe


def piped(data: bytes, **options: object) -> bytes:
    """A recording through a pipe and back."""
    out: list[bytes] = []
    done = compress_pipe(io.BytesIO(data), out.append, **options)
    stream = b"".join(out)
    assert (done.source_bytes, done.stream_bytes) == (len(data), len(stream))
    back: list[bytes] = []
    decompress_pipe(io.BytesIO(stream), back.append)
    return b"".join(back)


def run_piped(*words: object, stdin: bytes = b"") -> Result:
    """`spikey` with these words, and with `stdin` coming through a pipe."""
    return CliRunner().invoke(main, [str(word) for word in words], input=stdin)
