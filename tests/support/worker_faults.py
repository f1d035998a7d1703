"""Replacements for `encode_block` on workers of a cluster, each with a fault.

A worker imports this module. The environment variable MARK names the file that `die_once` leaves.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from spikey_cli.codec.blocks import CodedBlock, FileChangedError, SourceBlock, encode_block
from spikey_cli.errors import SelfTestError

HIT = 3
"""The file at whose blocks a fault is injected."""
MARK = "SPIKEY_TEST_MARK"


def _is_hit(block: SourceBlock) -> bool:
    return any(part.file == HIT for part in block.parts)


def die_once(block: SourceBlock, **options: object) -> CodedBlock:
    """Kill the worker that has the block, only the first time."""
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
    """Report that the file changed."""
    if _is_hit(block):
        raise FileChangedError(HIT)
    return encode_block(block, **options)  # type: ignore[arg-type]


def fail_the_self_test(block: SourceBlock, **options: object) -> CodedBlock:
    """Fail the self-test of the model."""
    raise SelfTestError("the self-test of the model failed")


def lack_a_package(block: SourceBlock, **options: object) -> CodedBlock:
    """Lack a package that Spikey needs."""
    raise ModuleNotFoundError("No module named 'nomba'")
