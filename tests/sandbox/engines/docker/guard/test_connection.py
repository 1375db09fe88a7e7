"""The guard's connection to one client, with an engine and a judge that the test controls."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import h11
import pytest

from sandbox.engines.docker.guard.call import Refused
from sandbox.engines.docker.guard.connection import Connection
from sandbox.engines.docker.guard.engine import GuardedEngine
from sandbox.engines.docker.guard.link import READ_BYTES, Link
from sandbox.engines.docker.guard.order import Order
from sandbox.engines.docker.guard.owned import Missing
from tests.waiting import PATIENCE, becomes, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.engines.docker.guard.call import Call
    from sandbox.engines.docker.guard.judge import Judge

Client = Callable[[socket.socket], Any]
GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
ATTACH = b"GET /attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Secret: 1\r\nApi-Version: 1.41\r\n\r\nhi"
SWITCH = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


async def judge(call: Call) -> Order:
    if call.path == ("refused",):
        raise Refused("because")
    if call.path == ("missing",):
        raise Missing("No such container: x")
    return Order.of(call, *call.path, query={})


class Ends:
    """Connects a client in a thread, a connection of the guard, and an engine that gives one answer.

    If the answer is None, the engine hangs up.
    """

    def __init__(self, path: Path, answer: bytes | None) -> None:
        self.path = path
        self.answer = answer
        self.heard = b""
        self.engine_was_left = asyncio.Event()

    def run(self, client: Client) -> Any:
        return asyncio.run(asyncio.wait_for(self._run(client), 30))

    async def _run(self, client: Client) -> Any:
        near, far = socket.socketpair()
        far.settimeout(10)
        server = await asyncio.start_unix_server(self._serve, str(self.path))
        engine = GuardedEngine(f"unix://{self.path}", 5)
        reader, writer = await asyncio.open_unix_connection(sock=near, limit=READ_BYTES)
        link = Link(h11.SERVER, reader, writer)
        serving = asyncio.create_task(Connection(link, engine, cast("Judge", judge)).serve())
        async with server:
            try:
                with far:
                    said = await asyncio.to_thread(client, far)
                await serving
                await engine.close()
                await self.engine_was_left.wait() if self.heard else None
                return said
            finally:
                serving.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (data := await reader.read(1 << 16)) and self.answer is not None:
                if not self.heard or data.startswith(b"GET"):
                    writer.write(self.answer)
                self.heard += data
            self.engine_was_left.set()
        finally:
            writer.close()


def says(*pieces: bytes) -> Client:
    """A client that sends these pieces, and returns all that it receives until the guard hangs up."""

    def client(far: socket.socket) -> bytes:
        for piece in pieces:
            far.sendall(piece)
        return b"".join(iter(lambda: far.recv(1 << 16), b""))

    return client


def statuses(said: bytes) -> list[str]:
    return re.findall(r"HTTP/1.1 (\d+)", said.decode())


def test_an_answer_goes_on_with_what_a_client_needs_to_know_and_no_more(tmp_path: Path) -> None:
    ends = Ends(tmp_path / "s", HELLO)
    said = ends.run(says(GET % b"x", GET % b"refused"))
    assert statuses(said) == ["200", "403"]
    assert b"api-version: 1.41" in said.lower()
    assert b"secret" not in said.lower()
    assert ends.heard.startswith(b"GET /x HTTP/1.1\r\nHost: engine\r\nContent-Length: 0\r\n\r\n")


def test_what_is_missing_is_no_reason_to_hang_up_and_what_is_refused_is(tmp_path: Path) -> None:
    ends = Ends(tmp_path / "s", HELLO)
    said = ends.run(says(GET % b"missing", GET % b"x", GET % b"refused", GET % b"x"))
    assert statuses(said) == ["404", "200", "403"]
    assert b'{"message": "No such container: x"}' in said
    assert b"the guard before the engine lets no such call through: because" in said


def test_what_is_no_http_is_told_so(tmp_path: Path) -> None:
    ends = Ends(tmp_path / "s", HELLO)
    assert statuses(ends.run(says(b"\x16\x03\x01 no HTTP\r\n\r\n"))) == ["400"]
    assert ends.heard == b""


def test_a_call_that_is_not_said_in_time_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.engines.docker.guard.connection._CALL_S", 0.2)
    began = time.monotonic()
    assert Ends(tmp_path / "s", HELLO).run(says(b"GET /x HTT")) == b""
    assert 0.15 < time.monotonic() - began < 10 * PATIENCE


def test_who_is_refused_and_speaks_on_is_hung_up_on_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.engines.docker.guard.connection._LINGER_S", 0.2)

    def client(far: socket.socket) -> bytes:
        said = says(GET % b"refused")(far)
        with pytest.raises(BrokenPipeError):
            becomes(lambda: far.sendall(b"and on"), 10)
        return bytes(said)

    assert statuses(Ends(tmp_path / "s", HELLO).run(client)) == ["403"]


def test_who_is_refused_hears_the_end_of_the_answer_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.engines.docker.guard.connection._LINGER_S", 600)
    assert statuses(Ends(tmp_path / "s", HELLO).run(says(GET % b"refused"))) == ["403"]


def test_a_client_that_goes_before_the_answer_takes_its_call_along(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ends = Ends(tmp_path / "s", b"")

    def client(far: socket.socket) -> None:
        far.sendall(GET % b"x")
        wait_until(lambda: ends.heard, 10, "the call has come to the engine")

    with caplog.at_level(logging.DEBUG, "cellblock.guard"):
        ends.run(client)
    assert ends.engine_was_left.is_set()
    assert "A client has gone" in caplog.text


def test_the_streams_of_a_container_are_carried_both_ways(tmp_path: Path) -> None:
    ends = Ends(tmp_path / "s", SWITCH + b"from the cell")

    def client(far: socket.socket) -> bytes:
        said = b""
        far.sendall(ATTACH)
        while not said.endswith(b"cell"):
            said += far.recv(1 << 16)
        far.sendall(b"to the cell")
        far.shutdown(socket.SHUT_WR)
        return said + b"".join(iter(lambda: far.recv(1 << 16), b""))

    said = ends.run(client)
    assert statuses(said) == ["101"]
    assert said.endswith(b"from the cell")
    assert ends.heard.endswith(b"to the cell")


@pytest.mark.parametrize(
    ("ask", "answer"),
    [(ATTACH, HELLO), (GET % b"x", SWITCH), (GET % b"x", b"no HTTP\r\n\r\n"), (GET % b"x", None)],
    ids=["no streams", "streams", "no HTTP", "none"],
)
def test_an_answer_that_does_not_fit_the_call_goes_to_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ask: bytes, answer: bytes | None
) -> None:
    assert Ends(tmp_path / "s", answer).run(says(ask)) == b""
    assert "The engine's answer makes no sense" in caplog.text
