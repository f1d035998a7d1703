"""Files at URLs: what is read of them, and what goes wrong."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from support.optional import deferred
from support.paths import ROOT
from support.web_server import WebServer

from spikey_cli.errors import ArchiveError, MissingPackageError
from spikey_cli.system import remote
from spikey_cli.system.remote import BLOCK_BYTES, CACHE_BYTES, MAX_AHEAD_BYTES, RemoteFile, is_url, local_path, location

deferred("aiohttp", needs="aiohttp")
fsspec = deferred("fsspec")

N_BLOCKS = 40
SIZE = N_BLOCKS * BLOCK_BYTES - 1000


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> bytes:
    return os.urandom(SIZE)


@pytest.fixture
def server(tmp_path, data):
    (tmp_path / "a.bin").write_bytes(data)
    remote._cache.clear()
    with WebServer(tmp_path) as server:
        yield server


@pytest.fixture
def file(server):
    with RemoteFile(f"{server.url}/a.bin") as file:
        yield file


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("https://host/a.spk", True),
        ("s3://bucket/a.spk", True),
        ("simplecache::s3://bucket/a.spk", True),
        ("a.spk", False),
        ("/https:/host/a.spk", False),
        ("C:\\a.spk", False),
    ],
)
def test_urls_are_told_from_paths(path, expected):
    assert is_url(path) == expected


def test_names_of_urls():
    url = "https://me:secret@host/folder/a.spk?signature=secret"
    assert location(url) == "https://host/folder/a.spk?..."
    assert str(local_path(url)) == "a.spk"
    assert str(location("folder//a.spk")) == os.path.join("folder", "a.spk")


def test_only_the_blocks_that_are_needed_are_read(server, file, data):
    assert file.size == SIZE
    assert server.sent == 0
    at = 7 * BLOCK_BYTES - 10
    assert file.read_at(at, 20) == data[at : at + 20]
    assert server.sent == 2 * BLOCK_BYTES
    requests = server.requests
    assert file.read_at(at - 100, 200) == data[at - 100 : at + 100]
    assert (server.sent, server.requests) == (2 * BLOCK_BYTES, requests), "they are kept"
    assert file.read_at(SIZE - 5, 10) == data[-5:]
    assert file.read_at(SIZE + 5, 10) == b""


def test_a_file_that_is_read_through_takes_few_requests(server, file, data):
    requests = server.requests
    assert b"".join(file.read_at(at, 1000) for at in range(0, SIZE, 1000)) == data
    assert server.sent == SIZE
    assert server.requests - requests < N_BLOCKS / 4


def test_reading_ahead_is_bounded(server, file, monkeypatch):
    monkeypatch.setattr(remote, "MAX_AHEAD_BYTES", 4 * BLOCK_BYTES)
    for block in range(20):
        file.read_at(block * BLOCK_BYTES, 1)
        assert server.sent <= (block + 5) * BLOCK_BYTES
    assert MAX_AHEAD_BYTES < CACHE_BYTES


def test_gaps_between_blocks_in_memory_are_read(server, file, data):
    for block in (3, 5):
        file.read_at(block * BLOCK_BYTES, 1)
    assert file.read_at(2 * BLOCK_BYTES, 5 * BLOCK_BYTES) == data[2 * BLOCK_BYTES : 7 * BLOCK_BYTES]
    assert server.sent == 5 * BLOCK_BYTES


def test_memory_is_bounded(server, file, data, monkeypatch):
    monkeypatch.setattr(remote, "CACHE_BYTES", 3 * BLOCK_BYTES)
    assert file.read_at(0, SIZE) == data
    assert remote._cache._bytes <= 3 * BLOCK_BYTES
    assert len(remote._cache._blocks) == 3


def test_readers_share_blocks_if_the_server_tells_versions_apart(server, file, data):
    file.read_at(0, 1)
    with RemoteFile(f"{server.url}/a.bin") as other:
        assert other.read_at(5, 5) == data[5:10]
    assert server.sent == BLOCK_BYTES
    (server.folder / "a.bin").write_bytes(data[::-1])
    with RemoteFile(f"{server.url}/a.bin") as other:
        assert other.read_at(5, 5) == data[::-1][5:10]
    server.tells_versions = False
    for _ in range(2):
        with RemoteFile(f"{server.url}/a.bin") as other:
            assert other.read_at(5, 5) == data[::-1][5:10]
    assert server.sent == 4 * BLOCK_BYTES


def test_as_a_file(file, data):
    assert file.read(10) == data[:10]
    assert file.seek(-10, os.SEEK_END) == file.tell() == SIZE - 10
    assert file.read() == data[-10:]
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read_at(0, 1)


def message(url: str) -> str:
    with pytest.raises(ArchiveError) as caught, RemoteFile(url) as file:
        file.read_at(file.size - 1, 1)
    assert str(caught.value).startswith(f"{location(url)}: cannot read: ")
    return str(caught.value).removeprefix(f"{location(url)}: cannot read: ")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (404, "there is no such file; check the URL"),
        (401, "access is denied; check the credentials and the URL"),
        (403, "access is denied; check the credentials and the URL"),
        (503, "the server answered 503 Service Unavailable; try again later"),
    ],
)
def test_answers_that_are_no_file(server, status, expected):
    server.status = status
    assert message(f"{server.url}/a.bin") == expected


def test_a_server_without_ranges(server):
    server.has_ranges = False
    expected = "the server does not send ranges of files; download the file, or use a server that does"
    assert message(f"{server.url}/a.bin") == expected


def test_a_server_that_is_not_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/a.bin"
        assert "refused" in message(url) or "Connect call failed" in message(url)
        assert message(url).endswith("; check the URL and the network, and try again")


def test_an_unknown_kind_of_url():
    assert message("nowhere://a/b") == "fsspec does not know this kind of URL; check the URL"


@pytest.fixture
def pauses(monkeypatch):
    """Seconds that were waited before a range was asked for again; nothing waits."""
    seconds: list[float] = []
    monkeypatch.setattr(remote.time, "sleep", seconds.append)
    return seconds


def test_a_request_that_fails_is_repeated(server, file, data, pauses):
    server.fails_next = 2  # the range, and the question whether the file has changed
    assert file.read_at(0, 5000) == data[:5000]
    assert pauses == list(remote.RETRY_AFTER[:1])


def test_requests_are_repeated_some_times_only(server, file, pauses):
    server.status = 503
    with pytest.raises(ArchiveError, match="the server answered 503 Service Unavailable; try again later"):
        file.read_at(0, 5000)
    assert pauses == list(remote.RETRY_AFTER)


def test_refusals_are_not_repeated(server, file, pauses):
    server.status = 403
    with pytest.raises(ArchiveError, match="access is denied"):
        file.read_at(0, 5000)
    assert pauses == []


def test_answers_that_break_off(server, file, pauses):
    server.cuts_at = 1000
    with pytest.raises(ArchiveError, match=r"cannot read: .*; check the URL and the network, and try again"):
        file.read_at(0, 5000)
    server.cuts_at = None
    assert len(file.read_at(0, 5000)) == 5000


@pytest.mark.parametrize("grows", [100, -100, 0])
def test_a_file_that_changes(server, file, data, grows):
    file.read_at(0, 1)
    file.check_after_damage()
    (server.folder / "a.bin").write_bytes(os.urandom(SIZE + grows))
    file._was_checked = False
    with pytest.raises(ArchiveError, match="was changed or replaced while it was read; open it again"):
        file.check_after_damage()
    if grows < 0:
        with pytest.raises(ArchiveError, match="was changed or replaced while it was read; open it again"):
            file.read_at(SIZE - 1, 1)


def test_a_file_that_is_deleted(server, file):
    (server.folder / "a.bin").unlink()
    with pytest.raises(ArchiveError, match="there is no such file"):
        file.read_at(0, 1)


def test_an_empty_file(server):
    (server.folder / "empty").touch()
    with RemoteFile(f"{server.url}/empty") as file:
        assert (file.size, file.read_at(0, 10)) == (0, b"")


@pytest.mark.parametrize(("url", "packages"), [("https://host/a", "fsspec aiohttp"), ("s3://bucket/a", "fsspec s3fs")])
def test_without_the_packages(monkeypatch, url, packages):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingPackageError, match=f"{url}: URLs need .*: pip install {packages}$"):
        RemoteFile(url)


def test_a_release_of_fsspec_that_cannot_be_forked(monkeypatch):
    monkeypatch.delattr("fsspec.asyn.reset_after_fork")
    with pytest.raises(MissingPackageError, match="is too old; install 2025"):
        RemoteFile("https://host/a")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_reads(server, file, data):
    """The thread that talks to servers is not forked."""
    assert file.read_at(0, 5) == data[:5]
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if file.read_at(10 * BLOCK_BYTES, 5) == data[10 * BLOCK_BYTES :][:5] else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert file.read_at(20 * BLOCK_BYTES, 5) == data[20 * BLOCK_BYTES :][:5]


def test_nothing_imports_fsspec_before_a_url_is_opened(tmp_path):
    script = (
        "import sys, spikey_cli; spikey_cli.compress([spikey_cli.BytesSource(b'0', 'a')], 'a.spk'); "
        "spikey_cli.info('a.spk'); print('fsspec' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
