"""A door before the real engine: it can be shut, which no test may do to the engine itself."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from config import load_settings
from sandbox.engines.docker.client import docker_address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Door", "engine_door"]


class Door:
    """Passes on what comes to its socket, as long as it is open."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self._engine = docker_address(load_settings()).removeprefix("unix://")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._open = True
        self._through: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._let_in, daemon=True).start()

    def shut(self) -> None:
        """Break every connection, and hang up on whoever comes."""
        with self._lock:
            self._open = False
            for end in self._through:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        """Let in who comes."""
        self._open = True

    def close(self) -> None:
        """Be no more."""
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
        """Between the guest, who has `said` this already, and the engine."""
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(self._engine)
        engine.sendall(said)
        with self._lock:
            self._through |= {guest, engine}
        for source, target in ((guest, engine), (engine, guest)):
            threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
        # The other direction may go on for long: each end is closed when nothing comes from it any more.
        with self._lock:
            self._through.discard(source)
        if target not in self._through:
            source.close()
            target.close()


@contextmanager
def engine_door(path: Path) -> Iterator[Door]:
    """An open door to the engine, on the socket `path`."""
    door = Door(path)
    try:
        yield door
    finally:
        door.close()
