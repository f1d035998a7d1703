"""Files that hold events are known by their names and headers."""

from __future__ import annotations

import numpy as np
import pytest
from support import acquisition

from spikey_cli.io.events import holds_events


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("session.nev", True),
        ("Events.NEV", True),
        ("all_channels.events", True),
        ("recording1/events/Acquisition_Board-100.Rhythm/TTL/states.npy", True),
        ("recording1/continuous/Acquisition_Board-100.Rhythm/timestamps.npy", False),
        ("events.npy", False),
        ("events/notes.txt", False),
        ("session.ns5", False),
    ],
)
def test_names(name, holds):
    assert holds_events(name, b"") == holds


@pytest.mark.parametrize("name", ["edf", "bdf"])
def test_annotations(name):
    made = acquisition.FORMATS[name](np.random.default_rng(1))
    header = made.data[: made.header]
    assert holds_events(made.name, header)
    assert not holds_events(made.name, header.replace(b" Annotations", b" Annotated  "))
    assert not holds_events(made.name, header[:-1])
