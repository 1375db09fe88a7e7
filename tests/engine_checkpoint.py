"""A proxy to the real engine that reads the requests and can fail the ones that a test names."""

from __future__ import annotations

import re
import socket
import tempfile
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.engine_door import Door

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Checkpoint", "engine_checkpoint"]

_STALLED, _OK = 0, 200
_LENGTH = re.compile(rb"(?i)^content-length: *(\d+)", re.MULTILINE)


@dataclass(slots=True)
class _Rule:
    call: re.Pattern[str]
    left: int
    status: int | None = None
    body: bytes = b""
    is_done: bool = False
    freed: threading.Event = field(default_factory=threading.Event)


class Checkpoint(Door):
    """A proxy that records every call in `calls`, such as "POST /containers/name/start"."""

    def __init__(self, path: Path) -> None:
        self.calls: list[str] = []
        self._rules: list[_Rule] = []
        super().__init__(path)

    def refuse(
        self,
        call: str,
        status: int,
        says: str = "the test says no",
        *,
        times: int = 1 << 30,
        done: bool = False,
    ) -> None:
        """Answer the next `times` calls that match the pattern `call` with this status and message.

        With `done` the engine still gets the call and does it.
        """
        self._rules.append(
            _Rule(re.compile(call), times, status, b'{"message": "%s"}' % says.encode(), is_done=done)
        )

    def answer(self, call: str, body: bytes) -> None:
        """Answer these calls with this JSON instead of the engine's answer."""
        self._rules.append(_Rule(re.compile(call), 1 << 30, _OK, body))

    def hang_up_on(self, call: str, *, times: int = 1 << 30) -> None:
        """Close the connection of these calls without an answer."""
        self._rules.append(_Rule(re.compile(call), times))

    def stall(self, call: str, *, times: int = 1 << 30) -> threading.Event:
        """Hold these calls until the returned event is set; then they go to the engine."""
        rule = _Rule(re.compile(call), times, _STALLED)
        self._rules.append(rule)
        return rule.freed

    def obey(self) -> None:
        """Let all calls through again."""
        self._free()
        self._rules.clear()

    def close(self) -> None:
        """Stop the proxy."""
        self._free()
        super().close()

    def made(self, call: str) -> list[str]:
        """The calls so far that match the pattern."""
        return [one for one in list(self.calls) if re.fullmatch(call, one)]

    def _free(self) -> None:
        for rule in self._rules:
            rule.freed.set()

    def _lead(self, guest: socket.socket, said: bytes = b"") -> None:
        threading.Thread(target=self._check, args=(guest, said), daemon=True).start()

    def _check(self, guest: socket.socket, said: bytes) -> None:
        with suppress(OSError):
            while b"\r\n\r\n" not in said or len(said) < _end(said):
                if not (data := guest.recv(1 << 16)):
                    guest.close()
                    return
                said += data
            self._judge(guest, said)

    def _judge(self, guest: socket.socket, said: bytes) -> None:
        method, target = said.split(b" ", 2)[:2]
        path = re.sub(r"^/v1\.\d+|\?.*", "", target.decode())
        call = f"{method.decode()} {path}"
        self.calls.append(call)
        rule = next((one for one in self._rules if one.left and one.call.fullmatch(call)), None)
        # With one call for each connection, every call is seen here.
        only = said if b"Upgrade:" in said else said.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        if rule is None:
            super()._lead(guest, only)
            return
        rule.left -= 1
        if rule.status == _STALLED:
            rule.freed.wait()
            super()._lead(guest, only)
            return
        if rule.is_done:
            self._do(only)
        if rule.status is not None:
            guest.sendall(_answer(rule.status, rule.body))
        guest.close()

    def _do(self, said: bytes) -> None:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(self._engine)
            engine.sendall(said)
            while engine.recv(1 << 16):
                pass


def _end(said: bytes) -> int:
    head, _, _ = said.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return len(head) + 4 + (int(length[1]) if length else 0)


def _answer(status: int, body: bytes) -> bytes:
    """An answer in the engine's form: errors have a length, and other answers come in chunks."""
    head = f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\nConnection: close\r\n".encode()
    if status != _OK:
        return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@contextmanager
def engine_checkpoint() -> Iterator[Checkpoint]:
    """Run a proxy on its own socket. At first it lets every call through."""
    with tempfile.TemporaryDirectory(prefix="cb-gate-") as folder:
        checkpoint = Checkpoint(Path(folder, "s"))
        try:
            yield checkpoint
        finally:
            checkpoint.close()
