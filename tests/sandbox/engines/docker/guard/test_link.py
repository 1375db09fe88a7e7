"""One HTTP connection, and two connections that are joined."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import h11
import pytest

from sandbox.engines.docker.guard.call import Refused
from sandbox.engines.docker.guard.link import READ_BYTES, Link, splice

Body = Callable[..., Awaitable[Any]]
NOTHING = [("Content-Length", "0")]
HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"


def linked(count: int, body: Body) -> Any:
    """Run `body` with `count` links and the other end of each, and return its result."""
    pairs = [socket.socketpair() for _ in range(count)]
    for _, far in pairs:
        far.settimeout(10)

    async def run() -> Any:
        links = []
        for near, _ in pairs:
            reader, writer = await asyncio.open_unix_connection(sock=near, limit=READ_BYTES)
            links.append(Link(h11.SERVER, reader, writer))
        try:
            return await asyncio.wait_for(body(*links, *(far for _, far in pairs)), 20)
        finally:
            for link in links:
                link.close()

    try:
        return asyncio.run(run())
    finally:
        for _, far in pairs:
            far.close()


@pytest.mark.parametrize(("most", "passes"), [(10, True), (9, False)])
def test_a_body_has_as_much_as_is_allowed_and_no_more(most: int, *, passes: bool) -> None:
    async def read(link: Link, far: socket.socket) -> bytes:
        far.sendall(HEAD + b"0123456789")
        await link.next_event()
        return await link.body(most)

    if passes:
        assert linked(1, read) == b"0123456789"
    else:
        with pytest.raises(Refused, match="more than 9 bytes"):
            linked(1, read)


@pytest.mark.parametrize(("size", "passes"), [(31 << 10, True), (33 << 10, False)])
def test_a_head_has_32_kibibytes_at_most(size: int, *, passes: bool) -> None:
    async def read(link: Link, far: socket.socket) -> object:
        far.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\nX: " + size * b"x")
        far.sendall(b"\r\n\r\n" if passes else b"")
        far.shutdown(socket.SHUT_WR)
        return await link.next_event()

    if passes:
        assert isinstance(linked(1, read), h11.Request)
    else:
        with pytest.raises(h11.RemoteProtocolError, match="too long"):
            linked(1, read)


def test_a_call_that_came_with_the_one_before_is_not_waited_for() -> None:
    async def read(link: Link, far: socket.socket) -> list[bytes]:
        ping = b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n"
        far.sendall(ping + ping)
        targets = []
        for _ in range(2):
            await link.wait()
            request = await link.next_event()
            assert isinstance(request, h11.Request)
            targets.append(request.target)
            await link.body(0)
            await link.send(
                h11.Response(status_code=200, headers=[("Content-Length", "0")]), h11.EndOfMessage()
            )
            assert link.is_between_calls
            link.http.start_next_cycle()
        return targets

    assert linked(1, read) == [b"/_ping", b"/_ping"]


def test_joined_ends_carry_both_ways_and_an_end_of_one_goes_on_to_the_other() -> None:
    async def join(one: Link, other: Link, far: socket.socket, further: socket.socket) -> tuple[bytes, bytes]:
        joined = asyncio.create_task(splice(one, other))
        far.sendall(b"there")
        far.shutdown(socket.SHUT_WR)
        there = await asyncio.to_thread(_all, further)
        further.sendall(b"and back")
        further.close()
        back = await asyncio.to_thread(_all, far)
        await joined
        return there, back

    assert linked(2, join) == (b"there", b"and back")


def test_what_came_behind_the_upgrade_goes_on() -> None:
    async def join(one: Link, other: Link, far: socket.socket, further: socket.socket) -> bytes:
        one.http.receive_data(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\nearly ")
        while await one.next_event() and not one.http.trailing_data[0]:
            pass
        joined = asyncio.create_task(splice(one, other))
        far.sendall(b"late")
        far.shutdown(socket.SHUT_WR)
        further.shutdown(socket.SHUT_WR)
        said = await asyncio.to_thread(_all, further)
        await joined
        return said

    assert linked(2, join) == b"early late"


def test_an_end_that_breaks_breaks_the_other() -> None:
    async def join(one: Link, other: Link, far: socket.socket, further: socket.socket) -> bytes:
        joined = asyncio.create_task(splice(one, other))
        further.sendall(b"unread")
        await asyncio.to_thread(far.recv, 1, socket.MSG_PEEK)
        far.close()  # Data is unread, so the kernel resets the connection.
        await joined
        return await asyncio.to_thread(_all, further)

    assert linked(2, join) == b""


def _all(end: socket.socket) -> bytes:
    return b"".join(iter(lambda: end.recv(1 << 16), b""))
