"""A proxy to the real engine that a test can close. The engine itself must stay up for other tests."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from config import load_settings
from sandbox.engines.docker.client import docker_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Door", "engine_door"]


class Door:
    """Passes on all bytes of its socket while it is open. `change` may replace what the engine says."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self.change: Callable[[bytes], bytes] = lambda said: said
        self._engine = docker_address(load_settings()).removeprefix("unix://")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._open = True
        self._through: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._let_in, daemon=True).start()

    def shut(self) -> None:
        """Break every connection, and close new ones at once."""
        with self._lock:
            self._open = False
            for end in self._through:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        """Accept connections again."""
        self._open = True

    def close(self) -> None:
        """Stop the proxy."""
        self.shut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _let_in(self) -> None:
        with suppress(OSError):
            while True:
                guest = self._listener.accept()[0]
                if self._open:
                    self._lead(guest)
                else:
                    guest.close()

    def _lead(self, guest: socket.socket, said: bytes = b"") -> None:
        """Connect this client to the engine, and first send what the client has said already."""
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(self._engine)
        engine.sendall(said)
        with self._lock:
            self._through |= {guest, engine}
        ways = (guest, engine, lambda said: said), (engine, guest, self.change)
        for way in ways:
            threading.Thread(target=self._pump, args=way, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes]) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(change(data))
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
        # The other direction may last much longer. So each side is closed when nothing more comes from it.
        with self._lock:
            self._through.discard(source)
        if target not in self._through:
            source.close()
            target.close()


@contextmanager
def engine_door(path: Path) -> Iterator[Door]:
    """Run an open proxy to the engine on the socket `path`."""
    door = Door(path)
    try:
        yield door
    finally:
        door.close()
