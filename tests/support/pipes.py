"""Recordings through pipes: by the package, and by the command."""

from __future__ import annotations

import io

from click.testing import CliRunner, Result

from spikey_cli.cli import main
from spikey_cli.streaming.pipe import compress_pipe, decompress_pipe


class FailingSource(io.BytesIO):
    """A source that can be read up to a byte, and fails after it."""

    def __init__(self, data: bytes, readable_bytes: int) -> None:
        super().__init__(data)
        self._readable_bytes = readable_bytes

    def read1(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self._readable_bytes:
            raise OSError(5, "Input/output error")
        return super().read1(1000)


def piped(data: bytes, **options: object) -> bytes:
    """The recording that comes back from a live stream of `data`."""
    out: list[bytes] = []
    done = compress_pipe(io.BytesIO(data), out.append, **options)
    stream = b"".join(out)
    assert (done.source_bytes, done.stream_bytes) == (len(data), len(stream))
    back: list[bytes] = []
    decompress_pipe(io.BytesIO(stream), back.append)
    return b"".join(back)


def run_piped(*words: object, stdin: bytes = b"") -> Result:
    """Run `spikey` with these words and `stdin` as a pipe."""
    return CliRunner().invoke(main, [str(word) for word in words], input=stdin)
