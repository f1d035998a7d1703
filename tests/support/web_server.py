"""An HTTP server on this machine: it sends ranges of files, counts what it sends, and can be made to fail."""

from __future__ import annotations

import hashlib
import mimetypes
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self


class WebServer:
    """Serves the files of a folder.

    Attributes
    ----------
    url : str
        The URL of the folder.
    sent : int
        Bytes of files sent so far.
    requests : int
        Requests so far.
    has_ranges : bool
        Whether it sends ranges; otherwise it answers each request with the whole file.
    status : int
        If not 0, the status of every answer.
    cuts_at : int or None
        Bytes after which an answer breaks off.
    fails_next : int
        How many of the next answers have status 503.
    tells_versions : bool
        Whether answers have an ETag.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sent = self.requests = self.status = self.fails_next = 0
        self.has_ranges = self.tells_versions = True
        self.cuts_at: int | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                outer._answer(self, has_body=False)

            def do_GET(self) -> None:
                outer._answer(self, has_body=True)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # the client went away

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler, *, has_body: bool) -> None:
        self.requests += 1
        path = self.folder / request.path.partition("?")[0].lstrip("/")
        status = self.status or (503 if self.fails_next > 0 else 0)
        self.fails_next -= 1
        if status or not path.is_file():
            request.send_response(status or 404)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        data = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        if asked and self.has_ranges:
            first, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
            body = data[first : last + 1]
        else:
            request.send_response(200)
            body = data
        if self.tells_versions:
            request.send_header("ETag", f'"{hashlib.md5(data).hexdigest()}"')
        request.send_header("Content-Type", mimetypes.guess_type(path)[0] or "application/octet-stream")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if has_body:
            part = body[: self.cuts_at]
            self.sent += len(part)
            request.close_connection = len(part) < len(body)
            request.wfile.write(part)
