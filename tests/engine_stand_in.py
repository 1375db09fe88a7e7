"""A fake engine API on a Unix socket, for tests of pulls: no registry can be reached."""

from __future__ import annotations

import json
import socketserver
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["StandIn", "standing_in"]


class StandIn(socketserver.ThreadingUnixStreamServer):
    """It has these images, answers every pull with `lines`, and returns `about` as its info.

    It refuses requests that no worker makes, like a proxy in front of an engine.
    """

    daemon_threads = True

    def __init__(self, path: Path, images: dict[str, dict[str, object]]) -> None:
        super().__init__(str(path), _Handler)
        self.url = f"unix://{path}"
        self.version: dict[str, object] = {"ApiVersion": "1.41"}
        self.images = images
        self.about: dict[str, object] = {}
        #: The status of the answer about plugins.
        self.plugins = 403
        self.lines: list[dict[str, object]] = []
        self.pulled: list[tuple[str, str]] = []
        #: The filters of the last request to remove images.
        self.pruned: dict[str, list[str]] = {}


class _Handler(BaseHTTPRequestHandler):
    server: StandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        name = path.partition("/images/")[2].removesuffix("/json")
        if path == "/_ping":
            self._answer(200)
        elif path.endswith("/version"):
            self._answer(200, self.server.version)
        elif path.endswith("/info"):
            self._answer(200, self.server.about)
        elif path.endswith("/plugins"):
            self._answer(self.server.plugins, {"message": "Forbidden"})
        elif name in self.server.images:
            self._answer(200, self.server.images[name])
        else:
            self._answer(404, {"message": f"No such image: {name}"})

    def do_POST(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        if "/images/prune" in self.path:
            self.server.pruned = json.loads(asked["filters"][0])
            self._answer(200, {"ImagesDeleted": [], "SpaceReclaimed": 1 << 20})
            return
        self.server.pulled.append((asked["fromImage"][0], asked["tag"][0]))
        self._answer(200, *self.server.lines)

    def do_DELETE(self) -> None:
        """Say that the container does not exist, so that the client does not retry until its timeout."""
        self._answer(404, {"message": "No such container"})

    def _answer(self, code: int, *lines: dict[str, object]) -> None:
        """Send the lines in chunks, as the engine does."""
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines:
            data = json.dumps(line).encode() + b"\r\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")

    def address_string(self) -> str:
        return "a client on a Unix socket"

    def log_message(self, *_: object, **__: object) -> None:
        """Log nothing."""


@contextmanager
def standing_in(path: Path, **images: dict[str, object]) -> Iterator[StandIn]:
    """Run a fake engine on the socket `path`."""
    with StandIn(path, images) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
