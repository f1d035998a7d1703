"""Hostile archives: refused with a reason, or restored, within bounds of memory and work."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.acquisition import paused_nsx, rhd, write_intan_folder
from support.archive_builder import Content, joined, packed_table
from support.archive_mutator import directory_bomb, mutated
from support.random_models import PARTS, random_model
from support.recordings import n1_samples, neural, wav_bytes
from support.resource_guard import Trial, calls_of, run_trials
from support.topologies import topology_of_pairs

import spikey_cli
from spikey_cli.api.compress import Encoding
from spikey_cli.api.times import times_of
from spikey_cli.cli import main
from spikey_cli.codec import block_plan
from spikey_cli.container.archive import ArchiveReader
from spikey_cli.container.directory import Directory, FileEntry, directory_tables, record_entries
from spikey_cli.container.limits import Limits
from spikey_cli.container.parts import Method, Part
from spikey_cli.container.salvage import SalvageReader
from spikey_cli.core.channel_quantizers import ByChannel
from spikey_cli.core.numbers import pack_numbers
from spikey_cli.core.quantizer import UniformQuantizer
from spikey_cli.errors import SpikeyError
from spikey_cli.io.layout import Layout, SampleType
from spikey_cli.io.records import Field, Group, RecordLayout
from spikey_cli.model.predictor import Predictor
from spikey_cli.topology.topology import Topology

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured by /proc of Linux")

MEMORY = 64 << 20
CALLS = 2_000_000
"""Function calls that an archive of 4 KiB may cause; a larger one may cause more in proportion."""


def make_bases(folder: Path) -> dict[str, Path]:
    """Make archives of at most 4 KiB, one of each kind."""
    random = np.random.default_rng(11)
    n1 = n1_samples(neural(random, 900, 3))
    files = {
        "a.wav": wav_bytes(n1[:, 0]),
        "b.wav": wav_bytes(random.integers(-9, 9, (300, 2)), 3),
        "c.txt": b"kept as it is " * 20,
    }
    session = {f"t{i}.wav": wav_bytes(n1[:300, i]) for i in range(3)}
    quantizers = {
        "wide.wav": wav_bytes(random.integers(-(2**23), 2**23, (120, 3)), 3),
        "step.wav": wav_bytes(np.cumsum(random.integers(-3, 4, 400)) * 12 + 5),
        "palette.wav": wav_bytes(np.array([-30000, -1000, 17, 4000])[random.integers(0, 4, 300)]),
        "bytes.wav": wav_bytes(random.integers(120, 136, (200, 5)), 1),
    }
    filtered = np.cumsum(random.normal(size=(100, 2)), axis=0)
    filtered[50] = np.nan
    parts = {"latent": 4, "recurrent": True, "peers": 2}
    made: dict[str, tuple[dict[str, bytes], dict[str, object]]] = {
        **{coder: (files, {"coder": coder}) for coder in ("range", "rice", "huffman")},
        "peers": (session, {"coder": Encoding("range", Predictor(random_model(**parts)), embed_model=True)}),
        "embedded": (session, {"coder": Encoding("rice", Predictor(random_model()), embed_model=True)}),
        "quantizers": (quantizers, {"coder": "range"}),
        "verbatim": ({"x": b"abc" * 500, "y": random.bytes(700), "z": b""}, {}),
        "blocks": (files, {"coder": "range"}),
        "filtered": ({"f.wav": wav_bytes(filtered, 4), "g.wav": wav_bytes(filtered.astype(np.float32), 4)}, {}),
        "silence": ({"s.wav": wav_bytes(np.zeros(5000), 1)}, {"coder": "range"}),
        "records": ({"a.rhd": rhd(random, records=2, jump=99).data, "b.ns3": paused_nsx(random).data}, {}),
    }
    bases = {}
    for name, (members, options) in made.items():
        source = folder / name
        source.mkdir()
        for member, data in members.items():
            (source / member).write_bytes(data)
        bases[name] = folder / f"{name}.spk"
        limits = block_plan.BLOCK_SAMPLES, block_plan.WIDE_SAMPLES
        if name == "blocks":
            block_plan.BLOCK_SAMPLES = block_plan.WIDE_SAMPLES = 300
        try:
            spikey_cli.compress([source], bases[name], recursive=True, workers=1, **options)
        finally:
            block_plan.BLOCK_SAMPLES, block_plan.WIDE_SAMPLES = limits
        assert bases[name].stat().st_size <= 4096, f"{name}: {bases[name].stat().st_size}"
    return bases


@pytest.fixture(scope="module")
def bases(tmp_path_factory) -> dict[str, Path]:
    """Archives of at most 4 KiB, each read through every entrance once, which compiles what reading them needs."""
    folder = tmp_path_factory.mktemp("bases")
    made = make_bases(folder)
    for name, path in made.items():
        for entrance in ENTRANCES:
            (folder / f"{name}-{entrance}.spk").write_bytes(path.read_bytes())
            read_through(folder / f"{name}-{entrance}.spk", entrance)
    return made


def _open_and_read(archive: Path) -> None:
    with spikey_cli.open(archive) as recording:
        recording[:5000]


def _read_times(archive: Path) -> None:
    with ArchiveReader(archive) as reader:
        for times in times_of(reader, range(len(reader.directory.files)), 20_000.0):
            if times is not None:
                times[:5000]


def _salvage(archive: Path) -> None:
    with SalvageReader(archive) as reader:
        for i in range(len(reader.index.blocks)):
            table = reader.read_table(i)
            for _ in reader.read_streams(i, table, range(1 << 20)):
                pass


ENTRANCES: dict[str, Callable[[Path], object]] = {
    "decompress": lambda archive: spikey_cli.decompress(archive, archive.with_suffix("") / "back", workers=1),
    "verify": lambda archive: spikey_cli.verify(archive, workers=1),
    "extract": lambda archive: spikey_cli.extract(
        archive, f"{archive.with_suffix('')}/back/", seconds=(None, 0.1), workers=1
    ),
    "open": _open_and_read,
    "info": spikey_cli.info,
    "times": _read_times,
    "salvage": _salvage,
}
"""Functions of the package that read an archive."""


def read_through(archive: Path, entrance: str) -> str:
    """Read an archive: "restored", or "refused" with the class of the error."""
    folder = archive.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        ENTRANCES[entrance](archive)
    except SpikeyError as error:
        return f"refused, {type(error).__name__}" if str(error) else "no reason is given"
    assert [path.name for path in folder.iterdir()] in ([], ["back"]), "files were written outside the folder"
    return "restored"


def assert_bounded(trials: list[Trial], archive_bytes: int = 0) -> Counter[str]:
    """Assert that every trial was restored or refused within bounds, which grow with an archive beyond 4 KiB."""
    excess = max(0, archive_bytes - 4096)
    for trial in trials:
        assert trial.outcome.startswith(("restored", "refused")), trial
        assert trial.memory <= MEMORY + 32 * excess, trial
        assert trial.calls <= CALLS + 25 * excess, trial
    return Counter(trial.outcome for trial in trials)


@pytest.mark.trials(60, slow=600, exhaustive=10_000)
def test_mutated_archives_are_refused_or_restored_within_bounds(bases, tmp_path, trials):
    contents = [Content.of(path) for path in bases.values()]
    entrances = [*ENTRANCES, "verify", "verify"]  # verifying decodes most

    def prepare(seed: int) -> None:
        content = contents[seed % len(contents)]
        (tmp_path / f"{seed}.spk").write_bytes(mutated(content, np.random.default_rng(seed)))

    def trial(seed: int) -> str:
        archive = tmp_path / f"{seed}.spk"
        result = read_through(archive, entrances[seed // len(contents) % len(entrances)])
        archive.unlink()
        return result

    done = run_trials(trial, range(trials), prepare=prepare, warm_up=lambda: warm_up(bases), batch=200)
    counts = assert_bounded(done)
    print(
        f"\n{trials} archives: {dict(counts)}; at most {max(t.memory for t in done) / 2**20:.1f} MiB and "
        f"{max(t.calls for t in done):,} calls"
    )
    assert sum(n for outcome, n in counts.items() if outcome.startswith("refused")) > trials // 2
    assert counts["restored"] > trials // 50


def warm_up(bases: dict[str, Path]) -> None:
    """Load libraries and models in a forked process, so that trials are not charged for it."""
    for name in ("peers", "range"):
        spikey_cli.verify(bases[name], workers=1)


def _constant(folder: Path, coder: str, frames: int, width: int, model: Predictor | None = None) -> Content:
    """An archive of constant samples, in parts of maximum length."""
    (folder / "s.wav").write_bytes(wav_bytes(np.full(frames, 7), width))
    kept = block_plan.PART_FRAMES
    block_plan.PART_FRAMES = 1 << 22
    try:
        spikey_cli.compress(
            [folder / "s.wav"],
            folder / "s.spk",
            coder=Encoding(coder, model, embed_model=model is not None),
            workers=1,
        )
    finally:
        block_plan.PART_FRAMES = kept
    return Content.of(folder / "s.spk")


def _small(folder: Path) -> Content:
    return _constant(folder, "range", 3000, 2)


def _with_model(content: Content, model: bytes) -> Content:
    content.directory = replace(content.directory, model=model)
    content.start = content.start[:12] + hashlib.sha256(model).digest()[:8]
    return content


def _with_channels(
    content: Content, channels: int, frames: int, peers: int, *, lag: int = 0, steps: int = 1
) -> Content:
    """One file of many channels, each with so many peers, and with streams that hold nothing."""
    pairs = [(i, i + gap, 200) for gap in range(1, peers // 2 + 1) for i in range(channels - gap)]
    layout = Layout(b"", b"", 1, channels, 1, frames)
    files = (FileEntry("s.wav", layout.file_bytes, layout),)
    topology = topology_of_pairs(pairs, [i % 16 for i in range(channels)], [lag] * channels, [32] * channels)
    content.directory = Directory(files, topology)
    content.blocks = [(steps, [Part(0, 0, frames)], [[(1, b"\0\0")] * channels])] if frames else []
    return content


def _with_palettes(folder: Path) -> bytes:
    parts = _small(folder).parts()
    parts.directory = directory_bomb(4 << 20)
    parts.index += bytes(4 << 10)  # room for the checksums of its files
    return parts.pack()


def _with_files(folder: Path) -> bytes:
    content = _small(folder)
    files = tuple(FileEntry(f"{i:x}", 0) for i in range(60_000))
    content.directory = Directory((*content.directory.files, *files), content.directory.topology)
    content.crcs += (0,) * len(files)
    return content.parts().pack()


def _with_fields(folder: Path, fields: int, records: int) -> bytes:
    """A file of records of so many kept numbers, each a field of its own, and each record in a part of its own."""
    content, layout = _small(folder), RecordLayout(b"", b"", records, (), (Field(1),) * fields)
    content.directory = Directory(record_entries("r", layout, ()), Topology.independent(0))
    parts = [Part(0, fields * i, fields) for i in range(records)]
    stream = (int(Method.NUMBERS), pack_numbers(bytes(fields), layout.kept))
    content.blocks = [(0, parts, [[stream]] * records)]
    return content.parts().pack()


def _with_lanes(folder: Path, steps: int) -> bytes:
    content = _constant(folder, "range", 131_072, 1)
    content.blocks[0] = (steps, *content.blocks[0][1:])
    return content.parts().pack()


def _with_steps(folder: Path, model: bytes | None) -> bytes:
    """Lanes of 2**22 steps."""
    content = _constant(folder, "range", 1 << 22, 1)
    content.blocks[0] = (1 << 22, *content.blocks[0][1:])
    return (_with_model(content, model) if model else content).parts().pack()


def _xz(folder: Path) -> bytes:
    (folder / "z").write_bytes(bytes(16 << 20))
    spikey_cli.compress([folder / "z"], folder / "z.spk", workers=1)
    return (folder / "z.spk").read_bytes()


def _stamps(folder: Path) -> bytes:
    """Time stamps of which each is a jump, beside silence."""
    n_frames = (16 << 20) // 10 - 4096
    write_intan_folder(folder / "run", by_channel=False)
    for path in (folder / "run").glob("*.dat"):
        path.unlink()
    (folder / "run" / "amplifier.dat").write_bytes(bytes(6 * n_frames))
    (3 * np.arange(n_frames, dtype="<i4")).tofile(folder / "run" / "time.dat")
    spikey_cli.compress([folder / "run"], folder / "run.spk", recursive=True, workers=1, coder="range")
    return (folder / "run.spk").read_bytes()


def _field(number: int, data: bytes) -> bytes:
    return joined([number << 3 | 2, len(data), data])


def _model_of(graph: bytes) -> bytes:
    return _field(7, graph)


BOMBS: dict[str, Callable[[Path], bytes]] = {
    **{
        f"silence, {coder}, {8 * width} bits": lambda folder, coder=coder, width=width: (
            _constant(folder, coder, (16 << 20) // width - 64 if width > 1 else 8 << 20, width).parts().pack()
        )
        for coder in ("range", "huffman")
        for width in (1, 2, 3)
    },
    "directory of palettes": _with_palettes,
    "60,000 files": _with_files,
    "65,535 channels without frames": lambda folder: _with_channels(_small(folder), 65_535, 0, 4).parts().pack(),
    "65,535 channels of one frame": lambda folder: _with_channels(_small(folder), 65_535, 1, 0).parts().pack(),
    "600 channels of 6000 frames": lambda folder: _with_channels(_small(folder), 600, 6000, 4).parts().pack(),
    "600 channels with long lags": lambda folder: (
        _with_channels(_small(folder), 600, 600, 0, lag=4096, steps=100).parts().pack()
    ),
    "300 channels together with long lags": lambda folder: (
        _with_channels(_small(folder), 300, 100, 16, lag=4096, steps=100).parts().pack()
    ),
    "records of 65,000 fields": lambda folder: _with_fields(folder, 65_000, 25),
    "lanes of one step": lambda folder: _with_lanes(folder, 1),
    "lanes of eight steps": lambda folder: _with_lanes(folder, 8),
    "one lane": lambda folder: _with_steps(folder, None),
    "one lane, a recurrent model": lambda folder: _with_steps(folder, random_model(**PARTS["recurrent"])),
    "a wide model": lambda folder: (
        _with_model(_constant(folder, "range", 1 << 20, 1), random_model(window=2000)).parts().pack()
    ),
    "a wide latent": lambda folder: (
        _with_model(_constant(folder, "range", 1 << 20, 1), random_model(window=8, latent=4000)).parts().pack()
    ),
    "verbatim zeros": _xz,
    "jumps of time": _stamps,
    "a tensor of many dimensions": lambda folder: (
        _with_model(_small(folder), _model_of(_field(5, _field(1, b"\xff" * 8 + b"\x7f" + b"\x7f" * 900_000))))
        .parts()
        .pack()
    ),
    "a tensor in many pieces": lambda folder: (
        _with_model(_small(folder), _model_of(_field(5, _field(4, b"1234") * 160_000))).parts().pack()
    ),
    "many operators": lambda folder: (
        _with_model(
            _small(folder), _model_of(_field(1, _field(1, b"x") + _field(2, b"y") + _field(4, b"Floor")) * 50_000)
        )
        .parts()
        .pack()
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_bombs_stay_within_bounds(name, bases, tmp_path):
    """Archives whose few bytes demand the maximum of some resource."""
    archive = tmp_path / "bomb.spk"
    archive.write_bytes(BOMBS[name](tmp_path))

    done = run_trials(
        lambda i: read_through(archive, ("verify", "open", "info", "times", "salvage")[i]),
        range(5),
        warm_up=lambda: warm_up(bases),
    )
    counts = assert_bounded(done, archive.stat().st_size)
    print(f"\n{name}, {archive.stat().st_size} bytes: {dict(counts)}; {done}")


CLAIMS = [1 << 25, 1 << 40, 1 << 56]


@pytest.mark.parametrize("frames", CLAIMS)
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_claims_are_refused_before_memory_is_allocated(frames, entrance, tmp_path):
    content = _small(tmp_path)
    layout = replace(content.directory.files[0].layout, n_frames=frames)
    entry = content.directory.files[0]._replace(layout=layout, size=layout.file_bytes)
    content.directory = replace(content.directory, files=(entry,))
    steps, _, streams = content.blocks[0]
    content.blocks = [(steps, [Part(0, 0, frames)], streams)]
    archive = tmp_path / "claims.spk"
    archive.write_bytes(content.parts().pack())
    tracemalloc.start()
    try:
        with pytest.raises(SpikeyError, match=r"claim to hold|exceeds the memory limit"):
            ENTRANCES[entrance](archive)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_numbers_beyond_the_format_are_refused(tmp_path):
    """2**60 frames in the directory."""
    content = _small(tmp_path)
    names, table = directory_tables(content.directory)
    table.fields[3:5], table.tail[0] = [0, [1 << 60]], b""  # the column of frames, without low bits
    parts = content.parts()
    parts.directory = names.packed() + packed_table(table)
    archive = tmp_path / "claims.spk"
    archive.write_bytes(parts.pack())
    with pytest.raises(SpikeyError, match=r"above the maximum"):
        spikey_cli.verify(archive)


def test_many_fields_of_records_are_refused_before_they_are_joined(tmp_path):
    archive = tmp_path / "fields.spk"
    archive.write_bytes(_with_fields(tmp_path, 20_000, 30))
    for entrance in ("verify", "decompress"):
        with pytest.raises(SpikeyError, match="longer to decode"):
            ENTRANCES[entrance](archive)
    assert calls_of(lambda: spikey_cli.info(archive)) < 30 * 20_000


def test_channels_of_groups_are_counted_before_their_quantizers_are_read(tmp_path):
    archive, n_groups = tmp_path / "groups.spk", 4
    groups, fields = ((Group(SampleType(1), 1, 1),) * n_groups, tuple(Field(65_535, i) for i in range(n_groups)))
    layout = RecordLayout(b"", b"", 1, groups, fields)
    quantizer = ByChannel([UniformQuantizer("step", 0, 1, 2)] * 65_535)
    content = _small(tmp_path)
    entries = record_entries("r", layout, [(quantizer, None)] * n_groups)
    content.directory, content.blocks = Directory(entries, Topology.independent(0)), []
    archive.write_bytes(content.parts().pack())

    def refused() -> None:
        with pytest.raises(SpikeyError, match="262140 channels, which exceeds the memory limit"):
            spikey_cli.info(archive)

    assert calls_of(refused) < 5000


def test_limits_can_be_raised_and_lowered(tmp_path):
    archive = tmp_path / "s.spk"
    _constant(tmp_path, "range", 1 << 20, 1)
    with pytest.raises(SpikeyError, match=r"Limits.expansion"):
        spikey_cli.verify(archive, limits=Limits(expansion=100))
    for limits in (Limits(expansion=1 << 20), Limits(memory=1 << 30, expansion=1 << 20)):
        assert spikey_cli.verify(archive, limits=limits).files == 1
        assert spikey_cli.info(archive, limits=limits)["samples"] == 1 << 20
        with spikey_cli.open(archive, limits=limits) as recording:
            assert (recording[-10:] == 7).all()
    with pytest.raises(SpikeyError, match=r"Limits.memory"):
        spikey_cli.decompress(archive, tmp_path / "back", limits=Limits(memory=1 << 20, expansion=1 << 20))
    result = CliRunner().invoke(main, ["test", "--max-expansion", "100", str(archive)])
    assert result.exit_code == 1
    assert "--max-expansion" in result.output
    for words in (["test", "-q"], ["info"], ["decompress", "-q"]):
        folder = [str(tmp_path / "back")] if words[0] == "decompress" else []
        result = CliRunner().invoke(main, [*words, "--max-expansion", "1000000", str(archive), *folder])
        assert result.exit_code == 0, result.output
    result = CliRunner().invoke(main, ["test", "--memory", "1", "--max-expansion", "1000000", str(archive)])
    assert result.exit_code == 1
    assert "--memory" in result.output


def test_the_search_for_blocks_is_bounded(tmp_path):
    """Each of many block marks claims a large table."""
    archive = tmp_path / "s.spk"
    content = _small(tmp_path)
    whole = archive.read_bytes()
    with SalvageReader(archive) as reader:
        mark = whole[reader.first_block : reader.first_block + 12]
        front = whole[: reader.first_block]
    count = 100_000
    archive.write_bytes(front + (mark + (0).to_bytes(4, "little") + (1 << 20).to_bytes(4, "little") + bytes(8)) * count)

    def search() -> None:
        with SalvageReader(archive) as reader:
            assert not reader.index.blocks

    assert calls_of(search) < 100 * count
    assert content.blocks
