"""Blocks on a Dask cluster: the archive does not depend on the cluster or on failures of its workers."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support import worker_faults
from support.cluster_harness import FRAMES, ClusterHarness, left_in, write_sources
from support.optional import deferred

import spikey_cli
from spikey_cli.api import compress as compressor
from spikey_cli.codec import block_plan, blocks
from spikey_cli.codec.scan import scan
from spikey_cli.container.directory import FileEntry
from spikey_cli.core.coders import CODERS
from spikey_cli.core.quantizer import N1
from spikey_cli.errors import ClusterError, InputError
from spikey_cli.model.predictor import default_predictor
from spikey_cli.system.workers import Workers

dask = deferred("dask")
distributed = deferred("distributed")
integration = deferred("spikey_cli.integrations.dask", needs="distributed")

SMALL_BLOCK = 1 << 16


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> list[Path]:
    return write_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(autouse=True)
def many_blocks(monkeypatch):
    monkeypatch.setattr(block_plan, "BLOCK_SAMPLES", SMALL_BLOCK)
    monkeypatch.setattr(block_plan, "WIDE_FRAMES", 1 << 13)


@pytest.fixture
def independent(sources, tmp_path) -> bytes:
    """The archive of all sources that this process writes."""
    spikey_cli.compress(sources, tmp_path / "alone.spk", workers=1)
    with spikey_cli.container.archive.ArchiveReader(tmp_path / "alone.spk") as reader:
        assert len(reader.index.blocks) == 6
    return (tmp_path / "alone.spk").read_bytes()


@pytest.fixture
def harness(tmp_path) -> Iterator[ClusterHarness]:
    (tmp_path / "cluster").mkdir()
    made = ClusterHarness(tmp_path / "cluster")
    yield made
    made.end()


@pytest.fixture(scope="module")
def local() -> Iterator[integration.Cluster]:
    with integration.open_cluster(workers=2) as cluster:
        yield cluster


@pytest.mark.slow
class TestSameResults:
    def test_archive(self, sources, independent, local, tmp_path):
        reported: list[tuple[int, int]] = []
        done = spikey_cli.compress(
            sources,
            tmp_path / "o.spk",
            workers=local,
            progress=lambda now, total, ratio=None: reported.append((now, total)),
        )
        assert done.files == len(sources)
        assert (tmp_path / "o.spk").read_bytes() == independent
        assert reported == sorted(reported)
        assert len(reported) == 12
        assert reported[-1][0] == reported[-1][1]

    @pytest.mark.parametrize("coder", ["range", "huffman"])
    def test_archives_of_other_coders(self, sources, local, tmp_path, coder):
        for name, cluster in (("a.spk", None), ("b.spk", local)):
            spikey_cli.compress(sources, tmp_path / name, coder=coder, workers=cluster)
        assert (tmp_path / "a.spk").read_bytes() == (tmp_path / "b.spk").read_bytes()

    def test_files_are_restored(self, sources, independent, local, tmp_path):
        spikey_cli.decompress(tmp_path / "alone.spk", tmp_path / "out", workers=local)
        assert left_in(tmp_path / "out") == sorted(path.name for path in sources)
        for path in sources:
            assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()

    def test_damage_is_detected(self, independent, local, tmp_path):
        (tmp_path / "alone.spk").write_bytes(independent[:4000] + bytes([independent[4000] ^ 1]) + independent[4001:])
        reported = []
        for cluster in (None, local):
            with pytest.raises(spikey_cli.ArchiveError) as raised:
                spikey_cli.verify(tmp_path / "alone.spk", workers=cluster)
            reported.append(str(raised.value))
        assert reported[0] == reported[1]

    @pytest.mark.parametrize(("threads", "blocks_ahead"), [(None, 5), (1, 3)])
    def test_blocks_read_ahead_are_limited(self, sources, local, tmp_path, monkeypatch, threads, blocks_ahead):
        ahead, most = 0, []
        read, add = compressor.read_block, compressor.ArchiveWriter.add_block

        def counting_read(*arguments):
            nonlocal ahead
            ahead += 1
            most.append(ahead)
            return read(*arguments)

        def counting_add(*arguments):
            nonlocal ahead
            ahead -= 1
            return add(*arguments)

        monkeypatch.setattr(compressor, "read_block", counting_read)
        monkeypatch.setattr(compressor.ArchiveWriter, "add_block", counting_add)
        with integration.open_cluster(local.pool._client, workers=threads) as cluster:
            spikey_cli.compress(sources, tmp_path / "o.spk", workers=cluster)
        assert max(most) == blocks_ahead

    def test_dask_arrays_are_computed_on_the_cluster(self, independent, sources, harness, tmp_path, monkeypatch):
        da = pytest.importorskip("dask.array")
        harness.add_worker()
        monkeypatch.chdir(tmp_path)
        names = [path.name for path in sources[:4]]
        with (
            spikey_cli.open("alone.spk", channels=names) as recording,
            distributed.Client(harness.address, set_as_default=False) as client,
        ):
            lazy = da.from_array(recording, chunks=(5000, 4))
            sums = client.compute(lazy.astype("i8").sum(axis=0)).result()
            np.testing.assert_array_equal(sums, recording[:].astype("i8").sum(axis=0))


@pytest.mark.slow
def test_workers_may_join(harness):
    harness.add_worker()
    with integration.open_cluster(harness.address, patience=3600) as cluster:
        assert cluster.max_pending == 2
        harness.add_worker()
        cluster.pool._client.wait_for_workers(2)
        cluster.pool._check_workers()
        assert cluster.max_pending == 4


@pytest.mark.slow
class TestDyingWorkers:
    def test_one_dies_while_coding_a_block(self, sources, independent, harness, tmp_path, monkeypatch):
        mark = tmp_path / "cluster" / "killed"
        for _ in range(2):
            harness.add_worker(**{worker_faults.MARK: str(mark)})
        monkeypatch.setattr(compressor, "encode_block", worker_faults.die_once)
        with integration.open_cluster(harness.address, patience=3600) as cluster:
            spikey_cli.compress(sources, tmp_path / "o.spk", workers=cluster)
        assert mark.exists()
        assert (tmp_path / "o.spk").read_bytes() == independent

    def test_one_is_restarted_by_its_nanny(self, sources, independent, tmp_path, monkeypatch):
        mark = tmp_path / "killed"
        monkeypatch.setenv(worker_faults.MARK, str(mark))
        monkeypatch.setattr(compressor, "encode_block", worker_faults.die_once)
        with integration.open_cluster(workers=1) as cluster:
            spikey_cli.compress(sources, tmp_path / "o.spk", workers=cluster)
        assert mark.exists()
        assert (tmp_path / "o.spk").read_bytes() == independent

    def test_all_die(self, sources, harness, tmp_path, monkeypatch):
        for _ in range(2):
            harness.add_worker()
        monkeypatch.setattr(compressor, "encode_block", worker_faults.die)
        with integration.open_cluster(harness.address, patience=3600) as cluster:
            monkeypatch.setattr(cluster.pool, "_patience", 1.0)
            with pytest.raises(
                ClusterError, match=r"tcp://.*: has had no workers for 1 s; start some with `dask worker"
            ):
                spikey_cli.compress(sources, tmp_path / "o.spk", workers=cluster)
        assert left_in(tmp_path) == []

    def test_several_die_with_the_same_block(self, sources, tmp_path, monkeypatch):
        monkeypatch.setattr(compressor, "encode_block", worker_faults.die)
        with (
            dask.config.set({"distributed.scheduler.allowed-failures": 0}),
            integration.open_cluster(workers=1) as cluster,
            pytest.raises(
                ClusterError, match=r"several workers died while coding the same block .* give workers more memory"
            ),
        ):
            spikey_cli.compress(sources, tmp_path / "o.spk", workers=cluster)
        assert left_in(tmp_path) == []

    @pytest.mark.parametrize("command", ["compress", "decompress"])
    def test_the_scheduler_dies(self, sources, independent, harness, tmp_path, command):
        archive, target = tmp_path / "alone.spk", tmp_path / "out"
        target.mkdir()
        harness.add_worker()

        def run(cluster: integration.Cluster) -> None:
            options = {"workers": cluster, "progress": lambda *_: harness.kill_scheduler()}
            if command == "compress":
                spikey_cli.compress(sources, target / "o.spk", **options)
            else:
                spikey_cli.decompress(archive, target, **options)

        with (
            integration.open_cluster(harness.address, patience=3600) as cluster,
            pytest.raises(ClusterError, match="the connection to the scheduler is lost"),
        ):
            run(cluster)
        assert left_in(target) == []


@pytest.mark.slow
class TestUnusableWorkers:
    def test_another_release(self, harness, monkeypatch):
        harness.add_worker()
        monkeypatch.setattr(spikey_cli, "__version__", "9.9.9")
        with (
            pytest.raises(ClusterError, match=r"has 0\..*, and this is 9.9.9; install spikey-cli 9.9.9 there"),
            integration.open_cluster(harness.address, patience=3600),
        ):
            pass

    def test_another_release_that_joins_later(self, sources, local, tmp_path, monkeypatch):
        monkeypatch.setattr(spikey_cli, "__version__", "9.9.9")
        with pytest.raises(ClusterError, match=r"tcp://.*: has spikey-cli 0\..*, and the client has 9.9.9; install"):
            spikey_cli.compress(sources, tmp_path / "o.spk", workers=local)
        assert left_in(tmp_path) == []

    @pytest.fixture
    def broken_path(self, tmp_path) -> str:
        """A module path on which spikey-cli cannot be imported."""
        (tmp_path / "broken" / "spikey_cli").mkdir(parents=True)
        (tmp_path / "broken" / "spikey_cli" / "__init__.py").write_text("raise ImportError('there is none')\n")
        return str(tmp_path / "broken")

    def test_workers_without_spikey(self, harness, broken_path):
        harness.add_worker(PYTHONPATH=broken_path)
        with (
            pytest.raises(
                ClusterError, match=r"tcp://.* cannot import spikey-cli \(.*there is none.*\), .* install spikey-cli"
            ),
            integration.open_cluster(harness.address, patience=3600),
        ):
            pass

    def test_a_worker_without_a_required_package(self, sources, local, tmp_path, monkeypatch):
        monkeypatch.setattr(compressor, "encode_block", worker_faults.lack_a_package)
        with pytest.raises(
            ClusterError, match=r"a worker cannot import spikey-cli \(No module named 'nomba'\); .* pip"
        ):
            spikey_cli.compress(sources, tmp_path / "o.spk", workers=local)
        assert left_in(tmp_path) == []

    def test_a_scheduler_without_spikey(self, broken_path, tmp_path):
        made = ClusterHarness(tmp_path, PYTHONPATH=broken_path)
        try:
            made.add_worker()
            with (
                pytest.raises(ClusterError, match=r"the scheduler cannot import spikey-cli \(.*there is none"),
                integration.open_cluster(made.address, patience=3600),
            ):
                pass
        finally:
            made.end()

    def test_a_failing_self_test(self, sources, local, tmp_path, monkeypatch):
        monkeypatch.setattr(compressor, "encode_block", worker_faults.fail_the_self_test)
        with pytest.raises(ClusterError, match=r"tcp://.*: the self-test .* or take that worker out of the cluster"):
            spikey_cli.compress(sources, tmp_path / "o.spk", workers=local)
        assert left_in(tmp_path) == []


class TestMissingClusters:
    @pytest.mark.slow
    def test_no_scheduler_answers(self, monkeypatch):
        monkeypatch.setattr(integration, "_CONNECT_TIMEOUT", 0.5)
        with (
            pytest.raises(ClusterError, match=r"127.0.0.1:1: no Dask scheduler answers .* check the address"),
            integration.open_cluster("127.0.0.1:1"),
        ):
            pass

    @pytest.mark.slow
    def test_no_worker_joins(self, harness):
        with (
            pytest.raises(ClusterError, match="has no workers; start some with `dask worker tcp://"),
            integration.open_cluster(harness.address, patience=0.5),
        ):
            pass

    def test_dask_is_missing(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "distributed", None)
        monkeypatch.delitem(sys.modules, "spikey_cli.integrations.dask")
        with pytest.raises(spikey_cli.errors.MissingPackageError, match="pip install dask distributed"):
            __import__("spikey_cli.integrations.dask")


@pytest.mark.slow
def test_a_source_that_changes_while_it_is_read(sources, local, tmp_path, monkeypatch):
    others = [path for i, path in enumerate(sources) if i != worker_faults.HIT]
    spikey_cli.compress(others, tmp_path / "a.spk")
    monkeypatch.setattr(compressor, "encode_block", worker_faults.find_it_changed)
    left_out = sources[worker_faults.HIT]
    # the fault hits the file at this position
    paths = [*others[:3], left_out, *others[3:]]
    with pytest.raises(InputError, match=f"{left_out.name}: changed while it was read; compress it again"):
        spikey_cli.compress(paths, tmp_path / "b.spk", workers=local)
    assert left_in(tmp_path) == ["a.spk"]


def test_blocks_are_sent_without_overhead(sources):
    scanned = [scan(source) for source in sources[:4]]
    directory = blocks.Directory(
        tuple(FileEntry(s.name, s.size, s.layout, s.quantizer) for s in scanned),
        compressor.find_sessions(scanned)[0],
    )
    parts = [blocks.Part(i, 0, FRAMES) for i in range(4)]
    one = Workers(None, 1)
    block = blocks.read_block(scanned, [blocks.FileDigest() for _ in scanned], directory, parts, one)
    encode = partial(blocks.encode_block, coder=CODERS["range"], predictor=default_predictor(), workers=one)
    data = sum(map(len, block.pieces))
    parcel = integration.Parcel.of(block)
    assert parcel.buffers.size == data
    assert len(parcel.pickled) < 1500
    assert len(pickle.dumps(encode)) < len(default_predictor().onnx) + 500
    _, copy = pickle.loads(pickle.dumps((encode, block)))
    assert copy.formats[0].quantizer is N1
    assert encode(copy).streams == encode(block).streams


def test_parcels():
    part = blocks.RestoredPart(blocks.Part(1, 2, 3), bytearray(range(100)) * 1000, [4])
    content = {"part": part, "none": blocks.RestoredPart(blocks.Part(1, 5, 0), b"", []), "array": np.arange(5)}
    parcel = integration.Parcel.of(content)
    assert parcel.sizes == [100_000, 0, 40]
    assert len(parcel.pickled) < 1000
    others = [pickle.loads(pickle.dumps(content, protocol)) for protocol in (4, 5)]
    for copy in (parcel.opened(), pickle.loads(pickle.dumps(parcel)).opened(), *others):
        assert copy["part"].part == part.part
        assert copy["part"].data == part.data
        assert copy["part"].lost == [4]
        assert copy["none"].data == b""
        np.testing.assert_array_equal(copy["array"], np.arange(5), strict=True)
