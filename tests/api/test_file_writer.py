"""One restored file: its bytes in order, its checksum, and what is lost."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from spikey_cli.api.file_writer import FileWriter, LostFrames, join_lost
from spikey_cli.codec.blocks import RestoredPart
from spikey_cli.container.directory import FileEntry
from spikey_cli.container.parts import Part
from spikey_cli.errors import ArchiveError, InputError
from spikey_cli.io.layout import Layout

READER = SimpleNamespace(damaged=lambda what, file: ArchiveError(f"{file}: {what}"))
ENTRY = FileEntry("a.wav", 26, Layout(b"head", b"end", 1000, 2, 1, 9))


class Recorder:
    """A target that records what it is told to do."""

    def __init__(self) -> None:
        self.data, self.outcome = b"", []

    def append(self, *pieces) -> None:
        self.data += b"".join(pieces)

    def commit(self, *pieces) -> None:
        self.append(*pieces)
        self.outcome.append("commit")

    def discard(self) -> None:
        self.outcome.append("discard")


def part(first: int, frames: int, lost=()) -> RestoredPart:
    return RestoredPart(Part(0, first, frames), bytes([first]) * 2 * frames, lost)


def test_header_and_trailer_are_written_around_the_parts():
    target, writer = Recorder(), FileWriter(ENTRY, READER, None, salvage=False)
    writer.begin({"a.wav": target}.get)
    writer.add(part(0, 5))
    assert target.outcome == []
    writer.add(part(5, 4))
    assert target.data == b"head" + bytes(10) + b"\5" * 8 + b"end"
    assert target.outcome == ["commit"]
    assert writer.is_complete


def test_a_wrong_checksum_is_raised():
    writer = FileWriter(ENTRY, READER, 12345, salvage=False)
    writer.begin(lambda name: None)
    with pytest.raises(ArchiveError, match=r"a\.wav: what was decoded does not match the file's checksum"):
        writer.add(part(0, 9))


def test_a_damaged_part_is_raised():
    writer = FileWriter(ENTRY, READER, None, salvage=False)
    writer.begin(lambda name: None)
    with pytest.raises(ArchiveError, match="a stream of frames 0 to 9 does not match its checksum"):
        writer.add(part(0, 9, [1]))


def test_gaps_are_filled_with_zeros_when_salvaging():
    target, writer = Recorder(), FileWriter(ENTRY, READER, 12345, salvage=True)
    writer.begin(lambda name: target)
    writer.add(part(2, 3))
    writer.add(part(5, 2, [1]))
    writer.end()
    assert target.data == b"head" + b"\x80" * 4 + b"\2" * 6 + b"\5" * 4 + b"\x80" * 4 + b"end"
    assert target.outcome == ["commit"]
    assert [(lost.channels, lost.first_frame, lost.stop_frame) for lost in writer.lost] == [
        ((0, 1), 0, 2),
        ((1,), 5, 7),
        ((0, 1), 7, 9),
    ]


def test_the_first_failure_discards_the_file():
    target, writer = Recorder(), FileWriter(ENTRY, READER, None, salvage=False)
    writer.begin(lambda name: target)

    def fail(message: str) -> None:
        raise InputError(message)

    writer.attempt(lambda: fail("first"))
    writer.attempt(lambda: fail("second"))
    assert str(writer.failure) == "first"
    assert target.outcome == ["discard"]
    assert not writer.is_complete


def test_consecutive_ranges_of_the_same_channels_are_joined():
    ranges = [
        LostFrames("a", (0,), 0, 5, 1000),
        LostFrames("a", (0,), 5, 9, 1000),
        LostFrames("a", (0,), 10, 12, 1000),
        LostFrames("a", (1,), 12, 13, 1000),
        LostFrames("b", (1,), 13, 14, 1000),
    ]
    assert join_lost(ranges) == [LostFrames("a", (0,), 0, 9, 1000), *ranges[2:]]
