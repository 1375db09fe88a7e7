"""An image registry on this host, from which the real engine can pull. Each image has one file."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Registry", "running_registry"]

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Registry(ThreadingHTTPServer):
    """Stores images under `<repository>:<tag>` and under their digests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repository = f"127.0.0.1:{self.server_port}/pinned"
        self.blobs: dict[str, tuple[str, bytes]] = {}

    def push(self, tag: str, content: str) -> str:
        """Store an image with this file under the tag. Returns its digest."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            entry = tarfile.TarInfo("content")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))
        layer = gzip.compress(tar.getvalue())
        about = {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [_digest(tar.getvalue())]},
        }
        config = json.dumps(about).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": self._keep(_CONFIG, config),
                "layers": [self._keep(_LAYER, layer)],
            }
        ).encode()
        digest = str(self._keep(_MANIFEST, manifest)["digest"])
        self.blobs[tag] = _MANIFEST, manifest
        return digest

    def _keep(self, kind: str, data: bytes) -> dict[str, str | int]:
        self.blobs[_digest(data)] = kind, data
        return {"mediaType": kind, "size": len(data), "digest": _digest(data)}


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        kind, data = self.server.blobs.get(self.path.rpartition("/")[2], ("text/plain", b""))
        if self.path == "/v2/":
            data = b"{}"
        self.send_response(200 if data else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Docker-Content-Digest", _digest(data))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    do_HEAD = do_GET  # noqa: N815  the name comes from the base class

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@contextmanager
def running_registry() -> Iterator[Registry]:
    """Run a registry on the loopback interface, where the engine accepts it without TLS."""
    with Registry() as registry:
        threading.Thread(target=registry.serve_forever, daemon=True).start()
        yield registry
        registry.shutdown()
