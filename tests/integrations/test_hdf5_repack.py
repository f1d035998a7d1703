"""HDF5 files that are copied with their samples compressed, and back."""

from __future__ import annotations

import datetime
import doctest
import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command import run
from support.recordings import n1_samples, neural

from spikey_cli.api.chunk import encode_chunk
from spikey_cli.errors import InputError

h5py = pytest.importorskip("h5py")

from spikey_cli.integrations import hdf5_copy, hdf5_repack  # noqa: E402 - it needs h5py
from spikey_cli.integrations.hdf5 import dataset_sources  # noqa: E402
from spikey_cli.integrations.hdf5_filter import FILTER  # noqa: E402
from spikey_cli.integrations.hdf5_repack import repack  # noqa: E402

DATA = "/acquisition/ElectricalSeries/data"


@pytest.fixture
def samples(random: np.random.Generator) -> np.ndarray:
    return np.ascontiguousarray(n1_samples(neural(random, 6000, 4)))


@pytest.fixture
def session(tmp_path: Path, samples: np.ndarray) -> Path:
    """A file with every kind of link, reference and type that a copy could lose."""
    path = tmp_path / "session.nwb"
    with h5py.File(path, "w", userblock_size=512, track_order=True) as file:
        series = file.create_group("acquisition/ElectricalSeries")
        series.attrs["neurodata_type"] = "ElectricalSeries"
        data = series.create_dataset("data", data=samples, chunks=(1000, 3), maxshape=(None, 4), fillvalue=7)
        data.attrs.update({"unit": "volts", "series": series.ref, "part": data.regionref[3:9, 1:4:2]})
        row = np.dtype([("start", "i4"), ("series", h5py.ref_dtype), ("name", h5py.string_dtype())])
        file["intervals/rows"] = np.array([(1, series.ref, "a"), (2, data.ref, "µ")], row)
        file["intervals/series"] = np.array([series.ref, h5py.Reference()], h5py.ref_dtype)
        file["intervals/parts"] = np.array([data.regionref[:2], data.regionref[5:9, 3]], h5py.regionref_dtype)
        lists = file.create_dataset("lists", (2,), h5py.vlen_dtype("i4"))
        lists[0], lists[1] = [1, 2], [3]
        referring = file.create_dataset("referring", (1,), h5py.vlen_dtype(h5py.ref_dtype))
        referring[0] = np.array([series.ref, data.ref], h5py.ref_dtype)
        file["text"], file["texts"], file["fixed"] = "text", ["a", "bc"], np.array([b"a", b"bc"])
        file["flags"], file["big"], file["none"] = np.array([True, False]), np.arange(5, dtype=">i4"), h5py.Empty("f4")
        file["numbers"] = np.array([1.0, np.nan])
        file.create_dataset("packed", data=np.zeros((50, 50)), compression="gzip", shuffle=True)
        file["type"] = np.dtype("f8")
        for i in range(40):  # HDF5 stores many links and attributes otherwise than few
            file[f"many/{i}"] = i
            file["many"].attrs[str(i)] = file["many/0"].attrs[str(i)] = i
        file["soft"], file["external"] = h5py.SoftLink("/acquisition"), h5py.ExternalLink("other.h5", "/data")
        file["hard"], file["group/root"] = data, file["/"]
        file.attrs.update({"numbers": np.arange(4), "nothing": h5py.Empty("i2"), "texts": ["a", "bc"]})
        file.attrs.create("references", [data.ref, series.ref], dtype=h5py.ref_dtype)
    with path.open("r+b") as raw:
        raw.write(b"user block")
    return path


