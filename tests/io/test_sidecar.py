"""Sidecars of SpikeGLX and Open Ephys state the format of raw samples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sidecars import OPEN_EPHYS, SPIKEGLX

from spikey_cli.io.raw import RawFormat
from spikey_cli.io.sidecar import raw_format_beside


def test_spikeglx(spikeglx):
    assert raw_format_beside(spikeglx / "run_g0_t0.imec0.ap.bin") == RawFormat(4, 30_000)


def test_open_ephys(open_ephys, monkeypatch):
    assert raw_format_beside(open_ephys / "continuous" / "Probe-A" / "continuous.dat") == RawFormat(4, 30_000)
    monkeypatch.chdir(open_ephys / "continuous" / "Probe-B")
    assert raw_format_beside(Path("continuous.dat")) == RawFormat(2, 2500), "a relative path"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("imec", "nidq", RawFormat(4, 25_000)),
        ("imec", "obx", None),  # there is no obSampRate
        ("imec", "other", None),
        ("nSavedChans=4", "nSavedChans=0", None),
        ("nSavedChans=4", "nSavedChans=4.0", None),
        ("nSavedChans", "nChans", None),
        ("30000.083871", "nan", None),
        ("30000.083871", "inf", None),
        ("30000.083871", "0.3", RawFormat(4, 0)),  # no whole number is near enough
        ("30000.083871", "1e300", None),
        ("imSampRate", "imRate", None),
        ("typeThis=imec\n", "typeThis = imec\n", None),
    ],
)
def test_other_fields_of_spikeglx(spikeglx, old, new, expected):
    (spikeglx / "run_g0_t0.imec0.ap.meta").write_text(SPIKEGLX.replace(old, new, 1))
    assert raw_format_beside(spikeglx / "run_g0_t0.imec0.ap.bin") == expected


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        {"continuous": {}},
        {"continuous": ["Probe-A"]},
        {"continuous": [{"folder_name": 1, "sample_rate": 30000, "num_channels": 4}]},
        {"continuous": [{"folder_name": "Probe-A", "sample_rate": "30000", "num_channels": 4}]},
        {"continuous": [{"folder_name": "Probe-A", "sample_rate": 30000, "num_channels": True}]},
        {"continuous": [{"folder_name": "Probe-A", "num_channels": 4}]},
        {"continuous": OPEN_EPHYS["continuous"][:1] * 2},
        {"continuous": OPEN_EPHYS["continuous"][1:]},
    ],
)
def test_malformed_metadata_of_open_ephys(open_ephys, metadata):
    (open_ephys / "structure.oebin").write_text(json.dumps(metadata))
    assert raw_format_beside(open_ephys / "continuous" / "Probe-A" / "continuous.dat") is None


def test_other_files_have_no_sidecar(tmp_path, open_ephys, spikeglx):
    assert raw_format_beside(spikeglx / "other.bin") is None
    assert raw_format_beside(spikeglx / "run_g0_t0.imec0.ap.dat") is None
    assert raw_format_beside(open_ephys / "continuous" / "Probe-A" / "other.dat") is None
    assert raw_format_beside(open_ephys / "continuous.dat") is None
    assert raw_format_beside(Path("/continuous.dat")) is None
    (spikeglx / "run_g0_t0.imec0.ap.meta").write_text(SPIKEGLX + "~" * (5 << 20))
    assert raw_format_beside(spikeglx / "run_g0_t0.imec0.ap.bin") is None, "a sidecar of 5 MiB was read"


_PIECES = st.sampled_from([*SPIKEGLX.encode().splitlines(keepends=True), b"\xef\xbb\xbf", b"=", b"\xff", b"9" * 5000])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["Probe-A/", "folder_name"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["continuous", "folder_name", "sample_rate", "num_channels"]), inner)
    ),
)


@given(
    meta=st.lists(_PIECES | st.binary(max_size=20)).map(b"".join),
    oebin=_JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=50) | st.just(b"[" * 100_000),
)
def test_any_sidecar_states_a_valid_format_or_none(tmp_path_factory, meta, oebin):
    folder = tmp_path_factory.mktemp("sidecar")
    (folder / "a.meta").write_bytes(meta)
    (folder / "structure.oebin").write_bytes(oebin)
    for path in (folder / "a.bin", folder / "continuous" / "Probe-A" / "continuous.dat"):
        found = raw_format_beside(path)
        assert found is None or (1 <= found.channels <= 65_535 and 0 <= found.sample_rate < 2**32), found
