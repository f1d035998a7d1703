"""Files at a URL, of which only the ranges that are needed are read, through fsspec.

Ranges are read in whole blocks, which all readers of the process share. Reads that follow each other are answered from
larger and larger requests, so that a whole file takes few of them. Nothing here imports fsspec before a URL is opened.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NoReturn, cast

from ..errors import ArchiveError, MissingPackageError, SpikeyError
from .progress import waiting
from .random_access import RangeFile

BLOCK_BYTES = 1 << 16
"""The smallest number of bytes that is read."""
MAX_AHEAD_BYTES = 1 << 22
"""The largest number of bytes that is read ahead."""
CACHE_BYTES = 1 << 26
"""Memory for blocks that may be read again."""
RETRY_AFTER = (0.5, 2.0)
"""Seconds after which a range that did not arrive is asked for again."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(::[A-Za-z0-9+.:-]+)?://")
_PACKAGES = {"http": "aiohttp", "https": "aiohttp", "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
_VERSION_KEYS = ("size", "ETag", "etag", "Last-Modified", "LastModified", "mtime", "updated")
_CHECK_NETWORK = "check the URL and the network, and try again"


def is_url(path: object) -> bool:
    """Return whether a path is a URL, such as ``https://host/a.spk`` or ``s3://bucket/a.spk``."""
    return isinstance(path, str) and bool(_URL.match(path))


def location(path: str | os.PathLike[str]) -> str | Path:
    """Return a path as it is named in messages: a URL without password and query, any other as a `Path`."""
    if not is_url(path):
        return Path(path)
    url, query, _ = str(path).partition("?")
    return re.sub(r"(?<=://)[^/@]*@", "", url) + ("?..." if query else "")


def absolute(path: str | os.PathLike[str]) -> str:
    """Return the absolute path of a local file; a URL is returned as it is."""
    return str(path) if is_url(path) else os.path.abspath(path)


def local_path(path: str | os.PathLike[str]) -> Path:
    """Return a local path; of a URL its last part, as the name of a file in the working directory."""
    return Path(PurePosixPath(str(path).partition("?")[0]).name) if is_url(path) else Path(path)


def open_binary(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a local file or a URL for reading at any offset.

    Raises
    ------
    OSError
        A local file cannot be opened.
    ArchiveError
        A URL cannot be opened; see `RemoteFile`.
    """
    return cast(BinaryIO, RemoteFile(str(path))) if is_url(path) else open(path, "rb")


class RemoteFile(RangeFile):
    """A file at a URL. Several threads may read, and so may processes that are forked while none of them reads.

    Parameters
    ----------
    url : str
        A URL that fsspec knows. Credentials and endpoints are taken from where its package looks for them.

    Attributes
    ----------
    size : int
        Size in bytes.

    Raises
    ------
    ArchiveError
        There is no such file, it cannot be reached, or its server does not send ranges.
    MissingPackageError
        fsspec, or its package for this kind of URL, is not installed.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._lock = threading.Lock()
        self._next = -1
        self._ahead = 0
        self._was_checked = False
        info = self._open()
        self.size = _size(info, url)
        self._version = _version(info)
        # blocks are not shared if the server does not tell versions apart
        self._key: object = (url, self._version) if any(self._version[1:]) else object()

    def _open(self) -> dict[str, Any]:
        """Open the file in this process, and return what the server says of it."""
        with _translated(self._url):
            self._system, self._path = _file_system(self._url)
            self._system.invalidate_cache()  # of folders, which may tell the size that the file had before
            if self._url.startswith("http"):
                info: dict[str, Any] = self._system.info(self._path)
                options = {"size": _size(info, self._url), "headers": {"Accept-Encoding": "identity"}}
                self._file = self._system.open(self._path, "rb", cache_type="none", **options)
            else:
                self._file = self._system.open(self._path, "rb", cache_type="none")
                info = getattr(self._file, "details", None) or self._system.info(self._path)
        self._process = os.getpid()
        return info

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            with contextlib.suppress(AttributeError):  # if opening failed
                if self._process == os.getpid():
                    self._file.close()
        super().close()

    def read_at(self, offset: int, count: int) -> bytes:
        """Read `count` bytes at `offset`, or fewer at the end of the file.

        Raises
        ------
        ArchiveError
            The server cannot be reached, sends something else, or the file has changed.
        ValueError
            The file was closed.
        """
        if self.closed:
            raise ValueError("read of a closed file")
        stop = min(offset + count, self.size)
        if offset >= stop:
            return b""
        first, last = offset // BLOCK_BYTES, (stop - 1) // BLOCK_BYTES
        blocks = [_cache.get((self._key, block)) for block in range(first, last + 1)]
        if None in blocks:
            with self._lock:
                blocks = self._fill(first, last)
        return b"".join(cast("list[bytes]", blocks))[offset - first * BLOCK_BYTES : stop - first * BLOCK_BYTES]

    def _fill(self, first: int, last: int) -> list[bytes | None]:
        """Return blocks `first` to `last`, after reading those that are not in memory."""
        blocks = [_cache.get((self._key, block)) for block in range(first, last + 1)]
        at = first
        while at <= last:
            if blocks[at - first] is not None:
                at += 1
                continue
            stop = next((block for block in range(at, last + 1) if blocks[block - first] is not None), last + 1)
            self._ahead = min(2 * self._ahead or 1, MAX_AHEAD_BYTES // BLOCK_BYTES) if at == self._next else 0
            end = min(max(stop, at + self._ahead) * BLOCK_BYTES, self.size)
            data = memoryview(self._request(at * BLOCK_BYTES, end - at * BLOCK_BYTES))
            for start in range(0, len(data), BLOCK_BYTES):
                block = bytes(data[start : start + BLOCK_BYTES])
                _cache.put((self._key, at), block)
                if at <= last:
                    blocks[at - first] = block
                at += 1
            self._next = at
        return blocks

    def _request(self, offset: int, count: int) -> bytes:
        for seconds in RETRY_AFTER:
            with contextlib.suppress(_InterruptedError):
                return self._request_once(offset, count)
            with waiting(f"waiting for {location(self._url)}"):
                time.sleep(seconds)
        return self._request_once(offset, count)

    def _request_once(self, offset: int, count: int) -> bytes:
        if self._process != os.getpid():
            self._check_version(self._open())  # the thread that talks to the server was not forked
        try:
            with _translated(self._url):
                self._file.seek(offset)
                data: bytes = self._file.read(count)
        except SpikeyError:
            self._check_unchanged()
            raise
        if len(data) != count:
            self._check_unchanged()
            _fail_for_now(self._url, f"the server sent {len(data)} of {count} bytes that were asked for", "try again")
        return data

    def check_after_damage(self) -> None:
        """Raise ArchiveError if the file has changed since it was opened: that is why its parts do not fit together."""
        if not self._was_checked:
            self._was_checked = True
            self._check_unchanged()

    def _check_unchanged(self) -> None:
        with _translated(self._url):
            self._system.invalidate_cache()
            self._check_version(self._system.info(self._path))

    def _check_version(self, info: dict[str, Any]) -> None:
        if _version(info) != self._version:
            _fail(self._url, "the file was changed or replaced while it was read", "open it again")


class _InterruptedError(ArchiveError):
    """A request failed in a way that it may not fail in again."""


class _Cache:
    """The blocks that were read last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[object, int], bytes] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[object, int]) -> bytes | None:
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
            return self._blocks.get(key)

    def put(self, key: tuple[object, int], block: bytes) -> None:
        with self._lock:
            self._bytes += len(block) - len(self._blocks.pop(key, b""))
            self._blocks[key] = block
            while self._bytes > CACHE_BYTES:
                self._bytes -= len(self._blocks.popitem(last=False)[1])

    def clear(self) -> None:
        with self._lock:
            self._blocks.clear()
            self._bytes = 0


_cache = _Cache()


def _file_system(url: str) -> tuple[Any, str]:
    try:
        import fsspec
        import fsspec.asyn
    except ModuleNotFoundError as error:
        raise _missing(url) from error
    if not hasattr(fsspec.asyn, "reset_after_fork"):  # a forked process would wait for ever
        raise MissingPackageError(
            f"{location(url)}: fsspec {fsspec.__version__} is too old; install 2025.5.1 or newer: pip install -U fsspec"
        )
    system, path = fsspec.core.url_to_fs(url)
    return system, path


def _version(info: dict[str, Any]) -> tuple[object, ...]:
    """Return what tells the versions of a file apart: its size, and what else the server says."""
    return tuple(info.get(key) for key in _VERSION_KEYS)


def _size(info: dict[str, Any], url: str) -> int:
    size = info.get("size")
    if not isinstance(size, int) or info.get("partial") is False:
        _fail_without_ranges(url)
    return size


def _missing(url: str) -> MissingPackageError:
    package = _PACKAGES.get(url.partition(":")[0].lower(), "")
    return MissingPackageError(
        f"{location(url)}: URLs need {' and '.join(filter(None, ['fsspec', package]))}: "
        f"pip install {' '.join(filter(None, ['fsspec', package]))}"
    )


def _fail(url: str, reason: str, remedy: str) -> NoReturn:
    raise ArchiveError(f"{location(url)}: cannot read: {reason}; {remedy}")


def _fail_for_now(url: str, reason: str, remedy: str) -> NoReturn:
    raise _InterruptedError(f"{location(url)}: cannot read: {reason}; {remedy}")


def _fail_without_ranges(url: str) -> NoReturn:
    _fail(url, "the server does not send ranges of files", "download the file, or use a server that does")


@contextlib.contextmanager
def _translated(url: str) -> Iterator[None]:
    """Raise what fsspec and its packages raise as an error that names the URL, the reason and the remedy."""
    try:
        with waiting(f"waiting for {location(url)}"):
            yield
    except SpikeyError:
        raise
    except ImportError as error:
        raise _missing(url) from error
    except Exception as error:
        chain = [error]
        while cause := chain[-1].__cause__ or chain[-1].__context__:
            chain.append(cast(Exception, cause))
        try:
            _raise_translated(url, chain)
        except SpikeyError as translated:
            raise translated from error


def _raise_translated(url: str, chain: list[Exception]) -> NoReturn:
    status = next((s for error in chain if isinstance(s := getattr(error, "status", None), int)), 0)
    kinds = {name for error in chain for name in (base.__name__ for base in type(error).__mro__)}
    is_unreachable = any(kind.startswith("ClientConnector") or kind == "EndpointConnectionError" for kind in kinds)
    if any("Credential" in kind or kind == "ProfileNotFound" for kind in kinds):
        _fail(
            url,
            "no credentials were found",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; "
            "for a public bucket set FSSPEC_S3_ANON=true",
        )
    if status in (401, 403) or "PermissionError" in kinds:
        _fail(url, "access is denied", "check the credentials and the URL")
    if status in (404, 410) or ("FileNotFoundError" in kinds and not status and not is_unreachable):
        _fail(url, "there is no such file", "check the URL")
    if any("range requests" in str(error) for error in chain):
        _fail_without_ranges(url)
    if isinstance(chain[0], ValueError) and "Protocol not known" in str(chain[0]):
        _fail(url, "fsspec does not know this kind of URL", "check the URL")
    if status:
        fail = _fail_for_now if status >= 500 or status == 429 else _fail
        fail(url, f"the server answered {status} {getattr(chain[-1], 'message', '')}".rstrip(), "try again later")
    reason = next((text for error in reversed(chain) if (text := str(error).strip())), type(chain[-1]).__name__)
    _fail_for_now(url, reason, _CHECK_NETWORK)
