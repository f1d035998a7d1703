"""Archives at URLs: on an HTTP server and in S3, both on this machine."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
from unittest import mock

import numpy as np
import pytest
from support.command import run
from support.optional import deferred
from support.web_server import WebServer

import spikey_cli
from spikey_cli.codec import block_plan
from spikey_cli.system import remote
from spikey_cli.system.remote import BLOCK_BYTES

deferred("aiohttp", needs="aiohttp")
deferred("matplotlib")

CHANNELS, FRAMES, RATE = 8, 200_000, 20_000
BLOCK_SAMPLES = CHANNELS * FRAMES // 8


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    noise = np.random.default_rng(23).normal(scale=2000, size=(FRAMES, CHANNELS))
    return noise.astype(np.int16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, samples):
    """A folder with an archive of some megabytes, in eight blocks."""
    folder = tmp_path_factory.mktemp("remote")
    source = spikey_cli.ArraySource(samples, "probe.npy", RATE)
    with mock.patch.multiple(block_plan, BLOCK_SAMPLES=BLOCK_SAMPLES, WIDE_SAMPLES=BLOCK_SAMPLES):
        spikey_cli.compress([source], folder / "a.spk", coder=spikey_cli.Encoding(preset="fast"), verify=False)
    encoder = spikey_cli.StreamEncoder(2, RATE)
    (folder / "live.spk").write_bytes(encoder.push(samples[:5000, :2]) + encoder.finish())
    return folder


@pytest.fixture
def server(folder):
    remote._cache.clear()
    with WebServer(folder) as server:
        yield server


@pytest.fixture
def size(folder) -> int:
    return (folder / "a.spk").stat().st_size


def test_a_small_range_reads_a_small_share(server, samples, size):
    with spikey_cli.open(f"{server.url}/a.spk") as recording:
        assert recording.shape == (FRAMES, CHANNELS)
        opened = server.sent
        assert opened <= 4 * BLOCK_BYTES, "beginning and end"
        assert (recording[120_000:120_200, 3] == samples[120_000:120_200, 3]).all()
        assert server.sent - opened < size / 8
        assert server.requests < 10


def test_the_command_reads_a_small_share(server, samples, size, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = f"{server.url}/a.spk"
    assert f"{url}: Spikey archive" in run("info", url)
    assert server.sent <= 4 * BLOCK_BYTES
    run("extract", "--start", 5, "--stop", 5.01, "--channel", "probe.npy:3", url, "piece.npy")
    assert (np.load("piece.npy")[:, 0] == samples[5 * RATE : 5 * RATE + 200, 3]).all()
    assert server.sent < size / 4
    run("plot", "--start", 5, "--stop", 5.01, "--channel", "probe.npy:3", url)
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert server.sent < size / 4


def test_the_whole_archive(server, samples, size, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = f"{server.url}/a.spk"
    assert "OK" in run("test", url)
    assert server.sent < 1.1 * size
    assert f"{url}: 1 file" in run("decompress", url)
    assert (np.load("a/probe.npy") == samples).all()
    assert "a: exists already; name the folder to restore a.spk to (--out)" in run("decompress", url, status=1)


def test_a_live_stream(server, samples, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = f"{server.url}/live.spk"
    assert f"{url}: Spikey live stream" in run("info", url)
    assert "5,000 frames decoded and compared: OK" in run("test", url)
    run("decompress", url)
    assert (tmp_path / "live" / "live.raw").read_bytes() == samples[:5000, :2].tobytes()


def test_errors_name_the_url_and_not_its_secrets(server, tmp_path):
    url = f"{server.url}/absent.spk?signature=secret"
    for command in ("info", "test", "plot"):
        printed = run(command, url, status=1)
        assert printed == f"spikey: {server.url}/absent.spk?...: cannot read: there is no such file; check the URL\n"
    assert "there is no such file" in run("extract", url, tmp_path / "piece.npy", status=1)
    assert "there is no such file" in run("decompress", url, tmp_path / "back", status=1)
    server.has_ranges = False
    assert "does not send ranges of files; download the file" in run("info", f"{server.url}/a.spk", status=1)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_read_or_written_at_urls(server, tmp_path):
    url = f"{server.url}/a.spk"
    for command in (
        ["compress", f"{server.url}/a.wav", tmp_path / "a.spk"],
        ["compress", tmp_path / "a.wav", "s3://bucket/a.spk"],
        ["extract", url, "s3://bucket/a.npy"],
        ["decompress", url, "s3://bucket/a"],
        ["plot", "--out", "s3://bucket/a.png", url],
        ["diff", url, "s3://bucket/a"],
    ):
        printed = " ".join(run(*command, status=2).split())
        assert "is a URL; archives are read at URLs, all else is read and written locally" in printed, command
    assert server.requests == 0


def test_an_archive_that_is_replaced_while_it_is_read(server, folder, samples):
    path = folder / "replaced.spk"
    path.write_bytes((folder / "a.spk").read_bytes())
    with spikey_cli.open(f"{server.url}/replaced.spk") as recording:
        spikey_cli.compress([spikey_cli.ArraySource(samples[::-1], "probe.npy", RATE)], path, force=True, verify=False)
        with pytest.raises(spikey_cli.ArchiveError, match="was changed or replaced while it was read; open it again"):
            recording[120_000:120_200, 3]


def test_damage_is_still_damage(server, folder, size):
    data = bytearray((folder / "a.spk").read_bytes())
    data[size // 2] ^= 16
    (folder / "damaged.spk").write_bytes(data)
    requests = server.requests
    printed = run("test", f"{server.url}/damaged.spk", status=1)
    assert "is damaged" in printed
    assert "replaced" not in printed
    assert server.requests > requests


def _mean(recording) -> float:
    return float(recording[150_000:150_100, 1].mean())


def test_pickled(server, samples):
    with spikey_cli.open(f"{server.url}/a.spk") as recording:
        assert repr(recording).startswith("<Recording 'a.spk': 8 channels")
        again = pickle.loads(pickle.dumps(recording))
        sent = server.sent
        assert _mean(again) == _mean(recording) == samples[150_000:150_100, 1].mean()
        assert server.sent - sent < 10 * BLOCK_BYTES, "both read once"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_workers_read(server, samples):
    """As those of SpikeInterface and Dask: the recording is inherited, and pickled."""
    expected = samples[150_000:150_100, 1].mean()
    with spikey_cli.open(f"{server.url}/a.spk") as recording:
        recording[:10]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(_mean, [recording] * 4) == [expected] * 4
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writer, str(_mean(recording)).encode())
            finally:
                os._exit(0)
        os.close(writer)
        assert float(os.read(reader, 100)) == expected
        os.close(reader)
        os.waitpid(child, 0)


@pytest.fixture(scope="module")
def bucket(folder):
    """The URL of a bucket with the archive, and the number of bytes that its server has sent."""
    pytest.importorskip("s3fs")
    server_module = pytest.importorskip("moto.server")
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, type: str, message: str, *arguments: object) -> None:
            pass

    sent = [0]
    application = server_module.DomainDispatcherApplication(server_module.create_backend_app)

    def counting(environ, start_response):
        for piece in application(environ, start_response):
            sent[0] += len(piece)
            yield piece

    server = make_server("127.0.0.1", 0, counting, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    import fsspec

    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", str(folder / "none"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
        system = fsspec.filesystem("s3")
        system.mkdir("recordings")
        system.pipe("recordings/a.spk", (folder / "a.spk").read_bytes())
        fsspec.core.get_filesystem_class("s3").clear_instance_cache()
        yield "s3://recordings", sent
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_s3(bucket, samples, size, tmp_path):
    url, sent = bucket
    before = sent[0]
    with spikey_cli.open(f"{url}/a.spk") as recording:
        assert (recording[120_000:120_200, 3] == samples[120_000:120_200, 3]).all()
        assert sent[0] - before < size / 4
    run("extract", "--start", 5, "--stop", 5.01, f"{url}/a.spk", tmp_path / "piece.npy")
    assert (np.load(tmp_path / "piece.npy") == samples[5 * RATE : 5 * RATE + 200]).all()
    assert sent[0] - before < size / 2
    assert f"{url}/b.spk: cannot read: there is no such file; check the URL" in run("info", f"{url}/b.spk", status=1)
    assert f"{url}: cannot read: " in run("info", url, status=1)


@pytest.mark.slow
def test_s3_without_credentials(bucket, monkeypatch):
    import fsspec

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    fsspec.core.get_filesystem_class("s3").clear_instance_cache()
    printed = run("info", f"{bucket[0]}/a.spk", status=1)
    assert "a.spk: cannot read: no credentials were found; set AWS_ACCESS_KEY_ID and" in printed
    fsspec.core.get_filesystem_class("s3").clear_instance_cache()


@pytest.mark.slow
def test_s3_object_that_is_replaced(bucket, folder, samples):
    import fsspec

    url, system = f"{bucket[0]}/replaced.spk", fsspec.filesystem("s3")
    system.pipe(url, (folder / "a.spk").read_bytes())
    with spikey_cli.open(url) as recording:
        system.pipe(url, (folder / "a.spk").read_bytes()[::-1])
        with pytest.raises(spikey_cli.ArchiveError, match="was changed or replaced while it was read; open it again"):
            recording[120_000:120_200, 3]
