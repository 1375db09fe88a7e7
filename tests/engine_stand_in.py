"""A stand-in for the engine's API on a socket of its own: there is no registry here to pull from."""

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
    """Knows the images that it is given, answers every pull with `lines`, and says `about` of itself.

    It refuses what no worker asks for, as a proxy does that stands before an engine.
    """

    daemon_threads = True

    def __init__(self, path: Path, images: dict[str, dict[str, object]]) -> None:
        super().__init__(str(path), _Handler)
        self.url = f"unix://{path}"
        self.version: dict[str, object] = {"ApiVersion": "1.41"}
        self.images = images
        self.about: dict[str, object] = {}
        #: The status of its answer to who asks for its plugins.
        self.plugins = 403
        self.lines: list[dict[str, object]] = []
        self.pulled: list[tuple[str, str]] = []


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
        self.server.pulled.append((asked["fromImage"][0], asked["tag"][0]))
        self._answer(200, *self.server.lines)

    def do_DELETE(self) -> None:
        """It has no containers: who is told so need not try again until its patience ends."""
        self._answer(404, {"message": "No such container"})

    def _answer(self, code: int, *lines: dict[str, object]) -> None:
        """In chunks, as the engine does: one for each line."""
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
        """Say nothing."""


@contextmanager
def standing_in(path: Path, **images: dict[str, object]) -> Iterator[StandIn]:
    """An engine that answers on the socket `path`."""
    with StandIn(path, images) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
