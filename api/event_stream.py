"""Sends server-sent events to a client, for as long as both are there."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from redis.exceptions import RedisError
from starlette.responses import Response

from api.ending import end
from api.outage import note_outage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from starlette.types import Receive, Scope, Send

__all__ = ["EventStream", "gone"]

# A client whose connection is gone is noticed by this comment, and a proxy keeps the connection open.
_QUIET_S = 15.0
_QUIET = b": nothing new\n\n"
# How long a browser waits before it connects again, in milliseconds.
_HEAD = b"retry: 1000\n\n"


class EventStream(Response):
    """A response that ends with its events, when the client goes, or when `closing` is set."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[str, None], closing: asyncio.Event) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send_all(send))
        others = [asyncio.create_task(gone(receive)), asyncio.create_task(self._closing.wait())]
        try:
            await asyncio.wait([sending, *others], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(sending, *others)
        if not sending.cancelled():
            sending.result()
        await send({"type": "http.response.body", "body": b""})

    async def _send_all(self, send: Send) -> None:
        async def put(data: bytes) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": True})

        async with aclosing(self._events) as events:
            try:
                await put(_HEAD)
                await _pump(events, put)
            except RedisError as error:
                note_outage(error)


async def _pump(events: AsyncGenerator[str, None], put: Callable[[bytes], Awaitable[None]]) -> None:
    """Send each event as it comes, and a comment where none comes for long."""
    coming = asyncio.create_task(_next(events))
    try:
        while True:
            done, _ = await asyncio.wait([coming], timeout=_QUIET_S)
            if done and not coming.result():
                return
            await put(coming.result().encode() if done else _QUIET)
            if done:
                coming = asyncio.create_task(_next(events))
    finally:
        await end(coming)


async def _next(events: AsyncGenerator[str, None]) -> str:
    """The next event; empty after the last."""
    return await anext(events, "")


async def gone(receive: Receive) -> None:
    """Return when the client has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
