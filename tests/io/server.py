"""A web server in a thread that behaves, or misbehaves, as a test asks."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pyg_jets.io.download import RemoteFile, fetch
from pyg_jets.io.transfer import RetryPolicy

DATA = bytes(range(256)) * 4000  # about a megabyte
OTHER = DATA[::-1]
SHA = hashlib.sha256(DATA).hexdigest()
PAGE = b" \n<!DOCTYPE HTML><html>Please log in</html>"
NOWHERE = "https://nowhere.invalid"
QUICK = RetryPolicy(
    connect_timeout=60, read_timeout=60, attempts=3, first_wait=0.01, longest_wait=0.02
)
#: For servers that stall: the timeout decides when they are given up.
IMPATIENT = replace(QUICK, read_timeout=0.5)


class Handler(BaseHTTPRequestHandler):
    """Answers a request through the server's ``behave``, and remembers it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))  # type: ignore[attr-defined]
        self.close_connection = True
        self.server.behave(self)  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, status: int, body: bytes = b"", claim: int | None = None, **headers: str):
        """Send a whole answer; ``claim`` is the Content-Length, if it shall be another."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if claim is None else claim))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class Server:
    """What a test sees of the server: its address, its requests, and how it behaves."""

    def __init__(self, http: ThreadingHTTPServer):
        self.http = http
        self.url = f"http://127.0.0.1:{http.server_address[1]}"
        self.requests: list[tuple[str, dict[str, str]]] = http.requests  # type: ignore[attr-defined]

    def behave(self, how: Callable[[Handler], None]) -> None:
        self.http.behave = how  # type: ignore[attr-defined]


@contextmanager
def serving(how: Callable[[Handler], None]) -> Iterator[Server]:
    """A server on a free port."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.requests = []  # type: ignore[attr-defined]
    http.behave = how  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Server(http)
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def well(data: bytes = DATA, etag: str = '"one"', **headers: str) -> Callable[[Handler], None]:
    """Serve ``data`` as a good server does, with ranges on condition of the ETag."""

    def behave(request: Handler) -> None:
        asked = request.headers.get("Range", "")
        if asked and request.headers.get("If-Range") == etag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                request.reply(416, Content_Range=f"bytes */{len(data)}")
                return
            content_range = f"bytes {start}-{len(data) - 1}/{len(data)}"
            request.reply(206, data[start:], Content_Range=content_range, ETag=etag, **headers)
        else:
            request.reply(200, data, ETag=etag, **headers)

    return behave


def cut_at(size: int, etag: str = '"one"', data: bytes = DATA) -> Callable[[Handler], None]:
    """Break off after ``size`` bytes of the whole."""
    return lambda request: request.reply(200, data[:size], claim=len(data), ETag=etag)


def stall_at(size: int, seconds: float) -> Callable[[Handler], None]:
    """Send ``size`` bytes, then nothing."""

    def behave(request: Handler) -> None:
        request.reply(200, DATA[:size], claim=len(DATA), ETag='"one"')
        request.wfile.flush()
        time.sleep(seconds)

    return behave


def in_turn(*turns: Callable[[Handler], None]) -> Callable[[Handler], None]:
    """Behave by the first for the first request, and so on; the last one lasts."""
    left = list(turns)
    return lambda request: (left.pop(0) if len(left) > 1 else left[0])(request)


def remote(server, name="jets.h5", algorithm="sha256", hash=SHA, **more) -> RemoteFile:
    return RemoteFile(name, f"{server.url}/files/{name}", algorithm, hash, **more)


def unverified(server, name="jets.h5") -> RemoteFile:
    return RemoteFile(name, f"{server.url}/files/{name}")


def bring(file: RemoteFile, folder: Path, retry: RetryPolicy = QUICK) -> Path:
    return fetch([file], folder, progress=False, retry=retry)[0]


def left(folder: Path) -> set[str]:
    """What lies in a folder, locks apart."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}
