"""What workers of a test's cluster do with a block: each of these is a worse `codec.encode_block`.

A worker imports this file; which blocks are hit, and where marks are left, stands in its environment.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from spikey_cli.codec.blocks import CodedBlock, FileChangedError, SourceBlock, encode_block
from spikey_cli.errors import SelfTestError

HIT = 3
"""The file whose blocks are hit."""
MARK = "SPIKEY_TEST_MARK"


def _is_hit(block: SourceBlock) -> bool:
    return any(part.file == HIT for part in block.parts)


def die_once(block: SourceBlock, **options: object) -> CodedBlock:
    """Kill the worker that has the block, the first time."""
    mark = Path(os.environ[MARK])
    if _is_hit(block) and not mark.exists():
        mark.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return encode_block(block, **options)  # type: ignore[arg-type]


def die(block: SourceBlock, **options: object) -> CodedBlock:
    """Kill every worker that gets the block."""
    if _is_hit(block):
        os.kill(os.getpid(), signal.SIGKILL)
    return encode_block(block, **options)  # type: ignore[arg-type]


def find_it_changed(block: SourceBlock, **options: object) -> CodedBlock:
    """Find the file changed."""
    if _is_hit(block):
        raise FileChangedError(HIT)
    return encode_block(block, **options)  # type: ignore[arg-type]


def fail_the_self_test(block: SourceBlock, **options: object) -> CodedBlock:
    """Compute wrongly."""
    raise SelfTestError("the self-test of the model failed")


def lack_a_package(block: SourceBlock, **options: object) -> CodedBlock:
    """Miss what the package needs."""
    raise ModuleNotFoundError("No module named 'nomba'")
