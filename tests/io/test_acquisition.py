"""Files of acquisition systems: their samples, rates, labels and units are found, and every byte comes back."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from support import acquisition
from support.archive_mutator import scratched

import spikey_cli
from spikey_cli.api.channels import channel_info
from spikey_cli.codec.scan import scan
from spikey_cli.container.archive import ArchiveReader
from spikey_cli.io import blackrock, intan
from spikey_cli.io.formats import describe_channels, find_layout
from spikey_cli.io.layout import Layout, SampleType, samples_from_bytes, whole_rate
from spikey_cli.io.reading import FAULTS
from spikey_cli.io.records import MAX_GAPS, RecordLayout
from spikey_cli.io.source import BytesSource, FileSource


@pytest.fixture(params=acquisition.FORMATS, scope="module")
def made(request):
    return acquisition.FORMATS[request.param](np.random.default_rng(3))


def layout_of(data: bytes) -> Layout | RecordLayout | None:
    return find_layout(io.BytesIO(data), len(data), BytesSource(data, "file"))


def written(folder: Path, made: acquisition.Made, data: bytes | None = None) -> Path:
    (folder / made.name).write_bytes(made.data if data is None else data)
    return folder / made.name


def test_samples_are_found(made):
    source = scan(BytesSource(made.data, made.name))
    groups = source.groups or (source,)
    assert [group.layout.sample_rate for group in groups] == list(map(whole_rate, made.rates))
    for group, expected in zip(groups, made.groups, strict=True):
        layout = group.layout
        samples = samples_from_bytes(group.read_frames(0, layout.n_frames), layout.channels, layout.sample_type)
        np.testing.assert_array_equal(samples, expected)
        np.testing.assert_array_equal(
            samples_from_bytes(group.read_frames(1, 1), layout.channels, layout.sample_type), expected[1:2]
        )


def test_the_header_describes_channels(made):
    layout = layout_of(made.data)
    described = describe_channels(layout.header, sum(group.shape[1] for group in made.groups))
    assert [channel.name for channel in described] == made.labels
    assert [channel.unit for channel in described] == made.units
    for channel, gain in zip(described, made.gains, strict=True):
        assert channel.gain == (None if gain is None else pytest.approx(gain))
    rates = [rate for rate, group in zip(made.rates, made.groups, strict=True) for _ in range(group.shape[1])]
    assert [channel.sample_rate for channel in described] == pytest.approx(rates)


def test_every_byte_comes_back(made, tmp_path):
    path = written(tmp_path, made)
    result = spikey_cli.compress([path], tmp_path / "a.spk")
    assert not result.warnings
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out")
    assert (tmp_path / "out" / made.name).read_bytes() == made.data


def test_an_archive_knows_its_channels(made, tmp_path):
    spikey_cli.compress([written(tmp_path, made)], tmp_path / "a.spk")
    first = made.groups[0]
    names = [f"{made.name}:{i}" if len(made.labels) > 1 else made.name for i in range(first.shape[1])]
    with spikey_cli.open(tmp_path / "a.spk", names) as recording:
        np.testing.assert_array_equal(recording[3:40], first[3:40])
        assert [channel.name for channel in recording.channel_info] == made.labels[: first.shape[1]]
    report = spikey_cli.info(tmp_path / "a.spk")
    assert [channel["label"] for channel in report["channels"]] == made.labels
    (file,) = report["files"]
    rates = [group["sample_rate"] for group in file.get("groups", [file])]
    assert rates == list(map(whole_rate, made.rates))


def test_labels_and_streams_name_channels(tmp_path):
    made = acquisition.rhd(np.random.default_rng(3))
    spikey_cli.compress([written(tmp_path, made)], tmp_path / "a.spk")
    with spikey_cli.open(tmp_path / "a.spk", ["a.rhd:A-002", "a.rhd:A-000"]) as recording:
        assert recording.channel_names == ("a.rhd:2", "a.rhd:0")
        np.testing.assert_array_equal(recording[:], made.groups[0][:, [2, 0]])
    with spikey_cli.open(tmp_path / "a.spk", ["a.rhd:auxiliary input"]) as recording:
        np.testing.assert_array_equal(recording[:], made.groups[1])
    with pytest.raises(spikey_cli.InputError, match=r"such as those of 'a\.rhd:amplifier'"):
        spikey_cli.open(tmp_path / "a.spk")
    with pytest.raises(spikey_cli.InputError, match="no channel"):
        spikey_cli.open(tmp_path / "a.spk", ["a.rhd:A-009"])


def test_channels_of_files_that_were_recorded_together_reference_each_other(tmp_path):
    random = np.random.default_rng(5)
    shared = acquisition.signals(random, 512 * 8, 1, 300)
    for i in range(2):
        one = acquisition.ncs(np.random.default_rng(i), 8)
        data, samples = bytearray(one.data), one.groups[0] + shared
        for record in range(8):
            at = 16384 + 1044 * record + 20
            data[at : at + 1024] = samples[512 * record : 512 * (record + 1), 0].astype("<i2").tobytes()
        (tmp_path / f"CSC{i}.ncs").write_bytes(data)
    spikey_cli.compress(sorted(tmp_path.glob("*.ncs")), tmp_path / "a.spk")
    report = spikey_cli.info(tmp_path / "a.spk")
    assert report["sessions"] == 1
    assert any(channel["references"] for channel in report["channels"])
    assert spikey_cli.verify(tmp_path / "a.spk").files == 2


@pytest.mark.parametrize("missing", [1, 3, 100])
def test_a_cut_file_keeps_its_whole_records(made, tmp_path, missing):
    data = made.data[:-missing]
    spikey_cli.compress([written(tmp_path, made, data)], tmp_path / "a.spk")
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out")
    assert (tmp_path / "out" / made.name).read_bytes() == data


def test_a_cut_header_is_kept_verbatim_with_a_warning(made, tmp_path):
    for size in {8, made.header // 2, made.header - 1}:
        result = spikey_cli.compress([written(tmp_path, made, made.data[:size])], tmp_path / "a.spk", force=True)
        (warning,) = result.warnings
        assert "stored byte for byte" in str(warning)
        assert spikey_cli.info(tmp_path / "a.spk")["files"][0]["kind"] == "verbatim"
        spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out", force=True)
        assert (tmp_path / "out" / made.name).read_bytes() == made.data[:size]


@pytest.mark.trials(10, slow=300, exhaustive=20_000)
def test_damaged_headers_are_no_error(made, tmp_path, trials):
    random = np.random.default_rng(1)
    for _ in range(trials):
        data = scratched(random, made.data[: made.header]) + made.data[made.header :]
        layout = layout_of(data)
        if isinstance(layout, RecordLayout):
            end = layout.offset(layout.n_records)
            body = data[len(layout.header) : end]
            pieces = layout.split(body, 0, layout.n_records)
            assert layout.header + layout.join(pieces, 0, layout.n_records) + layout.trailer == data
        elif layout is not None:
            assert layout.file_bytes == len(data)


def lies() -> dict[str, tuple[str, int, bytes]]:
    """Changes of one number of a header: format, offset, bytes."""
    return {
        "edf: signals": ("edf", 252, b"4000"),
        "edf: no signals": ("edf", 252, b"0   "),
        "edf: length": ("edf", 184, b"99999999"),
        "edf: samples": ("edf", 256 + 5 * (16 + 80 + 8 * 5 + 80), b"99999999"),
        "edf: negative samples": ("edf", 256 + 5 * (16 + 80 + 8 * 5 + 80), b"-1      "),
        "nsx: channels": ("nsx", 310, struct.pack("<I", 2**31)),
        "nsx: period": ("nsx", 286, struct.pack("<I", 0)),
        "old_nsx: channels": ("old_nsx", 28, struct.pack("<I", 2**31)),
        "ncs: valid": ("ncs", 16384 + 16, struct.pack("<I", 513)),
        "ncs: rate": ("ncs", 16384 + 12, struct.pack("<I", 9)),
        "rhd: note": ("rhd", 48, struct.pack("<I", 0xFFFFFFF0)),
        "rhd: rate": ("rhd", 8, struct.pack("<f", np.nan)),
        "continuous: samples": ("continuous", 1032, b"\1\0"),
        "abf: block": ("abf", 236, struct.pack("<I", 2**31)),
        "abf: channels": ("abf", 100, struct.pack("<q", 2**62)),
        "abf: floats": ("abf", 30, b"\1\0"),
    }


@pytest.mark.parametrize("name", lies())
def test_lying_headers_are_kept_verbatim(name, tmp_path):
    file_format, at, change = lies()[name]
    made = acquisition.FORMATS[file_format](np.random.default_rng(3))
    data = made.data[:at] + change + made.data[at + len(change) :]
    result = spikey_cli.compress([written(tmp_path, made, data)], tmp_path / "a.spk")
    assert "stored byte for byte" in str(result.warnings[0])
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out")
    assert (tmp_path / "out" / made.name).read_bytes() == data


def test_headers_are_read_in_bounded_steps():
    """A file of many packets, or with a long header, is given up after a bounded number of reads."""
    header = acquisition.nsx(np.random.default_rng(3), (1,), 1).data[: 314 + 66]
    data = header + struct.pack("<BIIhh", 1, 0, 2, 0, 0) * (10 * MAX_GAPS)

    class Counted(io.BytesIO):
        reads = 0

        def read(self, size=-1):
            Counted.reads += 1
            return super().read(size)

    assert blackrock.parse(Counted(data), len(data)) is None
    assert Counted.reads < MAX_GAPS + 20


def test_salvage_fills_lost_records(tmp_path):
    made = acquisition.rhd(np.random.default_rng(3), records=40)
    spikey_cli.compress([written(tmp_path, made)], tmp_path / "a.spk", coder=spikey_cli.Encoding(peers=False))
    with ArchiveReader(tmp_path / "a.spk") as reader:
        table = reader.read_table(0)
        entry = reader.index.blocks[0]
        lengths = table.lengths.tolist()
        at = entry.offset + entry.length - sum(lengths) + lengths[0] // 2
    archive = bytearray((tmp_path / "a.spk").read_bytes())
    archive[at] ^= 1
    (tmp_path / "a.spk").write_bytes(archive)
    result = spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out", keep_going=True)
    ((lost, *_),) = [one.channels for one in result.lost]
    assert lost == 0
    restored = scan(FileSource(tmp_path / "out" / made.name)).groups[0]
    samples = samples_from_bytes(restored.read_frames(0, restored.layout.n_frames), 3, restored.layout.sample_type)
    assert not samples[:, 0].any()
    np.testing.assert_array_equal(samples[:, 1:], made.groups[0][:, 1:])


def native(name: str) -> Path:
    folder = acquisition.native_folder()
    if folder is None:
        pytest.skip("the native files are not installed: set SPIKEY_NATIVE to their folder")
    return folder / name


@pytest.mark.recordings
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("abf_axon1.abf", marks=pytest.mark.slow),
        pytest.param("biosemi17.bdf", marks=pytest.mark.slow),
        "blackrock.ns2",
        pytest.param("eeg_edf139.edf", marks=pytest.mark.slow),
        pytest.param("intan_rhd_b.rhd", marks=pytest.mark.slow),
        "neuralynx.ncs",
    ],
)
def test_native_files_are_about_as_small_as_their_samples(name, tmp_path):
    path = native(name)
    compressed = spikey_cli.compress([path], tmp_path / "a.spk")
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out")
    assert (tmp_path / "out" / name).read_bytes() == path.read_bytes()
    wavs = acquisition.as_wavs(path, tmp_path / "wavs")
    alone = spikey_cli.compress(wavs, tmp_path / "wavs.spk").archive_bytes
    assert compressed.archive_bytes < 1.03 * alone + 256  # the samples of one file are a ramp, and take nearly nothing


def test_info_of_files_that_say_nothing(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((100, 2), np.int16))
    spikey_cli.compress([tmp_path / "a.npy"], tmp_path / "a.spk")
    with ArchiveReader(tmp_path / "a.spk") as reader:
        assert channel_info(reader) == {}
    assert [channel["label"] for channel in spikey_cli.info(tmp_path / "a.spk")["channels"]] == [None, None]


@pytest.mark.parametrize(
    ("name", "sample_type", "labels", "stream", "gain", "offset"),
    [
        ("amplifier.dat", SampleType.INT16, ["A-000", "A-001"], "amplifier", 0.195, 0),
        ("lowpass.dat", SampleType.INT16, ["A-000", "A-001"], "lowpass", 0.195, 0),
        ("dcamplifier.dat", SampleType.UINT16, ["A-000", "A-001"], "DC amplifier", -19.23, 19.23 * 512),
        ("stim.dat", SampleType.UINT16, ["A-000", "A-001"], "stimulation", None, 0),
        ("analogout.dat", SampleType.UINT16, ["ANALOG-OUT-1"], "analog output", 312.5e-6, -32768 * 312.5e-6),
        ("digitalin.dat", SampleType.UINT16, ["digital input"], "digital input", None, 0),
        ("amp-A-001.dat", SampleType.INT16, ["A-001"], "amplifier", 0.195, 0),
        ("high-A-001.dat", SampleType.INT16, ["A-001"], "highpass", 0.195, 0),
        ("dc-A-001.dat", SampleType.UINT16, ["A-001"], "DC amplifier", -19.23, 19.23 * 512),
        ("stim-A-001.dat", SampleType.UINT16, ["A-001"], "stimulation", None, 0),
        ("board-ANALOG-OUT-1.dat", SampleType.UINT16, ["ANALOG-OUT-1"], "analog output", 312.5e-6, -32768 * 312.5e-6),
        ("board-DIGITAL-IN-1.dat", SampleType.UINT16, ["DIGITAL-IN-1"], "digital input", None, 0),
    ],
)
def test_files_of_a_folder_of_intan(name, sample_type, labels, stream, gain, offset):
    made = acquisition.rhs(np.random.default_rng(1))
    found, channels = intan.describe_part(made.data[: made.header], name)
    assert (found, [channel.name for channel in channels]) == (sample_type, labels)
    assert {(channel.stream, channel.sample_rate) for channel in channels} == {(stream, 30_000)}
    assert channels[0].gain == gain
    assert channels[0].offset == pytest.approx(offset)


@pytest.mark.parametrize("name", ["amp-B-000.dat", "other.dat", "auxiliary.dat", "spike.dat", "amp.dat"])
def test_other_files_of_a_folder_of_intan(name):
    made = acquisition.rhs(np.random.default_rng(1))
    with pytest.raises(FAULTS):
        intan.describe_part(made.data[: made.header], name)


def test_floats_of_any_values(tmp_path):
    made = acquisition.float_abf(np.random.default_rng(1))
    noise = np.random.default_rng(1).normal(size=made.groups[0].size).astype("<f4").tobytes()
    data = made.data[: made.header] + noise + made.data[made.header + len(noise) :]
    result = spikey_cli.compress([written(tmp_path, made, data)], tmp_path / "a.spk")
    assert not result.warnings
    assert result.archive_bytes < 0.9 * len(data)
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out")
    assert (tmp_path / "out" / made.name).read_bytes() == data


def test_channels_that_are_never_used_take_nothing(tmp_path):
    """RHS files have words of stimulation for each amplifier."""
    made = acquisition.rhs(np.random.default_rng(3), records=60)
    path = written(tmp_path, made)
    with_words = spikey_cli.compress([path], tmp_path / "a.spk").archive_bytes
    report = spikey_cli.info(tmp_path / "a.spk")
    quantizers = {channel["stream"]: channel["quantizer"] for channel in report["channels"]}
    assert quantizers["stimulation"] == "constant -32768"
    assert quantizers["amplifier"] != "constant -32768"
    spikey_cli.decompress(tmp_path / "a.spk", tmp_path / "out")
    assert (tmp_path / "out" / made.name).read_bytes() == made.data
    with spikey_cli.open(tmp_path / "a.spk", ["a.rhs:stimulation"]) as recording:
        assert (recording[100:200] == -32768).all()
    names = [name for name, group in zip("abcdef", made.groups, strict=True) if group.min() < group.max()]
    for name, group in zip("abcdef", made.groups, strict=True):
        np.save(tmp_path / f"{name}.npy", group.astype(np.int16))
    without = spikey_cli.compress([tmp_path / f"{name}.npy" for name in names], tmp_path / "b.spk").archive_bytes
    assert with_words < without + 1500
