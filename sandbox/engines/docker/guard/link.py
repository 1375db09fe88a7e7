"""One HTTP connection, either from a client or to the engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import h11

from sandbox.engines.docker.guard.call import Refused

if TYPE_CHECKING:
    from h11._events import Event

__all__ = ["READ_BYTES", "Link", "splice"]

READ_BYTES = 256 << 10
_HEAD_BYTES = 32 << 10


class Link:
    """HTTP by h11, over a pair of streams of asyncio."""

    def __init__(
        self, role: type[h11.CLIENT | h11.SERVER], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.http = h11.Connection(role, max_incomplete_event_size=_HEAD_BYTES)
        self.reader = reader
        self.writer = writer

    @property
    def is_between_calls(self) -> bool:
        """Whether the last call and its answer are complete, so that another call may follow."""
        return self.http.our_state is self.http.their_state is h11.DONE

    async def wait(self) -> None:
        """Wait until there is something to read, or the end."""
        if not self.http.trailing_data[0]:
            self.http.receive_data(await self.read())

    async def read(self) -> bytes:
        """The next bytes, not parsed. They are empty at the end."""
        return await self.reader.read(READ_BYTES)

    async def next_event(self) -> Event | None:
        """The next event from the other end; None if h11 is paused (`h11.PAUSED`).

        Raises:
            h11.RemoteProtocolError: the other end does not send HTTP.
        """
        while True:
            event = self.http.next_event()
            if event is h11.PAUSED:
                return None
            if not isinstance(event, type):
                return event
            self.http.receive_data(await self.read())

    async def body(self, most_bytes: int) -> bytes:
        """The whole body of the message that has begun.

        Raises:
            Refused: it has more than `most_bytes`.
        """
        body = b""
        while isinstance(event := await self.next_event(), h11.Data):
            body += event.data
            if len(body) > most_bytes:
                raise Refused(f"a body of more than {most_bytes} bytes")
        return body

    async def send(self, *events: Event) -> None:
        """Send all events, no faster than the other end reads them."""
        self.writer.write(b"".join(self.http.send(event) or b"" for event in events))
        await self.writer.drain()

    def close(self) -> None:
        """Close the connection once everything that was written is sent."""
        self.writer.close()


async def splice(one: Link, other: Link) -> None:
    """Carry bytes in both directions until both have ended. The end of one is passed on to the other side."""
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_carry(one, other))
            both.create_task(_carry(other, one))
    except* OSError:
        # One end is gone. The other does not notice it, so abort its connection too.
        for link in (one, other):
            link.writer.transport.abort()


async def _carry(source: Link, target: Link) -> None:
    target.writer.write(source.http.trailing_data[0])
    while data := await source.read():
        target.writer.write(data)
        await target.writer.drain()
    target.writer.write_eof()
