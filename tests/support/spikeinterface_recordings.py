"""Recordings from SpikeInterface's generators, and their comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
import spikeinterface.core as si

RATE, CHANNELS = 30_000.25, 8


def generated(durations: tuple[float, ...], dtype: str = "int16", channels: int = CHANNELS) -> Any:
    """A generated recording in samples of 0.195 uV, with a probe, gains, offsets, properties and annotations."""
    microvolts, _ = si.generate_ground_truth_recording(
        durations=list(durations), sampling_frequency=RATE, num_channels=channels, num_units=5, seed=7
    )
    middle = 1 << 15 if dtype == "uint16" else 0
    traces = [
        (np.round(microvolts.get_traces(i) / 0.195) + middle).astype(dtype)
        for i in range(microvolts.get_num_segments())
    ]
    recording = si.NumpyRecording(traces, RATE, channel_ids=[f"AP{i}" for i in range(channels)])
    recording.set_probegroup(microvolts.get_probegroup())
    recording.set_channel_gains(0.195)
    recording.set_channel_offsets(np.linspace(-1, 1 / 3, channels) - 0.195 * middle)
    recording.set_property("quality", np.array(["good", "bad"] * (channels // 2)))
    recording.set_property("impedance", np.array([np.nan, np.inf, *range(channels - 2)], np.float32))
    recording.set_property("area", np.array([b"CA1", b"\xe9"] * (channels // 2)))
    recording.set_property("is_wired", np.arange(channels) % 3 == 0)
    recording.set_property("planes", np.arange(2 * channels).reshape(channels, 2))
    recording.annotate(animal="M1", sites=[1, 2], is_filtered=True)
    return recording


def assert_same(found: Any, wanted: Any) -> None:
    """Assert that two recordings have equal traces, times, properties, annotations and probes."""
    assert found.get_num_segments() == wanted.get_num_segments()
    assert found.sampling_frequency == wanted.sampling_frequency
    assert found.get_dtype() == wanted.get_dtype()
    assert found.channel_ids.dtype == wanted.channel_ids.dtype
    np.testing.assert_array_equal(found.channel_ids, wanted.channel_ids)
    for i in range(wanted.get_num_segments()):
        np.testing.assert_array_equal(found.get_traces(i), wanted.get_traces(i))
        np.testing.assert_array_equal(found.get_times(i), wanted.get_times(i))
        assert found.has_time_vector(i) == wanted.has_time_vector(i)
        assert found.get_time_info(i)["t_start"] == wanted.get_time_info(i)["t_start"]
    assert sorted(found.get_property_keys()) == sorted(wanted.get_property_keys())
    for name in wanted.get_property_keys():
        assert found.get_property(name).dtype == wanted.get_property(name).dtype, name
        np.testing.assert_array_equal(found.get_property(name), wanted.get_property(name), name)
    for name in wanted.get_annotation_keys():
        assert found.get_annotation(name) == wanted.get_annotation(name), name
    assert found.has_probe() == wanted.has_probe()
    if wanted.has_probe():
        probes = [r.get_probegroup().to_dict(array_as_list=True) for r in (found, wanted)]
        assert probes[0] == probes[1]