def described(file: Any) -> dict[str, Any]:
    """Links and values of a file, with the paths and regions that references lead to."""

    def plain(value: Any) -> Any:
        if isinstance(value, h5py.RegionReference):
            return file[value].name, file[value][value].tolist()
        if isinstance(value, h5py.Reference):
            return file[value].name if value else None
        if isinstance(value, np.void):
            return [plain(value[name]) for name in value.dtype.names or ()]
        if isinstance(value, np.ndarray):
            return [plain(each) for each in value] if value.dtype.kind in "OV" else (value.dtype.str, value.tobytes())
        return repr(value)

    found: dict[str, Any] = {"attributes": {name: plain(value) for name, value in file.attrs.items()}}

    def visit(name: str, item: Any) -> None:
        value = (item.dtype, item.maxshape, plain(item[()])) if isinstance(item, h5py.Dataset) else None
        found[name] = value, {name: plain(value) for name, value in item.attrs.items()}
        if isinstance(item, h5py.Group):
            links = {name: item.get(name, getlink=True) for name in item}
            found[name] += ({name: (type(link).__name__, vars(link)) for name, link in links.items()},)

    file.visititems(visit)
    found["root"] = (
        list(file),
        file["hard"].name if file["hard"] == file[DATA] else None,
        file["group/root"] == file["/"],
    )
    return found


def test_all_but_the_storage_of_the_samples_stays(tmp_path, session, samples):
    result = repack(session, tmp_path / "small.nwb")
    before, after = result.datasets[DATA]
    assert after < before // 2
    assert result.bytes == (session.stat().st_size, (tmp_path / "small.nwb").stat().st_size)
    repack(tmp_path / "small.nwb", tmp_path / "back.nwb", undo=True)
    with h5py.File(session) as file:
        expected = described(file)
    for name, has_filter in (("small.nwb", True), ("back.nwb", False)):
        with h5py.File(tmp_path / name) as file:
            assert described(file) == expected
            assert (str(FILTER) in file[DATA]._filters) == has_filter
            assert file["packed"].compression == "gzip"
            np.testing.assert_array_equal(file[DATA], samples)
        assert (tmp_path / name).read_bytes().startswith(b"user block")


def test_the_command(tmp_path, session, samples):
    small, back = tmp_path / "small.nwb", tmp_path / "back.nwb"
    lines = run("repack", session, small).splitlines()
    assert lines[0].startswith(f"{DATA}: ")
    assert lines[1].startswith(f"{small}: 1 dataset; ")
    assert "exists already; choose another name, or force overwriting it (--force)" in run(
        "repack", session, small, status=1
    )
    assert run("repack", "-q", "-f", "-9", "--coder", "rice", session, small) == ""
    with h5py.File(small) as file:
        assert file[DATA]._filters[str(FILTER)][:3] == (1, 1, 3)
    run("repack", "--undo", "--dataset", DATA, small, back)
    with h5py.File(back) as file:
        np.testing.assert_array_equal(file[DATA], samples)
    assert "leave out --coder" in run("repack", "--undo", "--coder", "rice", small, tmp_path / "x", status=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--dataset", "nothing"),
            "has no dataset 'nothing'; the file has acquisition/ElectricalSeries/data (int16, 6000 x 4)",
        ),
        (("--dataset", "external"), "has no dataset 'external'"),
        (("--dataset", "text"), "/text is object of shape (); a recording holds numbers of shape (frames,) or"),
        (("--dataset", "flags"), "/flags is bool of shape (2,); a recording"),
        (("--undo",), "has no dataset that is compressed with Spikey; name a dataset (--dataset)"),
        (("--undo", "--dataset", "numbers"), "/numbers is not compressed with Spikey; leave it out (--dataset)"),
    ],
)
def test_datasets_that_cannot_be_repacked(tmp_path, session, options, message):
    printed = run("repack", *options, session, tmp_path / "out.nwb", status=1)
    assert printed.startswith(f"spikey: {session}: ")
    assert message in printed
    assert os.listdir(tmp_path) == ["session.nwb"]


