"""A guard that runs as a separate program in front of the real engine, and a hostile client of it."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from tests.programs import ROOT, free_port
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["NAME", "Guard", "running_guard"]

#: The container name in the create calls of the hostile client.
NAME = f"cellblock-{secrets.token_hex(6)}"
_SILENCE_S = 2.5
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Guard:
    """The port on which a guard listens, and functions that send it calls."""

    port: int

    @property
    def url(self) -> str:
        """The guard's address, in the form of an engine's address."""
        return f"tcp://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, body: str | bytes | None = None) -> int:
        """Send a call and return the status of the answer. The path is sent unchanged."""
        return self.answer(method, path, body).status_code

    def answer(self, method: str, path: str, body: str | bytes | None = None) -> requests.Response:
        request = requests.Request(method, "http://x", data=body, headers=_JSON).prepare()
        request.url = f"http://127.0.0.1:{self.port}{path}"
        with requests.Session() as session:
            return session.send(request, timeout=20)

    def create(self, body: str | dict[str, Any]) -> int:
        """Send a create call and return the status of the answer."""
        text = body if isinstance(body, str) else json.dumps(body)
        return self.call("POST", f"/v1.41/containers/create?name={NAME}", text)

    def say(self, raw: bytes) -> bytes:
        """Send these bytes and return the answer, up to its end or a pause of `_SILENCE_S` seconds."""
        said = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(raw)
            connection.settimeout(_SILENCE_S)
            with suppress(TimeoutError):
                while piece := connection.recv(1 << 16):
                    said += piece
        return said


@contextmanager
def running_guard(folder: Path, **settings: str) -> Iterator[Guard]:
    """Run `cellblock guard` and wait until it listens. At the end, SIGTERM must stop it."""
    guard, log = Guard(free_port()), folder / "guard.log"
    command = [sys.executable, "-m", "cli", "guard", "--listen", guard.url]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | settings, stdout=output, stderr=output)
    try:
        wait_until(
            lambda: "Guarding" in log.read_text() or process.poll() is not None, 20, "the guard listens"
        )
        assert process.poll() is None, log.read_text()
        yield guard
    finally:
        process.terminate()
        process.wait(20)
    assert process.returncode == 0, log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()