def test_files_that_cannot_be_repacked(tmp_path, session):
    assert "cannot read: No such file or directory; check the name" in run("repack", tmp_path / "x", "y", status=1)
    (tmp_path / "text.nwb").write_text("text")
    assert "text.nwb: cannot be read as HDF5: " in run("repack", tmp_path / "text.nwb", tmp_path / "y", status=1)
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["numbers"] = np.zeros((9, 4))
    printed = run("repack", tmp_path / "plain.h5", tmp_path / "y", status=1)
    assert "plain.h5: has no ElectricalSeries; the file has no recording" in printed
    assert not (tmp_path / "y").exists()


def test_a_file_without_read_permission_is_no_fault_of_hdf5(tmp_path, session, monkeypatch):
    def refuse(path, *arguments):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("spikey_cli.io.source.open", refuse, raising=False)
    with pytest.raises(InputError, match="cannot read: Permission denied; change the permissions"):
        repack(session, tmp_path / "out.nwb")
    with pytest.raises(InputError, match="cannot read: Permission denied; change the permissions"):
        dataset_sources(session, "acquisition/ElectricalSeries/data")


def test_a_file_may_be_replaced_by_its_copy(session, samples):
    run("repack", "--force", session, session)
    with h5py.File(session) as file:
        assert str(FILTER) in file[DATA]._filters
        np.testing.assert_array_equal(file[DATA], samples)


@pytest.mark.parametrize("array", [
    np.arange(3000, dtype=">u2").reshape(-1, 1) // 9,
    np.arange(70_000, dtype="<i4").reshape(-1, 70) % 700,
    np.round(np.random.default_rng(0).normal(0, 20, (500, 3))).astype("<f4") / 8,
    np.random.default_rng(0).normal(size=90),
], ids=["big endian", "two chunks of channels", "scaled floats", "floats"])  # fmt: skip
def test_kinds_of_samples(tmp_path, array):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = array
    (sizes,) = repack(tmp_path / "a.h5", tmp_path / "b.h5", datasets=["a"]).datasets.values()
    assert sizes[1] <= sizes[0]
    with h5py.File(tmp_path / "b.h5") as file:
        assert file["a"].dtype == array.dtype
        np.testing.assert_array_equal(file["a"], array)


def test_samples_in_other_files_are_copied(tmp_path, samples):
    """And those that are missing are an error, although HDF5 makes some up."""
    samples.tofile(tmp_path / "a.bin")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        external = [(str(tmp_path / "a.bin"), 0, samples.nbytes)]
        file.create_dataset("a", samples.shape, samples.dtype, external=external)
        layout = h5py.VirtualLayout((2 * len(samples), 4), samples.dtype)
        layout[: len(samples)] = layout[len(samples) :] = h5py.VirtualSource("a.h5", "a", samples.shape)
        file.create_virtual_dataset("twice", layout)
    repack(tmp_path / "a.h5", tmp_path / "b.h5", datasets=["a", "twice"])
    (tmp_path / "a.bin").unlink()
    with h5py.File(tmp_path / "b.h5") as file:
        np.testing.assert_array_equal(file["a"], samples)
        np.testing.assert_array_equal(file["twice"], np.concatenate([samples, samples]))
    with pytest.raises(InputError, match=r"a\.h5: /a refers to samples in .*a\.bin, which is missing"):
        repack(tmp_path / "a.h5", tmp_path / "c.h5", datasets=["a"])
    assert not (tmp_path / "c.h5").exists()


def test_values_in_other_files_are_found_from_the_copy(tmp_path, samples):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = samples
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["b"] = samples
        layout = h5py.VirtualLayout(samples.shape, samples.dtype)
        layout[:] = h5py.VirtualSource("a.h5", "a", samples.shape)
        file.create_virtual_dataset("virtual", layout)
    repack(tmp_path / "b.h5", tmp_path / "c.h5", datasets=["b"])
    with h5py.File(tmp_path / "c.h5") as file:
        assert file["virtual"].is_virtual
        np.testing.assert_array_equal(file["virtual"], samples)
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(InputError, match="write the copy into the folder of the original"):
        repack(tmp_path / "b.h5", tmp_path / "elsewhere" / "c.h5", datasets=["b"])


def test_a_copy_that_differs_gets_no_name(tmp_path, session, monkeypatch):
    wrong = {
        "samples": (hdf5_repack, "encode_chunk", lambda chunk, **_: encode_chunk(chunk + np.int16(1))),
        "references": (hdf5_copy.Copy, "_moved", lambda self, values: values),
        "attributes": (hdf5_copy, "_copy_attributes", lambda item, copy: None),
    }
    for module, name, broken in wrong.values():
        with monkeypatch.context() as patch:
            patch.setattr(module, name, broken)
            with pytest.raises(InputError, match=r"session\.nwb: (/.* differs from its copy|cannot be copied)"):
                repack(session, tmp_path / "out.nwb")
        assert os.listdir(tmp_path) == ["session.nwb"]


def test_a_file_that_changes_meanwhile_is_an_error(tmp_path, session):
    with pytest.raises(InputError, match="changed while it was copied"):
        repack(session, tmp_path / "out.nwb", progress=lambda done, total: os.utime(session, (1, 1)))


def test_references_to_nothing_stay_so(tmp_path, session):
    with h5py.File(session, "r+") as file:
        file["gone"] = 1
        file.attrs.create("dangling", file["gone"].ref, dtype=h5py.ref_dtype)
        del file["gone"]
    repack(session, tmp_path / "out.nwb")
    with h5py.File(tmp_path / "out.nwb") as file:
        assert not file.attrs["dangling"]


def nwb_file(path: Path, samples: np.ndarray) -> None:
    """Write a file of NWB: the electrodes of its series are rows of a table, whose groups are references."""
    pynwb = pytest.importorskip("pynwb")
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    file = pynwb.NWBFile(session_description="none", identifier="none", session_start_time=start)
    group = file.create_electrode_group("shank", "none", "CA1", file.create_device("probe"))
    for i in range(samples.shape[1]):
        file.add_electrode(group=group, location="CA1", x=0.0, y=float(i), z=0.0)
    region = file.create_electrode_table_region([3, 1, 0, 2], "all")
    options = {"rate": 30_000.0, "conversion": 1.95e-7, "electrodes": region}
    series = pynwb.ecephys.ElectricalSeries(name="ElectricalSeries", data=samples, **options)
    file.add_acquisition(series)
    file.add_trial(start_time=0.0, stop_time=0.1, timeseries=[series])  # rows of a compound type with references
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(file)


def test_pynwb_reads_and_validates_the_copy(tmp_path, samples):
    pynwb = pytest.importorskip("pynwb")
    nwb_file(tmp_path / "a.nwb", samples)
    repack(tmp_path / "a.nwb", tmp_path / "b.nwb")
    repack(tmp_path / "b.nwb", tmp_path / "c.nwb", undo=True)
    for name in ("b.nwb", "c.nwb"):
        errors = pynwb.validate(path=str(tmp_path / name))
        assert not (errors[0] if isinstance(errors, tuple) else errors)
        with pynwb.NWBHDF5IO(tmp_path / name, "r") as io:
            file = io.read()
            series = file.acquisition["ElectricalSeries"]
            np.testing.assert_array_equal(series.data, samples)
            assert series.electrodes.data[:].tolist() == [3, 1, 0, 2]
            assert series.electrodes.table is file.electrodes
            assert {group.name for group in series.electrodes["group"].data[:]} == {"shank"}
            assert file.trials["timeseries"][0][0].timeseries is series


def test_spikeinterface_reads_the_copy(tmp_path, samples):
    pytest.importorskip("spikeinterface")
    from spikeinterface.extractors import read_nwb_recording

    nwb_file(tmp_path / "a.nwb", samples)
    repack(tmp_path / "a.nwb", tmp_path / "b.nwb")
    recording = read_nwb_recording(tmp_path / "b.nwb")
    np.testing.assert_array_equal(recording.get_traces(), samples)
    assert recording.get_sampling_frequency() == 30_000


def test_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not doctest.testmod(hdf5_repack, extraglobs={"np": np}).failed
